"""`pull` from a real registry, and from a hostile one."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import pty
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from archives import Oci, config, digest, layer
from images_help import leavings, skopeo
from servers import Server

from rootless.errors import NotFound
from rootless.oci.errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Store

    from rootless.images.collection import Images

pytestmark = [pytest.mark.needs("skopeo", "docker-registry"), pytest.mark.once]


@pytest.fixture
def filled(registry: str, busybox_image: str) -> str:
    """A registry with `bb:oci`, `bb:docker` and the image of three layers `many:1`."""
    source = f"oci:{busybox_image}:busybox:latest"
    push = ("copy", "-q", "--dest-tls-verify=false")
    skopeo(*push, source, f"docker://{registry}/bb:oci")
    skopeo(*push, "--format", "v2s2", source, f"docker://{registry}/bb:docker")
    return registry


@pytest.mark.as_root
@pytest.mark.each
def test_pull_of_an_oci_image(images: Images, filled: str, busybox_image: str) -> None:
    image = images.pull(f"docker://{filled}/bb:oci")
    assert image.names == [f"{filled}/bb:oci"]
    raw = skopeo("inspect", "--raw", f"oci:{busybox_image}:busybox:latest").encode()
    assert image.digest == digest(raw), "the manifest was not kept as it is"
    assert os.path.exists(image.lowers()[0] + "/bin/busybox")
    assert leavings(images.paths.root) == []


def test_pull_of_a_docker_image_by_tag_and_digest(images: Images, filled: str) -> None:
    image = images.pull(f"{filled}/bb:docker")
    listed = skopeo("inspect", "--tls-verify=false", f"docker://{filled}/bb:docker")
    assert image.digest == json.loads(listed)["Digest"]
    assert image.manifest_digest != image.digest
    # What lies in the layout must be OCI, or skopeo and umoci do not see it.
    skopeo("inspect", f"oci:{images.paths.images}:{filled}/bb:docker")
    by_digest = images.pull(f"{filled}/bb@{image.digest}")
    assert by_digest.id == image.id
    assert images.get(f"{filled}/bb@{image.digest}").id == image.id
    images.remove([f"{filled}/bb:docker"])  # its last tag: the names by digest go as well
    with pytest.raises(NotFound):
        images.get(f"{filled}/bb@{image.digest}")
    assert os.listdir(f"{images.paths.images}/blobs/sha256") == []


def test_policies(images: Images, registry: str, busybox_image: str) -> None:
    name = f"{registry}/x:1"
    push = ("copy", "-q", "--dest-tls-verify=false")
    with pytest.raises(NotFound):
        images.pull(name, policy="never")
    with pytest.raises(RegistryError, match=r"no image .*/x:1 in"):
        images.resolve(name)
    skopeo(*push, f"oci:{busybox_image}:busybox:latest", f"docker://{name}")
    old = images.resolve(name).id
    images.import_(_file(Path(images.paths.root).parent), "changed:1")
    skopeo(*push, f"oci:{images.paths.images}:docker.io/library/changed:1", f"docker://{name}")
    assert images.resolve(name).id == old
    assert images.pull(name, policy="missing").id == old
    new = images.pull(name, policy="newer").id
    assert new != old
    assert images.get(old).names == []
    assert images.resolve(name, pull="always").id == new


def _file(directory: Path) -> str:
    path = directory / "layer.tar"
    path.write_bytes(layer())
    return str(path)


def test_blobs_that_are_here_are_not_fetched(cli: Store, filled: str) -> None:
    first = cli.ok("pull", f"{filled}/bb:oci")
    blob = max(Path(cli.root, "images/blobs/sha256").iterdir(), key=lambda p: p.stat().st_size)
    before = blob.stat()
    assert cli.ok("pull", "-q", f"{filled}/bb:oci") == first
    after = blob.stat()  # the inode number alone may be another file's by now
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("command", ["run", "create"])
def test_run_and_create_show_the_pull_on_a_terminal_only(
    cli: Store, filled: str, command: str
) -> None:
    """And there only where it is not to be --quiet, and there is one."""
    line = [*cli.command, command, "--rm", f"{filled}/bb:oci", "true"]
    piped = subprocess.run(line, env=cli.env, capture_output=True, timeout=60)
    assert (piped.returncode, piped.stderr) == (0, b"")
    for quiet, pulls in ((True, False), (False, True), (False, False)):
        if quiet or pulls:
            cli("rm", "--all")
            cli.ok("rmi", f"{filled}/bb:oci")
        line = [*cli.command, command, f"--quiet={quiet}", "--rm", f"{filled}/bb:oci", "true"]
        ours, theirs = pty.openpty()
        env = {**cli.env, "TERM": "xterm", "COLUMNS": "100"}
        done = subprocess.run(
            line, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs
        )
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # EIO: the other side is closed
            while data := os.read(ours, 65536):
                shown += data
        os.close(ours)
        assert done.returncode == 0, shown
        assert (b"layer " in shown and b"pulled" in shown) == pulls, shown
        assert pulls or not shown


# -- a registry of our own making -------------------------------------------------------------


class Hostile:
    """A registry that serves what it is told."""

    def __init__(self) -> None:
        self.oci = Oci()
        self.answers: dict[str, Any] = {}
        self.types: dict[str, str] = {}
        self.server = Server(self.answer)

    def answer(self, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        key = path.rpartition("/")[2]
        if key in self.answers:
            answer = self.answers[key]
            return answer(headers) if callable(answer) else answer
        if key in self.oci.blobs:
            return 200, {"Content-Type": self.types.get(key, "")}, self.oci.blobs[key]
        return 404, {}, b""

    def tag(self, descriptor: dict[str, Any], tag: str = "latest", kind: str = "") -> None:
        data = self.oci.blobs[descriptor["digest"]]
        self.answers[tag] = (200, {"Content-Type": kind or descriptor["mediaType"]}, data)

    def image(self, *layers: bytes, **more: Any) -> dict[str, Any]:
        packed = [gzipped(one) for one in layers]
        kind = more.pop("kind", "application/vnd.oci.image.layer.v1.tar+gzip")
        return self.oci.manifest(packed, config(*layers), kind=kind, **more)

    @property
    def name(self) -> str:
        return f"{self.server.address}/x"


def gzipped(data: bytes) -> bytes:
    """The same bytes each time: no time stamp."""
    return gzip.compress(data, mtime=0)


@pytest.fixture
def hostile() -> Iterator[Hostile]:
    one = Hostile()
    yield one
    one.server.close()


def refused(cli: Store, hostile: Hostile, *words: str, options: tuple[str, ...] = ()) -> None:
    """The pull fails with these words and leaves nothing."""
    done = cli("pull", *options, hostile.name)
    assert done.returncode == 1, done.stdout + done.stderr
    for word in words:
        assert word in done.stderr
    assert cli.ok("images", "--quiet") == ""
    assert os.listdir(f"{cli.root}/images/blobs/sha256") == []
    assert os.listdir(f"{cli.root}/layers") == []
    assert leavings(cli.root) == []


def test_honest_layers_in_parallel(cli: Store, hostile: Hostile) -> None:
    layers = [layer({f"f{n}": os.urandom(50_000)}) for n in range(9)]
    hostile.tag(hostile.image(*layers, layers[0]))
    cli.ok("pull", hostile.name)
    assert len(cli.ok("images", "--quiet").split()) == 1
    assert len(os.listdir(f"{cli.root}/layers")) == 10


def test_the_platform_is_chosen(cli: Store, hostile: Hostile) -> None:
    machine = os.uname().machine
    here = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
    entries = []
    for architecture in ("s390x", here):
        entry = hostile.image(layer({architecture: b""}))
        entries.append({**entry, "platform": {"os": "linux", "architecture": architecture}})
    kind = "application/vnd.docker.distribution.manifest.list.v2+json"
    top = {"schemaVersion": 2, "mediaType": kind, "manifests": entries}
    index = hostile.oci.blob(json.dumps(top).encode(), kind)
    hostile.tag(index)
    podman = {"ROOTLESS_DIALECT": "podman"}  # which prints the id
    mine = cli.ok("pull", hostile.name, env=podman)
    other = cli.ok("pull", "--platform", "linux/s390x", hostile.name, env=podman)
    assert mine != other
    digests = cli.ok("inspect", "--format", "{{json .RepoDigests}}", other)
    assert index["digest"] in digests
    done = cli("pull", "--platform", "linux/riscv64", hostile.name)
    assert "no image for platform linux/riscv64" in done.stderr


def test_an_image_for_another_platform_does_not_do(cli: Store, hostile: Hostile) -> None:
    hostile.tag(hostile.image(layer()))
    cli.ok("pull", "--policy", "missing", hostile.name)
    for more in ([], ["--pull", "never"]):
        done = cli("run", "--rm", *more, "--platform", "linux/s390x", hostile.name, "true")
        assert done.returncode == 125
        assert "linux/amd64, not linux/s390x" in done.stderr


def test_listings_show_the_digest_of_each_name(cli: Store, hostile: Hostile) -> None:
    hostile.tag(hostile.image(layer()))
    cli.ok("pull", hostile.name)
    digest_ = cli.ok("inspect", "--format", "{{index .RepoDigests 0}}", hostile.name).split("@")[1]
    cli.ok("save", "-o", f"{cli.directory}/x.tar", hostile.name)
    cli.ok("rmi", hostile.name)
    cli.ok("load", "-i", f"{cli.directory}/x.tar")
    cli.ok("tag", hostile.name, "mine")
    cli.ok("rmi", hostile.name)
    cli.ok("pull", hostile.name)
    rows = cli.ok("images", "--digests", "--format", "{{.Repository}} {{.Digest}}").splitlines()
    own = cli.ok("inspect", "--format", "{{.Digest}}", "mine")
    assert own != digest_
    assert sorted(rows) == sorted([f"{hostile.name} {digest_}", f"mine {own}"])


def test_a_transfer_that_breaks_off_is_begun_again(cli: Store, hostile: Hostile) -> None:
    data = layer({"a": os.urandom(300_000)})
    manifest = hostile.image(data)
    packed = gzipped(data)
    left = [packed[:100_000], packed[:200_000]]

    def answer(headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        return 200, {"Content-Length": str(len(packed))}, left.pop() if left else packed

    hostile.answers[digest(packed)] = answer
    hostile.tag(manifest)
    cli.ok("pull", hostile.name)
    assert left == []


def test_control_c_does_not_wait_for_a_registry_that_hangs(cli: Store, hostile: Hostile) -> None:
    manifest = hostile.image(layer({"a": os.urandom(300_000)}))
    asked, over = threading.Event(), threading.Event()

    def answer(headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        asked.set()
        over.wait(50)
        return 404, {}, b""

    for name, blob in hostile.oci.blobs.items():
        if len(blob) > 100_000:
            hostile.answers[name] = answer
    hostile.tag(manifest)
    command = cli.start("pull", hostile.name)
    assert asked.wait(30)
    begun = time.monotonic()
    command.send_signal(signal.SIGINT)
    command.communicate(timeout=55)
    over.set()
    assert command.returncode != 0
    assert time.monotonic() - begun < 10
    assert leavings(cli.root) == []


def test_another_blob_than_promised_is_refused(cli: Store, hostile: Hostile) -> None:
    data = gzipped(layer({"a": b"good"}))
    manifest = hostile.image(layer({"a": b"good"}))
    hostile.answers[digest(data)] = (200, {}, gzipped(layer({"a": b"evil"})))
    hostile.tag(manifest)
    refused(cli, hostile, digest(data))


def test_an_endless_blob_is_refused(cli: Store, hostile: Hostile) -> None:
    data = gzipped(layer())
    manifest = hostile.image(layer())
    hostile.answers[digest(data)] = (200, {}, data + bytes(10_000_000))
    hostile.tag(manifest)
    refused(cli, hostile, "10000", "bytes")


def test_a_layer_that_is_another_once_unpacked_is_refused(cli: Store, hostile: Hostile) -> None:
    packed = gzipped(layer({"a": b"evil"}))
    kind = "application/vnd.oci.image.layer.v1.tar+gzip"
    hostile.tag(hostile.oci.manifest([packed], config(layer({"a": b"good"})), kind=kind))
    refused(cli, hostile, "unpacks to")


def test_another_blob_for_a_layer_that_is_here_is_refused(cli: Store, hostile: Hostile) -> None:
    """It would never be unpacked, but saved and pushed."""
    good, kind = layer({"a": b"good"}), "application/vnd.oci.image.layer.v1.tar+gzip"
    hostile.tag(hostile.oci.manifest([gzipped(good)], config(good), kind=kind))
    cli.ok("pull", "-q", hostile.name)
    before = cli.ok("images", "-q")
    packed = gzipped(layer({"a": b"evil"}))
    hostile.tag(hostile.oci.manifest([packed], config(good, Cmd=["x"]), kind=kind))
    done = cli("pull", "-q", hostile.name)
    assert done.returncode == 1
    assert "unpacks to" in done.stderr
    assert cli.ok("images", "-q") == before


def test_a_manifest_of_two_kinds_is_refused(cli: Store, hostile: Hostile) -> None:
    """CVE-2021-41190: an index to one reader, an image to another."""
    manifest = hostile.image(layer(), manifests=[])
    hostile.tag(manifest)
    refused(cli, hostile, "ambiguous")


def test_a_manifest_under_the_type_of_an_index_is_refused(cli: Store, hostile: Hostile) -> None:
    hostile.tag(hostile.image(layer()), kind="application/vnd.oci.image.index.v1+json")
    refused(cli, hostile, "ambiguous")


def test_foreign_layers_are_refused_and_their_urls_not_asked(cli: Store, hostile: Hostile) -> None:
    """CVE-2020-15157."""
    kind = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    hostile.tag(hostile.image(layer(), kind=kind))
    refused(cli, hostile, "foreign layer")
    assert not any("blobs" in path for path, _ in hostile.server.seen)


def test_schema_1_is_refused_in_words(cli: Store, hostile: Hostile) -> None:
    data = b'{"schemaVersion": 1, "fsLayers": [], "history": []}'
    hostile.answers["latest"] = (200, {"Content-Type": "application/json"}, data)
    refused(cli, hostile, "schema 1, which is not supported")


def test_a_platform_that_is_not_offered_by_a_single_manifest(cli: Store, hostile: Hostile) -> None:
    hostile.tag(hostile.image(layer()))
    refused(cli, hostile, "is for platform linux/amd64", options=("--platform", "linux/s390x"))
