"""Nobody's image gets in the place of another by its name.

The attack is an archive, a layout or a shared store whose image is named like the id or the
digest of one that is here: `run ID` and `run NAME@DIGEST` would run it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from archives import Oci, docker, layer

from rootless import Engine
from rootless.errors import Ambiguous, Error, NotFound
from rootless.images import shared
from rootless.images.entries import PUSHED, SOURCES
from rootless.oci.errors import ImageError, InvalidReference
from rootless.oci.layout import REF_NAME
from tests.conftest import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rootless.images.collection import Images
    from rootless.images.image import Image

pytestmark = pytest.mark.once

GOOD, EVIL = layer({"good": b"1"}), layer({"evil": b"1"})

NAMES = {
    "id": lambda image: image.id,
    "sha256 of the id": lambda image: f"sha256:{image.id}",
    "beginning of the id": lambda image: f"sha256:{image.id[:12]}",
    "manifest": lambda image: image.stored_digest,
    "name@digest": lambda image: f"busybox@{image.stored_digest}",
    "full name@digest": lambda image: f"docker.io/library/busybox@{image.stored_digest}",
    "name:tag@digest": lambda image: f"docker.io/library/busybox:latest@{image.stored_digest}",
}
"""How an image is asked for where it matters which one comes."""

EACH = pytest.mark.parametrize("how", NAMES)


@pytest.fixture
def images(rootless_root: str, tmp_path: Path) -> Images:
    """A store with the image busybox."""
    found = Engine(rootless_root).images
    path = tmp_path / "good.tar"
    path.write_bytes(docker([GOOD], names=["busybox:latest"]))
    found.load(str(path))
    return found


@pytest.fixture
def good(images: Images) -> Image:
    return images.get("busybox")


def oci_archive(name: str) -> bytes:
    oci = Oci()
    oci.name(oci.manifest([EVIL]), name)
    return oci.archive()


def containerd_archive(name: str) -> bytes:
    oci = Oci()
    annotations = {"io.containerd.image.name": name, REF_NAME: "latest"}
    oci.entries.append({**oci.manifest([EVIL]), "annotations": annotations})
    return oci.archive()


@EACH
@pytest.mark.parametrize(
    "archive", [lambda name: docker([EVIL], names=[name]), oci_archive, containerd_archive]
)
def test_archives_bring_no_such_name(
    images: Images, good: Image, tmp_path: Path, how: str, archive: Callable[[str], bytes]
) -> None:
    name = NAMES[how](good)
    path = tmp_path / "evil.tar"
    path.write_bytes(archive(name))
    with pytest.raises(ImageError, match="the archive names an image so: invalid reference"):
        images.load(str(path))
    assert [image.names for image in images.list()] == [["docker.io/library/busybox:latest"]]
    assert images.get(name).id == good.id


def test_digits_that_are_a_name_and_an_id_are_refused(
    images: Images, good: Image, cli: Store, tmp_path: Path
) -> None:
    """A short id may be a name, so it says nothing."""
    path = tmp_path / "evil.tar"
    short = good.id[:12]
    path.write_bytes(docker([EVIL], names=[short]))
    images.load(str(path))
    for command in (["run", "--rm"], ["inspect"], ["tag"], ["rmi"]):
        done = cli(*command, short, *(["other"] if command == ["tag"] else []))
        assert done.returncode != 0, command
        assert f"{short} is the name of one image and the id of another" in done.stderr
    with pytest.raises(Ambiguous):
        images.get(short)
    assert images.get(good.id).id == good.id
    assert images.get(good.id[:13]).id == good.id
    assert images.get(f"sha256:{short}").id == good.id
    assert images.get(f"{short}:latest").id != good.id


def plant(root: str, name: str, **annotations: str) -> str:
    """Write an entry into a store's index.json as any program could; return the image's id."""
    oci = Oci()
    descriptor = oci.manifest([EVIL])
    for digest, data in oci.blobs.items():
        Path(root, "images/blobs/sha256", digest[7:]).write_bytes(data)
    path = Path(root, "images/index.json")
    index = json.loads(path.read_text())
    entry = {**descriptor, "annotations": {REF_NAME: name, **annotations}}
    index["manifests"].insert(0, entry)
    path.write_text(json.dumps(index))
    return str(json.loads(oci.blobs[descriptor["digest"]])["config"]["digest"])[7:]


@EACH
def test_names_in_an_index_are_no_ids(images: Images, good: Image, how: str) -> None:
    """Whoever wrote it, and in removals, too."""
    name = NAMES[how](good)
    evil = plant(images.paths.root, name)
    assert images.get(name).id == good.id
    assert images.resolve(name).id == good.id
    images.tag(name, "other")
    assert images.get("other").id == good.id
    images.remove([name], force=True)
    with pytest.raises(NotFound):
        images.get(good.id)
    assert images.get(evil).id == evil


@pytest.fixture
def theirs(images: Images, monkeypatch: pytest.MonkeyPatch) -> Iterator[Images]:
    """A shared store of somebody else."""
    other = Store()
    found = Engine(other.root).images
    path = f"{other.directory}/theirs.tar"
    Path(path).write_bytes(docker([layer({"theirs": b"1"})], names=["theirs:latest"]))
    found.load(path)
    monkeypatch.setenv(shared.VARIABLE, other.root)
    yield found
    other.remove()


@EACH
def test_names_in_a_shared_store_are_no_ids(
    images: Images, good: Image, theirs: Images, how: str
) -> None:
    name = NAMES[how](good)
    evil = plant(theirs.paths.root, name)
    assert images.get(name).id == good.id
    images.remove(["busybox"])
    with pytest.raises(NotFound):
        images.get(name)
    assert images.get(evil).id == evil


@pytest.mark.parametrize("annotation", [SOURCES, PUSHED])
def test_a_shared_store_cannot_claim_a_digest(
    images: Images, theirs: Images, annotation: str
) -> None:
    """Its index.json says that a registry knows the image by it, and has nothing to show for it."""
    wanted = f"sha256:{64 * 'd'}"
    claim = wanted if annotation == SOURCES else f"docker.io/library/tools@{wanted}"
    evil = plant(theirs.paths.root, "docker.io/library/tools:latest", **{annotation: claim})
    assert images.get("tools").id == evil
    with pytest.raises(NotFound):
        images.get(f"tools@{wanted}")
    images.tag("tools", "mine")  # the claim is not taken over
    with pytest.raises(NotFound):
        images.get(f"mine@{wanted}")


def test_a_shared_store_can_show_a_digest(images: Images, theirs: Images) -> None:
    """An index that leads to the image is what it was pulled by."""
    (entry,) = json.loads(Path(theirs.paths.images, "index.json").read_text())["manifests"]
    oci = Oci()
    index = oci.blob(json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode(), "")["digest"]
    Path(theirs.paths.images, "blobs/sha256", index[7:]).write_bytes(oci.blobs[index])
    entry["annotations"][SOURCES] = index
    Path(theirs.paths.images, "index.json").write_text(
        json.dumps({"schemaVersion": 2, "manifests": [entry]})
    )
    assert images.get(f"theirs@{index}").id == theirs.get("theirs").id


@pytest.mark.parametrize(
    "name", ["sha256", f"sha256:{12 * 'a'}", "sha512:1", 64 * "a", f"x@sha256:{64 * 'a'}"]
)
def test_nobody_gives_such_a_name(images: Images, cli: Store, tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidReference):
        images.tag("busybox", name)
    (tmp_path / "root.tar").write_bytes(GOOD)
    root, archive = str(tmp_path / "root.tar"), str(tmp_path / "good.tar")
    (tmp_path / "file").write_text("x")
    for line in (
        ["import", root, name],
        ["copy", f"docker-archive:{archive}", f"containers-storage:{name}"],
        ["manifest", "create", name],
        ["artifact", "add", name, str(tmp_path / "file")],
    ):
        done = cli(*line)
        assert done.returncode == (1 if line[0] == "import" else 125), line
        assert "invalid reference" in done.stderr, line
    assert len(images.names()) == 1


def test_artifacts_are_found_by_digest_or_by_name(
    images: Images, cli: Store, tmp_path: Path
) -> None:
    for name in ("good", "evil"):
        (tmp_path / name).write_text(name)
        cli.ok("artifact", "add", f"localhost/{name}:1", str(tmp_path / name))
    artifacts = Engine(cli.root).artifacts
    digests = {name: artifacts.get(f"localhost/{name}:1").digest for name in ("good", "evil")}
    path = Path(cli.root, "artifacts/index.json")
    index = json.loads(path.read_text())
    for name in (digests["good"], digests["good"][7:], f"localhost/good:1@{digests['good']}"):
        for entry in index["manifests"]:
            if entry["digest"] == digests["evil"]:
                entry["annotations"][REF_NAME] = name
        path.write_text(json.dumps(index))
        try:
            found = artifacts.get(name).digest
        except Error:
            continue
        assert found == digests["good"]


def test_a_container_named_like_the_id_of_another(busybox: Store) -> None:
    one = busybox.ok("create", "--name", "one", "busybox", "true")
    two = busybox.ok("create", "--name", one, "busybox", "false")
    assert busybox.ok("inspect", "--format", "{{.Id}}", one) == one
    assert busybox.ok("inspect", "--format", "{{.Id}}", two) == two
