"""The entry point: read the line, call the command, tell what went wrong, end.

    argv ── lean.parse ──> call ──> module imported, function(engine, **given) -> exit code
              └─ None ──> mistakes.answer ──> help, or a UsageError

This is the only place that turns exceptions into words and exit codes.
"""

from __future__ import annotations

import codecs
import errno
import gc
import io
import os
import sys

from rootless.cli import finder

# What is loaded stays: to look for garbage among it takes up to a tenth of a short command.
gc.set_threshold(100_000)
finder.install()

from rootless import trace  # noqa: E402 - found by it
from rootless.cli import exits  # noqa: E402

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Iterable
    from typing import NoReturn

    from rootless.oci.errors import Error
else:
    import _signal


def main() -> NoReturn:
    """Run the command that sys.argv names and end the process.

    With os._exit, which saves the interpreter's tidying up (1.6 ms of 10). Nothing here
    relies on it: files are closed by their owners, and output is flushed by `run`.
    """
    if sys.getfilesystemencoding() != "utf-8":
        # Names are bytes to the kernel and UTF-8 in records: where Python, for an old locale,
        # takes them for something else, the same name would be two (PEP 540).
        python = sys.executable
        os.execv(python, [python, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606
    # Whoever started us may ignore the ends of children, and then the kernel says nothing of ours.
    _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
    os._exit(run(sys.argv[1:]))


def run(argv: list[str]) -> int:
    """Run one command line and return its exit code. Nothing is raised."""
    if os.environ.get("ROOTLESS_DEBUG", "0") not in ("", "0"):
        trace.enable()
    _open_streams()
    try:
        code = _flushed(_call(argv))
    except KeyboardInterrupt:
        code = exits.INTERRUPTED
    except (BrokenPipeError, SystemExit):  # the latter is rich's answer to the former: its bars
        code = exits.BROKEN_PIPE
    except Exception as error:  # noqa: BLE001 - the last resort: never a traceback
        code = _explain(error)
    if trace.enabled():
        _say_all(trace.lines())
    return code


def _open_streams() -> None:
    """Put /dev/null where we were started without stdin, stdout or stderr.

    The next file opened would get its number, and be taken for it by all that we start.
    """
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number: fd
            os.set_inheritable(fd, True)
            setattr(sys, name, open(fd, "r" if fd == 0 else "w", closefd=False))
    codecs.register_error("rootless", _as_bytes)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="rootless")


def _as_bytes(error: UnicodeError) -> tuple[bytes, int]:
    """Encode what is no text: bytes as they were (PEP 383), halves of characters as escapes.

    Whatever PYTHONIOENCODING says: a listing must not fail for what a stranger has put into it.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    points = map(ord, error.object[error.start : error.end])
    parts = (bytes((p - 0xDC00,)) if 0xDC80 <= p < 0xDD00 else b"\\u%04x" % p for p in points)
    return b"".join(parts), error.end


_ELSEWHERE = frozenset(("CONTAINER_CONNECTION", "CONTAINER_HOST", "DOCKER_CONTEXT", "DOCKER_HOST"))
"""Variables by which docker and podman are told of another machine."""


def _call(argv: list[str]) -> int:
    if argv in (["--version"], ["-v"]) and _ELSEWHERE.isdisjoint(os.environ):
        from rootless.cli.commands.machine.version import version_line

        return version_line()  # without tables and engine
    from rootless.cli import lean

    if argv[:1] == ["__complete"]:
        return _complete(argv[1:])
    call = lean.parse(argv)
    if call is None:
        from rootless.cli.answers import mistakes
        from rootless.cli.dialects import choice

        choice.overhear(argv)
        return mistakes.answer(argv)
    module, function, given, settings = call
    lean.CALLED[:] = [function]
    if settings.keys() - {"root"} or not _ELSEWHERE.isdisjoint(os.environ):
        from rootless.cli import surroundings

        surroundings.apply(settings)
    trace.mark("command line read")
    # Ctrl-C waits for it: the import machinery loses an exception that comes in a callback of its.
    before = _signal.pthread_sigmask(_signal.SIG_BLOCK, (_signal.SIGINT,))
    try:
        from rootless.engine import Engine
        from rootless.store.paths import config_file

        __import__(module)
    finally:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, before)
    trace.mark("command imported")
    engine = Engine(settings.get("root", ""))
    engine.by_last_part = _by_last_part
    if os.path.exists(config_file()):
        from rootless.cli.answers import configured

        configured.warn(engine.paths)
    code = getattr(sys.modules[module], function)(engine, **given)
    trace.mark("command done")
    return int(code)


def _by_last_part() -> bool:
    """Whether the dialect finds images by the last part of their names."""
    from rootless.cli.dialects import choice

    return choice.current().by_last_part


def _complete(typed: list[str]) -> int:
    """Answer a shell that completes a command line."""
    from rootless.cli import complete

    bare = typed[:1] == ["--bare"]
    typed = typed[1:] if bare else typed
    return complete.complete(typed[1:] if typed[:1] == ["--"] else typed, bare=bare)


def _flushed(code: int) -> int:
    """Write out what is still buffered: on a full disk this is where it shows."""
    sys.stdout.flush()
    return code


def _explain(error: Exception) -> int:
    """Say what went wrong in one line and return the exit code."""
    from rootless.oci.errors import Error, one_line
    from rootless.store.records import remedy

    if trace.enabled():
        import traceback

        _say_all("".join(traceback.format_exception(error)).splitlines())
    if isinstance(error, Error):
        text = _told(error)
    elif isinstance(error, OSError):
        name = os.fsdecode(error.filename) if error.filename else _what(error)
        if not name and error.errno == errno.EAGAIN:  # of fork(2), or of a thread
            name = "cannot start another process"
        text = f"{name}: {error.strerror or error}" if name else f"{error.strerror or error}"
        # Where our output goes there is nothing that we could remove.
        text = _told(Error(text, "" if name.startswith("standard ") else remedy(error)))
    else:
        text = f"{type(error).__name__}: {error} (a fault of rootless; --debug shows where)"
    try:
        sys.stdout.flush()  # what was said before it
    except (OSError, ValueError, AttributeError):
        pass  # this error is the first
    _say("Error: " + one_line(text))
    return exits.code_of(error)


def _what(error: OSError) -> str:
    """Return what an error is about that has no name of a file in it."""
    where = error.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    if where is not None and where.tb_frame.f_globals["__name__"].startswith("rootless.cli."):
        return "standard output"
    try:
        os.getcwd()
    except OSError:
        return "the current directory"
    return ""


def _told(error: Error) -> str:
    """Return an error in words, with the options that its fields came from."""
    from rootless.cli.fields import told

    return told(error)


def _say_all(lines: Iterable[str]) -> None:
    from rootless.oci.errors import shown

    _say("\n".join(map(shown, lines)))


def _say(text: str) -> None:
    """Write a line to standard error, which may be closed or full."""
    try:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        pass
