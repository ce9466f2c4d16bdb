"""RUN --mount=type=cache: which directory it is, who may write there at once, how it begins."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest
from built import lay

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Store

pytestmark = pytest.mark.each

ADD = "echo x >> /k/n 2>/dev/null; echo has=$(cat /k/n | wc -l) $(stat -c %a:%u:%g /k)"
CASES = {
    # options of the mount, how many lines there are after the second of two builds, what /k is
    "as usual": ("", "4 755:0:0"),
    "an id is another": ("id=other", "2 755:0:0"),
    "a mode is another": ("mode=0700", "2 700:0:0"),
    "an owner is another": ("uid=7,gid=8", "2 755:7:8"),
    "how it is shared is not": ("sharing=locked", "5 755:0:0"),
    "nor what is written there": ("sharing=private", "6 755:0:0"),
    "only read": ("ro", "6 755:0:0"),
    "begun with files of a stage, which is another now": ("from=begin,source=/b", "3 755:0:0"),
}


def test_each_option(busybox: Store, tmp_path: Path, in_user_mode: str) -> None:
    """In one Dockerfile, in this order: those with the same name see each other's lines."""
    text = "FROM busybox AS begin\nRUN mkdir /b; echo a > /b/n; echo b >> /b/n\n"
    for number, (options, _) in enumerate(CASES.values()):
        mount = ",".join(filter(None, ["type=cache,target=/k", options]))
        text += f"FROM busybox AS s{number}\n"
        # Each after the one before, for their lines are counted.
        text += f"COPY --from=s{number - 1} /done /\n" if number else ""
        text += f"RUN --mount={mount} {ADD}; touch /done; rm -f /tmp/*\n"
    lay(tmp_path, {"Dockerfile": text})
    for _ in range(2):
        done = busybox("build", "--no-cache", str(tmp_path))
        assert done.returncode == 0, done.stderr
    wished = {name: wanted for name, (_, wanted) in CASES.items()}
    if in_user_mode == "single":  # all belongs to the one that there is
        wished["an owner is another"] = "2 755:0:0"
    said = re.findall(r"has=(\d+ \S+)$", done.stderr, re.MULTILINE)
    assert dict(zip(CASES, said, strict=True)) == wished


@pytest.mark.parametrize(("sharing", "at_once", "lines"), [
    ("shared", True, 2), ("locked", False, 2), ("private", True, 1),
])  # fmt: skip
def test_sharing(busybox: Store, tmp_path: Path, sharing: str, at_once: bool, lines: int) -> None:
    """Two stages at once: together in one, one after the other, or each in its own."""
    mount = f"--mount=type=cache,target=/k,sharing={sharing}"
    text = ""
    for name in "ab":
        text += (
            f"FROM busybox AS {name}\nRUN {mount} echo {name} >> /k/n; cut -d' ' -f1 /proc/uptime "
            f"> /from; sleep 1.5; cut -d' ' -f1 /proc/uptime > /to; wc -l < /k/n > /lines\n"
        )
    text += "FROM busybox\n" + "".join(f"COPY --from={x} /from /to /lines /{x}/\n" for x in "ab")
    lay(tmp_path, {"Dockerfile": text})
    busybox.ok("build", "--jobs", "2", "-t", "t", str(tmp_path), timeout=120)
    words = "/a/from /a/to /b/from /b/to /a/lines /b/lines".split()
    told = busybox.ok("run", "--rm", "t", "cat", *words).split()
    one, two = sorted([[float(x) for x in told[:2]], [float(x) for x in told[2:4]]])
    assert (two[0] < one[1]) is at_once
    assert max(map(int, told[4:])) == lines


def test_one_that_is_thrown_away_while_it_is_waited_for(busybox: Store, tmp_path: Path) -> None:
    """Whoever uses it keeps it; nobody writes into what is gone."""
    text = "FROM busybox\nRUN --mount=type=cache,target=/k echo > /k/n; sleep 2\n"
    lay(tmp_path, {"Dockerfile": text})
    with busybox.start("build", str(tmp_path)) as build:
        deadline = time.monotonic() + 30
        while "exec.cachemount" not in busybox.ok("buildx", "du", "--verbose"):
            assert time.monotonic() < deadline
        assert busybox.ok("builder", "prune", "-af").endswith("space: 0B")
        build.communicate(timeout=60)
    assert "exec.cachemount" in busybox.ok("buildx", "du", "--verbose")
