"""Option values: what each text means, and that anything else is refused, never a traceback."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rootless import values as plain
from rootless import values as signals
from rootless.containers import names
from rootless.containers.creation import conflicts
from rootless.containers.request import attachment, request
from rootless.containers.words import networks, values
from rootless.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("1024", 1024),
        ("1b", 1),
        ("1k", 1024),
        ("1K", 1024),
        ("1kb", 1024),
        ("1KiB", 1024),
        ("64m", 64 << 20),
        ("64 MB", 64 << 20),
        ("1.5g", 3 << 29),
        ("2t", 2 << 40),
        ("1p", 1 << 50),
        (" 7m ", 7 << 20),
    ],
)
def test_size(text: str, expected: int) -> None:
    assert expected == plain.size(text, "--shm-size")


@pytest.mark.parametrize(
    "text",
    ["", "m", "-1", "1x", "1.", ".5.1", "1e3", "0x10", "1mk", "\uff19m", "²", "9" * 40, "99999p"],
)
def test_size_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--shm-size"):
        plain.size(text, "--shm-size")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("9", signal.SIGKILL),
        ("KILL", signal.SIGKILL),
        ("SIGKILL", signal.SIGKILL),
        ("sigterm", signal.SIGTERM),
        ("usr1", signal.SIGUSR1),
        ("RTMIN", signal.SIGRTMIN),
        ("SIGRTMIN+3", signal.SIGRTMIN + 3),
        ("rtmax-1", signal.SIGRTMAX - 1),
        ("64", 64),
    ],
)
def test_signal(text: str, expected: int) -> None:
    assert expected == signals.signal_number(text)


@pytest.mark.parametrize(
    "text", ["", "FOO", "0", "65", "-9", "_IGN", "_DFL", "SIG_BLOCK", "RTMIN+99", "RTMAX+1", "1 "]
)
def test_signal_refused(text: str) -> None:
    with pytest.raises(UsageError, match="invalid signal"):
        signals.signal_number(text)


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (15, "SIGTERM"),
        (17, "SIGCHLD"),
        (29, "SIGIO"),
        (6, "SIGABRT"),
        (int(signal.SIGRTMIN) + 3, "SIGRTMIN+3"),
        (1000, "1000"),
    ],
)
def test_signal_name(number: int, name: str) -> None:
    assert name == signals.signal_name(number)


def test_every_signal_comes_back_from_its_name() -> None:
    for number in (*range(1, 32), *range(signal.SIGRTMIN, signal.SIGRTMAX + 1)):
        assert number == signals.signal_number(signals.signal_name(number))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nofile=1024:4096", ("RLIMIT_NOFILE", 1024, 4096)),
        ("nofile=1024", ("RLIMIT_NOFILE", 1024, 1024)),
        ("RLIMIT_CORE=0", ("RLIMIT_CORE", 0, 0)),
        ("memlock=-1:-1", ("RLIMIT_MEMLOCK", values.UNLIMITED, values.UNLIMITED)),
        ("core=0:unlimited", ("RLIMIT_CORE", 0, values.UNLIMITED)),
    ],
)
def test_ulimit(text: str, expected: tuple[str, int, int]) -> None:
    limit = values.ulimit(text)
    assert limit is not None
    assert expected == (limit["type"], limit["soft"], limit["hard"])


def test_ulimit_host_keeps_the_callers_limits() -> None:
    assert values.ulimit("host") is None


@pytest.mark.parametrize(
    "text",
    ["", "nofile", "nofile=", "foo=1", "nofile=2:1", "nofile=-1:5", "nofile=1:2:3", "nofile=a"],
)
def test_ulimit_refused(text: str) -> None:
    with pytest.raises(UsageError, match="ulimit"):
        values.ulimit(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("net.ipv4.ip_forward=1", ("net.ipv4.ip_forward", "1")),
        ("net/core/somaxconn=1024", ("net.core.somaxconn", "1024")),
        ("kernel.msgmax=65536", ("kernel.msgmax", "65536")),
        ("fs.mqueue.msg_max=20", ("fs.mqueue.msg_max", "20")),
        ("kernel.sem=250 32000 100 128", ("kernel.sem", "250 32000 100 128")),
    ],
)
def test_sysctl(text: str, expected: tuple[str, str]) -> None:
    assert dict([expected]) == values.sysctls([text])
    conflicts.check(request("image", sysctls=values.sysctls([text])))


@pytest.mark.parametrize(
    ("text", "network", "ipc"),
    [
        ("foo", False, False),
        ("=1", False, False),
        ("kernel.panic=1", False, False),
        ("vm.swappiness=1", False, False),
        ("net.../../../etc/passwd=1", False, False),
        ("net..x=1", False, False),
        ("net.ipv4.ip_forward=1", True, False),
        ("kernel.msgmax=1", False, True),
        ("fs.mqueue.msg_max=1", False, True),
    ],
)
def test_sysctl_refused(text: str, network: bool, ipc: bool) -> None:
    with pytest.raises(UsageError, match="sysctl"):
        host_or_own(text, network=network, ipc=ipc)


def host_or_own(text: str, *, network: bool, ipc: bool) -> None:
    """Ask for a sysctl with the host's namespaces or own ones."""
    wanted = request("image", sysctls=values.sysctls([text]))
    if network:
        wanted["networks"] = [attachment("host")]
    if ipc:
        wanted["namespaces"]["ipc"] = "host"
    conflicts.check(wanted)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("db:10.0.0.1", ["10.0.0.1", "db"]),
        ("db=10.0.0.1", ["10.0.0.1", "db"]),
        ("db:::1", ["::1", "db"]),
        ("db:[fe80::1]", ["fe80::1", "db"]),
        ("db=[fe80::1]", ["fe80::1", "db"]),
        ("a;b.c:10.0.0.1", ["10.0.0.1", "a", "b.c"]),
        ("h:host-gateway", ["host-gateway", "h"]),
    ],
)
def test_host_entry(text: str, expected: list[str]) -> None:
    assert expected == networks.host_entry(text)


