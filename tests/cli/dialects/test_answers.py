"""What is told in the two dialects: events, facts, ports, images, exit codes."""

from __future__ import annotations

import json
import os
import re
import time
from typing import TYPE_CHECKING

import pytest

from tests.containers.test_restarts import record, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Store

pytestmark = pytest.mark.once

PODMAN = ("--dialect", "podman")


@pytest.fixture(scope="module")
def eventful(shared: Store) -> Iterator[Store]:
    """A store where `web` was checked, and `loop` was started again once by its policy."""
    check = ("--health-cmd", "true", "--health-interval", "disable")
    words = ("-l", "x=y", "-p", "80", "-v", "made:/made", "-v", "/anonymous")
    shared.ok("run", "-d", "--name", "web", *check, *words, "busybox", "sleep", "1000")
    shared.ok("healthcheck", "run", "web")
    again = ("--restart", "on-failure:1", "busybox", "false")
    shared.ok("run", "-d", "--name", "loop", *again)
    until(lambda: record(shared, "loop").get("restart_count", 0) == 1)
    shared.ok("wait", "--condition", "exited", "loop")
    yield shared
    shared.ok("rm", "-fv", "web", "loop")


def told(store: Store, *words: str) -> str:
    return store.ok(*words[:2], "events", "--stream=false", *words[2:])


def test_the_status_of_a_check(eventful: Store) -> None:
    line = told(eventful, *PODMAN, "--filter", "event=health_status")
    assert line.endswith(", name=web, health_status=healthy, x=y)")
    line = told(eventful, "--dialect", "docker", "--filter", "event=health_status")
    assert " container health_status: healthy " in line


def test_a_volume_comes_and_goes(eventful: Store) -> None:
    """With its first use, and alone where it is anonymous."""
    filters = ("--filter", "type=volume")
    both = [line.split() for line in told(eventful, *PODMAN, *filters).splitlines()]
    assert [line[4:6] for line in both] == [["volume", "create"]] * 2
    assert [line[6] for line in both if len(line[6]) != 64] == ["made"]
    assert all(len(line) == 7 for line in both)
    one = ("--filter", "volume=made", "--filter", "event=create")
    shown = told(eventful, "--dialect", "docker", *filters, *one)
    assert shown.endswith(" volume create made (driver=local)")
    eventful.ok("run", "--rm", "-v", "/brief", "busybox", "true")
    show = ("--format", "{{.Status}}")
    assert told(eventful, *PODMAN, *filters, *show).split()[2:] == ["create", "remove"]


def test_a_start_by_the_policy(eventful: Store) -> None:
    """podman tells of it, docker of the start alone."""
    show = ("--filter", "container=loop", "--format", "{{.Status}}")
    rest = ["init", "start", "died"]
    assert told(eventful, *PODMAN, *show).split() == ["create", *rest, "restart", *rest]
    rest = ["start", "die"]
    assert told(eventful, "--dialect", "docker", *show).split() == ["create", *rest, *rest]


def test_the_time_of_an_event(eventful: Store) -> None:
    """podman's is a time.Time, docker's a number."""
    which = ("--filter", "container=web", "--filter", "event=create", "--format")
    text, unix = told(eventful, *PODMAN, *which, "{{.Time}}|{{.Time.Unix}}").split("|")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ [+-]\d{4} \w+", text)
    assert abs(int(unix) - time.time()) < 600
    assert told(eventful, "--dialect", "docker", *which, "{{.Time}}") == unix


@pytest.mark.parametrize("dialect", ["docker", "podman"])
def test_ports_of_all(eventful: Store, dialect: str) -> None:
    known = eventful.ok("inspect", "-f", "{{.Id}}", "web")[:12]
    shown = eventful.ok("--dialect", dialect, "port", "web").splitlines()
    every = eventful.ok("--dialect", dialect, "port", "--all").splitlines()
    assert shown
    assert every == [f"{known}\t{line}" for line in shown]


def test_umount_is_unmount(eventful: Store) -> None:
    for command in (["umount"], ["unmount"], ["container", "umount"]):
        done = eventful(*PODMAN, *command, "web")
        assert "is not mounted here" in done.stderr


def test_numbers_of_images(eventful: Store) -> None:
    template = "{{.Id}} {{.ID}} {{.VirtualSize}} {{.Containers}} {{.SharedSize}}"
    whole, short, size, containers, together = eventful.ok(
        *PODMAN, "images", "--format", template
    ).split()
    assert (len(whole), short, together) == (64, whole[:12], "0")
    assert int(size) == int(eventful.ok("image", "inspect", "-f", "{{.Size}}", "busybox"))
    assert containers == "2"
    assert json.loads(eventful.ok(*PODMAN, "images", "--format", "json"))[0]["Containers"] == 2
    shown = eventful.ok("images", "--format", "{{.Containers}} {{.VirtualSize}}").split()
    assert shown[0] == "N/A"
    assert shown[1].endswith("MB")


