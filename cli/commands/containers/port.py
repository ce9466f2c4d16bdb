"""port and update: what containers publish, and where."""

from __future__ import annotations

import os

from rootless.cli import output
from rootless.cli.commands.containers import choosing
from rootless.cli.dialects import choice
from rootless.containers.ports import listed
from rootless.errors import NotFound, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Unpack

    from rootless.cli.options import containers as opt
    from rootless.cli.options import update as uopt
    from rootless.engine import Engine


def port(
    engine: Engine,
    container: opt.MaybeContainer = "",
    port: opt.MaybePort = "",
    *,
    all: opt.AllPorts = False,  # noqa: A002 - the option's name
    latest: opt.TheLatest = False,
) -> int:
    """List the published ports of a container.

    With PORT only the addresses of the host where that one is.

    Examples:
        rootless port web
        # the host's address alone, for a script
        rootless port web 80
        rootless port --all
    """
    if all:
        if container or latest:
            raise UsageError("--all contradicts a name, and --latest")
        return _show_all(engine)
    name, words = choosing.shifted(engine, container, [port] if port else [], latest=latest)
    if len(words) > 1:
        raise UsageError("names and --latest contradict each other")
    found = choice.current().bindings(listed(engine.containers.get(name).state().ports))
    if not words:
        for inside, outside in found:
            output.say(f"{inside} -> {outside}")
        return 0
    number, _, protocol = words[0].partition("/")
    if not (number.isascii() and number.isdigit()):
        raise UsageError(f"{words[0]!r} is no port", "PORT or PORT/PROTOCOL")
    wanted = f"{number}/{protocol or 'tcp'}"
    addresses = [outside for inside, outside in found if inside == wanted]
    if not addresses:
        raise NotFound(f"no public port '{wanted}' published for {name}")
    output.say_lines(addresses)
    return 0


def _show_all(engine: Engine) -> int:
    """Print the ports of all containers, each with the id before it, as podman does."""
    for one in engine.containers.list():
        for inside, outside in choice.current().bindings(listed(one.state().ports)):
            output.say(one.id[:12], end="\t")  # `say` shows a tab within a text as one
            output.say(f"{inside} -> {outside}")
    return 0


def update(
    engine: Engine,
    containers: uopt.Updated,
    *,
    publish_add: opt.PublishAdd = None,
    publish_rm: opt.PublishRm = None,
    **asked: Unpack[uopt.UpdateAsked],
) -> int:
    """Change containers, also while they run.

    What they publish changes at once: connections that are open stay open. So does what is to be
    done at their end, and how often their health is checked. A container that runs has its limits
    and variables from its start on, and gets others at the next one.

    Examples:
        rootless update --restart unless-stopped web db
        rootless update --publish-rm 80 --publish-add 127.0.0.1:8080:80 web
        rootless update --health-interval 10s web
    """
    from rootless.containers.running import publishing, updating
    from rootless.containers.words.updates import changes

    texts: Any = choice.current().checks(asked)
    wanted = changes(texts, os.environ)
    if not (publish_add or publish_rm or wanted):
        what = f"nothing to change in {', '.join(containers)}"
        raise UsageError(what, "such as --restart, --publish-add, --health-interval")

    def change(name: str) -> None:
        notes = updating.change(engine.containers, name, wanted) if wanted else []
        if publish_add or publish_rm:
            add, remove = publish_add or [], publish_rm or []
            notes += publishing.update(engine.containers, name, add, remove)
        for note in notes:
            output.warn(note)

    if len(containers) > 1:
        return output.each(containers, change)
    change(containers[0])
    output.say(containers[0])
    return 0
