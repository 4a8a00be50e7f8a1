 svcc 2
#     ^ SVC008
cluster { }
 svcc 1
#^ SVC008
