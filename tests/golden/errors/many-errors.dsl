 nonsense00
#^ SVC002
 nonsense01
#^ SVC002
 nonsense02
#^ SVC002
 nonsense03
#^ SVC002
 nonsense04
#^ SVC002
 nonsense05
#^ SVC002
 nonsense06
#^ SVC002
 nonsense07
#^ SVC002
 nonsense08
#^ SVC002
 nonsense09
#^ SVC002
 nonsense10
#^ SVC002
 nonsense11
#^ SVC002
 nonsense12
#^ SVC002
 nonsense13
#^ SVC002
 nonsense14
#^ SVC002
 nonsense15
#^ SVC002
 nonsense16
#^ SVC002
 nonsense17
#^ SVC002
 nonsense18
#^ SVC002
 nonsense19
#^ SVC002
 nonsense20
#^ SVC002
 nonsense21
#^ SVC002
 nonsense22
#^ SVC002
 nonsense23
#^ SVC002
 nonsense24
#^ SVC002
 nonsense25
#^ SVC001
 nonsense26
 nonsense27
 nonsense28
 nonsense29
 nonsense30
 nonsense31
 nonsense32
 nonsense33
 nonsense34
 nonsense35
 nonsense36
 nonsense37
 nonsense38
 nonsense39
