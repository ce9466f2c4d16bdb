"""How a build is told of, how it fails, and how it is ended."""

from __future__ import annotations

import base64
import json
import os
import pty
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from built import lay

if TYPE_CHECKING:
    from conftest import Store

PODMAN = {"ROOTLESS_DIALECT": "podman"}

TWO_STAGES = (
    "FROM busybox AS one\nARG X=1\n"
    "RUN echo from one; printf '1%%\\r50%%\\r100%%\\n'; echo -n rest\n"
    "FROM busybox\nENV A=1\nCOPY --from=one /etc/passwd /p\nRUN echo wrong >&2; : \\\n  x\n"
)


def _steady(text: str) -> str:
    """What is told, without times and digests."""
    text = re.sub(r"sha256:[0-9a-f]{64}", "sha256:X", text)
    text = re.sub(r"(?m)^(#\d+) \d+\.\d{3} ", r"\1 T ", text)
    return re.sub(r"DONE \d+\.\ds", "DONE T", re.sub(r"\b[0-9a-f]{11,64}\b", "ID", text))


PLAIN = """\
#1 [one 1/2] FROM localhost/busybox:latest@sha256:X
#1 DONE T

#2 [one 2/2] RUN echo from one; printf '1%%\\r50%%\\r100%%\\n'; echo -n rest
#2 T from one
#2 T 100%
#2 T rest
#2 DONE T

#3 [stage-1 1/3] FROM localhost/busybox:latest@sha256:X
#3 DONE T

#4 [stage-1 2/3] COPY --from=one /etc/passwd /p
#4 DONE T

#5 [stage-1 3/3] RUN echo wrong >&2; :   x
#5 T wrong
#5 DONE T

#6 exporting to image
#6 exporting layers done
#6 writing image sha256:X done
#6 naming to docker.io/library/t:1 done
#6 naming to quay.io/a/b:latest done
#6 DONE T
"""

STEPS = """\
[1/2] STEP 1/3: FROM busybox AS one
[1/2] STEP 2/3: ARG X=1
--> ID
[1/2] STEP 3/3: RUN echo from one; printf '1%%\\r50%%\\r100%%\\n'; echo -n rest
from one
100%
rest
--> ID
[2/2] STEP 1/4: FROM busybox
[2/2] STEP 2/4: ENV A=1
--> ID
[2/2] STEP 3/4: COPY --from=one /etc/passwd /p
--> ID
[2/2] STEP 4/4: RUN echo wrong >&2; :   x
[2/2] COMMIT t:1
--> ID
Successfully tagged localhost/t:1
Successfully tagged quay.io/a/b:latest
ID
"""


def _steps(told: str) -> dict[str, list[str]]:
    """The lines of each step; who was silent for long, and speaks again, says again who it is."""
    found: dict[str, list[str]] = {}
    for line in filter(None, told.splitlines()):
        number, _, text = line.partition(" ")
        lines = found.setdefault(number, [])
        if text != "..." and not (lines and text == lines[0]):
            lines.append(text)
    return found


def test_plain(busybox: Store, tmp_path: Path) -> None:
    """BuildKit's lines, one step after the other; stages begin when there is a job for them."""
    lay(tmp_path, {"Dockerfile": TWO_STAGES})
    line = ("build", "-t", "t:1", "-t", "quay.io/a/b", str(tmp_path))
    done = busybox(*line)
    assert (done.returncode, done.stdout) == (0, "")
    assert _steps(_steady(done.stderr)) == _steps(PLAIN)
    again = _steady(busybox(*line).stderr)
    assert [one for one in again.splitlines() if "CACHED" in one] == [
        f"#{number} CACHED" for number in (2, 4, 5)
    ]
    assert " T " not in again


