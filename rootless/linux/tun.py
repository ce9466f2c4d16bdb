"""TAP devices: Linux, Documentation/networking/tuntap.rst, and include/uapi/linux/if_tun.h."""

from __future__ import annotations

import fcntl
import os
import struct

DEVICE = "/dev/net/tun"

TUNSETIFF = 0x400454CA
TUNSETPERSIST = 0x400454CB
TUNSETOFFLOAD = 0x400454D0

IFF_TAP = 0x0002
IFF_NO_PI = 0x1000
IFF_VNET_HDR = 0x4000

TUN_F_CSUM = 0x01
TUN_F_TSO4 = 0x02
TUN_F_TSO6 = 0x04
TUN_F_USO4 = 0x20
TUN_F_USO6 = 0x40
"""The last two since Linux 6.2."""

VNET_HEADER = 10
"""Bytes of struct virtio_net_hdr (include/uapi/linux/virtio_net.h) before each frame."""


def open_tap(name: str) -> int:
    """Make the TAP device `name` in this network namespace and return its descriptor.

    Every frame has a struct virtio_net_hdr before it, and the kernel leaves checksums and the
    cutting of TCP into segments to the other side. The device lasts as long as its namespace.
    Raises OSError: ENOENT and EACCES are about the device node, EPERM is about the namespace.
    """
    fd = os.open(DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
        tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6
        try:
            fcntl.ioctl(fd, TUNSETOFFLOAD, tcp | TUN_F_USO4 | TUN_F_USO6)
        except OSError:
            fcntl.ioctl(fd, TUNSETOFFLOAD, tcp)
        # Without it whoever closes the device waits some 40 ms until it is unregistered, and
        # whoever is killed lives as long. So it goes with its namespace, when the kernel has time.
        fcntl.ioctl(fd, TUNSETPERSIST, 1)
    except BaseException:
        os.close(fd)
        raise
    return fd
