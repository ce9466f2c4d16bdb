"""Networks with names: their records, and containers that find each other there, and no others."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Store

SERVER = "mkdir /w; cp /etc/hostname /w/index.html; exec httpd -f -p 80 -h /w"


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def shown(store: Store, network: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(store.ok("network", "inspect", network))[0]
    return found


def inside(store: Store, container: str, script: str) -> str:
    done = store("exec", container, "sh", "-c", script)
    return (done.stdout + done.stderr).strip()


def fetch(store: Store, container: str, address: str) -> str:
    return inside(store, container, f"wget -qO- http://{address}/")


def switches(store: Store) -> list[int]:
    """Return the processes of the networks that are in use: they offer the user namespace."""
    found = []
    for member in Path(store.runtime, "rootless/userns").glob("*/*"):
        try:
            if Path(f"/proc/{member.name}/comm").read_text() == "rootless-net\n":
                found.append(int(member.name))
        except OSError:
            continue  # it has ended
    return found


# -- records


def test_records(cli: Store) -> None:
    made = cli.ok("network", "create", "--label", "a=b", "--ipv6", "-o", "mtu=1400", "one")
    assert shown(cli, "one")["Id"] == made == shown(cli, made[:12])["Id"]
    first, second = shown(cli, "one")["IPAM"]["Config"]
    assert first["Gateway"] == first["Subnet"].replace(".0/24", ".1")
    assert second["Subnet"].startswith("fd")
    cli.ok("network", "create", "two")
    assert shown(cli, "two")["IPAM"]["Config"][0]["Subnet"] != first["Subnet"]
    assert cli("network", "create", "two").stderr == (
        "Error: network with name two already exists\n"
    )
    cli.ok("network", "create", "--ignore", "two")
    clash = cli("network", "create", "--subnet", first["Subnet"], "three")
    assert f"subnet {first['Subnet']} is used by network one" in clash.stderr
    names = ["bridge", "host", "none", "one", "two"]
    assert cli.ok("network", "ls", "--format", "{{.Name}}").split() == names
    assert cli.ok("network", "ls", "-q", "--filter", "label=a=b") == made[:12]
    assert cli("network", "exists", "one").returncode == 0
    assert cli("network", "exists", "three").returncode == 1
    assert cli.ok("network", "rm", "one") == "one"
    assert cli("network", "rm", "one").returncode == 1
    assert cli.ok("network", "prune", "-f").splitlines() == ["Deleted Networks:", "two"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--subnet", "10.1.2.0/33"], "'10.1.2.0/33' is no subnet"),
        (["--subnet", "10.1.2.0/24", "--gateway", "10.1.3.1"], "gateway 10.1.3.1 is not in subnet"),
        (["--subnet", "10.1.2.0/24", "--ip-range", "10.2.0.0/25"], "range 10.2.0.0/25 is not in"),
        (["--subnet", "10.1.2.0/31"], "cannot be the subnet of a network"),
        (["--subnet", "10.1.2.0/24", "--subnet", "10.1.3.0/24"], "has one subnet of IPv4"),
        (["--gateway", "10.1.3.1"], "10.1.3.1 is in no subnet that was given"),
        (["-o", "mtu=5"], "mtu=5: a number from"),
        (["-d", "macvlan"], "the driver bridge alone"),
        (["--label", "=b"], "is no pair"),
    ],
)
def test_what_no_network_is(cli: Store, words: list[str], said: str) -> None:
    done = cli("network", "create", *words, "one")
    assert done.returncode == 125 or done.returncode == 1
    assert said in done.stderr
    assert "one" not in cli.ok("network", "ls", "--format", "{{.Name}}").split()


@pytest.mark.parametrize("name", ["host", "bridge", "-x", "a/b", "", "x" * 200])
def test_names_that_none_has(cli: Store, name: str) -> None:
    assert cli("network", "create", "--", name).returncode != 0


def test_a_network_that_is_not_there(busybox: Store) -> None:
    done = busybox("run", "--rm", "--network", "nosuch", "busybox", "true")
    assert done.returncode == 125
    assert "network nosuch not found" in done.stderr


# -- containers on them


@pytest.fixture(scope="module")
def net(shared: Store) -> Iterator[Store]:
    """Containers web and db on `front`, db and api on `back`, safe on the internal `closed`."""
    shared.ok("network", "create", "--ipv6", "front")
    shared.ok("network", "create", "back")
    shared.ok("network", "create", "--internal", "closed")
    server = ["busybox", "sh", "-c", SERVER]
    shared.ok("run", "-d", "--name", "web", "-p", "127.0.0.1::80", "--network", "front", *server)
    shared.ok(
        *("run", "-d", "--name", "db", "--network", "front:alias=data", "--network", "back"),
        *server,
    )
    shared.ok("run", "-d", "--name", "api", "--network", "back:ip=10.89.1.77", *server)
    shared.ok("run", "-d", "--name", "safe", "--network", "closed", *server)
    until(lambda: fetch(shared, "api", "localhost"))
    yield shared
    shared.ok("rm", "-fa", "-t", "0")
    until(lambda: not switches(shared))


@pytest.mark.each
@pytest.mark.parametrize(
    ("who", "name"),
    [("web", "db"), ("web", "data"), ("web", "data.front"), ("db", "web"), ("db", "api")],
)
def test_they_find_each_other(net: Store, who: str, name: str) -> None:
    meant = {"data": "db", "data.front": "db"}.get(name, name)
    whole = net.ok("inspect", "-f", "{{.Config.Hostname}}", meant)
    until(lambda: fetch(net, who, name) == whole)


def test_by_ipv6_and_backwards(net: Store) -> None:
    endpoint = json.loads(net.ok("inspect", "web"))[0]["NetworkSettings"]["Networks"]["front"]
    six, four = endpoint["GlobalIPv6Address"], endpoint["IPAddress"]
    assert fetch(net, "db", f"[{six}]") == endpoint["DNSNames"][-1]
    assert "web.front" in inside(net, "db", f"nslookup {four}")


@pytest.mark.parametrize("name", ["api", "safe", "nosuch", "nosuch.dns.podman"])
def test_others_have_no_name(net: Store, name: str) -> None:
    assert "NXDOMAIN" in inside(net, "web", f"nslookup {name}")


def test_others_cannot_be_reached(net: Store) -> None:
    address = net.ok("inspect", "-f", "{{.NetworkSettings.Networks.front.IPAddress}}", "web")
    assert "Network is unreachable" in fetch(net, "safe", address)
    assert "NXDOMAIN" in inside(net, "safe", "nslookup example.com")
    assert net.ok("inspect", "-f", "{{.NetworkSettings.Networks.back.IPAddress}}", "api") == (
        "10.89.1.77"
    )


def test_names_do_not_leave_an_internal_network_without_names(net: Store) -> None:
    """CVE-2024-29018."""
    net.ok("network", "create", "--internal", "--disable-dns", "mute")
    options = ["--network", "mute", "--dns", "127.0.0.1"]
    line = ["busybox", "sh", "-c", "nslookup example.com 2>&1; nslookup web 2>&1"]
    said = net("run", "--rm", *options, *line)
    assert said.stdout.count("NXDOMAIN") >= 2
    net.ok("network", "rm", "mute")


def test_a_published_port(net: Store) -> None:
    port = int(net.ok("port", "web", "80").rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
        peer.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert (
            peer.makefile("rb")
            .read()
            .endswith(net.ok("inspect", "-f", "{{.Config.Hostname}}", "web").encode() + b"\n")
        )


def test_coming_and_going(net: Store) -> None:
    net.ok("network", "connect", "--alias", "vault", "front", "safe")
    assert fetch(net, "web", "vault") == fetch(net, "safe", "localhost")
    assert fetch(net, "safe", "web")
    assert "default via" in inside(net, "safe", "ip route")
    again = net("network", "connect", "front", "safe")
    assert "already connected to front" in again.stderr
    assert "safe" in {one["Name"] for one in shown(net, "front")["Containers"].values()}
    net.ok("network", "disconnect", "front", "safe")
    assert "NXDOMAIN" in inside(net, "web", "nslookup vault")
    assert "default via" not in inside(net, "safe", "ip route")
    assert "is not connected" in net("network", "disconnect", "front", "safe").stderr


def test_a_container_with_a_private_network_comes_along(net: Store) -> None:
    net.ok("run", "-d", "--name", "guest", "busybox", "sleep", "1000")
    net.ok("network", "connect", "back", "guest")
    assert fetch(net, "guest", "api") == fetch(net, "api", "localhost")
    net.ok("rm", "-f", "-t", "0", "guest")


def test_a_further_network_is_no_other_way_out(net: Store) -> None:
    before = inside(net, "web", "ip route | grep default")
    net.ok("network", "connect", "back", "web")
    assert inside(net, "web", "ip route | grep default") == before
    net.ok("network", "disconnect", "front", "web")
    assert "via 10.89." in inside(net, "web", "ip route | grep default")
    assert fetch(net, "web", "10.89.1.77") == fetch(net, "api", "localhost")
    net.ok("network", "connect", "front", "web")
    net.ok("network", "disconnect", "back", "web")
    until(lambda: fetch(net, "db", "web"))
    test_a_published_port(net)


def test_a_new_name_is_known_at_once(net: Store) -> None:
    net.ok("rename", "api", "service")
    assert fetch(net, "db", "service")
    assert "NXDOMAIN" in inside(net, "db", "nslookup api")
    net.ok("rename", "service", "api")
    assert fetch(net, "db", "api")


def test_in_use_is_refused(net: Store) -> None:
    done = net("network", "rm", "back")
    assert done.returncode == 1
    assert "network back is used by containers: " in done.stderr
    assert "api" in done.stderr
    assert "db" in done.stderr


@pytest.mark.each
def test_a_switch_that_is_killed_is_replaced(net: Store) -> None:
    before = switches(net)
    assert len(before) == 3
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    until(lambda: len(switches(net)) == 3 and not {*before} & {*switches(net)})
    for who, name in (("web", "db"), ("db", "api")):
        until(lambda who=who, name=name: fetch(net, who, name) == fetch(net, name, "localhost"))  # type: ignore[misc]
    test_a_published_port(net)


def test_the_same_address_after_a_restart(net: Store) -> None:
    form = "{{.NetworkSettings.Networks.front.IPAddress}}"
    before = net.ok("inspect", "-f", form, "web")
    net.ok("restart", "-t", "0", "web")
    assert net.ok("inspect", "-f", form, "web") == before
    until(lambda: fetch(net, "db", "web"))


def test_what_crosses_a_network(net: Store, tmp_path: Path) -> None:
    net.ok("network", "create", "seen")
    server = ["busybox", "sh", "-c", SERVER]
    net.ok("run", "-d", "--name", "server", "--network", "seen", *server)
    file = tmp_path / "seen.pcap"
    capture = net.start("network", "capture", "seen", str(file))
    until(lambda: file.exists() and file.stat().st_size)
    net.ok("run", "--rm", "--network", "seen", "busybox", "wget", "-qO-", "http://server/")
    net.ok("rm", "-f", "-t", "0", "server")
    assert "frames" in capture.communicate(timeout=20)[1]
    assert b"GET / HTTP" in file.read_bytes()
    net.ok("network", "rm", "seen")
