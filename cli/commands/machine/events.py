"""events: what happened in the store, and what happens."""

from __future__ import annotations

import time

from rootless import times
from rootless.cli import output
from rootless.cli.dialects import choice
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
    dialect = choice.current()
    last = times.limit(until, ahead=dialect.until_ahead) if until else 0.0
    if not stream and not since:
        first = 0.0
    wanted = Filters(filter or [])
    show = _printer(format, full=no_trunc)
    for event in between(engine.paths.root, first, last, follow=stream):
        for told in dialect.told(event):
            if wanted.fit(told):
                show(_named(engine, told) if told["kind"] == "container" else told)
    return 0


def _named(engine: Engine, event: Event) -> Event:
    """Return an event of a container with its image called as the dialect has it."""
    about = event["attributes"]
    if "image" not in about:
        return event
    image = choice.current().meant(engine.paths, about["image"], event.get("image_name", ""))
    return {**event, "attributes": {**about, "image": image}}


def _printer(template: str, *, full: bool) -> Any:
    dialect = choice.current()
    template = dialect.template(template)
    if not template:
        return lambda event: output.say(dialect.event_line(event, full=full))
    if template == "json":
        return lambda event: output.say_json(dumps(dialect.event(event)))
    if template == "podman":
        return lambda event: output.say_json(dumps(podman(event)))
    from rootless.cli.template import Template

    parsed = Template(template)
    return lambda event: output.say_rendered(parsed, _row(dialect.event(event), event))


def _row(fields: dict[str, Any], event: Event) -> output.Row:
    row = output.Row(fields)
    row.further = {**document(event), **podman(event)}
    if "time" in fields:  # docker's, a number
        row.further["Time"] = fields["time"]
    return row
