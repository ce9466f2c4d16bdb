"""What a supervisor is asked to do about the networks with names of its container."""

from __future__ import annotations

from rootless.containers import joining
from rootless.containers.running.attach import answer, connect
from rootless.errors import HostError
from rootless.oci import jsonio
from rootless.runtime.supervision import streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.containers.handle import Handle
    from rootless.containers.record import Record


def call(container: Handle, record: Record) -> None:
    """Have a container that runs known on its networks by the names in its record.

    Where its supervisor does not answer they are so from its next start on.
    """
    state = container.state(locked=True)
    if not state.running:
        return
    names = {
        there["id"]: joining.names(record, one)
        for one in record["networks"]
        if one["kind"] == "named" and (there := state.networks.get(one["name"]))
    }
    try:
        tell(container, {"names": names})
    except HostError:
        pass


def tell(container: Handle, wish: dict[str, Any]) -> None:
    """Have the supervisor do what a NETWORKS frame says. Raises HostError with what it answers."""
    stream = connect(container, streams.NETWORKS, jsonio.dump_bytes(wish))
    try:
        said = answer(container, stream, 1 << 16)
    finally:
        stream.close()
    body = said[streams.HEADER :]
    if not body:
        raise HostError(f"the supervisor of container {container.name} does not know how")
    if "error" in (found := jsonio.loads(body)):
        raise HostError(f"container {container.name}: {found['error']}")
