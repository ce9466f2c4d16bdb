"""What is in an image of a store: its configuration, and its files as its layers' archives tell."""

from __future__ import annotations

import hashlib
import json
import stat
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conftest import Store


class Built:
    """An image as it lies in the layout."""

    def __init__(self, store: Store, name: str) -> None:
        self.blobs = Path(store.root, "images/blobs/sha256")
        index = json.loads(Path(store.root, "images/index.json").read_text())
        key = "org.opencontainers.image.ref.name"
        names = (name, f"localhost/{name}", f"docker.io/library/{name}")
        (entry,) = [
            one for one in index["manifests"] if one.get("annotations", {}).get(key) in names
        ]
        self.manifest = self._document(entry["digest"])
        self.config = self._document(self.manifest["config"]["digest"])
        self.settings: dict[str, Any] = self.config["config"]

    def _document(self, digest: str) -> dict[str, Any]:
        data: dict[str, Any] = json.loads((self.blobs / digest.partition(":")[2]).read_text())
        return data

    def layers(self, first: int = 0) -> list[dict[str, str]]:
        """The entries of each layer from `first` on: path -> what it is."""
        found = []
        for layer in self.manifest["layers"][first:]:
            with tarfile.open(self.blobs / layer["digest"].partition(":")[2]) as archive:
                found.append({entry.name: _told(archive, entry) for entry in archive})
        return found

    def files(self, first: int = 0) -> dict[str, str]:
        """What there is in all of these layers together."""
        found: dict[str, str] = {}
        for layer in self.layers(first):
            for path, told in layer.items():
                above, _, name = path.rpartition("/")
                if name.startswith(".wh."):
                    gone = f"{above}/{name[4:]}".lstrip("/")
                    found = {
                        one: what
                        for one, what in found.items()
                        if one != gone and not one.startswith(f"{gone}/")
                    }
                else:
                    found[path] = told
        return found


def _told(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> str:
    """`file 644 0:0 CONTENT`; long contents by the beginning of their digest."""
    kinds = {tarfile.DIRTYPE: "directory", tarfile.SYMTYPE: "link", tarfile.FIFOTYPE: "fifo"}
    kind = kinds.get(entry.type, "hardlink" if entry.islnk() else "file")
    what = entry.linkname
    if entry.isreg():
        file = archive.extractfile(entry)
        data = file.read() if file else b""
        what = repr(data.decode("latin-1"))[1:-1]
        if len(data) > 60:
            what = hashlib.sha256(data).hexdigest()[:12]
    return f"{kind} {stat.S_IMODE(entry.mode):o} {entry.uid}:{entry.gid} {what}".rstrip()


def lay(directory: Path, files: dict[str, Any]) -> Path:
    """Write files: path -> text, or bytes, or (mode, text), or None for a directory, or a link.

    A link is a text that begins with `->`.
    """
    for path, content in files.items():
        place = directory / path
        place.parent.mkdir(parents=True, exist_ok=True)
        mode = 0o644
        if isinstance(content, tuple):
            mode, content = content
        if content is None:
            place.mkdir(exist_ok=True)
        elif isinstance(content, str) and content.startswith("->"):
            place.symlink_to(content[2:])
        else:
            place.write_bytes(content if isinstance(content, bytes) else content.encode())
            place.chmod(mode)
    return directory
