"""A script makes the image that a Dockerfile makes, files, owners and configuration alike."""

from __future__ import annotations

import io
import shlex
import tarfile
from typing import TYPE_CHECKING

import pytest
from built import Built, lay

from tests.conftest import user_mode

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Store

pytestmark = pytest.mark.each

EPOCH = "1700000000"

FILES = {"a": "1", "d/b": (0o755, "2"), "d/l": "->b", "d/e": None, "secret": (0o600, "4")}

DOCKERFILE = """
FROM busybox
ENV A=1
ENV B="two words"
LABEL l=x
WORKDIR /w/x
COPY a secret ./
COPY --chown=7:8 --chmod=640 d /d/
RUN ["sh", "-c", "echo $A >f && mkdir -m 700 /made && ln -s f /made/l && chown -R 33:44 /made"]
RUN ["sh", "-c", "chown -h 5:6 /made/l && chmod 4755 f && rm /d/b && echo no >/etc/resolv.conf"]
ADD packed.tar /unpacked/
EXPOSE 80
USER 1000
ENTRYPOINT ["/bin/sh"]
CMD ["-c", "id"]
"""

SCRIPT = (
    "config --env A=1 C",
    "config --env 'B=two words' C",
    "config --label l=x C",
    "config --workingdir /w/x C",
    "copy C a secret ./",
    "copy --chown 7:8 --chmod 640 C d /d/",
    "run C -- sh -c 'echo $A >f && mkdir -m 700 /made && ln -s f /made/l && chown -R 33:44 /made'",
    "run C sh -c 'chown -h 5:6 /made/l && chmod 4755 f && rm /d/b && echo no >/etc/resolv.conf'",
    "add C packed.tar /unpacked/",
    "config --port 80 C",
    "config --user 1000 C",
    "config --entrypoint '[\"/bin/sh\"]' C",
    "config --cmd '-c id' C",
)


def context(directory: Path) -> Path:
    """Write the files that both copy, an archive with owners among them."""
    lay(directory, {**FILES, "Dockerfile": DOCKERFILE})
    with tarfile.open(directory / "packed.tar", "w") as archive:
        entry = tarfile.TarInfo("of/somebody")
        entry.uid, entry.gid, entry.size = 12, 34, 2
        archive.addfile(entry, io.BytesIO(b"hi"))
    return directory


def script(store: Store, place: Path, lines: tuple[str, ...], **env: str) -> str:
    """Do the steps in a new working container; return its name."""
    name = store.ok("build", "from", "busybox").strip()
    for line in lines:
        words = [name if word == "C" else word for word in shlex.split(line)]
        done = store("build", *words, cwd=place, env=env)
        assert done.returncode == 0, (line, done.stderr)
    return name


@pytest.mark.parametrize("told", [True, False], ids=["with its history", "without"])
def test_the_same_as_of_the_dockerfile(busybox: Store, tmp_path: Path, told: bool) -> None:
    place = context(tmp_path)
    how = ["--timestamp", EPOCH, *([] if told else ["--omit-history"])]
    busybox.ok("build", "-q", "--squash", *how, "-t", "dockerfile", str(place))
    name = script(busybox, place, SCRIPT, BUILDAH_HISTORY=str(told).lower())
    busybox.ok("build", "commit", "--rm", *how, name, "script")
    of_file, of_script = Built(busybox, "dockerfile:latest"), Built(busybox, "script:latest")
    assert of_file.files(1) == of_script.files(1)
    assert of_file.config["history"] == of_script.config["history"]
    assert of_file.config == of_script.config
    assert of_file.manifest == of_script.manifest
    assert of_script.files(1)["made/l"] == "link 777 5:6 f"
    assert of_script.files(1)["made"] == "directory 700 33:44"
    assert of_script.files(1)["unpacked/of/somebody"] == "file 644 12:34 hi"
    assert "etc/resolv.conf" not in of_script.files(1)
    assert busybox.ok("run", "--rm", "script").startswith("uid=1000(user)")
    assert name not in busybox.ok("ps", "-aq", "--format", "{{.Names}}")


@pytest.mark.parametrize("line", ["copy C d /x/", "run C mkdir /y"])
def test_a_lone_layer_is_that_of_a_build(busybox: Store, tmp_path: Path, line: str) -> None:
    """What is dated from the beginning is not packed anew."""
    text = "COPY d /x/" if line.startswith("copy") else 'RUN ["mkdir", "/y"]'
    place = lay(tmp_path, {**FILES, "Dockerfile": f"FROM busybox\n{text}\n"})
    env = {"SOURCE_DATE_EPOCH": EPOCH}
    done = busybox("build", "-q", "--omit-history", "-t", "dockerfile", str(place), env=env)
    assert done.returncode == 0, done.stderr
    name = script(busybox, place, (line,), **env)
    done = busybox("build", "commit", "--omit-history", name, "script", env=env)
    assert done.returncode == 0, done.stderr
    first, second = Built(busybox, "dockerfile:latest"), Built(busybox, "script:latest")
    assert first.manifest == second.manifest


CHANGES = (
    "echo x >/f; chown 3:4 /f; mkdir /d; chmod 1777 /d; rm /etc/group; ln -s f /l; chown -h 5:6 /l;"
    " echo no >/etc/resolv.conf; echo no >/etc/hosts; echo no >/etc/hostname; echo no >/dev/shm/x; "
    "mkdir -p /run/x; touch /tmp/y; rm -r /root; mkdir /root; touch /root/new; mkfifo /p"
)


@pytest.mark.parametrize("way", ["run", "build run"])
def test_commit_leaves_out_what_run_leaves_out(busybox: Store, tmp_path: Path, way: str) -> None:
    """With one id a plain container has no owners to tell: none is remembered for it."""
    lay(tmp_path, {"Dockerfile": f"FROM busybox\nRUN {CHANGES}\n"})
    busybox.ok("build", "-q", "-t", "dockerfile", str(tmp_path))
    words = ["sh", "-c", CHANGES]
    if way == "run":
        busybox.ok("run", "--name", "c", "busybox", *words)
        busybox.ok("commit", "c", "script")
    else:
        busybox.ok("build", "from", "--name", "c", "busybox")
        busybox.ok("build", "run", "c", *words)
        busybox.ok("build", "commit", "c", "script")
    wanted, found = (Built(busybox, f"{name}:latest").files(1) for name in ("dockerfile", "script"))
    assert wanted["f"] == "file 644 3:4 x\\n"
    if way == "run" and user_mode() == "single":
        wanted |= {"f": "file 644 0:0 x\\n", "l": "link 777 0:0 f"}
    assert found == wanted
