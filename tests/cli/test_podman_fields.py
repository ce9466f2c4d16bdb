"""Fields that podman has beside docker's: in templates and in JSON."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

import pytest

from rootless.cli.dialects.shapes import go_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Store

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def two(shared: Store) -> Iterator[Store]:
    """A store with `web`, which runs, and `friend` in its network, which was stopped."""
    startup = ("--health-startup-cmd", "true", "--health-startup-retries", "3")
    options = ("--health-cmd", "true", *startup, "--log-opt", "max-size=10m")
    shared.ok("run", "-d", "--name", "web", *options, "busybox", "sleep", "1000")
    shared.ok(
        "run", "-d", "--name", "friend", "--network=container:web", "busybox", "sleep", "1000"
    )
    shared.ok("stop", "-t", "0", "friend")
    yield shared
    shared.ok("rm", "-f", "friend", "web")


def test_of_a_container(two: Store) -> None:
    web, friend = json.loads(two.ok("inspect", "web", "friend"))
    assert web["State"]["StoppedByUser"] is False
    assert friend["State"]["StoppedByUser"] is True
    assert web["Dependencies"] == []
    assert friend["Dependencies"] == [web["Id"]]
    assert web["HostConfig"]["LogConfig"]["Path"] == web["LogPath"]
    assert web["HostConfig"]["LogConfig"]["Size"] == "10.49MB"
    assert friend["HostConfig"]["LogConfig"]["Size"].endswith("B")
    assert web["Config"]["CreateCommand"][1:4] == ["run", "-d", "--name"]
    assert web["Config"]["StartupHealthCheck"] == {
        "Test": ["CMD-SHELL", "true"],
        "Interval": 30_000_000_000,
        "Timeout": 30_000_000_000,
        "Retries": 3,
        "Successes": 1,
    }
    assert friend["Config"]["StartupHealthCheck"] is None
    net = web["NetworkSettings"]["SandboxKey"]
    assert net == f"/proc/{web['State']['Pid']}/ns/net"
    assert os.path.lexists(net)
    assert friend["NetworkSettings"]["SandboxKey"] == ""
    assert web["ImageDigest"] == two.ok("image", "inspect", "-f", "{{.Digest}}", "busybox")


def test_the_network_is_called_as_users_of_each_expect_it(two: Store) -> None:
    """A template over all networks works either way, and what is shown can be asked for again."""
    names = "{{range $name, $one := .NetworkSettings.Networks}}{{$name}}{{end}}"
    for dialect, name in (("docker", "bridge"), ("podman", "private")):
        line = ("--dialect", dialect, "inspect", "-f")
        assert two.ok(*line, names, "web") == name
        assert two.ok(*line, "{{.HostConfig.NetworkMode}}", "web") == name
        addresses = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        assert two.ok(*line, addresses, "web") == two.ok(
            *line, "{{.NetworkSettings.IPAddress}}", "web"
        )
        shown = ("--dialect", dialect, "ps", "-a", "--filter", "name=web", "--format")
        assert two.ok(*shown, "{{.Networks}}") == ("" if dialect == "podman" else name)
        two.ok("run", "--rm", "--network", name, "busybox", "true")


def test_of_images_and_the_store(two: Store) -> None:
    created = two.ok("history", "--format", "{{.Created}}|{{.CreatedSince}}", "busybox")
    assert {len({*line.split("|")}) for line in created.splitlines()} == {1}
    assert two.ok("images", "--format", "{{.History}}", "busybox") == "localhost/busybox:latest"
    shown = "{{.Type}} {{.RawSize}} {{.RawReclaimable}}"
    rows = two.ok("system", "df", "--format", shown).split("\n")
    assert rows[0].split()[0] == "Images"
    assert int(rows[0].split()[1]) > 1_000_000
    assert two.ok("system", "df", "--format", "{{.Total}} {{.TotalCount}}").split("\n")[1] == "2 2"


def test_lines_of_several_logs_begin_with_ids(two: Store) -> None:
    for name in ("l1", "l2"):
        two.ok("run", "--name", name, "busybox", "echo", f"of {name}")
    known = {name: two.ok("inspect", "-f", "{{.Id}}", name)[:12] for name in ("l1", "l2")}
    expected = [f"{known[name]} of {name}" for name in ("l1", "l2")]
    assert two.ok("logs", "l1", "l2").splitlines() == expected
    assert two.ok("logs", "--names", "l1", "l2").splitlines() == ["l1 of l1", "l2 of l2"]
    assert two.ok("logs", "l1") == "of l1"
    two.ok("rm", "l1", "l2")


def test_following_ends_at_a_moment_ahead(two: Store) -> None:
    began = time.monotonic()
    assert two.ok("logs", "-f", "--until", "1s", "web") == ""
    assert time.monotonic() - began >= 1
    assert two.ok("logs", "--until", "1s", "web") == ""


def test_events_by_podmans_names(two: Store) -> None:
    two.ok("run", "--rm", "--name", "brief", "busybox", "true")
    show = ("events", "--stream=false", "--filter", "container=brief", "--format", "{{.Action}}")
    for key in ("event", "status"):
        for word, action in (("died", "die"), ("remove", "destroy"), ("die", "die"), ("sync", "")):
            assert two.ok(*show, "--filter", f"{key}={word}") == action
    both = two.ok(*show, "--filter", "event=died", "--filter", "status=create")
    assert both.split() == ["create", "die"]


FIELDS = {
    "ps -a": "CGROUPNS Cgroup Command CreatedAt CreatedHuman ID IPC ImageID MNT NET Names Networks"
    " PIDNS Pod Ports RunningFor Size State Status USERNS UTS User AutoRemove Created Exited"
    " ExitedAt ExitCode Image IsInfra Labels Mounts Namespaces Pid PodName StartedAt",
    "images": "Created CreatedAt CreatedSince CreatedTime History ID Id IsDangling IsReadOnly Size"
    " Repository Tag ParentId RepoTags RepoDigests SharedSize VirtualSize Labels Containers"
    " ReadOnly Dangling Names Digest",
    "stats --no-stream": "AVGCPU BlockIO CPUPerc ID MemPerc MemUsage MemUsageBytes NetIO PIDS Up"
    " AvgCPU ContainerID Name PerCPU CPU CPUNano CPUSystemNano SystemNano MemLimit NetInput"
    " NetOutput BlockInput BlockOutput PIDs UpTime Duration",
    "history busybox": "Created CreatedAt CreatedBy CreatedSince ID Size Tags Comment",
    "events --stream=false": "ContainerExitCode ID Image Name Network Status Time Type HealthStatus"
    " PodID Attributes",
    "inspect web": "ID Created Path Args State Image ImageDigest ImageName Rootfs Pod HostsPath"
    " ResolvConfPath HostnamePath StaticDir OCIConfigPath OCIRuntime Name RestartCount Driver"
    " MountLabel ProcessLabel AppArmorProfile EffectiveCaps BoundingCaps ExecIDs GraphDriver"
    " Mounts Dependencies NetworkSettings Namespace IsInfra IsService Config HostConfig",
    "image inspect busybox": "ID Digest RepoTags RepoDigests Parent Comment Created Config Version"
    " Author Architecture Os Size VirtualSize GraphDriver RootFS Labels Annotations ManifestType"
    " User History NamesHistory HealthCheck",
    "system df": "Type Total Active Size Reclaimable RawSize RawReclaimable",
}
"""What the completion of podman 4.3 offers for --format."""


@pytest.mark.parametrize("line", FIELDS)
def test_every_field_of_podmans(two: Store, line: str) -> None:
    template = "".join(f"{{{{.{name}}}}}|" for name in FIELDS[line].split())
    first = two.ok(*line.split(), "--format", template).splitlines()[0]
    assert "<no value>" not in first


def test_spans_as_go_prints_them() -> None:
    shown = [go_duration(seconds) for seconds in (0, 0.3, 1.5, 61, 3723.25)]
    assert shown == ["0s", "300ms", "1.5s", "1m1s", "1h2m3.25s"]


def test_namespaces_by_their_names(two: Store) -> None:
    net, name = two.ok("ps", "--format", "{{.NET}} {{.Names}}").split()
    pid = two.ok("inspect", "-f", "{{.State.Pid}}", name)
    assert os.readlink(f"/proc/{pid}/ns/net") == f"net:[{net}]"
