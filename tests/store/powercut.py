"""A disk that forgets: what strace saw of the writes below a directory, played up to any moment.

Nothing is durable that was not synced: the data of a file by fsync or fdatasync of it, the names
in a directory by fsync of the directory, all by syncfs. What was not may be lost, or be there in
part: names up to some moment, in the order in which they changed (a journal), and of the data a
beginning, or zeros (delayed allocation).
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

CALLS = (
    "open,openat,openat2,creat,write,pwrite64,writev,rename,renameat,renameat2,link,linkat,unlink,"
    "unlinkat,rmdir,mkdir,mkdirat,symlink,symlinkat,ftruncate,truncate,fallocate,fsync,fdatasync,"
    "syncfs,sync,copy_file_range,sendfile"
)
STRACE = ["strace", "-f", "-y", "-x", "-qq", "-s", "20000000", "-e", f"trace={CALLS}"]

_LINE = re.compile(r"\d+ +(\w+)\((.*)\) += (\d+)(?:<(.*)>)?$", re.DOTALL)
_ARGUMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|\w+<([^>]*)>|([^,\s]+)')


class Call(NamedTuple):
    """One system call that has succeeded."""

    name: str
    strings: list[bytes]
    places: list[str]
    """What its descriptor arguments are open on."""
    words: list[str]
    """All other arguments."""
    result: int
    opened: str


def calls(trace: Path) -> Iterator[Call]:
    """Yield what strace has written down, in the order in which the calls ended."""
    begun: dict[str, str] = {}
    for line in trace.read_text(encoding="ascii").splitlines():
        pid, _, rest = line.partition(" ")
        if rest.endswith("<unfinished ...>"):
            begun[pid] = line.removesuffix("<unfinished ...>")
            continue
        if resumed := re.match(r" *<\.\.\. \w+ resumed>(.*)", rest):
            line = begun.pop(pid) + resumed[1]
        match = _LINE.match(line)
        if match is None:
            assert "--- " in line or "+++ " in line or re.search(r" = (-1 |\?)", line), line[-200:]
            continue
        strings, places, words = [], [], []
        for text, place, word in _ARGUMENT.findall(match[2]):
            if place:
                places.append(place)
            elif word:
                words.append(word)
            else:
                strings.append(text.encode().decode("unicode_escape").encode("latin-1"))
        yield Call(match[1], strings, places, words, int(match[3]), match[4] or "")


class Node:
    """A directory (`names`), a link (`target`) or a file (`data`), now and on the disk."""

    def __init__(self, *, directory: bool = False, target: str = "") -> None:
        self.directory = directory
        self.target = target
        self.data = bytearray()
        self.kept_data = b""
        self.names: dict[str, Node] = {}
        self.kept_names: dict[str, Node] = {}
        self.changes: list[tuple[int, str, Node | None]] = []
        """What happened to the names since the last sync: moment, name, what it means now."""

    def sync(self) -> None:
        """All of it is on the disk."""
        self.kept_data = bytes(self.data)
        self.kept_names = dict(self.names)
        self.changes.clear()


class Disk:
    """The tree below `base`, which is there and empty at first."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.root = Node(directory=True)
        self.moment = 0

    def apply(self, call: Call) -> bool:
        """Do what the call did; return whether it was one that makes something durable."""
        self.moment += 1
        if not (call.strings or call.places or call.opened):
            return False  # by a launcher, which nobody may look into: all it does is in a container
        try:
            handler = getattr(self, f"_{call.name}", None)
            if handler is None:
                raise AssertionError(f"a call that nobody expects here: {call}")
            return bool(handler(call))
        except KeyError:
            return False  # in another mount namespace: this tree has no such place

    # -- paths

    def _paths(self, call: Call) -> list[str]:
        """Return the absolute paths that the call names, of the whole machine."""
        found, places = [], list(call.places)
        relative = call.name.endswith(("at", "at2"))
        for text in call.strings if call.name not in ("write", "pwrite64") else []:
            place = places.pop(0) if relative and places else ""
            found.append(os.path.normpath(os.path.join(place, text.decode("utf-8", "replace"))))
        return found

    def _ours(self, path: str) -> str:
        """Raises KeyError for what lies elsewhere, or in a mounted container."""
        if not path.startswith(f"{self.base}/") or "/rootfs/" in path or "/root/file" in path:
            raise KeyError(path)
        return path[len(self.base) + 1 :]

    def _node(self, path: str) -> Node:
        if path == self.base:
            return self.root
        node = self.root
        for part in self._ours(path).split("/"):
            node = node.names[part]
        return node

    def _set(self, path: str, node: Node | None) -> None:
        parent, name = self._node(os.path.dirname(path)), os.path.basename(path)
        self._ours(path)
        if node is None:
            del parent.names[name]
        else:
            parent.names[name] = node
        parent.changes.append((self.moment, name, node))

    # -- calls that change names

    def _openat(self, call: Call) -> None:
        flags = call.words[0] + call.words[-1]
        if "O_TMPFILE" in flags:
            raise AssertionError("O_TMPFILE is not played")
        path = call.opened
        try:
            node = self._node(path)
        except KeyError:
            if "O_CREAT" not in flags:
                raise
            node = Node()
            self._set(path, node)
        if "O_TRUNC" in flags:
            node.data.clear()

    _open = _creat = _openat2 = _openat

    def _mkdirat(self, call: Call) -> None:
        self._set(self._paths(call)[0], Node(directory=True))

    _mkdir = _mkdirat

    def _symlink(self, call: Call) -> None:
        target, path = call.strings[0].decode(), call.strings[1].decode()
        place = call.places[0] if call.places else ""
        self._set(os.path.normpath(os.path.join(place, path)), Node(target=target))

    _symlinkat = _symlink

    def _renameat(self, call: Call) -> None:
        source, target = self._paths(call)
        node = self._node(source)
        exchange = "RENAME_EXCHANGE" in call.words
        other = self._node(target) if exchange else None
        self._set(target, node)
        self._set(source, other)

    _rename = _renameat2 = _renameat

    def _linkat(self, call: Call) -> None:
        source, target = self._paths(call)
        self._set(target, self._node(source))

    _link = _linkat

    def _unlinkat(self, call: Call) -> None:
        self._set(self._paths(call)[0], None)

    _unlink = _rmdir = _unlinkat

    # -- calls that change data

    def _write(self, call: Call) -> None:
        self._node(call.places[0]).data += call.strings[0][: call.result]

    def _pwrite64(self, call: Call) -> None:
        data, offset = self._node(call.places[0]).data, int(call.words[-1])
        data.extend(bytes(max(0, offset - len(data))))
        data[offset : offset + call.result] = call.strings[0][: call.result]

    def _writev(self, call: Call) -> None:
        self._node(call.places[0]).data += b"".join(call.strings)[: call.result]

    def _ftruncate(self, call: Call) -> None:
        data, size = self._node(call.places[0]).data, int(call.words[-1])
        del data[size:]
        data.extend(bytes(size - len(data)))

    def _fallocate(self, call: Call) -> None:
        data, end = self._node(call.places[0]).data, int(call.words[-2]) + int(call.words[-1])
        if "FALLOC_FL" not in call.words[0]:
            data.extend(bytes(max(0, end - len(data))))

    def _unplayed(self, call: Call) -> None:
        if any(place.startswith(self.base) for place in call.places[-1:]):
            raise AssertionError(f"{call.name} into the store is not played")

    _sendfile = _copy_file_range = _truncate = _unplayed

    # -- calls that make durable

    def _fsync(self, call: Call) -> bool:
        self._node(call.places[0]).sync()
        return True

    _fdatasync = _fsync

    def _syncfs(self, _call: Call) -> bool:
        waiting = [self.root]
        while waiting:
            node = waiting.pop()
            node.sync()
            waiting.extend(node.names.values())
        return True

    _sync = _syncfs

    # -- after the cut

    def write_out(self, target: str, dice: random.Random | None) -> None:
        """Make below `target` what is left: nothing unsynced, or with `dice` any part of it.

        The files speak of `target` then, and of another boot than this one.
        """
        boot = Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()
        until = dice.randint(0, self.moment) if dice else 0
        waiting = [(self.root, target)]
        while waiting:
            node, path = waiting.pop()
            if node.target:
                os.symlink(node.target.replace(boot.decode(), boot[::-1].decode()), path)
            elif node.directory:
                os.mkdir(path, 0o700)
                names: dict[str, Node | None] = {**node.kept_names}
                names.update((name, to) for when, name, to in node.changes if when <= until)
                waiting += [(to, f"{path}/{name}") for name, to in names.items() if to is not None]
            else:
                with open(path, "wb") as file:
                    data = _torn(node, dice).replace(boot, boot[::-1])
                    file.write(data.replace(self.base.encode(), target.encode()))
                os.chmod(path, 0o755)  # whatever it was: a layer's programs shall run

    def read_back(self, path: str) -> dict[str, object]:
        """Return {path: data, target or None for a directory} of all that is there now."""
        found: dict[str, object] = {}
        waiting = [(self._node(path), path)]
        while waiting:
            node, at = waiting.pop()
            found[at] = None if node.directory else node.target or bytes(node.data)
            waiting += [(to, f"{at}/{name}") for name, to in node.names.items()]
        return found


def _torn(node: Node, dice: random.Random | None) -> bytes:
    if dice is None or node.kept_data == node.data:
        return node.kept_data
    kept = len(node.kept_data) if node.data.startswith(node.kept_data) else 0
    until = dice.randint(kept, len(node.data))
    if dice.random() < 0.3:
        return bytes(node.data[:kept]) + bytes(until - kept)
    return bytes(node.data[:until])
