"""The objects of one kind on the disk: their directories, ids, names and locks.

    <id>/            one object, with its record; the directory itself is its lock (flock)
    .names/<name>    a link whose text is the id: making it claims the name
    .new-<id>        one that is being made; locked by its maker
    .gone-<id>       one that is being removed

An object is there whole or not at all. Whoever is killed leaves something under the last three
names at most; the next listing clears that away, and who wants such a name gets it. The record
decides: a link whose object is called otherwise was left by a rename that broke off. Objects
that are called by their ids, such as volumes, have no links.
"""

from __future__ import annotations

import errno
import os

from rootless.errors import Ambiguous, Error, NotFound, StoreError
from rootless.store import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_FIRST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_REST = _FIRST | frozenset("_.-")
_HEX = frozenset("0123456789abcdef")
_NAMES = ".names"
_IN_THE_WAY = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR)
"""Errors of rename(2) where something else has the place already."""
_ATTEMPTS = 100
"""How often others may be faster, before it is no coincidence."""


class Objects:
    """The objects of one kind in `directory`. Reading takes no lock.

    `noun` is what messages call one of them, `record` the name of the file with its record, which
    has `id`, `name` and `created`. `empty` deletes a tree, and raises OSError or Error where it
    cannot. The hints tell what to do: `absent` where there is no such object, `damaged`, with the
    beginning of the id in the place of {id}, where its record cannot be read.
    """

    def __init__(
        self,
        directory: str,
        noun: str,
        *,
        record: str,
        empty: Callable[[str], None],
        absent: str = "",
        damaged: str = "",
    ) -> None:
        self.directory = directory
        self.names_directory = f"{directory}/{_NAMES}"
        """Holds a link for each name."""
        self.noun = noun
        self._record = record
        self._tree = empty
        self._absent, self._damaged = absent, damaged

    def path(self, id: str) -> str:  # noqa: A002 - the field's own word
        """Return the directory of an object, which may not exist."""
        return f"{self.directory}/{id}"

    # -- finding

    def ids(self, *, sweep: bool = False) -> list[str]:
        """Return all ids, those with damaged records as well.

        With `sweep`, what killed processes left half made or removed goes, and so do names that
        lead nowhere. Raises StoreError where the directory cannot be read.
        """
        try:
            entries = os.listdir(self.directory)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreError(
                f"cannot list the {self.noun}s in {self.directory}: {error.strerror}"
            ) from error
        found = [entry for entry in entries if not entry.startswith(".")]
        if sweep and len(found) < len(entries):
            self._sweep([entry for entry in entries if entry[:1] == "." and entry != _NAMES])
            if len(names := self.names()) > len(found):
                self._free_leavings(names, {*found})
        return found

    def names(self) -> list[str]:
        """Return all names, in order: no record is read."""
        try:
            entries = os.listdir(self.names_directory)
        except OSError:
            return []
        return sorted(name for name in entries if not name.startswith("."))

    def find(self, ref: str) -> Any:
        """Return the record of the object of this name, id, or beginning of an id.

        A whole id wins over a name that looks like it, a name over the beginning of an id. Raises
        NotFound, Ambiguous, or StoreError for a damaged record.
        """
        if is_name(ref):
            if len(ref) == 64 and ref in self.ids():  # whoever has it as a name
                return self.read(ref)
            try:
                id = self.named(ref)  # noqa: A001 - the field's own word
                found = self.read(id) if id else None
                if found and (found.get("name") == ref or not self._is_stale(ref, id)):
                    return found
            except NotFound:
                pass  # it was removed, the name is left
            if set(ref) <= _HEX:
                return self.read(self.full_id(ref))
        raise NotFound(f"no such {self.noun}: {ref}", self._absent)

    def read(self, id: str) -> Any:  # noqa: A002
        """Return the record of the object `id`. Raises NotFound, StoreError for a damaged one."""
        path = f"{self.path(id)}/{self._record}"
        try:
            record = records.read_record(path)
            if record["id"] == id and record["created"] > 0:
                return record
        except FileNotFoundError:
            if not os.path.isdir(self.path(id)):
                raise NotFound(f"no such {self.noun}: {id}") from None
        except (KeyError, TypeError):
            pass  # JSON, but not of ours
        raise StoreError(
            f"damaged record of {self.noun} {id[:12]}: {path}", self._damaged.format(id=id[:12])
        )

    def full_id(self, prefix: str) -> str:
        """Return the id that begins so. Raises NotFound, and Ambiguous where several do."""
        found = [one for one in self.ids() if one.startswith(prefix)]
        if len(found) > 1:
            raise Ambiguous(
                f"{prefix} is the beginning of {len(found)} {self.noun} ids", "give more of it"
            )
        if not found:
            raise NotFound(f"no such {self.noun}: {prefix}", self._absent)
        return found[0]

    def named(self, name: str) -> str:
        """Return the id that the link of a name leads to, whether it exists or not; "" for none."""
        try:
            id = os.readlink(f"{self.names_directory}/{name}")  # noqa: A001
        except (OSError, ValueError):
            return ""
        return id if is_name(id) else ""  # nor does any other text lead out of the directory

    # -- making and removing

    def make(
        self,
        id: str,  # noqa: A002
        record: object,
        *,
        name: str = "",
        fill: Callable[[str], None] | None = None,
        durable: bool = True,
        replace: Callable[[str], None] | None = None,
    ) -> int | None:
        """Make the object `id` with its record and what `fill` puts beside it; return its lock.

        Under `name`, or under its id alone. Return None, and leave nothing, where another one has
        that: `replace` is called with the id of who has the name and is to remove it, if given. It
        is there whole, and also after a power cut if it is `durable`. Raises StoreError.
        """
        # A name's link has to lead to who is at it. Of an id that several may want, each makes his.
        making = f"{self.directory}/.new-{id if name else new_id()}"
        held, made = None, False
        try:
            held = _make_locked(making)
            if fill is not None:
                fill(making)
            records.write_record(making, self._record, record, durable=durable)
            if name and not self.claim(name, id, replace=replace):
                return None
            made = _publish(making, self.path(id))
            if not made:
                return None
            if durable:
                if name:
                    self.sync_names()
                records.sync_directory(self.directory)
            kept, held = held, None
            return kept
        except OSError as error:
            raise StoreError(
                f"cannot make a {self.noun} in {self.directory}: {error.strerror}",
                records.remedy(error),
            ) from error
        finally:
            if not made:
                self._empty(making)
            if held is not None:
                os.close(held)

    def scratch(self) -> tuple[str, int]:
        """Make a hidden directory, for what is to come into an object; return it and its lock.

        A listing removes it once the lock is free. Raises OSError.
        """
        path = f"{self.directory}/.new-{new_id()}"
        return path, _make_locked(path)

    def discard(self, id: str, *, durable: bool = False) -> bool:  # noqa: A002
        """Make an object disappear at once, then delete it. Its name is not given up by that.

        The caller has its lock, where others may use it. Return False where it is gone already.
        With `durable` no power cut brings it back. Raises OSError.
        """
        trash = f"{self.directory}/.gone-{id[:64]}"
        try:
            os.rename(self.path(id), trash)
        except FileNotFoundError:
            return False
        except OSError as error:
            if error.errno not in _IN_THE_WAY:
                raise
            trash = f"{trash}-{new_id()[:12]}"  # one of this id before could not be deleted
            os.rename(self.path(id), trash)
        self._empty(trash)
        if durable:
            records.sync_directory(self.directory)
        return True

    def _sweep(self, entries: list[str]) -> None:
        """Delete those of the hidden `entries` that no living process works on."""
        for entry in entries:
            try:
                held = records.lock(self.path(entry), wait=False)
                if held is None:
                    continue
                try:
                    self._empty(self.path(entry))
                finally:
                    os.close(held)
            except (OSError, Error):
                continue  # somebody was faster, or the store cannot be written: the next one will

    def _empty(self, path: str) -> None:
        """Delete what is at `path`. A link goes, and what it leads to is its user's."""
        try:
            os.unlink(path)
        except FileNotFoundError:
            return
        except OSError:  # a directory, or not to be written: that one says so
            self._tree(path)

    # -- names

    def claim(
        self,
        name: str,
        id: str,  # noqa: A002
        *,
        replace: Callable[[str], None] | None = None,
    ) -> bool:
        """Take `name` for the object `id`; False where another one has it.

        The caller has the lock of `id`, or of what becomes it. `replace` is called with the id of
        who has the name, and is to remove it.
        """
        for _ in range(_ATTEMPTS):
            try:
                os.symlink(id, f"{self.names_directory}/{name}")
            except FileNotFoundError:
                os.makedirs(self.names_directory, 0o700, exist_ok=True)
                continue
            except FileExistsError:
                holder = self.holder(name, id)
                if holder is None:
                    continue
                if holder == id:
                    return True  # of a rename that was killed
                if replace is None:
                    return False
                replace(holder)
                continue
            return True
        return False

    def holder(self, name: str, claimer: str = "") -> str | None:
        """Return the id that has `name`; None, and the name is free, where it left it behind.

        `claimer` is an id whose lock the caller has, if it is there already.
        """
        path = f"{self.names_directory}/{name}"
        try:
            id = os.readlink(path)  # noqa: A001
        except OSError:
            return None
        if not is_name(id):
            self.free(name, id)  # no claim of ours
            return None
        if os.path.isdir(self.path(id)):
            if id == claimer or not self._is_stale(name, id):
                return id
            self.free(name, id)
            return None
        making = f"{self.directory}/.new-{id}"
        try:
            held = records.lock(making, wait=False)
        except OSError:
            held = -1
        if held is None:
            return id  # it is being made just now
        # Its maker or its remover was killed in between.
        if held >= 0:
            os.close(held)
        if os.path.isdir(self.path(id)):
            return id  # it was finished between the two looks
        if held >= 0:
            self._empty(making)
        self.free(name, id)
        return None

    def free(self, name: str, id: str) -> None:  # noqa: A002
        """Give up the name, if it is that of `id`; where it cannot be, it is left for a sweep."""
        path = f"{self.names_directory}/{name}"
        try:
            # Names are given up under this lock only, or the second of two who found the same
            # claim left behind would unlink the one that somebody made after the first.
            held = records.lock(self.names_directory)
        except OSError:
            return
        try:
            if os.readlink(path) == id:
                os.unlink(path)
        except OSError:
            pass  # it is given up already, or the store cannot be written
        finally:
            if held is not None:
                os.close(held)

    def sync_names(self) -> None:
        """Make names durable that were claimed or given up. Raises OSError."""
        records.sync_directory(self.names_directory)

    def _free_leavings(self, names: list[str], ids: set[str]) -> None:
        """Give up those of `names` that lead to none of `ids`, where nobody is at it."""
        for name in names:
            if self.named(name) not in ids:
                self.holder(name)

    def _is_stale(self, name: str, id: str) -> bool:  # noqa: A002
        """Whether the link `name` leads to an object that is not called so.

        One whose lock somebody holds may be about to be called so.
        """
        try:
            held = records.lock(self.path(id), wait=False)
            if held is None:
                return False
            try:
                record = records.read_record(f"{self.path(id)}/{self._record}")
                return bool(record.get("name", name) != name)
            finally:
                os.close(held)
        except (OSError, StoreError):
            return False  # removed meanwhile, or damaged: not for us to say


def is_name(text: str) -> bool:
    """Whether `text` is [a-zA-Z0-9][a-zA-Z0-9_.-]* and fits a file name (as docker and podman)."""
    return text[:1] in _FIRST and len(text) <= 255 and _REST.issuperset(text) and text != ""


def new_id() -> str:
    """Return an id that nobody has: 64 hexadecimal digits."""
    while True:
        id = os.urandom(32).hex()  # noqa: A001
        if not id[:12].isdecimal():  # a short id of digits alone could be taken for a number
            return id


def _make_locked(path: str) -> int:
    """Make the directory `path` and return its lock.

    Between the two, a listing may take it for one whose maker was killed, and sweep it up.
    """
    while True:
        os.mkdir(path, 0o700)
        try:
            held = records.lock(path)
        except FileNotFoundError:
            continue
        assert held is not None  # noqa: S101 - only without waiting
        if os.path.isdir(path):
            return held
        os.close(held)


def _publish(making: str, path: str) -> bool:
    """Give what was made its place; False where that is taken."""
    try:
        os.rename(making, path)
    except OSError as error:
        if error.errno in _IN_THE_WAY:
            return False
        raise
    return True