def test_processes_by_the_numbers_of_the_inside(eventful: Store) -> None:
    pid = eventful.ok("inspect", "-f", "{{.State.Pid}}", "web")
    words = ("top", "web", "-eo", "pid,ppid,pgid,args")
    heading, row = eventful.ok(*PODMAN, *words).splitlines()
    assert heading.split() == ["PID", "PPID", "PGID", "COMMAND"]
    assert row.split() == ["1", "0", "1", "sleep", "1000"]
    assert eventful.ok(*words).splitlines()[1].split()[0] == pid


@pytest.mark.parametrize(
    ("line", "podman", "docker"),
    [
        ("exec -u nosuch web true", 255, 1),
        ("exec -d web nosuch", 125, 127),
        ("exec web nosuch", 127, 127),
        ("exec -d web true", 0, 0),
        ("run --rm -u nosuch busybox true", 126, 125),
    ],
)
def test_exit_codes(eventful: Store, line: str, podman: int, docker: int) -> None:
    assert eventful(*PODMAN, *line.split()).returncode == podman
    assert eventful("--dialect", "docker", *line.split()).returncode == docker


def test_podman_does_not_write_over_an_archive(eventful: Store, tmp_path: Path) -> None:
    """But over an empty file, and in other formats; docker does."""
    line = ("save", "-q", "-o", str(tmp_path / "saved"), "busybox")
    (tmp_path / "saved").touch()
    eventful.ok(*PODMAN, *line)
    done = eventful(*PODMAN, *line)
    assert done.returncode == 125
    assert "docker-archive doesn't support modifying existing images" in done.stderr
    eventful.ok(*PODMAN, *line, "--format", "oci-archive")
    eventful.ok(*line)


def test_facts_by_the_names_of_fields(eventful: Store) -> None:
    """Those that are called otherwise in podman's JSON, and all that its JSON has."""
    template = "{{.Host.CgroupsVersion}} {{.Host.Security.DefaultCapabilities}} {{.Host.CPUs}}"
    host = json.loads(eventful.ok(*PODMAN, "info", "--format", "json"))["host"]
    expected = [host["cgroupVersion"], host["security"]["capabilities"], str(host["cpus"])]
    assert eventful.ok(*PODMAN, "info", "--format", template).split() == expected
    assert eventful.ok("info", "--format", template).split() == expected
    for name in ("Conmon.Path", "BuildahVersion", "Slirp4NetNS.Version", "Linkmode"):
        assert "no value" not in eventful.ok(*PODMAN, "info", "--format", f"{{{{.Host.{name}}}}}")
    used = host["cpuUtilization"]
    assert round(sum(used.values())) == 100
    assert set(used) == {"userPercent", "systemPercent", "idlePercent"}


@pytest.mark.parametrize(
    ("dialect", "info", "version"),
    [
        ("podman", "{{.Version.Version}} {{.Version.APIVersion}}", "{{.Version}} {{.APIVersion}}"),
        ("docker", "{{.ServerVersion}}", "{{.Server.Version}}"),
    ],
)
def test_one_release(
    eventful: Store, tmp_path: Path, dialect: str, info: str, version: str
) -> None:
    """`info` and `version` tell the same, by the name of docker or podman as by ours."""
    link = tmp_path / dialect
    link.symlink_to(eventful.command[-1])
    command = eventful.command
    try:
        for last in (str(link), command[-1]):
            eventful.command = [*command[:-1], last]
            told = eventful.ok("--dialect", dialect, "info", "--format", info)
            assert told == eventful.ok("--dialect", dialect, "version", "--format", version)
            assert told.startswith("0.") == (last == command[-1])
    finally:
        eventful.command = command


def test_a_log_that_cannot_be_had_leaves_no_container(eventful: Store) -> None:
    if os.path.exists("/run/systemd/journal/socket"):
        pytest.skip("there is a journal")
    for command in ("run", "create"):
        done = eventful(command, "--name", "logged", "--log-driver", "journald", "busybox", "true")
        assert done.returncode != 0
        assert "--log-driver journald: cannot reach" in done.stderr
        assert eventful("container", "exists", "logged").returncode == 1


@pytest.mark.parametrize("option", ["--cgroup-parent", "--cgroup-conf"])
def test_a_hint_that_can_be_followed(eventful: Store, option: str) -> None:
    done = eventful("run", option, "memory.high=1", "busybox", "true")
    assert done.returncode == 125
    here = os.path.isdir("/run/systemd/system")
    assert ("systemd-run" in done.stderr) == here
    assert ("no systemd here" in done.stderr) == (not here)
