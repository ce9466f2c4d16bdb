"""Everyday command lines in both dialects, beside what docker and podman answer.

podman's answers are those of its release 4.3.1; docker's those of its client 28 and, for want of an
engine, of its documentation. What is compared are exit codes and lines, but for ids, times and
sizes, for what stands in parentheses behind an error, which is our hint, and for docker's saying
that it is its daemon that speaks.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests import ports

if TYPE_CHECKING:
    from tests.conftest import Store

pytestmark = [pytest.mark.once, pytest.mark.modes("mapped", "single"), pytest.mark.timeout(300)]

HERE = Path(__file__).parent / "transcripts"
PORT = "8085"
"""The one in the transcripts; a run takes one that is free."""

CONTEXT = {
    "f": "1\n",
    "Dockerfile": "FROM scratch\nCOPY f /\n",
    "bad": "FROM scratch\nCOPY none /\n",
    "typo": "FROM scratch\nCOPPY f /\n",
    "fails": "FROM busybox\nRUN exit 3\n",
    "two": "FROM busybox AS one\nRUN echo said\nFROM scratch\nCOPY --from=one /bin/sh /\n",
}

DAEMON = "Error response from daemon: "
THEIRS = (f"E| docker: {DAEMON}", f"E| {DAEMON}", "E| docker: ", "E| error: ")


class Entry(NamedTuple):
    """A line, what they answer, and where ours is another answer that, and the reason."""

    line: str
    theirs: list[str]
    ours: list[str]
    reason: str


def entries(dialect: str) -> list[Entry]:
    found = []
    for block in (HERE / f"{dialect}.txt").read_text().split("\n$ ")[1:]:
        line, *answer = block.splitlines()
        at = next((n for n, each in enumerate(answer) if each.startswith("! ")), None)
        if at is None:
            found.append(Entry(line, answer, answer, ""))
        else:
            found.append(Entry(line, answer[:at], answer[at + 1 :], answer[at][2:]))
    return found


def plain(lines: list[str]) -> list[str]:
    """Leave out what differs from run to run, and our hints."""
    done = []
    for line in lines:
        for prefix in THEIRS:
            line = re.sub(f"^{re.escape(prefix)}", "E| Error: ", line)
        if line.startswith("E| Error"):
            line = re.sub(r" \([^()]*(\([^()]*\)[^()]*)*\)$", "", line)
        line = re.sub(r"/blobs/\S+:", "/blobs/…:", line)  # whichever is asked for first
        line = re.sub(r"\b([0-9a-f]{64}|[0-9a-f]{11,12})\b", "ID", line)
        line = re.sub(r'^E\| time="[^"]*"', 'E| time="NOW"', line)
        line = re.sub(r"(About an?|Less than a|an?|\d+) (second|minute|hour|day)s?\b", "TIME", line)
        line = re.sub(r"\b\d+(\.\d+)? ?[kMG]?B\b", "SIZE", line)
        line = re.sub(r"^\d+ +sleep$", "PID sleep", line.strip())
        done.append(" ".join(line.split()))
    return [line for line in done if line]


def answer(store: Store, line: str, directory: Path) -> list[str]:
    done = store(*shlex.split(line), cwd=directory)
    said = [*done.stdout.splitlines(), *(f"E| {each}" for each in done.stderr.splitlines())]
    return [*said, f"[{done.returncode}]"]


@pytest.fixture
def archive(busybox: Store, tmp_path: Path) -> Path:
    """A directory with busybox.tar, docker's form of the image, and a store that is empty.

    And with a context, `app`, whose files are Dockerfiles of all kinds.
    """
    name = "docker.io/library/busybox:latest"
    busybox.ok("tag", "busybox", name)
    busybox.ok("save", "-o", str(tmp_path / "busybox.tar"), name)
    busybox.ok("system", "reset", "--force")
    (tmp_path / "app").mkdir()
    for file, text in CONTEXT.items():
        (tmp_path / "app" / file).write_text(text)
    return tmp_path


@pytest.mark.parametrize("dialect", ["docker", "podman"])
def test_transcript(busybox: Store, archive: Path, dialect: str) -> None:
    link = Path(busybox.directory, dialect)
    link.symlink_to(busybox.command[-1])
    busybox.command = [*busybox.command[:-1], str(link)]
    [number] = ports.free()
    port = str(number)
    wrong = []
    for entry in entries(dialect):
        line = entry.line.replace(PORT, port)
        got = plain([re.sub(rf"\b{port}\b", PORT, each) for each in answer(busybox, line, archive)])
        if got != plain(entry.ours):
            wrong += [f"$ {entry.line}", *got, "wanted:", *plain(entry.ours)]
    assert wrong == [], "\n" + "\n".join(wrong)


@pytest.mark.parametrize("dialect", ["docker", "podman"])
def test_reasons_are_of_something(dialect: str) -> None:
    """There are as many lines as were promised, and no reason where nothing differs."""
    found = entries(dialect)
    assert len(found) >= 150
    for entry in found:
        if entry.reason:
            assert plain(entry.theirs) != plain(entry.ours), entry.line
    assert sum(not entry.reason for entry in found) > 2 * len(found) / 3
