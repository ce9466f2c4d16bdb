"""Disks that are full or read-only, and file systems that overlay does not take.

Each time: a clear error of one line or the right result, nothing lost, and nothing left.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.containers import test_badluck
from tests.containers.leavings import assert_nothing_left, kill, supervisor
from tests.containers.test_badluck import MAPPED

if TYPE_CHECKING:
    from tests.conftest import Store

pytestmark = pytest.mark.once

cli, one = test_badluck.cli, test_badluck.one  # the fixtures


def in_namespace(store: Store, script: str, mode: str) -> subprocess.CompletedProcess[str]:
    """Run a shell script as root of a user and mount namespace of its own; `$R` is rootless."""
    maps = MAPPED if mode == "mapped" else MAPPED[:1]
    return subprocess.run(
        ["unshare", *maps, "--mount", "sh", "-euc", script],
        env={**store.env, "R": " ".join(store.command), "D": store.directory},
        capture_output=True,
        text=True,
        timeout=100,
    )


def test_full_disk(busybox: Store, in_user_mode: str) -> None:
    """A tmpfs of 3 MB holds the store."""
    script = """
        mkdir $D/small
        mount -t tmpfs -o size=3m,mode=700 x $D/small
        export ROOTLESS_ROOT=$D/small/root
        $R run --rm host true
        $R run --name one host sh -c 'echo said; exit 3' || echo code $?
        $R run --name log -d host sh -c 'while :; do seq 1 1000; sleep 0.01; done' >&2
        head -c 4000000 /dev/zero > $D/small/fill 2>/dev/null || true
        sleep 0.3
        echo --- create
        $R create host true || echo code $?
        echo --- run
        $R run --rm host true || echo code $?
        echo --- ps
        $R ps -a --format '{{.Names}} {{.State}}' | sort
        echo --- logs
        $R logs one
        echo --- exec
        $R exec log echo inside
        echo --- stop
        $R stop -t 0 log
        echo --- rm
        $R rm one
        $R rm -f log
        $R ps -aq
        rm $D/small/fill
        echo --- again
        $R run --rm host echo works
        ls -A $D/small/root/containers/.names"""
    done = in_namespace(busybox, script, in_user_mode)
    parts = dict(re.findall(r"^--- (\w+)\n(.*?)(?=^---|\Z)", done.stdout, re.MULTILINE | re.DOTALL))
    assert "Traceback" not in done.stderr
    assert "fault of rootless" not in done.stderr, done.stderr
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert parts["create"] == "code 1\n"
    assert parts["run"] == "code 125\n"
    assert parts["ps"] == "log running\none exited\n"
    assert parts["logs"] == "said\n"
    assert parts["exec"] == "inside\n"
    assert parts["rm"] == "one\nlog\n"
    assert parts["again"] == "works\n"
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 2, done.stderr
    assert all("No space left on device" in line for line in errors), errors


def test_how_it_ended_survives_a_full_disk(busybox: Store, in_user_mode: str) -> None:
    """Of one in the foreground, in the background, and one that starts again meanwhile."""
    script = """
        mkdir $D/small
        mount -t tmpfs -o size=3m,mode=700 x $D/small
        export ROOTLESS_ROOT=$D/small/root
        mkdir $D/shown
        wait="while ! [ -e /shown/go ]; do sleep 0.02; done; exit"
        $R run -d --name one -v $D/shown:/shown host sh -c "$wait 7" >&2
        $R run -d --name two -v $D/shown:/shown --restart on-failure:2 host sh -c "$wait 9" >&2
        mkfifo $D/input
        $R run -i --name three host sh -c 'read x; exit 5' < $D/input &
        exec 9>$D/input
        until $R ps -q --filter name=three | grep -q .; do sleep 0.1; done
        # To its last byte.
        for size in 1M 4k 1; do
            dd if=/dev/zero of=$D/small/fill bs=$size oflag=append conv=notrunc 2>/dev/null || true
        done
        touch $D/shown/go
        echo go >&9
        code=0; wait $! || code=$?
        echo three $code
        $R wait one
        until $R inspect -f '{{.State.Status}}' two | grep -q exited; do sleep 0.1; done
        $R inspect -f '{{.Name}} {{.State.ExitCode}} {{.RestartCount}}' one two three
        rm $D/small/fill
        $R ps -a --format '{{.Names}} {{.Status}}' | sort
        $R rm one two three >&2"""
    done = in_namespace(busybox, script, in_user_mode)
    assert done.returncode == 0, (done.stdout, done.stderr)
    *said, one, three, two = done.stdout.splitlines()
    assert said == ["three 5", "7", "/one 7 0", "/two 9 2", "/three 5 0"]
    assert one.startswith("one Exited (7)")
    assert two.startswith("two Exited (9)")
    assert three.startswith("three Exited (5)")


def test_read_only_store(one: Store, in_user_mode: str) -> None:
    script = """
        mount --bind $D/root $D/root
        mount -o remount,bind,ro $D/root
        echo --- ps
        $R ps -a --format '{{.Names}} {{.State}}'
        echo --- logs
        $R logs one
        echo --- inspect
        $R inspect -f '{{.State.ExitCode}}' one
        echo --- images
        $R images --format '{{.Repository}}'
        for words in 'create busybox' 'run --rm busybox true' 'start one' 'rm one' 'rm -f one'; do
            echo --- failing $words >&2
            if $R $words; then echo 'it works' >&2; fi
        done"""
    done = in_namespace(one, script, in_user_mode)
    assert done.returncode == 0, done.stderr
    assert "one exited" in done.stdout
    assert "said" in done.stdout
    assert "3" in done.stdout
    assert "busybox" in done.stdout
    parts = re.findall(
        r"^--- failing ([^\n]*)\n(.*?)(?=^---|\Z)", done.stderr, re.MULTILINE | re.DOTALL
    )
    for words, error in parts:
        assert "Read-only file system" in error, (words, error)
        assert error.count("\n") == 1, (words, error)
        assert error.startswith("Error: ")
        assert "fault of rootless" not in error
    assert len(parts) == 5
    assert one("start", "-a", "one").returncode == 3


def test_dead_container_in_a_read_only_store(busybox: Store, in_user_mode: str) -> None:
    """Its end cannot be written down, but is said."""
    busybox.ok("run", "-d", "--name", "one", "busybox", "sleep", "1000")
    kill(supervisor(busybox))
    script = """
        mount --bind $D/root $D/root
        mount -o remount,bind,ro $D/root
        $R ps -a --format '{{.Names}} {{.Status}}'
        $R wait one"""
    done = in_namespace(busybox, script, in_user_mode)
    assert done.stdout.startswith("one Exited (255)")
    assert done.stdout.endswith("\n255\n")
    busybox.ok("rm", "one")


@pytest.mark.parametrize("driver", ["copy", "fuse-overlayfs"])
@pytest.mark.each
def test_store_without_overlay(busybox: Store, driver: str) -> None:
    if driver == "fuse-overlayfs" and not (
        shutil.which(driver) and os.access("/dev/fuse", os.R_OK | os.W_OK)
    ):
        pytest.skip("fuse-overlayfs or /dev/fuse is not here")
    env = {"ROOTLESS_DRIVER": driver}
    script = "cat /file 2>/dev/null; echo kept > /file; rm /etc/group; touch /etc/passwd; exit 3"
    for expected in ("", "kept\n"):
        words = ["start", "-a", "one"]
        if not expected:
            words = ["run", "--name", "one", "busybox", "sh", "-c", script]
        done = busybox(*words, env=env)
        assert (done.stdout, done.returncode) == (expected, 3), done.stderr
    busybox.ok("run", "--rm", "busybox", "ls", "/etc/group", env=env)  # the image is as it was
    busybox.ok("run", "-d", "--name", "two", "busybox", "sleep", "1000", env=env)
    kill(supervisor(busybox, "two"))
    busybox.ok("ps", "-a", env=env)
    busybox.ok("rm", "one", "two", env=env)
    assert_nothing_left(busybox)


def test_store_that_overlay_refuses(busybox: Store, in_user_mode: str) -> None:
    """A store on an overlay mount: no upper layer may lie there; the driver is found by trying."""
    script = """
        mkdir $D/low $D/up $D/work $D/on
        mount -t overlay -o lowerdir=$D/low,upperdir=$D/up,workdir=$D/work,userxattr x $D/on
        export ROOTLESS_ROOT=$D/on/root
        $R load -q -i $IMAGE >/dev/null
        $R run --name one busybox sh -c 'echo kept > /file'
        $R start one >/dev/null
        $R wait one
        $R rm one
        cat $D/on/root/driver"""
    image = busybox.directory + "/image.tar"
    busybox.ok("save", "-o", image, "busybox")
    done = in_namespace(busybox, f"IMAGE={image}; {script}", in_user_mode)
    os.unlink(image)
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert done.stdout.startswith("0\none\n")
    assert "Traceback" not in done.stderr


def test_a_container_stands_still_on_a_full_disk(busybox: Store, in_user_mode: str) -> None:
    """The flag is empty; where not even a name has room, nothing has happened."""
    script = """
        mkdir $D/small
        mount -t tmpfs -o size=3m,nr_inodes=400,mode=700 x $D/small
        export ROOTLESS_ROOT=$D/small/root
        $R run --name one -d host sleep 1000 >&2
        head -c 4000000 /dev/zero > $D/small/fill 2>/dev/null || true
        $R pause one
        $R inspect -f '{{.State.Status}}' one
        $R unpause one
        rm $D/small/fill
        mkdir $D/small/many
        n=0; while touch $D/small/many/$n 2>/dev/null; do n=$((n+1)); done
        $R pause one || echo code $?
        $R inspect -f '{{.State.Status}}' one
        $R rm -f one >&2"""
    done = in_namespace(busybox, script, in_user_mode)
    assert done.stdout.splitlines() == ["one", "paused", "one", "code 1", "running"], done.stderr
    (told,) = [line for line in done.stderr.splitlines() if line.startswith("Error")]
    assert "cannot pause container one: cannot make " in told
    assert "/paused: No space left on device (make room" in told
