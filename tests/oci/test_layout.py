"""Layouts on disk: what reading refuses, and what writing guarantees."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from rootless.oci import layout, platform
from rootless.oci.blobs import Blob, Stored, Workspace, initialise, locked, write_index
from rootless.oci.errors import DigestError, ImageError
from rootless.oci.layout import Layout, as_go_reads, chain_ids
from rootless.oci.platform import Platform

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.once


def put(path: Path, data: bytes) -> str:
    digest = hashlib.sha256(data).hexdigest()
    (path / "blobs/sha256" / digest).write_bytes(data)
    return f"sha256:{digest}"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    initialise(str(tmp_path))
    return tmp_path


def descriptor(digest: str, **more: Any) -> dict[str, Any]:
    return {"mediaType": layout.OCI_MANIFEST, "digest": digest, "size": 1, **more}


def test_an_empty_layout_is_made_once(store: Path) -> None:
    write_index(str(store), {"schemaVersion": 2, "manifests": [descriptor("sha256:" + "1" * 64)]})
    initialise(str(store))
    assert len(Layout(str(store)).index()["manifests"]) == 1
    assert json.loads((store / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    assert sorted(os.listdir(store)) == ["blobs", "index.json", "oci-layout"]


@pytest.mark.needs("umoci")
def test_what_umoci_makes_has_no_images(tmp_path: Path) -> None:
    """Its list of manifests is null."""
    subprocess.run(["umoci", "init", "--layout", tmp_path / "new"], check=True)
    index = Layout(str(tmp_path / "new")).index()
    assert (index["schemaVersion"], index["manifests"]) == (2, [])


def test_a_layout_that_is_not_there_has_no_images(tmp_path: Path) -> None:
    assert Layout(str(tmp_path / "none")).index()["manifests"] == []


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"manifests": 1}', '{"manifests": [1]}', '{"manifests": [{}]}']
)
def test_a_damaged_index_is_named(store: Path, text: str) -> None:
    (store / "index.json").write_text(text)
    with pytest.raises(ImageError, match=r"index\.json"):
        Layout(str(store)).index()


@pytest.mark.parametrize("digest", ["", "sha256:", "sha256:../../x", "../x", "md5:" + "a" * 32])
def test_digests_that_could_leave_the_layout_are_refused(store: Path, digest: str) -> None:
    with pytest.raises(ImageError, match="malformed digest"):
        Layout(str(store)).blob_path(digest)


def test_documents_are_bounded(store: Path) -> None:
    digest = put(store, b'{"x": "' + b"x" * layout.MAX_JSON + b'"}')
    with pytest.raises(ImageError, match="larger than 4 MiB"):
        Layout(str(store)).document(digest)


def test_an_index_leads_to_the_manifest_of_this_machine(store: Path) -> None:
    here, other = platform.host(), Platform("linux", "s390x")
    entries = []
    for one in (other, here):
        manifest = {"config": {"digest": str(one)}, "layers": []}
        digest = put(store, json.dumps(manifest).encode())
        entries.append(
            descriptor(digest, platform={"os": one.os, "architecture": one.architecture})
        )
    top = put(store, json.dumps({"manifests": entries}).encode())
    found, manifest = Layout(str(store)).manifest(descriptor(top))
    assert found["digest"] == entries[1]["digest"]
    assert manifest["config"]["digest"] == str(here)
    _, manifest = Layout(str(store)).manifest(descriptor(top), other)
    assert manifest["config"]["digest"] == str(other)
    with pytest.raises(ImageError, match="no image for platform linux/riscv64"):
        Layout(str(store)).manifest(descriptor(top), Platform("linux", "riscv64"))


def test_nested_indexes_end(store: Path) -> None:
    digest = put(store, b'{"config": {"digest": "x"}, "layers": []}')
    for _ in range(layout.MAX_DEPTH):
        digest = put(store, json.dumps({"manifests": [descriptor(digest)]}).encode())
    with pytest.raises(ImageError, match="nested too deep"):
        Layout(str(store)).manifest(descriptor(digest))


def test_chain_ids_are_those_of_the_specification() -> None:
    first, second = "sha256:" + "1" * 64, "sha256:" + "2" * 64
    chained = hashlib.sha256(f"{first} {second}".encode()).hexdigest()
    assert chain_ids([first, second]) == ["1" * 64, chained]
    with pytest.raises(ImageError, match="malformed diff id"):
        chain_ids([first, "sha256:../x"])


@pytest.mark.parametrize(
    ("offered", "wanted", "fits"),
    [
        ("linux/amd64", "linux/amd64", True),
        ("linux/arm64", "linux/amd64", False),
        ("linux/386", "linux/amd64", True),
        ("linux/arm/v6", "linux/arm/v7", True),
        ("linux/arm/v7", "linux/arm/v6", False),
        ("linux/arm64/v8", "linux/arm64", True),
        ("linux/amd64/v3", "linux/amd64", False),
        ("windows/amd64", "linux/amd64", False),
        ("unknown/unknown", "linux/amd64", False),
    ],
)
def test_platforms(offered: str, wanted: str, fits: bool) -> None:
    assert platform.fits(platform.parse(offered), platform.parse(wanted)) == fits


def test_the_best_platform_wins_whatever_the_order() -> None:
    texts = ["linux/arm/v5", "linux/arm/v7", "linux/arm/v6", "unknown/unknown"]
    entries = [
        {"platform": dict(zip(("os", "architecture", "variant"), text.split("/"), strict=False))}
        for text in texts
    ]
    for order in (entries, entries[::-1]):
        best = platform.choose(order, platform.parse("linux/arm/v7"))
        assert best is entries[1]


# -- writing -----------------------------------------------------------------------------------


def test_a_blob_appears_only_when_it_is_what_was_promised(store: Path) -> None:
    good = f"sha256:{hashlib.sha256(b'good').hexdigest()}"
    for content, size in ((b"evil", 4), (b"good!", 4), (b"goo", 4), (b"good", 5)):
        blob = Blob(str(store / "new"), expected=good, size=size)
        with pytest.raises(DigestError, match="blob sha256:"):
            blob.write(content)
            blob.finish()
        blob.abandon()
        os.unlink(store / "new")
    assert os.listdir(store / "blobs/sha256") == []
    blob = Blob(str(store / "new"), expected=good, size=4)
    blob.write(b"good")
    blob.finish().publish(Layout(str(store)))
    assert os.listdir(store / "blobs/sha256") == [good.partition(":")[2]]


def test_a_surplus_is_refused_before_it_is_written(store: Path) -> None:
    blob = Blob(str(store / "new"), expected="sha256:" + "1" * 64, size=4)
    blob.write(b"1234")
    with pytest.raises(DigestError, match="larger than its 4 bytes"):
        blob.write(b"5")
    blob.abandon()
    assert (store / "new").stat().st_size == 4


def test_a_follower_reads_what_is_written_as_it_comes(store: Path) -> None:
    blob = Blob(str(store / "new"))
    follower, got = blob.follow(), []

    def read() -> None:
        while data := follower.read(1000):
            got.append(data)

    reader = threading.Thread(target=read)
    reader.start()
    pieces = [os.urandom(700) for _ in range(50)]
    for piece in pieces:
        blob.write(piece)
    blob.finish()
    reader.join(10)
    follower.close()
    assert b"".join(got) == b"".join(pieces)


def test_a_follower_of_an_abandoned_blob_fails(store: Path) -> None:
    for end in (Blob.abandon, Blob.cancel):
        blob = Blob(str(store / end.__name__))
        follower = blob.follow()
        end(blob)
        with pytest.raises(DigestError):
            follower.read(1)
        with pytest.raises((DigestError, OSError)):
            blob.write(b"x")
        blob.abandon()
        follower.close()


def test_a_stored_blob_is_not_taken_for_verified(store: Path) -> None:
    digest = put(store, b"x")
    assert not Stored(Layout(str(store)).blob_path(digest), digest).verified
    with pytest.raises(ImageError, match="cannot read blob"):
        Stored(str(store / "none"), digest)


KILLED = """
import os, sys, time
from rootless.oci.blobs import Workspace
work = Workspace(sys.argv[1], sys.argv[1])
open(work.new(), "w").write("x" * 100)
print(work.path, flush=True)
time.sleep(60)
"""


def test_the_workspace_of_a_killed_process_is_swept_by_the_next(store: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(store)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    left = child.stdout.readline().strip()
    with Workspace(str(store), str(store)):
        assert os.path.exists(left), "a living process's workspace was swept"
    child.kill()
    child.communicate()
    with Workspace(str(store), str(store)) as work:
        assert not os.path.exists(left)
        os.mkdir(work.new())
    assert sorted(os.listdir(store)) == ["blobs", "index.json", "oci-layout"]


ADDING = """
import sys
from rootless.oci.blobs import locked, write_index
from rootless.oci.layout import Layout
path = sys.argv[1]
for number in range(25):
    with locked(path):
        index = Layout(path).index()
        index["manifests"].append({"digest": f"{sys.argv[2]}-{number}"})
        write_index(path, index)