def test_steps(busybox: Store, tmp_path: Path) -> None:
    """buildah's lines, to standard output, stage after stage; the id is the last."""
    lay(tmp_path, {"Dockerfile": TWO_STAGES})
    line = ("build", "-t", "t:1", "-t", "quay.io/a/b", str(tmp_path))
    done = busybox(*line, env=PODMAN)
    assert (_steady(done.stdout), done.stderr) == (STEPS, "wrong\n")
    assert done.stdout.splitlines()[-1] == busybox.ok("images", "-q", "--no-trunc", "t:1")[7:]
    again = busybox(*line, env=PODMAN).stdout.splitlines()
    assert sum(one.startswith("--> Using cache ") for one in again) == 3


@pytest.mark.parametrize("dialect", ["docker", "podman"])
def test_tabs_are_tabs_and_all_else_that_moves_is_text(
    dialect: str, busybox: Store, tmp_path: Path
) -> None:
    lay(tmp_path, {"Dockerfile": r"FROM busybox" "\n" r"RUN printf 'a\tb\001c\n'" "\n"})
    done = busybox("build", str(tmp_path), env={"ROOTLESS_DIALECT": dialect})
    assert "a\tb\\x01c\n" in done.stdout + done.stderr


def test_quiet(busybox: Store, tmp_path: Path) -> None:
    lay(tmp_path, {"Dockerfile": "FROM busybox\nRUN echo told\n"})
    done = busybox("build", "-q", str(tmp_path))
    assert re.fullmatch(r"sha256:[0-9a-f]{64}\n", done.stdout)
    assert busybox("build", "-q", str(tmp_path), env=PODMAN).stdout == done.stdout[7:]
    for how in ({"BUILDKIT_PROGRESS": "quiet"}, {}):
        flags = () if how else ("--progress", "quiet")
        done = busybox("build", *flags, str(tmp_path), env=how)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = busybox("build", str(tmp_path), env={"BUILDKIT_PROGRESS": "loud"})
    assert done.returncode == 1
    assert "BUILDKIT_PROGRESS is 'loud'" in done.stderr


def test_rawjson(busybox: Store, tmp_path: Path) -> None:
    text = "FROM busybox\nENV A=1\nRUN printf 'a\\377b\\r'; exit 3\n"
    lay(tmp_path, {"Dockerfile": text})
    done = busybox("build", "--progress", "rawjson", str(tmp_path))
    said = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    vertexes = [one for each in said for one in each.get("vertexes", [])]
    names = {one["digest"]: one["name"] for one in vertexes}
    (base, run) = names.values()
    assert base.startswith("[1/2] FROM localhost/busybox:latest@sha256:")
    assert run == "[2/2] RUN printf 'a\\377b\\r'; exit 3"
    ends = {names[one["digest"]]: one for one in vertexes if "completed" in one}
    assert ends[base].get("error") is None
    assert ends[run]["error"].endswith("did not complete successfully: exit code: 3")
    logs = [one for each in said for one in each.get("logs", [])]
    assert b"".join(base64.b64decode(one["data"]) for one in logs) == b"a\xffb\r"
    assert {names[one["vertex"]] for one in logs} == {run}


def test_logfile(busybox: Store, tmp_path: Path) -> None:
    """It has the bytes as they were written, and nothing else is told but an error."""
    text = "FROM busybox\nRUN printf 'a\\377\\033[1mb\\rc\\n'\n"
    lay(tmp_path, {"Dockerfile": text})
    log = tmp_path / "log"
    for env, line in (
        ({}, rb"#2 \d\.\d{3} a\xff\x1b\[1mb\rc\n"),
        (PODMAN, rb"\na\xff\x1b\[1mb\rc\n"),
    ):
        done = busybox("build", "--no-cache", "--logfile", str(log), str(tmp_path), env=env)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert re.search(line, log.read_bytes())
    log.unlink()
    flags = ("--logsplit", "--platform", "linux/arm64", "--logfile", str(log))
    busybox("build", *flags, str(tmp_path))
    assert [one.name for one in tmp_path.glob("log*")] == ["log_linux_arm64"]
    assert "--logsplit needs a --logfile" in busybox("build", "--logsplit", str(tmp_path)).stderr


