"""events: what happened in the store, and what happens."""

from __future__ import annotations

import time

from rootless.cli import output
from rootless.errors import UsageError
from rootless.oci.jsonio import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from rootless.cli.options import common
    from rootless.cli.options import machine as opt
    from rootless.engine import Engine
    from rootless.store.events import Event


def events(
    engine: Engine,
    *,
    filter: common.Filter = None,  # noqa: A002 - the option's name
    format: common.Format = "",  # noqa: A002 - the option's name
    no_trunc: common.NoTrunc = True,
    since: common.Since = "",
    stream: opt.Stream = True,
    until: common.Until = "",
) -> int:
    """Show what happens to containers and images.

    Without --since only what happens from now on; without --until it goes on until it is stopped.
    Filters: `container=NAME`, `image=NAME`, `event=ACTION`, `type=container|image`,
    `label=KEY[=VALUE]`, `volume=NAME`, `network=NAME`.

    Examples:
        rootless events --filter event=die
        rootless events --since 1h --stream=false
        # docker's fields; --format podman has podman's
        rootless events --format json
    """
    from rootless import times

    first = times.moment(since) if since else time.time()
    last = times.moment(until) if until else 0.0
    if not stream and not since:
        first = 0.0
    wanted = _filters(filter or [])
    show = _printer(format, full=no_trunc)
    for event in _events(engine.paths.root, first, last, follow=stream):
        if all(any(test(event) for test in tests) for tests in wanted.values()):
            show(event)
    return 0


def _events(root: str, first: float, last: float, *, follow: bool) -> Iterator[Event]:
    """Yield events between two moments; `last` 0 is never."""
    from rootless.store.events import Reader

    reader = Reader(root)
    for _ in _turns(root, last) if follow else [None]:
        for event in reader.read():
            if last and event["time"] > last * 1e9:
                return
            if event["time"] >= first * 1e9:
                yield event


def _turns(root: str, last: float) -> Iterator[None]:
    """Yield whenever there may be more to read, until the moment `last`."""
    import os
    import select

    from rootless.linux import inotify

    os.makedirs(root, 0o700, exist_ok=True)
    changes = inotify.watch(root, inotify.IN_MODIFY | inotify.IN_CREATE | inotify.IN_MOVED_TO)
    poll = select.poll()
    poll.register(changes, select.POLLIN)
    yield
    while not last or time.time() < last:
        left = max(0, int((last - time.time()) * 1000) + 1) if last else None
        if poll.poll(left):
            os.read(changes, 1 << 16)
        yield


def _filters(texts: list[str]) -> dict[str, list[Any]]:
    """Return tests by key: those of one key are alternatives, those of several all apply."""
    wanted: dict[str, list[Any]] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or key not in _TESTS:
            raise UsageError(f"invalid filter {text!r}", "KEY=VALUE with " + ", ".join(_TESTS))
        name = f"label {value}" if key == "label" else key  # labels are all required, as in docker
        wanted.setdefault(name, []).append(_TESTS[key](value))
    return wanted


def _of(kind: str) -> Any:
    def make(value: str) -> Any:
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


_TESTS: dict[str, Any] = {
    "container": _of("container"),
    # docker: `event=health_status` means all of health_status: healthy, ...
    "event": lambda value: lambda event: value in (event["action"], event["action"].split(":")[0]),
    "image": _of("image"),
    "label": _labelled,
    "network": _of("network"),
    "type": lambda value: lambda event: event["kind"] == value,
    "volume": _of("volume"),
}


def _printer(template: str, *, full: bool) -> Any:
    if not template:
        return lambda event: output.say(_line(event, full=full))
    if template == "json":
        return lambda event: output.say_json(dumps(document(event)))
    if template == "podman":
        return lambda event: output.say_json(dumps(document(event).further))
    from rootless.cli.template import Template

    parsed = Template(template)
    return lambda event: output.say_rendered(parsed, document(event))


def _line(event: Event, *, full: bool) -> str:
    """Return the line that docker prints."""
    attributes = document(event)["Actor"]["Attributes"]
    named = ", ".join(f"{key}={value}" for key, value in sorted(attributes.items()))
    known = event["id"] if full or event["kind"] == "image" else event["id"][:12]
    rest = f" ({named})" if named else ""
    return f"{stamp(event['time'])} {event['kind']} {event['action']} {known}{rest}"


def stamp(nanoseconds: int) -> str:
    """Return a moment in local time as docker prints it: RFC 3339 with nanoseconds."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    local = time.localtime(seconds)
    zone = time.strftime("%z", local)
    return time.strftime("%Y-%m-%dT%H:%M:%S", local) + f".{rest:09d}{zone[:3]}:{zone[3:]}"


def document(event: Event) -> output.Row:
    """Return an event with docker's names and, beside them, podman's."""
    attributes = event["attributes"]
    if event["kind"] == "image":
        attributes = {"name": event["name"], **attributes}
    shown = {
        "status": event["action"],
        "id": event["id"],
        "from": attributes.get("image", ""),
        "Type": event["kind"],
        "Action": event["action"],
        "Actor": {"ID": event["id"], "Attributes": attributes},
        "scope": "local",
        "time": event["time"] // 1_000_000_000,
        "timeNano": event["time"],
    }
    row = output.Row(shown)
    row.further = {
        "Attributes": attributes,
        "ContainerExitCode": int(attributes.get("exitCode", 0)),
        "HealthStatus": event["action"].partition(": ")[2],
        "ID": event["id"],
        "Image": attributes.get("image", ""),
        "Name": event["name"],
        "Scope": "local",
        "Status": event["action"],
        "Time": stamp(event["time"]),
        "TimeNano": event["time"],
        "Type": event["kind"],
    }
    return row
