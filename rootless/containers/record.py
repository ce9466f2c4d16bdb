"""Containers on the disk: the record and the state in the directory of each, and where they lie."""

from __future__ import annotations

from rootless.errors import StoreError
from rootless.store import records
from rootless.store.objects import Objects

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal, NotRequired, Protocol, TypedDict

    from rootless.containers.request import Dns, Healthcheck, HealthExtras, Publish, Request
    from rootless.netstack.ports import Port
    from rootless.runtime.spec import Attachment, Spec
    from rootless.store.paths import Paths
    from rootless.volumes.mounts import Shown, Volume

    class Image(Protocol):
        """What composing needs of an image (rootless.images.collection.Image)."""

        @property
        def id(self) -> str:
            """The digest of the configuration, hexadecimal."""

        @property
        def names(self) -> list[str]:
            """The references that name it."""

        @property
        def digest(self) -> str:
            """That by which it was pulled, else that of its manifest."""

        @property
        def config(self) -> dict[str, Any]:
            """The OCI image configuration, the whole document."""

        @property
        def host(self) -> bool:
            """Whether it is the built-in image that shows the machine's own programs."""

        def lowers(self) -> list[str]:
            """Directories of the unpacked layers, bottom first; unpacks what is missing."""

    class Rootfs(TypedDict):
        """Where the root file system comes from."""

        kind: Literal["layers", "host", "directory"]
        path: str
        overlay: bool
        """Only for a directory: changes are thrown away (`--rootfs DIR:O`)."""

    class Record(TypedDict):
        """A container as it is to be started."""

        version: int
        id: str
        name: str
        created: float
        image: str
        """The image as the user named it; for --rootfs the directory."""
        image_id: str
        image_digest: NotRequired[str]
        """Of its manifest; in records of before there is none."""
        image_name: NotRequired[str]
        """The whole name that this meant then, "" for none: podman tells of it by that, whatever
        becomes of the name. In records of before there is none."""
        layers: list[str]
        rootfs: Rootfs
        request: Request
        """What was asked for; in the file only where that is unusual.

        All else is what came of it, and of the image.
        """
        path: str
        args: list[str]
        entrypoint: list[str]
        cmd: list[str]
        user: str
        labels: dict[str, str]
        annotations: dict[str, str]
        tty: bool
        stdin: bool
        rm: bool
        stop_signal: int
        stop_timeout: int
        networks: list[Attachment]
        """Never empty; containers by their ids."""
        hostname: str
        hosts: list[list[str]]
        """--add-host: [address, name, ...]."""
        exposed: list[str]
        ports: list[Publish]
        """What is published, ports as they were asked for."""
        dns: Dns
        healthcheck: Healthcheck | None
        health: HealthExtras
        restart: str
        """no, on-failure[:N], always or unless-stopped."""
        sdnotify: str
        """container, supervisor, healthy or ignore."""
        log_driver: str
        log_options: dict[str, str]
        volumes: list[Volume]
        requires: NotRequired[list[str]]
        """Ids of the containers that are started before it, where there are any."""
        working: NotRequired[dict[str, Any]]
        """Of a working container, the image that is made in it (build.working)."""
        spec: Spec

    class State(TypedDict, total=False):
        """What became of a container."""

        status: Literal["created", "running", "restarting", "exited"]
        pid: int
        started: float
        finished: float
        exit_code: int
        error: str
        boot: str
        degraded: list[str]

    class Status(Protocol):
        """A state as `Container.state()` gives it: what `inspect` needs of it."""

        @property
        def status(self) -> str:
            """Created, running or exited, in small letters."""

        @property
        def pid(self) -> int:
            """The container's first process, on the host."""

        @property
        def started(self) -> float:
            """Seconds since the epoch; 0 for not yet."""

        @property
        def finished(self) -> float:
            """Seconds since the epoch; 0 for not yet."""

        @property
        def exit_code(self) -> int:
            """Of the last run."""

        @property
        def error(self) -> str:
            """Why it did not start."""

        @property
        def running(self) -> bool:
            """Whether its processes are there."""

        @property
        def active(self) -> bool:
            """Whether it runs, or will by itself."""

        @property
        def networks(self) -> dict[str, Any]:
            """Networks with names that it is on -> its addresses there."""

        @property
        def supervisor(self) -> int:
            """The supervisor's pid, 0 without one."""

        @property
        def restart_count(self) -> int:
            """How often its restart policy has started it."""

        @property
        def health(self) -> str:
            """What its health check says now, empty for nothing."""

        @property
        def ports(self) -> list[Port]:
            """What is published now."""

        @property
        def degraded(self) -> list[str]:
            """What was refused and what was done instead, in words."""


class Kept(dict[str, "Any"]):
    """A request as it is written down: what it does not say is as usual.

    What is usual is looked up when it is asked for, because listings ask for none of it.
    """

    def __missing__(self, key: str) -> Any:
        from rootless.containers.request import request

        for name, value in request("").items():
            self.setdefault(name, value)
        return dict.__getitem__(self, key)


def upgraded(found: dict[str, Any]) -> Record:
    """Return a record as it was read, in the form of this release.

    Raises StoreError for one that is damaged.
    """
    try:
        if "asked" in found and "request" not in found:
            from rootless.containers import legacy

            found = legacy.upgraded(found)
        else:
            # A later release may have fields that we do not know: they stay.
            found["request"] = Kept(found["request"])
        _check(found)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        id = str(found.get("id", ""))[:12]  # noqa: A001 - the field's own word
        raise StoreError(
            f"container {id}: its record is damaged", f"rootless rm -f {id} removes it"
        ) from error
    return found  # type: ignore[return-value]


