"""A request without one option text, and what it cannot be."""

from __future__ import annotations

import copy
import os
from typing import TYPE_CHECKING, Any

import pytest

from rootless.containers import record
from rootless.containers.creation import conflicts
from rootless.containers.request import (
    artifact,
    attachment,
    bind,
    publish,
    request,
    security,
    tmpfs,
    volume,
)
from rootless.errors import UsageError
from rootless.netstack import addresses
from rootless.oci import jsonio

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def test_the_usual_is_plain_data() -> None:
    usual = request("busybox", ["sleep", "1"])
    conflicts.check(usual)
    assert usual == jsonio.loads(jsonio.dump_bytes(usual))
    assert (usual["image"], usual["command"]) == ("busybox", ["sleep", "1"])
    assert request("x")["security"]["masked"] is not request("x")["security"]["masked"]


def test_a_field_that_there_is_not() -> None:
    with pytest.raises(TypeError, match="no field volume"):
        request("busybox", volume=["/a:/b"])  # type: ignore[call-arg]


def test_mounts() -> None:
    shown = [
        (item["type"], item["name"], item["source"], item["destination"], item["options"])
        for item in (
            bind("/a", "/b/"),
            bind("/a", "/b", rw=False),
            volume("data", "/c"),
            tmpfs("/d", "size=1m"),
        )
    ]
    assert shown == [
        ("bind", "", "/a", "/b", ["rbind", "rw", "rprivate"]),
        ("bind", "", "/a", "/b", ["rbind", "ro", "rro", "rprivate"]),
        ("volume", "data", "", "/c", ["rbind", "rw", "rprivate"]),
        ("tmpfs", "", "", "/d", ["nosuid", "nodev", "size=1m"]),
    ]
    assert volume("", "/c")["anonymous"]
    assert not bind("/a", "/b")["make"]


def test_privileged() -> None:
    everything = security(privileged=True)
    assert everything["seccomp"] is None
    assert everything["masked"] == everything["readonly"] == []


