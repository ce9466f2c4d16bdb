"""How much of the machine a container may see and do: --security-opt, --privileged, paths of proc.

Capabilities are chosen by `runtime.caps`, system calls by `runtime.seccomp`; here is what the
words of the command line mean for them.
"""

from __future__ import annotations

import os

from rootless.containers import request
from rootless.errors import UsageError, named
from rootless.oci import jsonio
from rootless.values import boolean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from rootless.containers.request import Security
    from rootless.containers.words.asked import Asked

_OPTION = named("security_opt")

_PROC_OPTIONS = ("hidepid=", "subset=", "gid=")


def parse(asked: Asked, base: str) -> Security:
    """Return what --privileged, --cap-add and --cap-drop, and then each --security-opt ask for.

    Files are found from the directory `base`.
    """
    result = request.security(privileged=bool(asked.get("privileged")))
    # By the user's own word alone: an image that merely says so could be one that wants the gap.
    if "386" in asked.get("platform", "").split("/") and result["seccomp"] is not None:
        result["seccomp"] = {"profile": "default-386"}
    result["cap_add"] = list(asked.get("cap_add", ()))
    result["cap_drop"] = list(asked.get("cap_drop", ()))
    for text in asked.get("security_opt", ()):
        _apply(result, text, base)
    if asked.get("seccomp_policy") == "image":
        if result["seccomp"] != {"profile": "default"}:
            raise UsageError(f"{named('seccomp_policy')} image is for a container with a filter")
        result["seccomp"] = {"profile": "image"}
    return result


def _apply(result: Security, text: str, base: str) -> None:
    key, separator, value = text.partition("=")
    if not separator:  # docker's old spelling, seccomp:unconfined
        key, separator, value = text.partition(":")
    if key == "no-new-privileges":
        result["no_new_privileges"] = boolean(value or "true", f"{_OPTION} no-new-privileges")
    elif not value:
        raise UsageError(f"invalid {_OPTION} {text!r}", "it must be KEY=VALUE")
    elif key == "seccomp":
        result["seccomp"] = _seccomp(value, base)
    elif key == "unmask" or (key, value) == ("systempaths", "unconfined"):
        _unmask(result, ["ALL"] if key == "systempaths" else value.split(":"))
    elif key == "mask":
        result["masked"] += [_absolute(path) for path in value.split(":")]
    elif key == "proc-opts":
        result["proc_options"] += _proc(value)
    elif key == "apparmor" and value != "unconfined":
        raise UsageError(
            f"{_OPTION} {text}: AppArmor profiles cannot be chosen without root",
            "leave it out, or use apparmor=unconfined",
        )
    elif key == "apparmor":
        result["apparmor"] = value
    elif key == "label":  # scripts often turn SELinux off
        result["labels"].append(value)
    else:
        raise UsageError(f"invalid {_OPTION} {text!r}")


def _seccomp(value: str, base: str) -> dict[str, Any] | None:
    """The profile of a file; the words of podman and docker for none and the built-in one."""
    if value == "unconfined":
        return None
    if value in ("builtin", "default"):
        return {"profile": "default"}
    try:
        with open(os.path.join(base, value), "rb") as file:
            profile = jsonio.loads(file.read())
    except OSError as error:
        raise UsageError(f"{_OPTION} seccomp: open {value}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{_OPTION} seccomp: {value} is no JSON: {error}") from error
    if not isinstance(profile, dict) or not isinstance(profile.get("defaultAction"), str):
        raise UsageError(f"{_OPTION} seccomp: {value} has no defaultAction")
    return profile


def _unmask(result: Security, paths: Iterable[str]) -> None:
    """Take paths off both lists; a final * stands for all that begins so, ALL for everything."""
    for path in paths:
        if path.upper() == "ALL":
            result["masked"], result["readonly"], result["cgroup_writable"] = [], [], True
            continue
        _absolute(path)
        if _matches(path, "/sys/fs/cgroup"):
            result["cgroup_writable"] = True
        result["masked"] = [item for item in result["masked"] if not _matches(path, item)]
        result["readonly"] = [item for item in result["readonly"] if not _matches(path, item)]


def _matches(pattern: str, path: str) -> bool:
    if pattern.endswith("*"):
        return path.startswith(pattern[:-1])
    return path == (pattern.rstrip("/") or "/")


def _absolute(path: str) -> str:
    if not path.startswith("/") or "\0" in path:
        raise UsageError(f"{_OPTION}: {path!r} is no absolute path")
    return path


def _proc(value: str) -> list[str]:
    words = value.split(",")
    for word in words:
        if not word.startswith(_PROC_OPTIONS) or not word.partition("=")[2].isalnum():
            raise UsageError(
                f"{_OPTION} proc-opts: unknown option {word!r}", "hidepid=, subset= or gid="
            )
    return words
