"""`run`, `copy` and `add` in a working container: RUN, COPY and ADD without a Dockerfile."""

from __future__ import annotations

import posixpath

from rootless.build import copies, emulation, history
from rootless.build import settings as configuration
from rootless.build.cache.results import Result, key_of
from rootless.build.dockerfile import model
from rootless.build.dockerfile.errors import Source
from rootless.build.dockerfile.nodes import Node
from rootless.build.fetching import parts as remote
from rootless.build.files.origins import Origin
from rootless.build.scratch import Scratch
from rootless.build.steps import copy as copying
from rootless.build.steps import laying
from rootless.build.steps import run as running
from rootless.build.steps.command import Command as RunCommand
from rootless.build.working.direct import Asked, done
from rootless.containers.request import request as usual
from rootless.errors import UsageError
from rootless.oci import platform as platforms
from rootless.teller import QUIET
from rootless.times import now

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from rootless.build.dockerfile.mounts import Mount
    from rootless.build.files.ignore import Ignore
    from rootless.build.given import Given
    from rootless.build.steps.copy import Copy
    from rootless.build.working.container import Working
    from rootless.build.working.direct import Direct
    from rootless.containers.request import Fields
    from rootless.containers.running.ends import Ends
    from rootless.images.trees.stack import Stack
    from rootless.teller import Teller


def node(keyword: str, text: str = "") -> Node:
    """Return what an instruction is made of that stands in no file."""
    found = Node(Source(keyword, []), text or keyword, 0, 0, 0)
    found.keyword = keyword
    return found


_ALONE = ("networks",)
"""Lists of which the later one stands alone."""


class Command:
    """What is to run in a working container, and how."""

    def __init__(self, words: list[str]) -> None:
        self.words = words
        self.environment: list[list[str | None]] = []
        """[name, value] for this command alone."""
        self.user = ""
        self.workdir = ""
        self.fields: Fields = {}
        """Of the container of the command, where it is not as usual."""
        self.mounts: list[tuple[Mount, Origin | None]] = []
        """Those of RUN --mount."""
        self.given: Given | None = None
        self.ends: Ends | None = None
        self.told = False
        """Whether the history tells of it."""
        self.epoch: int | None = None


def run(working: Working, wish: Command, teller: Teller = QUIET) -> int:
    """Run it, and keep what it has changed, however it ended; return its exit code.

    Raises Conflict, LaunchError, StoreError.
    """
    with working.step(teller) as line:
        state = working.state
        emulation.check(platforms.of(state.about))
        command = RunCommand(wish.words, wish.environment)
        command.fields = _merged(working.extra.fields, wish.fields)
        command.mounts, command.ends, command.epoch = wish.mounts, wish.ends, wish.epoch
        command.keeps = True
        if wish.given is not None:
            command.given = wish.given
        settings = dict(state.settings)
        if wish.user:
            settings["User"] = wish.user
        if wish.workdir:
            settings["WorkingDir"] = configuration.directory(settings, wish.workdir)
        value = running.run(line, working.paths, state.stack, settings, command)
        text = history.run(wish.words, {})
        result = Result(value["layer"], {"created": now(), "text": text})
        working.take(result, text if wish.told else "")
        return int(value["code"])


def _merged(first: Fields, second: Fields) -> Fields:
    """Return what both say: of lists all, of what has several parts those that are unusual."""
    plain: dict[str, Any] = {**usual("")}
    found: dict[str, Any] = {**first}
    for name, value in second.items():
        before = found.get(name)
        if before is not None and name not in _ALONE:
            if isinstance(value, list):
                value = [*before, *value]  # noqa: PLW2901 - both
            elif isinstance(value, dict):
                value = _joined(before, value, plain[name])  # noqa: PLW2901 - both
        found[name] = value
    return found  # type: ignore[return-value]


def _joined(first: dict[str, Any], second: dict[str, Any], plain: dict[str, Any]) -> dict[str, Any]:
    """Return the parts of the first, with those of the second that are not as usual."""
    found = {**first}
    for name, value in second.items():
        if value != plain[name]:
            both = isinstance(value, list) and isinstance(first[name], list)
            found[name] = [*first[name], *value] if both else value
    return found


class Wanted:
    """What is to be copied, and how."""

    def __init__(self, sources: list[str], target: str) -> None:
        """`target` may be relative to the working directory, which it is where it is empty."""
        self.sources = sources
        self.target = target
        self.written = sources
        """The sources as they were asked for, which the history has."""
        self.origin = Origin("/")
        """Where paths are."""
        self.ignore: Ignore | None = None
        self.chown = ""
        self.chmod = ""
        self.adds = False
        """Whether archives are unpacked, and URLs fetched."""
        self.checksum = ""
        self.told = False
        """Whether the history tells of it."""
        self.epoch: int | None = None


def copy(working: Working, wish: Wanted, teller: Teller = QUIET) -> str:
    """Do it; return a digest of what was copied: hexadecimal, the same for the same content.

    Raises NotFound, UsageError, HttpError, StoreError.
    """
    if not wish.sources:
        raise UsageError(f"there is nothing to copy into container {working.name}", "name a source")
    instruction = _instruction(wish)
    with working.step(teller) as line, Scratch(working.paths) as scratch:
        state = working.state
        asked = copies.copy_of(instruction, state.settings, wish.origin)
        asked.manner.epoch = wish.epoch
        written = instruction.changed(sources=tuple(wish.written))
        asked.text = history.told(written, state.settings)
        asked.scratch = scratch.new() if asked.unpacks else ""
        way = _copied(line, working, asked, scratch)
        digest, value = done(line, working.paths, way)
        result = Result(value["layer"], value["notes"])
        working.take(result, asked.text if wish.told else "")
        return str(digest)


def _instruction(wish: Wanted) -> model.Copy:
    kind = model.Add if wish.adds else model.Copy
    target = wish.target
    if len(wish.sources) > 1 and target:
        target = posixpath.join(target, "")  # as buildah: several go into a directory
    found = kind(node("ADD" if wish.adds else "COPY"), tuple(wish.sources), target)
    found.chown, found.chmod = wish.chown, wish.chmod
    if isinstance(found, model.Add):
        found.checksum = wish.checksum
    return found


def _copied(
    line: Direct, working: Working, asked: Copy, scratch: Scratch
) -> Generator[Asked, Any, tuple[str, Any]]:
    """Have all here, and then the layer; return the digest of the content, and the result."""
    stack: Stack = working.state.stack
    digests = []
    for part in asked.parts:
        if isinstance(part, remote.Part):
            yield from part.bring(scratch, Asked)
        found = part.digest or (yield Asked(copying.read_digest, part.origin, part.wanted))
        digests.append([found, part.unpack])
    value = yield Asked(laying.copy_files, stack, asked)
    return key_of("copied", digests), value
