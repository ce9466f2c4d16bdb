"""The side file `owners` of a layer: what the tree on disk could not be given.

With one uid only, everything unpacked belongs to the user, and with many what belongs to none of
them belongs to root; devices are empty files wherever the kernel refuses them. push, save and
commit read the true values here.

The file is JSON lines in UTF-8, sorted by path as bytes, one for each path that differs:

    ["etc/shadow",0,42]
    ["dev/null",0,0,{"mode":438,"type":"c","device":[1,3]}]
    ["usr/bin/ping",0,0,{"xattrs":{"security.capability":"AQAAAgAgAAAAAAAAAAAAAAAAAAA="}}]

- path: relative to the layer's root, which is "."; bytes that are no UTF-8 as Python's
  surrogateescape has them, written as `\\udcXX`;
- uid, gid: the archive's, always;
- mode: permission bits, only where those in `fs` had to differ, as set-id bits of files must;
- unfit: those of the set-id bits in `mode` whose owner is another on the disk: no copy of the tree
  has them;
- type: `c` or `b` with device [major, minor]: on disk it is an empty file;
- xattrs: name to base64, those that the file system or the kernel refused, and capabilities.

A path that has no line is as it is on disk, and belongs to 0:0 where the layer was unpacked with
one uid (`"owners":"record"` in layer.json). Of a file with several names every name has its line.
"""

from __future__ import annotations

import os

from rootless.oci import jsonio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

FILE = "owners"


class Truth:
    """What an entry really is, where the disk says otherwise."""

    __slots__ = ("device", "gid", "kind", "mode", "uid", "unfit", "xattrs")

    def __init__(self, uid: int, gid: int, mode: int = -1) -> None:
        self.uid = uid
        self.gid = gid
        self.mode = mode
        """Permission bits, or -1 where those on disk are right."""
        self.unfit = 0
        """Set-id bits of `mode` that would give away the rights of whom the disk names instead."""
        self.kind = ""
        """`c` or `b` for a device that is an empty file on disk."""
        self.device = (0, 0)
        self.xattrs: dict[str, bytes] | None = None


def write(directory: str, truths: dict[bytes, Truth]) -> None:
    """Write the side file of the layer at `directory`, nothing where there is nothing to tell."""
    if not truths:
        return
    with open(f"{directory}/{FILE}", "w", encoding="utf-8") as file:
        file.writelines(_line(path, truths[path]) for path in sorted(truths))
        file.flush()
        os.fsync(file.fileno())


def read(directory: str) -> Iterator[tuple[str, Truth]]:
    """The lines of a layer's side file in their order; none where there is no file.

    Raises ValueError for a damaged file.
    """
    try:
        file = open(f"{directory}/{FILE}", encoding="utf-8")
    except FileNotFoundError:
        return
    with file:
        for line in file:
            yield _parse(line)


def _line(path: bytes, truth: Truth) -> str:
    import json

    value: list[Any] = [os.fsdecode(path), truth.uid, truth.gid]
    more: dict[str, Any] = {}
    if truth.mode >= 0:
        more["mode"] = truth.mode
    if truth.unfit:
        more["unfit"] = truth.unfit
    if truth.kind:
        more |= {"type": truth.kind, "device": truth.device}
    if truth.xattrs:
        import base64

        more["xattrs"] = {
            name: base64.b64encode(data).decode("ascii") for name, data in truth.xattrs.items()
        }
    if more:
        value.append(more)
    # ASCII only, so that lone surrogates survive.
    return json.dumps(value, separators=(",", ":")) + "\n"


def _parse(line: str) -> tuple[str, Truth]:
    values = jsonio.loads(line)
    if not isinstance(values, list) or len(values) not in (3, 4):
        raise ValueError(f"{FILE}: a damaged line: {line[:100]!r}")
    more = values[3] if len(values) == 4 else {}
    truth = Truth(int(values[1]), int(values[2]), more.get("mode", -1))
    truth.unfit = more.get("unfit", 0)
    truth.kind = more.get("type", "")
    truth.device = tuple(more.get("device", (0, 0)))
    if "xattrs" in more:
        import base64

        truth.xattrs = {name: base64.b64decode(text) for name, text in more["xattrs"].items()}
    return str(values[0]), truth
