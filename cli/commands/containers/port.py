"""port and update: what containers publish, and where."""

from __future__ import annotations

from rootless.cli import output
from rootless.errors import NotFound, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.cli.options import common
    from rootless.cli.options import containers as opt
    from rootless.engine import Engine


def port(engine: Engine, container: common.Container, port: opt.MaybePort = "") -> int:
    """List the published ports of a container.

    With PORT only the addresses of the host where that one is.

    Examples:
        rootless port web
        # the host's address alone, for a script
        rootless port web 80
    """
    from rootless.containers.ports import listed

    found = listed(engine.containers.get(container).state().ports)
    if not port:
        for inside, outside in found:
            output.say(f"{inside} -> {outside}")
        return 0
    number, _, protocol = port.partition("/")
    if not (number.isascii() and number.isdigit()):
        raise UsageError(f"{port!r} is no port", "PORT or PORT/PROTOCOL")
    wanted = f"{number}/{protocol or 'tcp'}"
    addresses = [outside for inside, outside in found if inside == wanted]
    if not addresses:
        raise NotFound(f"no public port '{wanted}' published for {container}")
    output.say_lines(addresses)
    return 0


def update(
    engine: Engine,
    container: common.Container,
    *,
    publish_add: opt.PublishAdd = None,
    publish_rm: opt.PublishRm = None,
) -> int:
    """Change what a container publishes, also while it runs.

    Connections that are open stay open. The next start publishes the same.

    Examples:
        rootless update --publish-add 8443:443 web
        rootless update --publish-rm 80 --publish-add 127.0.0.1:8080:80 web
    """
    from rootless.containers.running.publishing import update as change

    if not (publish_add or publish_rm):
        raise UsageError("nothing to change", "--publish-add or --publish-rm")
    for note in change(engine.containers, container, publish_add or [], publish_rm or []):
        output.warn(note)
    output.say(container)
    return 0
