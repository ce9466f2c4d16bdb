"""Looking through the files of an image for the packages that it has.

In the user namespace, in a child of its own; no link leads out of the image. Of a damaged database
one warning is told, and the rest is listed.
"""

from __future__ import annotations

import os
import stat

from rootless.build.attesting import databases, rpm
from rootless.build.attesting.packages import MOST, Package, System
from rootless.build.files.layered import LayersTree
from rootless.build.files.trees import resolve, walk
from rootless.build.steps.telling import Telling
from rootless.oci.remove import remove_tree
from rootless.runtime.userns.worker import call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from rootless.build.crew import Line
    from rootless.build.files.trees import Node
    from rootless.build.place import Site
    from rootless.images.trees.stack import Stack

    Reader = Callable[[str, str, System], Iterator[Package]]
    Document = dict[str, Any]

_DPKG = "var/lib/dpkg/status"
_APK = ("lib/apk/db/installed", "usr/lib/apk/db/installed")
_RPM = ("usr/lib/sysimage/rpm", "var/lib/rpm", "usr/share/rpm")
_RPM_OLD = ("Packages", "Packages.db")
"""Berkeley DB's, and ndb's of some SUSE."""

_LARGEST = 64 << 20
"""Bytes of a database that is text; status of a Debian with everything has 60 MiB."""

_LARGEST_RPM = 512 << 20
_HEAD = 64 << 10
"""Bytes of a file about one package that are read."""

_MOST_FILES = 2_000_000
"""Files and directories that are looked at."""


def scan(line: Line, paths: Site, stack: Stack, scratch: str) -> Document:
    """Return the packages of an image, in order, as `found` reads them.

    `scratch` is an empty directory. Raises StoreError.
    """
    answer: Document = call(paths, _scan, paths.lowers(stack), scratch)
    teller = Telling(line)
    for text in answer.pop("warnings"):
        teller.warning(text)
    return answer


def found(answer: Document) -> tuple[list[Package], System]:
    """Return what a child has found."""
    packages = []
    for values in answer["packages"]:
        package = Package(*(str(value) for value in values[:4]))
        package.purl, package.licenses, package.supplier = values[4:]
        packages.append(package)
    return packages, System(*answer["system"])


def _scan(lowers: list[str], scratch: str) -> Document:
    if not lowers:
        return {"packages": [], "system": ["", ""], "warnings": []}
    scanning = _Scanning(lowers, scratch)
    try:
        packages = scanning.run()
    finally:
        scanning.close()
    rows = [
        [one.kind, one.name, one.version, one.place, one.purl, one.licenses, one.supplier]
        for one in packages
    ]
    system = [scanning.system.id, scanning.system.version]
    return {"packages": rows, "system": system, "warnings": scanning.warnings}


