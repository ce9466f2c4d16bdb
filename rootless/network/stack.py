"""Old name for supervisors of release 0.1, until the release after the next: the network stack.

Such a supervisor has modules of its own release in memory, and loads the stack with the first
packet. This one hands over to the present release instead, with all that is under way: nothing of
the packet was taken yet.
"""

from __future__ import annotations

import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn


class Stack:
    """What the supervisor makes when it needs the stack."""

    def __init__(self, loop: Any, _fd: int, _settings: object, _servers: object) -> None:
        """Never returns."""
        handlers = loop._handlers.values()
        _hand_over(next(one.__self__ for one in handlers if one.__name__ == "_on_end"))


def _hand_over(supervisor: Any) -> NoReturn:
    """Execute the interpreter again with the charge of version 1. Never returns."""
    charge, attached = supervisor._charge, supervisor._clients
    charge["outputs"] = {str(fd): stream for fd, stream in supervisor._output.sources.items()}
    charge["stdin"] = supervisor._input.fd
    charge["clients"] = attached.descriptors
    asking = [fd for client in attached._asking for fd in (client.fd, *client.passed)]
    kept = [*_old("charge").descriptors(charge), *asking]
    charge["clients"] = [_client(client, attached=True) for client in attached._all]
    charge["clients"] += [_client(client, attached=False) for client in attached._asking]
    charge["input"] = supervisor._input._data.decode("latin-1")
    charge["input_ends"] = supervisor._input._ends
    charge["unwritten"] = supervisor._unwritten
    charge["version"] = 1
    health = supervisor._health
    if health is not None:
        for client in charge["clients"]:
            if client["fd"] in [one.fd for one in health._waiting]:
                streams = _old("streams")
                client["unread"] = streams.frame(streams.CHECK, b"").decode("latin-1")
        if health._probe is not None:
            health._probe.abandon()  # it begins anew
            health._checks["due"] = time.monotonic()
    name = charge["directory"].rpartition("/")[2]
    while True:
        _old("handover").pass_on(charge, kept, "rootless.doors:resume", name, light=True)
        time.sleep(1)  # there is no memory for it just now


def _client(client: Any, *, attached: bool) -> dict[str, Any]:
    return {
        "fd": client.fd,
        "first": client.first,
        "attached": attached,
        "unsent": client._pending.decode("latin-1"),
        "missed": client._missed,
        "unread": client._reader._data.decode("latin-1"),
        "passed": list(client.passed),
    }


def _old(name: str) -> Any:
    """Return a module of the other release: those are in memory."""
    return sys.modules[f"rootless.runtime.{name}"]
