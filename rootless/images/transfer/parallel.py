"""Several transfers at once; the first error wins, and nobody is waited for in vain."""

from __future__ import annotations

import _queue
import contextlib
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rootless.oci.transports import Stream

PARALLEL = 4
"""Layers at once, on their way or being unpacked. More only fight for the same locks and disk."""

_most = [PARALLEL]

GRACE = 1.0
"""Seconds that cancelled transfers get to end by themselves."""


def let_be_parallel(most: int) -> None:
    """Say how many transfers this process shall have at once: its front end's wish for all."""
    _most[0] = most


def in_parallel(jobs: list[Callable[[], None]], cancel: Callable[[], None]) -> None:
    """Run `jobs` a few at a time; raise the first error, after the others were cancelled.

    The threads are daemons and are not waited for in vain: one may be in a system call that only
    the time limit of its connection ends, and neither Control-C nor an error shall wait for that.
    """
    left = list(reversed(jobs))
    results: _queue.SimpleQueue[BaseException | None] = _queue.SimpleQueue()

    def work() -> None:
        while left:
            try:
                job = left.pop()
            except IndexError:
                return  # another thread was faster
            try:
                job()
            except BaseException as error:  # noqa: BLE001 - raised in the caller's thread
                results.put(error)
                return
            results.put(None)

    threads = [threading.Thread(target=work, daemon=True) for _ in jobs[: _most[0]]]
    try:
        for thread in threads:
            thread.start()
        for _ in jobs:
            error = _next(results)
            if error is not None:
                raise error
    except BaseException:
        left.clear()
        cancel()
        for thread in threads:
            if thread.ident is not None:  # it was started
                thread.join(GRACE)
        raise
    for thread in threads:
        thread.join()


def _next(results: _queue.SimpleQueue[BaseException | None]) -> BaseException | None:
    """Wait for a result, and see a signal that came just before the wait began: no call does."""
    while True:
        try:
            return results.get(timeout=0.5)
        except _queue.Empty:
            pass


class Streams:
    """The streams that jobs are reading, so that another thread can end them."""

    def __init__(self) -> None:
        self._open: set[Stream] = set()

    @contextlib.contextmanager
    def reading(self, stream: Stream) -> Iterator[Stream]:
        """Close a stream at the end; in between `abort` ends it."""
        self._open.add(stream)
        try:
            yield stream
        finally:
            self._open.discard(stream)
            stream.close()

    def abort(self) -> None:
        """End them all: none of them shall keep Control-C waiting."""
        for stream in list(self._open):
            stream.abort()
