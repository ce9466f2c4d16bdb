"""What archives of images hold, told by reading them once; hostile ones too."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import archives
import pytest
from archives import Oci, Tar, config, digest, docker, layer

from rootless.oci import archive, models
from rootless.oci.errors import Error, ImageError, LayerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rootless.oci.archive import Found

pytestmark = pytest.mark.once


class Memory:
    """A sink that keeps everything."""

    def __init__(self, known: tuple[bytes, ...] = ()) -> None:
        self.kept = {digest(data): data for data in known}
        self.received: list[str] = []

    def skip(self, name: str) -> bool:
        return name in self.kept

    has = skip

    def receive(self, name: str, size: int, pieces: Iterator[bytes]) -> str:
        data = b"".join(pieces)
        assert len(data) == size
        self.received.append(digest(data))
        self.kept[digest(data)] = data
        return digest(data)

    def text(self, name: str) -> bytes:
        return self.kept[name]


class Pipe(io.RawIOBase):
    """A source that cannot seek and gives little at a time, as a pipe may."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readinto(self, buffer: Any, /) -> int:
        return self._data.readinto(memoryview(buffer)[:1000])


def found_in(data: bytes, known: tuple[bytes, ...] = ()) -> list[Found]:
    sink = Memory(known)
    return archive.contents(archive.read(Pipe(data), sink), sink)


def test_docker_archive() -> None:
    one, two = layer({"a": b"1"}), layer({"b": b"2"})
    (image,) = found_in(docker([one, two], names=["busybox:1", "localhost/x:y"]))
    assert image.names == ["docker.io/library/busybox:1", "localhost/x:y"]
    assert image.layers == [digest(one), digest(two)]
    assert image.config == digest(config(one, two))
    assert image.manifest == ""


def test_old_docker_save_with_symlinked_layers() -> None:
    """`docker save` before 25: <id>/layer.tar, a symlink where another image has the layer."""
    shared, own = layer({"a": b"1"}), layer({"b": b"2"})
    tar = Tar()
    tar.add("repositories", b"{}")
    tar.add("1111/VERSION", b"1.0")
    tar.add("1111/json", b"{}")
    tar.add("1111/layer.tar", shared)
    tar.link("2222/layer.tar", "../1111/layer.tar")
    tar.link("3333/layer.tar", "1111/layer.tar", b"1")
    tar.add("4444/layer.tar", own)
    first, second = config(shared, own), config(shared, shared)
    tar.add("first.json", first)
    tar.add("second.json", second)
    manifest = [
        {
            "Config": "first.json",
            "RepoTags": ["a:1"],
            "Layers": ["2222/layer.tar", "4444/layer.tar"],
        },
        {"Config": "second.json", "RepoTags": None, "Layers": ["1111/layer.tar", "3333/layer.tar"]},
    ]
    tar.add("manifest.json", json.dumps(manifest).encode())
    one, two = found_in(tar.bytes())
    assert (one.names, one.layers) == (["docker.io/library/a:1"], [digest(shared), digest(own)])
    assert (two.names, two.layers) == ([], [digest(shared)] * 2)


def test_oci_archive_with_two_names_of_one_image() -> None:
    oci = Oci()
    manifest = oci.manifest([layer()])
    oci.name(manifest, "docker.io/library/a:1")
    oci.name(manifest, "b")
    (image,) = found_in(oci.archive())
    assert image.names == ["docker.io/library/a:1", "localhost/b:latest"]
    assert image.manifest == manifest["digest"]


def test_archive_of_both_kinds_keeps_its_own_manifest() -> None:
    """docker since 25 writes manifest.json beside an OCI layout; containerd's annotation names."""
    oci = Oci()
    data = layer()
    manifest = oci.manifest([data])
    manifest["annotations"] = {
        "io.containerd.image.name": "docker.io/library/new:1",
        "org.opencontainers.image.ref.name": "1",
    }
    oci.name(manifest)
    tar = Tar()
    for name, blob in oci.blobs.items():
        tar.add(f"blobs/sha256/{name[7:]}", blob)
    entry = {
        "Config": f"blobs/sha256/{digest(config(data))[7:]}",
        "RepoTags": ["new:1"],
        "Layers": [f"blobs/sha256/{digest(data)[7:]}"],
    }
    tar.add("index.json", oci.index())
    tar.add("manifest.json", json.dumps([entry]).encode())
    tar.add("oci-layout", b"{}")
    (image,) = found_in(tar.bytes())
    assert image.manifest == manifest["digest"]
    assert image.names == ["docker.io/library/new:1"]


def test_known_content_is_not_read_again() -> None:
    data = layer()
    sink = Memory((data,))
    archive.read(Pipe(docker([data])), sink)
    assert digest(data) not in sink.received


def test_paths_that_leave_the_archive_are_only_keys() -> None:
    data = layer()
    tar = Tar()
    tar.add("../../etc/passwd", data)
    tar.add("/config.json", config(data))
    manifest = [{"Config": "config.json", "RepoTags": [], "Layers": ["../../../etc/passwd"]}]
    tar.add("./manifest.json", json.dumps(manifest).encode())
    (image,) = found_in(tar.bytes())
    assert image.layers == [digest(data)]


