"""What happened in the store, and what happens: a question of a moment, or one that goes on."""

from __future__ import annotations

import os
import select
import time

from rootless import times
from rootless.containers.events import STOPPING
from rootless.errors import UsageError
from rootless.linux import inotify
from rootless.runtime.supervision.restart import AGAIN
from rootless.store.events import Reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from rootless.store.events import Event


_LONGEST = 1 << 30
"""Milliseconds, which poll(2) counts in an int."""


class Filters:
    """The filters of one question: of one key they are alternatives, of several all apply."""

    def __init__(self, texts: list[str]) -> None:
        """`texts` are KEY=VALUE. Raises UsageError."""
        self._tests = tests(texts)

    def fit(self, event: Event) -> bool:
        """Whether an event is asked for."""
        return all(any(test(event) for test in some) for some in self._tests.values())


def between(root: str, first: float, last: float, *, follow: bool) -> Iterator[Event]:
    """Yield events between two moments; `last` 0 is never."""
    reader = Reader(root)
    for _ in _turns(root, last) if follow else [None]:
        for event in reader.read():
            if last and event["time"] > last * 1e9:
                return
            if event["time"] >= first * 1e9:
                yield event


def _turns(root: str, last: float) -> Iterator[None]:
    """Yield whenever there may be more to read, until the moment `last`."""
    os.makedirs(root, 0o700, exist_ok=True)
    changes = inotify.watch(root, inotify.IN_MODIFY | inotify.IN_CREATE | inotify.IN_MOVED_TO)
    try:
        poll = select.poll()
        poll.register(changes, select.POLLIN)
        yield
        while not last or time.time() < last:
            left = max(0, int((last - time.time()) * 1000) + 1) if last else _LONGEST
            if poll.poll(min(left, _LONGEST)):
                os.read(changes, 1 << 16)
            yield
    finally:
        os.close(changes)


def tests(texts: list[str]) -> dict[str, list[Any]]:
    """Return tests by key: those of one key are alternatives, those of several all apply."""
    wanted: dict[str, list[Any]] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or key not in _TESTS:
            raise UsageError(f"invalid filter {text!r}", "KEY=VALUE with " + ", ".join(_TESTS))
        key = "event" if key == "status" else key  # podman knows both
        name = f"label {value}" if key == "label" else key  # labels are all required, as in docker
        wanted.setdefault(name, []).append(_TESTS[key](value))
    return wanted


def _of(kind: str) -> Any:
    def make(value: str) -> Any:
        if kind == "container":
            value = value.removeprefix("/")

        def test(event: Event) -> bool:
            if kind == "image" and event["kind"] == "container":
                return event["attributes"].get("image", "").startswith(value)
            if event["kind"] != kind:
                return False
            names = (event["name"], event["name"].rpartition(":")[0])
            short = [name.removeprefix("localhost/") for name in names]
            short += [name.removeprefix("docker.io/").removeprefix("library/") for name in names]
            known = event["id"].removeprefix("sha256:")
            return value in (*names, *short) or known.startswith(value)

        return test

    return make


def _labelled(value: str) -> Any:
    key, equals, text = value.partition("=")
    return lambda event: (
        event["attributes"].get(key) == text if equals else key in event["attributes"]
    )


_PODMAN = {
    "container": {
        "died": "die",
        "remove": "destroy",
        "exec": "exec_start",
        "exec_died": "exec_die",
    },
    "image": {"remove": "delete", "loadfromarchive": "load"},
    "volume": {"remove": "destroy"},
}
"""podman's names of what happens to things of a kind, where docker has others."""


def _happened(event: Event, value: str) -> bool:
    """Whether it is called so by docker or podman; the word before a colon is enough (docker)."""
    action = event["action"].split(":")[0]
    return value in (_action(event), action) or (
        action == _PODMAN.get(event["kind"], {}).get(value)
    )


_TESTS: dict[str, Any] = {
    "container": _of("container"),
    "event": lambda value: lambda event: _happened(event, value),
    "image": _of("image"),
    "label": _labelled,
    "network": _of("network"),
    "status": lambda value: lambda event: _happened(event, value),
    "type": lambda value: lambda event: event["kind"] == value,
    "volume": _of("volume"),
}


def document(event: Event) -> dict[str, Any]:
    """Return an event as docker's API and `docker events --format json` have it."""
    attributes, action = _attributes(event), _action(event)
    return {
        "status": action,
        "id": event["id"],
        "from": attributes.get("image", ""),
        "Type": event["kind"],
        "Action": action,
        "Actor": {"ID": event["id"], "Attributes": attributes},
        "scope": "local",
        "time": event["time"] // 1_000_000_000,
        "timeNano": event["time"],
    }


def podman(event: Event) -> dict[str, Any]:
    """Return an event as podman has it."""
    attributes = _attributes(event)
    return {
        "Attributes": attributes,
        "ContainerExitCode": int(attributes.get("exitCode", 0)),
        "HealthStatus": event["action"].partition(": ")[2],
        "ID": event["id"],
        "Image": attributes.get("image", ""),
        "Name": event["name"],
        "Network": attributes.get("network", ""),
        "PodID": "",
        "Scope": "local",
        "Status": _action(event),
        "Time": times.stamp(event["time"]),
        "TimeNano": event["time"],
        "Type": event["kind"],
    }


def _action(event: Event) -> str:
    """Return what happened in docker's word."""
    return {STOPPING: "kill", AGAIN: "restart"}.get(event["action"], event["action"])


def _attributes(event: Event) -> dict[str, str]:
    if event["kind"] == "image":
        return {"name": event["name"], **event["attributes"]}
    return event["attributes"]
