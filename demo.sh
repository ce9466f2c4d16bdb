#!/bin/sh
# One container on this machine, seen from inside and from outside. Needs nothing but Python.
set -eu
cd "$(dirname "$0")"
[ -e .venv/installed ] || [ -e .venv/installed-dev ] || sh tests/tools/venv.sh .venv

store=$(mktemp -d)
trap 'rm -rf "$store"' EXIT

# The same questions are asked twice; each answer is one line, "question|answer".
questions='
    echo "user|$(id -un) $(id -u), group $(id -g)"
    echo "host name|$(cat /proc/sys/kernel/hostname)"
    echo "my process|$$"
    set -- /proc/[0-9]*
    echo "processes|$#"
    echo "mounts|$(grep -c . /proc/self/mountinfo)"
    echo "network|$(sed -n "s/^ *\([^ ]*\):.*/\1/p" /proc/net/dev | tr "\n" " ")"
    while read -r inside outside count; do map="${map:-}$inside=$outside+$count "; done < /proc/self/uid_map
    echo "uid map|$map"
'
look_around='
    echo; echo "All processes in the container:"
    for p in /proc/[0-9]*; do read -r name < "$p/comm" && echo "  ${p#/proc/} $name"; done
    echo; echo "All mounts in the container:"
    while read -r source target type rest; do echo "$target ($type), "; done < /proc/self/mounts |
        tr -d "\n" | sed "s/, $//" | fold -s -w 76 | sed "s/^/  /"; echo
'

run="rootless run --rm --hostname box host sh -c"
echo "\$ $run '...'"
echo
outside=$(sh -c "$questions")
inside=$(.venv/bin/rootless --root "$store/data" ${run#rootless } "$questions$look_around")

printf '%s\n%s\n' "$outside" "$inside" | awk -F '|' '
    BEGIN { printf "%-12s %-38s %s\n", "", "outside", "in the container" }
    NF == 2 && !($1 in first) { first[$1] = $2; next }
    NF == 2 { printf "%-12s %-38s %s\n", $1, first[$1], $2; next }
    { print }
'
