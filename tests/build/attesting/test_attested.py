"""An image with attestations in the store, and on its way to other places."""

from __future__ import annotations

import json
import os
import tarfile
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from built import lay
from images_help import skopeo

if TYPE_CHECKING:
    from conftest import Store

pytestmark = pytest.mark.each

BOTH = ("--sbom=true", "--provenance=mode=max")
DOCKERFILE = "FROM busybox\nRUN echo 1 > /x\nCMD cat /x\n"


@pytest.fixture
def context(tmp_path: Path) -> Path:
    return lay(tmp_path / "c", {"Dockerfile": DOCKERFILE, "f": "1"})


def blob(store: Store, digest: str) -> Any:
    return json.loads(Path(store.root, "images/blobs/sha256", digest[7:]).read_text())


def statements(store: Store, name: str) -> dict[str, Any]:
    """What is said of the first image of a name, by type; how it is put together is checked."""
    index = json.loads(store.ok("manifest", "inspect", name))
    image, *_, said = index["manifests"]
    assert said["platform"] == {"architecture": "unknown", "os": "unknown"}
    assert said["annotations"]["vnd.docker.reference.type"] == "attestation-manifest"
    manifest = blob(store, said["digest"])
    config = blob(store, manifest["config"]["digest"])
    assert config["rootfs"]["diff_ids"] == [one["digest"] for one in manifest["layers"]]
    found = {}
    for layer in manifest["layers"]:
        assert layer["mediaType"] == "application/vnd.in-toto+json"
        told = blob(store, layer["digest"])
        assert told["predicateType"] == layer["annotations"]["in-toto.io/predicate-type"]
        about = told["subject"][0]["digest"]["sha256"]
        assert said["annotations"]["vnd.docker.reference.digest"] == f"sha256:{about}"
        found[told["predicateType"]] = told
    assert image["platform"]["os"] == "linux"
    return found


def test_in_the_store(busybox: Store, context: Path) -> None:
    """It is an image as any other, has what is said of it beside it, and goes with all of that."""
    before = {*os.listdir(f"{busybox.root}/images/blobs/sha256")}
    image = busybox.ok("build", "-q", "-t", "a", *BOTH, str(context))
    found = statements(busybox, "a")
    assert list(found) == ["https://spdx.dev/Document", "https://slsa.dev/provenance/v0.2"]
    for told in found.values():
        assert told["subject"][0]["name"] == "pkg:docker/a@latest?platform=linux%2Famd64"
    verbose = json.loads(busybox.ok("manifest", "inspect", "--verbose", "a"))
    assert len(verbose) == 2
    assert busybox.ok("images", "-q", "--no-trunc", "a") == image
    assert json.loads(busybox.ok("inspect", "a"))[0]["Id"] == image
    assert busybox.ok("run", "--rm", "a") == "1"
    busybox.ok("tag", "a", "b")
    assert statements(busybox, "b") == found
    child = "FROM a\nRUN cat /x\n"
    busybox.ok("build", "-q", "-t", "child", "-", input=child)
    assert "manifests" not in busybox.ok("inspect", "child")
    assert busybox.ok("system", "check") == ""
    busybox.ok("rmi", "a")
    assert statements(busybox, "b") == found
    busybox.ok("rmi", "b", "child")
    busybox.ok("builder", "prune", "-af")
    assert {*os.listdir(f"{busybox.root}/images/blobs/sha256")} == before


def test_without_the_flags_nothing_is_said(busybox: Store, context: Path, tmp_path: Path) -> None:
    """And the image is the same, with and without."""
    meta = tmp_path / "meta"
    off = ("--attest=type=sbom,disabled=true",)
    for words in ((), ("--provenance=false", "--sbom=false"), off):
        image = busybox.ok(
            "build", "-q", "-t", "a", f"--metadata-file={meta}", *words, str(context)
        )
        index = json.loads(Path(busybox.root, "images/index.json").read_text())["manifests"]
        assert {one["mediaType"].rpartition(".")[2] for one in index} == {"v1+json"}
        assert not [one for one in index if "index" in one["mediaType"]]
        assert json.loads(meta.read_text())["containerimage.descriptor"]["digest"] in [
            one["digest"] for one in index
        ]
    assert busybox.ok("build", "-q", "-t", "a", *BOTH, str(context)) == image


