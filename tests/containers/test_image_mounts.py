"""Images mounted into containers: what is seen of them, who may write, and what keeps them."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rootless import Engine
from rootless.containers.request import image, request
from rootless.errors import UsageError

if TYPE_CHECKING:
    from conftest import Store

DRIVERS = [
    "overlay",
    pytest.param("fuse-overlayfs", marks=pytest.mark.needs("fuse-overlayfs", "/dev/fuse")),
    "copy",
]


def imported(store: Store, name: str, files: dict[str, str]) -> None:
    """Make an image of one layer; a text that begins with > is a link."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for path, text in files.items():
            entry = tarfile.TarInfo(path)
            if text.startswith(">"):
                entry.type, entry.linkname = tarfile.SYMTYPE, text[1:]
            elif path.endswith("/"):
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            else:
                entry.size, entry.mode = len(text), 0o644
            tar.addfile(entry, io.BytesIO(text.encode()))
    store.ok("import", "-", name, input=data.getvalue().decode("latin-1"))


@pytest.fixture(scope="module")
def images(shared: Store) -> Store:
    """A store with `data`, `layers`, of which the second changes the first, and `empty`."""
    files = {"dir/": "", "dir/one": "1", "file": "f", "out": ">/etc", "up": ">../../../etc"}
    imported(shared, "data", {**files, "gone": "", "etc/": "", "etc/mine": "m"})
    shared.ok("create", "--name", "b", "-v", "/empty", "data", "/none")
    imported(shared, "empty", {})
    shared.ok("rm", "-v", "b")
    # What is in the second layer is made as a container changes the first.
    shared.ok("run", "--name", "b", "busybox", "sh", "-c", "mkdir -p /dir/sub; echo 1 > /dir/one")
    shared.ok("commit", "b", "first")
    shared.ok("rm", "b")
    change = "rm -r /dir/sub; echo 2 > /dir/one; chmod 4755 /dir/one; chown 0 /dir"
    shared.ok("run", "--name", "b", "first", "sh", "-c", change)
    shared.ok("commit", "b", "layers")
    shared.ok("rm", "b")
    return shared


def shown(store: Store, mount: str, script: str, *options: str, **env: str) -> str:
    line = ["run", "--rm", *options, "--mount", f"type=image,dst=/x,{mount}", "busybox"]
    done = store(*line, "sh", "-c", script, env=env)
    return str(done.stdout) + "".join(done.stderr.splitlines(keepends=True)[-1:])


@pytest.mark.parametrize("driver", DRIVERS)
def test_what_is_seen(images: Store, driver: str) -> None:
    whole = "./dir/one ./etc/mine ./file ./gone ./out ./up"
    find = "cd /x && find . ! -type d | sort"
    assert shown(images, "src=data", find, ROOTLESS_DRIVER=driver).split() == whole.split()
    found = shown(images, "src=layers", "cat /x/dir/one; ls -l /x/dir", ROOTLESS_DRIVER=driver)
    assert found.startswith("2\n")
    assert "sub" not in found
    assert shown(images, "src=empty", "ls -A /x && echo ok", ROOTLESS_DRIVER=driver) == "ok\n"


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("source", ["data", "layers"])
def test_who_writes(images: Store, driver: str, source: str) -> None:
    """Nobody but with rw, and then in this container alone, until it stops."""
    write = "echo new > /x/dir/new && cat /x/dir/new; ls /x/dir"
    said = shown(images, f"src={source}", write, ROOTLESS_DRIVER=driver)
    assert "Read-only file system" in said
    assert "new\nnew\none" in shown(images, f"src={source},rw", write, ROOTLESS_DRIVER=driver)
    assert shown(images, f"src={source},rw", "ls /x/dir", ROOTLESS_DRIVER=driver) == "one\n"


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("source", ["data", "layers"])
def test_the_store_stays_as_it_is(images: Store, driver: str, source: str) -> None:
    """Even for who has the capability to make a mount writable."""
    script = "mount -o remount,bind,rw /x; echo bad > /x/dir/one; true"
    shown(images, f"src={source}", script, "--privileged", ROOTLESS_DRIVER=driver)
    expected = "1" if source == "data" else "2\n"
    assert shown(images, f"src={source}", "cat /x/dir/one") == expected


@pytest.mark.parametrize(
    ("subpath", "script", "expected"),
    [
        ("dir", "ls /x", "one\n"),
        ("/dir/", "ls /x", "one\n"),
        ("file", "cat /x", "f"),
        ("out", "ls /x", "mine\n"),
        ("up", "ls /x", "mine\n"),
        ("up/mine", "cat /x", "m"),
    ],
)
def test_subpath(images: Store, subpath: str, script: str, expected: str) -> None:
    """Links of the image lead to what is in the image."""
    for word in ("subpath", "image-subpath"):
        assert expected == shown(images, f"src=data,{word}={subpath}", script)


@pytest.mark.parametrize("options", [["--userns", "keep-id"], ["-u", "1000"], ["--read-only"]])
def test_with_other_maps_and_users(images: Store, options: list[str]) -> None:
    """Its files are as those of the root."""
    script = "stat -c %u /bin /x/bin /x/dir/one; stat -c %a /x/dir/one; cat /x/dir/one"
    root, *others, mode, text = shown(images, "src=layers", script, *options).split()
    assert (others, mode, text) == ([root, root], "4755", "2")


