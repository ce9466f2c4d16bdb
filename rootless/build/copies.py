"""COPY and ADD as they are written -> what is to be copied from where."""

from __future__ import annotations

from rootless.build import settings as configuration
from rootless.build.dockerfile import model
from rootless.build.dockerfile.heredocs import Heredoc
from rootless.build.fetching import git
from rootless.build.fetching import parts as remote
from rootless.build.fetching.remotes import is_remote
from rootless.build.files.gathering import Wanted
from rootless.build.files.modes import Mode
from rootless.build.files.origins import Documents
from rootless.build.steps.copy import Copy, Part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.build.dockerfile.errors import DockerfileError
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


def whole(origin: Origin) -> Copy:
    """Return what is to be done for all of a tree to be at the root."""
    return Copy([Part(origin, Wanted(["/"], trusted=bool(origin.lowers)))], "/")


def _parts(done: model.Copy, origin: Origin) -> list[Part]:
    """Return what comes from where, in the order in which it is written."""
    parts: list[Part] = []
    files: Part | None = None
    for source in done.sources:
        if isinstance(source, Heredoc):
            content = source.content.encode("utf-8", "surrogateescape")
            parts.append(
                Part(Documents({source.name: content}), Wanted([source.name], literal=True))
            )
        elif isinstance(done, model.Add) and is_remote(source):
            parts.append(_remote(done, source))
        elif files is not None:
            files.wanted.sources.append(source)
        else:
            trusted = bool(origin.lowers)
            wanted = Wanted([source], excluded=done.exclude, parents=done.parents, trusted=trusted)
            files = Part(origin, wanted)
            files.unpack = isinstance(done, model.Add) and done.unpack is not False
            parts.append(files)
    lone = len(done.sources) == 1 and isinstance(parts[0], remote.Part)
    if isinstance(done, model.Add) and done.checksum and not lone:
        raise _checksum(done)
    return parts


def _remote(done: model.Add, source: str) -> Part:
    repository = git.parse(source)
    if repository is None:
        return remote.File(source, done.checksum, unpack=bool(done.unpack))
    repository.keep = repository.keep or done.keep_git_dir
    repository.checksum = repository.checksum or done.checksum
    return remote.Checkout(repository, done.exclude)


def _checksum(done: model.Add) -> DockerfileError:
    reason = "--checksum is for one file of the web, or one git repository"
    return done.node.error(reason, "ADD each source in a line of its own", "--checksum")
