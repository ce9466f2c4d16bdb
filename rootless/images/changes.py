"""`--change`: lines of a Dockerfile that alter an image's configuration, as docker import has them.

Besides `CMD ["sh"]` podman's `CMD=["sh"]` is understood.
"""

from __future__ import annotations

import posixpath

from rootless.errors import UsageError
from rootless.oci import jsonio
from rootless.times import span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Settings = dict[str, Any]


def apply(settings: Settings, changes: Iterable[str]) -> None:
    """Carry out `changes` on the settings of an image (`config` in its configuration).

    Raises UsageError for a line that is not understood.
    """
    for change in changes:
        line = change.strip()
        end = next((i for i, character in enumerate(line) if character in " \t="), len(line))
        instruction, text = line[:end].upper(), line[end:].lstrip(" \t").removeprefix("=").strip()
        handler = _HANDLERS.get(instruction)
        if handler is None:
            known = ", ".join(sorted(_HANDLERS))
            raise UsageError(
                f"invalid change {change!r}: {instruction or 'nothing'}", f"one of {known}"
            )
        if not text:
            raise UsageError(f"invalid change {change!r}: {instruction} needs a value")
        try:
            handler(settings, text)
        except ValueError as error:
            raise UsageError(f"invalid change {change!r}: {error}") from error


def _command(key: str) -> Callable[[Settings, str], None]:
    def handle(settings: Settings, text: str) -> None:
        words = _exec_form(text)
        settings[key] = ["/bin/sh", "-c", text] if words is None else words
        if key == "Entrypoint":
            settings.pop("Cmd", None)  # docker: an inherited command was meant for another program

    return handle


def _exec_form(text: str) -> list[str] | None:
    """The words of a JSON list, None where `text` is in shell form."""
    if not text.startswith("["):
        return None
    try:
        words = jsonio.loads(text)
    except ValueError:
        return None  # docker takes what is no JSON for a shell's line as well
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ValueError("the list must hold strings only")
    return words


def _words(text: str) -> list[str]:
    from shlex import split  # re is behind it

    return split(text)


def _pairs(text: str) -> list[tuple[str, str]]:
    """`K=V K2="V 2"`, or the old `K V`."""
    words = _words(text)
    if "=" not in words[0]:
        key, _, value = text.partition(" ")
        if not value.strip():
            raise ValueError(f"{key} has no value")
        return [(key, value.strip())]
    pairs = [word.partition("=") for word in words]
    if not all(key and equals for key, equals, _ in pairs):
        raise ValueError("write each as NAME=VALUE")
    return [(key, value) for key, _, value in pairs]


def _env(settings: Settings, text: str) -> None:
    for key, value in _pairs(text):
        kept = [old for old in settings.get("Env", []) if old.partition("=")[0] != key]
        settings["Env"] = [*kept, f"{key}={value}"]


def _label(settings: Settings, text: str) -> None:
    settings.setdefault("Labels", {}).update(_pairs(text))


def _expose(settings: Settings, text: str) -> None:
    for word in text.split():
        ports, slash, protocol = word.partition("/")
        first, _, last = ports.partition("-")
        low, high = int(first), int(last or first)
        protocol = protocol.lower() if slash else "tcp"
        if not 0 < low <= high < 65536 or protocol not in ("tcp", "udp", "sctp"):
            raise ValueError(f"{word!r} is no port")
        for port in range(low, high + 1):
            settings.setdefault("ExposedPorts", {})[f"{port}/{protocol}"] = {}


def _volume(settings: Settings, text: str) -> None:
    for path in _exec_form(text) or _words(text):
        settings.setdefault("Volumes", {})[path] = {}


def _workdir(settings: Settings, text: str) -> None:
    before = settings.get("WorkingDir") or "/"
    settings["WorkingDir"] = posixpath.normpath(posixpath.join(before, text))


def _healthcheck(settings: Settings, text: str) -> None:
    """`[--interval=30s] [--timeout=..] [--start-period=..] [--retries=3] CMD ...`, or NONE."""
    check: dict[str, Any] = {}
    word, _, rest = text.partition(" ")
    while word.startswith("--"):
        name, _, value = word[2:].partition("=")
        if name == "retries":
            check["Retries"] = int(value)
        elif name in _HEALTH_TIMES:
            seconds = span(value)
            if seconds is None:
                raise ValueError(f"{value!r} is no time")
            check[_HEALTH_TIMES[name]] = int(seconds * 1_000_000_000)
        else:
            raise ValueError(f"unknown option --{name}")
        word, _, rest = rest.strip().partition(" ")
    rest = rest.strip()
    if word.upper() == "NONE" and not rest and not check:
        check["Test"] = ["NONE"]
    elif word.upper() == "CMD" and rest:
        words = _exec_form(rest)
        check["Test"] = ["CMD-SHELL", rest] if words is None else ["CMD", *words]
    else:
        raise ValueError("HEALTHCHECK is followed by options and CMD, or by NONE")
    settings["Healthcheck"] = check


_HEALTH_TIMES = {
    "interval": "Interval",
    "timeout": "Timeout",
    "start-period": "StartPeriod",
    "start-interval": "StartInterval",
}


def _onbuild(settings: Settings, text: str) -> None:
    if text.split()[0].upper() in ("ONBUILD", "FROM", "MAINTAINER"):
        raise ValueError(f"{text.split()[0]} is not allowed behind ONBUILD")
    settings.setdefault("OnBuild", []).append(text)


def _single(key: str) -> Callable[[Settings, str], None]:
    def handle(settings: Settings, text: str) -> None:
        settings[key] = text

    return handle


_HANDLERS: dict[str, Callable[[Settings, str], None]] = {
    "CMD": _command("Cmd"),
    "ENTRYPOINT": _command("Entrypoint"),
    "ENV": _env,
    "EXPOSE": _expose,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "ONBUILD": _onbuild,
    "STOPSIGNAL": _single("StopSignal"),
    "USER": _single("User"),
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
