"""Finding and listing images: names, ids, digests, damaged ones, those of other programs."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from archives import Oci, digest, docker, layer
from images_help import skopeo

from rootless.errors import Ambiguous, NotFound, UsageError
from rootless.images.summary import tagged
from rootless.oci.errors import DigestError, ImageError, InvalidReference
from rootless.testing import Recorder
from tests.conftest import Store, copy_store, wait_until_written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rootless.images.collection import Images

pytestmark = pytest.mark.once


def numbered(number: int) -> bytes:
    return layer({"n": str(number).encode()})


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The data directory of a store with the images of `three`."""
    store, archive = Store(), tmp_path_factory.mktemp("three") / "archive"
    for number, name in enumerate(("busybox:1", "localhost/mine", "q.io:5000/a/b:c")):
        archive.write_bytes(docker([numbered(number)], names=[name]))
        store.ok("load", "--input", str(archive))
    wait_until_written(store)
    yield store.root
    store.remove()


@pytest.fixture
def three(images: Images, stored: str) -> Images:
    """Images 0, 1 and 2: an official name, a local one, one of a registry."""
    copy_store(stored, images.paths.root)
    return images


def test_an_empty_store_has_no_images(images: Images) -> None:
    assert images.list() == []
    assert images.names() == []
    assert not os.path.exists(images.paths.root), "a listing made a store"
    with pytest.raises(NotFound, match="no such image: x"):
        images.get("x")


@pytest.mark.parametrize(
    ("ref", "name"),
    [
        ("busybox:1", "docker.io/library/busybox:1"),
        ("library/busybox:1", "docker.io/library/busybox:1"),
        ("docker.io/library/busybox:1", "docker.io/library/busybox:1"),
        ("docker://busybox:1", "docker.io/library/busybox:1"),
        ("mine", "localhost/mine:latest"),
        ("localhost/mine", "localhost/mine:latest"),
        ("q.io:5000/a/b:c", "q.io:5000/a/b:c"),
    ],
)
def test_images_are_found_by_name(three: Images, ref: str, name: str) -> None:
    assert three.get(ref).names == [name]
    assert three.exists(ref)


@pytest.mark.parametrize(
    "ref", ["busybox", "busybox:2", "a/b:c", "library/mine", "x", "zz", "Bad:Name"]
)
def test_images_that_are_not_there(three: Images, ref: str) -> None:
    with pytest.raises(NotFound, match="no such image"):
        three.get(ref)


def test_images_are_found_by_id_and_digest(three: Images) -> None:
    image = three.get("busybox:1")
    for ref in (image.id, image.id[:12], f"sha256:{image.id}", f"sha256:{image.id[:20]}"):
        assert three.get(ref).id == image.id
    assert three.get(f"busybox@{image.digest}").id == image.id
    assert three.get(f"busybox:ignored@{image.digest}").id == image.id
    with pytest.raises(NotFound):
        three.get(f"other@{image.digest}")


def test_a_short_id_that_fits_several_is_refused(
    images: Images, as_file: Callable[[bytes], str]
) -> None:
    for number in range(17):  # one of 16 digits must come twice
        images.load(as_file(docker([numbered(number)])))
    ids = [image.id for image in images.list()]
    first = next(one[0] for one in ids if sum(other[0] == one[0] for other in ids) > 1)
    with pytest.raises(Ambiguous, match=f"image id {first} fits"):
        images.get(first)


def test_a_name_goes_before_an_id_if_it_is_short(three: Images) -> None:
    """`a` and `add` are names. Of more digits nobody knows which is meant."""
    image = three.get("busybox:1")
    other = three.get("mine")
    for name in (image.id[:1], image.id[:3]):
        three.tag(other.id, name)
        assert three.get(name).id == other.id
    name = image.id[:4]
    three.tag(other.id, name)
    with pytest.raises(Ambiguous, match=f"{name} is the name of one image and the id of another"):
        three.get(name)
    assert three.get(f"{name}:latest").id == other.id
    assert three.get(image.id[:12]).id == image.id
    three.tag(image.id, name)
    assert three.get(name).id == image.id


def test_the_host_is_always_there(images: Images) -> None:
    image = images.resolve("host")
    assert image.host
    assert image.lowers() == []
    assert image.config["config"]["Cmd"] == ["/bin/sh"]
    assert images.list() == []


def test_policies(images: Images, as_file: Callable[[bytes], str]) -> None:
    images.load(as_file(docker([layer()], names=["x:1"])))
    assert images.resolve("x:1").names == images.resolve("x:1", pull="never").names
    with pytest.raises(NotFound, match="no such image: y"):
        images.resolve("y", pull="never")
    with pytest.raises(NotFound, match="no such image: localhost/y"):
        images.resolve("localhost/y")
    with pytest.raises(UsageError, match="sometimes"):
        images.resolve("x:1", pull="sometimes")


