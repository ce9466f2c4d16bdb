#!/bin/sh
# venv.sh DIRECTORY [EXTRAS]: a virtual environment with this checkout in it, editable.
# PYTHON names the interpreter; otherwise Debian's is preferred, for every user can execute it.
set -eu
directory=$1 extras=${2:-}
cd "$(dirname "$0")/../.."

say() { printf '%s\n' "$*" >&2; }

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

for python in "${PYTHON:-}" /usr/bin/python3 python3 python3.13 python3.12 python3.11 ""; do
    [ -z "$python" ] || ! is_new_enough "$python" || break
done
if [ -z "$python" ]; then
    say "no Python 3.11 or newer here: install one, or name it with PYTHON=..."
    exit 1
fi

make_venv() { [ -x "$directory/bin/pip" ] || "$python" -m venv "$directory"; }

if ! make_venv >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "installing python3-venv, which $python needs to make virtual environments"
        apt-get update -qq && apt-get install -qq -y --no-install-recommends python3-venv >&2
    else
        say "$python cannot make virtual environments: apt-get install python3-venv as root,"
        say "or name another Python with PYTHON=..."
        exit 1
    fi
    rm -rf "$directory"
    make_venv
fi

say "installing rootless into $directory"
"$directory/bin/pip" install -qq --disable-pip-version-check --editable ".${extras:+[$extras]}"
# Python 3.11 gives it setuptools, which has a share in each start of the interpreter: a fifth of it.
"$directory/bin/pip" uninstall -qq --yes --disable-pip-version-check setuptools
# PYTHONDONTWRITEBYTECODE may be set, and then every start would compile all anew.
"$directory/bin/python" -m compileall -q rootless cli oci
touch "$directory/installed${extras:+-$extras}"
