"""`--cache-to mounts=true`: what RUN --mount=type=cache keeps, in another store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from built import lay

from tests.conftest import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.each

FILL = (
    "mkdir -p /k/d && echo 1 > /k/d/f && chown 33:44 /k/d/f && chmod 600 /k/d/f && ln -sf d/f /k/l "
    "&& ln -f /k/d/f /k/h && chmod 1777 /k/d && touch /k/.wh.x && mkfifo /k/p"
)
LIST = "cd /k && find . -exec stat -c '%n %A %h %u:%g %N' {} + | sort; cat /k/l"
MOUNT = "--mount=type=cache,id=kept,target=/k,uid=7,gid=8,mode=0750"


@pytest.fixture
def other(busybox_image: str) -> Iterator[Store]:
    """Another store, of a user with one id."""
    store = Store()
    store.env["ROOTLESS_IDENTITY"] = "single"
    store.ok("load", "--input", busybox_image)
    yield store
    store.remove()


def said(store: Store, place: Path, run: str, *options: str) -> list[str]:
    """Build with one RUN; return what it has written, without the times before it."""
    lay(place, {"Dockerfile": f"FROM busybox\nRUN {MOUNT} {run}\n"})
    done = store("build", "--progress", "plain", *options, str(place), timeout=120)
    assert done.returncode == 0, done.stderr
    return [
        line.split(" ", 2)[2]
        for line in done.stderr.splitlines()
        if line.startswith("#") and line.split(" ")[1][:2] in ("0.", "1.", "2.")
    ] + [line for line in done.stderr.splitlines() if "Warning" in line]


def test_they_come_along_with_owners_and_modes(
    busybox: Store, other: Store, tmp_path: Path, in_user_mode: str
) -> None:
    """Twice: to a user with one id, who has one owner only, and back."""
    to = f"--cache-to=type=local,dest={tmp_path}/cache,mounts=true"
    said(busybox, tmp_path / "c", FILL, to)
    here = said(busybox, tmp_path / "c", LIST)
    there = said(other, tmp_path / "c", LIST, f"--cache-from=type=local,src={tmp_path}/cache")
    assert [line.split()[0] for line in here if line[:1] == "."] == [
        ".", "./.wh.x", "./d", "./d/f", "./h", "./l", "./p",
    ]  # fmt: skip
    owners = {line.split()[0]: line.split()[3] for line in here if line[:1] == "."}
    if in_user_mode != "single":
        assert (owners["."], owners["./d/f"]) == ("7:8", "33:44")

    def without_owners(lines: list[str]) -> list[str]:
        return [" ".join((*line.split()[:3], *line.split()[4:])) for line in lines]

    assert without_owners(there) == without_owners(here)
    # What is there wins over what could be had.
    said(other, tmp_path / "c", "echo 2 > /k/d/f && echo 3 > /k/new")
    to = f"--cache-to=type=local,dest={tmp_path}/back,mounts=true"
    said(other, tmp_path / "c", "true", to)
    by = f"--cache-from=type=local,src={tmp_path}/back"
    assert said(busybox, tmp_path / "c", f"{LIST} #", by) == here
    busybox.ok("builder", "prune", "-af")
    back = said(busybox, tmp_path / "c", LIST, by)
    assert back[-1] == "2"
    found = {line.split()[0]: line.split()[3] for line in back if line[:1] == "."}
    assert found == owners | {"./new": "0:0"}


def test_one_that_is_damaged_begins_empty(busybox: Store, other: Store, tmp_path: Path) -> None:
    """It is a warning; an archive that leads out writes nothing there."""
    to = f"--cache-to=type=local,dest={tmp_path}/cache,mounts=true"
    said(busybox, tmp_path / "c", FILL, to)
    for blob in (tmp_path / "cache/blobs/sha256").iterdir():
        if blob.read_bytes()[:2] == b"\x1f\x8b":
            blob.write_bytes(b"x" * blob.stat().st_size)
    by = f"--cache-from=type=local,src={tmp_path}/cache"
    lines = said(other, tmp_path / "c", "ls -A /k | wc -l", by)
    assert lines[0] == "0"
    assert "the cache mount kept is not imported" in lines[-1]


def test_what_nobody_here_has_stays_where_it_is(
    busybox: Store, other: Store, tmp_path: Path
) -> None:
    """An export by a build whose RUNs were all cached leaves the mounts that were there."""
    to = f"--cache-to=type=local,dest={tmp_path}/cache,mounts=true"
    by = f"--cache-from=type=local,src={tmp_path}/cache"
    said(busybox, tmp_path / "c", FILL, to)
    assert said(other, tmp_path / "c", FILL, to, by) == []
    busybox.ok("builder", "prune", "-af")
    assert said(busybox, tmp_path / "c", "cat /k/l", by) == ["1"]
    # Without mounts=true there are none.
    said(other, tmp_path / "c", FILL, to.replace(",mounts=true", ""), by)
    busybox.ok("builder", "prune", "-af")
    assert said(busybox, tmp_path / "c", "ls -A /k | wc -l", by) == ["0"]
