"""One layer from a stream to a complete directory, and the stream's way there.

Two processes share the work. The reading side (`feed`) undoes the compression of the blob and
hashes the result, the diff id, in threads of the caller, and writes the raw tar to a pipe. The
writing side (`extract_fd`) runs in a process of its own, as root of the user namespace where
there is one, and makes the tree. No more of a layer than a few mebibytes is ever in memory.

A layer's directory, `layers/<chain id>/` once complete:

    fs/          the tree, in the form that `layers.extract` describes; its mode is the archive's
    layer.json   {"version": 1, "owners": "chown" | "record", "whiteouts": "device" | "file",
                  "entries": N, "bytes": of the uncompressed archive,
                  "withheld": how many files and directories are in withheld/fs,
                  "warnings": [the first hundred], "warned": how many there were}
    withheld/    only where there is something that others must not reach: see `layers.withheld`. A
                 layer without that number in layer.json has it in fs: an earlier release made it
    owners       only where something could not be written as it is: see `layers.owners`
    data         only where files leave their content in another store: see `layers.datalayer`

`extract_fd` fills a directory with a temporary name, under a lock that its caller holds. The
caller renames it once the digests are verified. Nothing is synced: what a power failure may have
left of a layer is for its caller to tell, since it has the blob to unpack it again. Leavings of a
dead process are told by their free lock; they hold files of subordinate ids, so they are removed
inside the namespace, with `oci.remove.remove_tree`.
"""

from __future__ import annotations

import os

from rootless.oci import jsonio
from rootless.oci.digest import CHUNK, ThreadedHasher
from rootless.oci.layers import owners as side_file
from rootless.oci.layers.compression import decompress
from rootless.oci.layers.datalayer import LINK, DataLayer
from rootless.oci.layers.extract import Extractor
from rootless.oci.layers.tar import Limits, Reader
from rootless.oci.layers.withheld import stop_inheritance

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.oci.digest import Digest, Readable
    from rootless.oci.layers.tar import ReadableInto

RECORD = "layer.json"
VERSION = 1


def extract_fd(
    source: int | ReadableInto,
    directory: str,
    *,
    owners: str,
    limits: Limits | None = None,
    beside: str = "",
    directories: set[bytes] | None = None,
) -> dict[str, Any]:
    """Extract the uncompressed tar from descriptor `source` into the existing, empty `directory`.

    Return the content of its layer.json. `owners` is `chown` or `record` (see `layers.extract`).
    `beside`: the tree of the same layer in another store, for overlay to find the content there.
    `directories` is for an archive that is no layer, where names that begin with .wh. are files':
    those that it has entries for are put there.
    The umask is changed meanwhile, so other threads must not make files. Raises LayerError, which
    names the entry; what was written until then is the caller's to remove.
    """
    path = f"{directory}/fs"
    before = os.umask(0)
    try:
        os.mkdir(path, 0o755)
        root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            stop_inheritance(root, 0o755)
            reader = Reader(source, limits)
            data = DataLayer(beside) if beside else None
            literal = directories is not None
            extractor = Extractor(root, reader, owners=owners, data=data, literal=literal)
            extractor.run()
            if directories is not None:
                directories |= extractor.directories
            if data is not None and data.used:
                os.symlink(data.layers, f"{directory}/{LINK}")
            second = extractor.make_second(root, directory)
            record = _record(reader, extractor, owners) | {"withheld": second}
            os.umask(0o077)
            side_file.write(directory, extractor.truths)
            with open(f"{directory}/{RECORD}", "wb") as file:
                file.write(jsonio.dump_bytes(record))
                os.fchmod(file.fileno(), 0o644)
        finally:
            os.close(root)
    finally:
        os.umask(before)
    return record


def _record(reader: Reader, extractor: Extractor, owners: str) -> dict[str, Any]:
    return {
        "version": VERSION,
        "owners": owners,
        "whiteouts": extractor.whiteouts,
        "entries": reader.entries,
        "bytes": reader.bytes,
        "warnings": extractor.warnings,
        "warned": extractor.warned,
    }


def feed(blob: int | Readable, pipe: int, *, name: str = "layer") -> Digest:
    """Write the uncompressed content of `blob` to `pipe`; return its digest, the diff id.

    Hashing runs in a thread of its own. The pipe stays the caller's to close. Raises ImageError
    for a damaged blob, BrokenPipeError when the extracting side gave up, and what `blob` raises
    (a Verifier at its end: then the extracted tree must not be used).
    """
    stream = decompress(blob, name=name)
    hasher = ThreadedHasher()
    try:
        while data := stream.read(CHUNK):
            hasher.update(data)
            write_all(pipe, data)
        return hasher.digest
    finally:
        hasher.close()


def write_all(pipe: int, data: bytes) -> None:
    """Write `data` however often the pipe takes only a part."""
    view = memoryview(data)
    while view:
        view = view[os.write(pipe, view) :]


def widen(pipe: int) -> None:
    """Give a pipe the size of the reader's buffer, so that the two sides alternate less often."""
    import fcntl

    try:
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 1 << 20)
    except OSError:
        pass  # above fs.pipe-max-size, or the user's share is used up: slower, no worse
