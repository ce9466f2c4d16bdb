"""What instructions that bring no files change: the `config` of an image (image-spec, config.md).

`Healthcheck`, `OnBuild` and `Shell` are docker's fields, which BuildKit writes in any case.
"""

from __future__ import annotations

import posixpath

from rootless.build.dockerfile import model
from rootless.errors import UsageError
from rootless.values import signal_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from rootless.build.dockerfile.model import Command, Instruction

    Settings = dict[str, Any]

SHELL = ["/bin/sh", "-c"]


class Inherited:
    """What a stage has begun with, as far as it matters later on."""

    def __init__(self, settings: Settings) -> None:
        self.own_cmd = False
        """Whether the stage has a CMD of its own, which an ENTRYPOINT leaves alone."""
        self.settings = settings


def apply(settings: Settings, one: Instruction, inherited: Inherited) -> None:
    """Carry out an expanded instruction. Those that bring files or arguments change nothing."""
    if isinstance(one, model.Cmd):
        _command(settings, one, inherited)
    elif (change := _CHANGES.get(type(one))) is not None:
        change(settings, one)


def _command(settings: Settings, one: model.Cmd, inherited: Inherited) -> None:
    is_entrypoint = isinstance(one, model.Entrypoint)
    settings["Entrypoint" if is_entrypoint else "Cmd"] = words(one.command, settings)
    if not is_entrypoint:
        inherited.own_cmd = True
    elif not inherited.own_cmd:
        settings.pop("Cmd", None)


def _label(settings: Settings, one: model.Label) -> None:
    settings.setdefault("Labels", {}).update(one.pairs)


def _env(settings: Settings, one: model.Env) -> None:
    for name, value in one.pairs:
        set_variable(settings, name, value)


def _expose(settings: Settings, one: model.Expose) -> None:
    from rootless.build.dockerfile.ports import ports

    settings.setdefault("ExposedPorts", {}).update({port: {} for port in ports(one)})


def _volume(settings: Settings, one: model.Volume) -> None:
    settings.setdefault("Volumes", {}).update({path: {} for path in one.paths})


def _user(settings: Settings, one: model.User) -> None:
    settings["User"] = one.user


def _workdir(settings: Settings, one: model.Workdir) -> None:
    settings["WorkingDir"] = directory(settings, one.path)


def _stop_signal(settings: Settings, one: model.StopSignal) -> None:
    try:
        signal_number(one.signal)
    except UsageError as error:
        raise one.node.error(f"STOPSIGNAL: {error.message}", error.hint, one.signal) from None
    settings["StopSignal"] = one.signal


def _shell(settings: Settings, one: model.Shell) -> None:
    settings["Shell"] = list(one.words)


def _onbuild(settings: Settings, one: model.Onbuild) -> None:
    settings.setdefault("OnBuild", []).append(one.trigger)


def words(command: Command, settings: Settings) -> list[str]:
    """Return the argument vector of a command, with the shell before a shell form."""
    if not command.shell:
        return list(command.words)
    script = command.script
    return [*(settings.get("Shell") or SHELL), command.text if script is None else script]


def directory(settings: Settings, path: str) -> str:
    """Return the working directory that a path leads to from the one before."""
    before = settings.get("WorkingDir") or "/"
    return posixpath.normpath("/" + posixpath.join(before, path)).replace("//", "/")


def variables(settings: Settings) -> dict[str, str]:
    """Return the variables of ENV by name."""
    pairs = (item.partition("=") for item in settings.get("Env") or [])
    return {name: value for name, _, value in pairs}


def set_variable(settings: Settings, name: str, value: str) -> None:
    """Set one, in its old place where it has one."""
    listed = settings.setdefault("Env", [])
    for number, item in enumerate(listed):
        if item.partition("=")[0] == name:
            listed[number] = f"{name}={value}"
            return
    listed.append(f"{name}={value}")


def _healthcheck(settings: Settings, one: model.Healthcheck) -> None:
    if one.command is None:
        settings["Healthcheck"] = {"Test": ["NONE"]}
        return
    command = one.command
    test = ["CMD-SHELL", command.text] if command.shell else ["CMD", *command.words]
    times = {
        "Interval": one.interval,
        "Timeout": one.timeout,
        "StartPeriod": one.start_period,
        "StartInterval": one.start_interval,
        "Retries": one.retries,
    }
    given = {key: value for key, value in times.items() if value}
    settings["Healthcheck"] = {"Test": test, **given}


_CHANGES: dict[type[Instruction], Callable[[Settings, Any], None]] = {
    model.Label: _label,
    model.Env: _env,
    model.Expose: _expose,
    model.Volume: _volume,
    model.User: _user,
    model.Workdir: _workdir,
    model.StopSignal: _stop_signal,
    model.Shell: _shell,
    model.Healthcheck: _healthcheck,
    model.Onbuild: _onbuild,
}
