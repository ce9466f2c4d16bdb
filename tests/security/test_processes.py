"""What processes of ours that are in a container keep, and tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rootless.runtime.privileges import caps

if TYPE_CHECKING:
    from tests.conftest import Store

SECRET = "hunter2-and-no-other"


def status_of(store: Store, *options: str) -> dict[str, str]:
    """Return /proc/1/status of a container, as it sees it."""
    script = "cat /proc/1/status"
    if "--init" in options:  # which may be executed later than the command
        script = f"until grep -q 'Name:.init' /proc/1/status; do sleep 0.01; done; {script}"
    text = store.ok("run", "--rm", *options, "busybox", "sh", "-c", script)
    return dict(line.split(":\t", 1) for line in text.splitlines())


@pytest.mark.parametrize("options", [[], ["--privileged"]], ids=" ".join)
def test_init_has_no_capability_but_the_one_to_pass_signals_on(
    shared: Store, options: list[str]
) -> None:
    status = status_of(shared, "--init", *options)
    assert status["Name"] == "init"
    for which in ("CapPrm", "CapEff", "CapBnd"):
        assert caps.names(int(status[which], 16)) == ["CAP_KILL"]
    for which in ("CapInh", "CapAmb"):
        assert int(status[which], 16) == 0
    assert status["Seccomp"] == ("0" if options else "2")


def test_init_is_the_user_of_the_command(shared: Store) -> None:
    status = status_of(shared, "--init", "-u", "1000")
    assert status["Uid"].split() == ["1000"] * 4
    assert status["Gid"].split() == ["1000"] * 4
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0


def test_init_without_any_capability(shared: Store) -> None:
    status = status_of(shared, "--init", "--cap-drop", "all")
    assert int(status["CapPrm"], 16) == int(status["CapBnd"], 16) == 0


def test_init_passes_signals_on_to_another_user(shared: Store, in_user_mode: str) -> None:
    """The one thing that it needs a capability for; with one uid nobody is another."""
    user = "root" if in_user_mode == "single" else "user"
    script = (
        f"exec su {user} -s /bin/sh -c 'trap \"exit 9\" TERM; echo up; while :; do sleep 0.1; done'"
    )
    shared.ok("run", "-d", "--init", "--name", "one", "busybox", "sh", "-c", script)
    while "up" not in shared.ok("logs", "one"):
        pass
    shared.ok("stop", "one")
    assert shared.ok("inspect", "-f", "{{.State.ExitCode}}", "one") == "9"
    shared.ok("rm", "one")


def test_init_holds_no_file_of_the_container(shared: Store) -> None:
    """Else a reader of a pipe would wait for init, too."""
    # It may execute a little later than the command that it starts.
    wait = "until grep -q ^init /proc/1/cmdline; do sleep 0.1; done"
    script = f"{wait}; ls -l /proc/1/fd | grep -c -e '->'; tr '\\0' ' ' </proc/1/cmdline"
    count, line = shared.ok("run", "--rm", "--init", "busybox", "sh", "-c", script).split("\n")
    assert count == "0"
    assert line.startswith(f"init -- sh -c {wait}; ls -l /proc/1/fd")


WATCH = """
echo watching
while :; do cat /proc/[0-9]*/cmdline; done 2>/dev/null > /tmp/seen
"""


def test_values_of_the_environment_are_in_no_command_line(shared: Store) -> None:
    """The command line of the engine has them, and the container sees the engine's processes."""
    shared.ok("run", "-d", "--name", "watcher", "busybox", "sh", "-c", WATCH)
    while "watching" not in shared.ok("logs", "watcher"):
        pass
    for _ in range(10):
        shared.ok("exec", "-e", f"DBPASS={SECRET}", "watcher", "true")
    seen = shared.ok("exec", "watcher", "cat", "/tmp/seen")
    shared.ok("rm", "-f", "watcher")
    assert "cat" in seen  # it has seen others
    assert SECRET not in seen
