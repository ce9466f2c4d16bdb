"""`rmi`: what goes, what stays, and on a full disk."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from archives import docker, layer
from images_help import leavings

from rootless.errors import Conflict, NotFound
from rootless.images import removing
from rootless.oci import reference

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Store

    from rootless.images.collection import Images
    from rootless.store.paths import Paths

BASE = layer({"base": b"1", "deep/": b"", "deep/er/": b"", "deep/er/f": b"x"})


@pytest.fixture
def two(images: Images, as_file: Callable[[bytes], str]) -> Images:
    """Two images that share their lower layer."""
    for name in ("one", "two"):
        images.load(as_file(docker([BASE, layer({name: b"1"})], names=[name])))
    return images


def files(images: Images) -> list[int]:
    return [
        len(os.listdir(f"{images.paths.images}/blobs/sha256")),
        len(os.listdir(images.paths.layers)),
    ]


@pytest.mark.as_root
def test_only_what_nothing_else_needs_goes(two: Images) -> None:
    assert files(two) == [7, 3]
    image_id = two.get("one").id
    assert two.remove(["one"]) == ["Untagged: one:latest", f"Deleted: sha256:{image_id}"]
    assert files(two) == [4, 2]
    assert all(map(os.path.isdir, two.get("two").lowers()))
    two.remove(["two"])
    assert files(two) == [0, 0]
    assert leavings(two.paths.root) == []


def test_a_name_among_several_is_only_a_name(two: Images) -> None:
    two.tag("one", "again:1")
    assert two.remove(["one"]) == ["Untagged: one:latest"]
    image_id = two.get("again:1").id
    two.tag("again:1", "more:1")
    with pytest.raises(Conflict, match="several names"):
        two.remove([image_id[:12]])
    lines = two.remove([image_id[:12]], force=True)
    assert lines == ["Untagged: again:1", "Untagged: more:1", f"Deleted: sha256:{image_id}"]


def name_also(images: Images, ref: str, *names: str) -> str:
    """Give an image names as a pull by digest or another program does; return its digest."""
    path = Path(images.paths.images, "index.json")
    index = json.loads(path.read_text())
    entry = images.get_entry(ref)
    for name in names:
        annotations = {"org.opencontainers.image.ref.name": name.format(entry["digest"])}
        index["manifests"].append({**entry, "annotations": annotations})
    path.write_text(json.dumps(index))
    return str(entry["digest"])


def manifest_also(images: Images, ref: str, name: str) -> None:
    """Give an image a name that leads to another manifest of the same configuration."""
    blobs = Path(images.paths.images, "blobs/sha256")
    manifest = json.loads((blobs / images.get_entry(ref)["digest"].partition(":")[2]).read_text())
    data = json.dumps({**manifest, "annotations": {"made": name}}).encode()
    digest = hashlib.sha256(data).hexdigest()
    (blobs / digest).write_bytes(data)
    index = json.loads(Path(images.paths.images, "index.json").read_text())
    entry = {**images.get_entry(ref), "digest": f"sha256:{digest}", "size": len(data)}
    index["manifests"].append(
        {**entry, "annotations": {"org.opencontainers.image.ref.name": reference.full(name)}}
    )
    Path(images.paths.images, "index.json").write_text(json.dumps(index))


def test_untag_takes_names_that_lead_to_other_manifests(two: Images) -> None:
    """Listings show one image with both names."""
    manifest_also(two, "one", "other:1")
    manifest_also(two, "one", "third:1")
    assert two.get("one").id == two.get("other:1").id
    two.untag("one", ["other:1"])
    assert not two.exists("other:1")
    assert two.exists("third:1")
    with pytest.raises(NotFound, match="has no name two"):
        two.untag("one", ["two"])
    two.untag("third:1")
    assert not two.exists("one")
    assert two.exists("two")


def test_names_by_digest_go_with_the_last_tag(two: Images) -> None:
    """As docker's: they are the same repository's, which nobody sees beside a tag."""
    digest = name_also(two, "one", "docker.io/library/one@{}", "q.io/else@{}")
    two.tag("one", "one:2")
    image = two.get("one").id
    assert two.remove(["one"]) == ["Untagged: one:latest"]
    assert sorted(two.remove(["one:2"])) == ["Untagged: one:2", f"Untagged: one@{digest}"]
    assert two.remove([f"q.io/else@{digest}"])[-1] == f"Deleted: sha256:{image}"


def test_a_tag_and_a_digest_of_one_repository_are_one_name(two: Images) -> None:
    name_also(two, "one", "docker.io/library/one@{}")
    assert two.remove([two.get("one").id])[-1].startswith("Deleted: sha256:")
    assert [image.names for image in two.list()] == [["docker.io/library/two:latest"]]


def test_what_is_not_there(images: Images) -> None:
    with pytest.raises(NotFound, match="no such image: x"):
        images.remove(["x"])
    assert not os.path.exists(images.paths.root)


def container(images: Images, ref: str) -> str:
    """A record as that of a container of this image."""
    image = images.get(ref)
    directory = Path(images.paths.containers, "c" * 64)
    directory.mkdir(parents=True)
    record = {"id": "c" * 64, "image_id": image.id, "layers": image.lowers()}
    (directory / "config.json").write_text(json.dumps(record))
    return image.id


def test_an_image_in_use_is_kept(two: Images) -> None:
    image_id = container(two, "one")
    lowers = two.get("one").lowers()
    for ref in ("one", image_id):
        with pytest.raises(Conflict, match="container cccccccccccc uses it"):
            two.remove([ref])
    two.tag("one", "other:1")
    assert two.remove(["other:1"]) == ["Untagged: other:1"]
    two.remove(["one"], force=True)
    assert not two.exists("one")
    assert all(map(os.path.isdir, lowers)), "the container lost its layers"


def test_layers_of_a_container_made_meanwhile_are_put_back(
    two: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is made just after the removal has looked for containers."""
    in_use = removing._in_use

    def raced(paths: Paths) -> set[str]:
        found = in_use(paths)
        if not found:
            os.rename(f"{paths.root}/later", f"{paths.containers}/{'c' * 64}")
        return found

    lowers = two.get("one").lowers()
    container(two, "one")
    os.rename(f"{two.paths.containers}/{'c' * 64}", f"{two.paths.root}/later")
    monkeypatch.setattr(removing, "_in_use", raced)
    two.remove(["one"])
    assert all(map(os.path.isdir, lowers)), "the container lost its layers"
    assert leavings(two.paths.root) == []


