"""The event loop, where the clock asks for more than a system call takes."""

from __future__ import annotations

import os
import select
import time

from rootless.linux.loop import Loop


def test_a_timer_of_next_year() -> None:
    """epoll_wait(2) counts milliseconds in an int, which ends after 24 days."""
    loop = Loop()
    reader, writer = os.pipe()
    heard: list[int] = []
    try:
        loop.watch(reader, select.POLLIN, heard.append)
        timer = loop.at(time.monotonic() + 365 * 86400, lambda: heard.append(-1))
        os.write(writer, b"x")
        assert loop.turn(None) == 1
        assert loop.turn(1) == 1
        loop.cancel(timer)
        assert heard == [select.POLLIN, select.POLLIN]
    finally:
        os.close(reader)
        os.close(writer)
