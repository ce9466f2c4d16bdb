"""`inspect` as docker prints it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from rootless.containers import inspect as inspecting
from rootless.containers.inspect import ZERO_TIME, rfc3339
from rootless.netstack import addresses

from .conftest import ID

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rootless.containers.record import Record
    from rootless.store.paths import Paths

    Composed = Callable[..., Record]

pytestmark = pytest.mark.once


class Seen:
    """A state."""

    def __init__(self, status: str, **values: Any) -> None:
        self.status = status
        self.pid = values.get("pid", 0)
        self.started = values.get("started", 0.0)
        self.finished = values.get("finished", 0.0)
        self.exit_code = values.get("exit_code", 0)
        self.error = values.get("error", "")
        self.degraded: list[str] = values.get("degraded", [])
        self.running = status in ("running", "paused")
        self.active = self.running or status == "restarting"
        self.supervisor = values.get("supervisor", 0)
        self.restart_count = values.get("restart_count", 0)
        self.health = values.get("health", "")
        self.ports = values.get("ports", [])
        self.networks: dict[str, Any] = values.get("networks", {})


def inspect(record: Record, state: Any) -> dict[str, Any]:
    """Inspect a container of the store /store."""
    return inspecting.inspect(record, state, directory=f"/store/{record['id']}")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, ZERO_TIME),
        (-1, ZERO_TIME),
        (1, "1970-01-01T00:00:01.000000000Z"),
        (1700000000.5, "2023-11-14T22:13:20.500000000Z"),
        (1700000000.999999, "2023-11-14T22:13:20.999999000Z"),
    ],
)
def test_rfc3339(seconds: float, text: str) -> None:
    assert text == rfc3339(seconds)


def test_created(composed: Composed, paths: Paths) -> None:
    record = composed("a", "b", name="web", label=["x=y"])
    shown = inspect(record, Seen("created"))
    path = f"{paths.containers}/{ID}"
    own = f"/store/{ID}"
    expected = {
        "Id": ID,
        "Created": rfc3339(record["created"]),
        "Path": "a",
        "Args": ["b"],
        "Image": "sha256:" + "c" * 64,
        "ImageName": "docker.io/library/plain:latest",
        "Name": "/web",
        "HostsPath": f"{path}/hosts",
        "HostnamePath": f"{path}/hostname",
        "ResolvConfPath": f"{path}/resolv.conf",
        "LogPath": f"{own}/log",
        "Mounts": [],
        "GraphDriver": {
            "Name": "overlay",
            "Data": {
                "LowerDir": "/layers/two/fs:/layers/one/fs",
                "UpperDir": f"{own}/upper",
                "WorkDir": f"{own}/work",
                "MergedDir": "",
            },
        },
    }
    assert expected == {key: shown[key] for key in expected}
    assert shown["State"] == {
        "OciVersion": "1.2.0",
        "Status": "created",
        "Running": False,
        "Paused": False,
        "Restarting": False,
        "OOMKilled": False,
        "Dead": False,
        "Pid": 0,
        "ConmonPid": 0,
        "StoppedByUser": False,
        "ExitCode": 0,
        "Error": "",
        "StartedAt": ZERO_TIME,
        "FinishedAt": ZERO_TIME,
        "CheckpointedAt": ZERO_TIME,
        "RestoredAt": ZERO_TIME,
        "Degraded": [],
        "Health": None,
        "Healthcheck": None,
    }
    assert shown["Config"]["Labels"] == {"x": "y"}
    assert json.loads(json.dumps(shown)) == shown


def test_running(composed: Composed) -> None:
    state = inspect(composed(), Seen("running", pid=7, started=1.0, finished=0.5, exit_code=3))
    shown = state["State"]
    assert (shown["Status"], shown["Running"], shown["Pid"]) == ("running", True, 7)
    assert (shown["StartedAt"], shown["FinishedAt"]) == (rfc3339(1.0), ZERO_TIME)
    assert shown["ExitCode"] == 0


DOCKERS = """
    State.Health HostConfig.BlkioWeightDevice HostConfig.BlkioWeight HostConfig.CgroupParent
    HostConfig.CpuCount HostConfig.CpuRealtimePeriod HostConfig.CpusetCpus HostConfig.DeviceRequests
    HostConfig.DeviceCgroupRules HostConfig.IOMaximumIOps HostConfig.Mounts
    HostConfig.OomKillDisable
    HostConfig.StorageOpt HostConfig.MemorySwappiness HostConfig.Links HostConfig.VolumesFrom
    Config.Healthcheck Config.OnBuild Config.Shell Config.MacAddress Config.NetworkDisabled
    NetworkSettings.HairpinMode NetworkSettings.LinkLocalIPv6Address
    NetworkSettings.SecondaryIPAddresses NetworkSettings.SecondaryIPv6Addresses
    GraphDriver.Data.MergedDir
