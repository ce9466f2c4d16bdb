"""Work inside the user namespace, and what comes back from it."""

from __future__ import annotations

import os
import signal

import pytest

from rootless.errors import Error, NotFound
from rootless.oci.errors import LayerError
from rootless.runtime.userns import worker
from rootless.store.paths import Paths


def descriptors() -> list[int]:
    return sorted(int(fd) for fd in os.listdir("/proc/self/fd"))[:-1]


def test_arguments_and_values(rootless_root: str) -> None:
    value = {"a": [1, 2.5, None, "ü"], "b": {}}
    assert worker.call(Paths(rootless_root), lambda x: x, value) == value


def test_large_result(rootless_root: str) -> None:
    assert worker.call(Paths(rootless_root), lambda: "x" * 3000000) == "x" * 3000000


def fail(error: Exception) -> None:
    raise error


@pytest.mark.parametrize("error", [NotFound("no", "hint"), LayerError("entry x", "y")])
def test_our_errors_come_back_as_they_are(rootless_root: str, error: Error) -> None:
    with pytest.raises(type(error)) as raised:
        worker.call(Paths(rootless_root), fail, error)
    assert (raised.value.message, raised.value.hint) == (error.message, error.hint)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("of what"), "ValueError: of what"),
        (PermissionError(13, "Permission denied", b"a\xff"), "a\udcff: Permission denied"),
        (OSError(28, "No space left on device"), "No space left on device"),
    ],
)
def test_other_errors_come_back_in_words(rootless_root: str, error: Exception, text: str) -> None:
    with pytest.raises(Error) as raised:
        worker.call(Paths(rootless_root), fail, error)
    assert raised.value.message == text


def test_killed_worker(rootless_root: str) -> None:
    with pytest.raises(Error, match="without a result"):
        worker.call(Paths(rootless_root), lambda: os.kill(os.getpid(), signal.SIGKILL))


def test_it_has_only_the_descriptors_that_it_is_given(rootless_root: str) -> None:
    read, write = os.pipe()
    other, _ = os.pipe()
    try:
        job = worker.spawn(Paths(rootless_root), descriptors, keep_fds=(read,))
        found = job.result()
        assert read in found
        assert not {write, other} & set(found)
    finally:
        for fd in (read, write, other, _):
            os.close(fd)


def test_many_at_once(rootless_root: str) -> None:
    paths = Paths(rootless_root)
    jobs = [worker.spawn(paths, lambda n: n * n, number) for number in range(8)]
    assert [job.result() for job in jobs] == [n * n for n in range(8)]


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def test_close_others() -> None:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            fds = [os.open("/dev/null", os.O_RDONLY) for _ in range(20)]
            kept = {0, 1, 2, fds[10], fds[11]}
            worker.close_others(kept)
            code = 0 if {fd for fd in range(fds[-1] + 10) if is_open(fd)} == kept else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
