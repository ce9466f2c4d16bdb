"""`rootless build`, end to end: each case is a Dockerfile, and what its image says and holds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from built import Built, lay

if TYPE_CHECKING:
    from conftest import Store

pytestmark = pytest.mark.each

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

CASES: dict[str, tuple[dict[str, Any], str, dict[str, Any], dict[str, str]]] = {
    # name: files of the context, Dockerfile, what the config says, what is new
    "settings alone make no layer": (
        {},
        'FROM busybox\nENV A=1 B="two words"\nLABEL l=x\nEXPOSE 80 7000-7001/udp\nUSER 5:6\n'
        'VOLUME /v\nSTOPSIGNAL SIGINT\nCMD ["x", "y"]\nENTRYPOINT run $A\n',
        {
            "Env": [f"PATH={PATH}", "A=1", "B=two words"],
            "Labels": {"l": "x"},
            "ExposedPorts": {"80/tcp": {}, "7000/udp": {}, "7001/udp": {}},
            "User": "5:6",
            "Volumes": {"/v": {}},
            "StopSignal": "SIGINT",
            "Cmd": ["x", "y"],
            "Entrypoint": ["/bin/sh", "-c", "run $A"],
        },
        {},
    ),
    "an entry point drops the inherited command": (
        {},
        'FROM busybox\nENTRYPOINT ["e"]\n',
        {"Entrypoint": ["e"], "Cmd": None},
        {},
    ),
    "run": (
        {},
        "FROM busybox\nRUN echo hi > /made && mkdir -m 700 /d && rm -r /tmp || true\n",
        {},
        {"made": "file 644 0:0 hi\\n", "d": "directory 700 0:0"},
    ),
    "copies": (
        {"a": "1", "d/b": (0o755, "2"), "d/e": None, "d/l": "->b", "skipped": ""},
        "FROM busybox\nCOPY a /x/\nCOPY a /y\nCOPY d /z\nCOPY --chown=7:8 --chmod=600 a /own/\n",
        {},
        {
            "x": "directory 755 0:0",
            "x/a": "file 644 0:0 1",
            "y": "file 644 0:0 1",
            "z": "directory 755 0:0",
            "z/b": "file 755 0:0 2",
            "z/e": "directory 755 0:0",
            "z/l": "link 777 0:0 b",
            "own": "directory 755 7:8",
            "own/a": "file 600 7:8 1",
        },
    ),
    "what is ignored is not there": (
        {".dockerignore": "*\n!keep*\nkeep2\n", "keep1": "1", "keep2": "2", "other": "3"},
        "FROM busybox\nCOPY . /c/\n",
        {},
        {"c": "directory 755 0:0", "c/keep1": "file 644 0:0 1"},
    ),
    "patterns": (
        {"a1": "", "a2": "", "b1": "", "d/a3": ""},
        "FROM busybox\nCOPY a* [b]? /p/\n",
        {},
        {
            "p": "directory 755 0:0",
            "p/a1": "file 644 0:0",
            "p/a2": "file 644 0:0",
            "p/b1": "file 644 0:0",
        },
    ),
    "a working directory is its user's": (
        {"f": ""},
        "FROM busybox\nUSER 1000\nWORKDIR /w\nWORKDIR in\nCOPY f .\nRUN pwd > /tmp/p; id -u\n",
        {"WorkingDir": "/w/in"},
        {
            "w": "directory 755 1000:1000",
            "w/in": "directory 755 1000:1000",
            "w/in/f": "file 644 0:0",
            "tmp": "directory 1777 0:0",
            "tmp/p": "file 644 1000:1000 /w/in\\n",
        },
    ),
    "heredocs": (
        {},
        "FROM busybox\nRUN <<EOF\necho $((1 + 1)) > /a\nfalse\necho b >> /a\nEOF\n"
        "RUN <<X cat > /d\ntext $HOME\nX\nRUN <<EOF\n#!/bin/cat\nas it is\nEOF\n",
        {},
        {"a": "file 644 0:0 2\\nb\\n", "d": "file 644 0:0 text /root\\n"},
    ),
    "stages": (
        {"f": "1"},
        "ARG BASE=busybox\nFROM $BASE AS one\nRUN echo made > /m\n"
        "FROM scratch AS unused\nCOPY no /\n"
        "FROM one AS two\nARG X=5\nRUN echo $X > /x\nFROM busybox\nCOPY --from=two /m /x /o/\n",
        {},
        {
            "o": "directory 755 0:0",
            "o/m": "file 644 0:0 made\\n",
            "o/x": "file 644 0:0 5\\n",
        },
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_image(case: str, shared: Store, tmp_path: Path) -> None:
    files, dockerfile, settings, listing = CASES[case]
    lay(tmp_path, {**files, "Dockerfile": dockerfile})
    shared.ok("build", "-t", "t", str(tmp_path))
    image = Built(shared, "t:latest")
    for key, value in settings.items():
        assert image.settings.get(key) == value, key
    assert image.files(first=1) == listing


MOUNTS = (
    "FROM busybox AS made\nRUN mkdir /m && echo 1 > /m/f\nFROM busybox\n"
    "RUN --mount=type=bind,target=/c cat /c/a /c/d/b; ls /c; echo no > /c/x || echo locked\n"
    "RUN --mount=type=bind,target=/c,rw echo yes > /c/x && cat /c/x\n"
    "RUN --mount=from=made,source=/m,target=/o cat /o/f\n"
    "RUN --mount=type=cache,target=/k echo more >> /k/n; wc -l < /k/n\n"
    "RUN --mount=type=tmpfs,target=/t echo 1 > /t/x && stat -f -c %T /t\n"
    "RUN --mount=type=secret,id=s cat /run/secrets/s; stat -c %a:%u /run/secrets/s\n"
    "RUN --mount=type=secret,id=s,env=S echo v=$S\n"
)


def test_mounts(busybox: Store, tmp_path: Path) -> None:
    """They are there for their command, and nothing of them is in a layer or stays behind."""
    files = {"a": "A", "d/b": "B", "d/hidden": "", ".dockerignore": "d/hidden\n"}
    lay(tmp_path, {**files, "Dockerfile": MOUNTS})
    (tmp_path / "value").write_text("secretvalue")
    secret = f"id=s,src={tmp_path}/value"
    done = busybox("build", "-t", "t", "--secret", secret, str(tmp_path))
    assert done.returncode == 0, done.stderr
    said = [line.split(" ", 2)[-1] for line in done.stderr.splitlines()]
    for wanted in ("AB", "locked", "yes", "1", "tmpfs", "secretvalue400:0", "v=secretvalue"):
        assert any(wanted in line for line in said), (wanted, done.stderr)
    assert not any("hidden" in line for line in said)
    image = Built(busybox, "t:latest")
    assert image.files(1) == {}
    assert "secretvalue" not in json.dumps(image.config)
    assert not (tmp_path / "x").exists()
    again = busybox("build", "--no-cache", "--secret", secret, str(tmp_path))
    assert any(line.endswith(" 2") for line in again.stderr.splitlines())
    assert (
        "secretvalue"
        not in subprocess.run(
            ["grep", "-r", "secretvalue", busybox.root, busybox.runtime],
            capture_output=True,
            text=True,
        ).stdout
    )


def test_what_is_cached_is_not_done_again(busybox: Store, tmp_path: Path) -> None:
    """Nothing but content counts: not times, nor what comes after or is commented."""
    lay(tmp_path, {"f": "1", "Dockerfile": "FROM busybox\nCOPY f /\nRUN cat /f\nCMD x\n"})
    first = busybox.ok("build", "-q", str(tmp_path))
    os.utime(tmp_path / "f", (1, 1))
    assert busybox.ok("build", "-q", str(tmp_path)) == first
    lay(tmp_path, {"Dockerfile": "# c\nFROM busybox\nLABEL a=b\nCOPY f /\nRUN cat /f\nCMD y\n"})
    told = busybox("build", str(tmp_path)).stderr
    assert told.count("CACHED") == 2
    lay(tmp_path, {"f": "2"})
    told = busybox("build", str(tmp_path)).stderr
    assert "CACHED" not in told
    assert " 2" in told


def test_without_the_cache_all_is_done_again(busybox: Store, tmp_path: Path) -> None:
    text = "FROM busybox\nWORKDIR /w\nCOPY f .\nRUN cat f\n"
    lay(tmp_path, {"f": "1", "Dockerfile": text})
    busybox.ok("build", str(tmp_path))
    told = busybox("build", "--no-cache", str(tmp_path)).stderr
    assert "CACHED" not in told


def test_a_cached_layer_outlives_its_images(busybox: Store, tmp_path: Path) -> None:
    lay(tmp_path, {"Dockerfile": "FROM busybox\nRUN echo 1 > /f\nRUN echo 2 > /g\n"})
    busybox.ok("build", "-t", "t", str(tmp_path))
    busybox.ok("rmi", "t")
    busybox.ok("image", "prune", "--force", "--all", "--filter", "label=none")
    assert busybox("build", "-t", "t", str(tmp_path)).stderr.count("CACHED") == 2
    assert busybox.ok("run", "--rm", "t", "cat", "/f", "/g") == "1\n2"


def test_a_failed_step_ends_the_build(busybox: Store, tmp_path: Path) -> None:
    lay(tmp_path, {"Dockerfile": "FROM busybox\nRUN echo told; exit 7\nRUN echo never\n"})
    done = busybox("build", "-t", "t", str(tmp_path))
    assert done.returncode == 1
    assert "told" in done.stderr
    assert "never" not in done.stderr.replace("RUN echo never", "")
    assert "exit code: 7" in done.stderr
    assert busybox.ok("images", "-q", "t") == ""


def test_a_mistake_is_shown_in_its_line(busybox: Store, tmp_path: Path) -> None:
    lay(tmp_path, {"Dockerfile": "FROM busybox\nCOPPY a b\n"})
    done = busybox("build", str(tmp_path))
    assert done.returncode == 1
    assert "COPPY a b" in done.stderr
    assert "^" in done.stderr
    assert "Dockerfile:2" in done.stderr
    assert "COPY" in done.stderr.splitlines()[-1]


def test_owners_of_a_run_are_in_the_image(
    busybox: Store, tmp_path: Path, in_user_mode: str
) -> None:
    """Also where there is one id only: what was asked for is remembered."""
    text = (
        "FROM busybox\nRUN mkdir -p /d/e && touch /d/f && ln -s f /d/l && chown -R 33:44 /d && "
        "chown -h 5:6 /d/l && chown 7:44 /d/f && cp -a /d /copy && echo 1 > /h1 && ln /h1 /h2 && "
        "chown 8:9 /h2 && chmod 4755 /h1\n"
        "RUN echo more >> /d/f && chown 33:9 /d/e && cp -p /d/f /kept\n"
    )
    lay(tmp_path, {"Dockerfile": text})
    busybox.ok("build", "-t", "t", str(tmp_path))
    first, second = Built(busybox, "t:latest").layers(1)
    assert first["d"] == first["d/e"] == "directory 755 33:44"
    assert first["d/f"] == "file 644 7:44"
    assert first["d/l"] == "link 777 5:6 f"
    assert first["h1"] == "file 4755 8:9 1\\n"
    assert first["h2"] == "hardlink 4755 8:9 h1"
    assert second["d/f"] == "file 644 7:44 more\\n"
    assert second["d/e"] == "directory 755 33:9"
    if in_user_mode != "single":  # a program that reads owners and sets them sees root's there
        assert first["copy/f"] == "file 644 7:44"
        assert second["kept"] == "file 644 7:44 more\\n"


@pytest.mark.parametrize("wait", [0.1, 0.4, 0.8])
def test_killed_in_the_middle_it_leaves_nothing(
    wait: float, busybox: Store, tmp_path: Path
) -> None:
    """Its children and its containers end with it, and the next build is right."""
    lay(tmp_path, {"f": "1", "Dockerfile": "FROM busybox\nCOPY f /\nRUN sleep 1234567\n"})
    build = busybox.start("build", str(tmp_path))
    time.sleep(wait)
    build.send_signal(signal.SIGKILL)
    build.communicate(timeout=60)
    deadline = time.monotonic() + 60
    while any(_runs(pid) for pid in os.listdir("/proc") if pid.isdigit()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    lay(tmp_path, {"Dockerfile": "FROM busybox\nCOPY f /\nRUN cat /f > /g\n"})
    busybox.ok("build", "-t", "t", str(tmp_path))
    assert Built(busybox, "t:latest").files(1)["g"] == "file 644 0:0 1"


def _runs(pid: str) -> bool:
    """Whether it is our sleep, by its command line and its user."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return words[:2] == [b"sleep", b"1234567"] and os.stat(f"/proc/{pid}").st_uid == os.getuid()
    except OSError:
        return False


def test_the_id_is_written_where_it_is_wanted(busybox: Store, tmp_path: Path) -> None:
    lay(tmp_path, {"Dockerfile": "FROM busybox\nARG A\nENV B=$A\n"})
    file = str(tmp_path / "id")
    given = busybox.ok("build", "-q", "--build-arg", "A=v", "--iidfile", file, str(tmp_path))
    assert Path(file).read_text() == given
    shown = json.loads(busybox.ok("inspect", given))
    assert "B=v" in shown[0]["Config"]["Env"]
