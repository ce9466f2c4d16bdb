"""system check --repair of artifacts: what is damaged comes again, and nothing else."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from archives import digest

from tests.system.test_mending import check, flip

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Store
    from faulty import Line

pytestmark = [pytest.mark.needs("docker-registry"), pytest.mark.once]

LEAVINGS = {"oci-layout", "index.json", "blobs"}
HARMS: list[Callable[[Path], None]] = [flip, lambda path: os.truncate(path, 1), os.unlink]


@pytest.fixture
def name(cli: Store, line: Line, tmp_path: Path) -> str:
    """The name of an artifact of two files that was pulled."""
    for letter in "ab":
        (tmp_path / letter).write_bytes(letter.encode() * 2_000_000)
    cli.ok("artifact", "add", "model", f"{tmp_path}/a", f"{tmp_path}/b")
    cli.ok("artifact", "push", "-q", "model", f"{line.address}/m:1")
    cli.ok("artifact", "rm", "model")
    cli.ok("artifact", "pull", "-q", f"{line.address}/m:1")
    return f"{line.address}/m:1"


def blobs(store: Store) -> list[Path]:
    return sorted(Path(store.root, "artifacts/blobs/sha256").iterdir())


def file(store: Store, content: bytes) -> Path:
    return Path(store.root, "artifacts/blobs/sha256", digest(content)[7:])


def test_every_blob_is_mended_by_itself(cli: Store, line: Line, name: str, tmp_path: Path) -> None:
    """Manifest, configuration and files: flipped, cut or gone."""
    assert len(blobs(cli)) == 4
    for blob in blobs(cli):
        whole = blob.read_bytes()
        for harm in HARMS:
            harm(blob)
            line.seen.clear()
            (told,) = check(cli, "--repair")
            assert told.startswith(f"repaired: artifact {name}: blob sha256:{blob.name[:12]}")
            assert blob.read_bytes() == whole
            asked = [path.rpartition("/")[2] for method, path in line.seen if "m/" in path]
            assert asked == [f"sha256:{blob.name}"]
            assert check(cli) == []
    assert set(os.listdir(f"{cli.root}/artifacts")) == LEAVINGS
    cli.ok("artifact", "extract", "--title", "b", name, f"{tmp_path}/back")
    assert (tmp_path / "back").read_bytes() == (tmp_path / "b").read_bytes()


def test_all_that_is_damaged_is_told(cli: Store, name: str) -> None:
    for letter in (b"a", b"b"):
        flip(file(cli, letter * 2_000_000))
    told = check(cli)
    assert len(told) == 2
    assert all(one.startswith(f"damaged: artifact {name}: blob") for one in told)
    assert check(cli, "--quick") == []
    assert [one.partition(":")[0] for one in check(cli, "--repair")] == ["repaired"] * 2


def test_a_file_that_another_artifact_has_from_a_registry(
    cli: Store, name: str, tmp_path: Path
) -> None:
    cli.ok("artifact", "add", "again", f"{tmp_path}/a")
    blob = file(cli, b"a" * 2_000_000)
    blob.unlink()
    (told,) = check(cli, "--repair")
    assert told.startswith("repaired: artifact")
    assert check(cli) == []


def test_what_was_added_here(cli: Store, line: Line, name: str, tmp_path: Path) -> None:
    """The registry has not what was added to a pulled artifact, nor what was made here."""
    (tmp_path / "c").write_bytes(b"c")
    cli.ok("artifact", "add", "--append", name, f"{tmp_path}/c")
    flip(file(cli, b"a" * 2_000_000))
    assert check(cli, "--repair")[0].startswith("repaired: ")
    flip(file(cli, b"c"))
    (told,) = check(cli, "--repair")
    assert told.startswith("damaged: ")
    assert "not repaired: " in told
    assert "404" in told
    cli.ok("artifact", "rm", name)
    cli.ok("artifact", "add", "mine", f"{tmp_path}/c")
    flip(file(cli, b"c"))
    (told,) = check(cli, "--repair")
    assert "not repaired: no record says which registry it came from" in told
    assert "--force removes the artifact: pull or add it again" in told


def test_a_record_of_an_earlier_version(cli: Store, line: Line, name: str) -> None:
    """It does not say where the artifact came from: to pull it again does, and fetches nothing."""
    index = Path(cli.root, "artifacts/index.json")
    document = json.loads(index.read_bytes())
    del document["manifests"][0]["annotations"]["rootless.source-digests"]
    index.write_text(json.dumps(document))
    flip(file(cli, b"a" * 2_000_000))
    line.seen.clear()
    (told,) = check(cli, "--repair")
    assert "(if there is one, pulling it again makes the record)" in told
    assert line.seen == []
    cli.ok("artifact", "pull", "-q", name)
    assert not any("/blobs/" in path for _, path in line.seen)
    (told,) = check(cli, "--repair")
    assert told.startswith("repaired: ")


def test_a_registry_that_lies_or_is_gone(cli: Store, line: Line, name: str) -> None:
    blob = file(cli, b"a" * 2_000_000)
    flip(blob)
    damaged = blob.read_bytes()
    line.fault = lambda path: "flip" if "/blobs/" in path else ""
    (told,) = check(cli, "--repair")
    assert "not repaired: " in told
    assert "has the digest" in told
    assert blob.read_bytes() == damaged
    assert set(os.listdir(f"{cli.root}/artifacts")) == LEAVINGS
    left = ["cut", "busy"]
    line.fault = lambda path: left.pop() if "/blobs/" in path and left else ""
    assert check(cli, "--repair")[0].startswith("repaired: ")
