"""Options of the driver `local`: what is refused, and what a container gets to see."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rootless.errors import UsageError
from rootless.volumes import options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Store


def pairs(text: str) -> dict[str, str]:
    return dict(word.split("=", 1) for word in text.split())


@pytest.mark.once
@pytest.mark.parametrize(
    "text",
    [
        "",
        "type=tmpfs device=tmpfs",
        "type=tmpfs device=tmpfs o=size=64m,mode=1777,uid=5,nodev,noexec",
        "type=ramfs device=ramfs o=mode=700",
        "type=none device=/srv o=bind",
        "type=bind device=/srv o=rbind,ro,nosuid",
        "device=/srv o=bind",
    ],
)
def test_what_is_taken(text: str) -> None:
    assert options.checked(pairs(text)) == pairs(text)


@pytest.mark.once
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("foo=bar", "invalid option 'foo'"),
        ("size=1g", "cannot limit a volume to 1g"),
        ("type=tmpfs", "missing required option 'device'"),
        ("device=/srv", "missing required option 'type'"),
        ("o=ro", "missing required option 'type'"),
        ("type=none device=srv o=bind", "device srv: .* absolute path"),
        ("type=nfs device=:/x o=addr=1.2.3.4", "type 'nfs': mounting it takes root's rights"),
        ("type=none device=/srv o=bind,size=1m", "'size=1m' fits no volume of this kind"),
        ("type=ramfs device=ramfs o=size=1m", "'size=1m' fits no volume of this kind"),
        ("type=tmpfs device=tmpfs o=bind", "'bind' fits no volume"),
        ("type=tmpfs device=tmpfs o=size=", "'size=' fits no volume"),
        ("type=tmpfs device=tmpfs o=suid,lowerdir=/", "'lowerdir=/' fits no volume"),
    ],
)
def test_what_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        options.checked(pairs(text))


@pytest.fixture(scope="module")
def store(shared: Store) -> Iterator[Store]:
    """A store with a volume `host`, which shows a directory, and `memory`."""
    os.makedirs(f"{shared.directory}/d")
    bind = ("--opt", "type=none", "--opt", "o=bind", "--opt", f"device={shared.directory}/d")
    shared.ok("volume", "create", *bind, "host")
    memory = ("--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", "o=size=1m,mode=1770")
    shared.ok("volume", "create", *memory, "memory")
    yield shared
    shared.ok("rm", "-fa")
    shared.ok("volume", "rm", "-a")
    assert os.path.isdir(f"{shared.directory}/d")


def test_a_directory_of_the_host(store: Store) -> None:
    place = Path(store.directory, "d")
    line = "echo hi > /x/f; mkdir /x/s; touch /x/s/t"
    store.ok("run", "--rm", "-v", "host:/x", "busybox", "sh", "-c", line)
    assert (place / "f").read_text() == "hi\n"
    assert store.ok("run", "--rm", "-v", "host:/x:ro", "busybox", "cat", "/x/f") == "hi"
    done = store("run", "--rm", "-v", "host:/x:ro", "busybox", "touch", "/x/g")
    assert "Read-only" in done.stderr
    part = ("--mount", "type=volume,source=host,target=/x,volume-subpath=s")
    assert store.ok("run", "--rm", *part, "busybox", "ls", "/x") == "t"


def test_an_empty_directory_begins_with_the_image(store: Store) -> None:
    """docker's way to bring an image's files to a place of one's own."""
    place = Path(store.directory, "e")
    place.mkdir()
    bind = ("--opt", "type=none", "--opt", "o=bind", "--opt", f"device={place}")
    store.ok("volume", "create", *bind, "empty")
    store.ok("run", "--rm", "-v", "empty:/etc", "busybox", "true")
    assert (place / "passwd").exists()
    (place / "passwd").unlink()
    store.ok("run", "--rm", "-v", "empty:/etc", "busybox", "true")
    assert not (place / "passwd").exists()
    store.ok("unshare", "rm", "-r", str(place))
    done = store("run", "--rm", "-v", "empty:/etc", "busybox", "true")
    assert f"volume empty: there is no directory {place}" in done.stderr


def test_memory(store: Store) -> None:
    line = "grep ' /x ' /proc/mounts; stat -c %a /x; dd if=/dev/zero of=/x/f bs=1M count=2"
    done = store("run", "--rm", "-v", "memory:/x:noexec", "busybox", "sh", "-c", line)
    first, mode = done.stdout.splitlines()
    assert first.startswith("tmpfs /x tmpfs rw,nosuid,nodev,noexec,")
    assert "size=1024k" in first
    assert mode == "1770"
    assert "No space left" in done.stderr
    # It begins with the image's files, as any volume.
    assert "passwd" in store.ok("run", "--rm", "-v", "memory:/etc", "busybox", "ls", "/etc")
    nothing = ("-v", "memory:/etc:nocopy")
    assert "passwd" not in store.ok("run", "--rm", *nothing, "busybox", "ls", "/etc")


def test_memory_is_of_one_container(store: Store) -> None:
    store.ok("run", "-d", "--name", "has", "-v", "memory:/x", "busybox", "sleep", "1000")
    done = store("run", "--rm", "-v", "memory:/x", "busybox", "true")
    assert "volume memory is memory of container has, which runs" in done.stderr
    store.ok("restart", "-t", "0", "has")
    store.ok("rm", "-f", "has")
    store.ok("run", "--rm", "-v", "memory:/x", "busybox", "true")


def test_a_part_is_looked_up_in_the_volume(store: Store) -> None:
    """Links that a container has made in it lead nowhere else."""
    links = f"ln -s d in; ln -s {store.directory} out; ln -s ../.. up"
    line = f"cd /x; mkdir d; touch d/f; {links}"
    store.ok("run", "--rm", "-v", "parts:/x", "busybox", "sh", "-c", line)

    def part(name: str) -> tuple[str, ...]:
        return ("run", "--rm", "-v", f"parts:/y:ro,subpath={name}", "busybox", "ls", "/y")

    assert store.ok(*part("d")) == store.ok(*part("in")) == "f"
    assert store.ok(*part("up")).split() == ["d", "in", "out", "up"]
    for name in ("out", "nothing", "d/nothing"):
        done = store(*part(name))
        assert (done.returncode, done.stdout) == (125, "")
        assert f"cannot mount {name} of the volume" in done.stderr
