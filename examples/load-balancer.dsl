# Two services, each with two pods, on one node, and what brings clients from outside to them: a cloud load balancer in
# front of their node ports. `--target aws` makes a CloudFormation template of the balancers; the other targets leave
# them out, and serve the node ports that they lead to.

svcc 1

cluster {
  prefix    CUSTOM
  pods      100.64.0.0/24
  nodeports 65500-65535
}

node worker { address 10.0.0.4; instance i-00817b787137b46c7 }

service service-1 {
  vip  198.19.0.9
  port 80/tcp -> 8080 nodeport 65509
  endpoints {
    100.64.0.9                          # pod-1
    100.64.0.19                         # pod-3
  }
}

service service-2 {
  vip       198.19.0.10
  port http 8080/tcp nodeport 65510
  port dns  53/udp nodeport 65511
  endpoints {
    100.64.0.10                         # pod-2
    100.64.0.20                         # pod-4
  }
}

balancer public {
  kind     application
  scheme   internet-facing
  network  vpc-0b50ec3f3729df7a8 subnet-02468af75594a6335 subnet-025434f8fe8868f1a
  security sg-05884928af06d5957
  listen   80/http default 503 "Retry later"
  route    / /svc1 /service1 -> service-1
  route    /svc2 /svc2/* -> service-2:http
}

balancer lines {
  kind    network
  network vpc-0b50ec3f3729df7a8 subnet-02468af75594a6335
  listen  8080/tcp
  listen  53/udp
  route   8080 -> service-2:http
  route   53 -> service-2:dns
}
