"""artifact add, ls, inspect, extract and rm."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from archives import digest

from rootless import Engine
from rootless.oci.errors import DigestError
from rootless.testing import Recorder

if TYPE_CHECKING:
    from conftest import Store

pytestmark = pytest.mark.once

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
TITLE = "org.opencontainers.image.title"
CREATED = "org.opencontainers.image.created"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A directory with a text, random bytes and a file that is mostly a hole."""
    made = tmp_path / "files"
    made.mkdir()
    (made / "a.txt").write_text("hello\n")
    (made / "b.bin").write_bytes(os.urandom(3_000_000))
    with open(made / "hole", "wb") as file:
        file.seek(50_000_000)
        file.write(b"end")
        file.truncate(90_000_000)
    return made


def manifest(store: Store, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(store.ok("artifact", "inspect", name))["Manifest"]
    return found


def left(store: Store) -> set[str]:
    """What there is in the layout of artifacts beside its own files."""
    path = f"{store.root}/artifacts"
    names = {name for name in os.listdir(path) if name not in ("oci-layout", "index.json")}
    return (names - {"blobs"}) | set(os.listdir(f"{path}/blobs/sha256"))


def test_add(cli: Store, files: Path) -> None:
    made = cli.ok("artifact", "add", "tools", f"{files}/a.txt", f"{files}/b.bin")
    found = json.loads(cli.ok("artifact", "inspect", "tools"))
    assert found["Digest"] == f"sha256:{made}"
    assert found["Name"] == "localhost/tools:latest"
    assert found["TotalSizeBytes"] == 3_000_006
    document = found["Manifest"]
    assert document["mediaType"] == MANIFEST
    assert document["artifactType"] == "application/vnd.unknown.artifact.v1"
    assert document["config"]["mediaType"] == EMPTY
    text, binary = document["layers"]
    assert text["digest"] == digest(b"hello\n")
    assert text["annotations"] == {TITLE: "a.txt"}
    assert text["mediaType"] == "text/plain; charset=utf-8"
    assert binary["mediaType"] == "application/octet-stream"
    shown = cli.ok("artifact", "ls").splitlines()[1].split()
    assert shown[:3] == ["localhost/tools", "latest", made[:12]]
    assert shown[-1] == "3MB"
    for name in ("localhost/tools", made, made[:8], f"sha256:{made}"):
        assert cli.ok("artifact", "inspect", "-f", "{{.Digest}}", name) == f"sha256:{made}"
    assert cli.ok("images", "-aq") == ""


def test_append_and_replace(cli: Store, files: Path) -> None:
    kind = ("--type", "application/x-model", "--annotation", "a=b")
    cli.ok("artifact", "add", *kind, "quay.io/me/model:1", f"{files}/a.txt")
    before = manifest(cli, "quay.io/me/model:1")
    line = ("artifact", "add", "--append", "--file-type", "x/y", "quay.io/me/model:1")
    cli.ok(*line, f"{files}/b.bin")
    after = manifest(cli, "quay.io/me/model:1")
    assert after["annotations"][CREATED] == before["annotations"][CREATED]
    assert after["artifactType"] == "application/x-model"
    assert after["layers"][0] == before["layers"][0]
    assert after["layers"][0]["annotations"] == {TITLE: "a.txt", "a": "b"}
    assert after["layers"][1]["mediaType"] == "x/y"
    assert "two files of the name 'b.bin'" in cli(*line, f"{files}/b.bin").stderr
    again = ("artifact", "add", "quay.io/me/model:1", f"{files}/a.txt")
    assert "already (--append or --replace)" in cli(*again).stderr
    made = cli.ok(*again, "--replace")
    assert len(left(cli)) == 3
    cli.ok("artifact", "add", "other", f"{files}/a.txt")
    assert cli.ok("artifact", "rm", "quay.io/me/model:1") == made
    assert digest(b"hello\n")[7:] in left(cli)
    cli.ok("artifact", "rm", "--all")
    assert left(cli) == set()


def test_many_at_once(cli: Store, files: Path) -> None:
    """Who adds to one artifact at the same time loses nothing, nor does who removes another."""
    cli.ok("artifact", "add", "all", f"{files}/a.txt")
    names = [f"f{number}" for number in range(6)]
    for name in names:
        (files / name).write_text("the same in all of them")
        cli.ok("artifact", "add", f"x{name}", f"{files}/{name}")
    line = ("artifact", "add", "--append", "all")
    adding = [cli.start(*line, f"{files}/{name}") for name in names]
    adding += [cli.start("artifact", "rm", f"x{name}") for name in names]
    for process in adding:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    layers = manifest(cli, "all")["layers"]
    assert sorted(one["annotations"][TITLE] for one in layers) == ["a.txt", *names]
    assert len(left(cli)) == 4


def test_refusals(cli: Store, files: Path) -> None:
    os.mkfifo(files / "pipe")
    for line, words in (
        (["add", "x", f"{files}/none"], "is missing"),
        (["add", "x", str(files)], "it is no file"),
        (["add", "x", f"{files}/pipe"], "it is no file"),
        (["add", "x", f"{files}/a.txt", f"{files}/a.txt"], "two files of the name"),
        (["add", "--append", "--type", "a/b", "x", f"{files}/a.txt"], "contradict each other"),
        (["add", "--append", "x", f"{files}/a.txt"], "no such artifact"),
        (["add", "--annotation", "x", "x", f"{files}/a.txt"], "KEY=VALUE"),
        (["add", "UPPER", f"{files}/a.txt"], "must be lowercase"),
        (["inspect", "x"], "no such artifact"),
        (["extract", "x", "y"], "no such artifact"),
        (["push", "x"], "no such artifact"),
    ):
        done = cli("artifact", *line)
        assert done.returncode == 125
        assert words in done.stderr
    assert cli("artifact", "rm", "x").returncode == 1
    assert cli("artifact", "rm", "--ignore", "x").returncode == 0
    assert not os.path.exists(f"{cli.root}/artifacts") or left(cli) == set()


def test_extract(cli: Store, files: Path, tmp_path: Path) -> None:
    """Files with holes take no room, neither in the store nor where they are extracted."""
    cli.ok("artifact", "add", "tools", *(f"{files}/{name}" for name in ("a.txt", "b.bin", "hole")))
    out = tmp_path / "out"
    out.mkdir()
    cli.ok("artifact", "extract", "tools", str(out))
    assert sorted(os.listdir(out)) == ["a.txt", "b.bin", "hole"]
    for name in os.listdir(out):
        assert (out / name).read_bytes() == (files / name).read_bytes()
    stored = [os.stat(f"{cli.root}/artifacts/blobs/sha256/{name}") for name in left(cli)]
    for status in (os.stat(out / "hole"), max(stored, key=lambda one: one.st_size)):
        assert status.st_size == 90_000_000
        assert status.st_blocks * 512 < 10_000_000
    several = cli("artifact", "extract", "tools", str(tmp_path / "one"))
    assert "choose a file with --title or --digest" in several.stderr
    cli.ok("artifact", "extract", "--title", "a.txt", "tools", str(tmp_path / "one"))
    assert (tmp_path / "one").read_text() == "hello\n"
    wanted = digest(b"hello\n")
    cli.ok("artifact", "extract", "--digest", wanted, "tools", str(out))
    assert (out / wanted.replace(":", "-")).read_text() == "hello\n"
    piped = cli.ok("artifact", "extract", "--title", "a.txt", "tools", "/dev/stdout")
    assert piped == "hello"
    assert (
        "has no file nothing"
        in cli("artifact", "extract", "--title", "nothing", "tools", ".").stderr
    )


def test_what_is_there_is_replaced_and_not_followed(
    cli: Store, files: Path, tmp_path: Path
) -> None:
    out, secret = tmp_path / "out", tmp_path / "secret"
    out.mkdir()
    secret.write_text("secret")
    (out / "a.txt").symlink_to(secret)
    cli.ok("artifact", "add", "tools", f"{files}/a.txt")
    cli.ok("artifact", "extract", "tools", str(out))
    assert secret.read_text() == "secret"
    assert (out / "a.txt").read_text() == "hello\n"
    assert not (out / "a.txt").is_symlink()
    os.unlink(out / "a.txt")
    (out / "a.txt").mkdir()
    done = cli("artifact", "extract", "tools", str(out))
    assert done.returncode == 125
    assert "cannot write" in done.stderr
    assert os.listdir(out) == ["a.txt"]


@pytest.mark.parametrize("title", ["../x", "/x", "a/b", "..", ".", "a\0b", "x" * 300, "a.txt"])
def test_titles_of_strangers(cli: Store, files: Path, tmp_path: Path, title: str) -> None:
    """The second file's name is bad, or is the first one's, too: then not even that is written."""
    cli.ok("artifact", "add", "tools", f"{files}/a.txt")
    document = manifest(cli, "tools")
    bad = {**document["layers"][0], "annotations": {TITLE: title}}
    data = json.dumps({**document, "layers": [*document["layers"], bad]}).encode()
    layout = Path(cli.root, "artifacts")
    (layout / "blobs/sha256" / digest(data)[7:]).write_bytes(data)
    index = json.loads((layout / "index.json").read_text())
    index["manifests"][0] |= {"digest": digest(data), "size": len(data)}
    (layout / "index.json").write_text(json.dumps(index))
    out = tmp_path / "out"
    out.mkdir()
    done = cli("artifact", "extract", "tools", str(out))
    assert done.returncode == 125
    assert "choose by --digest" in done.stderr
    assert os.listdir(out) == []
    assert sorted(os.listdir(tmp_path)) == ["files", "out"]


def test_a_damaged_file_is_not_extracted(cli: Store, files: Path, tmp_path: Path) -> None:
    cli.ok("artifact", "add", "tools", f"{files}/a.txt")
    Path(cli.root, "artifacts/blobs/sha256", digest(b"hello\n")[7:]).write_text("hullo\n")
    artifacts = Engine(cli.root).artifacts
    assert cli.ok("system", "check", "--quick") == ""
    found = cli("system", "check", "--repair")
    assert found.returncode == 1
    assert "artifact localhost/tools:latest: blob sha256:5891b5b522d5" in found.stdout
    with pytest.raises(DigestError):
        artifacts.extract("tools", str(tmp_path / "out"))
    assert os.listdir(tmp_path) == ["files"]
    Path(cli.root, "artifacts/blobs/sha256", artifacts.get("tools").digest[7:]).unlink()
    told = Recorder()
    assert artifacts.list(told) == []
    assert len(told.problems) == 1
    assert cli.ok("system", "check", "--force").startswith("repaired: artifact localhost/tools")
    assert cli.ok("artifact", "ls", "-q") == ""


def test_reset_takes_them_along(cli: Store, files: Path) -> None:
    cli.ok("artifact", "add", "tools", f"{files}/a.txt")
    assert "artifacts" in cli.ok("system", "reset", "--force")
    assert not os.path.exists(cli.root)
