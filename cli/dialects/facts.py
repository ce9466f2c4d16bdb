"""The facts of `info` as text: docker's lines, and podman's YAML."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Facts = dict[str, Any]

_LINES = (
    ("Server Version", "ServerVersion"),
    ("Storage Driver", "Driver"),
    ("", "DriverStatus"),
    ("Logging Driver", "LoggingDriver"),
    ("Cgroup Driver", "CgroupDriver"),
    ("Cgroup Version", "CgroupVersion"),
    ("Security Options", "SecurityOptions"),
    ("Kernel Version", "KernelVersion"),
    ("Operating System", "OperatingSystem"),
    ("OSType", "OSType"),
    ("Architecture", "Architecture"),
    ("CPUs", "NCPU"),
    ("Total Memory", "MemTotal"),
    ("Name", "Name"),
    ("Docker Root Dir", "DockerRootDir"),
)
"""docker's words for a fact, in its order."""

_IF_ANY = (("HTTP Proxy", "HttpProxy"), ("HTTPS Proxy", "HttpsProxy"), ("No Proxy", "NoProxy"))
_LIMITS = (("memory", "MemoryLimit"), ("pids", "PidsLimit"), ("cpu shares", "CPUShares"))


def docker(facts: Facts) -> list[str]:
    """Return what `docker info` prints of a server, and what is ours alone."""
    lines = [
        "Client:",
        f" Version:    {facts['ServerVersion']}",
        " Context:    default",
        " Debug Mode: false",
        "",
        "Server:",
        f" Containers: {facts['Containers']}",
        f"  Running: {facts['ContainersRunning']}",
        f"  Paused: {facts['ContainersPaused']}",
        f"  Stopped: {facts['ContainersStopped']}",
        f" Images: {facts['Images']}",
    ]
    for word, key in _LINES:
        value = facts[key]
        if key == "DriverStatus":
            lines += [f"  {name}: {each}" for name, each in value]
        elif isinstance(value, list):
            options = [each.removeprefix("name=").partition(",")[0] for each in value]
            lines += [f" {word}:", *(f"  {each}" for each in options)]
        elif key == "MemTotal":
            lines.append(f" {word}: {value / 2**30:.4g}GiB")
        else:
            lines.append(f" {word}: {value}")
    lines += [f" {word}: {facts[key]}" for word, key in _IF_ANY if facts[key]]
    lines.append(" Rootless:")
    for key, value in facts["Rootless"].items():
        if isinstance(value, dict):
            lines += [f"  {key}:", *(f"   {k}: {_words(each)}" for k, each in value.items())]
        else:
            lines.append(f"  {key}: {_words(value)}")
    lines.append("")
    lines += [f"WARNING: No {word} limit support" for word, key in _LIMITS if not facts[key]]
    return lines


def _words(value: Any) -> str:
    if not isinstance(value, list):
        return str(value)
    return ", ".join(" ".join(map(str, v)) if isinstance(v, list) else str(v) for v in value)


def yaml(value: Any, margin: str = "") -> list[str]:
    """Return plain values as YAML, sorted as podman has them."""
    if isinstance(value, dict):
        lines = []
        for key, each in sorted(value.items()):
            if isinstance(each, (dict, list)) and each:
                inner = margin if isinstance(each, list) else margin + "  "
                lines += [f"{margin}{key}:", *yaml(each, inner)]
            else:
                lines.append(f"{margin}{key}: {_scalar(each)}")
        return lines
    lines = []
    for each in value:
        if isinstance(each, (dict, list)) and each:
            first, *rest = yaml(each, margin + "  ")
            lines += [f"{margin}- {first.lstrip()}", *rest]
        else:
            lines.append(f"{margin}- {_scalar(each)}")
    return lines


def _scalar(value: Any) -> str:
    """Return a value on one line; what YAML could take for something else is in quotes."""
    from rootless.oci.jsonio import dumps

    if value is None or isinstance(value, (bool, int, float)):
        return dumps(value)
    text = str(value)
    if isinstance(value, (dict, list)) or not text or not _is_plain(text):
        return dumps(value if isinstance(value, (dict, list)) else text)
    return text


_SPECIAL = ("true", "false", "yes", "no", "on", "off", "null", "~", "y", "n")


def _is_plain(text: str) -> bool:
    first = text[0].isalpha() or text[0] in "/_"
    odd = ": " in text or " #" in text or text[-1] in ": " or not text.isprintable()
    return first and not odd and text.lower() not in _SPECIAL
