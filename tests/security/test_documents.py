"""JSON of images may say anything: what is of a wrong type, or nests too deep, is a named error.

Each field of each document gets a value of each type: in an archive that is loaded, and in a store,
where another program put it. Then all that reads images does so.
"""

from __future__ import annotations

import contextlib
import json
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from archives import Oci, Tar, digest, layer

from rootless import Engine
from rootless.cli import main
from rootless.containers.creation.image_settings import Settings
from rootless.images import shared
from rootless.images.finding import runs
from rootless.images.history import history
from rootless.images.inspect import inspect
from rootless.images.tree import layers
from rootless.oci import archive, jsonio, models
from rootless.oci.errors import Error, ImageError
from rootless.oci.layers import withheld
from rootless.oci.layers.compare import difference
from tests.conftest import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootless.images.collection import Images

pytestmark = pytest.mark.once

TREE = layer()

CONFIG: dict[str, Any] = {
    "architecture": "amd64",
    "os": "linux",
    "os.version": "1",
    "variant": "v1",
    "author": "me",
    "created": "2024-02-03T04:05:06Z",
    "docker_version": "1",
    "config": {
        "Cmd": ["/hello"],
        "Entrypoint": ["/hello"],
        "Env": ["A=1"],
        "ExposedPorts": {"80/tcp": {}},
        "Healthcheck": {"Test": ["CMD", "/hello"], "Interval": 1000000000, "Retries": 3},
        "Hostname": "h",
        "Labels": {"a": "b"},
        "OnBuild": [],
        "Shell": ["/bin/sh"],
        "StopSignal": "SIGTERM",
        "User": "0",
        "Volumes": {"/v": {}},
        "WorkingDir": "/",
    },
    "history": [{"created": "2024-02-03T04:05:06Z", "created_by": "x", "comment": "c"}],
    "rootfs": {"type": "layers", "diff_ids": [digest(TREE)]},
}

VALUES = (None, True, 7, -1, 1e999, "text", [], [1], [[]], {}, {"a": 1}, [{"a": 1}])
"""A value of each type, and some of the next."""

COMMANDS = (
    "images --digests",
    "images --format json",
    "images --filter label=a=b --filter before=x",
    "inspect x",
    "history x",
    "image tree x",
    "tag x y",
    "create --name c x",
    "inspect c",
    "diff c",
    "commit c z",
    "rm -f c",
    "save -o /dev/null x",
    "system df -v",
    "system check --quick",
    "image prune -f",
)


