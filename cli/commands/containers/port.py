"""port and update: what containers publish, and where."""

from __future__ import annotations

from rootless.cli import output
from rootless.cli.commands.containers import choosing
from rootless.containers.ports import listed
from rootless.errors import NotFound, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.cli.options import common
    from rootless.cli.options import containers as opt
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
    found = listed(engine.containers.get(name).state().ports)
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
        for inside, outside in listed(one.state().ports):
            output.say(f"{one.id[:12]}\t{inside} -> {outside}")
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
