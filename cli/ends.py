"""This process's own side of an attachment: descriptors 0 to 2, its terminal, its signals."""

from __future__ import annotations

import os
import termios

from rootless.containers.container import DETACH_KEYS
from rootless.containers.running.ends import Ends
from rootless.errors import Interrupted, UsageError
from rootless.runtime.launch import terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Callable
    from typing import Any
else:
    import _signal

_ENDING = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
_PASSED_ON = (*_ENDING, "SIGUSR1", "SIGUSR2", "SIGCONT")


class OwnEnds(Ends):
    """What this command was started with.

    With `proxy`, the signals it gets: while the container starts, those that end a process end
    the start. Then they all go to the container, or, where it has this process's terminal, end
    this process alone (docker and podman do the same: the terminal itself makes the container's
    signals).
    """

    def __init__(self, *, stdin: bool, tty: bool, proxy: bool = False) -> None:
        """`stdin` is whether to read it, `tty` whether the process has a terminal."""
        super().__init__(0 if stdin else -1, 1, 2)
        self._tty = tty
        self._raw = RawTerminal(0) if tty and stdin else None
        self._proxy = proxy
        self._send: Callable[[int], object] | None = None
        self._early: list[int] = []
        if proxy:
            for name in _PASSED_ON:
                _signal.signal(getattr(_signal, name), self._handle)

    def keys(self, asked: str | None) -> str:
        """Return what leaves the terminal: as it was asked for, else as a file of the user has it.

        That is containers.conf, or docker's config.json. Raises UsageError.
        """
        if asked is not None or not self._tty:
            return asked or ""
        from rootless.defaults.settings import load

        conf = load()
        keys: str | None = conf.get("engine", "detach_keys") if conf else None
        place = ""
        if keys is None:
            from rootless.cli.dialects import choice

            keys, place = choice.current().detach_keys()
            if not place:
                return DETACH_KEYS
        from rootless.containers.running.keys import Keys

        try:
            Keys(keys)
        except UsageError as error:
            if conf is None or place:
                raise UsageError(f"{place}: invalid value {keys!r:.60}", error.hint) from error
            raise conf.refused("engine", "detach_keys", error.hint) from error
        return keys

    def __enter__(self) -> OwnEnds:
        # Only now, because a supervisor that is forked before would have the descriptors, too.
        if self._tty or self._proxy:
            # By a pipe: a signal that came just before the wait for events would not end it.
            self.resized, woken = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
            _signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        if self._tty:
            _signal.signal(_signal.SIGWINCH, lambda *_: None)
        if self._raw is not None:
            self._raw.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        if self._raw is not None:
            self._raw.__exit__()
        woken = _signal.set_wakeup_fd(-1)
        for fd in (self.resized, woken):
            if fd >= 0:
                os.close(fd)
        self.resized = -1

    def size(self) -> tuple[int, int] | None:
        """Return (rows, columns) of the terminal at standard input, or else output."""
        for fd in (0, 1):
            try:
                return terminal.size(fd)
            except OSError:
                continue  # it is none
        return None

    def write(self, stream: int, data: bytes) -> None:
        """Write output; an error says where it could not be written."""
        try:
            super().write(stream, data)
        except OSError as error:
            error.filename = "standard output" if stream == 1 else "standard error"
            raise

    def leave(self) -> None:
        """Let the shell's prompt begin a line of its own."""
        if self._raw is not None:
            self.write(1, b"\n")

    def pass_signals(self, send: Callable[[int], object]) -> None:
        """From now on signals go to the container, unless it has our terminal."""
        if self._tty and os.isatty(0):
            return
        self._send = send
        for number in self._early:
            send(number)

    def _handle(self, number: int, _frame: object) -> None:
        if self._send is not None:
            self._send(number)
        elif number == _signal.SIGINT:
            raise KeyboardInterrupt
        elif number in [getattr(_signal, name) for name in _ENDING]:
            raise Interrupted(number)
        else:
            self._early.append(number)


def check_terminal(command: str, *, attached: bool) -> None:
    """See what the dialect has to say of an input that is to be a terminal. Raises UsageError."""
    if os.isatty(0):
        return
    from rootless.cli.dialects import choice
    from rootless.cli.output import say, warnings

    if (told := choice.current().without_terminal(command, attached=attached)) and warnings:
        say(told, to_stderr=True)


class RawTerminal:
    """The user's terminal, handed byte by byte to the container's; as it was at the end."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._saved: list[Any] | None = None

    def __enter__(self) -> RawTerminal:
        if os.isatty(self._fd):
            self._saved = termios.tcgetattr(self._fd)
            termios.tcsetattr(self._fd, termios.TCSADRAIN, _raw(self._saved))
        return self

    def __exit__(self, *_: object) -> None:
        if self._saved is not None:
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._saved)


def _raw(saved: list[Any]) -> list[Any]:
    """Return the settings of cfmakeraw (termios(3)) made from `saved`."""
    iflag, oflag, cflag, lflag, ispeed, ospeed, cc = saved
    iflag &= ~(
        termios.IGNBRK
        | termios.BRKINT
        | termios.PARMRK
        | termios.ISTRIP
        | termios.INLCR
        | termios.IGNCR
        | termios.ICRNL
        | termios.IXON
    )
    oflag &= ~termios.OPOST
    cflag = cflag & ~(termios.CSIZE | termios.PARENB) | termios.CS8
    lflag &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
    cc = list(cc)
    cc[termios.VMIN], cc[termios.VTIME] = 1, 0
    return [iflag, oflag, cflag, lflag, ispeed, ospeed, cc]
