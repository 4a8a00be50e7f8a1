#!/usr/bin/env bash
# Three machines and an etcd, as network namespaces that are gone afterwards: a release is published, rolled out in stages,
# changed, and taken back when a machine cannot apply it. Needs root, and etcd, or ETCD="words that run it".
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ "${1:-}" != inside ]; then
    exec unshare --net --mount --propagation private "$0" inside
fi
export PATH="$PWD/.venv/bin:$PATH:/usr/sbin:/sbin"
export SVCC_FLEET=shop SVCC_ETCD=http://10.9.0.1:2379
read -ra etcd <<<"${ETCD:-etcd}"

folder=$(mktemp -d)
begun=()
end() {
    [ ${#begun[@]} -eq 0 ] || kill "${begun[@]}" 2>/dev/null || true
    wait
    rm -rf "$folder"
}
trap end EXIT

bold='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\033[1m' plain=$'\033[0m'; fi

step() { # TITLE COMMAND…: runs commands in the folder, and shows them and what they print
    printf '\n%s# %s%s\n' "$bold" "$1" "$plain"
    shift
    for command in "$@"; do
        printf '$ %s\n' "$command"
        (cd "$folder" && bash -c "$command" 2>&1) || printf '(exit status %s)\n' $?
    done
}

begin() { # NAME COMMAND…: runs a command until the end of the demo; what it prints is in a file
    local name=$1
    shift
    "$@" >"$folder/$name.log" 2>&1 </dev/null &
    begun+=($!)
}

until_works() { # COMMAND…: waits until a command works, and gives up after a minute
    for _ in $(seq 300); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.2
    done
    echo "this does not come to work: $*" >&2
    tail -n 20 "$folder"/*.log >&2
    return 1
}

machine() { # NAME ADDRESS…: a namespace on the switch
    local name=$1 address
    shift
    ip netns add "$name"
    ip link add "to-$name" master lan type veth peer name lan netns "$name"
    ip link set "to-$name" up
    ip -n "$name" link set lo up
    ip -n "$name" link set lan up
    for address in "$@"; do ip -n "$name" address add "$address" dev lan; done
}

mount -t tmpfs tmpfs /run
ip link set lo up
ip link add lan type bridge
ip address add 10.9.0.1/24 dev lan
ip link set lan up
machine pods 100.64.0.9/24 100.64.0.19/24 100.64.0.29/24
ip -n pods route add 10.9.0.0/24 dev lan
ip route add 198.19.10.0 via 10.9.0.12 # the router of clients sends what is for the service to node-b
for pod in 9 19 29; do
    mkdir "$folder/pod-$pod"
    echo "pod $pod" >"$folder/pod-$pod/index.html"
    begin "pod-$pod" ip netns exec pods python3 -m http.server --directory "$folder/pod-$pod" --bind "100.64.0.$pod" 8080
done
begin etcd "${etcd[@]}" --data-dir "$folder/etcd" --log-level error \
    --listen-client-urls "$SVCC_ETCD" --advertise-client-urls "$SVCC_ETCD" --listen-peer-urls http://127.0.0.1:2380
for node in node-a node-b node-c; do
    case $node in node-a) host=11 ;; node-b) host=12 ;; node-c) host=13 ;; esac
    machine "$node" "10.9.0.$host/24"
    ip -n "$node" route add 100.64.0.0/24 dev lan
    ip netns exec "$node" sysctl -qw net.ipv4.ip_forward=1
    begin "$node" ip netns exec "$node" svcc agent --fleet "$SVCC_FLEET" --etcd "$SVCC_ETCD" --node "$node" \
        --state-dir "$folder/state-$node" --confirm 5
done
until_works svcc fleet history
for pod in 9 19 29; do until_works ip netns exec node-a curl --silent --fail "http://100.64.0.$pod:8080"; done
cp examples/fleet/shop.dsl "$folder"

printf '%s# Three machines (10.9.0.11 to 13) with `svcc agent --fleet shop` each, and etcd at 10.9.0.1%s\n' "$bold" "$plain"
step "The file of all three, checked, compiled for each, and published" \
    "cat shop.dsl" "svcc publish shop.dsl --target nft --message 'the shop opens'"
step "One machine first; the others when it was well for two seconds" \
    "svcc rollout 1 --stage node-a --stage all --soak 2s"
step "They serve" \
    "for i in {1..20}; do curl --silent 198.19.10.0; done | sort | uniq" "svcc fleet status"
step "A pod more: what changes is said before it does" \
    "sed -i 's/^    100.64.0.19/&\n    100.64.0.29/' shop.dsl" \
    "svcc publish shop.dsl --target nft --message 'a third pod'" \
    "svcc fleet diff" \
    "svcc rollout 2 --stage 'zone east' --stage all --soak 1s"
step "node-c holds an address of its own that a new service is to have: it refuses, and all go back" \
    "ip -n node-c address add 198.19.20.0/32 dev lan" \
    "echo 'service shop/api { vip 198.19.20.0; port 80/tcp -> 8080; endpoints { 100.64.0.29 } }' >> shop.dsl" \
    "svcc publish shop.dsl --target nft --message 'an API'" \
    "svcc rollout 3 --stage node-a --stage all --soak 1s"
step "Everybody serves what was served before" "svcc fleet status" "svcc fleet history"
