#!/bin/sh
# Check firing.pml with spin: assertions, invariants, liveness. Arguments go to spin: -DFAULTS=3, or a breach (-DLATE_CALLS).
# Exits with 1 and the name of the violated property, and prints the shortest trail that was found.
set -eu
model=$(cd "$(dirname "$0")" && pwd)/firing.pml
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
cd "$build"
options=$*
spin "$@" -a "$model" >spin.out || { cat spin.out; exit 1; }

# verify NAME COMMAND...
verify() {
    name=$1
    shift
    "$@" -m1000000 >pan.out 2>&1 || true
    if ! grep -q 'errors: 0' pan.out || grep -q 'search depth too small\|out of memory' pan.out; then
        cat pan.out
        echo "firing.pml: $name does not hold" >&2
        if [ -e firing.pml.trail ]; then spin $options -k firing.pml.trail -p "$model" 2>/dev/null | tail -60; fi
        exit 1
    fi
    echo "$name holds: $(grep 'states, stored' pan.out | sed 's/^ *//')"
}
# -O1: spin generates 15,000 lines, and -O2 compiles them for longer than it saves. Each when it is needed.
gcc -O1 -DSAFETY -o safety pan.c
verify once ./safety -N once
verify waiting_is_certain ./safety -N waiting_is_certain
gcc -O1 -DNFAIR=3 -o liveness pan.c
verify ends ./liveness -a -f -N ends
