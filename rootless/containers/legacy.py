"""Records of the release before: read, and written so that it reads ours. Goes with the next one.

It kept the option texts of `run` under `asked`, and the network as one text under `network`.
"""

from __future__ import annotations

from rootless.containers import networks
from rootless.containers.request import attachment, request, security

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.containers.request import Directory, Fields, Request, Userns
    from rootless.runtime.spec import Attachment
    from rootless.volumes.mounts import Volume


def kept(wanted: Request, attached: list[Attachment]) -> dict[str, Any]:
    """Return what the release before reads, beside what it has in common with this one.

    `wanted` was asked for, `attached` are the container's networks.
    """
    spaces, groups = wanted["namespaces"], [*wanted["groups"]]
    if wanted["keep_groups"]:
        groups.append("keep-groups")
    asked: dict[str, Any] = {
        "detach": wanted["detached"],
        "cidfile": wanted["cidfile"],
        "cap_add": wanted["security"]["cap_add"],
        "cap_drop": wanted["security"]["cap_drop"],
        "device": [f"{item['source']}:{item['destination']}" for item in wanted["devices"]],
        "env": [str(name) for name, _ in wanted["environment"]],
        "group_add": groups,
        "ipc": spaces["ipc"],
        "network": networks.mode(wanted["networks"]) if wanted["networks"] else "",
        "pid": spaces["pid"] if spaces["pid"] != "private" else "",
        "publish_all": wanted["publish_all"],
        "publish_privileged": "remap" if wanted["remap_ports"] else "",
        "stop_signal": str(wanted["stop_signal"] or ""),
        "tmpfs": [item["destination"] for item in wanted["tmpfs"]],
        "uts": spaces["uts"] if spaces["uts"] != "private" else "",
    }
    if wanted["mounts"] or wanted["security"] != security():
        from rootless.containers.docker import binds, security_options

        asked["volume"] = binds(wanted["mounts"])
        asked["security_opt"] = security_options(wanted["security"])
    return {
        "asked": {key: value for key, value in asked.items() if value},
        "network": networks.mode(attached),
    }


def upgraded(record: Any) -> Any:
    """Return a record of the release before in the form of this one."""
    attached = _attached(record)
    wanted = _request(record, attached if record["asked"].get("network") else [])
    from rootless.runtime.spec import complete

    spec = complete(record["spec"])
    return dict(record, request=wanted, networks=attached, spec=spec)


def _attached(record: Any) -> list[Attachment]:
    kind, _, name = record["network"].partition(":")
    private = record["spec"]["rootless"]["network"]
    return [attachment(kind, name, private["settings"] if private else None)]


def _request(record: Any, attached: list[Attachment]) -> Request:
    fields: Fields = {
        **_what(record),
        **_limits(record),
        **_life(record),
        "networks": attached,
    }
    return request(record["image"], record["cmd"], **fields)


def _what(record: Any) -> Fields:
    """What it is, and what it finds in its place."""
    asked, spec, rootfs = record["asked"], record["spec"], record["rootfs"]
    private, process = spec["rootless"], spec["process"]
    own: Directory = {"path": rootfs["path"], "overlay": rootfs["overlay"]}
    return {
        "entrypoint": None if asked.get("entrypoint") is None else record["entrypoint"],
        "rootfs": own if rootfs["kind"] == "directory" else None,
        "name": record["name"],
        "labels": record["labels"],
        "annotations": record["annotations"],
        "environment": [[*text.partition("=")[::2]] for text in asked.get("env") or ()],
        "user": record["user"],
        "groups": private["groups"],
        "keep_groups": private["keep_groups"],
        "workdir": process["cwd"],
        "hostname": asked.get("hostname", ""),
        "tty": record["tty"],
        "stdin": record["stdin"],
        "detached": asked.get("detach", False),
        "init": private["init"],
        "cidfile": asked.get("cidfile", ""),
        "mounts": [item for item in record["volumes"] if not _is_tmpfs(asked, item)],
        "tmpfs": [item for item in record["volumes"] if _is_tmpfs(asked, item)],
        "devices": _devices(asked, spec["mounts"]),
        "read_only": spec["root"]["readonly"],
        "read_only_tmpfs": asked.get("read_only_tmpfs", True),
    }


def _limits(record: Any) -> Fields:
    """What it may do, and with whom it shares its namespaces."""
    asked, spec = record["asked"], record["spec"]
    private, process, linux = spec["rootless"], spec["process"], spec["linux"]
    return {
        "ports": record["ports"],
        "remap_ports": asked.get("publish_privileged") == "remap",
        "publish_all": bool(asked.get("publish_all")),
        "expose": record["exposed"],
        "dns": record["dns"],
        "hosts": record["hosts"],
        "no_hosts": bool(asked.get("no_hosts")),
        "namespaces": {
            "pid": asked.get("pid") or "private",
            "ipc": asked.get("ipc") or "private",
            "uts": asked.get("uts") or "private",
            "cgroup": asked.get("cgroupns") or "private",
        },
        "userns": _userns(private),
        "security": {
            "privileged": private["privileged"],
            "cap_add": asked.get("cap_add", []),
            "cap_drop": asked.get("cap_drop", []),
            "no_new_privileges": process["noNewPrivileges"],
            "seccomp": linux["seccomp"],
            "masked": linux["maskedPaths"],
            "readonly": linux["readonlyPaths"],
            "cgroup_writable": private["privileged"],
            "proc_options": [],
            "labels": _said("label", asked),
            "apparmor": "".join(_said("apparmor", asked)[-1:]),
        },
        "rlimits": process["rlimits"],
        "sysctls": linux["sysctl"],
    }


def _life(record: Any) -> Fields:
    """How it begins and ends."""
    policy, _, most = record["restart"].partition(":")
    healthcheck: Any = record["healthcheck"] or {}
    return {
        "remove": record["rm"],
        "healthcheck": healthcheck,
        "health": record["health"],
        "restart": {"policy": policy, "most": int(most or 0)},
        "sdnotify": record["sdnotify"],
        "log": {"driver": record["log_driver"], "options": record["log_options"]},
        "stop_signal": record["stop_signal"] if record["asked"].get("stop_signal") else 0,
        "stop_timeout": record["stop_timeout"],
    }


def _is_tmpfs(asked: Any, item: Volume) -> bool:
    """Whether it came by --tmpfs."""
    texts = asked.get("tmpfs") or ()
    return item["type"] == "tmpfs" and any(
        text.partition(":")[0].rstrip("/") == item["destination"] for text in texts
    )


def _said(key: str, asked: Any) -> list[str]:
    """What --security-opt said of a subject: KEY=VALUE, or KEY:VALUE."""
    texts = [str(text) for text in asked.get("security_opt") or ()]
    return [text[len(key) + 1 :] for text in texts if text.startswith((f"{key}=", f"{key}:"))]


def _devices(asked: Any, mounts: Any) -> Any:
    sources = {text.partition(":")[0] for text in asked.get("device") or ()}
    own = ["rbind", "nosuid", "noexec", "rprivate"]
    return [item for item in mounts if item["source"] in sources and item["options"] == own]


def _userns(private: Any) -> Userns:
    mode, _, ids = private["userns"].partition(":")
    numbers = dict(word.split("=") for word in ids.split(",")) if ids else {}
    own = private["account"] is not None
    return {
        "mode": mode,
        "uid": None if own or not numbers else int(numbers["uid"]),
        "gid": None if own or not numbers else int(numbers["gid"]),
        "shared": mode == "keep-id" and not private.get("shifted"),
    }
