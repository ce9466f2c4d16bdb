"""ADD: archives, files of the web and git repositories."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from built import Built, lay
from served import git, git_daemon, web

if TYPE_CHECKING:
    from conftest import Store

pytestmark = pytest.mark.each

COMPRESSIONS = {
    "plain": [],
    "gz": ["gzip", "-c"],
    "bz2": ["bzip2", "-c"],
    "xz": ["xz", "-c"],
    "zst": ["zstd", "-qc"],
}


def archive(*entries: tarfile.TarInfo | tuple[tarfile.TarInfo, bytes]) -> bytes:
    """A tar with these entries."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for one in entries:
            entry, data = one if isinstance(one, tuple) else (one, b"")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return file.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, **fields: object) -> tarfile.TarInfo:
    """An entry of the user 7 and the group 8."""
    made = tarfile.TarInfo(name)
    made.type, made.mode, made.uid, made.gid = kind, 0o640, 7, 8
    for key, value in fields.items():
        setattr(made, key, value)
    return made


USUAL = archive(
    entry("d", tarfile.DIRTYPE, mode=0o751),
    (entry("d/f", mode=0o4755), b"1"),
    entry("d/l", tarfile.SYMTYPE, linkname="f"),
    entry("d/h", tarfile.LNKTYPE, linkname="d/f"),
)


@pytest.mark.parametrize("kind", COMPRESSIONS)
def test_archives_are_told_by_their_content(kind: str, shared: Store, tmp_path: Path) -> None:
    """Its owners are kept, but --chown beats them; with --unpack=false it is a file."""
    data = USUAL
    if words := COMPRESSIONS[kind]:
        data = subprocess.run(words, input=data, capture_output=True, check=True).stdout
    lay(tmp_path, {"misnamed.txt": data, "false.tar.gz": "text", "Dockerfile": (
        "FROM busybox\nADD misnamed.txt false.tar.gz /x/\nADD --chown=3:4 misnamed.txt /y\n"
        "ADD --unpack=false misnamed.txt /z\nCOPY misnamed.txt /c\n"
    )})  # fmt: skip
    shared.ok("build", "-t", "t", str(tmp_path))
    files = Built(shared, "t:latest").files(1)
    assert files["x"] == "directory 755 0:0"
    assert files["x/d"] == "directory 751 7:8"
    assert files["x/d/f"] == "file 4755 7:8 1"
    assert files["x/d/l"] == "link 777 7:8 f"
    assert files["x/d/h"] == "hardlink 4755 7:8 x/d/f"
    assert files["x/false.tar.gz"] == "file 644 0:0 text"
    assert "x/misnamed.txt" not in files
    assert files["y/d"] == "directory 751 3:4"
    assert files["z"].startswith("file 644 0:0")
    assert files["c"] == files["z"]


HOSTILE = {
    "a way up": archive((entry("../../escaped"), b"1")),
    "from the root": archive((entry("/../escaped"), b"1")),
    "through a link": archive(
        entry("l", tarfile.SYMTYPE, linkname="/PLACE"), (entry("l/escaped"), b"1")
    ),
    "a hard link out": archive(
        entry("h", tarfile.LNKTYPE, linkname="/PLACE/target"), (entry("h"), b"escaped")
    ),
}


