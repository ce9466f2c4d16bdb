"""commit, diff and export: what a container has changed, with each kind of root file system."""

from __future__ import annotations

import fcntl
import io
import json
import os
import stat
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.containers.test_restarts import until
from tests.images.images_help import Podman, skopeo

if TYPE_CHECKING:
    from conftest import Store

DRIVERS = [
    "overlay",
    pytest.param("fuse-overlayfs", marks=pytest.mark.needs("fuse-overlayfs", "/dev/fuse")),
    "copy",
]

CHANGES = """
rm /etc/group; rm -r /deep/old; mkdir /deep/old; echo new > /deep/old/new
rm -r /deep/file; mkdir /deep/file; rm -r /deep/dir; echo was a directory > /deep/dir
echo x > /root/x; ln /root/x /root/y; chmod 4711 /root/x; chmod 750 /deep/same
truncate -s 200M /root/sparse; echo end >> /root/sparse; mkfifo /root/fifo; ln -s /a/b /root/link
touch /tmp/gone; rm /tmp/gone; touch -d '2001-02-03' /tmp; chmod 1770 /
mkdir -p /a/b; touch -d '2001-02-03' /a/b/old
"""

DIFFERENCES = """
A /a
A /a/b
A /a/b/old
C /deep
C /deep/dir
C /deep/file
C /deep/old
A /deep/old/new
D /deep/old/one
C /deep/same
C /etc
D /etc/group
C /root
A /root/fifo
A /root/link
A /root/sparse
A /root/x
A /root/y
C /tmp
"""
"""What CHANGES come to; /tmp has another time."""


@pytest.fixture
def changed(request: pytest.FixtureRequest, busybox: Store) -> Store:
    """A container `one` that has carried out CHANGES, upon an image `base` with something deep."""
    busybox.env["ROOTLESS_DRIVER"] = request.param
    made = "mkdir -p /deep/old /deep/dir/in /deep/same; cd /deep; touch old/one file dir/in/x"
    busybox.ok("run", "--name", "first", "busybox", "sh", "-c", made)
    busybox.ok("commit", "first", "base")
    busybox.ok("run", "--name", "one", "base", "sh", "-ec", CHANGES)
    return busybox


@pytest.mark.parametrize("changed", DRIVERS, indirect=True)
def test_changes_are_found_and_kept(changed: Store) -> None:
    assert changed.ok("diff", "one") == DIFFERENCES.strip()
    image = changed.ok("commit", "-q", "one", "new")
    assert image.startswith("sha256:")
    assert changed.ok("images", "-q", "--no-trunc", "new") == image
    # The image's last layer says the same, and nothing is left between image and container.
    assert changed.ok("image", "diff", "new") == DIFFERENCES.strip()
    assert changed.ok("diff", "one", "new") == ""
    look = "cat /deep/old/new /deep/dir; tail -c 4 /root/sparse; stat -c '%n %a %h %s %F' /root/*"
    shown = changed.ok("run", "--rm", "new", "sh", "-c", look)
    assert shown.splitlines() == [
        "new",
        "was a directory",
        "end",
        "/root/fifo 644 1 0 fifo",
        "/root/link 777 1 4 symbolic link",
        "/root/sparse 644 1 209715204 regular file",
        "/root/x 4711 2 2 regular file",
        "/root/y 4711 2 2 regular file",
    ]
    assert changed.ok("run", "--rm", "new", "stat", "-c", "%a", "/") == "1770"
    # Sizes are those of the layer's record: the holes are in none.
    sizes = [line.split()[-1] for line in changed.ok("history", "new").splitlines()[1:2]]
    assert sizes[0].endswith("kB")


@pytest.mark.parametrize("changed", DRIVERS, indirect=True)
def test_export_has_all_and_can_be_imported(changed: Store, tmp_path: Path) -> None:
    archive = f"{changed.directory}/one.tar"
    changed.ok("export", "-o", archive, "one")
    assert changed("export", "one", text=False).stdout == Path(archive).read_bytes()
    with tarfile.open(archive) as tar:
        members = {member.name: member for member in tar}
    assert "etc/group" not in members
    assert members["root/y"].linkname == "root/x"
    assert members["root/sparse"].size == 209715204
    assert members["."].mode == 0o1770
    assert "bin/busybox" in members
    changed.ok("import", archive, "flat")
    assert changed.ok("diff", "one", "flat") == ""
    assert not [name for name in os.listdir(changed.directory) if name.startswith("one.tar.")]


