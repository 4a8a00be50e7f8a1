#!/usr/bin/env bash
# What svcc makes of one file of services: the beginning of each target's rules, and, as root, real connections
# through them, in network namespaces that are gone afterwards.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"
file=examples/custom-cluster.dsl

bold='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\033[1m' plain=$'\033[0m'; fi

step() { # TITLE COMMAND: runs a command and shows at most LINES_SHOWN lines of what it prints
    printf '\n%s# %s%s\n$ %s\n' "$bold" "$1" "$plain" "$2"
    bash -o pipefail -c "$2" | awk -v most="${LINES_SHOWN:-24}" 'NR <= most { print } END { if (NR > most) print "… and " NR - most " lines more" }'
}

LINES_SHOWN=40 step "Two services, each with two pods" "cat $file"
step "Nothing is wrong with them, on any target" "svcc check $file && echo fine"
step "As iptables rules" "svcc compile $file --target iptables --part iptables"
step "As IPVS: the virtual servers" "svcc compile $file --target ipvs --part ipvsadm"
step "As IPVS: the sets" "svcc compile $file --target ipvs --part ipset"
step "As nftables: the elements of the maps" "svcc compile $file --target nft | grep -A3 '\"elem\"'"
if [ "$(id -u)" = 0 ]; then
    LINES_SHOWN=40 step "What each target needs of this machine, and whether it is there" "svcc doctor || true"
    LINES_SHOWN=60 step "Real connections through the nft rules, from every side" "svcc verify $file --target nft --connections 20"
    LINES_SHOWN=60 step "Real connections through the iptables rules" "svcc verify $file --target iptables --connections 20"
    LINES_SHOWN=60 step "A pod's server dies, then the pod: the agent takes it out, and it comes back" "svcc verify $file --target nft --agent --connections 20"
else
    printf '\nAs root, this would also send real connections through the rules: svcc verify %s --target nft\n' "$file"
fi
