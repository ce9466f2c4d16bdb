"""COPY: what comes of its sources, flags and destinations; and what is refused, with its words."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from built import Built, lay

if TYPE_CHECKING:
    from conftest import Store

pytestmark = pytest.mark.each

TREE = {"d/a.txt": "a", "d/b.md": "b", "d/e/a.txt": "c", "top.txt": "t", "top.md": "m"}

CASES: dict[str, tuple[dict[str, Any], str, dict[str, str]]] = {
    # name: files of the context, instructions after FROM busybox, what is new
    "documents": (
        {},
        "ARG A=1\nCOPY <<one <<'two' /x/\n$A \\$A\none\n$A\ntwo\nCOPY <<-EOF /y\n\t\ttab\nEOF\n",
        {
            "x": "directory 755 0:0",
            "x/one": "file 644 0:0 1 $A\\n",
            "x/two": "file 644 0:0 $A\\n",
            "y": "file 644 0:0 tab\\n",
        },
    ),
    "documents beside files": (
        {"f": "1"},
        "COPY --chmod=700 --chown=3 f <<g /x/\ntext\ng\n",
        {
            "x": "directory 755 3:3",
            "x/f": "file 700 3:3 1",
            "x/g": "file 700 3:3 text\\n",
        },
    ),
    "parents": (
        {"p/q/f": "1", "p/r/g": "2", "h": ""},
        "COPY --parents p/*/f p/r /x/\nCOPY --parents p/./r/g ./h /y\n",
        {
            "x": "directory 755 0:0",
            "x/p": "directory 755 0:0",
            "x/p/q": "directory 755 0:0",
            "x/p/q/f": "file 644 0:0 1",
            "x/p/r": "directory 755 0:0",
            "x/p/r/g": "file 644 0:0 2",
            "y": "directory 755 0:0",
            "y/r": "directory 755 0:0",
            "y/r/g": "file 644 0:0 2",
            "y/h": "file 644 0:0",
        },
    ),
    "excludes are anchored at each source": (
        TREE,
        "COPY --exclude=*.txt d /x/\n",
        {
            "x": "directory 755 0:0",
            "x/b.md": "file 644 0:0 b",
            "x/e": "directory 755 0:0",
            "x/e/a.txt": "file 644 0:0 c",
        },
    ),
    "excludes reach files that are named, or fit a pattern": (
        TREE,
        "COPY --exclude=*.txt top* d/a.txt d/b.md /x/\n"
        "COPY --exclude=**/a.txt --exclude=*.md d /y/\n",
        {
            "x": "directory 755 0:0",
            "x/top.md": "file 644 0:0 m",
            "x/b.md": "file 644 0:0 b",
            "y": "directory 755 0:0",
            "y/e": "directory 755 0:0",
        },
    ),
    "with parents excludes are anchored at the context": (
        TREE,
        "COPY --parents --exclude=a.txt --exclude=d/b.md d /x/\n"
        "COPY --parents --exclude=d/e d /y/\n",
        {
            "x": "directory 755 0:0",
            "x/d": "directory 755 0:0",
            "x/d/a.txt": "file 644 0:0 a",
            "x/d/e": "directory 755 0:0",
            "x/d/e/a.txt": "file 644 0:0 c",
            "y": "directory 755 0:0",
            "y/d": "directory 755 0:0",
            "y/d/a.txt": "file 644 0:0 a",
            "y/d/b.md": "file 644 0:0 b",
        },
    ),
    "links of the destination are followed inside the root": (
        {"f": "1"},
        "RUN mkdir /real && ln -s real /l && ln -s ../../nowhere /dangling\n"
        "COPY f /l/\nCOPY f /dangling/\n",
        {
            "real": "directory 755 0:0",
            "l": "link 777 0:0 real",
            "dangling": "link 777 0:0 ../../nowhere",
            "real/f": "file 644 0:0 1",
            "nowhere": "directory 755 0:0",
            "nowhere/f": "file 644 0:0 1",
        },
    ),
    "--link follows none, and nothing is in its way": (
        {"f": "1"},
        "RUN mkdir -m 700 /real && ln -s real /l && mkdir /file\n"
        "COPY --link f /l/\nCOPY --link f /file\nCOPY --link f /real/\n",
        {
            "real": "directory 700 0:0",
            "l": "directory 755 0:0",
            "l/f": "file 644 0:0 1",
            "file": "file 644 0:0 1",
            "real/f": "file 644 0:0 1",
        },
    ),
    "directories go to where links to directories lead": (
        {"s/l/f": "1", "s/l/in/g": "2", "s/new/h": "3"},
        "RUN mkdir -p -m 700 /usr/real && ln -s usr/real /l && ln -s nowhere /n\nCOPY s /\n"
        "COPY --parents s/./l/f /\n",
        {
            "n": "link 777 0:0 nowhere",
            "l": "link 777 0:0 usr/real",
            "usr": "directory 755 0:0",
            "usr/real": "directory 700 0:0",
            "usr/real/f": "file 644 0:0 1",
            "usr/real/in": "directory 755 0:0",
            "usr/real/in/g": "file 644 0:0 2",
            "new": "directory 755 0:0",
            "new/h": "file 644 0:0 3",
        },
    ),
    "a destination that is there keeps its mode, directories below it do not": (
        {"s/in/f": "1"},
        "RUN mkdir -p -m 700 /x && mkdir -m 711 /x/in\nCOPY s /x\n",
        {
            "x": "directory 700 0:0",
            "x/in": "directory 755 0:0",
            "x/in/f": "file 644 0:0 1",
        },
    ),
    "symbolic modes": (
        {"f": (0o640, "1"), "d/x": (0o755, "2"), "d/y": (0o600, "3")},
        "COPY --chmod=u=rwX,go=rX d /d/\nCOPY --chmod=+x f /f\nCOPY --chmod=g=u,o-r,a+s f /g\n",
        {
            "d": "directory 755 0:0",
            "d/x": "file 755 0:0 2",
            "d/y": "file 644 0:0 3",
            "f": "file 751 0:0 1",
            "g": "file 6660 0:0 1",
        },
    ),
    "links of the context": (
        {"real/f": "1", "dir": "->real", "file": "->real/f", "out": "->/etc/passwd",
         "real/inside": "->../file", "abs": "->/real/f"},
        "COPY dir /x\nCOPY file abs /y/\n",
        {
            "x": "directory 755 0:0",
            "x/f": "file 644 0:0 1",
            "x/inside": "link 777 0:0 ../file",
            "y": "directory 755 0:0",
            "y/file": "file 644 0:0 1",
            "y/abs": "file 644 0:0 1",
        },
    ),
    "names of users": (
        {"f": "1"},
        "RUN echo me:x:7:8::/:/bin/sh >> /etc/passwd && echo us:x:9: >> /etc/group\n"
        "COPY --chown=me f /a\nCOPY --chown=me:us f /b\nCOPY --chown=:us f /c\n"
        "COPY --chown=5:6 f /d\n",
        {
            "a": "file 644 7:8 1",
            "b": "file 644 7:9 1",
            "c": "file 644 0:9 1",
            "d": "file 644 5:6 1",
        },
    ),
    "set-id bits come from stages, and from no context": (
        {"f": (0o4755, "1")},
        "COPY f /a\nRUN cp /a /s && chmod 6755 /s\nFROM busybox\nCOPY --from=0 /s /a /\n",
        {"s": "file 6755 0:0 1", "a": "file 755 0:0 1"},
    ),
    "one of several patterns may fit nothing": (
        {"f": "1"},
        "COPY f no*where /x/\n",
        {"x": "directory 755 0:0", "x/f": "file 644 0:0 1"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_image(case: str, shared: Store, tmp_path: Path) -> None:
    files, text, listing = CASES[case]
    lay(tmp_path, {**files, "Dockerfile": f"FROM busybox\n{text}"})
    shared.ok("build", "-t", "t", str(tmp_path))
    found = Built(shared, "t:latest").files(first=1)
    assert {path: told for path, told in found.items() if not path.startswith("etc")} == listing


REFUSED = {
    "COPY a* /x": ("'a*' fits nothing", ""),
    "COPY fil /x": ("'fil' is not there", "did you mean file?"),
    "COPY file d /x": ("does not end in a slash", "/x"),
    "COPY --chown=nobodyhere file /x": ("no user 'nobodyhere'", "number"),
    "COPY --chown=0:nonehere file /x": ("no group 'nonehere'", "number"),
    "COPY --chmod=9 file /x": ("invalid mode '9'", "octal"),
    "COPY --chmod=u+q file /x": ("invalid mode 'u+q'", "octal"),
    "COPY --chmod=77777 file /x": ("invalid mode '77777'", "octal"),
    "COPY hidden.log /x": ("'hidden.log' is not in the context", ".dockerignore line 2: '*.log'"),
    "COPY *.log /x": ("'*.log' fits nothing", ".dockerignore line 2: '*.log'"),
    "COPY out /x": ("'out' is not there", ""),
    "COPY d /etc/passwd": ("/etc/passwd is no directory", "another path"),
    "COPY s /etc/": ("cannot copy a file to /etc/d: a directory is there", "remove it"),
    "COPY r /etc/": ("cannot copy a directory to /etc/passwd: a file is there", "remove it"),
    "COPY dangling /etc/": ("cannot copy a directory to /etc/n: a file is there", "remove it"),
    "COPY socket /x": ("'socket' is a socket, which no image can have", ""),
    "COPY marks /x/": ("names that begin with .wh. delete others there", "rename it"),
    "COPY --from=none /x /x": ("none", ""),
    "COPY [a /x": ("'[a'", ""),
    "COPY deep /x/": ("deep", ""),
}


@pytest.mark.parametrize("line", REFUSED)
def test_refused(line: str, shared: Store, tmp_path: Path) -> None:
    """It says what is wrong, and where it helps what is meant."""
    files: dict[str, Any] = {"file": "1", "d/f": "", "hidden.log": "", "out": "->/etc/hostname"}
    files |= {".dockerignore": "# first\n*.log\n", "s/d": "", "r/passwd/f": "", "marks/.wh.x": ""}
    files |= {"dangling/n/f": ""}
    text = f"FROM busybox\nRUN mkdir -p /etc/d && ln -s nowhere /etc/n\n{line}\n"
    lay(tmp_path, {**files, "Dockerfile": text})
    os.mknod(tmp_path / "socket", 0o600 | stat.S_IFSOCK)
    deep = tmp_path / "deep"
    deep.mkdir()
    if "deep" in line:
        fd = os.open(deep, os.O_RDONLY)
        for _ in range(300):
            os.mkdir("x", dir_fd=fd)
            below = os.open("x", os.O_RDONLY, dir_fd=fd)
            os.close(fd)
            fd = below
        os.close(fd)
    done = shared("build", str(tmp_path))
    assert done.returncode == 1
    message, hint = REFUSED[line]
    assert message in done.stderr
    assert hint in done.stderr
    assert "fault of rootless" not in done.stderr


def test_odd_files(shared: Store, tmp_path: Path) -> None:
    """FIFOs come along, sockets do not, hard links stay; names are bytes, and so are attributes."""
    names = (b"line\nfeed", b"\xff\xfe", "späß".encode(), b"-f", b" ")
    context = tmp_path / "c"
    lay(context, {"Dockerfile": "FROM busybox\nCOPY . /x/\n", "one": "1"})
    (context / ".dockerignore").write_text("Dockerfile\n.dockerignore\n")
    for name in names:
        Path(os.fsdecode(os.fsencode(context) + b"/" + name)).write_text("")
    os.link(context / "one", context / "two")
    os.mkfifo(context / "fifo")
    (context / "secret").write_text("s")
    (context / "secret").chmod(0)
    with socket.socket(socket.AF_UNIX) as listener:
        before = os.getcwd()
        os.chdir(context)
        try:
            listener.bind("socket")
        finally:
            os.chdir(before)
        os.setxattr(context / "one", "user.kept", b"1")
        shared.ok("build", "-t", "t", str(context))
    files = Built(shared, "t:latest").files(1)
    for name in names:
        assert files[os.fsdecode(b"x/" + name)] == "file 644 0:0"
    assert files["x/one"] == "file 644 0:0 1"
    assert files["x/two"] == "hardlink 644 0:0 x/one"
    assert files["x/fifo"] == "fifo 644 0:0"
    assert files["x/secret"] == "file 0 0:0 s"
    assert "x/socket" not in files
    os.setxattr(context / "one", "user.kept", b"2")
    assert "CACHED" not in shared("build", "-t", "t", str(context)).stderr


def test_holes_cost_nothing(shared: Store, tmp_path: Path) -> None:
    """A file of ten gigabytes of nothing is hashed, and laid down, as what is in it."""
    lay(
        tmp_path,
        {"Dockerfile": "FROM busybox\nCOPY big /\nRUN stat -c %s,%b /big && tail -c 1 /big\n"},
    )
    with open(tmp_path / "big", "wb") as file:
        file.seek(10 << 30)
        file.write(b"!")
    done = shared("build", "-t", "t", str(tmp_path), timeout=30)
    assert done.returncode == 0, done.stderr
    assert "10737418241," in done.stderr
    blobs = Built(shared, "t:latest").manifest["layers"]
    assert blobs[1]["size"] < 1 << 20
    shared.ok("build", "-o", f"type=local,dest={tmp_path}/out", str(tmp_path))
    status = (tmp_path / "out/big").stat()
    assert status.st_size == (10 << 30) + 1
    assert status.st_blocks * 512 < 1 << 20
    with open(tmp_path / "out/big", "rb") as file:
        file.seek(10 << 30)
        assert file.read() == b"!"


def test_a_context_that_changes_is_not_kept(busybox: Store, tmp_path: Path) -> None:
    """What one build sees of files that are written meanwhile is whole, or its error says so."""
    lay(tmp_path, {"Dockerfile": "FROM busybox\nCOPY d /d/\n", "d/f": "1" * 1000})
    writer = subprocess.Popen(
        ["sh", "-c", f"while :; do echo 2 >> {tmp_path}/d/f; echo x > {tmp_path}/d/n;"
         f" rm {tmp_path}/d/n; done"]
    )  # fmt: skip
    try:
        for _ in range(3):
            done = busybox("build", "-t", "t", str(tmp_path))
            assert done.returncode == 0 or "while" in done.stderr, done.stderr
    finally:
        writer.kill()
        writer.wait()
    busybox.ok("build", "-t", "t", str(tmp_path))
    text = (tmp_path / "d/f").read_text()
    assert busybox.ok("run", "--rm", "t", "cat", "/d/f") == text.strip()
