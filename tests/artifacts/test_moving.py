"""artifact push and pull, and lists of referrers: docker-registry, ours, and a hostile one."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from archives import digest
from images_help import skopeo
from servers import Server

if TYPE_CHECKING:
    from conftest import Store
    from faulty import Line

pytestmark = [pytest.mark.needs("skopeo", "docker-registry"), pytest.mark.once]

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
LEAVINGS = {"oci-layout", "index.json", "blobs"}


def raw(name: str) -> bytes:
    return skopeo("inspect", "--tls-verify=false", "--raw", f"docker://{name}").encode()


def listed(store: Store, name: str, *options: str) -> list[str]:
    template = ("--format", "{{.Type}} {{.Digest}}", "--no-trunc")
    return store.ok("artifact", "ls", *template, *options, "--remote", name).splitlines()


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A file of two megabytes."""
    path = tmp_path / "model.bin"
    path.write_bytes(os.urandom(2_000_000))
    return str(path)


def test_there_and_back(cli: Store, anywhere: str, file: str, tmp_path: Path) -> None:
    name = f"{anywhere}/me/model:1"
    made = cli.ok("artifact", "add", "--type", "application/x-model", "model", file)
    line = ("artifact", "push", "-q", "--digestfile", str(tmp_path / "digest"), "model", name)
    assert cli.ok(*line) == made
    assert (tmp_path / "digest").read_text() == f"sha256:{made}" == digest(raw(name))
    skopeo("copy", "-q", "--src-tls-verify=false", f"docker://{name}", f"dir:{tmp_path / 'copy'}")
    cli.ok("artifact", "rm", "model")
    assert cli.ok("artifact", "pull", "-q", name) == made
    cli.ok("artifact", "extract", name, str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == Path(file).read_bytes()
    assert set(os.listdir(f"{cli.root}/artifacts")) == LEAVINGS
    refused = cli("pull", name).stderr
    assert "no container image but an artifact of type application/x-model" in refused
    assert "rootless artifact pull takes it" in refused


def test_what_skopeo_has_copied(cli: Store, registry: str, file: str, tmp_path: Path) -> None:
    name, other = f"{registry}/a:1", f"{registry}/b:1"
    cli.ok("artifact", "add", name, file)
    made = cli.ok("artifact", "push", "-q", name)
    both = ("--src-tls-verify=false", "--dest-tls-verify=false")
    skopeo("copy", "-q", *both, f"docker://{name}", f"docker://{other}")
    assert cli.ok("artifact", "pull", "-q", f"docker://{other}") == made
    assert len(cli.ok("artifact", "ls", "-q").splitlines()) == 2


def test_referrers(busybox: Store, anywhere: str, file: str) -> None:
    """Docker's registry has no list of them: the tag of the subject is one then."""
    image = f"{anywhere}/me/tools:1"
    busybox.ok("push", "-q", "busybox", image)
    assert listed(busybox, image) == []
    made = {}
    for kind in ("sbom", "signature"):
        name = f"{anywhere}/me/tools:{kind}"
        line = ("artifact", "add", "--type", f"application/x-{kind}", "--subject", image)
        made[kind] = busybox.ok(*line, name, file)
        busybox.ok("artifact", "push", "-q", name)
    busybox.ok("artifact", "push", "-q", name)
    wanted = [f"application/x-{kind} sha256:{one}" for kind, one in made.items()]
    assert sorted(listed(busybox, image)) == wanted
    assert listed(busybox, image, "--type", "application/x-sbom") == wanted[:1]
    subject = json.loads(raw(f"{anywhere}/me/tools:sbom"))["subject"]
    assert subject["digest"] == digest(raw(image))
    assert listed(busybox, f"{anywhere}/me/tools@{subject['digest']}") == listed(busybox, image)


def test_the_subject_is_what_was_pushed(busybox: Store, anywhere: str, file: str) -> None:
    """In the store a layer may be uncompressed, and the manifest another."""
    image = f"{anywhere}/me/tools:1"
    busybox.ok("run", "--name", "one", "--network", "none", "busybox", "touch", "/new")
    busybox.ok("commit", "one", image)
    busybox.ok("push", "-q", image)
    made = busybox.ok("artifact", "add", "--subject", image, f"{anywhere}/me/tools:sbom", file)
    busybox.ok("artifact", "push", "-q", f"{anywhere}/me/tools:sbom")
    assert [line.split()[1] for line in listed(busybox, image)] == [f"sha256:{made}"]
    assert json.loads(raw(f"{anywhere}/me/tools:sbom"))["subject"]["digest"] == digest(raw(image))


def test_the_tag_of_a_subject_may_be_anything(cli: Store, registry: str, file: str) -> None:
    """An image in its place is not overwritten."""
    cli.ok("artifact", "add", "base", file)
    cli.ok("artifact", "push", "-q", "base", f"{registry}/x:base")
    subject = digest(raw(f"{registry}/x:base"))
    cli.ok("artifact", "push", "-q", "base", f"{registry}/x:{subject.replace(':', '-')}")
    cli.ok("artifact", "add", "--subject", f"docker://{registry}/x:base", "more", file)
    done = cli("artifact", "push", "more", f"{registry}/x:more")
    assert done.returncode == 125
    assert "is to be an index of referrers" in done.stderr


def test_what_is_no_artifact(busybox: Store, registry: str) -> None:
    busybox.ok("push", "-q", "busybox", f"{registry}/image:1")
    done = busybox("artifact", "pull", f"{registry}/image:1")
    assert "container image and no artifact (rootless pull takes it)" in done.stderr
    busybox.ok("manifest", "create", "list", "busybox")
    busybox.ok("manifest", "push", "-q", "list", f"{registry}/list:1")
    assert (
        "is an index, not an artifact" in busybox("artifact", "pull", f"{registry}/list:1").stderr
    )
    assert busybox.ok("artifact", "ls", "-q") == ""


def test_a_transfer_that_breaks_off_goes_on(
    cli: Store, line: Line, file: str, tmp_path: Path
) -> None:
    cli.ok("artifact", "add", "model", file)
    made = cli.ok("artifact", "push", "-q", "model", f"{line.registry}/m:1")
    faults = iter(["cut", "cut", "gone"])
    line.fault = lambda path: next(faults, "") if "/blobs/" in path else ""
    assert cli.ok("artifact", "pull", "-q", f"{line.address}/m:1") == made
    assert line.sent < 2_100_000
    line.fault = lambda path: "flip" if "/blobs/" in path else ""
    cli.ok("artifact", "rm", "--all")
    done = cli("artifact", "pull", f"{line.address}/m:1")
    assert done.returncode == 125
    assert "has the digest" in done.stderr
    assert os.listdir(f"{cli.root}/artifacts/blobs/sha256") == []
    assert set(os.listdir(f"{cli.root}/artifacts")) == LEAVINGS


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_pull_that_ends_early_leaves_nothing(
    cli: Store, line: Line, file: str, how: signal.Signals
) -> None:
    cli.ok("artifact", "add", "model", file)
    cli.ok("artifact", "push", "-q", "model", f"{line.registry}/m:1")
    cli.ok("artifact", "rm", "model")
    line.pace = 0.2
    process = cli.start("artifact", "pull", f"{line.address}/m:1")
    try:
        while not line.sent:
            time.sleep(0.01)
        process.send_signal(how)
        process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert cli.ok("artifact", "ls", "-q") == ""
    if how == signal.SIGKILL:  # swept by the next that brings something
        cli.ok("artifact", "add", "other", file)
        cli.ok("artifact", "rm", "other")
    assert os.listdir(f"{cli.root}/artifacts/blobs/sha256") == []
    assert set(os.listdir(f"{cli.root}/artifacts")) == LEAVINGS


def test_lies_of_a_registry(cli: Store) -> None:
    """Digests that are none, sizes that are wrong, manifests that mean two things."""
    empty = {"mediaType": EMPTY, "digest": digest(b"{}"), "size": 2}
    good = {"mediaType": "x/y", "digest": digest(b"file"), "size": 4}
    plain: dict[str, Any] = {"schemaVersion": 2, "mediaType": MANIFEST, "config": empty}
    documents = {
        "digest": {**plain, "layers": [{**good, "digest": "sha256:../../etc/passwd"}]},
        "size": {**plain, "layers": [{**good, "size": 3}]},
        "minus": {**plain, "layers": [{**good, "size": -1}]},
        "both": {**plain, "layers": [], "manifests": []},
        "type": {**plain, "layers": [], "mediaType": INDEX},
        "gone": {**plain, "layers": [{**good, "digest": digest(b"gone")}]},
    }
    served = {f"/v2/x/manifests/{tag}": json.dumps(one).encode() for tag, one in documents.items()}
    served[f"/v2/x/blobs/{digest(b'file')}"] = b"file"

    def answer(path: str, _: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        return (200, {}, served[path]) if path in served else (404, {}, b"")

    server = Server(answer)
    try:
        for tag, words in (
            ("digest", "digest"),
            ("size", "bytes"),
            ("minus", "claims -1 bytes"),
            ("both", "ambiguous"),
            ("type", "ambiguous"),
            ("gone", "404"),
        ):
            done = cli("artifact", "pull", f"{server.address}/x:{tag}")
            assert done.returncode == 125
            assert words in done.stderr
            assert "Traceback" not in done.stderr
    finally:
        server.close()
    assert cli.ok("artifact", "ls", "-q") == ""
    assert set(os.listdir(f"{cli.root}/artifacts")) == LEAVINGS
    assert os.listdir(f"{cli.root}/artifacts/blobs/sha256") == []


def test_words_of_a_stranger_in_a_list(cli: Store) -> None:
    """Nothing of what a registry lists reaches the terminal as a command to it."""
    entry = {"mediaType": MANIFEST, "digest": digest(b"x"), "size": 9, "artifactType": "a\x1b[2Jb"}
    pages = {"": [entry], "last": [{**entry, "digest": digest(b"y")}]}

    def answer(path: str, _: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        if "/referrers/" in path:
            page = path.partition("?")[2]
            index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": pages[page]}
            link = {} if page else {"Link": '</v2/evil?last>; rel="next"'}
            return (200, {"Content-Type": INDEX, **link}, json.dumps(index).encode())
        many = {**entry, "platform": {"os": "\x1b[2J", "architecture": "x"}}
        index = {"schemaVersion": 2, "manifests": [many]}
        return (200, {"Content-Type": INDEX}, json.dumps(index).encode())

    server = Server(answer)
    try:
        said = cli.ok("artifact", "ls", "--remote", f"{server.address}/x:1")
        assert "\x1b" not in said
        assert len(said.splitlines()) == 3
        assert not any("evil" in path for path, _ in server.seen)
        refused = cli("pull", f"{server.address}/x:1").stderr
        assert r"it is there for \x1b[2J/x" in refused
        assert "\x1b" not in refused
    finally:
        server.close()