@pytest.mark.parametrize("changed", ["overlay"], indirect=True)
def test_squash_makes_one_layer(changed: Store) -> None:
    changed.ok("commit", "--squash", "one", "flat")
    assert json.loads(changed.ok("image", "inspect", "flat"))[0]["RootFS"]["Layers"][1:] == []
    script = "cat /deep/old/new; ls /deep; test ! -e /etc/group && test -u /root/y"
    assert changed.ok("run", "--rm", "flat", "sh", "-c", script).split() == [
        "new", "dir", "file", "old", "same",
    ]  # fmt: skip


@pytest.mark.needs("umoci", "skopeo")
@pytest.mark.parametrize("changed", ["overlay"], indirect=True)
def test_others_understand_the_image(changed: Store, tmp_path: Path) -> None:
    changed.ok("commit", "-c", "LABEL a=b", "one", "new:7")
    layout, archive = f"{changed.directory}/layout", f"{changed.directory}/new.tar"
    changed.ok("save", "--format", "oci-dir", "-o", layout, "new:7")
    changed.ok("save", "-o", archive, "new:7")
    assert json.loads(skopeo("inspect", f"docker-archive:{archive}"))["Labels"] == {"a": "b"}
    name = json.loads(Path(layout, "index.json").read_text())["manifests"][0]["annotations"]
    ref = f"{layout}:{name['org.opencontainers.image.ref.name']}"
    bundle = Path(changed.directory, "bundle")
    subprocess.run(
        ["umoci", "unpack", "--rootless", "--image", ref, str(bundle)],
        check=True,
        capture_output=True,
    )
    root = bundle / "rootfs"
    assert sorted(os.listdir(root / "deep")) == ["dir", "file", "old", "same"]
    assert os.listdir(root / "deep/old") == ["new"]
    assert os.listdir(root / "etc") == ["passwd"]
    assert (root / "root/x").stat().st_ino == (root / "root/y").stat().st_ino
    assert (root / "root/sparse").stat().st_size == 209715204
    with open(root / "root/sparse", "rb") as file:
        file.seek(-4, os.SEEK_END)
        assert file.read() == b"end\n"


def test_settings_of_the_container_and_changes(busybox: Store) -> None:
    busybox.ok(
        *("create", "--name", "one", "-e", "A=1", "-l", "by=me", "-w", "/tmp", "-u", "user"),
        *("-p", "80", "-v", "/data", "busybox", "sleep", "9"),
    )  # fmt: skip
    changes = ['ENTRYPOINT ["echo"]', "ENV B=2", "EXPOSE 81", "STOPSIGNAL SIGINT", "ONBUILD RUN x"]
    options = [word for line in changes for word in ("-c", line)]
    busybox.ok("commit", *options, "-a", "An Author", "-m", "a message", "one", "new")
    (image,) = json.loads(busybox.ok("image", "inspect", "new"))
    config = image["Config"]
    assert config["Env"] == ["A=1", "B=2"]
    assert config["Labels"] == {"by": "me"}
    assert (config["WorkingDir"], config["User"]) == ("/tmp", "user")
    assert config["ExposedPorts"] == {"80/tcp": {}, "81/tcp": {}}
    assert config["Volumes"] == {"/data": {}}
    assert (config["Entrypoint"], config["Cmd"]) == (["echo"], None)
    assert (config["StopSignal"], config["OnBuild"]) == ("SIGINT", ["RUN x"])
    assert (image["Author"], image["Comment"]) == ("An Author", "a message")
    assert image["History"][-1]["created_by"] == "sleep 9"
    assert busybox.ok("run", "--rm", "new", "hello") == "hello"


@pytest.mark.parametrize("started", [False, True])
def test_nothing_changed_is_no_layer(busybox: Store, *, started: bool) -> None:
    busybox.ok("create", "--name", "one", "-v", "/way/to/data", "busybox", "true")
    if started:
        busybox.ok("start", "-a", "one")  # makes mount points
    assert busybox.ok("diff", "one") == ""
    busybox.ok("commit", "one", "same")
    layers = [
        json.loads(busybox.ok("image", "inspect", name))[0]["RootFS"]["Layers"]
        for name in ("busybox", "same")
    ]
    assert layers[0] == layers[1]
    assert json.loads(busybox.ok("image", "inspect", "same"))[0]["History"][-1]["empty_layer"]
    assert busybox.ok("run", "--rm", "same", "echo", "hi") == "hi"


