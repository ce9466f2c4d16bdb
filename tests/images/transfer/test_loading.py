"""`load`: archives of all kinds and origins, damaged and hostile ones, crashes and full disks."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import signal
import subprocess
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zstandard
from archives import Oci, Tar, config, digest, docker, layer
from images_help import Podman, content, leavings, skopeo
from layouts import image, index_of, write

from rootless.oci.errors import DigestError, Error, ImageError, LayerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Store

    from rootless.images.collection import Images


def blobs(images: Images) -> set[str]:
    return set(os.listdir(f"{images.paths.images}/blobs/sha256"))


def check_empty(images: Images) -> None:
    """Nothing of a failed load is left."""
    assert images.list() == []
    assert blobs(images) == set()
    assert leavings(images.paths.root) == []
    assert os.listdir(images.paths.layers) == []


@pytest.mark.as_root
def test_docker_archive_is_unpacked_as_it_is_loaded(
    images: Images, as_file: Callable[[bytes], str]
) -> None:
    lower, upper = layer({"etc/": b"", "etc/a": b"1"}), layer({"etc/a": b"2", "b": b"3"})
    assert images.load(as_file(docker([lower, upper], names=["x:1", "y"]))) == [
        "docker.io/library/x:1",
        "docker.io/library/y:latest",
    ]
    (image,) = images.list()
    assert image.id == digest(config(lower, upper))[7:]
    assert image.created == 1706933106.789
    assert image.platform == "linux/amd64"
    assert image.size == len(lower) + len(upper)
    below, above = image.lowers()
    assert (content(below, "etc/a"), content(above, "etc/a")) == (b"1", b"2")
    assert digest(lower)[7:] == below.split("/")[-2], "the lowest chain id is the diff id"
    assert blobs(images) >= {digest(lower)[7:], digest(upper)[7:], image.id}
    assert leavings(images.paths.root) == []


@pytest.mark.parametrize("compress", [bytes, gzip.compress, zstandard.compress])
def test_outer_compression_through_a_pipe(cli: Store, compress: Callable[[bytes], bytes]) -> None:
    data = compress(docker([layer({"a": os.urandom(100_000)})], names=["x:1"]))
    command = subprocess.Popen(
        [*cli.command, "load"], env=cli.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert command.stdin is not None
    for start in range(0, len(data), 7000):
        command.stdin.write(data[start : start + 7000])
        command.stdin.flush()
    out, _ = command.communicate(timeout=60)
    assert out == b"Loaded image: x:1\n"
    assert command.returncode == 0


@pytest.mark.parametrize("compress", [bz2.compress, lzma.compress])
@pytest.mark.parametrize("way", ["load", "pull"])
def test_layers_compressed_as_no_manifest_can_tell(
    images: Images, as_file: Callable[[bytes], str], compress: Callable[[bytes], bytes], way: str
) -> None:
    """They are kept as what they unfold to; one comes twice, one is as usual."""
    below, above = layer({"a": b"1"}), layer({"b": b"2"})
    packed = [compress(below), gzip.compress(above), compress(below)]
    archive = as_file(docker(packed, names=["x:1"], conf=config(below, above, below)))
    if way == "load":
        images.load(archive)
    else:
        images.pull(f"docker-archive:{archive}")
    (image,) = images.list()
    kinds = [part["mediaType"].rpartition(".")[2] for part in image.manifest["layers"]]
    assert [kind.removeprefix("diff.") for kind in kinds] == ["tar", "tar+gzip", "tar"]
    assert [part["digest"] for part in image.manifest["layers"]][::2] == [digest(below)] * 2
    assert content(image.lowers()[1], "b") == b"2"
    assert leavings(images.paths.root) == []


@pytest.mark.parametrize("way", ["load", "pull"])
def test_a_configuration_as_only_go_reads_it(
    images: Images, as_file: Callable[[bytes], str], way: str
) -> None:
    """Keys in any case, and half a surrogate pair in a label that nobody needs."""
    below = layer({"a": b"1"})
    document = {
        "Architecture": "amd64",
        "OS": "linux",
        "Created": "2024-02-03T04:05:06Z",
        "Config": {
            "CMD": ["sh"],
            "env": ["A=1"],
            "labels": {"x": "1\ud800", "y": "\U0001f600"},
            "HealthCheck": {"test": ["NONE"], "interval": 3},
        },
        "RootFS": {"Type": "layers", "Diff_IDs": [digest(below)]},
        "History": [{"Created_By": "me"}],
    }
    conf = json.dumps(document).encode()
    archive = as_file(docker([below], names=["x:1"], conf=conf))
    if way == "load":
        images.load(archive)
    else:
        images.pull(f"docker-archive:{archive}")
    image = images.get("x:1")
    assert image.id == digest(conf)[7:]
    assert image.platform == "linux/amd64"
    assert image.created == 1706933106
    assert image.config["config"] == {
        "Cmd": ["sh"],
        "Env": ["A=1"],
        "Labels": {"x": "1\ufffd", "y": "\U0001f600"},
        "Healthcheck": {"Test": ["NONE"], "Interval": 3},
    }
    assert image.config["history"] == [{"created_by": "me"}]
    assert content(image.lowers()[0], "a") == b"1"


def test_a_name_that_an_archive_writes_twice(
    images: Images, as_file: Callable[[bytes], str]
) -> None:
    names = ["x", "x:latest", "docker.io/library/x", "y:1"]
    expected = ["docker.io/library/x:latest", "docker.io/library/y:1"]
    assert images.load(as_file(docker([layer({"a": b"1"})], names=names))) == expected
    (image,) = images.list()
    assert sorted(image.names) == expected


def test_several_images_that_share_layers(images: Images, as_file: Callable[[bytes], str]) -> None:
    base, one, two = layer({"a": b"1"}), layer({"b": b"2"}), layer({"c": b"3"})
    tar = Tar()
    for name, data in (("base", base), ("one", one), ("two", two)):
        tar.add(f"{name}/layer.tar", data)
    tar.link("again/layer.tar", "../base/layer.tar")
    configs = [config(base, one), config(base, two), config(two, base), config(base, base)]
    layers = [["base", "one"], ["again", "two"], ["two", "base"], ["base", "again"]]
    entries = []
    for number, (conf, names) in enumerate(zip(configs, layers, strict=True)):
        tar.add(f"{number}.json", conf)
        paths = [f"{name}/layer.tar" for name in names]
        entries.append({"Config": f"{number}.json", "RepoTags": [f"x:{number}"], "Layers": paths})
    tar.add("manifest.json", json.dumps(entries).encode())
    assert len(images.load(as_file(tar.bytes()))) == 4
    for number, names in enumerate(layers):
        lowers = images.get(f"x:{number}").lowers()
        files = [sorted(os.listdir(directory)) for directory in lowers]
        assert files == [
            ["a"] if name in ("base", "again") else [{"one": "b", "two": "c"}[name]]
            for name in names
        ]


@pytest.mark.needs("skopeo")
@pytest.mark.parametrize("kind", ["docker-archive", "oci-archive", "oci"])
@pytest.mark.as_root
def test_what_skopeo_writes(images: Images, busybox_image: str, tmp_path: Path, kind: str) -> None:
    target = tmp_path / "target"
    source = f"oci:{busybox_image}:busybox:latest"
    skopeo("copy", "-q", source, f"{kind}:{target}:localhost/bb:2")
    assert images.load(str(target)) == ["localhost/bb:2"]
    image = images.get("bb:2")
    raw = skopeo("inspect", "--config", "--raw", source)
    assert image.id == digest(raw.encode())[7:]
    assert "busybox" in os.listdir(image.lowers()[0] + "/bin")


@pytest.mark.needs("podman")
@pytest.mark.modes("mapped", "root")
@pytest.mark.parametrize("kind", ["docker-archive", "oci-archive"])
def test_what_podman_saves(cli: Store, podman: Podman, busybox_image: str, kind: str) -> None:
    podman("pull", "-q", f"oci:{busybox_image}:busybox:latest")
    image_id = podman("images", "-q", "--no-trunc").decode().strip()
    podman("tag", image_id, "q.io/bb:3")
    loaded = cli("load", input=podman("save", "-q", "--format", kind, "q.io/bb:3"), text=False)
    assert loaded.stdout == b"Loaded image: q.io/bb:3\n"
    assert cli.ok("images", "--quiet", "--no-trunc") == image_id


def test_an_oci_archive_keeps_manifest_and_names(
    images: Images, as_file: Callable[[bytes], str]
) -> None:
    oci = Oci()
    packed = gzip.compress(layer({"a": b"1"}))
    manifest = oci.manifest(
        [packed],
        config(layer({"a": b"1"})),
        kind="application/vnd.oci.image.layer.v1.tar+gzip",
        annotations={"kept": "as it is"},
    )
    oci.name(manifest, "q.io/x:1")
    oci.name(manifest, "latest")
    path = as_file(oci.archive())
    assert images.load(path) == ["q.io/x:1", "localhost/latest:latest"]
    image = images.get("q.io/x:1")
    assert image.digest == manifest["digest"]
    assert image.manifest["annotations"] == {"kept": "as it is"}
    assert image.size == len(layer({"a": b"1"})), "the size is that of the unpacked layer"
    assert images.load(path) == ["q.io/x:1", "localhost/latest:latest"], "a second time"


def test_an_image_without_a_name(images: Images, as_file: Callable[[bytes], str]) -> None:
    data = docker([layer()])
    (name,) = images.load(as_file(data))
    assert images.get(name).names == []
    images.load(as_file(data))
    assert len(images.list()) == 1


def test_a_name_moves_and_leaves_the_old_image(
    images: Images, as_file: Callable[[bytes], str]
) -> None:
    images.load(as_file(docker([layer({"a": b"1"})], names=["x:1", "y:1"])))
    old = images.get("x:1").id
    images.load(as_file(docker([layer({"a": b"2"})], names=["x:1"])))
    assert images.get("x:1").id != old
    assert images.get(old).names == ["docker.io/library/y:1"]
    images.load(as_file(docker([layer({"a": b"2"})], names=["y:1"])))
    assert images.get(old).names == []


def wrong_diff_id() -> bytes:
    return docker([layer({"a": b"evil"})], conf=config(layer({"a": b"good"})))


def wrong_blob() -> bytes:
    oci = Oci()
    oci.name(oci.manifest([layer()]), "x:1")
    oci.blobs[digest(layer())] = layer({"hello": b"other"})
    return oci.archive()


def too_few_layers() -> bytes:
    return docker([layer()], conf=config(layer(), layer()))


def escaping() -> bytes:
    return docker([layer({"../../../evil": b"x"})], names=["x:1"])


def truncated_layer() -> bytes:
    return docker([layer({"a": b"x" * 9000})[:3000]], names=["x:1"])


def damaged_gzip() -> bytes:
    packed = bytearray(gzip.compress(layer({"a": os.urandom(5000)})))
    packed[3000] ^= 1
    return docker([bytes(packed)], conf=config(layer()))


def missing_layer() -> bytes:
    oci = Oci()
    oci.name(oci.manifest([layer()]), "x:1")
    del oci.blobs[digest(layer())]
    return oci.archive()


def artifact() -> bytes:
    oci = Oci()
    manifest = {
        "schemaVersion": 2,
        "config": oci.blob(b"{}", "application/vnd.oci.empty.v1+json"),
        "layers": [oci.blob(b"x", "text/plain")],
    }
    oci.name(oci.blob(json.dumps(manifest).encode(), "application/vnd.oci.image.manifest.v1+json"))
    return oci.archive()


@pytest.mark.parametrize(
    ("make", "kind", "match"),
    [
        (wrong_diff_id, DigestError, "unpacks to sha256"),
        (wrong_blob, DigestError, "has the digest"),
        (too_few_layers, ImageError, "1 layers and 2 diff ids"),
        (escaping, LayerError, r"evil"),
        (truncated_layer, LayerError, "unpack"),
        (damaged_gzip, Error, "gzip|layer"),
        (missing_layer, ImageError, "is missing"),
        (artifact, ImageError, "artifact"),
    ],
)
def test_bad_images_leave_nothing(
    images: Images,
    as_file: Callable[[bytes], str],
    make: Callable[[], bytes],
    kind: type[Error],
    match: str,
) -> None:
    with pytest.raises(kind, match=match):
        images.load(as_file(make()))
    check_empty(images)
    assert images.load(as_file(docker([layer()], names=["good"])))


def test_one_bad_image_of_two_keeps_the_store_as_it_was(
    images: Images, as_file: Callable[[bytes], str]
) -> None:
    images.load(as_file(docker([layer()], names=["before"])))
    oci = Oci()
    oci.name(oci.manifest([layer({"a": b"1"})]), "good:1")
    oci.name(oci.manifest([layer({"b": b"1"})], config(layer({"c": b"1"}))), "bad:1")
    with pytest.raises(DigestError):
        images.load(as_file(oci.archive()))
    assert images.names() == ["docker.io/library/before:latest"]
    assert leavings(images.paths.root) == []


def test_a_bomb_is_bounded_by_the_disk_and_leaves_nothing(
    cli: Store, as_file: Callable[[bytes], str]
) -> None:
    """RLIMIT_FSIZE stands for the disk's end: the kernel sends EFBIG as it would send ENOSPC."""
    header = tarfile.TarInfo("zeros.tar")
    header.size = 1 << 34
    stream = io.BytesIO()
    with gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=1) as packed:
        packed.write(header.tobuf())
        for _ in range(200):
            packed.write(bytes(1 << 20))
    script = f"ulimit -f 20000; exec {' '.join(cli.command)} load -i {as_file(stream.getvalue())}"
    done = subprocess.run(["sh", "-c", script], env=cli.env, capture_output=True, text=True)
    assert done.returncode == 1
    assert "File too large" in done.stderr
    assert leavings(cli.root) == []
    assert cli.ok("images", "--quiet") == ""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_load_leaves_nothing_after_the_next(
    cli: Store, as_file: Callable[[bytes], str], number: int
) -> None:
    data = docker([layer({f"f{n}": os.urandom(20_000) for n in range(300)})], names=["x:1"])
    command = subprocess.Popen(
        [*cli.command, "load"], env=cli.env, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    assert command.stdin is not None
    command.stdin.write(data[: len(data) // 2])
    command.stdin.flush()
    layers, deadline = Path(cli.root, "layers"), time.monotonic() + 30
    while not any(layers.glob(".work-*/*/fs/f1")) and time.monotonic() < deadline:
        time.sleep(0.01)
    if number == signal.SIGINT:
        os.killpg(command.pid, number)  # as a terminal does
    else:
        command.send_signal(number)
    command.communicate(timeout=30)
    assert command.returncode != 0
    if number == signal.SIGINT:
        assert leavings(cli.root) == [], "Control-C left work to the next load"
    assert cli.ok("images", "--quiet") == ""
    assert cli.ok("load", "-i", as_file(data)) == "Loaded image: x:1"
    assert leavings(cli.root) == []


def test_two_loads_at_once(cli: Store, as_file: Callable[[bytes], str]) -> None:
    shared = layer({"a": os.urandom(200_000)})
    paths = [
        as_file(docker([shared, layer({"b": bytes([n])})], names=[f"x:{n}", "last"]))
        for n in range(4)
    ]
    loads = [cli.start("load", "-i", path) for path in paths]
    for load in loads:
        out, err = load.communicate(timeout=60)
        assert load.returncode == 0, out + err
    names = cli.ok("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    assert sorted(names) == ["last:latest", *(f"x:{n}" for n in range(4))]
    assert leavings(cli.root) == []


@pytest.mark.modes("single")
def test_owners_are_remembered_without_subordinate_ids(
    images: Images, as_file: Callable[[bytes], str]
) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo("mine")
        info.uid, info.gid = 33, 44
        tar.addfile(info)
    images.load(as_file(docker([buffer.getvalue()], names=["x"])))
    (directory,) = images.get("x").lowers()
    assert os.stat(f"{directory}/mine").st_uid == os.getuid()
    assert '["mine",33,44' in Path(directory).parent.joinpath("owners").read_text()


@pytest.mark.modes("mapped")
def test_owners_are_real_with_subordinate_ids(
    images: Images, as_file: Callable[[bytes], str]
) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo("theirs")
        info.uid, info.gid = 33, 44
        tar.addfile(info)
    images.load(as_file(docker([buffer.getvalue()], names=["x"])))
    (directory,) = images.get("x").lowers()
    assert os.stat(f"{directory}/theirs").st_uid not in (33, os.getuid())


def test_loading_from_nowhere(images: Images, tmp_path: Path) -> None:
    for path, match in ((tmp_path / "none", "cannot open"), (tmp_path, "index.json")):
        with pytest.raises(Error, match=match):
            images.load(str(path))


def test_images_are_refused_where_the_store_is_read_only(
    cli: Store, as_file: Callable[[bytes], str]
) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write where modes forbid it")
    cli.ok("load", "-i", as_file(docker([layer()], names=["x:1"])))
    os.chmod(f"{cli.root}/images", 0o500)
    os.chmod(f"{cli.root}/layers", 0o500)
    try:
        done = cli("load", "-i", as_file(docker([layer({"b": b"1"})], names=["y:1"])))
        assert done.returncode == 1
        assert "cannot write to the store" in done.stderr
        assert cli.ok("images", "--format", "{{.Repository}}") == "x"
    finally:
        os.chmod(f"{cli.root}/images", 0o700)
        os.chmod(f"{cli.root}/layers", 0o700)


@pytest.mark.parametrize("kind", ["oci-archive", "oci", "docker-archive"])
def test_of_one_platform_alone(
    images: Images, as_file: Callable[[bytes], str], tmp_path: Path, kind: str
) -> None:
    """Of an index its member, and of several images those that are for it."""
    oci = Oci()
    for_arm = image(oci, "arm64")
    oci.name(index_of(oci, [image(oci), for_arm, image(oci, "s390x")]), "quay.io/x/many:1")
    oci.name(image(oci, "amd64"), "other")
    if kind == "docker-archive":
        one = layer({"arm64": b"x"})
        about = {**json.loads(config(one)), "architecture": "arm64"}
        source = as_file(docker([one], names=["quay.io/x/many:1"], conf=json.dumps(about).encode()))
    else:
        source = as_file(oci.archive()) if kind == "oci-archive" else write(tmp_path / "x", oci)
    name = "quay.io/x/many:1"
    assert images.load(source, platform="linux/arm64") == [name]
    assert images.get(name).platform == "linux/arm64"
    assert [one.names for one in images.list()] == [[name]]
    assert leavings(images.paths.root) == []
    before = blobs(images)
    with pytest.raises(ImageError, match="no image for platform linux/ppc64le"):
        images.load(source, platform="linux/ppc64le")
    with pytest.raises(ImageError, match="invalid platform"):
        images.load(source, platform="a/b/c/d")
    assert blobs(images) == before
