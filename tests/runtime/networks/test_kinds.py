"""The kinds of network: what each needs of the namespace, and who serves it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from rootless.errors import LaunchError
from rootless.netstack import addresses
from rootless.runtime.networks import kinds
from rootless.runtime.networks.helper import Place
from rootless.runtime.networks.pasta import Pasta
from rootless.runtime.networks.slirp4netns import Slirp4netns

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rootless.netstack.ports import Port
    from rootless.runtime.spec import PrivateNetwork

SETTINGS = addresses.parse("cidr=10.7.0.0/24,mtu=1500")
LOOPBACK, LINK = "bring up the loopback interface", "set up the private network"


def network(helper: str = "") -> PrivateNetwork:
    return {"settings": SETTINGS, "helper": helper, "names": "10.7.0.2", "needed": True}


def spec_of(private: PrivateNetwork | None, *namespaces: dict[str, str]) -> Any:
    """As much of a configuration as says which network it is."""
    spaces = [{"type": "mount"}, *namespaces]
    return {"linux": {"namespaces": spaces}, "rootless": {"network": private}}


OWN = {"type": "network"}
OTHER = {"type": "network", "path": "/proc/1/ns/net"}


@pytest.mark.parametrize(
    ("spec", "own", "steps", "linked", "served"),
    [
        pytest.param(spec_of(None, OWN), True, [LOOPBACK], False, False, id="none"),
        pytest.param(spec_of(None), False, [], False, False, id="host"),
        pytest.param(spec_of(None, OTHER), False, [], False, False, id="ns"),
        # Of another container's network the addresses are known, but it is that one's to serve.
        pytest.param(spec_of(network(), OTHER), False, [], False, False, id="container"),
        pytest.param(spec_of(network("pasta"), OTHER), False, [], False, False, id="of a helped"),
        pytest.param(spec_of(network(), OWN), True, [LINK], True, False, id="private"),
        pytest.param(spec_of(network("pasta"), OWN), True, [LOOPBACK], False, True, id="pasta"),
        pytest.param(
            spec_of(network("slirp4netns"), OWN), True, [LOOPBACK], False, True, id="slirp4netns"
        ),
    ],
)
def test_what_a_configuration_asks_for(
    spec: Any, own: bool, steps: list[str], linked: bool, served: bool
) -> None:
    driver = kinds.of_spec(spec)
    assert driver.own == own
    assert [step.describe() for step in driver.steps()] == steps
    assert {getattr(step, "needs", "") for step in driver.steps()} <= {"network"}
    assert driver.settings == (SETTINGS if linked else None)
    assert (driver.outside is not None) == served


@pytest.mark.parametrize(
    "kind", ["none", "host", "container", "ns", "private", "pasta", "slirp4netns"]
)
def test_there_is_a_driver_for_each(kind: str) -> None:
    driver = kinds.driver(kind, network(kind), "/proc/self/ns/net")
    driver.check()


@pytest.mark.parametrize(
    ("kind", "private", "said"),
    [
        ("bridge", None, "no network of the kind 'bridge'"),
        ("private", None, "the settings of the container's network are missing"),
        ("pasta", None, "the settings of the container's network are missing"),
    ],
)
def test_what_no_driver_makes(kind: str, private: PrivateNetwork | None, said: str) -> None:
    with pytest.raises(LaunchError, match=said):
        kinds.driver(kind, private)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/proc/self/ns/uts", "it is another kind of namespace"),
        ("/etc/passwd", "it is none"),
        ("/nothing/here", "No such file or directory"),
    ],
)
def test_a_namespace_that_is_none(path: str, said: str) -> None:
    with pytest.raises(LaunchError, match=f"cannot join the network namespace {path}: {said}"):
        kinds.driver("ns", path=path).check()


# -- what helpers are told


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    one = Place(str(tmp_path))
    yield one
    one.close()
    assert list(tmp_path.iterdir()) == []


def port(ip: str, host: int, container: int, protocol: str = "tcp") -> Port:
    return {"fd": -1, "ip": ip, "host": host, "container": container, "protocol": protocol}


@pytest.mark.parametrize(
    ("ports", "tcp", "udp"),
    [
        ([], ["none"], ["none"]),
        ([port("127.0.0.1", 80, 8080)], ["127.0.0.1/80:8080"], ["none"]),
        ([port("::1", 53, 53, "udp")], ["none"], ["::1/53:53"]),
        ([port("0.0.0.0", 80, 8080), port("::", 80, 8080)], ["80:8080"], ["none"]),
        (
            [port("0.0.0.0", 80, 1), port("127.0.0.1", 81, 2)],
            ["0.0.0.0/80:1", "127.0.0.1/81:2"],
            ["none"],
        ),
    ],
)
def test_ports_as_pasta_wants_them(
    place: Place, ports: list[Port], tcp: list[str], udp: list[str]
) -> None:
    given = Pasta(SETTINGS).arguments(place, ports, "77")
    assert [given[at + 1] for at, word in enumerate(given) if word == "-t"] == tcp
    assert [given[at + 1] for at, word in enumerate(given) if word == "-u"] == udp
    assert given[-1] == "77"


@pytest.mark.parametrize("loopback", [False, True])
def test_addresses_as_helpers_want_them(place: Place, loopback: bool) -> None:
    settings: addresses.Settings = {**SETTINGS, "host_loopback": loopback, "guest6": ""}
    pasta = " ".join(Pasta(settings).arguments(place, [], "77"))
    assert " -a 10.7.0.100 -n 24 -g 10.7.0.2 --dns-forward 10.7.0.2 -4 " in pasta
    assert ("--no-map-gw" in pasta) != loopback
    assert f"-m 1500 -P {place.ready_path} 77" in pasta
    assert ("--runas" in pasta) == (os.geteuid() == 0)
    slirp = Slirp4netns(settings).arguments(place, [], "77")
    assert {"--mtu=1500", "--cidr=10.7.0.0/24", f"--ready-fd={place.ready}"} <= {*slirp}
    assert slirp[-2:] == ["77", "eth0"]
    assert ("--disable-host-loopback" in slirp) != loopback
    assert "--enable-ipv6" not in slirp
    assert "--enable-ipv6" in Slirp4netns(SETTINGS).arguments(place, [], "77")
    assert "fd00::100" in Pasta(SETTINGS).arguments(place, [], "77")


@pytest.mark.parametrize(
    ("extra", "there", "gone"),
    [
        ([], ["-T none", "-U none", "--quiet", "-a 10.7.0.100", "-m 1500"], []),
        (["-T", "5432"], ["-T 5432", "-U none"], ["-T none"]),
        (["-T5432", "--udp-ns=53"], ["-T5432 --udp-ns=53"], ["-T none", "-U none"]),
        (["--mtu", "9000", "-d"], ["--mtu 9000 -d"], ["-m 1500", "--quiet"]),
        (["-a", "192.0.2.9", "-n", "24"], ["-a 192.0.2.9 -n 24", "-g 10.7.0.2"], ["10.7.0.100"]),
        (["-t", "8080"], ["-t 8080", "-u none"], ["-t none"]),
        (["--no-udp"], ["--no-udp", "-u none"], []),
    ],
)
def test_options_of_pastas_own(
    place: Place, extra: list[str], there: list[str], gone: list[str]
) -> None:
    """They take the place of ours, and stand before the process that it is to find."""
    given = Pasta({**SETTINGS, "extra": extra}).arguments(place, [], "77")
    line = " ".join(given)
    assert line.endswith("77")
    assert [words for words in there if words not in line] == []
    assert [words for words in gone if words in line] == []


def test_pasta_publishes_beside_options_of_its_own(place: Place) -> None:
    own = Pasta({**SETTINGS, "extra": ["-t", "8080"]})
    line = " ".join(own.arguments(place, [port("127.0.0.1", 80, 8080)], "77"))
    assert "-t 127.0.0.1/80:8080" in line
    assert "-t 8080" in line
