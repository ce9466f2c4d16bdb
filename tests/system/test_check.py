"""system check: what is damaged is named, and what can be mended is."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import user_mode

if TYPE_CHECKING:
    from conftest import Store

pytestmark = pytest.mark.once


def damaged(store: Store, *options: str) -> list[str]:
    done = store("system", "check", *options)
    lines = done.stdout.splitlines()
    assert done.returncode == (1 if any(line.startswith("damaged") for line in lines) else 0)
    assert done.stderr == ""
    return lines


@pytest.fixture
def used(busybox: Store) -> Store:
    """A store with the image and two containers, one of which has run."""
    busybox.ok("run", "--name", "one", "busybox", "touch", "/file")
    busybox.ok("create", "--name", "two", "busybox", "true")
    return busybox


def largest_blob(store: Store) -> Path:
    blobs = list(Path(store.root, "images/blobs/sha256").iterdir())
    return max(blobs, key=lambda path: path.stat().st_size)


@pytest.mark.each
def test_a_whole_store(used: Store) -> None:
    assert damaged(used) == []
    assert damaged(used, "--quick") == []


def test_a_bit_that_flipped(used: Store) -> None:
    blob = largest_blob(used)
    blob.chmod(0o600)
    data = bytearray(blob.read_bytes())
    data[len(data) // 2] ^= 1
    blob.write_bytes(data)
    assert damaged(used, "--quick") == []
    (line,) = damaged(used)
    assert "busybox:latest: blob sha256:" in line
    assert "--force removes the image" in line
    (left,) = damaged(used, "--repair")  # nothing that costs something
    why = "; not repaired: no record says which registry it came from (if there is one, "
    assert left.startswith(line.partition(" (--force")[0] + why)
    (repaired,) = damaged(used, "--force")
    assert repaired.startswith("repaired: ")
    assert used.ok("images", "-q") == ""


def test_a_blob_that_is_cut_or_gone(used: Store) -> None:
    blob = largest_blob(used)
    blob.chmod(0o600)
    os.truncate(blob, 100)
    assert "has 100, not" in damaged(used, "--quick")[0]
    blob.unlink()
    assert "no such file or directory" in damaged(used, "--quick")[0]


@pytest.mark.each
def test_a_layer_that_is_not_whole_is_unpacked_again(used: Store) -> None:
    (layer,) = Path(used.root, "layers").iterdir()
    os.symlink(f"{os.uname().nodename} of-another-boot", f"{layer}/boot")
    assert "was not unpacked to its end" in damaged(used)[0]
    lines = damaged(used, "--repair")
    assert all(line.startswith("repaired: ") for line in lines)
    assert len(lines) == 2  # the layer, and the first of the containers that stand on it
    assert damaged(used) == []
    used.ok("start", "-a", "one")


@pytest.mark.each
def test_a_layer_that_is_gone(used: Store) -> None:
    (layer,) = Path(used.root, "layers").iterdir()
    maps = ["--map-root-user", *(["--map-auto"] if user_mode() == "mapped" else [])]
    subprocess.run(["unshare", *maps, "rm", "-rf", str(layer)], check=True)
    assert len(damaged(used)) == 2
    damaged(used, "--repair")
    assert damaged(used) == []
    used.ok("start", "-a", "one")


def test_names(used: Store) -> None:
    names = Path(used.root, "containers/.names")
    identity = os.readlink(names / "one")
    (names / "one").unlink()
    (names / "alias").symlink_to(identity)
    (names / "nobody").symlink_to("f" * 64)
    lines = damaged(used)
    assert len(lines) == 2, "a name that leads nowhere goes with the next listing"
    assert all(line.startswith("repaired: ") for line in damaged(used, "--repair"))
    assert sorted(os.listdir(names)) == ["one", "two"]
    assert used.ok("inspect", "-f", "{{.Name}}", "one") == "/one"


def test_a_record_that_cannot_be_read(used: Store) -> None:
    identity = os.readlink(f"{used.root}/containers/.names/one")
    Path(f"{used.root}/containers/{identity}/config.json").write_text("{")
    (line,) = damaged(used, "--repair")
    assert "damaged record" in line
    assert "--force removes the container" in line
    damaged(used, "--force")
    assert used.ok("ps", "-a", "--format", "{{.Names}}") == "two"
    assert damaged(used) == []


def test_what_killed_commands_leave_is_no_damage(used: Store) -> None:
    left = Path(used.root, "driver.4194303")
    left.write_text("")
    os.utime(left, (0, 0))
    line = "of commands that were killed 1 files are left: driver.4194303"
    assert damaged(used) == [f"left over: {line}"]
    assert left.exists()
    assert damaged(used, "--repair") == [f"repaired: {line}"]
    assert not left.exists()


# -- df


def rows_of(shown: str, name: str) -> list[str]:
    """Return the columns of a container of that name in `system df -v`."""
    (line,) = [line for line in shown.splitlines() if line.split()[-1:] == [name]]
    return re.split(" {2,}", line)


def test_df(used: Store) -> None:
    used.ok("run", "-d", "--name", "three", "-v", "data:/data", "busybox", "sh", "-c",
            "head -c 3000000 /dev/zero > /data/x; sleep 1000")  # fmt: skip
    rows = {}
    for line in used.ok("system", "df", "--format", "json").splitlines():
        row = json.loads(line)
        rows[row["Type"]] = row
    assert (rows["Images"]["TotalCount"], rows["Images"]["Active"]) == ("1", "1")
    assert rows["Images"]["Size"].endswith("MB")
    assert rows["Images"]["Reclaimable"] == "0B (0%)"
    assert (rows["Containers"]["TotalCount"], rows["Containers"]["Active"]) == ("3", "1")
    assert (rows["Local Volumes"]["TotalCount"], rows["Local Volumes"]["Active"]) == ("1", "1")
    heading = used.ok("system", "df").splitlines()[0]
    assert heading.split() == "TYPE TOTAL ACTIVE SIZE RECLAIMABLE".split()
    shown = used.ok("system", "df", "-v")
    for word in ("Images space usage:", "data", "SHARED SIZE"):
        assert word in shown
    three = rows_of(shown, "three")
    assert three[1:3] == ["busybox", '"sh -c head -c 30000…"']
    assert three[3] == "1"
    assert three[5].endswith(" ago")
    assert three[6].startswith("Up ")
    three = rows_of(used.ok("system", "df", "-v", env={"ROOTLESS_DIALECT": "podman"}), "three")
    assert three[1] == used.ok("images", "-q")
    assert three[2].endswith("> /data/x; sleep 1000")
    assert "ago" not in three[5]
    assert three[6] == "running"
    used.ok("rm", "-fa")
    reclaimable = used.ok("system", "df", "--format", "{{.Type}} {{.Reclaimable}}").splitlines()
    assert reclaimable[0].endswith("(100%)")
