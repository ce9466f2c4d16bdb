"""What the options of `build config` come to."""

from __future__ import annotations

import os

from rootless.build.dockerfile import model
from rootless.build.dockerfile.stages import trigger
from rootless.build.working.configuring import Changes
from rootless.build.working.steps import node
from rootless.cli.commands.images import buildflags
from rootless.cli.commands.working.making import is_told
from rootless.errors import UsageError
from rootless.oci import jsonio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from rootless.build.dockerfile.model import Instruction
    from rootless.cli.options.working.ending import ConfigAsked

SHELL = ("/bin/sh", "-c")

_ABOUT = {"author": "author", "os": "os", "arch": "architecture", "variant": "variant"}
_ABOUT |= {"os_version": "os.version"}
_TIMES = {"interval": "Interval", "timeout": "Timeout", "start_period": "StartPeriod"}


def of(asked: ConfigAsked) -> Changes:
    """Return what is to become another. Raises UsageError, DockerfileError."""
    changes = Changes()
    changes.told, changes.epoch = is_told(asked), buildflags.epoch_of({})
    _shell(changes, asked)
    _pairs(changes, "Env", asked.get("env"), _variable)
    _pairs(changes, "Labels", asked.get("label"), _label)
    _listed(changes, "ExposedPorts", asked.get("port"), lambda text: _port(changes, text))
    _listed(changes, "Volumes", asked.get("volume"), lambda text: _volume(changes, text))
    _commands(changes, asked)
    _single(changes, asked)
    _onbuild(changes, asked.get("onbuild"))
    _annotations(changes, asked.get("annotation"))
    given: dict[str, Any] = dict(asked)
    changes.about = {ours: given[name] for name, ours in _ABOUT.items() if name in given}
    changes.features = list(asked.get("os_feature") or ())
    changes.created_by = asked.get("created_by")
    changes.comment = asked.get("history_comment", asked.get("comment"))
    changes.check = _check(asked)
    return changes


def _pairs(
    changes: Changes,
    setting: str,
    texts: Sequence[str] | None,
    made: Callable[[tuple[str, str]], Instruction | None],
) -> None:
    """Take KEY=VALUE, KEY- and - apart."""
    for text in texts or ():
        name, equals, value = text.partition("=")
        if text == "-":
            changes.emptied.add(setting)
        elif not equals and text.endswith("-"):
            changes.removed.setdefault(setting, []).append(text[:-1])
        elif not name:
            raise UsageError(f"{text!r} has no name", "write it as KEY=VALUE")
        elif equals or (setting == "Env" and name in os.environ):
            pair = (name, value if equals else os.environ[name])
            if (one := made(pair)) is not None:
                changes.instructions.append(one)
        elif setting == "Labels":
            changes.instructions.append(_label((name, "")))


def _variable(pair: tuple[str, str]) -> Instruction:
    return model.Env(node("ENV"), (pair,), False)


def _label(pair: tuple[str, str]) -> Instruction:
    return model.Label(node("LABEL"), (pair,), False)


def _listed(
    changes: Changes, setting: str, texts: Sequence[str] | None, add: Callable[[str], None]
) -> None:
    """Take NAME, NAME- and - apart."""
    for text in texts or ():
        if text == "-":
            changes.emptied.add(setting)
        elif text.endswith("-"):
            name = text[:-1]
            names = [name, f"{name}/tcp"] if setting == "ExposedPorts" else [name]
            changes.removed.setdefault(setting, []).extend(names)
        else:
            add(text)


def _port(changes: Changes, text: str) -> None:
    changes.instructions.append(model.Expose(node("EXPOSE", f"EXPOSE {text}"), (text,)))


def _volume(changes: Changes, text: str) -> None:
    changes.instructions.append(model.Volume(node("VOLUME"), (text,)))


def _listing(text: str) -> list[str] | None:
    """Return the words of a JSON list; None for what is none."""
    try:
        found = jsonio.loads(text)
    except ValueError:
        return None
    words = isinstance(found, list) and all(isinstance(word, str) for word in found)
    return found if words else None


def _words(text: str) -> tuple[str, ...]:
    """Return the words of a JSON list, or of a line as a shell divides it. Raises UsageError."""
    from shlex import split

    try:
        listed = _listing(text)
        return tuple(split(text) if listed is None else listed)
    except ValueError as error:
        raise UsageError(f"cannot read the command {text!r}: {error}") from error


def _shell(changes: Changes, asked: ConfigAsked) -> None:
    if "shell" in asked:
        if asked["shell"]:
            changes.instructions.append(model.Shell(node("SHELL"), _words(asked["shell"])))
        else:
            changes.removed["Shell"] = []


def _commands(changes: Changes, asked: ConfigAsked) -> None:
    """The entry point first, since it drops a command that the image has inherited."""
    if "entrypoint" in asked:
        text = asked["entrypoint"]
        listed = _listing(text)
        words = (*SHELL, text) if listed is None else tuple(listed)
        if text.strip() and words:
            command = model.Command(words, False)
            changes.instructions.append(model.Entrypoint(node("ENTRYPOINT"), command))
        else:
            changes.removed["Entrypoint"] = []
    if "cmd" in asked:
        if words := _words(asked["cmd"]):
            changes.instructions.append(model.Cmd(node("CMD"), model.Command(words, False)))
        else:
            changes.removed["Cmd"] = []


def _single(changes: Changes, asked: ConfigAsked) -> None:
    if "user" in asked:
        changes.instructions.append(model.User(node("USER"), asked["user"]))
    if "stop_signal" in asked:
        if asked["stop_signal"]:
            one = model.StopSignal(node("STOPSIGNAL"), asked["stop_signal"])
            changes.instructions.append(one)
        else:
            changes.removed["StopSignal"] = []
    if directory := asked.get("workingdir"):
        changes.instructions.append(model.Workdir(node("WORKDIR"), directory))


def _onbuild(changes: Changes, texts: Sequence[str] | None) -> None:
    for text in texts or ():
        if text == "-":
            changes.emptied.add("OnBuild")
        else:
            one = trigger(text, "the image")
            changes.instructions.append(model.Onbuild(node("ONBUILD"), one, text))


def _annotations(changes: Changes, texts: Sequence[str] | None) -> None:
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals and not text.endswith("-"):
            raise UsageError(f"--annotation: {text!r} is no pair", "write it as KEY=VALUE")
        changes.annotations.append((name, value) if equals else (text[:-1], None))


def _check(asked: ConfigAsked) -> dict[str, Any] | None:
    """Return the parts of the health check that become others; None for no word of it."""
    from rootless.times import span

    found: dict[str, Any] = {}
    given: dict[str, Any] = dict(asked)
    for name, ours in _TIMES.items():
        option = f"healthcheck_{name}"
        if option in given:
            seconds = span(given[option])
            if seconds is None:
                spelled = option.replace("_", "-")
                raise UsageError(f"--{spelled}: {given[option]!r} is no time", "as 30s or 2m")
            found[ours] = int(seconds * 1_000_000_000)
    if "healthcheck_retries" in asked:
        found["Retries"] = asked["healthcheck_retries"]
    if "healthcheck" in asked:
        text = asked["healthcheck"]
        if not text:
            return {}
        kind, _, line = text.partition(" ")
        if kind == "CMD":
            found["Test"] = ["CMD", *_words(line)]
        elif kind == "NONE":
            found["Test"] = ["NONE"]
        else:
            found["Test"] = ["CMD-SHELL", line if kind == "CMD-SHELL" else text]
    return found or None