_KINDS: dict[str, type] = {
    "annotations": dict,
    "args": list,
    "cmd": list,
    "dns": dict,
    "entrypoint": list,
    "exposed": list,
    "health": dict,
    "hostname": str,
    "hosts": list,
    "id": str,
    "image": str,
    "image_id": str,
    "labels": dict,
    "layers": list,
    "log_driver": str,
    "log_options": dict,
    "name": str,
    "networks": list,
    "path": str,
    "ports": list,
    "restart": str,
    "rm": bool,
    "rootfs": dict,
    "sdnotify": str,
    "spec": dict,
    "stdin": bool,
    "stop_signal": int,
    "stop_timeout": int,
    "tty": bool,
    "user": str,
    "volumes": list,
}
"""What a record has to say, by its type. What is below that is believed, but for what follows."""

_SPEC: dict[str, type] = {
    "process": dict,
    "root": dict,
    "linux": dict,
    "rootless": dict,
    "mounts": list,
}
_NETWORK: dict[str, type] = {"kind": str, "name": str}
_VOLUME: dict[str, type] = {
    "type": str,
    "name": str,
    "source": str,
    "destination": str,
    "anonymous": bool,
}
_SHOWN: dict[str, type] = {"id": str, "layers": list}
_REQUEST: dict[str, type] = {
    "annotations": dict,
    "attach": list,
    "chrootdirs": list,
    "cidfile": str,
    "command": list,
    "conmon_pidfile": str,
    "create_command": list,
    "detached": bool,
    "devices": list,
    "dns": dict,
    "domainname": str,
    "env_merge": list,
    "environment": list,
    "expose": list,
    "gidmap": list,
    "group_entry": str,
    "groups": list,
    "health": dict,
    "health_log": dict,
    "healthcheck": dict,
    "host_address": str,
    "hostname": str,
    "hosts": list,
    "hostusers": list,
    "image": str,
    "image_volumes": str,
    "inherited": list,
    "init": bool,
    "init_path": str,
    "keep_groups": bool,
    "labels": dict,
    "links": list,
    "log": dict,
    "make_workdir": bool,
    "mounts": list,
    "name": str,
    "namespaces": dict,
    "networks": list,
    "no_hosts": bool,
    "passwd": bool,
    "passwd_entry": str,
    "personality": str,
    "pidfile": str,
    "ports": list,
    "preset": list,
    "publish_all": bool,
    "read_only": bool,
    "read_only_tmpfs": bool,
    "record_owners": bool,
    "remap_ports": bool,
    "remove": bool,
    "remove_image": bool,
    "requires": list,
    "restart": dict,
    "rlimits": list,
    "sdnotify": str,
    "security": dict,
    "shm_size": int,
    "shm_size_systemd": int,
    "stdin": bool,
    "stop_signal": int,
    "stop_timeout": int,
    "sysctls": dict,
    "systemd": str,
    "timeout": int,
    "timezone": str,
    "tmpfs": list,
    "tty": bool,
    "uidmap": list,
    "umask": int,
    "unsetenv": list,
    "unsetenv_all": bool,
    "user": str,
    "userns": dict,
    "volumes_from": list,
    "workdir": str,
}
"""The same of a request, of which only what is unusual is there; a listing loads no more of it."""


def _check(found: dict[str, Any]) -> None:
    """Raise KeyError, IndexError or TypeError for what would end a listing of many containers."""
    _expect(found, _KINDS)
    _expect(found["spec"], _SPEC)
    _expect(found["networks"][0], _NETWORK)
    for item in found["volumes"]:
        _expect(item, _VOLUME)
        if item["type"] == "image":
            _expect(item["image"], _SHOWN)
    for key, value in found["request"].items():
        if key in _REQUEST and type(value) is not _REQUEST[key]:
            raise TypeError(key)


def _expect(value: dict[str, Any], kinds: dict[str, type]) -> None:
    for key, kind in kinds.items():
        if type(value[key]) is not kind:
            raise TypeError(key)


def shown(record: Record) -> list[Shown]:
    """Return the images that are mounted into a container, beside that of its root."""
    return [item["image"] for item in record["volumes"] if item["type"] == "image"]


def stored(record: Record) -> dict[str, Any]:
    """Return what is written down of a record; `upgraded` makes the same record of it again."""
    from rootless.containers.request import unusual

    return {**record, "request": unusual(record["request"])}


def read(directory: str) -> Record:
    """Return the record of the container in `directory`.

    Raises FileNotFoundError where there is none, StoreError for one that is damaged.
    """
    return upgraded(records.read_record(f"{directory}/config.json"))


def write(directory: str, record: Record) -> None:
    """Write the record of the container in `directory`; see `records.write_record`."""
    records.write_record(directory, "config.json", stored(record))


def has_check(record: Record) -> bool:
    """Whether there is a health check, and it was not forbidden."""
    test = (record["healthcheck"] or {}).get("Test") or ["NONE"]
    return test[0] not in ("NONE", "")


def objects(paths: Paths) -> Objects:
    """Return the directories and names of the containers."""
    return Objects(
        paths.containers,
        "container",
        record="config.json",
        empty=lambda path: _empty(paths, path),
        absent="rootless ps -a lists what there is",
        damaged="rootless rm -f {id} removes it",
    )


def _empty(paths: Paths, path: str) -> None:
    from rootless.runtime.userns import removal  # listings remove nothing

    removal.empty(paths, path)
