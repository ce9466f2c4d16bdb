"""`build --output`, --load, --push and --metadata-file: where a build goes."""

from __future__ import annotations

import io
import json
import os
import stat
import tarfile
from typing import TYPE_CHECKING

import pytest
from built import lay

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Store

pytestmark = pytest.mark.each

DOCKERFILE = """FROM busybox AS made
RUN mkdir -m 750 /o && echo 1 > /o/f && chown -R 33:44 /o && ln -s f /o/l && ln /o/f /o/hard \\
 && echo 2 > /o/s && chmod 4711 /o/s && mkfifo /o/p && mkdir /o/gone && echo 3 > /o/closed \\
 && chmod 000 /o/closed
RUN rm -r /o/gone
FROM scratch
COPY --from=made /o /
"""


@pytest.fixture
def context(tmp_path: Path) -> Path:
    return lay(tmp_path / "context", {"Dockerfile": DOCKERFILE})


@pytest.mark.parametrize("form", ["{}", "type=local,dest={}"])
def test_a_directory(form: str, shared: Store, context: Path, tmp_path: Path) -> None:
    """All files are the user's, and no image comes of it; what was there is replaced."""
    before = shared.ok("images", "-aq")
    lay(tmp_path / "out", {"mine": "1", "f": "old", "outside": "x", "s": "->outside"})
    for _ in range(2):
        assert shared.ok("build", "-q", "-o", form.format(tmp_path / "out"), str(context)) == ""
    out = tmp_path / "out"
    assert sorted(os.listdir(out)) == ["closed", "f", "hard", "l", "mine", "outside", "p", "s"]
    assert (out / "f").read_text() == "1\n"
    assert (out / "outside").read_text() == "x", "no link is followed"
    assert os.readlink(out / "l") == "f"
    assert os.stat(out / "f").st_ino == os.stat(out / "hard").st_ino
    assert stat.S_IMODE(os.lstat(out / "s").st_mode) == 0o711, "no set-id bits"
    assert stat.S_IMODE(os.lstat(out / "closed").st_mode) == 0
    assert {os.lstat(f"{out}/{name}").st_uid for name in os.listdir(out)} == {os.getuid()}
    assert shared.ok("images", "-aq") == before


@pytest.mark.parametrize("form", ["-", "type=tar,dest=-"])
def test_a_tar(form: str, shared: Store, context: Path) -> None:
    """It has the owners of the image, and nothing else is on standard output."""
    done = shared("build", "-o", form, str(context), text=False)
    assert done.returncode == 0, done.stderr
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        found = {one.name: (one.uid, one.mode) for one in archive}
    assert found["f"] == (33, 0o644)
    assert found["s"] == (0, 0o4711)
    assert "gone" not in found


def test_archives(shared: Store, context: Path, tmp_path: Path) -> None:
    for kind, place in (("oci", "o.tar"), ("docker", "d.tar"), ("oci", "zstd.tar")):
        more = ",compression=zstd" if place == "zstd.tar" else ""
        wanted = f"type={kind},dest={tmp_path}/{place},name=archived:1{more}"
        shared.ok("build", "-q", "-o", wanted, str(context))
        shared.ok("rmi", "archived:1")
        if not more:
            shared.ok("load", "-i", f"{tmp_path}/{place}")
            assert "archived" in shared.ok("images", "archived:1")
            shared.ok("rmi", "archived:1")
    with tarfile.open(tmp_path / "zstd.tar") as archive:
        index = archive.extractfile("index.json")
        assert index
        (entry,) = json.load(index)["manifests"]
        manifest = archive.extractfile(f"blobs/sha256/{entry['digest'][7:]}")
        assert manifest
        assert json.load(manifest)["layers"][0]["mediaType"].endswith("+zstd")
    shared.ok("build", "-q", "-o", f"type=oci,tar=false,dest={tmp_path}/dir", str(context))
    assert (tmp_path / "dir" / "oci-layout").exists()


def test_what_is_told_in_a_file(shared: Store, context: Path, tmp_path: Path) -> None:
    file = tmp_path / "told"
    image = shared.ok(
        "build", "-q", "-t", "told:1", "--load", "--metadata-file", str(file), str(context)
    )
    told = json.loads(file.read_text())
    assert told["containerimage.config.digest"] == image
    assert told["image.name"].endswith("/told:1")
    assert told["containerimage.digest"] == told["containerimage.descriptor"]["digest"]
    assert told["containerimage.digest"] in shared.ok("inspect", "told:1")
    assert told["buildx.build.ref"]


def test_a_list_of_platforms(shared: Store, tmp_path: Path) -> None:
    """An image each; what is copied needs no emulator, and RUN says what is missing."""
    lay(
        tmp_path,
        {"f": "1", "Dockerfile": "FROM scratch\nARG TARGETARCH\nLABEL for=$TARGETARCH\nCOPY f /\n"},
    )
    two = ("--platform", "linux/amd64,linux/arm64")
    for _ in range(2):
        shared.ok("build", "-q", "-t", "many", *two, str(tmp_path))
        listed = json.loads(shared.ok("manifest", "inspect", "many"))["manifests"]
        assert [one["platform"]["architecture"] for one in listed] == ["amd64", "arm64"]
    shared.ok(
        "build", "-q", "-o", f"type=oci,dest={tmp_path}/m.tar", "-t", "many", *two, str(tmp_path)
    )
    with tarfile.open(tmp_path / "m.tar") as archive:
        assert sum(one.isfile() and "blobs" in one.name for one in archive) == 6
    shared.ok("build", "-q", "-o", f"{tmp_path}/files", *two, str(tmp_path))
    assert sorted(os.listdir(tmp_path / "files")) == ["linux_amd64", "linux_arm64"]
    for arch in ("arm64", "s390x"):
        shared.ok("build", "-q", "--platform", arch, "--manifest", "grows", str(tmp_path))
    listed = json.loads(shared.ok("manifest", "inspect", "grows"))["manifests"]
    assert [one["platform"]["architecture"] for one in listed] == ["arm64", "s390x"]
    shared.ok("manifest", "rm", "many", "grows")


REFUSED = {
    "an unknown kind": ("type=floppy", "unknown type 'floppy'"),
    "no place": ("type=oci", "it has no dest"),
    "a place of an image": ("type=image,dest=x", "image has no dest"),
    "a directory as a stream": ("type=local,dest=-", "is no standard output"),
    "an unknown field": ("type=oci,dest=x,colour=red", "unknown field 'colour'"),
    "a field of images": ("type=tar,dest=x,push=true", "unknown field 'push'"),
    "an unknown compression": ("type=oci,dest=x,compression=xz", "unknown compression 'xz'"),
    "a push without a name": ("type=registry", "a name is needed to push"),
}


@pytest.mark.once
@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case: str, shared: Store, context: Path) -> None:
    text, wanted = REFUSED[case]
    done = shared("build", "-o", text, str(context))
    assert done.returncode
    assert wanted in done.stderr
    assert "#1" not in done.stderr


def test_a_place_that_cannot_be_written(shared: Store, context: Path, tmp_path: Path) -> None:
    lay(tmp_path, {"file": "", "out/f/in": ""})
    for place in ("file/x", "out"):
        done = shared("build", "-o", f"{tmp_path}/{place}", str(context))
        assert done.returncode == 1
        assert "cannot write" in done.stderr