@pytest.mark.parametrize(("option", "stands"), [("--pause", True), ("--pause=false", False)])
def test_a_running_container_stands_still(busybox: Store, option: str, *, stands: bool) -> None:
    busybox.ok("run", "-d", "--name", "one", "busybox", "sh", "-c", "echo a > /file; sleep 60")
    until(lambda: "A /file" in busybox.ok("diff", "one"))
    busybox.ok("commit", option, "one", "new")
    assert busybox.ok("run", "--rm", "new", "cat", "/file") == "a"
    assert busybox.ok("inspect", "-f", "{{.State.Status}}", "one") == "running"
    events = busybox.ok("events", "--stream=false", "--since", "1h", "--format", "{{.Action}}")
    assert ("unpause" in events) == stands
    assert "commit" in events


def test_a_killed_commit_lets_the_container_go_on(busybox: Store) -> None:
    identity = busybox.ok("run", "-d", "busybox", "sleep", "60")
    status = lambda: busybox.ok("inspect", "-f", "{{.State.Status}}", identity)  # noqa: E731
    held = os.open(f"{busybox.root}/containers/{identity}", os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)  # so that it comes no further
        with busybox.start("commit", identity, "new") as commit:
            until(lambda: status() == "paused")
            commit.kill()
    finally:
        os.close(held)
    until(lambda: status() == "running")


