"""Limits, sysctls and hosts: the text of one value each."""

from __future__ import annotations

from rootless.errors import UsageError, named
from rootless.oci import jsonio
from rootless.values import is_host_name, is_number, pair

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.containers.request import Restart
    from rootless.runtime.spec import Rlimit

UNLIMITED = 2**64 - 1
"""RLIM_INFINITY of 64-bit Linux."""

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
            f"{named('ulimit')}: invalid limit {text!r}",
            "it must be NAME=SOFT[:HARD], for example nofile=1024:4096; -1 is unlimited",
        )
    low, high = numbers[0] or 0, numbers[1] or 0
    if low > high:
        raise UsageError(f"{named('ulimit')}: the soft limit is above the hard limit in {text!r}")
    return {"type": f"RLIMIT_{name.upper()}", "soft": low, "hard": high}


def _limit(text: str) -> int | None:
    if text in ("-1", "unlimited"):
        return UNLIMITED
    return int(text) if is_number(text) and len(text) < 20 and int(text) <= UNLIMITED else None


def sysctl(text: str) -> tuple[str, str]:
    """Parse --sysctl NAME=VALUE."""
    name, value = pair(text, named("sysctl"), needs_value=True)
    return name.replace("/", "."), value  # sysctl(8) accepts slashes too


def host_entry(text: str) -> list[str]:
    """Parse --add-host NAME[;NAME...]:ADDRESS (or with `=`) into [address, name, ...].

    The address may be `host-gateway`.
    """
    first, equals, address = text.partition("=")
    if not equals:
        first, _, address = text.partition(":")
    names = first.split(";")
    if not address or not all(is_host_name(name) for name in names):
        raise UsageError(f"{named('add_host')}: invalid format {text!r}", "it must be NAME:ADDRESS")
    address = address.removeprefix("[").removesuffix("]") if address[0] == "[" else address
    return [address, *names]


def restart(policy: str) -> Restart:
    """Parse --restart: a policy, of which on-failure may have a number."""
    name, colon, most = policy.partition(":")
    if name == "on-failure" and (not colon or is_number(most)):
        return {"policy": "on-failure", "most": int(most or 0)}
    name = "no" if name in ("", "never") else name
    if colon or name not in ("no", "always", "unless-stopped"):
        raise UsageError(
            f"{named('restart')}: unknown policy {policy!r}",
            "no, on-failure[:N], always, unless-stopped",
        )
    return {"policy": name, "most": 0}  # type: ignore[typeddict-item]


def sdnotify(mode: str) -> str:
    """Parse --sdnotify; conmon is podman's word."""
    modes = ("container", "supervisor", "healthy", "ignore")
    mode = "supervisor" if mode == "conmon" else mode or "container"
    if mode not in modes:
        raise UsageError(f"{named('sdnotify')}: unknown mode {mode!r}", ", ".join(modes))
    return mode


def entrypoint(text: str) -> list[str]:
    """Parse --entrypoint: one word, a JSON list of words (podman), or nothing."""
    if text.startswith("["):
        try:
            words = jsonio.loads(text)
        except ValueError:
            words = None
        if isinstance(words, list) and all(isinstance(word, str) for word in words):
            return words
    return [text] if text else []
