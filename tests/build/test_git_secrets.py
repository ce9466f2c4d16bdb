"""Secrets that let git in: where they count, and that nobody else sees them."""

from __future__ import annotations

import os
import shutil
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from built import Built, lay
from served import git, web

if TYPE_CHECKING:
    from conftest import Store

pytestmark = pytest.mark.once

TOKEN = "averysecrettoken"
BASIC = "basic " + b64encode(f"x-access-token:{TOKEN}".encode()).decode()
SECRETS = {
    "token": (["GIT_AUTH_TOKEN"], TOKEN + "\n", BASIC),
    "token of the host": (["GIT_AUTH_TOKEN.HOST"], TOKEN, BASIC),
    "header": (["GIT_AUTH_HEADER"], f"Bearer {TOKEN}", f"Bearer {TOKEN}"),
    "of two the host's": (["GIT_AUTH_TOKEN.HOST", "GIT_AUTH_HEADER"], TOKEN, BASIC),
    "of two the header": (["GIT_AUTH_TOKEN", "GIT_AUTH_HEADER"], TOKEN, TOKEN),
    "in the URL": ([], "", "basic " + b64encode(f"me@x:{TOKEN}".encode()).decode()),
}
WAYS = ("context", "named", "ADD")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """What a server of plain files gives to git."""
    top = lay(tmp_path / "r", {"f": "1", "Dockerfile": "FROM busybox\nCOPY f /\n"})
    git(top, "init", "-q")
    git(top, "add", ".")
    git(top, "commit", "-qm", "one")
    (tmp_path / "w").mkdir()
    git(tmp_path, "clone", "-q", "--bare", "r", "w/r.git")
    git(tmp_path / "w/r.git", "update-server-info")
    return tmp_path / "w"


def spy(directory: Path) -> dict[str, str]:
    """An environment in which git writes down its command lines."""
    real = shutil.which("git")
    lay(
        directory, {"git": (0o755, f'#!/bin/sh\necho "$@" >> {directory}/said\nexec {real} "$@"\n')}
    )
    return {"PATH": f"{directory}:{os.environ['PATH']}"}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", SECRETS)
def test_git_is_let_in(
    case: str, way: str, busybox: Store, repository: Path, tmp_path: Path
) -> None:
    names, value, authorization = SECRETS[case]
    (tmp_path / "s").write_text(value)
    with web(repository, authorization) as served:
        host = served.url.partition("//")[2]
        url = f"{served.url}/r.git"
        if not names:
            url = f"http://me%40x:{TOKEN}@{host}/r.git"
        secrets = [f"--secret=id={name.replace('HOST', host)},src={tmp_path}/s" for name in names]
        line = {"named": "COPY --from=it f /", "ADD": f"ADD {url} /"}.get(way, "")
        lay(tmp_path / "c", {"Dockerfile": f"FROM busybox\n{line}\n"})
        place = [url] if way == "context" else [str(tmp_path / "c")]
        more = [f"--build-context=it={url}"] if way == "named" else []
        env = spy(tmp_path / "bin")
        done = busybox("build", "-t", "t", *secrets, *more, *place, env=env)
        assert done.returncode == 0, done.stderr
        assert Built(busybox, "t:latest").files(1)["f"] == "file 644 0:0 1"
        said = (tmp_path / "bin/said").read_text()
        assert "fetch" in said
        for text in (TOKEN, authorization.partition(" ")[2] or TOKEN):
            assert text not in said
            shown = done.stdout + done.stderr
            if not names and way == "ADD":
                shown = shown.replace(url, "")  # the line as it is written
            assert text not in shown
            if not (not names and way == "ADD"):
                for path in Path(busybox.root).rglob("*"):
                    if path.is_file() and not path.is_symlink():
                        assert text.encode() not in path.read_bytes(), path
        # What lets in is in no key: others come by the same result.
        if way == "ADD" and names:
            (tmp_path / "s").write_text("wrong")
            done = busybox("build", *secrets, *place, env=env)
            assert done.returncode == 1
            assert "GIT_AUTH_TOKEN" in done.stderr
            assert "wrong" not in done.stderr


def test_a_secret_of_several_lines_is_refused(busybox: Store, tmp_path: Path) -> None:
    """It would say more to the server than one header."""
    lay(tmp_path, {"s": "a\nX-More: b", "Dockerfile": "FROM busybox\n"})
    url = "http://127.0.0.1:1/r.git"
    done = busybox("build", f"--secret=id=GIT_AUTH_TOKEN,src={tmp_path}/s", url)
    assert done.returncode == 1
    assert "'GIT_AUTH_TOKEN' is not one line of text" in done.stderr
