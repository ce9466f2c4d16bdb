"""Reading back what went to the systemd journal, through journalctl(1)."""

from __future__ import annotations

import subprocess
import time

from rootless.errors import Conflict, HostError
from rootless.oci import jsonio
from rootless.runtime.logs.formats import Entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rootless.containers.handle import Handle

_FIELDS = "MESSAGE,PRIORITY,CONTAINER_PARTIAL_MESSAGE"


def read(
    containers: Sequence[Handle], *, follow: bool, tail: int, since: float, until: float
) -> Iterator[tuple[Handle, Entry]]:
    """Yield (container, entry); see Container.logs. Raises Conflict, HostError."""
    if len(containers) > 1:
        names = ", ".join(one.name for one in containers)
        raise Conflict(f"logs in the journal can be read of one container at a time, not {names}")
    (container,) = containers
    command = ["journalctl", "--quiet", "--all", "--output=json", f"--output-fields={_FIELDS}"]
    command += [f"CONTAINER_ID_FULL={container.id}"]
    command += [f"--lines={tail}"] if tail >= 0 else ["--no-tail"]
    command += [f"--since=@{since:.6f}"] if since else []
    command += [f"--until=@{until:.6f}"] if until else []
    command += ["--follow"] if follow and container.state().active else []
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
    except FileNotFoundError:
        raise HostError(
            f"the log of container {container.name} is in the journal, and journalctl is not here"
        ) from None
    assert process.stdout is not None  # noqa: S101 - a pipe was asked for
    try:
        for line in process.stdout:
            yield container, _entry(line)
    finally:
        process.terminate()
        process.wait()


def _entry(line: bytes) -> Entry:
    """Return a message; journalctl shows one that is no text as a list of bytes."""
    found = jsonio.loads(line)
    text = found.get("MESSAGE") or ""
    data = bytes(text) if isinstance(text, list) else text.encode("utf-8", "surrogateescape")
    seconds, micro = divmod(int(found["__REALTIME_TIMESTAMP"]), 1_000_000)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{micro * 1000:09d}"
    end = b"" if found.get("CONTAINER_PARTIAL_MESSAGE") else b"\n"
    return Entry(stamp.encode(), 2 if found.get("PRIORITY") == "3" else 1, data + end)
