"""Work on layers inside the user namespace: one child there, which forks a child for each job.

The foreman is started before this process has threads; afterwards jobs are handed to it over a
socket, each with the pipe that its data will come through and the pipe that its answer goes to.
So any number of layers can be extracted, when their number is not known beforehand either, and
the namespace is entered once. Forks of the engine may hand jobs to the same foreman.
"""

from __future__ import annotations

import _socket
import os
import struct

from rootless.oci import jsonio
from rootless.oci.layers.tar import Limits
from rootless.oci.layers.unpack import extract_fd, widen
from rootless.runtime.userns import identity
from rootless.runtime.userns.namespace import Membership
from rootless.runtime.userns.worker import run, spawn_holding, unpacked

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Callable, Iterable
    from typing import Any

    from rootless.store.paths import Paths

    Order = dict[str, Any]
else:
    import _signal


_LONGEST = 1 << 16
"""Bytes of an order."""
_MOST_FDS = 4


class Job:
    """One job under way. `feed` is the pipe for its data, -1 where it takes none."""

    def __init__(self, feed: int, answer: int) -> None:
        self.feed = feed
        self._answer = answer

    def close_feed(self) -> None:
        """Say that there is no more data."""
        if self.feed >= 0:
            os.close(self.feed)
            self.feed = -1

    def result(self) -> Any:
        """Wait and return what the job's function returned, or raise what it raised."""
        with open(self._answer, "rb", buffering=0) as file:
            return unpacked(file.readall(), "an extracting process was killed: memory or disk?")


class Foreman:
    """The child in the user namespace. A context manager; leaving it waits for the child."""

    def __init__(self, paths: Paths, *, holds: bool = False) -> None:
        """`holds` is whether others may enter the namespace as long as the foreman is there."""
        self._socket, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        try:
            number = theirs.fileno()
            self._worker, self._userns = spawn_holding(paths, _serve, number, keep_fds=(number,))
        finally:
            theirs.close()
        self._membership = None
        if holds:
            self._membership = Membership(paths.runtime, identity.detect().mode, self._userns)

    def extract(self, directory: str, *, owners: str, limits: Limits, beside: str) -> Job:
        """Begin to extract the uncompressed tar fed to the job; see `layers.unpack.extract_fd`."""
        reading, feed = os.pipe()
        widen(feed)
        how = {"owners": owners, "beside": beside, "limits": vars(limits)}
        order = {"do": "extract", "directory": directory, **how}
        return Job(feed, self._send(order, reading))

    def remove(self, path: str) -> Job:
        """Begin to remove the tree `path`, whoever owns its files."""
        return Job(-1, self._send({"do": "remove", "directory": path}))

    def compare(self, one: str, other: str) -> Job:
        """Begin to look for the first difference between two trees; see layers.compare."""
        return Job(-1, self._send({"do": "compare", "directory": one, "other": other}))

    def call(self, function: Callable[..., Any], *arguments: Any, fds: Iterable[int] = ()) -> Job:
        """Begin to call a function of a module, before whose arguments come the descriptors `fds`.

        What it returns is a JSON value. The descriptors are closed here.
        """
        import _pickle  # without the Python of `pickle`, which each child would load

        data = os.memfd_create("arguments", os.MFD_CLOEXEC)
        with open(data, "wb", closefd=False) as file:
            _pickle.dump(arguments, file)
        order = {"do": "call", "name": [function.__module__, function.__qualname__]}
        return Job(-1, self._send(order, data, *fds))

    def _send(self, order: Order, *fds: int) -> int:
        answer, theirs = os.pipe()
        try:
            passed = struct.pack(f"{len(fds) + 1}i", theirs, *fds)
            rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, passed)
            self._socket.sendmsg([jsonio.dump_bytes(order)], [rights])
        finally:
            for fd in (theirs, *fds):
                os.close(fd)
        return answer

    def __enter__(self) -> Foreman:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        if self._membership is not None:
            self._membership.leave()
        os.close(self._userns)
        self._worker.result()


def _serve(number: int) -> None:
    """The foreman: fork a child for each order until the engine closes its end."""
    # Control-C is for the engine: it ends its jobs in order and has their trees removed.
    _signal.signal(_signal.SIGINT, _signal.SIG_IGN)
    orders = _socket.socket(fileno=number)
    try:
        while True:
            data, fds = _received(orders)
            if not data:
                break
            pid = os.fork()
            if pid == 0:
                orders.close()
                run(fds[0], _do, jsonio.loads(data), fds[1:])
            for fd in fds:
                os.close(fd)
            _reap(os.WNOHANG)
    finally:
        orders.close()
    _reap(0)


def _received(orders: _socket.socket) -> tuple[bytes, list[int]]:
    """Wait for an order; return it with the descriptors that came along, nothing at the end."""
    room = _socket.CMSG_SPACE(4 * _MOST_FDS)
    data, ancillary, _, _ = orders.recvmsg(_LONGEST, room, _socket.MSG_CMSG_CLOEXEC)
    fds = [fd for _, _, some in ancillary for (fd,) in struct.iter_unpack("i", some)]
    return data, fds


def _reap(options: int) -> None:
    try:
        while os.waitpid(-1, options)[0]:
            pass
    except ChildProcessError:
        pass  # all are reaped


def _called(name: list[str], data: int, fds: list[int]) -> Any:
    """Call what the engine, or a fork of it, has asked for by its own socket."""
    import _pickle
    import sys

    __import__(name[0])
    function = getattr(sys.modules[name[0]], name[1])
    with open(data, "rb") as file:
        file.seek(0)
        arguments = _pickle.load(file)  # nobody else can write to that socket
    return function(*fds, *arguments)


def _do(order: Order, fds: list[int]) -> Any:
    if order["do"] == "call":
        return _called(order["name"], fds[0], fds[1:])
    if order["do"] == "remove":
        from rootless.oci.remove import remove_tree

        remove_tree(order["directory"])
        return None
    if order["do"] == "compare":
        from rootless.oci.layers.compare import difference

        return difference(order["directory"], order["other"])
    limits = Limits(**order["limits"])
    how = {"owners": order["owners"], "beside": order["beside"], "limits": limits}
    return extract_fd(fds[0], order["directory"], **how)