OVER = {
    "what is on the way only stays as it is": (
        [(entry("tmp/f"), b"1"), (entry("new/f"), b"2")],
        "RUN mkdir -p /tmp && chmod 1777 /tmp\n",
        {"tmp": "directory 1777 0:0", "tmp/f": "file 640 7:8 1"}
        | {"new": "directory 755 0:0", "new/f": "file 640 7:8 2"},
    ),
    "what has an entry gets its mode": (
        [entry("tmp/", tarfile.DIRTYPE, mode=0o700), (entry("tmp/f"), b"1")],
        "RUN mkdir -p /tmp && chmod 1777 /tmp\n",
        {"tmp": "directory 700 7:8", "tmp/f": "file 640 7:8 1"},
    ),
    "links to directories stay": (
        [(entry("l/f"), b"1"), entry("m", tarfile.DIRTYPE), (entry("m/g"), b"2")],
        "RUN mkdir -p -m 711 /usr/r && ln -s usr/r /l && ln -s l /m\n",
        {"usr": "directory 755 0:0", "usr/r": "directory 711 0:0", "usr/r/f": "file 640 7:8 1"}
        | {"usr/r/g": "file 640 7:8 2", "l": "link 777 0:0 usr/r", "m": "link 777 0:0 l"},
    ),
    "a file takes the place of a directory, and the reverse": (
        [(entry("d"), b"1"), entry("f", tarfile.DIRTYPE), (entry("f/g"), b"2")],
        "RUN mkdir -p /d/x && touch /f\n",
        {"d/x": "directory 755 0:0", "d": "file 640 7:8 1", "f": "directory 640 7:8"}
        | {"f/g": "file 640 7:8 2"},
    ),
}


@pytest.mark.parametrize("case", OVER)
def test_archives_over_what_is_there(case: str, shared: Store, tmp_path: Path) -> None:
    """As docker's ADD, but for a link to a directory, which that replaces by a directory."""
    entries, before, wanted = OVER[case]
    text = f"FROM busybox\n{before}ADD a.tar /\n"
    lay(tmp_path, {"a.tar": archive(*entries), "Dockerfile": text})
    shared.ok("build", "-t", "t", str(tmp_path))
    assert Built(shared, "t:latest").files(1) == wanted


def test_names_that_delete_are_refused_in_archives(shared: Store, tmp_path: Path) -> None:
    """There they are files, which in a layer they could not be. As a context they do no harm."""
    data = archive((entry("d/.wh.f"), b""), (entry("d/f"), b"1"))
    lay(tmp_path, {"a.tar": data, "Dockerfile": "FROM busybox\nADD a.tar /x\n"})
    done = shared("build", str(tmp_path))
    assert done.returncode == 1
    assert "'x/d/.wh.f' cannot be in an image" in done.stderr
    context = archive(
        (entry(".wh.f"), b""),
        (entry("f"), b"1"),
        (entry("Dockerfile"), b"FROM busybox\nCOPY f /\n"),
    )
    shared.ok("build", "-t", "t", "-", input=context, text=False)
    assert Built(shared, "t:latest").files(1)["f"] == "file 640 0:0 1"


def test_chown_takes_capabilities_away(shared: Store, tmp_path: Path) -> None:
    """As the kernel has it; where one id exists, too, and chown(2) is only remembered."""
    key = "SCHILY.xattr.security.capability"
    value = "\x01\0\0\x02\0\x20" + "\0" * 14
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in "tu":
            tar.addfile(entry(name, mode=0o755, pax_headers={key: value}))
    text = "FROM busybox\nADD a.tar /\nRUN chown 3:4 /t; chmod 711 /u\n"
    lay(tmp_path, {"a.tar": file.getvalue(), "Dockerfile": text})
    shared.ok("build", "-t", "t", str(tmp_path))
    built = Built(shared, "t:latest")
    found = []
    for layer in built.manifest["layers"][1:]:
        with tarfile.open(built.blobs / layer["digest"].partition(":")[2]) as archive:
            found.append({one.name: key in one.pax_headers for one in archive if one.isfile()})
    assert found == [{"t": True, "u": True}, {"t": False, "u": True}]
    assert built.files(1)["t"] == "file 755 3:4"


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_archives_stay_inside(case: str, shared: Store, tmp_path: Path) -> None:
    """Whether they are refused or not, nothing outside of the image is made or changed."""
    place = tmp_path / "place"
    lay(place, {"target": "mine"})
    name = str(place).encode().ljust(100, b"\0")
    data = bytearray(HOSTILE[case])
    at = data.find(b"/PLACE")
    if at >= 0:
        data[at : at + 100] = (
            (str(place) + ("/target" if "hard" in case else "")).encode().ljust(100, b"\0")
        )
        header = at - at % 512
        data[header + 148 : header + 156] = b" " * 8
        data[header + 148 : header + 156] = b"%06o\0 " % sum(data[header : header + 512])
    assert len(name) == 100
    lay(tmp_path / "c", {"a": bytes(data), "Dockerfile": "FROM busybox\nADD a /x/y/\n"})
    done = shared("build", "-t", "t", str(tmp_path / "c"))
    assert "fault of rootless" not in done.stderr
    assert os.listdir(place) == ["target"]
    assert (place / "target").read_text() == "mine"
    assert not (tmp_path / "escaped").exists()
    scratch = Path(shared.root, "builds/scratch")
    assert not list(scratch.iterdir())


