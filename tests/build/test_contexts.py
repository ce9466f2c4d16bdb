"""Where a context may be: directories, tars, standard input, the web, repositories; and by name."""

from __future__ import annotations

import io
import os
import shutil
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

FILES = {
    "Dockerfile": "FROM busybox\nCOPY . /x/\n",
    "f": "1",
    "no.log": "",
    "open": (0o666, "2"),
    ".dockerignore": "*.log\nDockerfile\n.dockerignore\n",
}
LISTING = {
    "x": "directory 755 0:0",
    "x/f": "file 644 0:0 1",
    "x/open": "file 666 0:0 2",
}


def packed(directory: Path, kind: str = "") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=f"w:{kind}") as tar:  # type: ignore[call-overload]
        tar.add(directory, arcname=".")
    return file.getvalue()


@pytest.mark.parametrize("kind", ["", "gz", "bz2", "xz"])
def test_a_tar(kind: str, shared: Store, tmp_path: Path) -> None:
    """As a file, from standard input, and from the web, by its content."""
    data = packed(lay(tmp_path / "c", FILES), kind)
    lay(tmp_path, {"w/context": data})
    with web(tmp_path / "w") as served:
        for number, words in enumerate(
            ([str(tmp_path / "w/context")], ["-"], [f"{served.url}/context"])
        ):
            done = shared("build", "-t", f"t{number}", *words, input=data, text=False)
            assert done.returncode == 0, done.stderr
            assert Built(shared, f"t{number}:latest").files(1) == LISTING
    assert not list(Path(shared.root, "builds/scratch").iterdir())


def test_a_dockerfile_alone(shared: Store, tmp_path: Path) -> None:
    """From standard input or the web, without any context, or with another's."""
    text = "FROM busybox\nRUN echo 1 > /made\n"
    lay(tmp_path / "w", {"some": text})
    shared.ok("build", "-t", "t", "-", input=text)
    assert "made" in Built(shared, "t:latest").files(1)
    with web(tmp_path / "w") as served:
        shared.ok("build", "-t", "u", f"{served.url}/some")
    assert "made" in Built(shared, "u:latest").files(1)
    lay(tmp_path / "c", FILES)
    shared.ok("build", "-t", "v", "-f", "-", str(tmp_path / "c"), input=FILES["Dockerfile"])
    assert Built(shared, "v:latest").files(1) == LISTING
    done = shared("build", "-", input="FROM busybox\nCOPY f /\n")
    assert "'f' is not there" in done.stderr


def test_dockerfiles_elsewhere(shared: Store, tmp_path: Path) -> None:
    """Outside of the context, excluded by its own ignore file, and beside one of its own."""
    lay(tmp_path / "c", {**FILES, "Dockerfile": "FROM none\n"})
    lay(
        tmp_path / "c", {"in/Other": FILES["Dockerfile"], "in/Other.dockerignore": "*\n!f\n!open\n"}
    )
    lay(tmp_path, {"Outside": FILES["Dockerfile"], "ignored": "*\n!f\n!open\n"})
    shared.ok("build", "-t", "t", "-f", "in/Other", str(tmp_path / "c"))
    assert Built(shared, "t:latest").files(1) == LISTING
    ignored = ["--ignorefile", str(tmp_path / "ignored")]
    shared.ok("build", "-t", "u", *ignored, "-f", str(tmp_path / "Outside"), str(tmp_path / "c"))
    assert Built(shared, "u:latest").files(1) == LISTING
    lay(tmp_path / "c", {".containerignore": "*\n!f\n!open\n"})
    shared.ok("build", "-t", "v", "-f", str(tmp_path / "Outside"), str(tmp_path / "c"))
    assert Built(shared, "v:latest").files(1) == LISTING


def test_a_repository(shared: Store, tmp_path: Path) -> None:
    """With a reference and a directory; links of it lead nowhere."""
    top = lay(tmp_path / "g/r.git", {f"d/{name}": what for name, what in FILES.items()})
    lay(top, {"out/Dockerfile": f"->{tmp_path}/mine"})
    lay(tmp_path, {"mine": "FROM busybox\nCOPY mysecret /\n"})
    git(top, "init", "-q")
    git(top, "add", ".")
    git(top, "commit", "-qm", "one")
    with git_daemon(tmp_path / "g") as url:
        shared.ok("build", "-t", "t", f"{url}/r.git#main:d")
        # git knows of a file whether it can be executed, and no more.
        assert Built(shared, "t:latest").files(1) == {**LISTING, "x/open": "file 644 0:0 2"}
        done = shared("build", f"{url}/r.git#main:out")
    assert done.returncode == 1
    assert "no Dockerfile" in done.stderr
    assert "mysecret" not in done.stderr


