"""`config`: the settings of the image that is made in a working container.

What Dockerfiles have instructions for is done by those, so that the image gets the same; the rest,
what is taken away above all, only scripts can say.
"""

from __future__ import annotations

from rootless.build import history
from rootless.build import settings as configuration
from rootless.build.cache.results import Result
from rootless.build.dockerfile import model
from rootless.build.steps import laying
from rootless.teller import QUIET
from rootless.times import now

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.build.dockerfile.model import Instruction
    from rootless.build.working.container import Working
    from rootless.build.working.direct import Direct
    from rootless.teller import Teller

    Document = dict[str, Any]

FEATURES = "os.features"


class Changes:
    """What is to become another."""

    def __init__(self) -> None:
        self.instructions: list[Instruction] = []
        self.removed: dict[str, list[str]] = {}
        """Of a setting with several entries (Env, Labels, ExposedPorts, Volumes) the names of those
        that go, or of one with a value no name: it goes."""
        self.emptied: set[str] = set()
        """Settings of which all entries go before any comes."""
        self.about: dict[str, Any] = {}
        """Author and platform, by their names in the configuration; "" takes one away."""
        self.features: list[str] = []
        """Of the system; NAME- takes one away, - all."""
        self.annotations: list[tuple[str, str | None]] = []
        """Of the manifest; None takes one away, and of no name all."""
        self.check: Document | None = None
        """Parts of the health check that become others; {} takes it away."""
        self.created_by: str | None = None
        self.comment: str | None = None
        """Of the entry in the history that `commit` adds."""
        self.told = False
        """Whether the history tells of each instruction."""
        self.epoch: int | None = None


def configure(working: Working, changes: Changes, teller: Teller = QUIET) -> None:
    """Carry it out. Raises UsageError, DockerfileError, StoreError; then nothing has changed."""
    with working.step(teller) as line:
        state = working.state
        for name in changes.emptied:
            state.settings.pop(name, None)
        for name, gone in changes.removed.items():
            _remove(state.settings, name, gone)
        directories = []
        for one in changes.instructions:
            if isinstance(one, model.Workdir):
                directories.append(one)
                continue
            configuration.apply(state.settings, one, state.inherited)
            if changes.told:
                working.tell(history.told(one, state.settings), now(), empty=True)
        _check(state.settings, changes.check)
        _about(working, changes)
        working.save()
        for one in directories:
            _directory(line, working, one, changes)


def _remove(settings: Document, name: str, gone: list[str]) -> None:
    found = settings.get(name)
    if not gone:
        settings.pop(name, None)
    elif isinstance(found, list):
        settings[name] = [item for item in found if item.partition("=")[0] not in gone]
    elif isinstance(found, dict):
        for key in gone:
            found.pop(key, None)


def _check(settings: Document, parts: Document | None) -> None:
    if parts is None:
        return
    if not parts:
        settings.pop("Healthcheck", None)
        return
    settings["Healthcheck"] = {**settings.get("Healthcheck", {}), **parts}


def _about(working: Working, changes: Changes) -> None:
    state, extra = working.state, working.extra
    state.about.update(changes.about)
    state.about = {key: value for key, value in state.about.items() if value}
    for feature in changes.features:
        known = [] if feature == "-" else state.about.get(FEATURES) or []
        name = feature.removesuffix("-")
        rest = [one for one in known if one != name]
        state.about[FEATURES] = rest if feature.endswith("-") else [*rest, name]
    for name, value in changes.annotations:
        if value is not None:
            extra.annotations[name] = value
        elif name:
            extra.annotations.pop(name, None)
        else:
            extra.annotations.clear()
    if changes.created_by is not None:
        extra.created_by = changes.created_by
    if changes.comment is not None:
        extra.comment = changes.comment


def _directory(line: Direct, working: Working, one: model.Workdir, changes: Changes) -> None:
    """As WORKDIR: the directory is there, and is the user's."""
    state = working.state
    configuration.apply(state.settings, one, state.inherited)
    path, user = state.settings["WorkingDir"], state.settings.get("User") or ""
    value = laying.make_directory(line, working.paths, state.stack, path, user, changes.epoch)
    text = history.told(one, state.settings)
    result = Result(value["layer"], {"created": now(), "text": text})
    working.take(result, text if changes.told else "")
