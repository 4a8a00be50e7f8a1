# From the package to served connections, on a machine that has nothing of svcc, by what each command prints.
# The package is installed from the mirror; the rest happens in a network of its own.
apt-get -q update >/dev/null
apt-get -q install -y /srv/given/svcc_*.deb
unshare --net sh -e <<'IN'
ip link set lo up
ip link add eth0 type veth peer name far
ip address add 10.0.0.4/24 dev eth0
ip link set eth0 up
ip link set far up
ip route add default via 10.0.0.1
cd /root
svcc init
svcc check svcc.dsl
svcc apply svcc.dsl --target nft
mkdir pages
echo served >pages/index.html
python3 -m http.server 8080 --directory pages >/dev/null 2>&1 &
curl --silent --retry 60 --retry-delay 1 --retry-connrefused http://10.0.0.4:8080/ >/dev/null
curl --silent http://198.19.0.1/
svcc status
IN