def test_a_damaged_archive_is_named(shared: Store, tmp_path: Path) -> None:
    lay(tmp_path, {"a.tar": USUAL[:700], "Dockerfile": "FROM busybox\nADD a.tar /x/\n"})
    done = shared("build", str(tmp_path))
    assert done.returncode == 1
    assert "a.tar" in done.stderr.splitlines()[-1]


def test_files_of_the_web(busybox: Store, tmp_path: Path) -> None:
    lay(tmp_path / "w", {"d/f.txt": (0o755, "text"), "a.tar": USUAL})
    os.utime(tmp_path / "w/d/f.txt", (1_000_000_000, 1_000_000_000))
    digest = "sha256:" + hashlib.sha256(b"text").hexdigest()
    with web(tmp_path / "w") as served:
        text = (
            f"FROM busybox\nADD {served.url}/d/f.txt?query=1 /x/\n"
            f"ADD --chmod=644 --chown=5 {served.url}/d/f.txt /named\n"
            f"ADD {served.url}/a.tar /a/\nADD --unpack {served.url}/a.tar /u/\n"
            f"ADD --checksum={digest} {served.url}/d/f.txt /checked\n"
            "RUN stat -c %Y /x/f.txt\n"
        )
        lay(tmp_path / "c", {"Dockerfile": text})
        told = busybox("build", "-t", "t", str(tmp_path / "c"))
        assert told.returncode == 0, told.stderr
        assert "1000000000" in told.stderr
        files = Built(busybox, "t:latest").files(1)
        assert files["x/f.txt"] == "file 600 0:0 text"
        assert files["named"] == "file 644 5:5 text"
        assert files["checked"] == "file 600 0:0 text"
        assert files["a/a.tar"].startswith("file 600 0:0")
        assert files["u/d/f"] == "file 4755 7:8 1"
        before = len(served.asked)
        told = busybox("build", "-t", "t", str(tmp_path / "c"))
        assert told.stderr.count("CACHED") == 6
        # What has a checksum need not be asked for.
        assert len(served.asked) - before == 4
        lay(tmp_path / "w", {"d/f.txt": "other"})
        told = busybox("build", "-t", "t", str(tmp_path / "c"))
        assert told.returncode == 1
        assert digest in told.stderr
        assert hashlib.sha256(b"other").hexdigest() in told.stderr
    assert not list(Path(busybox.root, "builds/scratch").iterdir())


REFUSED = {
    "ADD --checksum=sha256:00 URL/f /": "invalid checksum",
    "ADD --checksum=md5:00 URL/f /": "invalid checksum",
    f"ADD --checksum=sha256:{'0' * 64} Dockerfile /": "for one file of the web",
    f"ADD --checksum=sha256:{'0' * 64} URL/f URL/f /x/": "for one file of the web",
    "ADD URL/missing /": "404",
    "ADD ftp://127.0.0.1/f /": "is not there",
    "ADD file:///etc/passwd /": "is not there",
    "ADD URL/repository.git /": "git says",
    "ADD ext::sh.git /": "is not there",
    "ADD https://127.0.0.1:1/x.git#--upload-pack=touch /": "begins with a dash",
    "ADD URL/f URL/f /x": "does not end in a slash",
}


