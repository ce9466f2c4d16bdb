"""What counts for the cache, and what does not: each case changes one thing between two builds."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import pytest
from built import lay

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Store

pytestmark = pytest.mark.once

COPY = "FROM busybox\nCOPY d /d\nRUN true\n"
FILES = {"d/a": "1", "d/e": None, "d/l": "->a"}
CASES: dict[str, tuple[str, dict[str, Any], str, dict[str, Any], int]] = {
    # name: Dockerfile, further files, the same once more, how many steps are cached then
    "nothing": (COPY, {}, COPY, {}, 2),
    "a comment and blanks": (COPY, {}, "# x\nFROM busybox\n\nCOPY  d   /d\n# y\nRUN true\n", {}, 2),
    "a label before": (COPY, {}, COPY.replace("COPY", "LABEL a=b\nCOPY"), {}, 2),
    "a command before": (COPY, {}, COPY.replace("COPY", "CMD x\nCOPY"), {}, 2),
    "a port before": (COPY, {}, COPY.replace("COPY", "EXPOSE 80\nCOPY"), {}, 2),
    "a variable before": (COPY, {}, COPY.replace("COPY", "ENV A=b\nCOPY"), {}, 1),
    "an argument that is in scope": (
        COPY.replace("RUN", "ARG A=1\nRUN"),
        {},
        COPY.replace("RUN", "ARG A=2\nRUN"),
        {},
        1,
    ),
    "an argument that comes later": (COPY, {}, f"{COPY}ARG A=2\n", {}, 2),
    "a user before a command": (COPY, {}, COPY.replace("RUN", "USER 5\nRUN"), {}, 1),
    "content": (COPY, {}, COPY, {"d/a": "2"}, 0),
    "a mode": (COPY, {}, COPY, {"d/a": (0o600, "1")}, 0),
    "a name": (COPY, {}, COPY, {"d/b": "1"}, 0),
    "an empty directory": (COPY, {}, COPY, {"d/f": None}, 0),
    "what is not copied": (COPY, {}, COPY, {"other": "1"}, 2),
    "an owner": (COPY, {}, COPY.replace("COPY", "COPY --chown=5:6"), {}, 0),
    "a mode that is asked for": (COPY, {}, COPY.replace("COPY", "COPY --chmod=700"), {}, 0),
    "another place": (COPY, {}, COPY.replace("/d", "/x"), {}, 0),
    "the network of a command": (COPY, {}, COPY.replace("RUN", "RUN --network=none"), {}, 1),
    "the text of a heredoc": (
        "FROM busybox\nRUN <<E\necho 1\nE\n",
        {},
        "FROM busybox\nRUN <<E\necho 2\nE\n",
        {},
        0,
    ),
    "what is mounted": (
        "FROM busybox\nRUN --mount=target=/c,source=d cat /c/a\n",
        {},
        "FROM busybox\nRUN --mount=target=/c,source=d cat /c/a\n",
        {"d/a": "2"},
        0,
    ),
    "what is beside that which is mounted": (
        "FROM busybox\nRUN --mount=target=/c,source=d cat /c/a\n",
        {},
        "FROM busybox\nRUN --mount=target=/c,source=d cat /c/a\n",
        {"other": "2"},
        1,
    ),
}


def cached(store: Store, *args: str) -> int:
    """Build, and return how many steps were not done again."""
    done = store("build", *args)
    assert done.returncode == 0, done.stderr
    return len(re.findall(r"CACHED", done.stderr))


@pytest.mark.parametrize("case", CASES)
def test_what_counts(case: str, shared: Store, tmp_path: Path) -> None:
    first, files, second, changed, hits = CASES[case]
    # A line of its own keeps the cases of this store apart.
    salt = f"FROM busybox\nWORKDIR /w{sorted(CASES).index(case)}\n"
    lay(tmp_path, {**FILES, **files, "Dockerfile": first.replace("FROM busybox\n", salt)})
    shared.ok("build", str(tmp_path))
    for name, content in FILES.items():
        if content is not None:
            os.utime(tmp_path / name, (1, 1), follow_symlinks=False)
    lay(tmp_path, {**changed, "Dockerfile": second.replace("FROM busybox\n", salt)})
    assert cached(shared, str(tmp_path)) == hits + 1


def test_one_stage_or_all_is_done_again(busybox: Store, tmp_path: Path) -> None:
    text = "FROM busybox AS one\nRUN echo 1 > /1\nFROM one AS two\nCOPY f /\nRUN echo 2 > /2\n"
    lay(tmp_path, {"f": "", "Dockerfile": text})
    assert cached(busybox, str(tmp_path)) == 0
    assert cached(busybox, str(tmp_path)) == 3
    assert cached(busybox, "--no-cache-filter", "two", str(tmp_path)) == 1
    assert cached(busybox, "--no-cache-filter=x,1", str(tmp_path)) == 1
    assert cached(busybox, "--no-cache", str(tmp_path)) == 0


def test_what_is_too_old_does_not_count(busybox: Store, tmp_path: Path) -> None:
    lay(tmp_path, {"f": "", "Dockerfile": "FROM busybox\nCOPY f /\nRUN echo 2 > /2\n"})
    assert cached(busybox, str(tmp_path)) == 0
    assert cached(busybox, "--cache-ttl", "1h", str(tmp_path)) == 2
    assert cached(busybox, "--cache-ttl", "0", str(tmp_path)) == 0
    assert "'soon'" in busybox("build", "--cache-ttl", "soon", str(tmp_path)).stderr


def test_a_secret_counts_if_it_is_wanted(busybox: Store, tmp_path: Path) -> None:
    """By nothing from which it could be found out without this store's key."""
    lay(tmp_path, {"Dockerfile": "FROM busybox\nRUN --mount=type=secret,id=s true\n", "s": "one"})
    usual = ["--secret", f"id=s,src={tmp_path}/s", str(tmp_path)]
    counted = ["--secret", f"id=s,cache=content,src={tmp_path}/s", str(tmp_path)]
    assert cached(busybox, *usual) == 0
    assert cached(busybox, *counted) == 0
    lay(tmp_path, {"s": "two"})
    assert cached(busybox, *usual) == 1
    assert cached(busybox, *counted) == 0
    assert cached(busybox, *counted) == 1
    key = f"{busybox.root}/builds/key"
    assert os.stat(key).st_mode & 0o777 == 0o600
    os.unlink(key)
    assert cached(busybox, *counted) == 0


def test_what_is_cached_has_the_same_id(shared: Store, tmp_path: Path) -> None:
    """Without a base and without a RUN, too: an image was made when its last layer was."""
    lay(tmp_path, {"Dockerfile": "FROM scratch\nCOPY f /\nWORKDIR /w\nLABEL a=b\n", "f": "cached"})
    first = shared.ok("build", "-q", str(tmp_path))
    assert shared.ok("build", "-q", str(tmp_path)) == first
    assert shared.ok("build", "-q", "--no-cache", str(tmp_path)) != first
