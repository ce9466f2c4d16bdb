"""COPY and ADD as they are written -> what is to be copied from where."""

from __future__ import annotations

from rootless.build import settings as configuration
from rootless.build.dockerfile.heredocs import Heredoc
from rootless.build.files.gathering import Wanted
from rootless.build.files.modes import Mode
from rootless.build.files.origins import Documents
from rootless.build.steps.copy import Copy, Part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.build.dockerfile import model
    from rootless.build.files.origins import Origin


def copy_of(done: model.Copy, settings: dict[str, Any], origin: Origin) -> Copy:
    """Return what an expanded COPY is to do; `origin` is where its paths are. Raises UsageError."""
    target = configuration.directory(settings, done.target)
    if done.target.endswith("/") or done.target in (".", ""):
        target = target.rstrip("/") + "/"
    copy = Copy(_parts(done, origin), target)
    copy.owner = done.chown
    copy.manner.parents = done.parents
    copy.manner.linked = done.link
    copy.manner.mode = Mode(done.chmod) if done.chmod else None
    return copy


def _parts(done: model.Copy, origin: Origin) -> list[Part]:
    """Return what comes from where, in the order in which it is written."""
    parts: list[Part] = []
    paths: list[str] = []
    for source in done.sources:
        if isinstance(source, Heredoc):
            content = source.content.encode("utf-8", "surrogateescape")
            part = Part(Documents({source.name: content}), Wanted([source.name], literal=True))
        else:
            if paths:
                paths.append(source)
                continue
            paths = [source]
            trusted = bool(origin.lowers)
            how = {"parents": done.parents, "trusted": trusted}
            wanted = Wanted(paths, excluded=done.exclude, **how)
            wanted.sources = paths
            part = Part(origin, wanted)
        parts.append(part)
    return parts
