service web {
	vip	198.19.0.1	# 日本
	port 80/tcp; endpoints { 日本 }
#	                        ^ SVC001
}