def test_archives(shared: Store, context: Path, tmp_path: Path) -> None:
    """What holds an index has all of it, in the names' place; docker's archive the image alone."""
    shared.ok("build", "-q", "-t", "arch:1", *BOTH, str(context))
    wanted = json.loads(shared.ok("manifest", "inspect", "arch:1"))
    shared.ok("save", "--format", "oci-archive", "-o", f"{tmp_path}/saved.tar", "arch:1")
    for more in ("", ",compression=gzip"):
        place = f"type=oci,dest={tmp_path}/out{more}.tar"
        words = place.replace(more + ".tar", ".tar" + more) if more else place
        shared.ok("build", "-q", "-t", "arch:1", *BOTH, "-o", words, str(context))
    for name in ("saved.tar", "out.tar"):
        with tarfile.open(tmp_path / name) as archive:
            files = {
                one.name: archive.extractfile(one) for one in archive.getmembers() if one.isfile()
            }
            (entry,) = json.loads(files["index.json"].read())["manifests"]  # type: ignore[union-attr]
            index = json.loads(files[f"blobs/sha256/{entry['digest'][7:]}"].read())  # type: ignore[union-attr]
            image, said = index["manifests"]
            assert said["annotations"]["vnd.docker.reference.digest"] == image["digest"]
            if name == "saved.tar":
                assert index == wanted
            for one in (image, said):
                manifest = json.loads(files[f"blobs/sha256/{one['digest'][7:]}"].read())  # type: ignore[union-attr]
                for part in manifest["layers"]:
                    assert f"blobs/sha256/{part['digest'][7:]}" in files
                if one is said:
                    told = json.loads(files[f"blobs/sha256/{part['digest'][7:]}"].read())  # type: ignore[union-attr]
                    assert f"sha256:{told['subject'][0]['digest']['sha256']}" == image["digest"]
    shared.ok("save", "-o", f"{tmp_path}/docker.tar", "arch:1")
    shared.ok("rmi", "arch:1")
    for name in ("saved.tar", "docker.tar"):
        shared.ok("load", "-i", f"{tmp_path}/{name}")
        assert shared.ok("run", "--rm", "arch:1") == "1"
        shared.ok("rmi", "arch:1")


@pytest.mark.needs("skopeo")
def test_a_push_takes_them_along(busybox: Store, registry: str, context: Path) -> None:
    """Layers are compressed on the way, so the image has another digest there: as they say, too."""
    name = f"{registry}/team/a:1"
    busybox.ok("build", "-q", "-t", name, *BOTH, "--push", str(context))
    first = _in_registry(name)
    busybox.ok("push", name)
    assert _in_registry(name) == first
    shown = busybox.ok("images", "--digests", "--format", "{{.Digest}}", name)
    assert shown.startswith("sha256:")
    busybox.ok("rmi", name)
    busybox.ok("pull", name)
    assert busybox.ok("run", "--rm", name) == "1"
    two = ("--platform=linux/amd64,linux/arm64", "-f", "-", str(context))
    busybox.ok("build", "-q", "-t", "many", *BOTH, *two, input="FROM scratch\nCOPY f /\n")
    busybox.ok("manifest", "push", "-q", "many", f"docker://{registry}/many:1")
    _in_registry(f"{registry}/many:1", images=2)


def _in_registry(name: str, images: int = 1) -> Any:
    def get(suffix: str) -> Any:
        place = f"docker://{name.rpartition(':')[0]}{suffix}"
        return json.loads(skopeo("inspect", "--raw", "--tls-verify=false", place))

    index = get(f":{name.rpartition(':')[2]}")
    made, said = index["manifests"][:images], index["manifests"][images:]
    assert len(said) == images
    for image, about in zip(made, said, strict=True):
        assert about["annotations"]["vnd.docker.reference.digest"] == image["digest"]
        assert all(
            one["mediaType"].endswith("gzip") for one in get(f"@{image['digest']}")["layers"]
        )
        manifest = get(f"@{about['digest']}")
        for layer in manifest["layers"]:
            host, path = name.split("/", 1)
            url = f"http://{host}/v2/{path.rpartition(':')[0]}/blobs/{layer['digest']}"
            with urllib.request.urlopen(url) as answer:
                told = json.loads(answer.read())
            assert f"sha256:{told['subject'][0]['digest']['sha256']}" == image["digest"]
    return index


