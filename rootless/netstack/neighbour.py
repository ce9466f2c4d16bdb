"""Who bears an address on the link: ARP (RFC 826) and Neighbor Discovery (RFC 4861).

The guest knows us already when it starts; these are for what it flushes and for the curious.
Only for our own addresses is there an answer.
"""

from __future__ import annotations

import struct

from rootless.netstack import ipv6
from rootless.netstack.addresses import GATEWAY_MAC, Addresses

_REQUEST = struct.pack(">HHBBH", 1, 0x0800, 6, 4, 1)
_REPLY = struct.pack(">HHBBH", 1, 0x0800, 6, 4, 2)

ARP_SIZE = 28
"""Bytes of a packet for IPv4 over Ethernet."""

NEIGHBOR_SOLICITATION = 135
_NEIGHBOR_ADVERTISEMENT = 136
_SOLICITED_OVERRIDE = 0x60000000
_TARGET_LINK_ADDRESS = 2


def answer_arp(packet: bytes, addresses: Addresses) -> bytes:
    """Return the reply to an ARP packet of the guest, empty for none."""
    if len(packet) < ARP_SIZE or packet[:8] != _REQUEST or packet[24:28] != addresses.gateway4:
        return b""
    return _REPLY + GATEWAY_MAC + addresses.gateway4 + packet[8:18]


def is_of(packet: bytes, addresses: Addresses) -> bool:
    """Whether the sender that an ARP packet names is the guest; a probe names none (RFC 5227)."""
    sender, own = packet[14:18], addresses.guest4
    return packet[8:14] == addresses.mac and (sender == own or not any(sender))


def is_of_link(source: bytes) -> bool:
    """Whether an IPv6 address is of no network: unspecified or link-local (RFC 4291, 2.5)."""
    return not any(source) or (source[0] == 0xFE and source[1] & 0xC0 == 0x80)


def answer_solicitation(source: bytes, message: bytes, addresses: Addresses) -> bytes:
    """Return the IPv6 packet that answers a neighbor solicitation, empty for none."""
    if len(message) < 24 or message[8:24] != addresses.gateway6 or not any(source):
        return b""
    body = struct.pack(">BBHI", _NEIGHBOR_ADVERTISEMENT, 0, 0, _SOLICITED_OVERRIDE)
    body += message[8:24] + struct.pack(">BB", _TARGET_LINK_ADDRESS, 1) + GATEWAY_MAC
    # Only a hop limit of 255 proves that it comes from this link (RFC 4861, 7.1.2).
    return ipv6.icmp(addresses.gateway6, source, body, hops=255)