"""


@pytest.mark.parametrize("field", DOCKERS.split())
def test_what_there_is_nothing_of(composed: Composed, field: str) -> None:
    """A template that names it finds null or nothing, as docker's, and no error."""
    value: Any = inspect(composed(), Seen("created"))
    for word in field.split("."):
        value = value[word]
    assert not value


def test_exited(composed: Composed) -> None:
    seen = Seen("exited", pid=7, started=1.0, finished=2.5, exit_code=137, error="oops")
    shown = inspect(composed(), seen)["State"]
    assert (shown["Status"], shown["Running"], shown["Pid"]) == ("exited", False, 0)
    assert (shown["ExitCode"], shown["Error"]) == (137, "oops")
    assert shown["FinishedAt"] == rfc3339(2.5)


def test_config(composed: Composed) -> None:
    image = {
        "Entrypoint": ["e"],
        "Cmd": ["c"],
        "Env": ["A=1"],
        "ExposedPorts": {"80/tcp": {}},
        "Volumes": {"/data": {}},
        "Healthcheck": {"Test": ["NONE"]},
    }
    record = composed(image=image, user="7", workdir="/w", tty=True, interactive=True)
    shown = inspect(record, Seen("created"))["Config"]
    expected = {
        "Hostname": ID[:12],
        "User": "7",
        "Tty": True,
        "OpenStdin": True,
        "AttachStdin": True,
        "Cmd": ["c"],
        "Entrypoint": ["e"],
        "Image": "plain",
        "WorkingDir": "/w",
        "ExposedPorts": {"80/tcp": {}},
        "Volumes": {"/data": {}},
        "Healthcheck": {"Test": ["NONE"]},
        "StopSignal": "SIGTERM",
        "StopTimeout": 10,
    }
    assert expected == {key: shown[key] for key in expected}
    assert "A=1" in shown["Env"]
    assert not any(item.startswith("HOSTNAME=") for item in shown["Env"])


@pytest.mark.parametrize(
    ("asked", "streams"),
    [
        ({}, "01100"),
        ({"interactive": True}, "11111"),
        ({"attach": ["stderr"]}, "00100"),
        ({"attach": ["stdin"], "interactive": True}, "10011"),
        ({"interactive": True, "detach": True}, "00010"),
    ],
)
def test_streams(composed: Composed, asked: dict[str, Any], streams: str) -> None:
    shown = inspect(composed(**asked), Seen("created"))["Config"]
    names = ("AttachStdin", "AttachStdout", "AttachStderr", "OpenStdin", "StdinOnce")
    assert "".join(str(int(shown[name])) for name in names) == streams


def test_config_without(composed: Composed) -> None:
    shown = inspect(composed("x", entrypoint="", detach=True), Seen("created"))["Config"]
    assert (shown["Entrypoint"], shown["Cmd"]) == (None, ["x"])
    assert not shown["AttachStdout"]


def test_mounts(composed: Composed, paths: Paths) -> None:
    record = composed(
        volume=["/tmp:/a:ro,z", "v:/b", "/c"],
        tmpfs=["/d:size=1m"],
        mount=["type=tmpfs,dst=/e", "type=bind,src=/tmp,dst=/f,bind-propagation=rslave"],
    )
    shown = inspect(record, Seen("created"))
    by_path = {item["Destination"]: item for item in shown["Mounts"]}
    assert list(by_path) == ["/a", "/b", "/c", "/e", "/f"]
    assert by_path["/a"] == {
        "Type": "bind",
        "Source": "/tmp",
        "Destination": "/a",
        "Mode": "ro,z",
        "Options": ["rbind"],
        "RW": False,
        "Propagation": "rprivate",
    }
    assert by_path["/b"] == {
        "Type": "volume",
        "Name": "v",
        "Driver": "local",
        "Source": f"{paths.volumes}/v/_data",
        "Destination": "/b",
        "Mode": "",
        "Options": ["rbind"],
        "RW": True,
        "Propagation": "",
    }
    assert len(by_path["/c"]["Name"]) == 64
    assert by_path["/e"]["Type"] == "tmpfs"
    assert by_path["/f"]["Propagation"] == "rslave"
    host = shown["HostConfig"]
    assert host["Tmpfs"] == {"/d": "size=1048576"}
    assert host["Binds"] == ["/tmp:/a:ro,z", "v:/b", "/tmp:/f:rslave"]


