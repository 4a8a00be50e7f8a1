 include "errors-nowhere/*.dsl"
#        ^ SVC006
 include "include.dsl"
#        ^ SVC007
