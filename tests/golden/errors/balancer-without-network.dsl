balancer public { listen 80/http }
#        ^ SVC021
