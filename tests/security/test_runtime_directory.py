"""S15: on a shared machine a neighbour takes /tmp/rootless-UID first, and nobody can move it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rootless.doctor import session
from rootless.doctor.session import runtime_directory
from rootless.errors import HostError
from rootless.store import paths as store_paths
from rootless.store.paths import Paths

if TYPE_CHECKING:
    from tests.conftest import Store

TAKEN = "belongs to or is writable by somebody else"


@pytest.fixture
def usual(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """What stands for /tmp/rootless-UID, without a session."""
    place = tmp_path / "usual"
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setenv("ROOTLESS_ROOT", f"{tmp_path}/store")
    for module in (store_paths, session):
        monkeypatch.setattr(module, "fallback_runtime", lambda: str(place))
    return place


def take(place: Path, kind: str) -> None:
    if kind == "directory":
        place.mkdir()
        place.chmod(0o777)  # to us it is as bad as one of another owner
    elif kind == "link":
        place.symlink_to("/tmp")
    else:
        place.write_text("")


@pytest.mark.parametrize("kind", ["directory", "link", "file"])
def test_the_name_is_taken(usual: Path, tmp_path: Path, kind: str) -> None:
    """The store has a place instead, for this boot, on which all agree from then on."""
    take(usual, kind)
    first = Paths()
    assert first.runtime.startswith(f"{tmp_path}/store/run/")
    assert os.stat(first.runtime).st_mode & 0o777 == 0o700
    assert TAKEN in first.runtime_note
    (usual.rmdir if kind == "directory" else usual.unlink)()
    Paths().prepare()  # the store is one, with this in it
    member = Path(first.runtime, "userns", "single", str(os.getpid()))
    member.parent.mkdir(parents=True)
    member.write_text("")  # as of a container that runs
    later = Paths()
    assert later.runtime == first.runtime
    assert f"{usual} was somebody else's" in later.runtime_note
    assert later.runtime_note in runtime_directory(Paths()).found
    assert not usual.exists()
    member.unlink()
    again = Paths()
    assert (again.runtime, again.runtime_note) == (str(usual), "")
    assert str(usual) in runtime_directory(Paths()).effect


def test_the_name_is_free(usual: Path, tmp_path: Path) -> None:
    paths = Paths()
    assert (paths.runtime, paths.runtime_note) == (str(usual), "")
    assert not (tmp_path / "store").exists()


def test_both_are_taken(usual: Path, tmp_path: Path) -> None:
    take(usual, "directory")
    Paths().prepare()
    (tmp_path / "store/run").mkdir()
    (tmp_path / "store/run").chmod(0o777)
    with pytest.raises(HostError, match=TAKEN):
        _ = Paths().runtime


def test_a_session_that_is_not_ours(
    usual: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """XDG_RUNTIME_DIR names what is gone, a link, or open to all: it is not used."""
    place = tmp_path / "session"
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(place))
    assert Paths().runtime == str(usual)
    place.symlink_to(tmp_path)
    assert Paths().runtime == str(usual)
    place.unlink()
    place.mkdir()
    place.chmod(0o777)
    assert Paths().runtime == str(usual)


IN_A_TMP_OF_ITS_OWN = """
mkdir -p $1/tmp/${1##*/} && mount --bind $1 $1/tmp/${1##*/} && mount --rbind $1/tmp /tmp || exit 90
umask 0; mkdir /tmp/rootless-$2; umask 022; unset XDG_RUNTIME_DIR; cd /
shift 2
"$@" run -d --name one busybox sh -c 'readlink /proc/self/ns/user; exec sleep 1000' || exit 91
rmdir /tmp/rootless-* || exit 92
"$@" run --name two busybox readlink /proc/self/ns/user || exit 93
"$@" exec one readlink /proc/self/ns/user || exit 94
"$@" rm -f one two >/dev/null || exit 95
"$@" system reset --force >/dev/null 2>&1 || exit 96
[ ! -e "$ROOTLESS_ROOT" ] || exit 97
"""


def test_containers_run_all_the_same(busybox: Store) -> None:
    """And share one user namespace, though the neighbour leaves the name again meanwhile."""
    script = ["sh", "-c", IN_A_TMP_OF_ITS_OWN, "-", busybox.directory, str(os.getuid())]
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", *script, *busybox.command],
        env=busybox.env,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    _, second, third = done.stdout.splitlines()
    assert second == third
    assert second.startswith("user:")
    assert done.stderr.count(TAKEN) == 1
    assert done.stderr.count("was somebody else's when they were started") == 1