def test_owners_that_the_disk_does_not_have_are_kept(busybox: Store) -> None:
    """With one id only, the owners of the image's files are known from its side file."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, mode, uid, gid in (
            ("secret", 0, 7, 42), ("moved", 0o640, 7, 42), ("kept", 0o640, 7, 42),
        ):  # fmt: skip
            member = tarfile.TarInfo(name)
            member.mode, member.uid, member.gid = mode, uid, gid
            member.pax_headers = {"SCHILY.xattr.user.test": "value"}
            tar.addfile(member)
    archive = Path(busybox.directory, "owned.tar")
    archive.write_bytes(data.getvalue())
    busybox.ok("run", "--name", "tools", "busybox", "true")
    busybox.ok("export", "-o", f"{archive}.tools", "tools")
    with tarfile.open(f"{archive}.tools") as tools, tarfile.open(archive, "a") as tar:
        for member in tools:
            tar.addfile(member, tools.extractfile(member) if member.isreg() else None)
    busybox.ok("import", str(archive), "owned")
    script = "echo more >> /secret; chmod 600 /moved; touch /new"
    busybox.ok("run", "--name", "one", "owned", "sh", "-c", script)
    busybox.ok("commit", "one", "changed")
    saved = f"{busybox.directory}/saved.tar"
    busybox.ok("save", "-o", saved, "changed")
    with tarfile.open(saved) as tar:
        manifest = tar.extractfile("manifest.json")
        assert manifest is not None
        last = tar.extractfile(json.load(manifest)[0]["Layers"][-1])
        with tarfile.open(fileobj=last) as layer:
            found = {m.name: (m.mode, m.uid, m.gid, m.pax_headers) for m in layer}
    value = {"SCHILY.xattr.user.test": "value"}
    assert found == {
        "secret": (0, 7, 42, value),
        "moved": (0o600, 7, 42, value),
        "new": (0o644, 0, 0, {}),
    }
    with tarfile.open(fileobj=io.BytesIO(busybox("export", "one", text=False).stdout)) as tar:
        assert (tar.getmember("kept").mode, tar.getmember("kept").gid) == (0o640, 42)


@pytest.mark.parametrize(
    ("options", "owner"),
    [
        ("-u user", (1000, 1000)),
        ("-u 7:9", (7, 9)),
        pytest.param(
            "--userns keep-id:uid=5,gid=6", (5, 6), marks=pytest.mark.modes("mapped", "root")
        ),
    ],
)
def test_owners_are_those_that_the_container_saw(
    busybox: Store, in_user_mode: str, options: str, owner: tuple[int, int]
) -> None:
    busybox.ok("run", "--name", "first", "busybox", "mkdir", "-m", "1777", "/open")
    busybox.ok("commit", "first", "base")
    script = "touch /open/x; mkdir /open/d; stat -c %u:%g /open/x"
    shown = busybox.ok("run", "--name", "one", *options.split(), "base", "sh", "-c", script)
    assert shown == "{}:{}".format(*owner)
    with tarfile.open(fileobj=io.BytesIO(busybox("export", "one", text=False).stdout)) as tar:
        found = {member.name: (member.uid, member.gid) for member in tar}
    assert found["open/x"] == found["open/d"] == owner
    assert found["open"] == found["bin/busybox"] == (0, 0)
    busybox.ok("commit", "one", "new")
    if in_user_mode != "single":
        shown = busybox.ok("run", "--rm", "new", "stat", "-c", "%u:%g", "/open/x")
        assert shown == "{}:{}".format(*owner)


def test_diff_as_json_and_with_odd_names(busybox: Store) -> None:
    script = "rm /etc/group; mkdir /d; touch $(printf '/d/\\377'); touch /d-e"
    busybox.ok("run", "--name", "one", "busybox", "sh", "-c", script)
    done = busybox("diff", "one", text=False)
    assert done.stdout == b"A /d\nA /d-e\nA /d/\xff\nC /etc\nD /etc/group\n"
    shown = busybox("container", "diff", "--format", "json", "one", text=False).stdout
    assert list(json.loads(shown.decode("utf-8", "replace"))) == ["changed", "added", "deleted"]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("commit nobody", "No such container"),
        ("commit one name@sha256:" + 64 * "0", "cannot have a digest"),
        ("commit -c NONSENSE one new", "NONSENSE"),
        ("commit onhost", "not made from an image"),
        ("diff", "requires at least 1 argument"),
        ("diff nothing", "No such container"),
        ("diff onhost", "own files"),
        ("container diff busybox", "No such container"),
        ("image diff one", "No such image"),
        ("export -o /nowhere/file one", "cannot write"),
    ],
)
def test_refused(busybox: Store, command: str, said: str) -> None:
    busybox.ok("create", "--name", "one", "busybox")
    busybox.ok("create", "--name", "onhost", "host")
    done = busybox(*command.split())
    assert done.returncode != 0
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_image_that_is_gone_is_told(busybox: Store) -> None:
    busybox.ok("run", "--name", "one", "busybox", "touch", "/file")
    busybox.ok("rmi", "-f", "busybox")
    done = busybox("commit", "one")
    assert done.returncode != 0
    assert "was removed" in done.stderr
    assert busybox.ok("diff", "one") == "A /file"


@pytest.mark.needs("podman")
@pytest.mark.modes("mapped")
@pytest.mark.parametrize("changed", ["overlay"], indirect=True)
def test_podman_sees_the_same_files(changed: Store) -> None:
    podman = Podman(changed)
    archive = f"{changed.directory}/new.tar"
    changed.ok("commit", "one", "localhost/new")
    changed.ok("save", "-o", archive, "localhost/new")
    podman("load", "-q", "-i", archive)
    theirs = podman("export", podman("create", "localhost/new").decode().strip())
    ours = changed("export", "one", text=False).stdout
    assert listing(ours) == listing(theirs)
    differences = podman("image", "diff", "localhost/new").decode().splitlines()
    # podman tells of directories only where they are others themselves.
    assert set(differences) <= set(DIFFERENCES.strip().splitlines())


def listing(archive: bytes) -> dict[str, tuple[object, ...]]:
    """What is in an archive, but for mount points, which every engine makes for itself."""
    made = ["proc", "sys", "dev", "run", "etc/hosts", "etc/hostname", "etc/resolv.conf", "."]
    made += [".dockerenv", "etc/mtab"]
    found = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            name = member.name.removeprefix("./")
            if name not in made and not name.startswith("run/"):
                # Which of two names comes first is each writer's own affair.
                kind = b"0" if member.islnk() or member.issparse() else member.type
                size = 0 if member.islnk() or name in ("root/x", "root/y") else member.size
                found[name] = (
                    kind,
                    member.mode & 0o7777,
                    member.uid,
                    member.gid,
                    size,
                    member.mtime,
                )
    return found


@pytest.mark.parametrize("driver", DRIVERS)
def test_what_changed_within_a_second_and_sockets(busybox: Store, driver: str) -> None:
    """Times in archives are whole seconds; a change of the same size just after is one, too."""
    busybox.env["ROOTLESS_DRIVER"] = driver
    busybox.ok("run", "--name", "first", "busybox", "sh", "-c", "echo a > /file; touch /socket")
    busybox.ok("commit", "first", "base")
    second = int(busybox.ok("run", "--rm", "base", "stat", "-c", "%Y", "/file"))
    busybox.ok("run", "--name", "one", "base", "sh", "-c", "echo b > /file")
    directory = f"{busybox.root}/containers/{busybox.ok('inspect', '-f', '{{.Id}}', 'one')}"
    root = Path(directory, "rootfs" if driver == "copy" else "upper")
    os.utime(root / "file", ns=(0, second * 1_000_000_000 + 500_000_000))
    (root / "socket").unlink(missing_ok=True)
    os.mknod(root / "socket", stat.S_IFSOCK | 0o600)
    assert busybox.ok("diff", "one") == "C /file\nC /socket"
    busybox.ok("commit", "one", "new")
    assert busybox.ok("run", "--rm", "new", "sh", "-c", "cat /file; ls -d /s*") == "b\n/sys"
    with tarfile.open(fileobj=io.BytesIO(busybox("export", "one", text=False).stdout)) as tar:
        assert not [name for name in tar.getnames() if "socket" in name]


def test_a_container_that_goes_meanwhile(busybox: Store) -> None:
    """Its files vanish one by one: what was read is no whole archive."""
    script = "head -c 5000000 /dev/zero > /big; echo x > /last; sleep 60"
    busybox.ok("run", "-d", "--rm", "--name", "one", "busybox", "sh", "-c", script)
    until(lambda: "A /last" in busybox.ok("diff", "one"))
    process = busybox.start("export", "one", encoding="latin-1")
    assert process.stdout is not None
    process.stdout.read(1 << 20)  # the worker waits for us to read on
    busybox.ok("kill", "one")
    until(lambda: busybox.ok("ps", "-aq") == "")
    _, said = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "removed meanwhile" in said


@pytest.mark.parametrize("driver", ["overlay", "copy"])
def test_files_with_the_names_of_marks(busybox: Store, driver: str) -> None:
    """A container may have them; a layer cannot, and that is said."""
    busybox.env["ROOTLESS_DRIVER"] = driver
    script = "mkdir /a; cd /a; echo x > .wh.file; mkdir .wh.dir; touch .wh.dir/in .wh..wh..opq y"
    busybox.ok("run", "--name", "one", "busybox", "sh", "-c", f"{script}; touch /etc/.wh..wh..opq")
    odd = ["a/.wh..wh..opq", "a/.wh.dir", "a/.wh.dir/in", "a/.wh.file", "etc/.wh..wh..opq"]
    listed = busybox.ok("diff", "one").splitlines()
    assert {f"A /{name}" for name in odd} <= {*listed}
    assert "D /etc/group" not in listed
    exported = busybox("export", "one", text=False).stdout
    with tarfile.open(fileobj=io.BytesIO(exported)) as archive:
        assert {*odd, "a/y", "etc/group"} <= {*archive.getnames()}
    for options in ([], ["--squash"]):
        done = busybox("commit", *options, "one", "made")
        assert done.returncode == 0
        assert "begin with .wh. are left out, such as /a/.wh." in done.stderr
        found = busybox.ok("run", "--rm", "made", "find", "/a", "/etc/group").split()
        assert sorted(found) == ["/a", "/a/y", "/etc/group"]


@pytest.mark.parametrize(
    ("kind", "name"), [("docker", "docker.distribution"), ("oci", "oci.image")]
)
def test_the_form_of_the_manifest(busybox: Store, tmp_path: Path, kind: str, name: str) -> None:
    """It is that of whatever the image goes to, unless that wants another."""
    busybox.ok("run", "--name", "one", "busybox", "touch", "/new")
    busybox.ok("commit", "--format", kind, "one", "made")
    busybox.ok("copy", "made", f"dir:{tmp_path}/copy")
    manifest = json.loads((tmp_path / "copy/manifest.json").read_text())
    assert manifest["mediaType"].startswith(f"application/vnd.{name}.manifest")
    assert busybox.ok("run", "--rm", "made", "ls", "/new") == "/new"
