"""update: what a container publishes, changed while it runs.

The sockets are bound here, so that an error is the command's, and handed to the supervisor.
The record is changed as well: the next start publishes the same.
"""

from __future__ import annotations

import os

from rootless.containers import networks, ports
from rootless.containers.record import write
from rootless.containers.running.attach import answer, connect
from rootless.containers.words.ports import parse
from rootless.errors import Conflict, HostError, NotFound, UsageError, named
from rootless.oci import jsonio
from rootless.runtime.supervision import streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.containers.collection import Containers
    from rootless.containers.handle import Handle
    from rootless.netstack.ports import Port

MOST = 250
"""Sockets that one message carries (runtime.supervision.clients.MAX_PASSED)."""


def update(containers: Containers, ref: str, add: list[str], remove: list[str]) -> list[str]:
    """Publish ports, in the form of -p, or withdraw them (PORT[/PROTOCOL] of the container).

    Return what a user should know of it. Raises UsageError, Conflict for a network without ports
    of its own, HostError for a port that cannot be had.
    """
    wanted = [port for text in add for port in parse(text, "publish_add")]
    gone = [_port(text) for text in remove]
    container = containers.get(ref)
    held = container.lock()
    try:
        container = containers.get(container.id)  # as it is now
        record = container.record
        if networks.kind(record["networks"]) != "private":
            raise Conflict(
                f"container {container.name} has no private network, "
                f"but {networks.mode(record['networks'])}"
            )
        known = {(port["container"], port["protocol"]) for port in record["ports"]}
        for number, protocol in gone:
            if (number, protocol) not in known:
                raise NotFound(f"container {container.name} does not publish {number}/{protocol}")
        binding = ports.Binding(remap=record["request"]["remap_ports"])
        try:
            if container.state(locked=True).running:
                binding.open(wanted, None)
                _tell(container, binding.ports, gone)
        finally:
            binding.close()
        kept = [
            port for port in record["ports"] if (port["container"], port["protocol"]) not in gone
        ]
        record["ports"] = kept + wanted
        write(container.directory, record)
    finally:
        os.close(held)
    return binding.notes


def _port(text: str) -> tuple[int, str]:
    number, _, protocol = text.partition("/")
    if not (number.isascii() and number.isdigit() and protocol in ("", "tcp", "udp")):
        given = f"{named('publish_rm')} {text}"
        raise UsageError(f"{given}: no port of a container", "PORT, or PORT/udp")
    return int(number), protocol or "tcp"


def _tell(container: Handle, opened: list[Port], gone: list[tuple[int, str]]) -> None:
    """Hand the sockets to the supervisor, and wait until it has them."""
    if len(opened) > MOST:
        raise UsageError(f"at most {MOST} sockets at once", "a port on all addresses is two")
    wish = {"add": [{**port, "fd": -1} for port in opened], "remove": gone}
    payload = jsonio.dump_bytes(wish)
    stream = connect(container, streams.PORTS, payload, [port["fd"] for port in opened])
    try:
        said = answer(container, stream, streams.HEADER)
    finally:
        stream.close()
    if len(said) != streams.HEADER:
        raise HostError(f"the supervisor of container {container.name} did not take the ports")
