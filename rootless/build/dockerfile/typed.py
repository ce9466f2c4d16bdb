"""Nodes -> typed instructions: names, flags and numbers of arguments are checked here."""

from __future__ import annotations

from rootless.build.dockerfile import model
from rootless.build.dockerfile.errors import short, suggestion
from rootless.build.dockerfile.flags import Flags
from rootless.build.dockerfile.heredocs import Heredoc, heredoc
from rootless.build.dockerfile.mounts import MountError, mount
from rootless.build.dockerfile.words import SPACES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from rootless.build.dockerfile.nodes import Node, Syntax

    Maker: TypeAlias = Callable[[Node], model.Instruction]

_STAGE_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")
_NETWORKS = ("default", "none", "host")
_SECURITY = ("sandbox", "insecure")


def typed(syntax: Syntax) -> model.Dockerfile:
    """Return the instructions of a file. Raises DockerfileError for the first that is wrong."""
    return arranged(syntax, [instruction(node) for node in syntax.nodes])


def arranged(syntax: Syntax, read: list[model.Instruction]) -> model.Dockerfile:
    """Return the instructions as a file. Raises DockerfileError where it has no stage."""
    start = next((i for i, one in enumerate(read) if isinstance(one, model.From)), len(read))
    arguments: list[model.Arg] = []
    for one in read[:start]:
        if not isinstance(one, model.Arg):
            raise one.node.error(
                f"no build stage in current context: {one.name} stands before the first FROM",
                "only ARG may",
                one.node.keyword,
            )
        arguments.append(one)
    if start == len(read):
        raise syntax.source.error("file with no stage", "FROM begins one")
    return model.Dockerfile(syntax, tuple(arguments), tuple(read[start:]))


def instruction(node: Node) -> model.Instruction:
    """Return one instruction. Raises DockerfileError."""
    maker = _MAKERS.get(node.name)
    if maker is None:
        name = short(node.keyword)
        hint = suggestion(node.keyword, _MAKERS)
        if not hint and (not name.isalpha() or name.islower()):  # part of a command
            hint = "a line goes on only where the one before it ends in a backslash"
        hint = hint or f"there are {', '.join(_MAKERS)}"
        raise node.error(f"unknown instruction: {name}", hint, name)
    if "\0" in node.whole:
        raise node.error(f"there is a NUL byte in {node.name}", "no command or path has one", "\0")
    return maker(node)


def _no_flags(node: Node) -> None:
    Flags(node).done()


def _one(node: Node) -> str:
    """Return the only argument."""
    _no_flags(node)
    if len(node.words) != 1:
        raise node.error(f"{node.name} requires exactly one argument", f"{node.name} ARGUMENT")
    return node.words[0]


def _some(node: Node) -> tuple[str, ...]:
    if not node.words:
        raise node.error(f"{node.name} requires at least one argument", f"{node.name} ARGUMENT...")
    return tuple(node.words)


def _from(node: Node) -> model.Instruction:
    flags = Flags(node)
    platform = flags.text("platform")
    flags.done()
    words = node.words
    if len(words) not in (1, 3) or (len(words) == 3 and words[1].lower() != "as"):
        wrong = words[1] if len(words) == 3 else ""
        hint = "FROM IMAGE, or FROM IMAGE AS NAME"
        raise node.error("FROM requires either one or three arguments", hint, wrong)
    stage = words[2] if len(words) == 3 else ""
    name = stage.lower()
    if stage and (not name[0].isalpha() or set(name) - _STAGE_LETTERS):
        raise node.error(
            f"invalid name for build stage: {stage!r}",
            "it begins with a letter and has letters, digits, - _ and .",
            stage,
        )
    return model.From(node, words[0], platform, stage)


def _arg(node: Node) -> model.Instruction:
    _no_flags(node)
    pairs: list[tuple[str, str | None]] = []
    for word in _some(node):
        name, equals, value = word.partition("=")
        if not name:
            raise node.error(f"ARG names can not be blank: {word}", "ARG NAME=VALUE", word)
        pairs.append((name, value if equals else None))
    return model.Arg(node, tuple(pairs))


def _pairs(node: Node) -> tuple[tuple[str, str], ...]:
    _no_flags(node)
    words = _some(node)
    pairs = tuple(zip(words[::2], words[1::2], strict=True))
    for name, value in pairs:
        if not name:
            word = f"={value}"
            hint = f"{node.name} NAME=VALUE"
            raise node.error(f"{node.name} names can not be blank: {word}", hint, word)
    return pairs


def _env(node: Node) -> model.Instruction:
    return model.Env(node, _pairs(node), node.pairs == " ")


def _label(node: Node) -> model.Instruction:
    return model.Label(node, _pairs(node), node.pairs == " ")


def _command(node: Node, words: list[str]) -> model.Command:
    return model.Command(tuple(words), not node.json, tuple(node.heredocs))


def _cmd(node: Node) -> model.Instruction:
    _no_flags(node)
    return model.Cmd(node, _command(node, node.words))


def _entrypoint(node: Node) -> model.Instruction:
    _no_flags(node)
    return model.Entrypoint(node, _command(node, node.words))