def test_several_platforms(shared: Store, tmp_path: Path) -> None:
    """A list of the images first, and then of what is said of each; in files, beside each."""
    dockerfile = "FROM scratch\nARG TARGETARCH\nLABEL a=$TARGETARCH\nCOPY f /\n"
    lay(tmp_path, {"Dockerfile": dockerfile, "f": "1"})
    two = ("--platform", "linux/amd64,linux/arm64", *BOTH)
    meta = tmp_path / "meta"
    shared.ok("build", "-q", "-t", "two", *two, f"--metadata-file={meta}", str(tmp_path))
    members = json.loads(shared.ok("manifest", "inspect", "two"))["manifests"]
    archs = [one["platform"]["architecture"] for one in members]
    assert archs == ["amd64", "arm64", "unknown", "unknown"]
    for image, said in zip(members[:2], members[2:], strict=True):
        assert said["annotations"]["vnd.docker.reference.digest"] == image["digest"]
        for layer in blob(shared, said["digest"])["layers"]:
            (subject,) = blob(shared, layer["digest"])["subject"]
            arch = image["platform"]["architecture"]
            assert subject["name"] == f"pkg:docker/two@latest?platform=linux%2F{arch}"
    told = json.loads(meta.read_text())
    assert {key for key in told if "provenance" in key} == {
        f"buildx.build.provenance/linux/{arch}" for arch in ("amd64", "arm64")
    }
    shared.ok("build", "-q", "-o", str(tmp_path / "out"), *two, str(tmp_path))
    for arch in ("amd64", "arm64"):
        assert (tmp_path / f"out/linux_{arch}/provenance.json").exists()
    shared.ok("rmi", "two")


def test_one_of_another_machine(shared: Store, tmp_path: Path) -> None:
    """An index with one image is that image, whatever it is for."""
    words = ("build", "-q", "-t", "other", "--platform=linux/s390x", *BOTH, "-")
    image = shared.ok(*words, input="FROM scratch\nLABEL a=b\n")
    assert shared.ok("images", "-q", "--no-trunc", "other") == image
    assert '"s390x"' in shared.ok("inspect", "other")
    shared.ok("save", "-o", f"{tmp_path}/o.tar", "other")
    shared.ok("rmi", "other")


def test_reproducible(busybox: Store, shared: Store, tmp_path: Path) -> None:
    """Dated by the user, the same build gives the same index: elsewhere, and done again."""
    found = []
    for store, place in ((busybox, "one"), (shared, "deep/two"), (busybox, "one")):
        top = lay(tmp_path / place, {"Dockerfile": DOCKERFILE, "f": "1"})
        words = ("--source-date-epoch=1700000000", "--no-cache", "--label=a=b", "-t", "same")
        store.ok("build", "-q", *words, *BOTH, str(top))
        found.append(json.loads(store.ok("manifest", "inspect", "same")))
    assert found[0] == found[1] == found[2]
    said = statements(busybox, "same")["https://slsa.dev/provenance/v0.2"]
    assert not {key for key in said["predicate"]["metadata"] if key.startswith("build")}


REFUSED = {
    ("--sbom=generator=docker/x",): "no generator is run",
    ("--sbom=syft",): "--sbom syft: 'syft' is no KEY=VALUE",
    ("--attest=type=other",): "unknown type 'other'",
    ("--attest=mode=max",): "unknown type ''",
    ("--attest=type=sbom", "--sbom=true"): "sbom is there twice",
    ("--provenance=mode=most",): "unknown mode 'most'",
    ("--provenance=version=v3",): "unknown version 'v3'",
    ("--provenance=colour=red",): "unknown field 'colour'",
    ("--provenance=true", "--format=docker"): "docker's format has no attestations",
    ("--sbom=true", "--output=type=docker,dest=x"): "can hold no attestations",
    ("--output=type=local,dest=x,attestation-prefix=a/b",): "attestation-prefix is no path",
}


@pytest.mark.once
@pytest.mark.parametrize("words", REFUSED)
def test_refused(words: tuple[str, ...], shared: Store, context: Path) -> None:
    done = shared("build", *words, str(context))
    assert done.returncode
    assert REFUSED[words] in done.stderr
    assert "#1" not in done.stderr