def test_a_damaged_record_of_a_container_is_no_obstacle(two: Images) -> None:
    directory = Path(two.paths.containers, "d" * 64)
    directory.mkdir(parents=True)
    (directory / "config.json").write_text("{")
    two.remove(["one"])


def test_old_blobs_that_nothing_names_go_and_young_ones_stay(two: Images) -> None:
    blobs = Path(two.paths.images, "blobs/sha256")
    old, young = blobs / ("a" * 64), blobs / ("b" * 64)
    old.write_text("x")
    young.write_text("x")
    os.utime(old, (time.time() - 90_000,) * 2)
    two.remove(["one"])
    assert not old.exists()
    assert young.exists()


def test_trees_of_a_killed_removal_are_swept(two: Images, as_file: Callable[[bytes], str]) -> None:
    Path(two.paths.layers, ".work-dead-x").mkdir()
    two.load(as_file(docker([layer({"three": b""})], names=["three"])))
    assert leavings(two.paths.root) == []


FULL = """
set -e
mount -t tmpfs -o size=6m,mode=0755 none {root}
{rootless} load -i {archive}
{rootless} tag x:1 y:1
dd if=/dev/zero of={root}/fill bs=4k 2>/dev/null || true
! {rootless} load -i {other} 2>{root}.err
{rootless} images --quiet | wc -l
{spoil}
{rootless} rmi y:1 || true
{rootless} rmi -f $({rootless} images --quiet)
{rootless} images --quiet | wc -l
ls -A {root}/layers {root}/images/blobs/sha256
"""


@pytest.mark.needs("unshare")
@pytest.mark.parametrize("reserve", [True, False])
def test_removal_works_on_a_full_disk(
    cli: Store, as_file: Callable[[bytes], str], reserve: bool
) -> None:
    os.mkdir(cli.root)
    script = FULL.format(
        root=cli.root,
        rootless=" ".join(cli.command),
        archive=as_file(docker([layer({"a": os.urandom(1 << 20)})], names=["x:1"])),
        # The reserve may have been eaten by somebody: then what is unpacked makes room.
        spoil="" if reserve else f"mv {cli.root}/images/.reserve {cli.root}/taken",
        other=as_file(docker([layer({"b": os.urandom(3 << 20)})], names=["z:1"])),
    )
    # The outer namespace has one id, so this is the nested and the single mode at once.
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script],
        env=cli.env | {"ROOTLESS_IDENTITY": "single"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "Loaded image: x:1"
    assert lines[1] == "1", "the load that failed left something, or the listing broke"
    names = ["y:1", "x:1"] if reserve else ["x:1", "y:1"]
    assert lines[2:4] == [f"Untagged: {name}" for name in names]
    assert lines[5] == "0"
    assert [line for line in lines[6:] if line and not line.endswith(":")] == []
    assert "No space left on device" in Path(f"{cli.root}.err").read_text()