def test_tags(three: Images) -> None:
    three.tag("busybox:1", "new/name")
    three.tag("busybox:1", "busybox:1")
    image = three.get("new/name")
    assert sorted(image.names) == ["docker.io/library/busybox:1", "docker.io/new/name:latest"]
    three.tag("mine", "new/name")
    assert three.get("new/name").id == three.get("mine").id
    with pytest.raises(NotFound):
        three.tag("nothing", "x")
    with pytest.raises(InvalidReference):
        three.tag("mine", "UPPER")
    with pytest.raises(InvalidReference, match="digest"):
        three.tag("mine", "x@" + digest(b""))


def damage(images: Images, ref: str, how: str) -> None:
    image = images.get(ref)
    part = image.manifest_digest if how.startswith("manifest") else f"sha256:{image.id}"
    path = Path(images.paths.images, "blobs", part.replace(":", "/"))
    if how.endswith("gone"):
        path.unlink()
    else:
        path.write_bytes({"list": b"[]", "text": b"x", "other": b'{"rootfs": 1}'}[how.split()[1]])


@pytest.mark.parametrize(
    "how", ["manifest gone", "manifest text", "manifest list", "config gone", "config other"]
)
def test_a_damaged_image_spoils_nothing_and_can_be_removed(three: Images, how: str) -> None:
    damage(three, "mine", how)
    told = Recorder()
    assert len(three.list(told)) == 2
    (problem,) = told.problems
    assert "localhost/mine:latest" in problem.message
    with pytest.raises(ImageError):
        _ = three.get("mine").config
    three.remove(["mine"])
    assert len(three.list(told)) == 2
    assert told.problems == [problem]


def test_a_damaged_image_is_named_by_the_command(
    cli: Store, as_file: Callable[[bytes], str]
) -> None:
    for number in range(2):
        cli.ok("load", "-i", as_file(docker([numbered(number)], names=[f"x:{number}"])))
    image_id = cli.ok("images", "--no-trunc", "--quiet", "x:1")
    os.unlink(f"{cli.root}/images/blobs/sha256/{image_id.partition(':')[2]}")
    done = cli("images", "--format", "{{.Tag}}")
    assert done.stdout == "0\n"
    assert "x:1" in done.stderr


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"manifests": [{"digest": 1}]}'])
def test_a_damaged_index_is_told(three: Images, text: str) -> None:
    Path(three.paths.images, "index.json").write_text(text)
    with pytest.raises(ImageError, match=r"index\.json"):
        three.list()


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        ([], []),
        (["q.io/a:1"], ["q.io/a:1"]),
        (["q.io/a@DIGEST"], ["q.io/a@DIGEST"]),
        (["q.io/a@DIGEST", "q.io/a:1", "q.io/a:2"], ["q.io/a:1", "q.io/a:2"]),
        (["q.io/a:1", "q.io/b@DIGEST"], ["q.io/a:1", "q.io/b@DIGEST"]),
    ],
)
def test_names_by_digest_are_shown_where_there_is_no_tag(
    names: list[str], shown: list[str]
) -> None:
    whole = [[name.replace("DIGEST", digest(b"")) for name in some] for some in (names, shown)]
    assert tagged(whole[0]) == whole[1]


def test_names_that_another_program_writes_twice(three: Images) -> None:
    """x and x:latest are one, and an image pulled by tag and by digest is one line."""
    path = Path(three.paths.images, "index.json")
    index = json.loads(path.read_text())
    entry = three.get_entry("mine")
    for name in ("localhost/mine", "mine", f"localhost/mine@{entry['digest']}"):
        annotations = {"org.opencontainers.image.ref.name": name}
        index["manifests"].append({**entry, "annotations": annotations})
    path.write_text(json.dumps(index))
    name = "localhost/mine:latest"
    assert three.get("mine").names == [name, f"localhost/mine@{entry['digest']}"]
    (image,) = [image for image in three.list() if name in image.names]
    assert image.names == three.get("mine").names


@pytest.mark.parametrize(
    ("ref", "found"),
    [
        ("b:c", "q.io:5000/a/b:c"),
        ("a/b:c", "q.io:5000/a/b:c"),
        ("b", ""),
        ("ab:c", ""),
        ("localhost/b:c", ""),
        ("busybox:1", "docker.io/library/busybox:1"),
        ("mine", "localhost/mine:latest"),
    ],
)
def test_by_the_last_part_where_that_is_wanted(three: Images, ref: str, found: str) -> None:
    """podman's habit. What a name means otherwise comes first."""
    loose = type(three)(three.paths, by_last_part=lambda: True)
    assert loose.name_of(ref) == found
    assert loose.exists(ref) == bool(found)
    if found.startswith("q.io"):
        assert not three.exists(ref)
        three.tag("mine", "other.io/a/b:c")
        with pytest.raises(Ambiguous, match=f"{ref} is the end of 2 names"):
            loose.get(ref)
        three.tag(found, "other.io/a/b:c")  # the same image under both
        assert found in loose.get(ref).names


