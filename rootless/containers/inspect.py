"""A container as `inspect` shows it: docker's names and nesting, so that its templates work.

Where podman has the same field the two agree here, too; what podman alone has and scripts read
(ImageName, EffectiveCaps, ...) is added. What does not exist yet is shown as nothing, not left out.
"""

from __future__ import annotations

import os
import time

from rootless.containers import networks
from rootless.containers.creation.choices import NEVER
from rootless.containers.docker import binds, human_size, security_options, volumes_from
from rootless.containers.record import has_check
from rootless.values import signal_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from rootless.containers.record import Record, Status
    from rootless.containers.request import Healthcheck, Request, StartupCheck
    from rootless.runtime.spec import Mount
    from rootless.volumes.mounts import Volume

ZERO_TIME = "0001-01-01T00:00:00Z"
"""What Go's tools print for a moment that has not come."""


_GIVEN = ("HOSTNAME=", "container=")
"""Variables that every container has: docker shows none of these."""

_MAC = "02:00:00:00:00:01"
"""Of the interface in every private network (network.addresses.GUEST_MAC)."""

_SECOND = 1_000_000_000

_FILES = ("json-file", "k8s-file")


def rfc3339(seconds: float) -> str:
    """Return a moment as RFC 3339 text in UTC with nanoseconds; 0 is none."""
    if seconds <= 0:
        return ZERO_TIME
    whole, nanoseconds = divmod(int(seconds * 1_000_000) * 1000, 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{nanoseconds:09d}Z"


def inspect(
    record: Record,
    state: Status,
    *,
    directory: str,
    health: Mapping[str, Any] | None = None,
    sessions: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the document that `inspect` prints for one container.

    `directory` is the container's own, `health` are the results of its checks (health.json),
    `sessions` the ids of the commands of `exec` that run.
    """
    spec = record["spec"]
    memory = {item["destination"] for item in record["request"]["tmpfs"]}
    capabilities = spec["process"]["capabilities"]
    sources = {mount["destination"]: mount["source"] for mount in spec["mounts"]}
    return {
        "Id": record["id"],
        "Created": rfc3339(record["created"]),
        "Path": record["path"],
        "Args": record["args"],
        "State": _state(record, state, health or {}, directory),
        "Image": f"sha256:{record['image_id']}" if record["image_id"] else "",
        "ImageName": record.get("image_name") or record["image"],  # not in records of before
        "ImageDigest": record.get("image_digest", ""),
        "Rootfs": record["rootfs"]["path"],
        "ResolvConfPath": sources.get("/etc/resolv.conf", ""),
        "HostnamePath": sources.get("/etc/hostname", ""),
        "HostsPath": sources.get("/etc/hosts", ""),
        "LogPath": f"{directory}/log" if record["log_driver"] in _FILES else "",
        "Name": f"/{record['name']}",
        "RestartCount": state.restart_count,
        "Pod": "",
        "Namespace": "",
        "IsInfra": False,
        "IsService": False,
        "StaticDir": directory,
        "OCIConfigPath": "",
        "OCIRuntime": "rootless",
        "Driver": "overlay",
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "EffectiveCaps": capabilities.get("effective", []),
        "BoundingCaps": capabilities.get("bounding", []),
        "ExecIDs": list(sessions),
        "PidFile": record["request"]["pidfile"],
        "ConmonPidFile": record["request"]["conmon_pidfile"],
        "Dependencies": _dependencies(record),
        "HostConfig": _host_config(record, directory),
        "GraphDriver": _driver(record, directory),
        "Mounts": [_mount(item) for item in record["volumes"] if item["destination"] not in memory],
        "Config": _config(record),
        "NetworkSettings": _network(record, state),
    }


def _dependencies(record: Record) -> list[str]:
    """The ids of the containers without which it cannot run."""
    needed = [*record.get("requires", ())]
    needed += [one["name"] for one in record["networks"] if one["kind"] == "container"]
    return list(dict.fromkeys(needed))


def _state(
    record: Record, state: Status, health: Mapping[str, Any], directory: str
) -> dict[str, Any]:
    checked = _health(state, health) if has_check(record) else None
    return {
        "OciVersion": record["spec"].get("ociVersion", ""),
        "Status": state.status,
        "Running": state.active,
        "Paused": state.status == "paused",
        "Restarting": state.status == "restarting",
        "OOMKilled": False,
        "Dead": False,
        "Pid": state.pid if state.running else 0,
        "ConmonPid": state.supervisor,
        "StoppedByUser": os.path.exists(f"{directory}/stopped"),
        "ExitCode": 0 if state.running else state.exit_code,
        "Error": state.error,
        "StartedAt": rfc3339(state.started),
        "FinishedAt": ZERO_TIME if state.running else rfc3339(state.finished),
        "CheckpointedAt": ZERO_TIME,
        "RestoredAt": ZERO_TIME,
        "Degraded": state.degraded,
        "Health": checked,
        "Healthcheck": checked,
    }


def _health(state: Status, health: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "Status": state.health or health.get("status") or "starting",
        "FailingStreak": health.get("failing", 0),
        "Log": [
            {
                "Start": rfc3339(entry["start"]),
                "End": rfc3339(entry["end"]),
                "ExitCode": entry["exit"],
                "Output": entry["output"],
            }
            for entry in health.get("log", ())
        ],
    }


def as_podman(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document as podman has it, where it contradicts docker's."""
    mounts = [_podmans_mount(mount) for mount in document["Mounts"]]
    config = document["Config"]
    check = config["Healthcheck"]
    return {
        **document,
        "Name": document["Name"].removeprefix("/"),
        "Image": document["Image"].removeprefix("sha256:"),
        "Mounts": mounts,
        "HostConfig": {**document["HostConfig"], "Binds": [_podmans_bind(one) for one in mounts]},
        "Config": {**config, "Healthcheck": check and _whole_check(check)},
    }


def _podmans_mount(mount: dict[str, Any]) -> dict[str, Any]:
    """Volumes are not propagated either, and docker's words of the options stand nowhere."""
    return {**mount, "Mode": "", "Propagation": mount["Propagation"] or "rprivate"}


def _podmans_bind(mount: dict[str, Any]) -> str:
    words = ["rw" if mount["RW"] else "ro", mount["Propagation"], *mount["Options"]]
    source = mount.get("Name") or mount["Source"]
    return f"{source}:{mount['Destination']}:{','.join(words)}"


def _whole_check(check: dict[str, Any]) -> dict[str, Any]:
    """Return a check with what it does not say itself."""
    if check.get("Test", ["NONE"])[:1] == ["NONE"]:
        return check
    usual = {"Interval": 30 * _SECOND, "Timeout": 30 * _SECOND, "Retries": 3}
    return {**usual, **{key: value for key, value in check.items() if value or key == "Interval"}}


def _config(record: Record) -> dict[str, Any]:
    process, attached = record["spec"]["process"], not record["request"]["detached"]
    streams = record["request"]["attach"] or ("stdout", "stderr") if attached else ()
    return {
        "Hostname": record["hostname"],
        "Domainname": record["request"]["domainname"],
        "User": record["user"],
        "AttachStdin": attached and record["stdin"],
        "AttachStdout": "stdout" in streams,
        "AttachStderr": "stderr" in streams,
        "ExposedPorts": {port: {} for port in record["exposed"]},
        "Tty": record["tty"],
        "OpenStdin": record["stdin"],
        "StdinOnce": attached and record["stdin"],
        "Env": [item for item in process["env"] if not item.startswith(_GIVEN)],
        "Cmd": record["cmd"] or None,
        "Healthcheck": _check(record["healthcheck"]),
        "Image": record["image"],
        "Volumes": {item["destination"]: {} for item in record["volumes"] if item["anonymous"]},
        "WorkingDir": process["cwd"],
        "Entrypoint": record["entrypoint"] or None,
        "OnBuild": None,
        "Shell": None,
        "NetworkDisabled": False,
        "MacAddress": record["networks"][0].get("mac", ""),
        "Labels": record["labels"],
        "Annotations": record["annotations"],
        "StopSignal": signal_name(record["stop_signal"]),
        "StopTimeout": record["stop_timeout"],
        "SdNotifyMode": record["sdnotify"],
        "sdNotifyMode": record["sdnotify"],
        "ChrootDirs": record["request"]["chrootdirs"],
        "Passwd": record["request"]["passwd"],
        "Timeout": record["request"]["timeout"],
        "Timezone": record["request"]["timezone"],
        "Umask": f"{process['user'].get('umask', 0o022):04o}",
        "HealthcheckOnFailureAction": record["health"]["on_failure"],
        "StartupHealthCheck": _startup_check(record["health"]["startup"]),
        "CreateCommand": record["request"]["create_command"] or None,
        "HealthLogDestination": record["request"]["health_log"]["destination"],
        "HealthcheckMaxLogCount": record["request"]["health_log"]["count"],
        "HealthcheckMaxLogSize": record["request"]["health_log"]["size"],
    }


def _check(check: Healthcheck | None) -> Healthcheck | None:
    """A check that never comes by itself has no interval: 0, as podman shows it."""
    return {**check, "Interval": 0} if check and check.get("Interval") == NEVER else check


def _startup_check(check: StartupCheck | None) -> dict[str, Any] | None:
    if check is None:
        return None
    return {
        "Test": check["test"],
        "Interval": int(check["interval"] * _SECOND),
        "Timeout": int(check["timeout"] * _SECOND),
        "Retries": check["retries"],
        "Successes": check["successes"],
    }


def _host_config(record: Record, directory: str) -> dict[str, Any]:
    request, spec = record["request"], record["spec"]
    private, process, spaces = spec["rootless"], spec["process"], request["namespaces"]
    security = request["security"]
    return {
        "Binds": binds(request["mounts"]),
        "ContainerIDFile": request["cidfile"],
        "LogConfig": _log_config(record, directory),
        "NetworkMode": networks.mode(record["networks"]),
        "PortBindings": _bindings(record),
        "RestartPolicy": _restart_policy(record["restart"]),
        "AutoRemove": record["rm"],
        "VolumesFrom": volumes_from(request["volumes_from"]),
        "Annotations": record["annotations"],
        "CapAdd": security["cap_add"],
        "CapDrop": security["cap_drop"],
        "CgroupnsMode": private["cgroupns"],
        "CgroupMode": private["cgroupns"],
        "Dns": record["dns"]["servers"],
        "DnsOptions": record["dns"]["options"],
        "DnsSearch": record["dns"]["search"],
        "ExtraHosts": [
            f"{name}:{address}" for address, *names in record["hosts"] for name in names
        ],
        "GroupAdd": [*request["groups"], *(["keep-groups"] if request["keep_groups"] else [])],
        "IpcMode": spaces["ipc"],
        "Cgroup": "",
        "Links": [
            f"/{link['container']}:/{record['name']}/{link['alias']}" for link in request["links"]
        ]
        or None,
        "OomScoreAdj": process.get("oomScoreAdj", 0),
        "PidMode": _unless_private(spaces["pid"]),
        "Privileged": private["privileged"],
        "PublishAllPorts": request["publish_all"],
        "ReadonlyRootfs": spec["root"]["readonly"],
        "SecurityOpt": security_options(security),
        "Tmpfs": {item["destination"]: item["mode"] for item in request["tmpfs"]},
        "UTSMode": _unless_private(spaces["uts"]),
        "UsernsMode": _userns_mode(private["userns"]),
        "IDMappings": _maps(request),
        "ShmSize": _shm_size(spec["mounts"]),
        "Sysctls": spec["linux"]["sysctl"],
        "Runtime": "rootless",
        "Init": request["init"],
        "AutoRemoveImage": request["remove_image"],
        "Devices": [_device(item) for item in request["devices"]],
        "Ulimits": [
            {
                "Name": limit["type"].removeprefix("RLIMIT_").lower(),
                "Soft": _limit(limit["soft"]),
                "Hard": _limit(limit["hard"]),
            }
            for limit in process["rlimits"]
        ],
        "MaskedPaths": spec["linux"]["maskedPaths"],
        "ReadonlyPaths": spec["linux"]["readonlyPaths"],
        **dict.fromkeys(_NO_LIMITS, 0),
        **dict.fromkeys(_NOT_HERE, None),
        **dict.fromkeys(_NO_CHOICE, ""),
        **_ALWAYS,
    }


_NO_LIMITS = (
    "CpuShares",
    "DiskQuota",
    "KernelMemory",
    "Memory",
    "NanoCpus",
    "CpuPeriod",
    "CpuQuota",
    "MemoryReservation",
    "MemorySwap",
    "PidsLimit",
    "MemorySwappiness",
    "BlkioWeight",
    "CpuCount",
    "CpuPercent",
    "CpuRealtimePeriod",
    "CpuRealtimeRuntime",
    "IOMaximumBandwidth",
    "IOMaximumIOps",
)

_NOT_HERE = (
    "BlkioDeviceReadBps",
    "BlkioDeviceReadIOps",
    "BlkioDeviceWriteBps",
    "BlkioDeviceWriteIOps",
    "BlkioWeightDevice",
    "CgroupConf",
    "DeviceCgroupRules",
    "DeviceRequests",
    "Mounts",
    "OomKillDisable",
    "StorageOpt",
)
"""docker's fields of what there is nothing of: a template that names one finds null, as there."""

_ALWAYS: dict[str, Any] = {
    "CgroupManager": "cgroupfs",
    "Cgroups": "default",
    "ConsoleSize": [0, 0],
    "Isolation": "",
    "VolumeDriver": "",
}
"""What is the same of each container."""

_NO_CHOICE = ("CgroupParent", "CpusetCpus", "CpusetMems")


def _limit(value: int) -> int:
    return -1 if value >= 1 << 63 else value


def _log_config(record: Record, directory: str) -> dict[str, Any]:
    driver, options = record["log_driver"], record["log_options"]
    return {
        "Type": driver,
        "Config": options,
        "Path": f"{directory}/log" if driver in _FILES else "",
        "Tag": options.get("tag", ""),
        "Size": human_size(int(options.get("max-size", 0))),
    }


def _restart_policy(policy: str) -> dict[str, Any]:
    name, _, most = policy.partition(":")
    return {"Name": name, "MaximumRetryCount": int(most or 0)}


def _shm_size(mounts: list[Mount]) -> int:
    for mount in mounts:
        if mount["destination"] == "/dev/shm":  # noqa: S108 - not a temporary file
            for word in mount["options"]:
                size = word.removeprefix("size=")
                if size != word and size.isdigit():
                    return int(size)
    return 0


def _userns_mode(userns: str) -> str:
    """As podman: ids of its own make it private."""
    return "" if userns == "host" else "private" if userns.startswith("map:") else userns


def _maps(request: Request) -> dict[str, list[str]] | None:
    if not request["uidmap"]:
        return None
    return {
        key: [":".join(map(str, one)) for one in ranges]
        for key, ranges in (("UidMap", request["uidmap"]), ("GidMap", request["gidmap"]))
    }


def _unless_private(mode: str) -> str:
    return "" if mode == "private" else mode


def _device(item: Mount) -> dict[str, str]:
    return {
        "PathOnHost": item["source"],
        "PathInContainer": item["destination"],
        "CgroupPermissions": "rwm",
    }


def _mount(item: Volume) -> dict[str, Any]:
    named = {"Name": item["name"], "Driver": "local"} if item["type"] == "volume" else {}
    own = ("rw", "ro", "rro", item["propagation"] or "rprivate")
    return {
        "Type": item["type"],
        **named,
        "Source": item["source"],
        "Destination": item["destination"],
        "Mode": item["mode"],
        "Options": [word for word in item["options"] if word not in own],
        "RW": item["rw"],
        "Propagation": item["propagation"],
    }


def _driver(record: Record, directory: str) -> dict[str, Any]:
    data = {"LowerDir": ":".join(reversed(record["layers"]))} if record["layers"] else {}
    data |= {"UpperDir": f"{directory}/upper", "WorkDir": f"{directory}/work"}
    data["MergedDir"] = ""  # the container alone sees the layers as one
    return {"Name": "overlay", "Data": data}


def _bindings(record: Record) -> dict[str, list[dict[str, str]]]:
    """Return what was asked for, by port of the container."""
    found: dict[str, list[dict[str, str]]] = {}
    for port in record["ports"]:
        host = str(port["host"]) if port["host"] else ""
        wanted = found.setdefault(f"{port['container']}/{port['protocol']}", [])
        wanted.append({"HostIp": port["ip"], "HostPort": host})
    return found


def _published(record: Record, state: Status) -> dict[str, list[dict[str, str]] | None]:
    """Return what is open now, and the ports of the image that are not, as docker does."""
    found: dict[str, list[dict[str, str]] | None] = {}
    for port in state.ports:
        key = f"{port['container']}/{port['protocol']}"
        entry = {"HostIp": port["ip"], "HostPort": str(port["host"])}
        found[key] = [*(found.get(key) or []), entry]
    return found | {text: None for text in record["exposed"] if text not in found}


def _endpoint(record: Record, state: Status, name: str = "") -> dict[str, Any]:
    """Return how the container is in its private network, or in that of a name."""
    private = record["spec"]["rootless"]["network"]
    if name and state.running and (there := state.networks.get(name)):
        return _named_endpoint(record, there)
    if not private or not private["settings"]["guest"] or not state.running:
        return {
            "EndpointID": "",
            "Gateway": "",
            "GlobalIPv6Address": "",
            "GlobalIPv6PrefixLen": 0,
            "IPAddress": "",
            "IPPrefixLen": 0,
            "IPv6Gateway": "",
            "MacAddress": "",
        }
    settings = private["settings"]
    return {
        "EndpointID": record["id"],
        "Gateway": settings["gateway"],
        "GlobalIPv6Address": settings["guest6"],
        "GlobalIPv6PrefixLen": settings["prefix6"] if settings["guest6"] else 0,
        "IPAddress": settings["guest"],
        "IPPrefixLen": settings["prefix"],
        "IPv6Gateway": settings["gateway6"],
        # pasta makes one up.
        "MacAddress": settings.get("mac") or ("" if private["helper"] == "pasta" else _MAC),
    }


def _named_endpoint(record: Record, there: dict[str, Any]) -> dict[str, Any]:
    return {
        "EndpointID": record["id"],
        "Gateway": there["gateway"],
        "GlobalIPv6Address": there["ipv6"],
        "GlobalIPv6PrefixLen": there["prefix6"] if there["ipv6"] else 0,
        "IPAddress": there["ipv4"],
        "IPPrefixLen": there["prefix"],
        "IPv6Gateway": there["gateway6"],
        "MacAddress": there["mac"],
        "NetworkID": there["id"],
        "DNSNames": there["names"],
    }


def _network(record: Record, state: Status) -> dict[str, Any]:
    endpoint = _endpoint(record, state)
    return {
        "Bridge": "",
        "SandboxID": "",
        "SandboxKey": f"/proc/{state.pid}/ns/net" if state.running else "",
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
        "Ports": _published(record, state) if state.running else {},
        **endpoint,
        "Networks": {
            networks.mode([one]): {
                "Aliases": one["aliases"] or None,
                "NetworkID": "",
                **(_endpoint(record, state, one["name"]) if one["kind"] == "named" else endpoint),
            }
            for one in record["networks"]
        },
    }