def loop() -> bytes:
    tar = Tar()
    tar.link("a.tar", "b.tar")
    tar.link("b.tar", "a.tar")
    tar.add("c.json", config())
    tar.add("manifest.json", b'[{"Config": "c.json", "Layers": ["a.tar"]}]')
    return tar.bytes()


def listed(text: bytes) -> bytes:
    tar = Tar()
    tar.add("manifest.json", text)
    return tar.bytes()


def indexed(*entries: Any) -> bytes:
    oci = Oci()
    oci.entries = list(entries)
    return oci.archive()


def nested() -> bytes:
    oci = Oci()
    entry = oci.manifest([layer()])
    for _ in range(5):
        document = {"schemaVersion": 2, "manifests": [entry]}
        kind = "application/vnd.oci.image.index.v1+json"
        entry = oci.blob(json.dumps(document).encode(), kind)
    oci.name(entry)
    return oci.archive()


def crowd() -> bytes:
    tar = Tar()
    for number in range(archive.LIMITS.entries + 1):
        tar.add(str(number), b"")
    return tar.bytes()


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (Tar().bytes(), "neither manifest.json nor index.json"),
        (b"no tar at all" * 100, "unpack|archive"),
        (listed(b"[]"), "names no image"),
        (listed(b"{"), "manifest.json"),
        (listed(b'[{"Config": 1, "Layers": []}]'), "manifest.json"),
        (listed(b'[{"Config": "x", "Layers": []}]'), "has no 'x'"),
        (listed(b'[{"Config": "x", "Layers": []}]' + b" " * (4 << 20)), "larger than 4 MiB"),
        (listed(b"[" * 100_000), "manifest.json"),
        (loop(), "has no 'a.tar'"),
        (indexed(archives.Oci().blob(b"x", "t")), "is not there"),
        (indexed({"mediaType": "x", "digest": "sha256:../../x", "size": 1}), "digest"),
        (indexed({"mediaType": "x", "digest": "sha256:" + "a" * 64, "size": -1}), "-1 bytes"),
        (nested(), "nested too deep"),
        (crowd, "20000"),
    ],
)  # fmt: skip
def test_hostile_archives_are_refused_in_words(
    data: bytes | Callable[[], bytes], match: str
) -> None:
    with pytest.raises((ImageError, LayerError), match=match):
        found_in(data if isinstance(data, bytes) else data())


def test_a_truncated_archive_is_refused() -> None:
    data = docker([layer({"a": b"x" * 5000})])
    for length in (100, 700, 3000, data.rindex(b"manifest.json"), data.rindex(b"RepoTags")):
        with pytest.raises(Error):
            found_in(data[:length])


# -- manifests ---------------------------------------------------------------------------------

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@pytest.mark.parametrize(
    ("document", "declared"),
    [
        ({"manifests": [], "layers": []}, ""),
        ({"manifests": [], "config": {}}, OCI_INDEX),
        ({"manifests": []}, OCI_MANIFEST),
        ({"config": {}, "layers": []}, OCI_INDEX),
        ({"mediaType": OCI_INDEX, "config": {}, "layers": []}, OCI_MANIFEST),
        ({"mediaType": OCI_MANIFEST, "manifests": []}, ""),
    ],
)
def test_manifests_with_two_meanings_are_refused(document: dict[str, Any], declared: str) -> None:
    """CVE-2021-41190."""
    data = json.dumps({"schemaVersion": 2, **document}).encode()
    with pytest.raises(ImageError, match="ambiguous"):
        models.kind_of(data, declared, "it")


def test_schema_1_is_refused_in_words() -> None:
    with pytest.raises(ImageError, match="schema 1, which is not supported"):
        models.kind_of(b'{"schemaVersion": 1, "fsLayers": []}', "", "it")


@pytest.mark.parametrize(
    ("media_type", "match"),
    [
        ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "foreign layer"),
        ("application/vnd.oci.image.layer.nondistributable.v1.tar", "foreign layer"),
        ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", "encrypted"),
        ("text/html", "unknown type"),
    ],
)
def test_layers_of_other_kinds_are_refused(media_type: str, match: str) -> None:
    """Foreign layers: CVE-2020-15157."""
    oci = Oci()
    entry = oci.manifest([layer()], kind=media_type)
    manifest = models.decode(oci.blobs[entry["digest"]], models.Manifest, "it")
    with pytest.raises(ImageError, match=match):
        manifest.check()


def test_a_docker_manifest_becomes_an_oci_one_of_the_same_blobs() -> None:
    document = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "digest": "sha256:" + "1" * 64,
            "size": 3,
        },
        "layers": [
            {
                "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                "digest": "sha256:" + "2" * 64,
                "size": 4,
            }
        ],
    }
    manifest = models.decode(json.dumps(document).encode(), models.Manifest, "it")
    assert manifest.is_docker
    made = models.decode(models.to_oci(manifest), models.Manifest, "it")
    made.check()
    assert not made.is_docker
    assert [made.config.digest, made.layers[0].digest] == [
        "sha256:" + "1" * 64,
        "sha256:" + "2" * 64,
    ]
    assert made.layers[0].media_type == "application/vnd.oci.image.layer.v1.tar+gzip"
