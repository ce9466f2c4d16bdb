"""The networks of a store: making, finding and removing them.

networks/<name>.json    the record of one
networks/.lock          whoever makes one has it, so that no two get the same subnet
"""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import os
import time

from rootless.errors import Conflict, NotFound, StoreError, UsageError
from rootless.networks import records as shapes
from rootless.networks import subnets
from rootless.store import events, records
from rootless.store.objects import new_id
from rootless.teller import QUIET

TYPE_CHECKING = False
if TYPE_CHECKING:
    import builtins
    from collections.abc import Iterator
    from typing import Any

    from rootless.networks.records import Record
    from rootless.runtime.spec import Segment
    from rootless.store.paths import Paths
    from rootless.teller import Teller

RESERVED = frozenset(
    ("none", "host", "private", "bridge", "default", "container", "ns", "pasta", "slirp4netns")
)
"""Words that mean something else where a network is named."""


class Network:
    """One network, as it was when it was looked at."""

    def __init__(self, record: Record) -> None:
        self.record = record

    @property
    def id(self) -> str:
        """Its id, 64 hexadecimal digits."""
        return self.record["id"]

    @property
    def name(self) -> str:
        """Its name, which no other has."""
        return self.record["name"]

    def segment(self) -> Segment:
        """What its switch is told."""
        return shapes.segment(self.record)


class Networks:
    """The networks of one store."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._directory = f"{paths.root}/networks"

    # -- finding

    def names(self) -> builtins.list[str]:
        """Return the names of all, in order: no record is read."""
        try:
            found = os.listdir(self._directory)
        except FileNotFoundError:
            return []
        return sorted(name[:-5] for name in found if name.endswith(".json") and name[0] != ".")

    def get(self, ref: str) -> Network:
        """Return the network of a name, or of an id that may be shortened.

        Raises NotFound, Conflict for the beginning of several ids, StoreError.
        """
        if shapes.is_name(ref):
            try:
                return Network(self._read(ref))
            except FileNotFoundError:
                pass
        found = [one for one in self.list() if ref and one.id.startswith(ref)]
        if len(found) > 1:
            raise Conflict(f"network {ref}: several ids begin like that", "use more of it")
        if not found:
            raise NotFound(f"network {ref} not found", "rootless network ls shows those that are")
        return found[0]

    def list(self, teller: Teller = QUIET) -> builtins.list[Network]:
        """Return all by name; a damaged record is a problem that the teller is told of."""
        found = []
        for name in self.names():
            try:
                found.append(Network(self._read(name)))
            except FileNotFoundError:
                continue  # removed meanwhile
            except StoreError as error:
                teller.problem(error)
        return found

    def _read(self, name: str) -> Record:
        path = f"{self._directory}/{name}.json"
        value: Any = records.read_record(path)
        try:
            if value["name"] == name and isinstance(value["id"], str) and value["subnets"]:
                shapes.segment(value)
                return value  # type: ignore[no-any-return]
        except (KeyError, TypeError, ValueError, IndexError):
            pass
        raise StoreError(f"damaged record of network {name}: {path}")

    def members(self, network: Network) -> builtins.list[dict[str, Any]]:
        """Return who is on a network now: see runtime.switch.table.Member."""
        from rootless.runtime.switch import place, table

        try:
            path = place.directory(self._paths.runtime, network.id)
            with open(f"{path}/{table.FILE}", encoding="utf-8") as file:
                return table.read(file.read())
        except OSError:
            return []  # nobody

    # -- making and removing

    def create(self, record: Record, *, ignore: bool = False) -> Network:
        """Make a network of what was asked for; its id, subnets and time may be missing.

        Raises UsageError, Conflict for a name that is taken, unless it is to be ignored, or a
        subnet that clashes, HostError where none is free, StoreError.
        """
        name = record["name"]
        if not shapes.is_name(name):
            raise UsageError(f"invalid network name {name!r:.60}", "letters, digits, _ . and -")
        if name in RESERVED:
            raise UsageError(f"operation is not permitted on predefined {name} network")
        self._paths.prepare()
        with self._locked():
            if name in self.names():
                if ignore:
                    return self.get(name)
                raise Conflict(f"network with name {name} already exists")
            whole = self._completed(record)
            try:
                shapes.segment(whole)
            except ValueError as error:
                raise UsageError(str(error)) from None
            records.write_record(self._directory, f"{name}.json", whole, durable=True)
        self._tell("create", whole)
        return Network(whole)

    def _completed(self, record: Record) -> Record:
        others = [(one.name, net) for one in self.list() for net in one.record["subnets"]]
        found = list(record["subnets"])
        for subnet in found:
            subnets.refuse_clash(subnet, others)
        versions = [ipaddress.ip_network(one["subnet"]).version for one in found]
        for version in (4, 6):
            if versions.count(version) > 1:
                raise UsageError(f"a network has one subnet of IPv{version}")
        if 4 not in versions:
            taken = [ipaddress.ip_network(net["subnet"]) for _, net in others]
            found.insert(0, subnets.choose(record["name"], [*taken, *subnets.of_host()]))
        elif versions[0] != 4:
            found.reverse()
        if record["ipv6"] and 6 not in versions:
            found.append(subnets.choose6())
        return {
            **record,
            "id": new_id(),
            "created": time.time(),
            "subnets": found,
            "ipv6": record["ipv6"] or 6 in versions,
        }

    def remove(self, network: Network) -> None:
        """Remove a network; whoever calls has looked that no container is on it.

        Raises NotFound where somebody was faster, StoreError.
        """
        path = f"{self._directory}/{network.name}.json"
        with self._locked():
            try:
                os.unlink(path)
            except FileNotFoundError:
                raise NotFound(f"network {network.name} not found") from None
            except OSError as error:
                raise StoreError(f"cannot remove {path}: {error.strerror}") from error
        self._tell("remove", network.record)

    def write(self, network: Network) -> None:
        """Write the record of a network that was changed. Raises StoreError."""
        name = f"{network.name}.json"
        records.write_record(self._directory, name, network.record, durable=True)

    def _tell(self, action: str, record: Record) -> None:
        attributes = {"name": record["name"], "type": "bridge"}
        told = events.happened("network", action, record["id"], record["name"], attributes)
        events.record(self._paths.root, told)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            os.makedirs(self._directory, 0o700, exist_ok=True)
            path = f"{self._directory}/.lock"
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(
                f"cannot write in {self._directory}: {error.strerror}", records.remedy(error)
            ) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)
