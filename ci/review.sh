#!/usr/bin/env bash
# What a pull request says of services: findings as annotations, and a comment with what changes, by service and endpoint.
#
#   ci/review.sh BASE FILE...
#
# BASE is the commit that the change goes to; FILEs are programs, from the top of the repository that this is called in.
# What the command lines below are given, by the environment:
#   SVCC_COMMENT  where the comment goes, in Markdown (default: comment.md)
#   SVCC_FORMAT   of findings: github, text, sarif or json (default: github)
#   SVCC_TARGET   the target whose rules are in the repository, and
#   SVCC_RULES    the folder of them, as `svcc compile -o` wrote it: they have to be those of the one FILE there is
#   SVCC_NODE     the machine, where the files declare several
#
# Exit status: 0 all is well, 1 a file is laid out otherwise than `svcc fmt` does it or the rules are older than the file,
# 2 a file has errors. A difference between BASE and the change is no error: it is what the comment is for.
set -uo pipefail

base=$1
shift
comment=${SVCC_COMMENT:-comment.md}
node=(${SVCC_NODE:+--node "$SVCC_NODE"})
status=0
worst() { if [ "$1" -gt "$status" ]; then status=$1; fi; }

svcc check --format "${SVCC_FORMAT:-github}" ${SVCC_TARGET:+--target "$SVCC_TARGET"} "$@"
worst $?
svcc fmt --check "$@" || worst 1
if [ -n "${SVCC_RULES:-}" ]; then
    svcc compile "$1" --target "$SVCC_TARGET" "${node[@]}" --quiet --check "$SVCC_RULES" || worst 1
fi

before=$(mktemp -d)
trap 'git worktree remove --force "$before" 2>/dev/null; rm -rf "$before"' EXIT
git worktree add --quiet --detach "$before" "$base" || exit 2 # includes of a file are those of BASE then, too
: >"$comment"
for file in "$@"; do
    printf '### %s\n\n' "$file"
    if [ ! -e "$before/$file" ]; then
        echo "This file is new."
        continue
    fi
    svcc diff "$before/$file" "$file" "${node[@]}" --quiet --format markdown 2>/dev/null
    if [ $? -gt 1 ]; then echo "It cannot be compared: it has errors, or had some before."; fi
    echo
done >>"$comment"
exit "$status"