def test_colours_and_bars_are_no_orders(busybox: Store, tmp_path: Path) -> None:
    text = "FROM busybox\nRUN printf '\\033[31mred\\033[0m \\033]0;title\\007\\n1\\r2\\r\\n'\n"
    lay(tmp_path, {"Dockerfile": text})
    told = busybox("build", str(tmp_path)).stderr.splitlines()
    lines = [line.split(" ", 2)[2] for line in told if re.match(r"#2 \d", line)]
    assert lines == [r"red \x1b]0;title\x07", "2"]


@pytest.mark.parametrize("colour", [True, False])
def test_a_terminal_sees_what_runs(colour: bool, busybox: Store, tmp_path: Path) -> None:
    """A running step with its time and last lines, and a line for each that has ended."""
    text = "FROM busybox\nRUN for i in 1 2 3 4 5 6 7 8; do echo line $i; done; sleep 1; echo end\n"
    lay(tmp_path, {"Dockerfile": text})
    ours, theirs = pty.openpty()
    env = {**busybox.env, "TERM": "xterm", "COLUMNS": "70"}
    env |= {} if colour else {"NO_COLOR": "1"}
    process = subprocess.Popen(
        [*busybox.command, "build", "-t", "t", str(tmp_path)], stderr=theirs, env=env
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            data = os.read(ours, 65536)
        except OSError:
            break
        seen += data
        if not data:
            break
    os.close(ours)
    assert process.wait(timeout=30) == 0
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode()).replace("\r", "\n").split("\n")
    shown = [line for line in shown if line]
    assert any(line.startswith("[+] Building ") for line in shown)
    running = shown.index(" => => # line 8")
    assert shown[running - 5 : running] == [f" => => # line {number}" for number in range(3, 8)]
    ended = [line for line in shown if line.startswith(" => [2/2] RUN for")]
    assert re.fullmatch(r" => \[2/2\] RUN for .*\.\.\. +[1-9]\.\ds", ended[-1])
    assert all(len(line) < 70 for line in ended)
    assert " => => naming to docker.io/library/t:latest" in shown
    assert ("\x1b[34m" in seen.decode()) == colour