def test_named(busybox: Store, tmp_path: Path) -> None:
    """They stand for images and stages of that name, for COPY, FROM and mounts."""
    lay(tmp_path / "dir", {"f": "1", "g.log": "", ".dockerignore": "*.log\n.dockerignore\n"})
    lay(tmp_path / "w", {"c.tar.gz": packed(lay(tmp_path / "other", {"t": "2"}), "gz")})
    top = lay(tmp_path / "git/r.git", {"d/r": "3"})
    git(top, "init", "-q")
    git(top, "add", ".")
    git(top, "commit", "-qm", "one")
    busybox.ok("save", "--format", "oci-dir", "-o", str(tmp_path / "oci"), "busybox")
    lay(tmp_path / "c", {"Dockerfile": (
        "FROM nothing:1 AS base\nFROM base\n"
        "COPY --from=dir / /dir\nCOPY --from=web t /\nCOPY --from=REPO r /\n"
        "RUN --mount=from=dir,target=/m cat /m/f && ls /m\n"
        "COPY --from=layout /bin/busybox /b\nFROM dir AS whole\nCOPY --from=1 /t /t\n"
    )})  # fmt: skip
    with web(tmp_path / "w") as served, git_daemon(tmp_path / "git") as url:
        contexts = {
            "nothing:1": "docker-image://busybox",
            "dir": str(tmp_path / "dir"),
            "web": f"{served.url}/c.tar.gz",
            "repo": f"{url}/r.git#main:d",
            "layout": f"oci-layout://{tmp_path}/oci",
            "unused": f"{served.url}/never",
        }
        words = [f"--build-context={name}={value}" for name, value in contexts.items()]
        busybox.ok("build", "-t", "t", "--target", "1", *words, str(tmp_path / "c"))
        busybox.ok("build", "-t", "whole", *words, str(tmp_path / "c"))
        assert "/never" not in served.asked
    files = Built(busybox, "t:latest").files(1)
    assert files["dir/f"] == "file 644 0:0 1"
    assert "dir/g.log" not in files
    assert files["t"] == "file 644 0:0 2"
    assert files["r"] == "file 644 0:0 3"
    assert "b" in files
    assert Built(busybox, "whole:latest").files() == {
        "f": "file 644 0:0 1",
        "t": "file 644 0:0 2",
    }


REFUSED = {
    ("--build-context=x", "."): "--build-context 'x'",
    ("--build-context=x=", "."): "--build-context 'x='",
    ("--build-context=x=/nowhere", "."): "no directory /nowhere",
    ("--build-context=x=oci-layout:///nowhere:1", "."): "no OCI layout at /nowhere",
    ("--ignorefile=/nowhere", "."): "no file /nowhere",
    ("-f", "-", "-"): "cannot both be standard input",
    ("-f", "none", "."): "no file none",
    ("/nowhere",): "no directory /nowhere",
    ("binary",): "binary is no archive, and no Dockerfile",
    ("empty",): "no Dockerfile",
    ("https://127.0.0.1:1/x.git",): "git says",
}


@pytest.mark.parametrize("words", REFUSED)
def test_refused(words: tuple[str, ...], shared: Store, tmp_path: Path) -> None:
    lay(tmp_path, {"Dockerfile": "FROM busybox\n", "binary": b"\0\1" * 600, "empty": None})
    done = shared("build", *words, cwd=str(tmp_path))
    assert done.returncode != 0
    assert REFUSED[words] in done.stderr
    assert "fault of rootless" not in done.stderr


def test_only_what_is_needed_is_read(shared: Store, tmp_path: Path) -> None:
    """A context of 100,000 files costs no more than those that are copied."""
    lay(tmp_path, {"Dockerfile": "FROM busybox\nCOPY wanted /\n", "wanted": "1"})
    many = tmp_path / "many"
    many.mkdir()
    for name in "abc":
        (many / name).write_text("never read")
        os.utime(many / name, (1, 1))
    shared.ok("build", str(tmp_path))
    assert all(os.stat(many / name).st_atime == 1 for name in "abc")


