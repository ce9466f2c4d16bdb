"""What -p says, and the sockets that are bound for it."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

import pytest

from rootless.cli.fields import told
from rootless.containers.ports import Binding, exposed, listed, summary
from rootless.containers.words.ports import parse
from rootless.errors import HostError, NotPermitted, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootless.containers.request import Publish
    from rootless.netstack.ports import Port

pytestmark = pytest.mark.once


def tuples(ports: list[Any]) -> list[tuple[str, int, int, str]]:
    return [(one["ip"], one["host"], one["container"], one["protocol"]) for one in ports]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("80", [("", 0, 80, "tcp")]),
        ("8080:80", [("", 8080, 80, "tcp")]),
        ("8080:80/udp", [("", 8080, 80, "udp")]),
        ("8080:80/TCP", [("", 8080, 80, "tcp")]),
        ("127.0.0.1:8080:80", [("127.0.0.1", 8080, 80, "tcp")]),
        ("127.0.0.1::80", [("127.0.0.1", 0, 80, "tcp")]),
        ("[::1]:8080:80", [("::1", 8080, 80, "tcp")]),
        ("[::1]::80", [("::1", 0, 80, "tcp")]),
        ("8000-8001:80-81", [("", 8000, 80, "tcp"), ("", 8001, 81, "tcp")]),
        ("80-81", [("", 0, 80, "tcp"), ("", 0, 81, "tcp")]),
    ],
)
def test_forms(text: str, expected: list[tuple[str, int, int, str]]) -> None:
    assert tuples(parse(text)) == expected


@pytest.mark.parametrize(
    "text",
    "| :|0:0|80:|a:80|80:a|70000|1:2:3:4|1.2.3:80:80|[::1:80:80"
    "|80-82:80-81|82-80|80/sctp|80/|٣:٣|-1:80|8 0".split("|"),
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(UsageError):
        parse(text)
    assert exposed(text) == []


@pytest.fixture
def binding() -> Iterator[Binding]:
    made = Binding(remap=False)
    yield made
    made.close()


def wanted(host: int, ip: str = "127.0.0.1", protocol: str = "tcp") -> Publish:
    return {"ip": ip, "host": host, "container": 80, "protocol": protocol}


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_free_port_on_both_versions(binding: Binding, protocol: str) -> None:
    binding.open([wanted(0, "", protocol)], None)
    assert {port["ip"] for port in binding.ports} == {"0.0.0.0", "::"}
    assert len({port["host"] for port in binding.ports}) == 1
    assert binding.ports[0]["host"] > 0
    shown = listed(binding.ports)
    assert shown[0] == (f"80/{protocol}", f"0.0.0.0:{binding.ports[0]['host']}")
    assert shown[1][1].startswith("[::]:")


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_port_in_use(binding: Binding, kind: socket.SocketKind) -> None:
    """Nothing stays bound of what was asked for together with it."""
    before = len(os.listdir("/proc/self/fd"))
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        port = taken.getsockname()[1]
        protocol = "tcp" if kind == socket.SOCK_STREAM else "udp"
        with pytest.raises(HostError, match=f"port {port}/{protocol}: it is in use on 127.0.0.1"):
            binding.open([wanted(0), wanted(port, protocol=protocol)], None)
    assert binding.ports == []
    assert len(os.listdir("/proc/self/fd")) <= before


def test_a_foreign_address(binding: Binding) -> None:
    with pytest.raises(HostError, match="does not have the address"):
        binding.open([wanted(0, "203.0.113.1")], None)


def needs_privilege() -> bool:
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as file:
        return int(file.read()) > 81 and os.geteuid() != 0


@pytest.mark.skipif(not needs_privilege(), reason="this user may bind every port")
def test_a_privileged_port(binding: Binding) -> None:
    with pytest.raises(NotPermitted, match="ports below 1024 need a privilege") as caught:
        binding.open([wanted(81)], None)
    assert "use 8081" in caught.value.hint
    assert "--publish-privileged remap" in told(caught.value)
    assert "ip_unprivileged_port_start=81" in caught.value.hint
    moved = Binding(remap=True)
    moved.open([wanted(81, "127.0.0.55")], None)
    assert tuples(moved.ports) == [("127.0.0.55", 8081, 80, "tcp")]
    assert moved.notes == ["port 81 needs a privilege: published as 8081 instead"]
    moved.close()


def test_neighbours_are_a_range() -> None:
    def port(ip: str, host: int, container: int, protocol: str = "tcp") -> Port:
        return {"fd": -1, "ip": ip, "host": host, "container": container, "protocol": protocol}

    shown = [port(ip, 8000 + n, 80 + n) for n in (0, 1, 2, 7) for ip in ("0.0.0.0", "::")]
    shown += [port("127.0.0.1", 9001, 90), port("127.0.0.1", 9000, 91)]
    shown += [port("0.0.0.0", 8003, 83, "udp"), port("0.0.0.0", 7000, 80)]
    assert summary(shown).split(", ") == [
        "0.0.0.0:7000->80/tcp",
        "0.0.0.0:8000-8002->80-82/tcp",
        "0.0.0.0:8007->87/tcp",
        "[::]:8000-8002->80-82/tcp",
        "[::]:8007->87/tcp",
        "0.0.0.0:8003->83/udp",
        "127.0.0.1:9001->90/tcp",
        "127.0.0.1:9000->91/tcp",
    ]
    assert summary([]) == ""
