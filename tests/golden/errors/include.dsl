 include "errors-nowhere/*.dsl"
#        ^ SVC006
 include "~/shop.dsl"
#        ^ SVC006
 include "$HOME/shop.dsl"
#        ^ SVC006
 include "https://shop.example/web.dsl"
#        ^ SVC006
 include "include.dsl"
#        ^ SVC007