@pytest.mark.parametrize("line", REFUSED)
def test_refused(line: str, shared: Store, tmp_path: Path) -> None:
    lay(tmp_path / "w", {"f": "1"})
    with web(tmp_path / "w") as served:
        text = f"FROM busybox\n{line.replace('URL', served.url)}\n"
        done = shared("build", str(lay(tmp_path / "c", {"Dockerfile": text})))
    assert done.returncode == 1, done.stderr
    assert REFUSED[line] in done.stderr
    assert "fault of rootless" not in done.stderr


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a branch, a tag, a directory, and a link out of it."""
    top = lay(tmp_path / "git/r.git", {"f": "1", "d/x": (0o775, "2"), "l": "->/etc"})
    lay(top, {"d/Dockerfile": "FROM busybox\nCOPY x /\n"})
    git(top, "init", "-q")
    git(top, "add", ".")
    git(top, "commit", "-qm", "one")
    git(top, "tag", "-a", "v1", "-m", "v1")
    git(top, "checkout", "-qb", "other")
    lay(top, {"f": "3"})
    git(top, "commit", "-qam", "two")
    git(top, "checkout", "-q", "main")
    return top


def test_repositories(busybox: Store, tmp_path: Path, repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    with git_daemon(repository.parent) as url:
        lines = (
            f"ADD {url}/r.git /a",
            f"ADD {url}/r.git#other:d /b",
            f"ADD --keep-git-dir=true {url}/r.git#v1 /c/",
            f"ADD --checksum={commit} {url}/r.git#{commit} /d/",
            f"ADD {url}/r.git#{commit[:9]} /e/",
            f"ADD {url}/r.git?branch=other&subdir=. /f/",
        )
        text = "\n".join(["FROM busybox", *lines, ""])
        lay(tmp_path / "c", {"Dockerfile": text})
        busybox.ok("build", "-t", "t", str(tmp_path / "c"))
        files = Built(busybox, "t:latest").files(1)
        told = busybox("build", "-t", "t", str(tmp_path / "c"))
        assert told.stderr.count("CACHED") == len(lines)
    for where, content in zip("acdef", "11113", strict=True):
        assert files[f"{where}/f"] == f"file 644 0:0 {content}"
    assert files["a/d/x"] == "file 755 0:0 2"
    assert files["a/l"] == "link 777 0:0 /etc"
    assert files["b/x"] == "file 755 0:0 2"
    assert "c/.git/HEAD" in files
    assert not any(".git" in path for path in files if path[0] != "c")


WRONG = {
    "r.git#missing": "no branch, tag or commit 'missing'",
    "r.git#main:none": "no directory 'none'",
    "r.git#main:l": "no directory 'l'",
    "none.git": "git says",
    "r.git?what=1": "says 'what'",
}


@pytest.mark.parametrize("name", WRONG)
def test_repositories_that_are_not_as_they_should_be(
    name: str, shared: Store, tmp_path: Path, repository: Path
) -> None:
    with git_daemon(repository.parent) as url:
        lay(tmp_path / "c", {"Dockerfile": f"FROM busybox\nADD {url}/{name} /x/\n"})
        done = shared("build", str(tmp_path / "c"))
    assert done.returncode == 1
    assert WRONG[name] in done.stderr
    assert "fault of rootless" not in done.stderr


def test_without_git_it_is_said(shared: Store, tmp_path: Path) -> None:
    lay(tmp_path, {"Dockerfile": "FROM busybox\nADD git://127.0.0.1:1/r.git /x\n"})
    (tmp_path / "bin").mkdir()
    done = shared("build", str(tmp_path), env={"PATH": str(tmp_path / "bin")})
    assert "needs git, which is not here" in done.stderr
    assert "install git" in done.stderr