FAILURES = {
    # name: Dockerfile, docker's last line, its excerpt, podman's last line, podman's exit code
    "a command": (
        "FROM busybox\nRUN echo told; \\\n  exit 7\nRUN echo never\n",
        'ERROR: failed to solve: process "/bin/sh -c echo told;   exit 7" did not complete '
        "successfully: exit code: 7",
        "   2 | >>> RUN echo told; \\\n   3 | >>>   exit 7\n   4 |     RUN echo never\n",
        'Error: building at STEP "RUN echo told;   exit 7": while running runtime: exit status 7',
        7,
    ),
    "a file that is not there": (
        "FROM busybox\nCOPY nothing f /\n",
        "ERROR: failed to solve: Dockerfile:2: COPY: 'nothing' is not there",
        "   2 | >>> COPY nothing f /\n     |          ^^^^^^^\n",
        "Error: building at STEP \"COPY nothing f /\": Dockerfile:2: COPY: 'nothing' is not there",
        125,
    ),
    "one that is ignored": (
        "FROM busybox\nCOPY hidden /\n",
        "ERROR: failed to solve: Dockerfile:2: COPY: 'hidden' is not in the context "
        "(excluded by .dockerignore line 1: 'hid*')",
        "   2 | >>> COPY hidden /\n     |          ^^^^^^\n",
        'Error: building at STEP "COPY hidden /": ',
        125,
    ),
    "an image that is not there": (
        "FROM busybox AS xyz\nFROM busybox\nCOPY --from=localhost/xy f /\n",
        "ERROR: failed to solve: Dockerfile:3: COPY: no such image: localhost/xy",
        "   3 | >>> COPY --from=localhost/xy f /\n",
        'Error: building at STEP "COPY --from=localhost/xy f /": ',
        125,
    ),
    "a base that is not there": (
        "FROM localhost/none\nRUN true\n",
        "ERROR: failed to solve: Dockerfile:1: FROM: no such image: localhost/none",
        "   1 | >>> FROM localhost/none\n   2 |     RUN true\n",
        'Error: building at STEP "FROM localhost/none": ',
        125,
    ),
    "an owner nobody knows": (
        "FROM busybox\nCOPY --chown=nobodyhere f /\n",
        "ERROR: failed to solve: Dockerfile:2: COPY: no user 'nobodyhere' in /etc/passwd",
        "   2 | >>> COPY --chown=nobodyhere f /\n     |                  ^^^^^^^^^^\n",
        'Error: building at STEP "COPY --chown=nobodyhere f /": ',
        125,
    ),
    "a secret that was not given": (
        "FROM busybox\nRUN --mount=type=secret,id=s,required cat /run/secrets/s\n",
        "ERROR: failed to solve: Dockerfile:2: RUN: the secret 's' is required, and was not given",
        "   2 | >>> RUN --mount=type=secret,id=s,required cat",
        'Error: building at STEP "RUN --mount=type=secret,id=s,required cat /run/secrets/s": ',
        125,
    ),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_failure_is_told_with_its_place(case: str, shared: Store, tmp_path: Path) -> None:
    text, last, excerpt, podmans, code = FAILURES[case]
    files = {"f": "", "hidden": "", ".dockerignore": "hid*\n", "Dockerfile": text}
    lay(tmp_path, files)
    done = shared("build", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(last)
    assert excerpt in done.stderr
    assert "never\n#" not in done.stderr
    done = shared("build", str(tmp_path), env=PODMAN)
    assert done.returncode == code
    assert done.stderr.splitlines()[-1].startswith(podmans)
    assert excerpt in done.stderr


def test_the_last_lines_stand_again_at_the_end(busybox: Store, tmp_path: Path) -> None:
    """One stage fails while another sleeps, which is ended before the build ends."""
    text = (
        "FROM busybox AS slow\nRUN echo begun; sleep 7654321\nFROM busybox\n"
        "RUN for i in $(seq 50); do echo line $i; done; sleep 1; exit 9\nCOPY --from=slow /x /\n"
    )
    lay(tmp_path, {"Dockerfile": text})
    begun = time.monotonic()
    done = busybox("build", "--jobs", "2", str(tmp_path))
    assert time.monotonic() - begun < 15
    assert "CANCELED" in done.stderr
    rules = done.stderr.split("------\n")
    assert rules[1].startswith(" > [stage-1 2/2] RUN for".replace("2/2", "2/3"))
    assert [line.split(" ", 1)[1] for line in rules[1].splitlines()[1:]] == [
        f"line {number}" for number in range(31, 51)
    ]
    assert not _running("7654321")
    assert not _kept(busybox)


def _running(word: str) -> list[str]:
    """Processes of this user's that have a word in their command line."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            mine = os.stat(f"/proc/{pid}").st_uid == os.getuid()
        except OSError:
            continue
        if mine and word.encode() in line:
            found.append(pid)
    return found


def _kept(store: Store) -> list[str]:
    """Directories of containers that builds have left."""
    names = os.listdir(f"{store.root}/builds/containers")
    return [name for name in names if not name.startswith(".")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_soon(number: signal.Signals, busybox: Store, tmp_path: Path) -> None:
    """With all that it has begun, in the time that it takes to tell of it."""
    word = f"76543{int(number)}"
    lay(tmp_path, {"Dockerfile": f"FROM busybox\nRUN echo begun; sleep {word}\n"})
    build = busybox.start("build", str(tmp_path))
    assert build.stderr is not None
    while "begun" not in build.stderr.readline().partition(" RUN ")[0]:
        assert build.poll() is None
    began = time.monotonic()
    build.send_signal(number)
    rest = build.communicate(timeout=30)[1]
    assert time.monotonic() - began < 3  # a second where nobody else works
    assert build.returncode == 128 + number
    assert rest.splitlines()[-1] == "ERROR: failed to solve: canceled"
    assert not _running(word)
    assert not _kept(busybox)


def test_stages_run_at_once(busybox: Store, tmp_path: Path) -> None:
    """Each waits for a sign of the other, through a cache that they share; --jobs 1 is too few."""
    mount = "--mount=type=cache,target=/c,id=x"
    wait = (
        "i=0; while [ $i -lt 40 ] && ! [ -e /c/{1} ]; do sleep 0.1; i=$((i+1)); done; [ -e /c/{1} ]"
    )
    stage = "FROM busybox AS {0}\nRUN " + mount + " echo hello {0}; touch /c/{0}; " + wait + "\n"
    text = stage.format("a", "b") + stage.format("b", "a")
    text += "FROM scratch\nCOPY --from=a /etc/passwd /1\nCOPY --from=b /etc/passwd /2\n"
    lay(tmp_path, {"Dockerfile": text})
    alone = busybox("build", "--jobs", "1", str(tmp_path), timeout=120)
    assert alone.returncode == 1
    text = text.replace("id=x", "id=y")
    lay(tmp_path, {"Dockerfile": text})
    done = busybox("build", "--jobs", "2", str(tmp_path))
    assert done.returncode == 0, done.stderr
    for block in done.stderr.split("\n\n"):  # what one says stands together
        assert len({line.split(" ")[0] for line in block.splitlines()}) == 1


def test_what_a_failed_command_left_can_be_entered(busybox: Store, tmp_path: Path) -> None:
    text = "FROM busybox\nENV A=kept\nWORKDIR /w\nRUN echo made > f; exit 7\n"
    lay(tmp_path, {"Dockerfile": text})
    told = busybox("build", str(tmp_path)).stderr
    found = re.search(
        r"^'rootless run --rm -it ([0-9a-f]+) /bin/sh' shows what is left$", told, re.MULTILINE
    )
    assert found
    entered = busybox.ok("run", "--rm", found[1], "/bin/sh", "-c", "cat f; echo $A; pwd")
    assert entered == "made\nkept\n/w"
    for number in range(5):  # no more than a few stay
        lay(tmp_path, {"Dockerfile": f"FROM busybox\nRUN echo {number} > f; exit 7\n"})
        busybox("build", str(tmp_path))
    assert len(busybox.ok("images", "-q", "--filter", "dangling=true").split()) == 3
    busybox.ok("image", "prune", "-f")
    assert busybox.ok("images", "--format", "{{.Repository}}").endswith("busybox")


ONCE_MORE = {
    # name: Dockerfile behind FROM, what is advised ("" for nothing)
    "modes": ("COPY big /d/\nRUN chmod -R 700 /d", "line 2: COPY --chmod=700 big /d/"),
    "owners": (
        "WORKDIR /w\nCOPY big .\nRUN true && chown -R 33:44 .",
        "line 3: COPY --chown=33:44 big .",
    ),
    "what another made": (
        "RUN head -c 2000000 /dev/zero > /made\nRUN chmod 700 /made",
        "to do it in the RUN that makes the files",
    ),
    "new content": ("COPY big /d/\nRUN chmod 700 /d/big; sleep 1; echo 1 >> /d/big", ""),
    "little": ("COPY little /d/\nRUN chmod 700 /d/little", ""),
}


@pytest.mark.parametrize("case", ONCE_MORE)
def test_a_layer_that_has_files_once_more_is_told(case: str, shared: Store, tmp_path: Path) -> None:
    text, advised = ONCE_MORE[case]
    files = {"big": b"\1" * 3_000_000, "little": b"\1" * 30_000}
    lay(tmp_path, {**files, "Dockerfile": f"FROM busybox\n{text}\n"})
    told = shared("build", "--no-cache", str(tmp_path)).stderr
    if not advised:
        assert "differ" not in told
    else:
        assert "MB of this layer, such as /" in told
        assert told.partition("in mode or owner alone; better is ")[2].startswith(advised + "\n")