ALWAYS = {"policy": "always", "most": 0}
HOST: Any = attachment("host")
CANNOT: list[tuple[dict[str, Any], str, str]] = [
    ({"remove": True, "restart": ALWAYS}, "restart", "restart and remove"),
    ({"ports": [publish(80)], "networks": [{**HOST, "kind": "ns", "name": "/x"}]}, "ports", "ns:"),
    ({"networks": [HOST, HOST]}, "networks.1", "and another exclude each other"),
    ({"environment": [["A", "\0"]]}, "environment", "holds a NUL byte"),
    ({"labels": {"a": "\ud800"}}, "labels", "holds a NUL byte"),
    ({"workdir": "x"}, "workdir", "absolute path"),
    ({"mounts": [bind("rel", "/x")]}, "mounts.0", "invalid mount source 'rel'"),
    ({"mounts": [bind("/nonexistent", "/x")]}, "mounts.0", "does not exist"),
    ({"mounts": [bind("/tmp", "/x"), volume("v", "/x")]}, "mounts.1", "duplicate mount point"),
    ({"mounts": [{**bind("/tmp", "/x"), "destination": "/x/../.."}]}, "mounts.0", "invalid mount"),
    ({"tmpfs": [tmpfs("/proc/x")]}, "tmpfs.0", "nothing can be mounted at /proc/x"),
    ({"hosts": [["1.2.3.4", "a b"]]}, "hosts.0", "'a b'"),
    ({"log": {"driver": "passthrough", "options": {}}, "tty": True}, "log.driver", "foreground"),
    ({"ports": [publish(80), publish(70000)]}, "ports.1.container", "from 1 to 65535"),
    ({"ports": [publish(80, protocol="sctp")]}, "ports.0.protocol", "one of tcp, udp"),
    ({"ports": [publish(80, ip="1.2.3")]}, "ports.0.ip", "no IP address"),
    ({"ports": [{"container": 80}]}, "ports.0.ip", "missing"),
    ({"ports": "80"}, "ports", "is no list"),
    ({"expose": ["80/tcp", "80"]}, "expose.1", "PORT/PROTOCOL"),
    ({"mounts": [volume("../../x", "/x")]}, "mounts.0", "invalid characters for a volume name"),
    ({"mounts": [{**bind("/etc", "/x"), "rw": False}]}, "mounts.0", "contradict"),
    ({"mounts": [{**bind("/etc", "/x"), "propagation": "rshared"}]}, "mounts.0", "contradict"),
    ({"mounts": [{**volume("v", "/x"), "anonymous": True}]}, "mounts.0", "anonymous"),
    ({"mounts": [{**bind("/etc", "/x"), "readonly": True}]}, "mounts.0", "there is no 'readonly'"),
    ({"tmpfs": [tmpfs("/x", "size=1m,exec")]}, "tmpfs.0", "invalid option"),
    ({"environment": [["A"]]}, "environment.0", "a name and a value"),
    ({"environment": ["A=b"]}, "environment.0", "is no list"),
    ({"rootfs": {"path": "tmp", "overlay": False}}, "rootfs.path", "no absolute path"),
    ({"rootfs": {"path": "/nonexistent", "overlay": False}}, "rootfs", "no directory"),
    ({"networks": [{**HOST, "kind": "bridge"}]}, "networks.0.kind", "one of none, host"),
    ({"networks": [attachment("container")]}, "networks.0.name", "which container"),
    ({"networks": [{**attachment("private"), "ipv4": "10.1.2.3"}]}, "networks.0.ipv4", "none"),
    ({"networks": [{**HOST, "mac": "02:00:00:00:00:09"}]}, "networks.0", "exclude each other"),
    ({"networks": [{**attachment("private"), "mac": "02-00-00-00-00-09"}]},
     "networks.0.mac", "is not written as 02:00:00:00:00:09"),
    ({"networks": [{**attachment("private"), "mac": "x"}]}, "networks.0.mac", "no link address"),
    ({"attach": ["STDIN"]}, "attach.0", "one of stdin, stdout, stderr"),
    ({"links": [{"container": "", "alias": "a"}]}, "links.0.container", "which container"),
    ({"links": [{"container": "a", "alias": "a b"}]}, "links.0.alias", "invalid name 'a b'"),
    ({"volumes_from": [{"container": "", "ro": True}]}, "volumes_from.0.container", "which con"),
    ({"volumes_from": ["a"]}, "volumes_from.0", "is no dictionary"),
    ({"mounts": [artifact("", "/x")]}, "mounts.0", "an artifact has a name"),
    ({"mounts": [artifact("a", "/x", "size=1")]}, "mounts.0", "unknown option 'size=1'"),
    ({"image_volumes": "bind"}, "image_volumes", "one of anonymous, tmpfs, ignore"),
    ({"mounts": [{**tmpfs("/x", kind="ramfs"), "source": "/y"}]}, "mounts.0", "no source"),
    ({"hosts": [["1.2.3.4"]]}, "hosts.0", "an address and names"),
    ({"dns": {"servers": [], "search": ["a\nnameserver 1.1.1.1"], "options": []}},
     "dns.search.0", "invalid value"),
    ({"dns": {"servers": ["1.1.1.1"]}}, "dns.search", "missing"),
    ({"rlimits": [{"type": "RLIMIT_NOFILE", "soft": 2, "hard": 1}]}, "rlimits.0", "above"),
    ({"rlimits": [{"type": "NOFILE", "soft": 1, "hard": 1}]}, "rlimits.0.type", "one of"),
    ({"restart": {"policy": "always", "most": 3}}, "restart.most", "only on-failure"),
    ({"restart": "always"}, "restart", "is no dictionary"),
    ({"healthcheck": {"Test": ["ls", "/"]}}, "healthcheck.Test", "CMD with a command"),
    ({"healthcheck": {"Test": ["CMD", "x"], "Interval": "1s"}}, "healthcheck.Interval", "a number"),
    ({"restart": {"policy": "often", "most": 0}}, "restart.policy", "one of no, on-failure"),
    ({"userns": {"mode": "auto"}}, "userns.mode", "one of host, nomap"),
    ({"sdnotify": "conmon"}, "sdnotify", "one of container, supervisor"),
    ({"log": {"driver": "syslog", "options": {}}}, "log.driver", "one of json-file"),
    ({"log": {"driver": "json-file", "options": {"max-size": "1m"}}},
     "log.options.max-size", "invalid"),
    ({"security": {**security(), "cap_add": ["KILL"], "cap_drop": ["KILL", "FLY"]}},
     "security.cap_drop.1", "unknown capability 'FLY'"),
    ({"security": {**security(), "seccomp": {}}}, "security.seccomp", "defaultAction"),
    ({"security": {**security(), "masked": ["proc/kcore"]}}, "security.masked.0", "absolute"),
    ({"stop_signal": "SIGTERM"}, "stop_signal", "a number from 0 to 64"),
    ({"tty": 0}, "tty", "true or false"),
    ({"userns": {"mode": "host", "uid": None, "gid": None, "shared": 0}},
     "userns.shared", "true or false"),
    (
        {"health": {"on_failure": "restart", "startup": None},
         "restart": ALWAYS},
        "health.on_failure", "exclude each other",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "field", "message"), CANNOT, ids=lambda one: str(one)[:40])
