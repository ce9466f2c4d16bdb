"""What the process does: exit codes, one-line errors, broken and full outputs, Ctrl-C, --debug."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

import rootless

if TYPE_CHECKING:
    from tests.conftest import Store

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("--version", 0),
        ("version", 0),
        ("ps", 0),
        ("container exists nobody", 1),
        ("image exists nothing", 1),
        ("image exists host", 0),
        ("inspect nothing", 1),
        ("rm nobody", 1),
        ("rm -f nobody", 0),
        ("rm --ignore nobody", 0),
        ("stop nobody", 1),
        ("stop --ignore nobody", 0),
        ("wait nobody", 1),
        ("rmi nothing", 1),
        ("start nobody", 1),
        ("kill nobody", 1),
        ("logs nobody", 1),
        ("exec nobody true", 1),
        ("nothing", 1),
        ("run", 1),
        ("run --bogus host", 125),
        ("ps --format {{.Nope}", 1),
        ("ps --filter nonsense", 1),
        ("ps --filter status=tired", 1),
        ("images --filter color=red", 1),
        ("rm", 1),
        ("rm -a nobody", 1),
        ("--root /proc/nowhere ps", 0),
        ("--root /proc/nowhere run host true", 125),
    ],
)
def test_exit_codes(cli: Store, line: str, code: int) -> None:
    done = cli(*line.split())
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    if code == 125:
        assert done.stderr.startswith("Error: ")
        assert done.stderr.count("\n") == 1


def test_version(cli: Store) -> None:
    assert cli.ok("--version") == cli.ok("-v", "ps") == f"rootless version {rootless.__version__}"
    assert cli.ok("version", "--format", "{{.Client.Version}}") == rootless.__version__


def test_several_names_go_on_after_a_failure(cli: Store) -> None:
    done = cli("rm", "one", "two")
    assert done.returncode == 1
    assert [line.split(" (")[0] for line in done.stderr.splitlines()] == [
        "Error: No such container: one",
        "Error: No such container: two",
    ]


def test_inspect_prints_what_it_found_and_complains(cli: Store) -> None:
    done = cli("inspect", "host", "nothing")
    assert done.returncode == 1
    assert '"Os": "linux"' in done.stdout
    assert done.stderr.startswith("Error: No such object: nothing")
    assert cli("inspect", "nothing").stdout == "[]\n"


@pytest.mark.needs("/dev/full")
@pytest.mark.parametrize("line", ["ps", "--version", "run --help", "inspect host"])
def test_a_full_disk_behind_stdout_is_an_error(cli: Store, line: str) -> None:
    with open("/dev/full", "w") as full:
        done = cli(*line.split(), stdout=full, stderr=subprocess.PIPE)
    assert done.returncode in (1, 125)
    assert done.stderr.startswith("Error: standard output: No space left on device")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("line", ["ps", "inspect host", "run --help"])
def test_a_broken_pipe_ends_quietly(cli: Store, line: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = cli(*line.split(), stdout=writer, stderr=subprocess.PIPE)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("stream", [1, 2])
def test_closed_streams_are_no_fault(cli: Store, stream: int) -> None:
    shell = f'exec "$@" {stream}>&-'
    for line in (["ps"], ["nothing"]):
        done = subprocess.run(
            ["sh", "-c", shell, "sh", *cli.command, *line],
            env=cli.env,
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert "Traceback" not in done.stderr
        assert "fault of rootless" not in done.stderr
        assert done.returncode in ((0, 1) if line == ["ps"] else (1,))


def test_ctrl_c_is_130_and_silent(cli: Store) -> None:
    cli.ok("run", "-d", "--name", "long", "host", "sleep", "60")
    process = cli.start("wait", "long")
    # `wait` prints nothing before the end: it is there when it holds the container's file open.
    while process.poll() is None and not _watches(process.pid):
        pass
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, "", "")


def _watches(pid: int) -> bool:
    try:
        return any(
            "inotify" in os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")
        )
    except OSError:
        return False


def test_debug_shows_the_time_line(cli: Store) -> None:
    for done in (cli("--debug", "ps"), cli("ps", env={"ROOTLESS_DEBUG": "1"})):
        assert done.returncode == 0
        assert "command line read" in done.stderr
        assert "µs" in done.stderr
        assert "Traceback" not in done.stderr
    assert cli("ps", env={"ROOTLESS_DEBUG": "0"}).stderr == ""


def test_debug_shows_where_an_error_arose(cli: Store) -> None:
    done = cli("--debug", "exec", "nobody", "true")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "Error: No such container: nobody" in done.stderr


def test_what_is_no_option_of_ours_is_refused_before_anything_happens(cli: Store) -> None:
    assert cli("run", "--bogus", "host", "true").returncode == 125
    assert not os.path.exists(cli.root)
