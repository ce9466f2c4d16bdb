"""Limits, sysctls, policies, signals: the texts of small values."""

from __future__ import annotations

from rootless.containers.creation.choices import NOTIFIERS, PERSONALITIES, RESTARTS, STREAMS
from rootless.containers.request import UMASK
from rootless.errors import UsageError, named
from rootless.oci import jsonio
from rootless.values import boolean, is_number, pair, signal_number, size
from rootless.volumes.mounts import inside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal

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


def sysctls(texts: Iterable[str]) -> dict[str, str]:
    """Parse each --sysctl NAME=VALUE."""
    pairs = [pair(text, named("sysctl"), needs_value=True) for text in texts]
    return {name.replace("/", "."): value for name, value in pairs}  # sysctl(8) accepts slashes too


def notes(texts: Iterable[str]) -> dict[str, str]:
    """Parse each --annotation KEY=VALUE."""
    return dict(pair(text, named("annotation"), needs_value=True) for text in texts)


def streams(texts: Iterable[str]) -> list[str]:
    """Parse each --attach: a stream, in docker's or podman's spelling."""
    names = [name.strip().lower() for text in texts for name in text.split(",")]
    for name in names:
        if name not in STREAMS:
            raise UsageError(f"{named('attach')}: invalid stream {name!r}", ", ".join(STREAMS))
    return [name for name in STREAMS if name in names]


def groups(texts: list[str]) -> tuple[list[str], bool]:
    """Parse --group-add: groups, or keep-groups for those of the caller."""
    if "keep-groups" not in texts:
        return texts, False
    if len(texts) > 1:
        raise UsageError(f"{named('group_add')} keep-groups cannot be combined with other groups")
    return [], True


def shm_size(text: str, field: str = "shm_size") -> int:
    """Parse --shm-size, or --shm-size-systemd."""
    return size(text, named(field)) if text else 0


def stop_signal(text: str) -> int:
    """Parse --stop-signal."""
    return signal_number(text) if text else 0


def umask(text: str) -> int:
    """Parse --umask, octal digits."""
    if not text:
        return UMASK
    if len(text) > 4 or set(text) - set("01234567"):
        raise UsageError(f"{named('umask')}: invalid value {text!r}", "octal digits, such as 0027")
    return int(text, 8)


def roots(texts: Iterable[str]) -> list[str]:
    """Parse --chrootdirs: directories inside, several with commas between."""
    return [inside(path) for text in texts for path in text.split(",")]


def personality(text: str) -> Literal["", "LINUX", "LINUX32"]:
    """Parse --personality."""
    if text not in PERSONALITIES:
        raise UsageError(f"{named('personality')}: unknown domain {text!r}", "LINUX or LINUX32")
    return text  # type: ignore[return-value]


def restart(policy: str) -> Restart:
    """Parse --restart: a policy, of which on-failure may have a number."""
    name, colon, most = policy.partition(":")
    if name == "on-failure" and (not colon or is_number(most)):
        return {"policy": "on-failure", "most": int(most or 0)}
    name = "no" if name in ("", "never") else name
    if colon or name not in RESTARTS or name == "on-failure":
        raise UsageError(
            f"{named('restart')}: unknown policy {policy!r}",
            "no, on-failure[:N], always, unless-stopped",
        )
    return {"policy": name, "most": 0}  # type: ignore[typeddict-item]


def sdnotify(mode: str) -> str:
    """Parse --sdnotify; conmon is podman's word for supervisor."""
    mode = "supervisor" if mode == "conmon" else mode or "container"
    if mode not in NOTIFIERS:
        raise UsageError(
            f"{named('sdnotify')}: unknown mode {mode!r}",
            f"{', '.join(NOTIFIERS)}; conmon is supervisor",
        )
    return mode


def systemd(text: str) -> str:
    """Parse --systemd: always, or whether it is looked for."""
    if text in ("", "always"):
        return text or "true"
    return "true" if boolean(text, named("systemd")) else "false"


def entrypoint(text: str | None) -> list[str] | None:
    """Parse --entrypoint: one word, a JSON list of words (podman), or nothing."""
    if text is None:
        return None
    if text.startswith("["):
        try:
            words = jsonio.loads(text)
        except ValueError:
            words = None
        if isinstance(words, list) and all(isinstance(word, str) for word in words):
            return words
    return [text] if text else []
