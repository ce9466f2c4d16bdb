"""--network container:ID and ns:/PATH: into a network that is there already."""

from __future__ import annotations

import errno
import os

from rootless.containers.container import Container
from rootless.containers.record import read
from rootless.errors import Conflict, LaunchError, NotFound
from rootless.linux import namespaces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.containers.record import Record
    from rootless.runtime.spec import Namespace
    from rootless.store.paths import Paths


def check_namespace(path: str) -> None:
    """Raise LaunchError for what is no network namespace, or not for us to open."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if namespaces.kind(fd) == namespaces.CLONE_NEWNET:
                return
            reason = "it is another kind of namespace"
        finally:
            os.close(fd)
    except OSError as error:
        reason = "it is none" if error.errno == errno.ENOTTY else os.strerror(error.errno or 0)
    raise LaunchError(f"cannot join the network namespace {path}: {reason}")


def joined(paths: Paths, record: Record) -> Record:
    """Return the record with the place where the network of the other container is now.

    Its gateway and name servers are ours. Raises Conflict where that does not run, NotFound where
    it is gone.
    """
    other_id = record["networks"][0]["name"]
    try:
        other = Container(paths, read(f"{paths.containers}/{other_id}"))
    except FileNotFoundError:
        raise NotFound(
            f"container {record['name']} uses the network of {other_id[:12]}, which is gone"
        ) from None
    state = other.state()
    if not state.running:
        raise Conflict(
            f"cannot join the network of container {other.name}: it is not running",
            "start it first",
        )
    spec, path = record["spec"], f"/proc/{state.values['command_pid']}/ns/net"
    spaces = spec["linux"]["namespaces"]
    kept: list[Namespace] = [space for space in spaces if space["type"] != "network"]
    private = other.record["spec"]["rootless"]["network"]
    spec = {
        **spec,
        "linux": {**spec["linux"], "namespaces": [*kept, {"type": "network", "path": path}]},
        "rootless": {**spec["rootless"], "network": private},
    }
    return {**record, "spec": spec}
