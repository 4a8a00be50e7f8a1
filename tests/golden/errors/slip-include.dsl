 include lib/*.dsl
#        ^ SVC001
 include 'lib/*.dsl'
#        ^ SVC001
