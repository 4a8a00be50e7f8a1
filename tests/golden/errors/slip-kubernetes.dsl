service web {
  vip 198.19.0.1
  port 80/tcp
  clusterIP 198.19.0.1
# ^ SVC002
  targetPort 8080
# ^ SVC002
  ports 80/tcp
# ^ SVC002
  sessionAffinity ClientIP
# ^ SVC002
  externalTrafficPolicy Local
# ^ SVC002
  endpoints { 100.64.0.9 }
}
