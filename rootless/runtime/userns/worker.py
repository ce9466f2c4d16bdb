"""Work done inside the user namespace: a forked child that runs one function and reports back."""

from __future__ import annotations

import os

from rootless import errors
from rootless.errors import Error
from rootless.linux import namespaces
from rootless.oci import errors as image_errors
from rootless.oci import jsonio
from rootless.runtime.userns import identity, namespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, NoReturn

    from rootless.store.paths import Paths


class Worker:
    """A running child. `result` must be called once; it reaps the child."""

    def __init__(self, pid: int, results: int) -> None:
        self.pid = pid
        self._results = results

    def result(self) -> Any:
        """Wait and return what the function returned, or raise what it raised.

        An Error comes back as its own class; anything else as Error in words.
        """
        # Read before waiting: a result larger than the pipe would else never end.
        with open(self._results, "rb", buffering=0) as file:
            answer = file.readall()
        _, status = os.waitpid(self.pid, 0)
        return unpacked(answer, f"a worker process ended without a result (status {status})")


def unpacked(answer: bytes, missing: str) -> Any:
    """Return the value that `run` wrote as `answer`, or raise the error that it wrote.

    Raises Error(`missing`) where the process ended without a word.
    """
    if not answer:
        raise Error(missing)
    said = jsonio.loads(answer)
    if "error" not in said:
        return said["value"]
    raise _rebuilt(said["error"], said["message"], said["hint"])


def _rebuilt(name: str, message: str, hint: str) -> Error:
    """Return the error of class `name` from either half of the tree; Error for an unknown one."""
    found = getattr(errors, name, None) or getattr(image_errors, name, None)
    if isinstance(found, type) and issubclass(found, Error):
        return found(message, hint)
    return Error(message, hint)


def spawn(
    paths: Paths, function: Callable[..., Any], *arguments: Any, keep_fds: Iterable[int] = ()
) -> Worker:
    """Run `function(*arguments)` as root of the user namespace U in a child of this process.

    The child has a mount namespace of its own and, of the caller's descriptors, only 0 to 2 and
    `keep_fds`. What the function returns must be a JSON value. The caller must not have threads.
    """
    worker, userns = spawn_holding(paths, function, *arguments, keep_fds=keep_fds)
    os.close(userns)
    return worker


def spawn_holding(
    paths: Paths, function: Callable[..., Any], *arguments: Any, keep_fds: Iterable[int] = ()
) -> tuple[Worker, int]:
    """Do as `spawn`, and return a descriptor of U as well."""
    entry = namespace.Entry(paths, identity.detect())
    results = os.pipe()
    pid = os.fork()
    if pid == 0:
        keep = {0, 1, 2, results[1], *keep_fds}
        run(results[1], _entered, entry, keep, function, arguments)
    os.close(results[1])
    worker = Worker(pid, results[0])
    try:
        userns = entry.serve(pid)
    except BaseException:
        os.close(results[0])
        entry.close()
        os.waitpid(pid, 0)
        raise
    return worker, userns


def call(paths: Paths, function: Callable[..., Any], *arguments: Any) -> Any:
    """Spawn, wait, and return the result of `function(*arguments)` inside U."""
    return spawn(paths, function, *arguments).result()


def run(results: int, function: Callable[..., Any], *arguments: Any) -> NoReturn:
    """Be a child that does one thing: write what `function` returns or raises, for `unpacked`."""
    try:
        try:
            answer = {"value": function(*arguments)}
        except Error as error:
            message, hint = error.marked
            answer = {"error": type(error).__name__, "message": message, "hint": hint}
        except BaseException as error:  # noqa: BLE001 - the child's only way to speak
            answer = {"error": "Error", "message": _words(error), "hint": ""}
        data = jsonio.dump_bytes(answer)
        while data:
            data = data[os.write(results, data) :]
    finally:
        os._exit(0)


def _words(error: BaseException) -> str:
    """Return what a function raised that is no Error: a system's refusal, or a fault of ours."""
    if isinstance(error, OSError) and error.strerror:
        name = error.filename
        return f"{os.fsdecode(name)}: {error.strerror}" if name else error.strerror
    return f"{type(error).__name__}: {error}"


def _entered(
    entry: namespace.Entry, keep: set[int], function: Callable[..., Any], arguments: tuple[Any, ...]
) -> Any:
    """Call `function` as root of U, with no descriptor open but `keep`."""
    entry.enter()
    namespaces.unshare(namespaces.CLONE_NEWNS)
    close_others(keep)
    return function(*arguments)


def close_others(keep: set[int]) -> None:
    """Close every descriptor of this process, a child that never returns, but those in `keep`.

    What the parent has left to be collected, a socket in a traceback say, would close them once
    more here, when their numbers are those of others. So it is not collected any more.
    """
    import gc

    gc.freeze()
    first = 0
    for fd in sorted(keep):
        if first < fd:  # CPython hands an empty range to close_range(2) as one without an end
            os.closerange(first, fd)
        first = fd + 1
    os.closerange(first, 1 << 20)
