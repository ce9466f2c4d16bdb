"""A built stage on its way to its outputs; each is the work of one child."""

from __future__ import annotations

from rootless.build.output import files
from rootless.build.output.wishes import ARCHIVES
from rootless.build.steps.telling import Telling
from rootless.errors import UsageError
from rootless.images.transfer.access import Access
from rootless.images.transfer.wish import CopyWish, Wish
from rootless.oci import reference
from rootless.runtime.userns.worker import call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from rootless.build.crew import Line
    from rootless.build.output.wishes import Output
    from rootless.build.place import Site
    from rootless.images.collection import Images

    Document = dict[str, Any]


def write_files(
    _line: Line, paths: Site, layers: list[str], output: Output, epoch: int | None
) -> dict[str, str]:
    """Write the files of layers alone. Raises UsageError, StoreError."""
    write = files.write_tar if output.kind == "tar" else files.write_directory
    write(paths, layers, output.place, epoch)
    return {}


def subjects(_line: Line, paths: Site, layers: list[str], added: list[str]) -> list[Document]:
    """Return the files of layers with their digests, as statements name them.

    Raises UsageError where one of those that are `added` is there already.
    """
    found: list[Document] = call(paths, files.hashed, layers)
    for one in found:
        if one["name"] in added:
            raise UsageError(
                f"the image has a file /{one['name']}, where an attestation is to be written",
                "attestation-prefix=NAME gives attestations other names",
            )
    return found


class Sent:
    """What goes, how registries are spoken with, and under which names."""

    def __init__(
        self,
        images: Images,
        ref: str,
        names: list[str],
        access: Access | Callable[[], Access] | None,
    ) -> None:
        """`ref` is the id of the image, or the digest of what it is in."""
        self.images = images
        self.ref = ref
        self.names = names
        self.access = access


def send(line: Line, _paths: Site, sent: Sent, output: Output) -> dict[str, str]:
    """Write an archive, or push; return the digest that each name has in its registry.

    Raises what saving and pushing raise.
    """
    if output.place:
        _archive(line, sent, output)
    if not output.push:
        return {}
    access = sent.access() if callable(sent.access) else sent.access
    compression = "" if output.compression == "uncompressed" else output.compression
    wish = Wish("v2s2" if output.docker else "", compression, output.level)
    found = {}
    for name in sent.names:
        full = reference.name_to_give(name)
        pushed = sent.images.push(full, access=access, wish=wish, teller=Telling(line))
        found[full] = pushed.digest
    return found


def _archive(line: Line, sent: Sent, output: Output) -> None:
    images, told = sent.images, Telling(line)
    names = [reference.name_to_give(name) for name in sent.names] or [sent.ref]
    form = ARCHIVES[output.kind]
    if output.compression in ("gzip", "zstd"):
        wish = CopyWish(compression=output.compression, level=output.level)
        tag = f":{names[0].rpartition(':')[2]}" if sent.names else ""
        target = f"oci:{output.place}{tag}" if output.unpacked else f"{form}:{output.place}{tag}"
        both = (Access(), Access())
        wish.everything = images.look(names[0]).attested is not None
        images.copy(f"containers-storage:{names[0]}", target, wish, access=both, teller=told)
        return
    if output.unpacked:
        form = form.replace("-archive", "-dir")
    plain = output.compression == "uncompressed"
    images.save(names, output.place, format=form, uncompressed=plain, teller=told)