@pytest.mark.parametrize(
    "text",
    ["", "db", "db:", ":10.0.0.1", "a b:10.0.0.1", "db:10.0.0", "db:x", "a\nb:1.2.3.4", ";:::1"],
)
def test_host_entry_refused(text: str) -> None:
    with pytest.raises(UsageError, match="host"):
        conflicts.check(request("image", hosts=[networks.host_entry(text)]))


@pytest.mark.parametrize("text", ["", "root", "0", "1000:1000", "me:staff", "1000:", "a.b-c_d$"])
def test_user(text: str) -> None:
    conflicts.check(request("image", user=text))


@pytest.mark.parametrize("text", ["a:b:c", "4294967295", "0:2147483648", "a\nb", "9" * 5000])
def test_user_refused(text: str) -> None:
    with pytest.raises(UsageError, match="user: invalid") as caught:
        conflicts.check(request("image", user=text))
    assert caught.value.field == "user"


@pytest.mark.parametrize("text", ["1", "t", "T", "TRUE", "true", "True"])
def test_true(text: str) -> None:
    assert plain.boolean(text, "x")


@pytest.mark.parametrize("text", ["0", "f", "F", "FALSE", "false", "False"])
def test_false(text: str) -> None:
    assert not plain.boolean(text, "x")


@pytest.mark.parametrize("text", ["", "yes", "no", "2", "tRUE"])
def test_neither_true_nor_false(text: str) -> None:
    with pytest.raises(UsageError):
        plain.boolean(text, "x")


PARSERS: dict[str, Callable[[str], object]] = {
    "size": lambda text: plain.size(text, "x"),
    "signal": signals.signal_number,
    "ulimit": values.ulimit,
    "sysctl": lambda text: host_or_own(text, network=False, ipc=False),
    "host": networks.host_entry,
    "user": lambda text: conflicts.check(request("image", user=text)),
    "restart": values.restart,
    "umask": values.umask,
    "sdnotify": values.sdnotify,
    "entrypoint": values.entrypoint,
    "pair": lambda text: plain.pair(text, "x"),
    "boolean": lambda text: plain.boolean(text, "x"),
}


@pytest.mark.parametrize("name", PARSERS)
@given(text=st.text() | st.text("0123456789.-+:=[];kmgbRTMINAX _/net"))
def test_a_parser_raises_nothing_but_usage_errors(name: str, text: str) -> None:
    try:
        PARSERS[name](text)
    except UsageError as error:
        assert "\n" not in str(error).replace(text, "")


@given(st.integers(0, 2**50))
def test_a_plain_number_is_its_size(number: int) -> None:
    assert number == plain.size(str(number), "x")


@pytest.mark.parametrize("text", ["a", "0", "web-1", "a.b_c-D", "x" * 255])
def test_name(text: str) -> None:
    assert text == names.check_name(text)


@pytest.mark.parametrize(
    "text", ["", "-a", ".a", "_a", "a/b", "a b", "ä", "a\n", "x" * 256, "../x"]
)
def test_name_refused(text: str) -> None:
    with pytest.raises(UsageError, match="invalid container name"):
        names.check_name(text)


def test_random_names_are_names_and_differ() -> None:
    made = {names.random_name() for _ in range(100)}
    assert all(names.is_name(name) and name.count("_") == 1 for name in made)
    assert len(made) > 90