def fields(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value in a document, itself first."""
    yield path
    inner = document.items() if isinstance(document, dict) else []
    if isinstance(document, list):
        inner = enumerate(document)
    for key, value in inner:
        yield from fields(value, (*path, key))


def changed(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy of a document with another value at one place."""
    if not path:
        return value
    copy = json.loads(json.dumps(document))
    at = copy
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return copy


class Documents:
    """An image whose documents may be changed before those that name them are made."""

    def __init__(self, part: str, path: tuple[Any, ...], value: Any) -> None:
        self._change = (part, path, value)
        self.oci = Oci()
        self.config = self._made("config", CONFIG)
        self.manifest = self._made("manifest", self._manifest())
        entry = self.oci.blob(self.manifest, "application/vnd.oci.image.manifest.v1+json")
        entry["platform"] = {"architecture": "amd64", "os": "linux", "variant": "v1"}
        entry["annotations"] = {"org.opencontainers.image.ref.name": "docker.io/library/x:latest"}
        self.index = self._made("index", {"schemaVersion": 2, "manifests": [entry]})

    def _manifest(self) -> dict[str, Any]:
        kind = "application/vnd.oci.image.layer.v1.tar"
        return {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "annotations": {"a": "b"},
            "config": self.oci.blob(self.config, "application/vnd.oci.image.config.v1+json"),
            "layers": [{**self.oci.blob(TREE, kind), "annotations": {"a": "b"}}],
        }

    def _made(self, part: str, document: Any) -> bytes:
        if part == self._change[0]:
            document = changed(document, *self._change[1:])
        return json.dumps(document).replace("Infinity", "1e999").encode()

    def archive(self) -> bytes:
        tar = Tar()
        for name, data in self.oci.blobs.items():
            tar.add(f"blobs/sha256/{name[7:]}", data)
        tar.add("index.json", self.index)
        tar.add("oci-layout", b"{}")
        return tar.bytes()

    def plant(self, root: str) -> None:
        """Put it into a store."""
        for name, data in self.oci.blobs.items():
            Path(root, "images/blobs/sha256", name[7:]).write_bytes(data)
        Path(root, "images/index.json").write_bytes(self.index)


def whole(part: str) -> Any:
    documents = Documents("", (), None)
    return json.loads({"index": documents.index, "manifest": documents.manifest}[part])


CASES = [("config", path) for path in fields(CONFIG)]
CASES += [(part, path) for part in ("manifest", "index") for path in fields(whole(part))]


class Memory:
    """An archive's blobs, where nothing else is."""

    def __init__(self, blobs: dict[str, bytes]) -> None:
        self._blobs = blobs

    def skip(self, digest: str) -> bool:
        return False

    def receive(self, digest: str, size: int, pieces: Iterator[bytes]) -> str:
        raise AssertionError

    def text(self, digest: str) -> bytes:
        if digest not in self._blobs:
            raise ImageError(f"there is no {digest}")
        return self._blobs[digest]

    def has(self, digest: str) -> bool:
        return digest in self._blobs


@pytest.mark.parametrize(("part", "path"), CASES, ids=lambda one: str(one).replace("'", ""))
def test_archives_with_wrong_types(part: str, path: tuple[Any, ...]) -> None:
    """What `load` makes of documents before it unpacks anything: an image, or a named error."""
    for value in VALUES:
        documents = Documents(part, path, value)
        sink = Memory(documents.oci.blobs)
        with contextlib.suppress(Error):
            for found in archive.index_contents(documents.index, sink):
                manifest = archive.manifest_of(found.manifest, sink)
                archive.config_of(manifest.config.digest, sink)


TABLE = [{"Config": "c", "RepoTags": ["x:1"], "Layers": ["l"]}]


@pytest.mark.parametrize("path", [*fields(TABLE)])
def test_docker_archives_with_wrong_types(path: tuple[Any, ...]) -> None:
    for value in VALUES:
        told = changed(TABLE, path, value)
        data = json.dumps(told).replace("Infinity", "1e999").encode()
        sink = Memory({"m": data, "c": json.dumps(CONFIG).encode(), "l": TREE})
        members = archive.Archive()
        members.members = {"manifest.json": "m", "c": "c", "l": "l"}
        with contextlib.suppress(Error):
            archive.docker_contents(members, sink)


@pytest.fixture
def images(rootless_root: str, tmp_path: Path) -> Images:
    """A store into which another program may put what it likes; its layer is unpacked."""
    found = Engine(rootless_root).images
    (tmp_path / "x.tar").write_bytes(Documents("", (), None).archive())
    found.load(str(tmp_path / "x.tar"))
    return found


def read(images: Images) -> None:
    """Read all that there is to be read of the image x, as commands do."""
    for image in images.list():
        inspect(image)
        history(image)
        layers(image, images.list())
        runs(image, "linux/arm64")
        _ = image.foreign, image.platform, image.descriptor, image.digests, image.ids, image.parts
        image.original()
        image.lowers()
        Settings(image.config, "x")
    with contextlib.suppress(Error):
        images.get("x").original()


@pytest.mark.parametrize("part", ["config", "manifest", "index"])
def test_stores_with_wrong_types(images: Images, part: str) -> None:
    """Images whose documents cannot be used are told of, and do no harm to others."""
    for path in [path for one, path in CASES if one == part]:
        for value in VALUES:
            Documents(part, path, value).plant(images.paths.root)
            with contextlib.suppress(Error):
                read(images)


def test_layers_with_wrong_types(images: Images) -> None:
    (path,) = Path(images.paths.layers).glob("*/layer.json")
    record = json.loads(path.read_text())
    for way in fields(record):
        for value in VALUES:
            path.write_text(json.dumps(changed(record, way, value)).replace("Infinity", "1e999"))
            read(images)
            withheld.is_withheld(str(path.parent))
            difference(str(path.parent), str(path.parent))


def test_commands_say_what_is_wrong(
    images: Images, capfd: pytest.CaptureFixture[str], seed: int
) -> None:
    """A few of all these, as people meet them; with a seed, others."""
    dice = random.Random(seed)
    chosen = [("config", ("history", 0)), ("index", ()), *dice.sample(CASES, 4)]
    for part, path in chosen:
        value = dice.choice(VALUES)
        Documents(part, path, value).plant(images.paths.root)
        for command in COMMANDS:
            code = main.run(command.split())
            shown, said = capfd.readouterr()
            what = f"{part} {path} = {value!r}: {command}: {said}"
            assert code == 0 or said or shown, what
            assert "fault of rootless" not in said, what
            assert "Traceback" not in said, what


def test_history_of_numbers_is_named(images: Images, cli: Store) -> None:
    Documents("config", ("history", 0), 1).plant(images.paths.root)
    done = cli("history", "x")
    assert done.returncode == 1
    assert "its history is not a list of objects" in done.stderr


DEEP = b"[" * 200_000 + b"]" * 200_000


DEEPER = [b"[" * 101 + b"]" * 101, b'{"a":' * 101 + b"1" + b"}" * 101]


@pytest.mark.parametrize("data", [DEEP, *DEEPER], ids=["deep", "lists", "objects"])
def test_depth_is_bounded(data: bytes) -> None:
    with pytest.raises(ValueError, match="it nests deeper than 100 levels"):
        jsonio.loads(data)
    with pytest.raises(ImageError, match="cannot read it: it nests deeper than 100 levels"):
        models.document_in(data, "it")
    wide = [[{"a": [1]}] * 1000] * 10
    assert jsonio.loads(jsonio.dumps(wide)) == wide
    deep = b"[" * 100 + b"]" * 100
    assert jsonio.dump_bytes(jsonio.loads(deep)) == deep + b"\n"


@pytest.mark.parametrize("where", ["own", "shared"])
def test_an_index_of_brackets(busybox: Store, where: str) -> None:
    """In a store of others it costs its own images only; in one's own it is named."""
    other = Store()
    try:
        other.ok("load", "-i", "-", input=Documents("", (), None).archive(), text=False)
        bad, env = (busybox, {}) if where == "own" else (other, {shared.VARIABLE: other.root})
        Path(bad.root, "images/index.json").write_bytes(b'{"manifests":' + DEEP + b"}")
        for command in (["images"], ["inspect", "busybox"], ["system", "df"], ["rmi", "nothing"]):
            done = busybox(*command, env=env)
            assert "fault of rootless" not in done.stderr
            if where == "own":
                assert "it nests deeper than 100 levels" in done.stderr, command
        if where == "shared":
            assert busybox.ok("inspect", "--format", "{{.Os}}", "busybox", env=env) == "linux"
    finally:
        other.remove()
