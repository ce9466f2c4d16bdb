"""Which capabilities a container has, and how a launcher takes on exactly those.

A launcher does it in two moments, with the change of uid between them:

    shed(sets)      bounding set down to what is asked, permitted set kept over setresuid(2)
    ... setgroups, setresgid, setresuid ...
    regain()        only where the seccomp filter comes now and no_new_privs is not wanted
    settle(sets)    the final sets, then the ambient ones

`sets` is process.capabilities of the OCI runtime specification: a dictionary of lists of names.
"""

from __future__ import annotations

from rootless.errors import UsageError
from rootless.linux import caps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

NAMES = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",  # 5.8
    "CAP_BPF",  # 5.8
    "CAP_CHECKPOINT_RESTORE",  # 5.9
)
"""All capabilities of linux/capability.h, each at its number."""

DEFAULT = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
)
"""What a container has when nothing is said: podman's set, which is docker's without
AUDIT_WRITE, MKNOD and NET_RAW."""


def resolve(
    add: Iterable[str] = (),
    drop: Iterable[str] = (),
    *,
    privileged: bool = False,
    default: Iterable[str] = DEFAULT,
) -> list[str]:
    """Return the capabilities that --cap-add, --cap-drop and --privileged ask for, sorted.

    Case and the prefix CAP_ do not matter; ALL is every capability of this kernel. Raises
    UsageError for a name that is none, and for one that is both added and dropped.
    """
    adds, drops = spelled(add), spelled(drop)
    both = sorted(set(adds) & set(drops))
    if both:
        raise UsageError(f"capability {both[0]} cannot be both added and dropped")
    if "ALL" in drops:
        # docker's and podman's order: first everything goes, then what is named comes back.
        return sorted(adds)
    if "ALL" in adds or privileged:
        return sorted(set(known()) - set(drops))
    return sorted((set(default) | set(adds)) - set(drops))


def spelled(asked: Iterable[str]) -> list[str]:
    """Return names in upper case, with prefix, each once. Raises UsageError for what is none.

    podman splits at commas, so "A,B" are two.
    """
    result: list[str] = []
    current = known()
    for name in ",".join(asked).split(","):
        upper = name.strip().upper()
        if upper in ("ALL", "CAP_ALL"):
            upper = "ALL"
        elif upper:
            upper = upper if upper.startswith("CAP_") else "CAP_" + upper
            if upper not in NAMES:
                raise UsageError(
                    f"unknown capability {name!r}", "capabilities(7) lists them; ALL is every one"
                )
            if upper not in current:
                raise UsageError(f"this kernel has no capability {upper}")
        if upper and upper not in result:
            result.append(upper)
    return result


def last() -> int:
    """The number of the newest capability that the running kernel knows."""
    try:
        with open("/proc/sys/kernel/cap_last_cap", "rb", buffering=0) as file:
            return int(file.read())
    except (OSError, ValueError):  # no /proc: ask for one after the other
        number = 0
        while _is_known(number):
            number += 1
        return number - 1


def _is_known(number: int) -> bool:
    try:
        caps.bounding_has(number)
    except OSError:
        return False
    return True


def known() -> tuple[str, ...]:
    """The names of this module that the running kernel knows too."""
    return NAMES[: last() + 1]


def sets(
    allowed: list[str], added: Iterable[str] = (), *, root: bool = True
) -> dict[str, list[str]]:
    """Return process.capabilities for a container that may have `allowed`.

    A process of another user than root starts with those only that were asked for by name
    (`added`), as ambient ones, or it would have none at all after execve; so does podman.
    Root's inheritable set stays empty (CVE-2022-24769).
    """
    if root:
        return {"bounding": allowed, "effective": allowed, "permitted": allowed}
    adds = spelled(added)
    own = [name for name in allowed if name in adds or "ALL" in adds]
    return {
        "bounding": allowed,
        "effective": own,
        "permitted": own,
        "inheritable": own,
        "ambient": own,
    }


def bits(names: Iterable[str]) -> int:
    """Return names as the kernel's bit set; a name that is unknown here counts for nothing."""
    result = 0
    for name in names:
        if name in NAMES:
            result |= 1 << NAMES.index(name)
    return result


def names(bit_set: int) -> list[str]:
    """Return a bit set of the kernel as names; a bit newer than this module as CAP_number."""
    return [
        NAMES[number] if number < len(NAMES) else f"CAP_{number}"
        for number in range(64)
        if bit_set >> number & 1
    ]


def shed(wanted: dict[str, list[str]]) -> None:
    """Moment one, before setresuid: shrink the bounding set, keep the permitted set.

    A capability newer than this module is dropped as well. Without CAP_SETPCAP nothing can be
    dropped, and nothing of it is had either: raises OSError (EPERM) only where something is.
    """
    keep = bits(wanted.get("bounding", ()))
    # The kernel is asked, not /proc: that is the container's by now, and may not be the true one.
    for number in range(64):
        if keep >> number & 1:
            continue  # it is known, or it would not have been asked for
        try:
            had = caps.bounding_has(number)
        except OSError:
            break  # EINVAL: that was the last one
        if had:
            caps.bounding_drop(number)
    caps.keep_capabilities(True)


def regain() -> None:
    """Make all that is still permitted effective: a change of uid empties the effective set."""
    _, permitted, inheritable = caps.capget()
    caps.capset(permitted, permitted, inheritable)


def settle(wanted: dict[str, list[str]]) -> None:
    """Moment two, after setresuid: take on the final sets.

    What this process does not have itself (root of a container without it) is left out.
    """
    _, have, _ = caps.capget()
    permitted = bits(wanted.get("permitted", ())) & have
    effective = bits(wanted.get("effective", ())) & permitted
    inheritable = bits(wanted.get("inheritable", ())) & have
    caps.capset(effective, permitted, inheritable)
    caps.keep_capabilities(False)
    caps.ambient_clear()
    ambient = bits(wanted.get("ambient", ())) & permitted & inheritable
    for number in range(ambient.bit_length()):
        if ambient >> number & 1:
            caps.ambient_raise(number)
