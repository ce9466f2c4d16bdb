"""Full disks: of the store, of the runtime directory, and of what a build writes elsewhere.

One line says what was full; nothing is left, and with room again the next build works.
"""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Store

pytestmark = pytest.mark.each

MAPPED = ["--map-root-user", "--map-users=auto", "--map-groups=auto"]

BEGIN = """
export XDG_RUNTIME_DIR=$D/ownrun
mkdir $D/small $D/c $XDG_RUNTIME_DIR && chmod 700 $XDG_RUNTIME_DIR
try() {
    name=$1; shift
    echo "=== $name"
    code=0
    $R build --progress=plain "$@" $D/c > $D/said 2>&1 || code=$?
    echo "code $code"
    grep -v '^#' $D/said || true
}
size() { du -s $D/small | cut -f1; }
"""

STORE = """
cp -a $ROOTLESS_ROOT $D/kept
mount -t tmpfs -o size=16m,mode=700 x $D/small
export ROOTLESS_ROOT=$D/small/root
cp -a $D/kept $ROOTLESS_ROOT
head -c 14000000 /dev/zero | tr '\\0' x > $D/c/big
printf 'FROM busybox\\nRUN echo 1 > /1\\n' > $D/c/Dockerfile
try before -t before
first=$(size)
printf 'FROM busybox\\nCOPY big /b\\n' > $D/c/Dockerfile
try COPY
printf 'FROM busybox\\nRUN cat /dev/zero > /x\\n' > $D/c/Dockerfile
try RUN
printf 'FROM busybox\\nRUN head -c 6000000 /dev/zero | tr x y > /x\\n' > $D/c/Dockerfile
try layer
printf 'FROM busybox\\nRUN --mount=type=cache,target=/c cat /dev/zero > /c/x\\n' > $D/c/Dockerfile
try cache
$R builder prune -f > /dev/null
echo === left
echo $(( $(size) - first ))
printf 'FROM busybox\\nRUN echo 2 > /2\\n' > $D/c/Dockerfile
try after -t after
"""

ELSEWHERE = """
mount -t tmpfs -o size=1m,mode=700 x $D/small
printf 'FROM busybox\\nRUN echo 1 > /1\\n' > $D/c/Dockerfile
try tar -o type=tar,dest=$D/small/o.tar
try local -o type=local,dest=$D/small/o
rm -r $D/small/o
dd if=/dev/zero of=$D/small/fill bs=4k 2>/dev/null || true
try id --iidfile $D/small/id
try metadata --metadata-file $D/small/metadata
echo === left
ls $D/small
rm $D/small/fill
try log --logfile /dev/full
mount -t tmpfs -o size=64k,mode=700 x $XDG_RUNTIME_DIR
printf 'FROM busybox\\nRUN --mount=type=secret,id=s true\\n' > $D/c/Dockerfile
head -c 100000 /dev/zero > $D/secret
try secret --no-cache --secret id=s,src=$D/secret
head -c 100000 /dev/zero > $XDG_RUNTIME_DIR/fill 2>/dev/null || true
try runtime --no-cache
rm $XDG_RUNTIME_DIR/fill
echo === files
find $XDG_RUNTIME_DIR -type f
try after
"""


def parts(store: Store, script: str, mode: str) -> dict[str, str]:
    """Run a script as root of namespaces of its own; return what each part has said."""
    maps = {"mapped": MAPPED, "single": MAPPED[:1], "root": []}[mode]
    done = subprocess.run(
        ["unshare", *maps, "--mount", "sh", "-euc", BEGIN + script],
        env={**store.env, "R": " ".join(store.command), "D": store.directory},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "fault of rootless" not in done.stdout
    return dict(re.findall(r"^=== (\w+)\n(.*?)(?=^===|\Z)", done.stdout, re.MULTILINE | re.DOTALL))


def test_a_full_store(busybox: Store, in_user_mode: str) -> None:
    found = parts(busybox, STORE, in_user_mode)
    for name in ("COPY", "layer"):
        last = [line for line in found[name].splitlines() if "Error" in line or "ERROR" in line][-1]
        assert found[name].startswith("code 1\n")
        assert f"cannot write to the store {busybox.directory}/small/root: No space" in last
        assert "make room" in last
    for name in ("RUN", "cache"):
        assert found[name].startswith("code 1\n")
        assert f"the disk of {busybox.directory}/small/root is full: make room" in found[name]
    assert int(found["left"]) <= 32
    assert found["before"] == found["after"] == "code 0\n\n\n"


def test_what_is_full_elsewhere(busybox: Store, in_user_mode: str) -> None:
    found = parts(busybox, ELSEWHERE, in_user_mode)
    small = f"{busybox.directory}/small"
    for name, text in {
        "tar": f"{small}/o.tar: cannot write the archive: No space left",
        "local": f"cannot write a file in {small}/o: No space left",
        "id": f"cannot write {small}/id: No space left",
        "metadata": f"cannot write {small}/metadata: No space left",
        "log": "cannot write the log /dev/full: No space left",
        "secret": f"cannot write to the runtime directory {busybox.directory}/ownrun",
        "runtime": f"cannot write to the runtime directory {busybox.directory}/ownrun",
    }.items():
        assert found[name].startswith("code 1\n"), name
        assert text in found[name]
    assert found["left"] == "fill\n"
    assert found["files"] == ""
    assert found["after"] == "code 0\n\n\n"
