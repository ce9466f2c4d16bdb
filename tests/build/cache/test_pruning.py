"""`builder prune`, `buildx du` and the cap: what goes, what stays, and what that frees."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from built import lay

if TYPE_CHECKING:
    from conftest import Store

pytestmark = pytest.mark.each

ZEROS = "head -c 300000 /dev/zero"


def built(store: Store, directory: Path, text: str, *args: str) -> int:
    """Build, and return how many steps were cached."""
    lay(directory, {"Dockerfile": text})
    done = store("build", *args, str(directory))
    assert done.returncode == 0, done.stderr
    return int(done.stderr.count("CACHED"))


def held(store: Store) -> tuple[int, int]:
    """The results that there are, and the layers that are kept for them."""
    results = [name for _, _, names in os.walk(f"{store.root}/builds/results") for name in names]
    return len(results), len(os.listdir(f"{store.root}/builds/layers"))


def trees(store: Store) -> set[str]:
    return {name for name in os.listdir(f"{store.root}/layers") if name[0] != "."}


def age(store: Store, seconds: float) -> None:
    """Let all results have been used so long ago."""
    moment = time.time() - seconds
    for place, _, names in os.walk(f"{store.root}/builds/results"):
        for name in names:
            os.utime(f"{place}/{name}", (moment, moment))


def test_layers_go_with_their_last_result(busybox: Store, tmp_path: Path) -> None:
    before = trees(busybox)
    text = f"FROM busybox\nRUN {ZEROS} > /a\nRUN rm /a\nRUN true\n"
    built(busybox, tmp_path, text, "-t", "t")
    assert held(busybox) == (3, 2)
    # Layers that images have stay without --all: that would free nothing.
    lines = busybox.ok("builder", "prune", "-f").splitlines()
    assert len(lines) == 4  # the step that did nothing has no layer
    assert lines[0] == "Deleted build cache objects:"
    assert lines[-1] == "Total reclaimed space: 0B"
    assert held(busybox) == (2, 2)
    busybox.ok("builder", "prune", "-af")
    assert held(busybox) == (0, 0)
    assert len(trees(busybox)) == len(before) + 2
    assert built(busybox, tmp_path, text) == 0
    busybox.ok("rmi", "-f", "t")
    busybox.ok("image", "prune", "-f")
    freed = busybox.ok("builder", "prune", "-f").splitlines()[-1]
    assert re.fullmatch(r"Total reclaimed space: 6\d\dkB", freed)
    assert trees(busybox) == before
    assert held(busybox) == (0, 0)


def test_filters(busybox: Store, tmp_path: Path) -> None:
    text = f"FROM busybox\nRUN {ZEROS} > /a\nRUN --mount=type=cache,id=k,target=/k echo > /k/1\n"
    built(busybox, tmp_path, text, "--no-cache")
    shown = busybox.ok("buildx", "du", "--verbose")
    assert re.search(r"^Description: +RUN head -c", shown, re.MULTILINE)
    assert re.search(r"^Description: +cache mount k$", shown, re.MULTILINE)
    assert re.search(r"^Type: +exec.cachemount$", shown, re.MULTILINE)
    (first,) = re.findall(r"^ID: +(\w+)\n(?:.+\n)*Description: +RUN head", shown, re.MULTILINE)

    def gone(*filters: str) -> int:
        words = [word for one in filters for word in ("--filter", one)]
        return max(0, len(busybox.ok("builder", "prune", "-af", *words).splitlines()) - 3)

    assert gone("until=1h") == 0
    assert gone("unused-for=1h", "type=regular") == 0
    assert gone("id=nothing") == 0
    assert gone("type=exec.cachemount", "description~=^nothing") == 0
    assert gone("type=exec.cachemount", "description~=mount k") == 1
    assert gone(f"id={first}") == 1
    assert gone("inuse") == 0
    assert gone("type=regular") == 1
    done = busybox("builder", "prune", "-f", "--filter", "color=red")
    assert done.returncode != 0
    assert "invalid filter 'color'" in done.stderr
    assert "'soon'" in busybox("builder", "prune", "-f", "--filter", "until=soon").stderr


def test_the_least_recently_used_leaves_go_first(busybox: Store, tmp_path: Path) -> None:
    """Never what others were made upon, though it is used no later."""
    for name in "abc":
        text = f"FROM busybox\nRUN {ZEROS} > /{name}\nRUN {ZEROS} > /{name}{name}\n"
        built(busybox, tmp_path, text, "-t", "t")
        busybox.ok("rmi", "-f", "t")
        time.sleep(0.02)
    rows = [line.split() for line in busybox.ok("buildx", "du").splitlines()]
    assert rows[0][:3] == ["ID", "RECLAIMABLE", "SIZE"]
    assert rows[-2][0] == "Reclaimable:"
    assert rows[-1][1].startswith("3.6")
    # Each is 0.6 MB: three of them are to stay, but for what a chain needs.
    busybox.ok("builder", "prune", "-f", "--keep-storage", "1900000")
    lay(tmp_path, {"Dockerfile": text})
    assert busybox("build", str(tmp_path)).stderr.count("CACHED") == 2
    for name, hits in (("b", 1), ("a", 0)):
        text = f"FROM busybox\nRUN {ZEROS} > /{name}\nRUN {ZEROS} > /{name}{name}\n"
        assert built(busybox, tmp_path, text) == hits, name
    busybox.ok("builder", "prune", "-f", "--max-used-space", "1MB", "--reserved-space", "100")
    assert busybox.ok("builder", "prune", "-f", "--min-free-space", "1").endswith(" 0B")


def test_the_cap_is_kept_while_it_is_built(busybox: Store, tmp_path: Path) -> None:
    """By throwing away what was used least recently; never what the build itself has made."""
    config = Path(busybox.env["XDG_CONFIG_HOME"], "rootless/config.toml")
    config.parent.mkdir(parents=True)
    config.write_text('[build]\ncache-bytes = "2MB"\n')
    for number in range(6):
        built(busybox, tmp_path, f"FROM busybox\nRUN {ZEROS} > /{number}\n", "-t", "t")
        busybox.ok("rmi", "-f", "t")
        (total,) = re.findall(r"^Total: +(\S+)([kM])B", busybox.ok("buildx", "du"), re.MULTILINE)
        assert float(total[0]) * (1 if total[1] == "M" else 0.001) <= 2.1
    assert held(busybox) == (3, 3)
    steps = "".join(f"RUN {ZEROS} > /{number}\n" for number in range(10, 15))
    built(busybox, tmp_path, f"FROM busybox\n{steps}", "-t", "t")
    assert built(busybox, tmp_path, f"FROM busybox\n{steps}") == 5
    config.write_text('[build]\ncache-bytes = "much"\n')
    done = busybox("build", "--no-cache", str(tmp_path))
    assert done.returncode != 0
    assert "cache-bytes" in done.stderr


def test_what_a_running_build_has_used_stays(busybox: Store, tmp_path: Path) -> None:
    text = f"FROM busybox\nRUN {ZEROS} > /a\n"
    built(busybox, tmp_path, text)
    age(busybox, 100)
    (tmp_path / "Dockerfile").write_text(f"{text}RUN sleep 3\nRUN ls /a > /b\n")
    build = busybox.start("build", "-t", "t", str(tmp_path))
    deadline = time.monotonic() + 30
    while not re.search(r"^\w+ +false ", busybox.ok("buildx", "du"), re.MULTILINE):
        assert time.monotonic() < deadline
    assert busybox.ok("builder", "prune", "-af") == "Total reclaimed space: 0B"
    assert "Build Cache" in busybox.ok("system", "df")
    _, errors = build.communicate(timeout=60)
    assert build.returncode == 0, errors
    assert busybox.ok("run", "--rm", "t", "cat", "/b") == "/a"


def test_the_store_as_a_whole(busybox: Store, tmp_path: Path) -> None:
    """df has a row for it, system prune takes it, and reset leaves nothing."""
    text = f"FROM busybox\nRUN {ZEROS} > /a\nRUN --mount=type=cache,target=/k {ZEROS} > /k/1\n"
    built(busybox, tmp_path, text, "-t", "t")
    busybox.ok("rmi", "-f", "t")

    def row() -> list[str]:
        lines = busybox.ok("system", "df").splitlines()
        return next(line.split()[2:] for line in lines if line.startswith("Build Cache"))

    assert row()[:2] == ["3", "0"]
    assert row()[2].startswith("9")
    assert "exec.cachemount" in busybox.ok("system", "df", "-v")
    busybox.ok("image", "prune", "-f", "--build-cache")
    assert row()[0] == "2"
    busybox.ok("system", "prune", "-f", "--filter", "until=1h")
    assert row()[0] == "2"
    lines = busybox.ok("system", "prune", "-f", "--build").splitlines()
    assert "Deleted build cache objects:" in lines
    assert row() == ["0", "0", "0B", "0B"]
    built(busybox, tmp_path, text)
    busybox.ok("system", "reset", "--force")
    assert not os.path.exists(busybox.root)
