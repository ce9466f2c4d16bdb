"""The first moments of a supervisor."""

from __future__ import annotations

import os
import signal

import pytest

from rootless.errors import LaunchError
from rootless.runtime.launch.report import Phase, Report
from rootless.runtime.supervision import startup
from tests.children import in_child


@pytest.mark.parametrize("told", [False, True])
def test_launcher_that_is_killed(told: bool) -> None:
    """Its child, which waits for us, keeps the channel open: that must not keep us waiting."""
    ours, theirs = Report.pair()
    end, kept = os.pipe()

    def launch() -> None:
        os.close(kept)
        in_child(lambda: os.read(end, 1))  # until the test is over
        if told:
            theirs.send(Phase.FORKED, pid=1)
        os.kill(os.getpid(), signal.SIGKILL)

    launcher = in_child(launch)
    os.close(end)
    theirs.close()
    try:
        if told:
            startup._await_report(ours, launcher)
            assert ours.receive() is not None
        else:
            with pytest.raises(LaunchError, match="launcher was killed"):
                startup._await_report(ours, launcher)
    finally:
        os.waitpid(launcher, 0)
        os.close(kept)
        ours.close()
