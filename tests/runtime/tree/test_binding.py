"""Bind mounts by the newer calls and by mount(2): the same mounts come of both."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from rootless.linux import mount as m
from rootless.runtime.tree import binding
from rootless.runtime.tree.mount_options import Options
from rootless.runtime.userns.worker import call
from rootless.store.paths import Paths

WAYS = ("descriptor", "path")


def below(path: str) -> dict[str, set[str]]:
    """The mounts at and below `path`, with their flags."""
    found = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split(" ")
        name = fields[4].encode().decode("unicode_escape")
        if name == path or name.startswith(path + "/"):
            found[name.removeprefix(path)] = set(fields[5].split(",")) - {"rw"}
    return found


def prepare(base: str) -> None:
    """A tmpfs with another in it, at a place whose name needs escapes, and flags of their own."""
    for name in ("source", "target dir\\x"):
        os.mkdir(f"{base}/{name}")
    m.mount("none", "/", "", m.MS_REC | m.MS_PRIVATE)
    m.mount("tmpfs", f"{base}/source", "tmpfs", m.MS_NOEXEC | m.MS_NOSUID)
    os.mkdir(f"{base}/source/in ner")
    m.mount("tmpfs", f"{base}/source/in ner", "tmpfs", m.MS_NODEV | m.MS_NOATIME)


def bind_by(way: str, base: str, words: list[str], recursive: bool, deep: bool) -> Any:
    prepare(base)
    target = os.open(f"{base}/target dir\\x", os.O_PATH)
    options = Options(words)
    if way == "descriptor":
        binding._bind_by_descriptor(
            f"{base}/source", binding.on(target), options.attributes, recursive=recursive, deep=deep
        )
    else:
        binding._bind_by_path(
            f"{base}/source", binding.on(target), options.flags, recursive=recursive, deep=deep
        )
    found = below(f"{base}/target dir\\x")
    return {name: sorted(flags) for name, flags in found.items()}


@pytest.mark.usefixtures("rootless_root")
@pytest.mark.parametrize("words", [[], ["ro"], ["ro", "nosuid", "nodev", "noexec"], ["nodev"]])
@pytest.mark.parametrize(("recursive", "deep"), [(False, False), (True, False), (True, True)])
def test_both_ways_are_alike(
    tmp_path: Path, words: list[str], *, recursive: bool, deep: bool
) -> None:
    made = []
    for way in WAYS:
        (tmp_path / way).mkdir()
        made.append(call(Paths(), bind_by, way, str(tmp_path / way), words, recursive, deep))
    assert made[0] == made[1]
    assert set(made[0]) == ({"", "/in ner"} if recursive else {""})
    assert {"noexec", "nosuid", *words} <= set(made[0][""])
    if recursive:
        assert "noatime" in made[0]["/in ner"]
        assert ("ro" in made[0]["/in ner"]) == (deep and "ro" in words)


def bind_locked(way: str, base: str) -> Any:
    """Take a single directory of what came locked together from the namespace outside."""
    getattr(binding, f"_bind_by_{way}")(
        "/dev", base, m.MOUNT_ATTR_RDONLY, recursive=False, deep=False
    )
    return sorted(below(base)[""])


@pytest.mark.usefixtures("rootless_root")
def test_what_is_locked_comes_whole(tmp_path: Path) -> None:
    """In a user namespace the mounts of the host hide what is below them, and must go on to."""
    flags = []
    for way in WAYS:
        (tmp_path / way).mkdir()
        flags.append(call(Paths(), bind_locked, way, str(tmp_path / way)))
    assert flags[0] == flags[1]
    assert "ro" in flags[0]


def lock_down(way: str, base: str) -> bool:
    prepare(base)
    fd = os.open(f"{base}/source", os.O_PATH)
    if way == "descriptor":
        binding.make_read_only(fd, "/nowhere")
    else:
        binding.remount(f"{base}/source", m.MS_RDONLY)
    status = os.statvfs(f"{base}/source").f_flag
    inner = os.statvfs(f"{base}/source/in ner").f_flag
    kept = os.ST_NOEXEC | os.ST_NOSUID | os.ST_RDONLY
    return status & kept == kept and not inner & os.ST_RDONLY


@pytest.mark.usefixtures("rootless_root")
@pytest.mark.parametrize("way", WAYS)
def test_read_only_keeps_the_other_flags(tmp_path: Path, way: str) -> None:
    assert call(Paths(), lock_down, way, str(tmp_path))
