"""`save`: archives that other programs and we ourselves read again."""

from __future__ import annotations

import gzip
import io
import json
import os
import pty
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from archives import Oci, config, digest, docker, layer
from images_help import Podman, skopeo

from rootless import Engine
from rootless.errors import NotFound, UsageError
from rootless.oci.errors import DigestError, ImageError
from rootless.testing import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Store

    from rootless.images.collection import Images

pytestmark = pytest.mark.once

LAYER = layer({"a": b"1" * 5000})


@pytest.fixture
def packed(images: Images, as_file: Callable[[bytes], str]) -> Images:
    """An image `x:1`, `y:2` with one compressed and one plain layer, and an image `z`."""
    oci = Oci()
    plain = layer({"b": b"2"})
    conf = config(LAYER, plain)
    first = oci.blob(gzip.compress(LAYER), "application/vnd.oci.image.layer.v1.tar+gzip")
    document = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": oci.blob(conf, "application/vnd.oci.image.config.v1+json"),
        "layers": [first, oci.blob(plain, "application/vnd.oci.image.layer.v1.tar")],
    }
    manifest = oci.blob(json.dumps(document).encode(), document["mediaType"])  # type: ignore[arg-type]
    oci.name(manifest, "docker.io/library/x:1")
    oci.name(manifest, "docker.io/library/y:2")
    images.load(as_file(oci.archive()))
    images.load(as_file(docker([LAYER], names=["z"])))
    return images


@pytest.mark.parametrize(
    ("format_", "others"),
    [
        ("docker-archive", []),
        ("oci-archive", ["config", "manifest"]),
        ("oci-dir", ["config", "manifest"]),
    ],
)
def test_what_is_told_has_pulls_words(
    packed: Images, tmp_path: Path, format_: str, others: list[str]
) -> None:
    for number, options in enumerate(({}, {"uncompressed": True})):
        recorder = Recorder()
        packed.save(["x:1"], f"{tmp_path}/{number}", format=format_, teller=recorder, **options)
        kinds = [what.split()[0] for what in recorder.work.values()]
        assert sorted(kinds) == sorted([*others, "layer", "layer"])
        assert {*recorder.results.values()} == {"saved"}


@pytest.mark.parametrize("format_", ["docker-archive", "oci-archive", "oci-dir"])
@pytest.mark.as_root
@pytest.mark.each
def test_what_is_saved_can_be_loaded(packed: Images, tmp_path: Path, format_: str) -> None:
    target = str(tmp_path / "saved")
    packed.save(["x:1", "y:2", "z"], target, format=format_)
    packed.save(["x:1", "y:2", "z"], target, format=format_)  # over itself
    other = Engine(str(tmp_path / "other")).images
    names = ["docker.io/library/x:1", "docker.io/library/y:2", "docker.io/library/z:latest"]
    assert other.load(target) == names
    for name in names:
        assert other.get(name).id == packed.get(name).id
    if format_ != "docker-archive":
        assert other.get("x:1").digest == packed.get("x:1").digest
    for name in names:
        other.remove([name])
    assert not [name for name in os.listdir(tmp_path) if name.startswith("saved.")]


def test_docker_archive_holds_shared_layers_once(packed: Images, tmp_path: Path) -> None:
    packed.save(["x:1", "z", packed.get("x:1").id], str(tmp_path / "a.tar"))
    with tarfile.open(tmp_path / "a.tar") as tar:
        names = tar.getnames()
        table = json.load(tar.extractfile("manifest.json") or io.BytesIO())
        stored = (tar.extractfile(digest(LAYER)[7:] + ".tar") or io.BytesIO()).read()
    assert len(names) == len(set(names)) == 5
    assert stored == LAYER, "a layer of a docker archive is not compressed"
    assert [entry["RepoTags"] for entry in table] == [
        ["docker.io/library/x:1"],
        ["docker.io/library/z:latest"],
    ]


@pytest.mark.parametrize("format_", ["oci-archive", "oci-dir"])
@pytest.mark.parametrize("known", [True, False])
def test_saved_uncompressed(packed: Images, tmp_path: Path, format_: str, *, known: bool) -> None:
    """The same image by another manifest, whether the sizes of its layers are known or not."""
    if not known:  # as after a copy into the store: nothing is unpacked yet
        for name in os.listdir(packed.paths.layers):
            shutil.rmtree(f"{packed.paths.layers}/{name}")
    target = str(tmp_path / "saved")
    packed.save(["x:1", "y:2", "z"], target, format=format_, uncompressed=True)
    other = Engine(str(tmp_path / "other")).images
    names = ["docker.io/library/x:1", "docker.io/library/y:2", "docker.io/library/z:latest"]
    assert other.load(target) == names
    image = other.get("x:1")
    assert image.id == packed.get("x:1").id
    assert [part["digest"] for part in image.manifest["layers"]] == (
        image.config["rootfs"]["diff_ids"]
    )
    assert {part["mediaType"] for part in image.manifest["layers"]} == {
        "application/vnd.oci.image.layer.v1.tar"
    }
    # What is not compressed is the same manifest either way.
    assert other.get("z").digest == packed.get("z").digest
    for name in names:
        other.remove([name])


