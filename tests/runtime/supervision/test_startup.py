"""The first moments of a supervisor."""

from __future__ import annotations

import os
import signal

import pytest

from rootless.errors import LaunchError
from rootless.runtime.launch.report import Phase, Report
from rootless.runtime.supervision import startup


@pytest.mark.parametrize("told", [False, True])
def test_launcher_that_is_killed(told: bool) -> None:
    """Its child, which waits for us, keeps the channel open: that must not keep us waiting."""
    ours, theirs = Report.pair()
    end, kept = os.pipe()
    launcher = os.fork()
    if launcher == 0:
        os.close(kept)
        if os.fork() == 0:
            os.read(end, 1)  # until the test is over
            os._exit(0)
        if told:
            theirs.send(Phase.FORKED, pid=1)
        os.kill(os.getpid(), signal.SIGKILL)
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