def _run(node: Node) -> model.Instruction:
    flags = Flags(node)
    mounts = []
    for text in flags.texts("mount"):
        try:
            mounts.append(mount(text))
        except MountError as error:
            raise node.error(f"RUN: {error.reason}", error.hint, error.token) from None
    network = flags.choice("network", _NETWORKS)
    security = flags.choice("security", _SECURITY)
    devices = flags.texts("device")
    flags.done()
    if devices:
        reason = f"RUN --device={devices[0]} is not supported"
        raise node.error(reason, "builds get no devices of this machine", "--device")
    command = _command(node, node.words)
    if node.json and not command.words:
        raise node.error("RUN []: there is no command", 'RUN ["COMMAND", "ARGUMENT"]')
    if any("\0" in one.body for one in node.heredocs):
        raise node.error("there is a NUL byte in a heredoc of RUN", "no script has one", "<<")
    return model.Run(node, command, tuple(mounts), network or "default", security or "sandbox")


def _sources(node: Node) -> tuple[tuple[str | Heredoc, ...], str]:
    """Return sources and target of COPY and ADD."""
    if len(node.words) < 2:
        given = "only one was provided" if node.words else "none was provided"
        raise node.error(
            f"{node.name} requires at least two arguments, but {given}",
            f"{node.name} SOURCE... TARGET",
        )
    *words, target = node.words
    if not node.json and heredoc(target) is not None:
        reason = f"{node.name} cannot accept a heredoc as a destination: {target}"
        raise node.error(reason, f"{node.name} {target} /FILE", target)
    documents = {one.name: one for one in node.heredocs}
    sources: list[str | Heredoc] = []
    for word in words:
        announced = None if node.json else heredoc(word)
        document = documents.get(announced.name) if announced is not None else None
        sources.append(word if document is None else document)
    return tuple(sources), target


def _fill(copy: model.Copy, flags: Flags) -> None:
    """Read the flags that COPY and ADD share."""
    copy.chown = flags.text("chown")
    copy.chmod = flags.text("chmod")
    copy.link = flags.truth("link") or False
    copy.exclude = flags.texts("exclude")


def _copy(node: Node) -> model.Instruction:
    flags = Flags(node)
    copy = model.Copy(node, *_sources(node))
    _fill(copy, flags)
    copy.parents = flags.truth("parents") or False
    copy.stage = flags.text("from")
    flags.done()
    if "$" in copy.stage:
        raise node.error(
            f"variable expansion is not supported for --from={copy.stage}",
            "define a stage with it: FROM $IMAGE AS name",
            "--from",
        )
    return copy


def _add(node: Node) -> model.Instruction:
    flags = Flags(node)
    add = model.Add(node, *_sources(node))
    _fill(add, flags)
    add.checksum = flags.text("checksum")
    add.keep_git_dir = flags.truth("keep-git-dir") or False
    add.unpack = flags.truth("unpack")
    flags.done()
    return add


def _expose(node: Node) -> model.Instruction:
    _no_flags(node)
    return model.Expose(node, _some(node))


def _volume(node: Node) -> model.Instruction:
    _no_flags(node)
    paths = tuple(word.strip(SPACES) for word in _some(node))
    if "" in paths:
        raise node.error("a path of VOLUME is empty", "VOLUME /PATH...", '""')
    return model.Volume(node, paths)


def _user(node: Node) -> model.Instruction:
    return model.User(node, _one(node))


def _workdir(node: Node) -> model.Instruction:
    return model.Workdir(node, _one(node))


def _stop_signal(node: Node) -> model.Instruction:
    return model.StopSignal(node, _one(node))


def _maintainer(node: Node) -> model.Instruction:
    return model.Maintainer(node, _one(node))


def _shell(node: Node) -> model.Instruction:
    _no_flags(node)
    words = _some(node)
    if not node.json:
        hint = 'SHELL ["/bin/bash", "-c"]'
        raise node.error(f"SHELL requires the arguments to be in JSON form: {node.text}", hint)
    return model.Shell(node, words)


def _healthcheck(node: Node) -> model.Instruction:
    flags = Flags(node)
    kind, *words = _some(node)
    if kind.upper() == "NONE":
        if words:
            raise node.error("HEALTHCHECK NONE takes no arguments", "HEALTHCHECK NONE", words[0])
        return model.Healthcheck(node, None)
    if kind.upper() != "CMD":
        hint = suggestion(kind, ("CMD", "NONE")) or "try CMD"
        raise node.error(f"unknown type {kind!r} in HEALTHCHECK", hint, kind)
    check = model.Healthcheck(node, model.Command(tuple(words), not node.json))
    check.interval = flags.duration("interval")
    check.timeout = flags.duration("timeout")
    check.start_period = flags.duration("start-period")
    check.start_interval = flags.duration("start-interval")
    check.retries = flags.number("retries")
    flags.done()
    if not words:
        reason = "missing command after HEALTHCHECK CMD"
        raise node.error(reason, "HEALTHCHECK CMD COMMAND, or HEALTHCHECK NONE", kind)
    return check


def _onbuild(node: Node) -> model.Instruction:
    _no_flags(node)
    if node.child is None:
        raise node.error("ONBUILD requires at least one argument", "ONBUILD INSTRUCTION ...")
    child = node.child
    if child.name in ("ONBUILD", "FROM", "MAINTAINER"):
        reason = f"{child.name} isn't allowed as an ONBUILD trigger"
        raise node.error(reason, "all but ONBUILD, FROM and MAINTAINER are", child.keyword)
    text = child.text + "".join(f"\n{one.body}{one.name}" for one in node.heredocs)
    return model.Onbuild(node, instruction(child), text)


_MAKERS: dict[str, Maker] = {
    "ADD": _add,
    "ARG": _arg,
    "CMD": _cmd,
    "COPY": _copy,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "FROM": _from,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "MAINTAINER": _maintainer,
    "ONBUILD": _onbuild,
    "RUN": _run,
    "SHELL": _shell,
    "STOPSIGNAL": _stop_signal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