"""


def test_writers_of_the_index_do_not_lose_each_other(store: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", ADDING, str(store), str(number)])
        for number in range(3)
    ]
    while any(writer.poll() is None for writer in writers):
        Layout(str(store)).index()  # readers need no lock and never see half a file
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    digests = {entry["digest"] for entry in Layout(str(store)).index()["manifests"]}
    assert len(digests) == 75


def test_an_index_that_cannot_be_written_stays(store: Path) -> None:
    before = (store / "index.json").read_bytes()
    with locked(str(store)), pytest.raises(TypeError):
        write_index(str(store), {"manifests": [object()]})
    with locked(str(store)), pytest.raises(ImageError, match="larger than 4 MiB"):
        write_index(str(store), {"manifests": [descriptor("x" * 80)] * 40_000})
    assert (store / "index.json").read_bytes() == before


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ({}, {}),
        ({"config": None, "Rootfs": None}, {"config": None, "rootfs": None}),
        ({"CONFIG": {"cmd": ["x"]}}, {"config": {"Cmd": ["x"]}}),
        # What is spelt as it should be goes before what is not.
        ({"Config": {"User": "a"}, "config": {"User": "b"}}, {"config": {"User": "b"}}),
        ({"config": {"user": "a", "User": "b"}}, {"config": {"User": "b"}}),
        ({"config": {"Labels": {"User": "a", "user": "b"}}},
         {"config": {"Labels": {"User": "a", "user": "b"}}}),
        ({"config": {"Labels": {"a": "x\ud800y\udfff", "\ud800": "z"}}},
         {"config": {"Labels": {"a": "x\ufffdy\ufffd", "\ufffd": "z"}}}),
        ({"history": [1, {"Comment": "x"}], "my.own": {"KEY": 1}},
         {"history": [1, {"comment": "x"}], "my.own": {"KEY": 1}}),
        ({"config": [], "rootfs": 1, "history": "x"}, {"config": [], "rootfs": 1, "history": "x"}),
    ],
)  # fmt: skip
def test_a_configuration_as_go_reads_it(written: Any, read: Any) -> None:
    assert as_go_reads(written) == read


def test_users_are_told_layers_and_configurations_apart() -> None:
    digest = "sha256:" + "0123456789ab" * 5 + "0123"
    for kind in (layout.OCI_CONFIG, layout.DOCKER_CONFIG):
        assert layout.told(kind, digest) == "config 0123456789ab"
    assert layout.told(layout.OCI_LAYER, digest) == "layer 0123456789ab"
