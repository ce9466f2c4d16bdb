"""This boot of the machine: its name and its beginning. Asked for by listings: no ctypes here."""

from __future__ import annotations

import time


def boot_id() -> str:
    """The kernel's random name for this boot (random(4))."""
    with open("/proc/sys/kernel/random/boot_id", encoding="utf-8") as file:
        return file.read().strip()


def booted() -> float:
    """When this boot began, in seconds since the epoch."""
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
