"""Limits, sysctls, hosts and users: the text of one value each."""

from __future__ import annotations

from rootless.errors import UsageError
from rootless.values import is_address, is_host_name, is_number, pair

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.runtime.spec import Rlimit

UNLIMITED = 2**64 - 1
"""RLIM_INFINITY of 64-bit Linux."""

_IPC_SYSCTLS = frozenset(
    [
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
        "kernel.shm_rmid_forced",
    ]
)

_LIMITS = frozenset(
    [
        "as",
        "core",
        "cpu",
        "data",
        "fsize",
        "locks",
        "memlock",
        "msgqueue",
        "nice",
        "nofile",
        "nproc",
        "rss",
        "rtprio",
        "rttime",
        "sigpending",
        "stack",
    ]
)


def ulimit(text: str) -> Rlimit | None:
    """Parse --ulimit NAME=SOFT[:HARD]; None for `host`, which keeps the caller's limits."""
    if text == "host":
        return None
    name, _, values = text.partition("=")
    name = name.lower().removeprefix("rlimit_")
    soft, colon, hard = values.partition(":")
    numbers = [_limit(part) for part in ((soft, hard) if colon else (soft, soft))]
    if name not in _LIMITS or None in numbers:
        raise UsageError(
            f"--ulimit: invalid limit {text!r}",
            "it must be NAME=SOFT[:HARD], for example nofile=1024:4096; -1 is unlimited",
        )
    low, high = numbers[0] or 0, numbers[1] or 0
    if low > high:
        raise UsageError(f"--ulimit: the soft limit is above the hard limit in {text!r}")
    return {"type": f"RLIMIT_{name.upper()}", "soft": low, "hard": high}


def _limit(text: str) -> int | None:
    if text in ("-1", "unlimited"):
        return UNLIMITED
    return int(text) if is_number(text) and len(text) < 20 and int(text) <= UNLIMITED else None


def sysctl(text: str, *, host_network: bool, host_ipc: bool) -> tuple[str, str]:
    """Parse --sysctl NAME=VALUE; refuse what is not of a namespace that the container owns."""
    name, value = pair(text, "--sysctl", needs_value=True)
    # sysctl(8) accepts slashes too. A name becomes a path below /proc/sys, so no step upwards.
    name = name.replace("/", ".")
    parts = name.split(".")
    if "" in parts or not all(part.replace("_", "").replace("-", "").isalnum() for part in parts):
        raise UsageError(f"--sysctl: {name!r} is no name of a sysctl")
    if name.startswith("net."):
        if host_network:
            raise UsageError(f"--sysctl {name} cannot be set with --network host")
    elif name in _IPC_SYSCTLS or name.startswith("fs.mqueue."):
        if host_ipc:
            raise UsageError(f"--sysctl {name} cannot be set with --ipc host")
    else:
        raise UsageError(
            f"--sysctl {name} is not allowed",
            "only net.*, fs.mqueue.* and those of System V IPC belong to a container",
        )
    return name, value


def host_entry(text: str) -> list[str]:
    """Parse --add-host NAME[;NAME...]:ADDRESS (or with `=`) into [address, name, ...].

    The address may be `host-gateway`.
    """
    first, equals, address = text.partition("=")
    if not equals:
        first, _, address = text.partition(":")
    names = first.split(";")
    if not address or not all(is_host_name(name) for name in names):
        raise UsageError(f"--add-host: invalid format {text!r}", "it must be NAME:ADDRESS")
    address = address.removeprefix("[").removesuffix("]") if address[0] == "[" else address
    if address != "host-gateway" and not is_address(address):
        raise UsageError(f"--add-host: {address!r} is no IP address")
    return [address, *names]


def user(text: str, option: str = "--user") -> str:
    """Check NAME|UID[:GROUP|GID]; who that is, only the container's /etc/passwd knows."""
    parts = text.split(":")
    for part in parts:
        if not part.isprintable() or (is_number(part) and int(part[:11]) > 0x7FFFFFFF):
            raise UsageError(f"{option}: invalid user {text!r}", "ids are 0 to 2147483647")
    if len(parts) > 2:
        raise UsageError(f"{option}: invalid user {text!r}", "it must be USER[:GROUP]")
    return text