def test_what_is_saved_uncompressed_anyway(packed: Images, tmp_path: Path) -> None:
    packed.save(["x:1"], str(tmp_path / "a.tar"), uncompressed=True)
    with tarfile.open(tmp_path / "a.tar") as tar:
        assert digest(LAYER)[7:] + ".tar" in tar.getnames()
    with pytest.raises(UsageError, match="uncompressed does not go with docker-dir"):
        packed.save(["x:1"], str(tmp_path / "d"), format="docker-dir", uncompressed=True)
    assert not (tmp_path / "d").exists()


def test_an_image_saved_by_id_has_no_name(packed: Images, tmp_path: Path) -> None:
    for format_ in ("docker-archive", "oci-archive"):
        packed.save([packed.get("z").id], str(tmp_path / "a"), format=format_)
        other = Engine(str(tmp_path / format_)).images
        assert other.load(str(tmp_path / "a")) == [f"sha256:{packed.get('z').id}"]
        other.remove([packed.get("z").id])


@pytest.mark.needs("skopeo")
@pytest.mark.parametrize("format_", ["docker-archive", "oci-archive", "oci-dir"])
def test_skopeo_reads_it(packed: Images, tmp_path: Path, format_: str) -> None:
    target = tmp_path / "saved"
    packed.save(["z", "y:2"], str(target), format=format_)
    kind = "oci" if format_ == "oci-dir" else format_
    source = f"{kind}:{target}:docker.io/library/y:2"
    skopeo("copy", "-q", source, f"dir:{tmp_path}/copy")
    assert (tmp_path / "copy" / packed.get("y:2").id).exists()


@pytest.mark.needs("podman")
@pytest.mark.modes("mapped", "root")
def test_podman_loads_it(cli: Store, packed: Images, podman: Podman, tmp_path: Path) -> None:
    packed.save(["x:1", "y:2"], str(tmp_path / "a.tar"))
    podman("load", "-q", "-i", str(tmp_path / "a.tar"))
    found = podman("images", "--no-trunc", "--format", "{{.Id}} {{.Repository}}:{{.Tag}}").decode()
    image_id = packed.get("x:1").id
    assert set(found.split("\n")) >= {
        f"{image_id} docker.io/library/x:1",
        f"{image_id} docker.io/library/y:2",
    }


def test_standard_output(cli: Store, packed: Images) -> None:
    saved = cli("save", "x:1", text=False).stdout
    with tarfile.open(fileobj=io.BytesIO(saved), mode="r|") as tar:
        assert "manifest.json" in tar.getnames()
    main, terminal = pty.openpty()
    done = cli("save", "x:1", stdout=terminal, stderr=subprocess.PIPE)
    os.close(main)
    os.close(terminal)
    assert done.returncode == 1
    assert "terminal" in done.stderr


def test_a_reader_that_goes_away(cli: Store, packed: Images) -> None:
    command = cli.start("save", "x:1")
    assert command.stdout is not None
    command.stdout.close()
    command.stdout = None
    _, err = command.communicate(timeout=30)
    assert command.returncode != 0
    assert "Traceback" not in err


def test_a_damaged_blob_is_not_passed_on(packed: Images, tmp_path: Path) -> None:
    path = Path(packed.paths.images, "blobs", digest(LAYER).replace(":", "/"))
    path.write_bytes(layer({"a": b"2" * 5000}))
    for format_ in ("docker-archive", "oci-archive", "oci-dir"):
        with pytest.raises(DigestError):
            packed.save(["z"], str(tmp_path / format_), format=format_)
    assert not (tmp_path / "docker-archive").exists()
    assert not (tmp_path / "oci-archive").exists()


def test_what_cannot_be_saved(packed: Images, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        packed.save(["nothing"], str(tmp_path / "a"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    for refs, output, format_, match in (
        (["host"], "a", "docker-archive", "host"),
        (["z"], "a", "zip", "zip"),
        (["z"], "none/a", "docker-archive", "cannot write"),
        (["z"], "full", "oci-dir", "neither empty"),
    ):
        with pytest.raises((UsageError, ImageError), match=match):
            packed.save(refs, str(tmp_path / output), format=format_)
    assert sorted(os.listdir(tmp_path / "full")) == ["file"]
