# Two services, each with two pods, on one node: reached by their vips from the pods and the node, and by a
# node port from outside. Written by hand this is four iptables chains per service, or four ipvsadm commands,
# two ipsets and a dummy device.

svcc 1

cluster {
  prefix     CUSTOM                     # chains and sets CUSTOM-…, nft tables `custom`
  pods       100.64.0.0/24
  nodeports  65500-65535
  vip-device custom-ipvs0
}

node worker { address 10.0.0.4 }

defaults { scheduler rr }

service service-1 {
  vip  198.19.10.0
  port 8080/tcp nodeport 65512
  endpoints {
    100.64.0.9                          # pod-1
    100.64.0.19                         # pod-3
  }
}

service service-2 {
  vip  198.19.20.0
  port 8080/tcp nodeport 65513
  endpoints {
    100.64.0.10                         # pod-2
    100.64.0.20                         # pod-4
  }
}