@pytest.mark.needs("skopeo")
@pytest.mark.as_root
def test_what_skopeo_puts_into_the_store(three: Images, busybox_image: str) -> None:
    source = f"oci:{busybox_image}:busybox:latest"
    for name in ("latest", "docker.io/library/from:skopeo"):
        skopeo("copy", "-q", source, f"oci:{three.paths.images}:{name}")
    assert "localhost/latest:latest" in three.names()
    image = three.get("from:skopeo")
    assert three.get("latest").id == image.id
    assert "bin" in os.listdir(image.lowers()[0]), "it was not unpacked when first needed"
    assert len(three.list()) == 4
    lines = three.remove(["latest"])
    assert lines == ["Untagged: localhost/latest:latest"]
    three.remove(["from:skopeo"])
    assert len(three.list()) == 3


@pytest.mark.needs("skopeo", "umoci")
def test_others_read_the_store(three: Images) -> None:
    name = "docker.io/library/busybox:1"
    config = skopeo("inspect", "--config", "--raw", f"oci:{three.paths.images}:{name}")
    assert digest(config.encode())[7:] == three.get("busybox:1").id
    listed = subprocess.run(
        ["umoci", "list", "--layout", three.paths.images], capture_output=True, text=True
    )
    assert sorted(listed.stdout.split()) == sorted(three.names())


@pytest.mark.needs("skopeo")
def test_a_damaged_blob_of_others_is_found_when_unpacked(
    images: Images, busybox_image: str, as_file: Callable[[bytes], str]
) -> None:
    images.load(as_file(docker([layer()], names=["x"])))
    oci = Oci()
    oci.name(oci.manifest([numbered(1)]), "q.io/bad:1")
    base = Path(images.paths.images)
    for name, data in oci.blobs.items():
        (base / "blobs/sha256" / name[7:]).write_bytes(data)
    (base / "blobs/sha256" / digest(numbered(1))[7:]).write_bytes(numbered(2))
    (base / "index.json").write_bytes(oci.index())
    with pytest.raises(DigestError, match="unpacks to"):
        images.get("q.io/bad:1").lowers()
    assert not any(name.startswith(".") for name in os.listdir(images.paths.layers))


def test_an_index_of_platforms_in_the_store(
    images: Images, as_file: Callable[[bytes], str]
) -> None:
    """skopeo copy --all leaves one: the image for this machine counts."""
    oci = Oci()
    here = os.uname().machine
    mine = {"x86_64": "amd64", "aarch64": "arm64"}.get(here, here)
    entries = []
    for number, architecture in enumerate(("s390x", mine)):
        entry = oci.manifest([numbered(number)])
        entries.append({**entry, "platform": {"os": "linux", "architecture": architecture}})
    kind = "application/vnd.oci.image.index.v1+json"
    top = {"schemaVersion": 2, "mediaType": kind, "manifests": entries}
    oci.name(oci.blob(json.dumps(top).encode(), kind), "x:1")
    images.load(as_file(docker([layer()], names=["other"])))
    base = Path(images.paths.images)
    for name, data in oci.blobs.items():
        (base / "blobs/sha256" / name[7:]).write_bytes(data)
    (base / "index.json").write_bytes(oci.index())
    (directory,) = images.get("x:1").lowers()
    assert Path(directory, "n").read_text() == "1"
    images.remove(["x:1"])
    assert images.list() == []


def test_fifty_images_are_listed_newest_first(
    images: Images, as_file: Callable[[bytes], str]
) -> None:
    oci = Oci()
    for number in range(50):
        conf = json.loads(
            oci.blobs[
                json.loads(oci.blobs[oci.manifest([numbered(number)])["digest"]])["config"][
                    "digest"
                ]
            ]
        )
        conf["created"] = f"2024-01-01T00:00:{number:02}Z"
        oci.name(oci.manifest([numbered(number)], json.dumps(conf).encode()), f"q.io/x:{number}")
    images.load(as_file(oci.archive()))
    assert [image.names for image in images.list()] == [[f"q.io/x:{n}"] for n in range(49, -1, -1)]


def test_an_index_that_changes_is_read_anew(three: Images) -> None:
    """By the same object, which reads it once as long as it is the same file."""
    index = Path(three.paths.images, "index.json")
    old = index.stat().st_mtime - 100
    before = three.entries()
    assert len(before) == 3
    time.sleep(0.2)  # until the file is older than the grain of its times
    assert three.entries() == before
    assert three.entries() is three.entries()
    document = json.loads(index.read_text())
    document["manifests"] = document["manifests"][:2]
    three.tag("busybox:1", "other:1")
    assert len(three.entries()) == 4
    index.write_text(json.dumps(document))  # as other programs do, in place
    os.utime(index, (old, old))
    assert [one["digest"] for one in three.entries()] == [
        one["digest"] for one in document["manifests"]
    ]
    assert three.exists("busybox:1")
    index.unlink()
    assert three.entries() == []
