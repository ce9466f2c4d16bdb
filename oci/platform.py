"""Platforms: what this machine is, what `--platform` means, and which manifest of several fits.

Names are those of Go (GOOS, GOARCH), as the OCI image index says. Variants are ordered: a machine
runs the variants of its architecture that are not above its own.
"""

from __future__ import annotations

import os

from rootless.oci.errors import ImageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_MACHINES = {
    "x86_64": ("amd64", ""),
    "amd64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "arm64": ("arm64", ""),
    "armv8l": ("arm", "v7"),  # a 32-bit process on a 64-bit kernel
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "i386": ("386", ""),
    "i686": ("386", ""),
    "ppc64le": ("ppc64le", ""),
    "s390x": ("s390x", ""),
    "riscv64": ("riscv64", ""),
    "loongarch64": ("loong64", ""),
    "mips64": ("mips64le", ""),
}

_FALLBACK = {"amd64": "386", "arm64": "arm"}
"""The 32-bit architecture that a 64-bit machine usually runs as well, tried last."""


class Platform:
    """An operating system, an architecture and its variant ("" where there is none)."""

    __slots__ = ("architecture", "os", "variant")

    def __init__(self, os: str, architecture: str, variant: str = "") -> None:
        self.os = os
        self.architecture = architecture
        self.variant = variant

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Platform) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


def host() -> Platform:
    """The platform of this machine."""
    machine = os.uname().machine
    architecture, variant = _MACHINES.get(machine, (machine, ""))
    return Platform("linux", architecture, variant)


def parse(text: str) -> Platform:
    """Return what `--platform` asks for: OS/ARCH[/VARIANT], or ARCH, or OS alone.

    Raises ImageError for what cannot be one.
    """
    parts = text.lower().split("/")
    if len(parts) > 3 or not all(part and part.replace("_", "").isalnum() for part in parts):
        raise ImageError(f"invalid platform {text!r}", "write it as linux/arm64 or linux/arm/v7")
    if len(parts) == 1:
        if parts[0] == "linux":
            return host()
        parts = ["linux", *parts]
        if parts[1] not in {*_MACHINES, *dict(_MACHINES.values())}:
            hint = "write it as linux/arm64 or linux/arm/v7"
            raise ImageError(f"invalid platform {text!r}: there is no such architecture", hint)
    architecture, variant = _MACHINES.get(parts[1], (parts[1], ""))
    if len(parts) == 3:
        variant = parts[2]
    return Platform(parts[0], architecture, variant)


def of(document: Any) -> Platform:
    """The platform that a descriptor's `platform` or an image's configuration declares."""
    if not isinstance(document, dict):
        return Platform("", "")
    fields = [document.get(key) for key in ("os", "architecture", "variant")]
    return Platform(*(field if isinstance(field, str) else "" for field in fields))


def is_somewhere(document: Any) -> bool:
    """Whether a platform that is declared is one that something runs on: not unknown/unknown."""
    return of(document).os != "unknown"


def fits(offered: Platform, wanted: Platform) -> bool:
    """Whether an image for `offered` runs where `wanted` is asked for."""
    return _rank(offered, wanted) >= 0


def choose(descriptors: Iterable[dict[str, Any]], wanted: Platform) -> dict[str, Any] | None:
    """Return the descriptor that fits best: the highest variant not above `wanted`'s own.

    One without a platform fits anything, but only if nothing declares that it does. The first
    wins among equals, as docker has it. Attestations (platform unknown/unknown) never fit.
    """
    best, best_rank = None, -1
    for descriptor in descriptors:
        rank = _rank(of(descriptor.get("platform")), wanted)
        if rank > best_rank:
            best, best_rank = descriptor, rank
    return best


def _rank(offered: Platform, wanted: Platform) -> int:
    """-1: does not fit; else the better the higher."""
    if not offered.os and not offered.architecture:
        return 0
    if offered.os != wanted.os:
        return -1
    if offered.architecture != wanted.architecture:
        return 1 if offered.architecture == _FALLBACK.get(wanted.architecture) else -1
    have, limit = _level(offered), _level(wanted)
    return -1 if have > limit else 10 + have


def _level(platform: Platform) -> int:
    """The number in a variant; absent it is the architecture's usual one."""
    digits = platform.variant.lstrip("v")
    if digits.isdecimal() and len(digits) < 9:
        return int(digits)
    return {"arm": 7, "arm64": 8, "amd64": 1}.get(platform.architecture, 0)