def test_host_config(composed: Composed) -> None:
    record = composed(
        rm=True,
        privileged=True,
        read_only=True,
        network=["host"],
        pid="host",
        cap_add=["NET_RAW"],
        ulimit=["nofile=1:2", "core=-1"],
        add_host=["a;b:1.2.3.4"],
        shm_size="1m",
        userns="nomap",
        log_driver="none",
    )
    shown = inspect(record, Seen("created"))
    host = shown["HostConfig"]
    expected = {
        "AutoRemove": True,
        "Privileged": True,
        "ReadonlyRootfs": True,
        "NetworkMode": "host",
        "PidMode": "host",
        "IpcMode": "private",
        "CgroupnsMode": "private",
        "UsernsMode": "nomap",
        "CapAdd": ["NET_RAW"],
        "ShmSize": 1 << 20,
        "ExtraHosts": ["a:1.2.3.4", "b:1.2.3.4"],
        "Ulimits": [
            {"Name": "nofile", "Soft": 1, "Hard": 2},
            {"Name": "core", "Soft": -1, "Hard": -1},
        ],
        "LogConfig": {"Type": "none", "Config": {}, "Path": "", "Tag": "", "Size": "0B"},
        "MaskedPaths": [],
    }
    assert expected == {key: host[key] for key in expected}
    assert shown["LogPath"] == ""
    assert list(shown["NetworkSettings"]["Networks"]) == ["host"]
    assert len(shown["EffectiveCaps"]) > 30


def test_network(composed: Composed) -> None:
    """What was asked for, what is open now, and the image's port that is not."""
    image = {"Cmd": ["x"], "ExposedPorts": {"53/udp": {}}}
    record = composed(image=image, publish=["127.0.0.1:8080:80", "9000"], dns=["9.9.9.9"])
    opened = {"fd": -1, "ip": "127.0.0.1", "host": 8080, "container": 80, "protocol": "tcp"}
    shown = inspect(record, Seen("running", pid=7, ports=[opened]))
    assert shown["HostConfig"]["PortBindings"] == {
        "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}],
        "9000/tcp": [{"HostIp": "", "HostPort": ""}],
    }
    assert shown["HostConfig"]["Dns"] == ["9.9.9.9"]
    network = shown["NetworkSettings"]
    assert network["Ports"] == {
        "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}],
        "53/udp": None,
    }
    assert (network["IPAddress"], network["Gateway"]) == ("10.0.2.100", "10.0.2.2")
    assert network["MacAddress"] == addresses.GUEST_MAC.hex(":")
    assert inspect(record, Seen("exited"))["NetworkSettings"]["IPAddress"] == ""
    assert shown["Config"]["MacAddress"] == ""
    for kind in ("private", "pasta"):
        other = composed(mac_address="92:D0:C6:0A:29:33", network=[kind])
        shown = inspect(other, Seen("running", pid=7))
        assert shown["Config"]["MacAddress"] == "92:d0:c6:0a:29:33"
        assert shown["NetworkSettings"]["MacAddress"] == "92:d0:c6:0a:29:33"


@pytest.mark.parametrize(
    ("asked", "binds"),
    [
        ({"mount": ["type=bind,src=/tmp,dst=/g,ro"]}, ["/tmp:/g:ro"]),
        ({"mount": ["type=volume,src=v,dst=/g,U=true"]}, ["v:/g:U"]),
        ({"mount": ["type=bind,src=/tmp,dst=/g"], "volume": ["/x"]}, ["/tmp:/g"]),
        ({"volume": ["/tmp:/g:rslave"]}, ["/tmp:/g:rslave"]),
    ],
)
def test_binds(composed: Composed, asked: dict[str, Any], binds: list[str]) -> None:
    """However they were asked for; what has no name of its own is among the mounts alone."""
    assert inspect(composed(**asked), Seen("created"))["HostConfig"]["Binds"] == binds


@pytest.mark.parametrize("source", [".", "./site", "./site/.", "../{name}/site"])
def test_binds_name_whole_paths(
    composed: Composed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: str
) -> None:
    """What was relative means nothing to whoever reads it elsewhere."""
    (tmp_path / "site").mkdir()
    monkeypatch.chdir(tmp_path)
    source = source.format(name=tmp_path.name)
    shown = inspect(composed(volume=[f"{source}:/s"]), Seen("created"))
    assert shown["HostConfig"]["Binds"] == [f"{os.path.abspath(source)}:/s"]


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ({}, []),
        ({"privileged": True}, []),
        (
            {"security_opt": ["no-new-privileges", "label=disable"]},
            ["no-new-privileges", "label=disable"],
        ),
        ({"security_opt": ["seccomp:unconfined"]}, ["seccomp=unconfined"]),
        ({"security_opt": ["systempaths=unconfined"]}, ["unmask=ALL"]),
        ({"security_opt": ["unmask=/proc/kcore", "mask=/x"]}, ["unmask=/proc/kcore", "mask=/x"]),
        ({"security_opt": ["proc-opts=hidepid=2"]}, ["proc-opts=hidepid=2"]),
    ],
)
def test_security_options(composed: Composed, asked: dict[str, Any], shown: list[str]) -> None:
    assert inspect(composed(**asked), Seen("created"))["HostConfig"]["SecurityOpt"] == shown


def test_devices(composed: Composed) -> None:
    shown = inspect(composed(device=["/dev/null:/dev/x:r"]), Seen("created"))
    assert shown["HostConfig"]["Devices"] == [
        {"PathOnHost": "/dev/null", "PathInContainer": "/dev/x", "CgroupPermissions": "rwm"}
    ]
