"""`copy` between all places, with skopeo and docker-registry at the other ends."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import random
import signal
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from archives import Oci, Tar, config, digest, docker, layer
from faulty import Line, end_at
from images_help import leavings, skopeo
from layouts import GZIP, INDEX, image, index_of, raw, write

from rootless.errors import UsageError
from rootless.images.transfer.wish import CopyWish
from rootless.oci.errors import (
    DigestError,
    Error,
    ImageError,
    InvalidReference,
    RegistryError,
    SignatureError,
)
from rootless.testing import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Store
    from images_help import Podman

    from rootless.images.collection import Images

pytestmark = [pytest.mark.needs("skopeo", "docker-registry"), pytest.mark.once]

DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
PLATFORMS = ("amd64", "arm64", "s390x")


@pytest.fixture
def layout(tmp_path: Path) -> str:
    """A layout with the image `one` and the index `many` of three platforms."""
    oci = Oci()
    images = [image(oci, one) for one in PLATFORMS]
    oci.name({key: images[0][key] for key in ("mediaType", "digest", "size")}, "one")
    oci.name(index_of(oci, images, annotations={"note": "kept"}), "many")
    return write(tmp_path / "source", oci)


def test_an_index_keeps_its_bytes_wherever_it_goes(
    images: Images, layout: str, registry: str, tmp_path: Path
) -> None:
    whole = digest(raw(f"oci:{layout}:many"))
    place = f"oci:{layout}:many"
    for target in (
        f"docker://{registry}/a/many:1",
        f"docker://{registry}/b/many:2",  # from the same registry: mounted
        f"oci-archive:{tmp_path}/many.tar:many",
        f"dir:{tmp_path}/many",
        f"oci:{tmp_path}/copy:many",
        f"docker://{registry}/c/many:3",
    ):
        assert images.copy(place, target, CopyWish(everything=True)) == whole
        place = target
    for there in (f"docker://{registry}/c/many:3", f"docker://{registry}/b/many:2"):
        assert digest(raw(there)) == whole
        # skopeo reads, and checks, all that there is.
        check = ("copy", "-q", "--all", "--preserve-digests", "--src-tls-verify=false", there)
        skopeo(*check, f"dir:{tmp_path}/check")
    assert digest(raw(f"oci-archive:{tmp_path}/many.tar:many")) == whole
    assert leavings_of(tmp_path / "copy") == []


def leavings_of(directory: Path) -> list[str]:
    return [one.name for one in directory.glob(".*")]


def test_one_platform_of_several(
    images: Images, layout: str, registry: str, tmp_path: Path
) -> None:
    target = f"docker://{registry}/x:1"
    assert images.copy(f"oci:{layout}:many", target) == digest(raw(f"oci:{layout}:one"))
    arm = images.copy(
        f"oci:{layout}:many", f"oci:{tmp_path}/arm:1", CopyWish(platform="linux/arm64")
    )
    told = json.loads(skopeo("inspect", "--config", f"oci:{tmp_path}/arm:1"))
    assert told["architecture"] == "arm64"
    # config, layers and manifest of one platform, and nothing of the others
    assert len(list((tmp_path / "arm/blobs/sha256").iterdir())) == 4
    assert digest(raw(f"oci:{tmp_path}/arm:1")) == arm
    with pytest.raises(ImageError, match="linux/amd64, linux/arm64, linux/s390x"):
        images.copy(f"oci:{layout}:many", target, CopyWish(platform="linux/riscv64"))
    with pytest.raises(ImageError, match="is for platform linux/amd64, not linux/arm64"):
        images.copy(f"oci:{layout}:one", target, CopyWish(platform="linux/arm64"))


def test_all_the_forms_of_files_and_back(images: Images, layout: str, tmp_path: Path) -> None:
    source = f"oci:{layout}:one"
    whole = digest(raw(source))
    assert images.copy(source, f"dir:{tmp_path}/d") == whole
    assert images.copy(f"dir:{tmp_path}/d", f"oci-archive:{tmp_path}/a.tar:t") == whole
    assert images.copy(f"oci-archive:{tmp_path}/a.tar", "here:1") == whole
    assert images.get("here:1").digest == whole
    assert images.copy("containers-storage:here:1", f"oci:{tmp_path}/o:t") == whole
    assert images.copy("here:1", f"docker-archive:{tmp_path}/d.tar:mine:1") == whole
    # docker's form has no manifest: what it has is the same configuration.
    assert f"sha256:{images.get('here:1').id}" in skopeo(
        "inspect", "--raw", f"docker-archive:{tmp_path}/d.tar:mine:1"
    )
    images.copy(f"docker-archive:{tmp_path}/d.tar:mine:1", "back")
    assert images.get("back").id == images.get("here:1").id
    assert leavings(images.paths.root) == []


def test_a_layout_keeps_its_other_images(images: Images, layout: str, tmp_path: Path) -> None:
    target = tmp_path / "target"
    skopeo("copy", "-q", f"oci:{layout}:one", f"oci:{target}:theirs")
    blobs = {one: one.stat() for one in (target / "blobs/sha256").iterdir()}
    wish = CopyWish(everything=True)
    images.copy(f"oci:{layout}:many", f"oci:{target}:ours", wish)
    images.copy(f"oci:{layout}:one", f"oci:{target}:ours")  # the name moves
    images.copy(f"oci:{layout}:one", f"oci:{target}")
    entries = json.loads((target / "index.json").read_bytes())["manifests"]
    names = [one.get("annotations", {}).get("org.opencontainers.image.ref.name") for one in entries]
    assert names == ["theirs", "ours", None]
    for path, before in blobs.items():  # the inode number alone may be another file's by now
        after = path.stat()
        assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert {one["digest"] for one in entries} == {digest(raw(f"oci:{layout}:one"))}
    for full in ("file", "dir"):
        with pytest.raises(ImageError, match="neither empty"):
            images.copy(f"oci:{layout}:one", f"oci:{_occupied(tmp_path, full)}:x")
    with pytest.raises(ImageError, match="neither empty"):
        images.copy(f"oci:{layout}:one", f"dir:{_occupied(tmp_path, 'more')}")


def _occupied(tmp_path: Path, kind: str) -> Path:
    path = tmp_path / f"occupied-{kind}"
    if kind == "file":
        path.touch()
    else:
        path.mkdir()
        (path / "mine").touch()
    return path


def test_dir_forgets_the_image_before(images: Images, layout: str, tmp_path: Path) -> None:
    images.copy(f"oci:{layout}:many", f"dir:{tmp_path}/d", CopyWish(everything=True))
    (tmp_path / "d/mine").touch()
    images.copy(f"oci:{layout}:one", f"dir:{tmp_path}/d")
    skopeo("copy", "-q", f"dir:{tmp_path}/d", f"dir:{tmp_path}/check")
    blobs = {name for name in os.listdir(tmp_path / "d") if len(name) >= 64}
    assert len(blobs) == 3
    assert set(os.listdir(tmp_path / "d")) - blobs == {"manifest.json", "mine", "version"}


def test_formats(images: Images, layout: str, registry: str, tmp_path: Path) -> None:
    one, wish = f"oci:{layout}:one", CopyWish(format_="v2s2")
    target = f"docker://{registry}/f:docker"
    made = images.copy(one, target, wish)
    document = json.loads(raw(target))
    assert digest(raw(target)) == made
    assert document["mediaType"].startswith("application/vnd.docker.")
    assert document["layers"][0]["mediaType"].endswith("tar.gzip")
    # A layout holds OCI's form alone; what comes out is what went in.
    back = images.copy(target, f"oci:{tmp_path}/o:1")
    assert digest(raw(f"oci:{tmp_path}/o:1")) == back
    assert json.loads(raw(f"oci:{tmp_path}/o:1"))["layers"] == json.loads(raw(one))["layers"]
    # Elsewhere docker's form stays, byte for byte.
    assert images.copy(target, f"dir:{tmp_path}/d") == made
    everything = CopyWish(everything=True, format_="v2s2")
    listed = images.copy(f"oci:{layout}:many", f"docker://{registry}/f:list", everything)
    index = json.loads(raw(f"docker://{registry}/f:list"))
    assert index["mediaType"] == DOCKER_LIST
    assert [one["platform"]["architecture"] for one in index["manifests"]] == list(PLATFORMS)
    assert made == index["manifests"][0]["digest"]
    again = images.copy(
        f"docker://{registry}/f:list", f"oci:{tmp_path}/l:1", CopyWish(everything=True)
    )
    assert listed != again
    assert json.loads(raw(f"oci:{tmp_path}/l:1"))["mediaType"] == INDEX
    skopeo("copy", "-q", "--all", f"oci:{tmp_path}/l:1", f"dir:{tmp_path}/check")


@pytest.mark.parametrize(("kind", "level"), [("gzip", 0), ("gzip", 9), ("zstd", 0), ("zstd", 19)])
def test_compression(images: Images, layout: str, tmp_path: Path, kind: str, level: int) -> None:
    wish = CopyWish(compression=kind, level=level, everything=True)
    recorder = Recorder()
    images.copy(f"oci:{layout}:many", f"oci:{tmp_path}/o:1", wish, teller=recorder)
    kinds = {what.split()[0] for what in recorder.work.values()}
    assert kinds == {"config", "layer"}  # what is compressed, too
    assert ("compressed" in recorder.results.values()) == (kind == "zstd")
    index = json.loads(raw(f"oci:{tmp_path}/o:1"))
    assert index["annotations"] == {"note": "kept"}
    changed = digest(raw(f"oci:{tmp_path}/o:1")) != digest(raw(f"oci:{layout}:many"))
    assert changed == (kind == "zstd")  # gzip is gzip already
    images.copy(f"oci:{tmp_path}/o:1", "packed:1")
    assert images.get("packed:1").manifest["layers"][0]["mediaType"].endswith(kind)
    assert os.path.exists(images.get("packed:1").lowers()[1] + "/amd64")


def test_layers_without_compression_are_compressed_for_registries_alone(
    images: Images, registry: str, tmp_path: Path
) -> None:
    (tmp_path / "a.tar").write_bytes(docker([layer()], names=["plain:1"]))
    for source in (f"docker-archive:{tmp_path}/a.tar", "plain:1"):
        images.load(str(tmp_path / "a.tar"))
        images.copy(source, f"oci:{tmp_path}/o:1")
        assert json.loads(raw(f"oci:{tmp_path}/o:1"))["layers"][0]["digest"] == digest(layer())
        images.copy(source, f"docker://{registry}/plain:1")
        kind = json.loads(raw(f"docker://{registry}/plain:1"))["layers"][0]["mediaType"]
        assert kind.endswith("gzip")
    assert images.pull(f"{registry}/plain:1").id == images.get("plain:1").id


def test_wishes_that_make_no_sense(images: Images, layout: str, tmp_path: Path) -> None:
    for wish, match in (
        ({"format_": "v1"}, "v1"),
        ({"compression": "lz4"}, "lz4"),
        ({"compression": "zstd", "format_": "v2s2"}, "no zstd"),
        ({"level": 3}, "which compression"),
        ({"compression": "gzip", "level": 10}, "no level"),
        ({"everything": True, "platform": "linux/arm64"}, "contradict"),
    ):
        with pytest.raises(UsageError, match=match):
            CopyWish(**wish)  # type: ignore[arg-type]
    for target in (f"docker-archive:{tmp_path}/d.tar", f"containers-storage:x@{digest(b'')}"):
        with pytest.raises((UsageError, InvalidReference)):
            images.copy(f"oci:{layout}:many", target, CopyWish(everything=True))
    assert not (tmp_path / "d.tar").exists()
    assert images.list() == []


def test_archives_that_are_compressed_or_come_through_a_pipe(
    images: Images, layout: str, tmp_path: Path
) -> None:
    whole = images.copy(f"oci:{layout}:one", f"oci-archive:{tmp_path}/a.tar:t")
    data = (tmp_path / "a.tar").read_bytes()
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(data))
    assert images.copy(f"oci-archive:{tmp_path}/a.tar.gz:t", f"dir:{tmp_path}/d") == whole
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cp", f"{tmp_path}/a.tar", f"{tmp_path}/pipe"]):
        assert images.copy(f"oci-archive:{tmp_path}/pipe:t", f"dir:{tmp_path}/e") == whole
    with tarfile.open(tmp_path / "a.tar") as tar:
        assert "oci-layout" in tar.getnames()


@pytest.mark.needs("podman")
def test_podman_reads_ours_and_we_read_podmans(
    images: Images, layout: str, registry: str, tmp_path: Path, podman: Podman
) -> None:
    images.copy(f"oci:{layout}:one", f"docker://{registry}/one:1")
    source = f"docker://{registry}/one:1"
    images.copy(source, f"docker-archive:{tmp_path}/d.tar:mine/d:1")
    podman("load", "-q", "-i", f"{tmp_path}/d.tar")
    ids = {podman("images", "-q", "--no-trunc", "mine/d:1").decode().strip()}
    for target in (f"oci-archive:{tmp_path}/o.tar:o", f"oci:{tmp_path}/o:o", f"dir:{tmp_path}/p"):
        images.copy(source, target)
        ids.add("sha256:" + podman("pull", "-q", target).decode().strip())
    podman("save", "-q", "-o", f"{tmp_path}/theirs.tar", "mine/d:1")
    podman("push", "-q", "mine/d:1", f"oci:{tmp_path}/theirs:1")
    for place in (f"docker-archive:{tmp_path}/theirs.tar", f"oci:{tmp_path}/theirs:1"):
        images.copy(place, "back:1")
        ids.add(f"sha256:{images.get('back:1').id}")
    assert len(ids) == 1


# -- what is wrong


def damage(layout: str, name: str, data: bytes) -> None:
    Path(layout, "blobs/sha256", name.removeprefix("sha256:")).write_bytes(data)


def manifest_of(layout: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(raw(f"oci:{layout}:one"))
    return found


@pytest.mark.parametrize("how", ["content", "longer", "missing", "pipe", "manifest"])
def test_a_damaged_layout_is_told_and_nothing_is_named(
    images: Images, layout: str, registry: str, tmp_path: Path, how: str
) -> None:
    target = str(manifest_of(layout)["layers"][1]["digest"])
    path = Path(layout, "blobs/sha256", target[7:])
    if how == "content":
        path.write_bytes(bytes(path.stat().st_size))
    elif how == "longer":
        path.write_bytes(path.read_bytes() + b"x")
    elif how == "manifest":
        target = digest(raw(f"oci:{layout}:one"))
        path = Path(layout, "blobs/sha256", target[7:])
        path.write_bytes(path.read_bytes().replace(b"+gzip", b"+zstd"))
    else:
        path.unlink()
        if how == "pipe":
            os.mkfifo(path)
    for place in (
        f"oci:{tmp_path}/o:x",
        f"dir:{tmp_path}/d",
        f"oci-archive:{tmp_path}/a.tar:x",
        f"docker-archive:{tmp_path}/d.tar:x:1",
        f"docker://{registry}/x:1",
        "stored:1",
    ):
        with pytest.raises((DigestError, ImageError, RegistryError)):
            images.copy(f"oci:{layout}:one", place)
    index = tmp_path / "o/index.json"
    assert not index.exists() or json.loads(index.read_bytes())["manifests"] == []
    assert not (tmp_path / "d/manifest.json").exists()
    assert [one.name for one in tmp_path.glob("*.tar*")] == []
    assert leavings_of(tmp_path / "o") == leavings_of(tmp_path / "d") == []
    with pytest.raises(RegistryError, match="no image"):
        images.pull(f"{registry}/x:1")
    assert images.list() == []


@pytest.mark.parametrize("seed", range(4))
def test_hostile_archives_never_crash(images: Images, tmp_path: Path, seed: int) -> None:
    """Bytes changed at random: an error in one line, or the very same image."""
    dice = random.Random(seed)
    oci = Oci()
    oci.name(image(oci), "one")
    good = oci.archive()
    path = tmp_path / "a.tar"
    for number in range(12):
        data = bytearray(good)
        for _ in range(dice.randrange(1, 4)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        path.write_bytes(data[: dice.randrange(len(data))] if dice.random() < 0.3 else data)
        with contextlib.suppress(Error):
            images.copy(f"oci-archive:{path}:one", f"oci:{tmp_path}/o{number}:1")
            check = ("copy", "-q", f"oci:{tmp_path}/o{number}:1", f"dir:{tmp_path}/check")
            skopeo(*check)


def test_documents_that_lie(images: Images, tmp_path: Path) -> None:
    def refused(oci: Oci, match: str, name: str) -> None:
        source = write(tmp_path / name, oci)
        with pytest.raises(ImageError, match=match):
            images.copy(f"oci:{source}:x", f"dir:{tmp_path}/{name}-d", CopyWish(everything=True))

    oci = Oci()
    oci.name(oci.manifest([layer()], kind=GZIP, manifests=[]), "x")
    refused(oci, "ambiguous", "both")
    oci = Oci()
    oci.name(
        oci.manifest([layer()], kind="application/vnd.docker.image.rootfs.foreign.diff.tar"), "x"
    )
    refused(oci, "foreign", "foreign")
    oci = Oci()
    inner = image(oci)
    for _ in range(6):
        inner = oci.blob(json.dumps({"schemaVersion": 2, "manifests": [inner]}).encode(), INDEX)
    oci.name(inner, "x")
    refused(oci, "nested too deep", "deep")
    oci = Oci()
    inner = {**image(oci), "digest": "sha256:../../../../etc/passwd"}
    oci.name(oci.blob(json.dumps({"schemaVersion": 2, "manifests": [inner]}).encode(), INDEX), "x")
    refused(oci, "digest", "path")
    tar = Tar()
    tar.add("manifest.json", b"[]")
    (tmp_path / "empty.tar").write_bytes(tar.bytes())
    for kind in ("docker-archive", "oci-archive"):
        with pytest.raises(ImageError):
            images.copy(f"{kind}:{tmp_path}/empty.tar", f"dir:{tmp_path}/empty")


def test_a_docker_archive_must_hold_what_its_configuration_says(
    images: Images, tmp_path: Path
) -> None:
    wrong = docker([layer()], conf=config(layer({"other": b""})), names=["x:1"])
    (tmp_path / "a.tar").write_bytes(wrong)
    with pytest.raises(DigestError):
        images.copy(f"docker-archive:{tmp_path}/a.tar", f"docker-archive:{tmp_path}/b.tar:x:1")
    with pytest.raises(DigestError):
        images.copy(f"docker-archive:{tmp_path}/a.tar", "x:1")
    assert images.list() == []
    assert not (tmp_path / "b.tar").exists()


@pytest.mark.parametrize("fault", ["cut", "short", "busy", "no-range", "flip", "lie"])
def test_a_bad_line(images: Images, layout: str, registry: str, tmp_path: Path, fault: str) -> None:
    whole = images.copy(f"oci:{layout}:one", f"docker://{registry}/m:1")
    line = Line(registry)
    seen: set[str] = set()

    def once(path: str) -> str:
        if "/blobs/" not in path or path in seen:
            return ""
        seen.add(path)
        return "cut" if fault == "no-range" else fault

    line.fault = once
    source = f"docker://{line.address}/m:1"
    try:
        for target in (f"oci:{tmp_path}/o:1", f"docker://{registry}/n:1"):
            seen.clear()
            try:
                assert images.copy(source, target) == whole
            except (DigestError, RegistryError, ImageError):
                assert fault in ("flip", "lie", "short")
            else:
                skopeo("copy", "-q", "--src-tls-verify=false", target, f"dir:{tmp_path}/c")
    finally:
        line.close()
    assert leavings_of(tmp_path / "o") == []


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_copy_that_is_ended_leaves_the_layout_whole(
    cli: Store, images: Images, layout: str, registry: str, tmp_path: Path, how: int
) -> None:
    oci = Oci()
    oci.name(oci.manifest([layer({"big": os.urandom(3_000_000)}), layer()]), "big")
    source = write(tmp_path / "big", oci)
    whole = images.copy(f"oci:{source}:big", f"docker://{registry}/big:1")
    target = tmp_path / "target"
    images.copy(f"oci:{layout}:one", f"oci:{target}:theirs")
    before = (target / "index.json").read_bytes()
    line = Line(registry)
    line.pace = 0.2
    place = f"docker://{line.address}/big:1"
    try:
        process = cli.start("copy", place, f"oci:{target}:ours")
        end_at(process, line, 200_000, how)
        assert process.returncode == (-how if how == signal.SIGKILL else 130)
        assert (target / "index.json").read_bytes() == before
        assert len(leavings_of(target)) == (how == signal.SIGKILL)
        line.pace = 0.0
        assert images.copy(place, f"oci:{target}:ours") == whole
    finally:
        line.close()
    assert leavings_of(target) == []
    for name in ("ours", "theirs"):
        skopeo("copy", "-q", f"oci:{target}:{name}", f"dir:{tmp_path}/check")


def test_policy_and_registries_conf(
    images: Images, layout: str, registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images.copy(f"oci:{layout}:one", f"docker://{registry}/real/one:1")
    settings = tmp_path / "registries.conf"
    settings.write_text(
        f'[[registry]]\nprefix = "blocked.example"\nblocked = true\n'
        f'[[registry]]\nprefix = "some.example"\nlocation = "{registry}/real"\ninsecure = true\n'
    )
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(settings))
    moved = images.copy("docker://some.example/one:1", f"dir:{tmp_path}/d")
    assert moved == digest(raw(f"oci:{layout}:one"))
    with pytest.raises(RegistryError, match="block"):
        images.copy("docker://blocked.example/one:1", f"dir:{tmp_path}/e")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    policy = tmp_path / "config/containers/policy.json"
    policy.parent.mkdir(parents=True)
    accept, reject = [{"type": "insecureAcceptAnything"}], [{"type": "reject"}]
    places = {f"{tmp_path}/d": accept}
    policy.write_text(json.dumps({"default": reject, "transports": {"dir": places}}))
    images.copy(f"dir:{tmp_path}/d", "let-in:1")
    images.copy("let-in:1", f"oci-archive:{tmp_path}/out.tar:1")  # what is here is not asked again
    for source in (f"docker://{registry}/real/one:1", f"oci:{layout}:one"):
        for everything in (False, True):
            with pytest.raises(SignatureError):
                images.copy(source, f"dir:{tmp_path}/f", CopyWish(everything=everything))
    with pytest.raises(SignatureError):
        images.pull(f"oci-archive:{tmp_path}/out.tar")
    assert not (tmp_path / "f/manifest.json").exists()


def test_pull_push_and_save_know_the_places(
    images: Images, layout: str, tmp_path: Path, as_file: Callable[[bytes], str]
) -> None:
    whole = digest(raw(f"oci:{layout}:one"))
    assert images.pull(f"oci:{layout}:one").names == ["localhost/one:latest"]
    assert images.pull(f"oci:{layout}:many", platform="linux/arm64").platform == "linux/arm64"
    images.copy("one", f"oci-archive:{tmp_path}/a.tar")
    images.copy("one", f"dir:{tmp_path}/d")
    for place in (f"oci-archive:{tmp_path}/a.tar", f"dir:{tmp_path}/d"):
        assert images.pull(place).manifest_digest == whole
    plain = as_file(docker([layer()], names=["both:1", "both:2"]))
    assert images.pull(f"docker-archive:{plain}").names == [
        f"docker.io/library/both:{tag}" for tag in (1, 2)
    ]
    images.remove(["both:1", "both:2"])
    assert images.pull(f"docker-archive:{plain}:both:2").names == ["docker.io/library/both:2"]
    images.save(["one"], str(tmp_path / "saved"), format="docker-dir")
    assert "vnd.docker" in raw(f"dir:{tmp_path}/saved").decode()
    images.save(["both:2"], str(tmp_path / "plain"), format="docker-dir")
    assert json.loads(raw(f"dir:{tmp_path}/plain"))["layers"][0]["digest"] == digest(layer())
    images.save(["both:2"], str(tmp_path / "packed"), format="docker-dir", compress=True)
    kind = json.loads(raw(f"dir:{tmp_path}/packed"))["layers"][0]["mediaType"]
    assert kind.endswith("tar.gzip")
    with pytest.raises(UsageError, match="docker-dir only"):
        images.save(["both:2"], str(tmp_path / "two"), format="oci-archive", compress=True)
    with pytest.raises(UsageError):
        images.save(["one", "both:2"], str(tmp_path / "two"), format="docker-dir")
    with pytest.raises(UsageError, match="in no registry"):
        images.tags(f"oci:{layout}")
