"""Files in directories where a container may write as well."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from rootless.runtime.supervision import health_log
from rootless.runtime.supervision.startup import _write_pid
from rootless.store import outside
from tests.containers.test_restarts import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Store

pytestmark = pytest.mark.once

REFUSED = """
import glob, os, sys
from rootless.store import outside
from tests.containers.test_restarts import until
def replace(path, data):
    (state,) = glob.glob(sys.argv[1] + "/containers/*/state.json")
    with open(state) as file, open(path, "w") as found:
        found.write(file.read())
    raise OSError(5, "spoilt")
outside.replace = replace
from rootless.cli import main
sys.exit(main.run(sys.argv[2:]))
"""
"""A start that keeps what state.json is when a pid file is to be written, which then fails."""


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["none", "file", "symbolic", "hard", "fifo"])
def test_what_has_the_name_is_replaced_and_not_touched(tmp_path: Path, kind: str) -> None:
    place, precious = tmp_path / "shared", tmp_path / "precious"
    place.mkdir()
    precious.write_text("precious")
    path = place / "pid"
    if kind == "file":
        path.write_text("much longer than what comes")
    elif kind == "symbolic":
        path.symlink_to(precious)
    elif kind == "hard":
        path.hardlink_to(precious)
    elif kind == "fifo":
        os.mkfifo(path)
    _write_pid(str(path), 12)
    assert (path.is_symlink(), path.read_text(), precious.read_text()) == (False, "12", "precious")
    assert os.listdir(place) == ["pid"]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["symbolic", "hard", "fifo"])
def test_results_of_checks_go_into_no_file_of_others(tmp_path: Path, kind: str) -> None:
    """Whatever a container has put beside them, under a name that was to be expected."""
    precious, path = tmp_path / "precious", tmp_path / "x-healthcheck.log"
    precious.write_text("precious")
    trap = tmp_path / f"{path.name}.new"
    if kind == "fifo":
        os.mkfifo(trap)
    elif kind == "hard":
        trap.hardlink_to(precious)
    else:
        trap.symlink_to(precious)
    health_log.write(str(path), {"status": "healthy", "failing": 0, "log": []})
    assert precious.read_text() == "precious"
    assert path.read_text().startswith('{"Status":"healthy"')


def test_no_link_on_the_way_is_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/pid").write_text("precious")
    (tmp_path / "sub").symlink_to("precious")
    with pytest.raises(NotADirectoryError):
        outside.replace(f"{tmp_path}/sub/pid", b"1")
    assert (tmp_path / "precious/pid").read_text() == "precious"
    path = outside.resolved(f"{tmp_path}/sub/../sub/pid")
    assert path == f"{tmp_path.resolve()}/precious/pid"
    outside.replace(path, b"1")
    assert (tmp_path / "precious/pid").read_text() == "1"


def test_a_container_leads_no_file_of_ours_elsewhere(busybox: Store, tmp_path: Path) -> None:
    """By a link in the place of a directory that it has mounted, before it is started again."""
    shared, precious = tmp_path / "shared", tmp_path / "precious"
    (shared / "sub").mkdir(parents=True)
    precious.mkdir()
    (tmp_path / "user").symlink_to(shared)  # the user's own, which is followed
    options = ["--pidfile", f"{tmp_path}/user/sub/pid", "-v", f"{shared}:/shared"]
    options += ["--health-cmd", "true", "--health-log-destination", f"{tmp_path}/user/sub"]
    script = "until [ -e /shared/go ]; do sleep 0.02; done; [ -h /shared/sub ] && exit;"
    script += f"mv /shared/sub /shared/old; ln -s {precious} /shared/sub"
    line = ["run", "-d", "--name", "one", *options, "busybox", "sh", "-c", f"{script}; sleep 1000"]
    busybox.ok(*line)
    (shared / "go").touch()
    until(lambda: (shared / "sub").is_symlink())
    assert (shared / "old/pid").read_text().isdigit()
    busybox.ok("healthcheck", "run", "one")
    assert "cannot write the pid file" in busybox("restart", "-t", "0", "one").stderr
    assert os.listdir(precious) == []
    busybox.ok("rm", "-f", "-t", "0", "one")


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(OSError, match="irectory"):
        outside.replace(str(tmp_path / "there"), b"x")
    assert os.listdir(tmp_path) == ["there"]


def test_what_runs_is_on_record_before_its_pid_is_told(busybox: Store, tmp_path: Path) -> None:
    path = tmp_path / "pid"
    line = ["run", "-d", "--name", "told", "--pidfile", str(path), "busybox", "sleep", "100"]
    done = subprocess.run(
        [sys.executable, "-c", REFUSED, busybox.root, *line],
        env=busybox.env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, "cannot write the pid file" in done.stderr) == (125, True), done.stderr
    found = json.loads(path.read_text())
    assert (found["status"], found["pid"] > 0) == ("running", True)
    assert not os.path.exists(f"/proc/{found['pid']}")
    assert busybox.ok("inspect", "-f", "{{.State.Status}}", "told") == "created"
    busybox.ok("rm", "told")