def test_what_cannot_be(fields: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        conflicts.check(request("plain", **fields))
    assert message in str(caught.value)
    assert caught.value.field == field


def test_a_source_that_cannot_be_looked_at(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(UsageError, match="Not a directory"):
        conflicts.check(request("plain", mounts=[bind(f"{file}/x", "/b")]))
    with pytest.raises(UsageError, match="needs a directory"):
        conflicts.check(request("plain", mounts=[{**bind(str(file), "/b"), "overlay": True}]))


def test_a_missing_source_may_be_made(tmp_path: Path) -> None:
    conflicts.check(request("plain", mounts=[bind(f"{tmp_path}/x", "/b", make=True)]))
    assert os.listdir(tmp_path) == []


def test_no_key_may_be_missing() -> None:
    usual: dict[str, Any] = {**request("plain")}
    for field in usual:
        with pytest.raises(UsageError) as caught:
            conflicts.check({key: usual[key] for key in usual if key != field})  # type: ignore[arg-type]
        assert caught.value.field == field
    with pytest.raises(UsageError, match="a request has no field 'volumes'"):
        conflicts.check({**usual, "volumes": []})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="list is no request"):
        conflicts.check([])  # type: ignore[arg-type]


FULL = request(
    "plain", ["true"], entrypoint=["x"], labels={"a": "b"}, annotations={"c": "d"},
    preset=[["a", "b"]], inherited=[["a", "b"]], environment=[["A", "b"], ["C", None]],
    groups=["1"],
    mounts=[bind("/etc", "/x"), volume("v3", "/y"), volume("", "/u", rw=False)],
    tmpfs=[tmpfs("/z", "size=1m")],
    devices=[{"destination": "/dev/x", "type": "bind", "source": "/dev/null", "options": ["bind"]}],
    networks=[attachment("private", settings=addresses.parse(""))], ports=[publish(80)],
    expose=["81/tcp"], hosts=[["1.2.3.4", "name"]], sysctls={"net.ipv4.ip_forward": "1"},
    rlimits=[{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 2}],
    healthcheck={"Test": ["CMD", "x"], "Interval": 10**9, "Retries": 1},
    health={"on_failure": "none", "startup": {"test": ["CMD", "x"], "interval": 1.0,
            "timeout": 1.0, "retries": 0, "successes": 1}},
    dns={"servers": ["1.1.1.1"], "search": ["x"], "options": ["ndots:1"]},
    log={"driver": "json-file", "options": {"max-size": "10"}},
    security={**security(), "masked": ["/proc/kcore"], "readonly": [], "cap_add": ["KILL"]},
)  # fmt: skip
"""Something in each field that may hold more than a word."""

HOSTILE: tuple[Any, ...] = (
    None, 1, -1, 2**70, 1.5, float("nan"), float("inf"), True, b"x", object(), ("x",),
    "", "zzz", "a\0b", "\ud800", "rel/path", "../..", "x" * 5000, "8\n0",
    [], {}, ["x"], [1], [None], [[]], [{}], ["a\nb"], {"x": 1}, {"x": "y"}, {1: 2}, {"\0": "\0"},
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to each value in it."""
    if path:
        yield path
    keys: Any = value if isinstance(value, dict) else ()
    if isinstance(value, list):
        keys = range(len(value))
    for key in keys:
        yield from places(value[key], (*path, key))


def put(path: tuple[Any, ...], value: Any) -> Any:
    """Return the full request with a value in that place."""
    result: Any = copy.deepcopy(FULL)
    inner = result
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return result


@pytest.mark.parametrize("field", FULL)
def test_whatever_stands_in_a_field(field: str) -> None:
    """It is refused with the place, or can be written down and read again."""
    refused = 0
    for path in places(FULL):
        for value in HOSTILE if path[0] == field else ():
            wanted = put(path, value)
            try:
                conflicts.check(wanted)
            except UsageError as error:
                refused += 1
                assert error.field.partition(".")[0] in (field, "groups", "uidmap"), (path, value)
                assert "\0" not in error.message + error.field
            else:
                assert repr(jsonio.loads(jsonio.dump_bytes(wanted))) == repr(wanted), (path, value)
    assert refused > 15


def test_records_know_the_type_of_each_field() -> None:
    usual = request("x")
    found = {key: type(value) for key, value in usual.items() if value is not None}
    assert found == record._REQUEST
