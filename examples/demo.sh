#!/usr/bin/env bash
# What svcc makes of one file of services: its diagnostics, then the beginning of each target's output.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"
file=examples/custom-cluster.dsl

run() { # a command as one would type it, and the first lines of what it prints
    [ -t 1 ] && printf '\n\033[1m$ %s\033[0m\n' "$*" || printf '\n$ %s\n' "$*"
    "$@" | awk -v most=25 'NR <= most; END { if (NR > most) print "… " NR - most " more lines" }'
}

run cat "$file"
run svcc check "$file"
for target in iptables nft ipvs; do
    run svcc compile "$file" --target "$target"
done
