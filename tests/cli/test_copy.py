"""copy, search and inspect --remote as commands: their options, and what they print."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.images.conftest import registry as registry

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Store

pytestmark = [pytest.mark.needs("skopeo", "docker-registry"), pytest.mark.once]


def test_copy_tells_the_digest(cli: Store, busybox_image: str, tmp_path: Path) -> None:
    source = f"oci:{busybox_image}:busybox:latest"
    done = cli("copy", source, f"oci:{tmp_path}/o:1", "--digestfile", f"{tmp_path}/digest")
    assert done.returncode == 0, done.stderr
    digest = done.stdout.strip()
    assert (tmp_path / "digest").read_text() == digest
    assert "copied" in done.stderr
    assert "exists" in cli("image", "copy", source, f"oci:{tmp_path}/o:2").stderr
    quiet = cli("copy", "-q", source, "mine:1")
    assert (quiet.stdout, quiet.stderr) == ("", "")
    assert cli.ok("inspect", "-f", "{{.Digest}}", "mine:1") == digest
    told = cli.ok("inspect", "--remote", "-f", "{{.Digest}}", f"oci:{tmp_path}/o:1")
    assert told == digest
    assert cli.ok("push", "-q", "mine:1", f"oci-archive:{tmp_path}/a.tar:1") == ""
    pulled = cli.ok("pull", "-q", f"oci-archive:{tmp_path}/a.tar")
    assert cli.ok("inspect", "-f", "{{.Id}}", "mine:1") == f"sha256:{pulled}"
    cli.ok("save", "-q", "-m", "--uncompressed", "-o", f"{tmp_path}/saved.tar", "mine:1")
    assert cli.ok("load", "-i", f"{tmp_path}/saved.tar").endswith("mine:1")
    raw = json.loads(cli.ok("image", "inspect", "--remote", "--raw", f"oci:{tmp_path}/o:1"))
    config = json.loads(cli.ok("inspect", "--remote", "--config", f"oci:{tmp_path}/o:1"))
    assert len(raw["layers"]) == len(config["rootfs"]["diff_ids"])


def test_run_takes_an_image_from_a_file(cli: Store, busybox_image: str) -> None:
    line = ("run", "--rm", "--network", "none", f"oci:{busybox_image}:busybox:latest")
    assert cli.ok(*line, "echo", "hello") == "hello"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("copy oci:nowhere:1 x", "index.json is missing"),
        ("copy nothing oci:x:1", "No such image: nothing"),
        ("copy docker-daemon:x y", "docker-daemon is not supported"),
        ("copy --compression-level 3 x oci:y", "which compression"),
        ("copy --all --platform linux/arm64 x oci:y", "contradict"),
        ("copy --retry -1 x oci:y", "makes no sense"),
        ("inspect --raw x", "--raw goes with --remote"),
        ("inspect --remote --raw --format x y", "contradict"),
        ("inspect --remote", "requires at least 1 argument"),
        ("search --limit 0 x", "makes no sense"),
        ("search --list-tags -f stars=1 x", "exclude each other"),
        ("push nothing dir:x", "No such image: nothing"),
        ("pull --all-tags oci:x", "in no registry"),
        ("save --format docker-dir host", "cannot be saved"),
    ],
)
def test_mistakes_are_one_line(cli: Store, tmp_path: Path, line: str, said: str) -> None:
    done = cli(*line.split(), cwd=tmp_path)
    assert done.returncode == (125 if line.startswith("copy") else 1)
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_search(cli: Store, tmp_path: Path, busybox_image: str, registry: str) -> None:
    source = f"oci:{busybox_image}:busybox:latest"
    cli.ok("copy", "-q", "--dest-tls-verify=false", source, f"docker://{registry}/team/tools:7")
    lines = cli.ok("search", "--compatible", f"{registry}/tools").splitlines()
    assert lines[0].split() == ["NAME", "DESCRIPTION", "STARS", "OFFICIAL"]
    assert lines[1].split() == [f"{registry}/team/tools", "0"]
    found = json.loads(cli.ok("search", "--format", "json", f"{registry}/"))
    assert found["Name"] == f"{registry}/team/tools"
    assert found["StarCount"] == 0
    words = ("search", "--format", "{{.Index}} {{.Stars}} {{.Official}}", f"{registry}/")
    assert cli.ok(*words) == f"{registry} 0 "
    listed = cli.ok("search", "--list-tags", f"{registry}/team/tools").splitlines()
    assert [line.split() for line in listed] == [["NAME", "TAG"], [f"{registry}/team/tools", "7"]]
    told = json.loads(cli.ok("search", "--list-tags", "--format", "json", f"{registry}/team/tools"))
    assert told == [{"Name": f"{registry}/team/tools", "Tags": ["7"]}]
