"""events: what happened in the store, and what happens."""

from __future__ import annotations

import time

from rootless import times
from rootless.cli import output
from rootless.oci.jsonio import dumps
from rootless.system.events import Filters, between, document, podman

TYPE_CHECKING = False
if TYPE_CHECKING:
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
    first = times.moment(since) if since else time.time()
    last = times.moment(until) if until else 0.0
    if not stream and not since:
        first = 0.0
    wanted = Filters(filter or [])
    show = _printer(format, full=no_trunc)
    for event in between(engine.paths.root, first, last, follow=stream):
        if wanted.fit(event):
            show(event)
    return 0


def _printer(template: str, *, full: bool) -> Any:
    if not template:
        return lambda event: output.say(_line(event, full=full))
    if template == "json":
        return lambda event: output.say_json(dumps(document(event)))
    if template == "podman":
        return lambda event: output.say_json(dumps(podman(event)))
    from rootless.cli.template import Template

    parsed = Template(template)
    return lambda event: output.say_rendered(parsed, _row(event))


def _line(event: Event, *, full: bool) -> str:
    """Return the line that docker prints."""
    attributes = document(event)["Actor"]["Attributes"]
    named = ", ".join(f"{key}={value}" for key, value in sorted(attributes.items()))
    known = event["id"] if full or event["kind"] == "image" else event["id"][:12]
    rest = f" ({named})" if named else ""
    return f"{times.stamp(event['time'])} {event['kind']} {event['action']} {known}{rest}"


def stamp(nanoseconds: int) -> str:
    """Return a moment in local time as docker prints it: RFC 3339 with nanoseconds."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    local = time.localtime(seconds)
    zone = time.strftime("%z", local)
    return time.strftime("%Y-%m-%dT%H:%M:%S", local) + f".{rest:09d}{zone[:3]}:{zone[3:]}"


def _row(event: Event) -> output.Row:
    row = output.Row(document(event))
    row.further = podman(event)
    return row