LISTED = {
    "Dockerfile": (
        "ARG WHERE=d\nFROM scratch AS unused\nCOPY late /\nFROM busybox AS made\nARG WHERE\n"
        "COPY $WHERE /d\nCOPY --exclude=g f? l /\nADD --checksum=x https://a.example/b f1 /\n"
        "COPY <<E /e\nx\nE\nFROM made\nRUN --mount=type=bind,source=m,target=/m true\n"
        "COPY --from=made /d /\n"
    ),
    ".dockerignore": "# no logs\n*.log\nhid\n!hid/not\nd/no\n",
    **dict.fromkeys(("d/yes", "d/no/1", "d/no/2", "d/deep/1", "f1", "f2", "m/1"), "12345"),
    **dict.fromkeys(("late", "a.log", "hid/1", "hid/not"), "1"),
    "l": "->m/1",
}


@pytest.mark.once
def test_what_is_used_is_printed(shared: Store, tmp_path: Path) -> None:
    """What the target takes, by which instruction; and what is hidden, by which line."""
    lay(tmp_path, LISTED)
    rows = [
        line.split(None, 2)
        for line in shared.ok("build", "--print=context", str(tmp_path)).splitlines()
    ]
    assert rows[0] == ["PATH", "SIZE", "WHY"]
    assert {path: (size, why) for path, size, why in rows[1:]} == {
        "d/": ("-", "COPY, line 6"),
        "d/deep/": ("-", "COPY, line 6"),
        "d/deep/1": ("5B", "COPY, line 6"),
        "d/yes": ("5B", "COPY, line 6"),
        "f1": ("5B", "COPY, line 7"),
        "f2": ("5B", "COPY, line 7"),
        "m/1": ("5B", "COPY, line 7"),
        "m/": ("-", "RUN, line 13"),
        "a.log": ("1B", "excluded by .dockerignore line 2: *.log"),
        "hid/1": ("1B", "excluded by .dockerignore line 3: hid"),
        "d/no/": ("-", "excluded by .dockerignore line 5: d/no"),
    }
    words = ("--print=context", "--target=made", "--build-arg=WHERE=late")
    found = shared.ok("build", *words, str(tmp_path))
    assert "late" in found
    assert "d/yes" not in found
    done = shared("build", "--print=context", "--build-arg=WHERE=a.log", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == (
        "COPY, line 6: 'a.log' is not in the context (excluded by .dockerignore line 2: '*.log')\n"
    )


@pytest.mark.once
@pytest.mark.parametrize(
    "line",
    [
        *("COPY secret /", "COPY f secret /x/", "COPY s*t /", "COPY x/../secret /", "COPY link /"),
        *("ADD secret /", "COPY --parents secret /", "COPY --from=other f /"),
        "RUN --mount=type=bind,source=secret,target=/m true",
        "RUN --mount=type=bind,source=link,target=/m true",
        "RUN --mount=type=bind,from=other,source=f,target=/m true",
    ],
)
def test_why_it_is_not_in_the_context(line: str, shared: Store, tmp_path: Path) -> None:
    ignore = "# first\n\nsecret\n"
    lay(tmp_path, {"Dockerfile": f"FROM busybox\n{line}\n", "f": "", "secret": ""})
    lay(tmp_path, {".dockerignore": ignore, "link": "->secret", "o/f": ""})
    lay(tmp_path, {"o/.dockerignore": "# first\n\nf\n"})
    done = shared("build", f"--build-context=other={tmp_path}/o", str(tmp_path))
    assert done.returncode == 1
    assert "in the context (excluded by .dockerignore line 3: " in done.stderr


def test_what_a_killed_build_has_left_goes(busybox: Store, tmp_path: Path) -> None:
    """Its directory has no lock any more, and is removed when the next one is made."""
    data = packed(lay(tmp_path / "c", {"Dockerfile": "FROM busybox\nRUN sleep 1234568\n"}))
    build = subprocess.Popen(
        [*busybox.command, "build", "-"],
        env=busybox.env,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert build.stdin is not None
    assert build.stderr is not None
    build.stdin.write(data)
    build.stdin.close()
    build.stderr.readline()
    scratch = Path(busybox.root, "builds/scratch")
    assert len(list(scratch.iterdir())) == 1
    build.kill()
    build.wait()
    build.stderr.close()
    assert len(list(scratch.iterdir())) == 1
    busybox.ok("build", "-", input="FROM busybox\n")
    assert not list(scratch.iterdir())
    shutil.rmtree(tmp_path / "c")
