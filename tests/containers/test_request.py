"""A request without one option text, and what it cannot be."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from rootless.containers.creation import conflicts
from rootless.containers.request import attachment, bind, publish, request, security, tmpfs, volume
from rootless.errors import UsageError
from rootless.oci import jsonio

if TYPE_CHECKING:
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
    ({"networks": [HOST, HOST]}, "networks.1", "one network"),
    ({"environment": [["A", "\0"]]}, "environment", "holds a NUL byte"),
    ({"labels": {"a": "\ud800"}}, "labels", "holds a NUL byte"),
    ({"workdir": "x"}, "workdir", "absolute path"),
    ({"restart": {"policy": "often", "most": 0}}, "restart", "there is no 'often'"),
    ({"networks": [attachment("bridge")]}, "networks", "there is no 'bridge'"),  # type: ignore[arg-type]
    ({"log": {"driver": "syslog", "options": {}}}, "log.driver", "there is no 'syslog'"),
    ({"userns": {"mode": "auto"}}, "userns", "there is no 'auto'"),
    ({"sdnotify": "conmon"}, "sdnotify", "there is no 'conmon'"),
    ({"namespaces": {"pid": "container:x"}}, "namespaces.pid", "there is no 'container:x'"),
    ({"mounts": [bind("rel", "/x")]}, "mounts.0", "invalid mount source 'rel'"),
    ({"mounts": [bind("/nonexistent", "/x")]}, "mounts.0", "does not exist"),
    ({"mounts": [bind("/tmp", "/x"), volume("v", "/x")]}, "mounts.1", "duplicate mount point"),
    ({"mounts": [{**bind("/tmp", "/x"), "destination": "/x/../.."}]}, "mounts.0", "invalid mount"),
    ({"tmpfs": [tmpfs("/proc/x")]}, "tmpfs.0", "nothing can be mounted at /proc/x"),
    ({"hosts": [["1.2.3.4", "a b"]]}, "hosts.0", "'a b'"),
    ({"log": {"driver": "passthrough", "options": {}}, "tty": True}, "log.driver", "foreground"),
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
