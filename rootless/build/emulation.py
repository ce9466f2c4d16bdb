"""Whether this machine runs programs of another platform: binfmt_misc(5) of the kernel."""

from __future__ import annotations

import os

from rootless.errors import UsageError
from rootless.oci import platform as platforms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.oci.platform import Platform

_PLACE = "/proc/sys/fs/binfmt_misc"

_ELF = {
    # architecture: e_machine, 64 bits, big-endian (elf(5))
    "386": (3, False, False),
    "amd64": (62, True, False),
    "arm": (40, False, False),
    "arm64": (183, True, False),
    "loong64": (258, True, False),
    "mips64le": (8, True, False),
    "ppc64le": (21, True, False),
    "riscv64": (243, True, False),
    "s390x": (22, True, True),
}
ARCHITECTURES = tuple(_ELF)
"""Those whose programs are known by their headers."""


def check(wanted: Platform, directory: str = _PLACE) -> None:
    """Raise UsageError where nothing here runs programs of that platform."""
    here = platforms.host()
    if wanted.architecture == here.architecture or platforms.fits(wanted, here):
        return
    if interpreter(wanted.architecture, directory):
        return
    raise UsageError(
        f"RUN needs programs for {wanted}, which this machine ({here}) cannot execute",
        "install an emulator: 'apt install qemu-user-static binfmt-support', or what else this "
        "distribution has for binfmt_misc",
    )


def unlike(config: dict[str, Any], asked: str, place: str) -> str:
    """Say that an image is for another platform than it is built for, if it is; else "".

    `place` is where its base is named: with a platform of its own that is no mistake to build, but
    one that is often found when the image does not start.
    """
    wanted = platforms.parse(asked) if asked else platforms.host()
    found = platforms.of(config)
    if platforms.fits(found, wanted):
        return ""
    return f"the image is for {found}, and not for {wanted}: so is its base ({place})"


def interpreter(architecture: str, directory: str = _PLACE) -> str:
    """Return the program that the kernel gives such programs to; "" for none."""
    known = _ELF.get(architecture)
    if known is None:
        return ""
    header = _header(*known)
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return ""
    for name in names:
        if name in ("register", "status"):
            continue
        try:
            with open(f"{directory}/{name}", encoding="ascii", errors="replace") as file:
                lines = file.read().splitlines()
        except OSError:
            continue
        rule = dict(line.partition(" ")[::2] for line in lines[1:])
        if lines[:1] == ["enabled"] and _matches(rule, header):
            return rule.get("interpreter", "")
    return ""


def _header(machine: int, wide: bool, big: bool) -> bytes:
    order = "big" if big else "little"
    start = bytes([0x7F, *b"ELF", 2 if wide else 1, 2 if big else 1, 1]).ljust(16, b"\0")
    rest = (2).to_bytes(2, order) + machine.to_bytes(2, order)  # type: ignore[arg-type]
    return (start + rest).ljust(128, b"\0")


def _matches(rule: dict[str, str], header: bytes) -> bool:
    """Whether a rule's magic is in the header of a program."""
    try:
        magic = bytes.fromhex(rule["magic"])
        mask = bytes.fromhex(rule.get("mask", "ff" * len(magic)))
        offset = int(rule.get("offset", "0"))
    except (KeyError, ValueError):
        return False
    there = header[offset : offset + len(magic)]
    if len(there) != len(magic) or len(mask) != len(magic):
        return False
    return all(a & m == b & m for a, b, m in zip(there, magic, mask, strict=True))
