"""The corpus of builds: Dockerfiles, each with all that is to come of it. Files of cases:

=== what it is about        then the Dockerfile, and sections that begin with `--- NAME`:
--- context                 PATH [(MODE)] = TEXT   PATH/ [(MODE)]   PATH -> LINK   PATH => SAME FILE
--- options                 words of the command line
--- base                    a Dockerfile that is built before, as the image `base`
--- tree                    what `dockerfile.tree` prints
--- settings                fields of the configuration that are not busybox's own
--- history                 what instructions are called there; `-` for one without a layer
--- files                   what layers bring: PATH: KIND MODE UID:GID CONTENT; or `gone`
--- error                   what the command says where it fails; there is no image then
--- one id                  why another listing comes of it where a user has one id only
--- buildah                 FIELD: why buildah's is another (`all` for a file that it cannot build)
"""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from built import Built

CORPUS = Path(__file__).parent / "corpus"

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

COMMENT = "buildkit.dockerfile.v0"


class Case:
    """One of them."""

    def __init__(self, file: str, text: str) -> None:
        self.about, _, rest = text.partition("\n")
        self.name = f"{file}-{self.about.replace(' ', '-')}"
        parts = re.split(r"^--- ([a-z ]+)\n", rest, flags=re.MULTILINE)
        self.dockerfile = parts[0]
        self.sections = dict(zip(parts[1::2], parts[2::2], strict=True))

    def lines(self, section: str) -> list[str]:
        """The lines of a section."""
        return self.sections.get(section, "").splitlines()

    @property
    def known(self) -> dict[str, str]:
        """In what buildah differs, and why."""
        pairs = (line.partition(": ") for line in self.lines("buildah"))
        return {field: why for field, _, why in pairs}

    @property
    def options(self) -> list[str]:
        """Words of the command line."""
        return self.sections.get("options", "").split()

    def lay(self, directory: Path) -> Path:
        """Write the context."""
        (directory / "Dockerfile").write_text(self.dockerfile)
        for line in self.lines("context"):
            _lay(directory, line)
        return directory


def cases(file: str) -> list[Case]:
    """Return the cases of a file."""
    text = (CORPUS / f"{file}.txt").read_text()
    return [Case(file, one) for one in re.split(r"^=== ", text, flags=re.MULTILINE)[1:]]


def every() -> list[Case]:
    """Return all of them."""
    return [case for file in sorted(CORPUS.glob("*.txt")) for case in cases(file.stem)]


_LINE = re.compile(r"(?P<path>.*?)(?: \((?P<mode>\d+)\))?(?: (?P<how>=|->|=>) ?(?P<what>.*))?$")


def _lay(directory: Path, line: str) -> None:
    found = _LINE.match(line)
    assert found is not None, line
    path = directory / found["path"].replace("\\t", "\t")
    path.parent.mkdir(parents=True, exist_ok=True)
    what = (found["what"] or "").replace("\\n", "\n").replace("\\t", "\t")
    if found["how"] == "->":
        path.symlink_to(what)
        return
    if found["how"] == "=>":
        os.link(directory / what, path)
        return
    if found["how"] is None:
        path.mkdir(exist_ok=True)
    elif what in ("TAR", "TGZ"):
        path.write_bytes(_archive(compressed=what == "TGZ"))
    else:
        path.write_text(what)
    path.chmod(int(found["mode"] or ("755" if found["how"] is None else "644"), 8))


def _archive(*, compressed: bool) -> bytes:
    """A file and a directory of somebody's, as a tar."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, kind, content in (("d", tarfile.DIRTYPE, b""), ("d/in", tarfile.REGTYPE, b"tar")):
            entry = tarfile.TarInfo(name)
            entry.type, entry.size, entry.mode = kind, len(content), 0o750
            entry.uid, entry.gid = 11, 12
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(data.getvalue(), mtime=0) if compressed else data.getvalue()


def settings(image: Built, *, scratch: bool) -> list[str]:
    """The lines of what an image's configuration has besides busybox's."""
    found: dict[str, Any] = {**image.settings}
    if not scratch and found.pop("Cmd", None) != ["sh"]:
        found["Cmd"] = image.settings.get("Cmd")
    if found.get("Env", [""])[0] == PATH:
        found["Env"] = found["Env"][1:]
    if author := image.config.get("author"):
        found["author"] = author
    kept = {key: value for key, value in found.items() if value not in ([], {})}
    return [f"{key}: {json.dumps(kept[key], ensure_ascii=False)}" for key in sorted(kept)]


def history(image: Built, first: int) -> list[str]:
    """The lines of the history from an entry on."""
    found = []
    for entry in image.config["history"][first:]:
        assert entry["comment"] == COMMENT
        assert entry["created"]
        text = entry["created_by"].replace("\n", "\\n")
        found.append(f"- {text}" if entry.get("empty_layer") else text)
    return found


def _drop(found: dict[str, str], start: str) -> None:
    for path in [path for path in found if path.startswith(start)]:
        del found[path]


def files(image: Built, first: int) -> list[str]:
    """The lines of all that layers bring, from one on, sorted."""
    found: dict[str, str] = {}
    for layer in image.layers(first):
        marked = {path for path in layer if path.rpartition("/")[2].startswith(".wh.")}
        for path, what in layer.items():
            above, _, name = path.rpartition("/")
            if name == ".wh..wh..opq":
                _drop(found, f"{above}/")
            elif path in marked:
                gone = f"{above}/{name[4:]}".lstrip("/")
                _drop(found, f"{gone}/")
                if found.pop(gone, None) is None:
                    found[gone] = "gone"
            elif not what.startswith("directory"):
                _drop(found, f"{path}/")
        found.update((path, what) for path, what in layer.items() if path not in marked)
    lines = (f"{path!r}: {what}" for path, what in sorted(found.items()))
    return [line[1:].replace("':", ":", 1) for line in lines]