@pytest.mark.parametrize(
    ("mount", "words"),
    [
        ("src=none", "No such image: none"),
        ("src=host", "this machine itself"),
        ("src=data,subpath=none", "cannot mount none of it: No such file or directory"),
        ("src=data,subpath=file/x", "cannot mount file/x of it: Not a directory"),
        ("src=data,subpath=../dir", "leads out of the image"),
    ],
)
def test_refused(images: Store, mount: str, words: str) -> None:
    done = images("run", "--rm", "--mount", f"type=image,dst=/x,{mount}", "busybox", "true")
    assert done.returncode == 125
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert images.ok("ps", "-aq") == ""


def test_in_use(busybox: Store) -> None:
    """The image is kept, counted, and shown; others neither get it nor see its files."""
    imported(busybox, "data", {"dir/": "", "dir/one": "1"})
    busybox.ok("tag", "data", "other")
    line = ["--name", "c", "--mount", "type=image,src=other,dst=/x,rw", "-v", "/v", "busybox"]
    busybox.ok("run", "-d", *line, "sh", "-c", "echo new > /x/new; sleep 300")
    mounts = json.loads(busybox.ok("inspect", "c"))[0]["Mounts"]
    mount = next(one for one in mounts if one["Type"] == "image")
    expected = {"Type": "image", "Source": "other", "Destination": "/x", "RW": True}
    assert expected == {key: mount[key] for key in expected}
    assert "/x" not in busybox.ok("diff", "c").split()
    names = tarfile.open(fileobj=io.BytesIO(busybox("export", "c", text=False).stdout)).getnames()
    assert [name for name in names if name.startswith("x/")] == []
    lent = busybox.ok("run", "--rm", "--volumes-from", "c", "busybox", "ls", "-d", "/v")
    assert lent == "/v"
    assert busybox("run", "--rm", "--volumes-from", "c", "busybox", "ls", "/x").returncode == 1
    busybox.ok("commit", "c", "made")
    assert busybox("run", "--rm", "made", "ls", "/x").returncode == 1
    busybox.ok("rmi", "data", "made")
    refused = busybox("rmi", busybox.ok("images", "-q", "--no-trunc", "other"))
    assert (refused.returncode, "is using its referenced image" in refused.stderr) == (1, True)
    rows = busybox.ok("system", "df", "-v").splitlines()
    assert [row.split()[-1] for row in rows if row.startswith("other")] == ["1"]
    assert "other" not in busybox.ok("image", "prune", "-af")
    assert "other" in busybox.ok("images", "--filter", "containers=true")
    busybox.ok("restart", "-t", "0", "c")
    assert busybox.ok("exec", "c", "cat", "/x/dir/one") == "1"
    busybox.ok("exec", "c", "touch", "/x/more")
    busybox.ok("rmi", "-f", "other")
    busybox.ok("restart", "-t", "0", "c")  # forced, the container keeps its layers
    assert "more" not in busybox.ok("exec", "c", "ls", "/x").split()


def test_layers_that_are_gone(busybox: Store) -> None:
    """The start says so, and the check finds it."""
    imported(busybox, "data", {"file": "f"})
    mount = ["--mount", "type=image,src=data,dst=/x"]
    busybox.ok("create", "--name", "c", *mount, "busybox", "cat", "/x/file")
    (volume,) = json.loads(Path(record_of(busybox, "c")).read_text())["volumes"]
    (layer,) = volume["image"]["layers"]
    os.rename(os.path.dirname(layer), f"{busybox.directory}/away")
    done = busybox("start", "-a", "c")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "image data: 1 of its layers are gone, which are mounted at /x" in done.stderr
    assert "container c: 1 of the layers mounted are gone" in busybox("system", "check").stdout
    busybox("system", "check", "--repair")
    assert busybox.ok("start", "-a", "c") == "f"


def record_of(store: Store, name: str) -> str:
    return f"{store.root}/containers/{store.ok('inspect', '-f', '{{.Id}}', name)}/config.json"


def test_a_clone_has_it_too(images: Store) -> None:
    images.ok(
        "create",
        "--name",
        "c",
        "--mount",
        "type=image,src=layers,dst=/x",
        "busybox",
        "ls",
        "/x/dir",
    )
    images.ok("container", "clone", "c", "d")
    try:
        assert images.ok("start", "-a", "d") == "one"
    finally:
        images.ok("rm", "c", "d")


@pytest.mark.parametrize(
    "field",
    [
        {"source": ""},
        {"chown": True},
        {"overlay": True},
        {"propagation": "rslave"},
        {"options": ["size=1"]},
        {"options": ["subpath=a/../b"]},
        {"image": {"id": "0" * 64, "layers": ["/etc"]}},
    ],
)
def test_requests_of_others(shared: Store, field: dict[str, object]) -> None:
    """Nobody names layers of his own."""
    wanted = request("busybox", mounts=[{**image("busybox", "/x"), **field}])  # type: ignore[typeddict-item]
    with pytest.raises(UsageError) as caught:
        Engine(shared.root).containers.check(wanted)
    assert caught.value.field.startswith("mounts.0")
