"""`volume export` and `import`: what is in a volume as a tar, and from one.

An import is extracted beside the volume, upon a copy of what that has, and takes its place at once
when all of the archive was good. Who is killed leaves the volume as it was, or as it is to be.
"""

from __future__ import annotations

import contextlib
import errno
import os

from rootless.errors import Conflict, Error, StoreError
from rootless.images.trees.comparing import Trees
from rootless.images.trees.ids import Ids
from rootless.linux.rename import exchange
from rootless.oci.descent import OPEN
from rootless.oci.errors import ImageError, LayerError
from rootless.oci.layers.compression import decompress
from rootless.oci.layers.extract import Extractor
from rootless.oci.layers.tar import Limits, Reader
from rootless.oci.layers.unpack import write_all
from rootless.runtime.tree.copying import copy_tree
from rootless.runtime.userns import identity
from rootless.runtime.userns.worker import spawn
from rootless.store import events, records
from rootless.system.volumes.still import own_place, place, running, still
from rootless.teller import QUIET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.engine import Engine
    from rootless.oci.digest import Readable
    from rootless.oci.layers.owners import Truth
    from rootless.store.paths import Paths
    from rootless.teller import Teller
    from rootless.volumes.collection import Volume

_CHUNK = 1 << 20
_BYTES, _ENTRIES = 1 << 60, 1 << 40
"""Of an archive of the user's own: what it may hold is a matter of the disk."""


def export(engine: Engine, name: str, output: str, *, pause: bool = False) -> None:
    """Write what is in a volume as a tar to a file, or to standard output ("-").

    Raises NotFound, Conflict where a running container has it and does not stand still, UsageError
    for a place that cannot be written, StoreError.
    """
    from rootless.images.transfer.saving import opened
    from rootless.images.trees.packing import pack

    with still(engine, name, pause=pause) as volume:
        where = place(volume)
        trees = Trees([where], [])
        trees.is_layer, trees.rooted, trees.literal = False, True, {where}
        who = identity.detect()
        if who.mode == "single":
            trees.recorded = {}  # files tell themselves whose they were to be
        ids = Ids(who, "host", "")
        with opened(output) as fd:
            spawn(engine.paths, pack, fd, trees, True, ids, keep_fds=(fd,)).result()
            if not engine.volumes.exists(name):
                raise StoreError(f"volume {name} was removed meanwhile")


def import_(engine: Engine, name: str, source: str, teller: Teller = QUIET) -> None:
    """Put what is in a tar into a volume, over what is there.

    `source` is a file, a URL, or "-" for standard input; it may be compressed. Raises NotFound,
    Conflict where a running container has the volume, UsageError for what cannot be read,
    LayerError, StoreError; then nothing has changed.
    """
    from rootless.images.transfer.importing import opened

    volumes = engine.volumes
    held = volumes.lock(name)
    try:
        volume = volumes.get(name)
        own_place(volume)
        if found := running(engine, name):
            names = ", ".join(sorted(one.name for one in found))
            raise Conflict(f"cannot change volume {name} while container {names} runs", "stop it")
        with opened(source) as (stream, _):
            try:
                for warning in _import(engine, volume, stream):
                    teller.note(warning)
            except ImageError as error:
                raise error.about("standard input" if source == "-" else source) from None
        events.record(engine.paths.root, events.happened("volume", "import", name, name))
    finally:
        os.close(held)


def _import(engine: Engine, volume: Volume, stream: Readable) -> list[str]:
    volumes = engine.volumes
    try:
        scratch, locked = volumes.scratch()
    except OSError as error:
        raise StoreError(
            f"cannot import into volume {volume.name}: {error.strerror}", records.remedy(error)
        ) from error
    try:
        return _through(engine.paths, volume, scratch, stream)
    finally:
        try:
            volumes.clear(scratch)
        finally:
            os.close(locked)


def _through(paths: Paths, volume: Volume, scratch: str, stream: Readable) -> list[str]:
    """Feed the archive to who extracts it; let him put it into its place when all was good."""
    data, word = os.pipe(), os.pipe()
    try:
        owners = "record" if identity.detect().mode == "single" else "chown"
        where = (volume.directory, scratch)
        keep = (data[0], word[0])
        worker = spawn(paths, _extract, *keep, where, owners, keep_fds=keep)
    except BaseException:
        for fd in (*data, *word):
            os.close(fd)
        raise
    os.close(data[0])
    os.close(word[0])
    try:
        with contextlib.suppress(BrokenPipeError):  # its result says why
            raw = decompress(stream)
            while piece := raw.read(_CHUNK):
                write_all(data[1], piece)
        os.close(data[1])
        data = (-1, -1)
        with contextlib.suppress(BrokenPipeError):
            os.write(word[1], b"+")
        result: list[str] = worker.result()
    except BaseException:
        if data[1] >= 0:
            os.close(data[1])
            os.close(word[1])
            word = (-1, -1)
            with contextlib.suppress(Error):
                worker.result()
        raise
    finally:
        if word[1] >= 0:
            os.close(word[1])
    return result


def _extract(data: int, word: int, where: tuple[str, str], owners: str) -> list[str]:
    """In the user namespace: extract beside the volume, and change places at the word."""
    volume, scratch = where
    what = f"the archive for volume {os.path.basename(volume)}"
    os.umask(0)
    fresh = f"{scratch}/_data"
    os.mkdir(fresh, 0o755)
    root = os.open(fresh, OPEN)
    old = os.open(f"{volume}/_data", OPEN)
    try:
        copy_tree(old, root)
        reader = Reader(data, Limits(bytes=_BYTES, entries=_ENTRIES))
        extractor = Extractor(root, reader, owners=owners, literal=True, upon=True)
        extractor.run()
        if not reader.ended:
            raise LayerError(f"{what} is cut short: it has no mark of its end")
        _give(root, extractor.truths)
        _sync(root)
        if os.read(word, 1) != b"+":
            raise Error(f"{what} has not come to its end")
    finally:
        os.close(root)
        os.close(old)
    os.close(os.open(f"{volume}/filled", os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    try:
        exchange(fresh, f"{volume}/_data")
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS) or os.listdir(f"{volume}/_data"):
            raise StoreError(
                f"cannot put what was imported into {volume}: {error.strerror}",
                "import into a new volume",
            ) from error
        os.rename(fresh, f"{volume}/_data")
    records.sync_directory(volume)
    return extractor.warnings


def _give(root: int, truths: dict[bytes, Truth]) -> None:
    """Give files what a layer's tree keeps from others: nobody else reaches a volume."""
    from rootless.linux.openat2 import RESOLVE_NO_SYMLINKS, openat2
    from rootless.oci.layers import xattrs

    for path, truth in truths.items():
        if truth.mode < 0 and not truth.xattrs:
            continue
        try:
            flags = os.O_RDONLY | os.O_NONBLOCK
            fd = openat2(root, os.fsdecode(path), flags, resolve=RESOLVE_NO_SYMLINKS)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO, errno.ENOENT):
                continue  # a link, which has no mode; a socket
            raise
        try:
            if truth.mode >= 0:
                os.fchmod(fd, truth.mode & ~truth.unfit)
            if truth.xattrs:
                xattrs.set_all(fd, [(os.fsencode(k), v) for k, v in truth.xattrs.items()])
        finally:
            os.close(fd)


def _sync(fd: int) -> None:
    """syncfs(2): the files reach the disk before the name under which they count."""
    from rootless.linux.libc import check, libc

    check(libc.syncfs(fd), "syncfs")
