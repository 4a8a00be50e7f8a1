#!/usr/bin/env bash
# What svcc makes of one file of services: the diagnostics, then the beginning of each target's output.
set -euo pipefail
cd "$(dirname "$0")/.."
svcc=.venv/bin/svcc
file=examples/custom-cluster.dsl

say() { printf '\n\033[1m$ %s\033[0m\n' "$*"; }

say "cat $file"
cat "$file"
say "svcc check $file"
"$svcc" check "$file"
for target in $("$svcc" compile --help | grep -o -- '--target \[[^]]*' | tr -d '[' | cut -d' ' -f2 | tr '|' ' '); do
    say "svcc compile $file --target $target | head -n 25"
    "$svcc" compile "$file" --target "$target" >.cache/demo
    head -n 25 .cache/demo
done
