"""BuildKit's JSON for programs, to standard error: an object a line (client.SolveStatus)."""

from __future__ import annotations

import base64
import hashlib
import time

from rootless.cli.building.lines import Course, Lines, heading
from rootless.cli.building.output import Streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.build.watching import Step


class Raw(Lines):
    """Steps are vertexes with a digest, output is logs, transfers are statuses."""

    repeats = False
    returns = True

    def __init__(self, streams: Streams | None = None) -> None:
        super().__init__()
        self._streams = streams or Streams()
        self._started: dict[Step, str] = {}
        self._digests: dict[Step, str] = {}

    def _say(self, kind: str, **fields: Any) -> None:
        from rootless.oci.jsonio import dumps

        self._streams.err(dumps({kind: [fields]}))

    def _vertex(self, step: Step, **fields: Any) -> None:
        digest = self._digests[step]
        started = self._started[step]
        self._say("vertexes", digest=digest, name=heading(step), started=started, **fields)

    def opened(self, step: Step, course: Course) -> None:
        """See Lines.opened."""
        text = f"{time.time_ns()} {len(self._digests)} {heading(step)}"
        digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
        self._digests[step], self._started[step] = f"sha256:{digest}", moment()
        if not step.is_silent:
            self._vertex(step)

    def hear(self, step: Step, message: dict[str, Any]) -> None:
        """See Watcher.hear; output goes as it comes, in pieces that need not be lines."""
        super().hear(step, message)
        if message.get("do") == "output":
            data = base64.b64encode(message["data"].encode("latin-1")).decode()
            digest, stream = self._digests[step], int(message["stream"])
            self._say("logs", vertex=digest, stream=stream, data=data, timestamp=moment())

    def moved(self, step: Step, course: Course, key: str) -> None:
        """See Lines.moved."""
        transfer = course.transfers[key]
        fields: dict[str, Any] = {"id": transfer.what, "vertex": self._digests[step]}
        fields |= {"current": transfer.done, "timestamp": moment(), "started": self._started[step]}
        if transfer.total > 0:
            fields["total"] = transfer.total
        if transfer.result:
            fields["completed"] = moment()
        self._say("statuses", **fields)

    def noted(self, step: Step, course: Course, text: str) -> None:
        """See Lines.noted."""
        short = base64.b64encode(text.encode("utf-8", "surrogateescape")).decode()
        self._say("warnings", vertex=self._digests[step], level=1, short=short)

    def named(self, step: Step, course: Course, image: str, names: list[str]) -> None:
        """See Lines.named."""
        from rootless.cli.building.plain import whole

        for text in (f"writing image sha256:{image}", *(f"naming to {whole(n)}" for n in names)):
            digest, now = self._digests[step], moment()
            fields = {"current": 0, "timestamp": now, "started": now, "completed": now}
            self._say("statuses", id=text, vertex=digest, **fields)

    def closed(self, step: Step, course: Course, how: str) -> None:
        """See Lines.closed."""
        further: dict[str, Any] = {"completed": moment()}
        if how == "CACHED":
            further["cached"] = True
        elif how != "DONE":
            further["error"] = how.removeprefix("ERROR: ").lower() if how == "CANCELED" else how[7:]
        if not step.is_silent or "error" in further:
            self._vertex(step, **further)


def moment() -> str:
    """Return the present as Go's JSON has it."""
    seconds, rest = divmod(time.time_ns(), 1_000_000_000)
    return time.strftime(f"%Y-%m-%dT%H:%M:%S.{rest:09d}Z", time.gmtime(seconds))
