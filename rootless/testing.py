"""Helpers for tests of programs that use the engine, ours among them."""

from __future__ import annotations

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import ExitStack
    from typing import Self

    from rootless.oci.errors import Error
    from rootless.registry.auth import Caller


class Recorder:
    """A `rootless.teller.Teller` that remembers all it was told."""

    def __init__(self, answer: str = "") -> None:
        """`answer` is what `choose` returns."""
        self.answer = answer
        self.questions: list[tuple[str, list[str]]] = []
        """The short name and the candidates of each."""
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.untold = 0
        """How many warnings were not told one by one."""
        self.problems: list[Error] = []
        self.work: dict[str, str] = {}
        """What it is, by its key."""
        self.totals: dict[str, int] = {}
        self.done: dict[str, int] = {}
        """Bytes so far."""
        self.results: dict[str, str] = {}
        """What came of the work that has ended."""
        self._lock = threading.Lock()

    def begin(self, key: str, what: str, total: int) -> None:
        """Remember a piece of work; one that begins again has done nothing yet."""
        with self._lock:
            self.work[key], self.totals[key], self.done[key] = what, total, 0

    def advance(self, key: str, count: int) -> None:
        """Add to what is done. Raises KeyError for work that has not begun."""
        with self._lock:
            self.done[key] += count

    def end(self, key: str, result: str) -> None:
        """Remember what came of it. Raises KeyError for work that has not begun."""
        with self._lock:
            _ = self.work[key]
            self.results[key] = result

    def note(self, text: str) -> None:
        """Remember it."""
        self.notes.append(text)

    def warning(self, text: str, *, more: int = 0) -> None:
        """Remember it, and how many more there were."""
        self.warnings.append(text)
        self.untold += more

    def problem(self, error: Error) -> None:
        """Remember it."""
        self.problems.append(error)

    def choose(self, short: str, candidates: Sequence[str]) -> str:
        """Remember the question and give the answer."""
        self.questions.append((short, list(candidates)))
        return self.answer


class Registry:
    """A registry of images and artifacts in this process. A context manager.

    It speaks the distribution protocol on a free port of loopback, without TLS, lets everybody do
    everything, and keeps what it gets in a directory (an OCI image layout), which may be new.
    Entered again it goes on with what it has, on another port.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self.address = ""
        """HOST:PORT, once it serves: what stands before names of its images."""
        self.requests: list[str] = []
        """A line for each request: who, from where, what, and the status that was answered."""
        self._running: ExitStack | None = None

    def __enter__(self) -> Self:
        from contextlib import ExitStack

        from rootless.httpd import listeners
        from rootless.httpd.server import Server
        from rootless.registry.api import Api
        from rootless.registry.directory import Directory
        from rootless.registry.service import RegistryService

        with ExitStack() as begun:
            shelf = begun.enter_context(Directory(self._directory))
            listener = begun.enter_context(listeners.tcp("127.0.0.1", 0))
            self.address = f"127.0.0.1:{listener.getsockname()[1]}"
            service = RegistryService(Api(shelf, _Everybody()), self.requests.append)
            server = Server(service, [listener])
            thread = threading.Thread(target=server.serve, name="registry", daemon=True)
            thread.start()
            begun.callback(thread.join)
            begun.callback(server.stop)
            self._running = begun.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        if self._running is not None:
            self._running.close()
            self._running = None


class _Everybody:
    """A guard who lets everybody do everything."""

    token = ""

    def caller(self, header: str) -> Caller:
        """Anybody is the owner."""
        from rootless.registry.auth import Caller

        return Caller("somebody", guest=False)