class _Scanning:
    """One image being looked through."""

    def __init__(self, lowers: list[str], scratch: str) -> None:
        self._tree = LayersTree(lowers)
        self._scratch = scratch
        self.system = System()
        self.warnings: list[str] = []
        self._found: dict[tuple[str, str], Package] = {}

    def close(self) -> None:
        """Close what is open."""
        self._tree.close()

    def run(self) -> list[Package]:
        """Return all packages, each once, in order."""
        for path in ("etc/os-release", "usr/lib/os-release"):
            if text := self._text(path, _HEAD):
                known = databases.release(text)
                self.system = System(known.get("ID", ""), known.get("VERSION_ID", ""))
                break
        self._dpkg()
        for path in _APK:
            self._take(databases.apk(self._text(path), path, self.system))
        for directory in _RPM:
            self._rpm(directory)
        self._python()
        return sorted(self._found.values(), key=lambda one: one.order)

    def _take(self, packages: Iterable[Package]) -> None:
        for one in packages:
            if len(self._found) >= MOST:
                self._warn(f"it has more than {MOST} packages, of which others are left out")
                return
            self._found.setdefault((one.purl, one.place if one.kind == "pypi" else ""), one)

    def _warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(f"sbom: {text}")

    # -- databases

    def _dpkg(self) -> None:
        places = [_DPKG]
        above = "var/lib/dpkg/status.d"  # of images without dpkg
        places += [f"{above}/{name}" for name in self._names(above) if "." not in name]
        for path in places[:MOST]:
            text = self._text(path)
            for one in databases.dpkg(text, path, self.system):
                place = f"usr/share/doc/{one.name}/copyright"
                if "/" not in one.name:
                    one.licenses = databases.copyright_of(self._text(place, 4 * _HEAD))
                self._take([one])
            if text and "Package:" not in text:
                self._warn(f"/{path} has no packages in it")

    def _rpm(self, directory: str) -> None:
        path = f"{directory}/rpmdb.sqlite"
        node = self._look(path)
        if node is None:
            for name in _RPM_OLD:
                if self._look(f"{directory}/{name}") is not None:
                    self._warn(
                        f"/{directory}/{name} is an rpm database of an old form, "
                        "which is not read: 'rpmdb --rebuilddb' of an rpm of today makes a new one"
                    )
            return
        copied = f"{self._scratch}/rpm"
        os.makedirs(copied, exist_ok=True)
        place = f"{copied}/rpmdb.sqlite"
        try:
            for end in ("", "-wal"):
                self._copy(f"{path}{end}", f"{place}{end}")
            headers = rpm.rows(place)
            read = (rpm.package(blob, path, self.system) for blob in headers)
            self._take(one for one in read if one is not None)
        except (rpm.Unreadable, OSError) as error:
            self._warn(f"/{path} cannot be read as an rpm database: {error}")
        finally:
            remove_tree(copied)

    def _python(self) -> None:
        top = self._tree.look("")
        count = 0
        for node in walk(self._tree, top) if top else ():
            count += 1
            if count > _MOST_FILES:
                self._warn(f"it has more than {_MOST_FILES} files; the others are not looked at")
                return
            name = node.path.rpartition("/")[2]
            if node.is_directory and name.endswith(".dist-info"):
                place = f"{node.path}/METADATA"
            elif name.endswith(".egg-info"):
                place = f"{node.path}/PKG-INFO" if node.is_directory else node.path
            elif node.is_directory and name == "EGG-INFO":
                place = f"{node.path}/PKG-INFO"
            else:
                continue
            text = self._text(place, _HEAD, whole=False)
            self._take(databases.python(text, place))

    # -- files

    def _look(self, path: str) -> Node | None:
        """Return a file, wherever in the image a link leads; None for none."""
        try:
            node = self._tree.look(resolve(self._tree, path))
        except OSError:
            return None
        if node is None or not stat.S_ISREG(node.status.st_mode):
            return None
        return None if node.truth is not None and node.truth.kind else node

    def _names(self, path: str) -> list[str]:
        try:
            return self._tree.names(resolve(self._tree, path))
        except OSError:
            return []

    def _text(self, path: str, most: int = _LARGEST, *, whole: bool = True) -> str:
        """Return what is in a file, "" for none; of one that is longer nothing, or its head."""
        node = self._look(path)
        if node is None:
            return ""
        if whole and node.status.st_size > most:
            if most == _LARGEST:
                self._warn(f"/{path} has more than {most >> 20} MiB, and is not read")
            return ""
        try:
            with open(self._tree.open(node), "rb") as file:
                return file.read(most).decode("utf-8", "replace")
        except OSError as error:
            self._warn(f"cannot read /{path}: {error.strerror}")
            return ""

    def _copy(self, path: str, target: str) -> None:
        """Copy a file out of the image, where it is there. Raises OSError."""
        node = self._look(path)
        if node is None:
            return
        left = _LARGEST_RPM
        with open(self._tree.open(node), "rb") as source, open(target, "xb") as file:
            while left > 0 and (data := source.read(min(1 << 20, left))):
                file.write(data)
                left -= len(data)
