"""Images as people have them, upon a Debian, by apt, pip and npm: each is built, run and asked."""

from __future__ import annotations

import re
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import debian
import pytest
from built import Built, lay

from tests import ports
from tests.conftest import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.each, pytest.mark.timeout(900)]

SHAPES = Path(__file__).parent / "shapes"

PYTHON = {
    "requirements.txt": "bottle==0.13.2\n",
    "app.py": (
        "import os, pwd\nfrom bottle import __version__, route, run\n\n"
        "@route('/<name>')\ndef hello(name):\n"
        "    user = pwd.getpwuid(os.getuid()).pw_name\n"
        "    return f'hello {name}, from {user} with bottle {__version__}'\n\n"
        "run(host='0.0.0.0', port=8000)\n"
    ),
}
NODE = {
    "package.json": '{"name": "app", "version": "1.0.0", "dependencies": {"ms": "2.1.3"}}',
    "index.js": "console.log(require('ms')('2 days'), process.env.NODE_ENV, process.getuid());\n",
    ".dockerignore": "node_modules\n*ockerfile\n",
}
C = {
    "main.c": (
        "#include <stdio.h>\nint main(int count, char **words) {\n"
        '    printf("hello %s, of %s\\n", count > 1 ? words[1] : "nobody", MACHINE);\n'
        "    return 7;\n}\n"
    ),
    "Makefile": "hello: main.c\n\tgcc -static -Os -DMACHINE='\"'$$(uname -m)'\"' -o $@ $<\n",
}


@pytest.fixture(scope="module")
def store(shared_directory: Path) -> Iterator[Store]:
    """One for all of them, with `debian:12`."""
    archive = debian.archive(shared_directory)
    debian.need_packages(archive)
    found = Store()
    found.ok("import", "-q", archive, "debian:12", timeout=300)
    yield found
    found.remove()


def build(store: Store, shape: str, directory: Path, *options: str) -> Built:
    """Build the image `shape`."""
    words = ("-t", shape, "-f", f"{SHAPES}/{shape}.Dockerfile", *options)
    secret = ("--secret", f"id=ca,src={debian.CERTIFICATES}")
    done = store("build", *words, *secret, str(directory), timeout=800)
    assert done.returncode == 0, done.stderr
    return Built(store, f"{shape}:latest")


def test_a_web_application_in_python(store: Store, tmp_path: Path) -> None:
    """It answers through a published port, as the user that it was given to."""
    index = debian.python_index(tmp_path / "wheels", "bottle==0.13.2")
    files = build(store, "python", lay(tmp_path / "context", PYTHON), *index).files(1)
    assert files["app/app.py"].startswith("file 644 1000:1000")
    assert not any("run/secrets" in path or ".cache/pip" in path for path in files)
    (port,) = ports.free()
    store.ok("run", "-d", "--name", "web", "-p", f"127.0.0.1:{port}:8000", "python")
    wanted = b"hello you, from web with bottle 0.13.2"
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/you", timeout=10) as answer:
                assert answer.read() == wanted
                break
        except OSError:
            assert time.monotonic() < deadline, store("logs", "web").stderr
            time.sleep(0.1)
    store.ok("rm", "-f", "web")


def test_an_application_in_node(store: Store, tmp_path: Path) -> None:
    """npm runs as the user of the image, and what it has installed is his."""
    text = (SHAPES / "node.Dockerfile").read_text()
    debian.need(re.findall(r"https://\S+", text)[0])
    files = build(store, "node", lay(tmp_path, NODE)).files(1)
    assert files["app"] == "directory 755 1000:1000"
    assert files["app/index.js"].startswith("file 644 1000:1000")
    assert files["app/node_modules/ms/index.js"].startswith("file 644 1000:1000")
    assert store.ok("run", "--rm", "node") == "172800000 production 1000"


def test_a_program_in_c(store: Store, tmp_path: Path) -> None:
    """The compiler stays in its stage: the image is one file."""
    image = build(store, "c", lay(tmp_path, C))
    (path, told), *others = image.files().items()
    assert (path, others) == ("hello", [])
    assert told.startswith("file 755 0:0")
    done = store("run", "--rm", "c", "world")
    assert done.returncode == 7
    assert re.fullmatch(r"hello world, of \w+\n", done.stdout)


def test_many_packages_and_owners(store: Store, tmp_path: Path) -> None:
    """What packages, install(1), useradd and chown have given away is in the layers as it was."""
    image = build(store, "c", lay(tmp_path, C), "--target", "heavy")
    *_, packages, owners, counted = image.layers()
    names = store.ok("run", "--rm", "c", "cat", "/etc/passwd", "/etc/group").splitlines()
    ids = {line.split(":")[0]: line.split(":")[2] for line in names}  # of groups, where both are
    app, www, crontab = ids["app"], ids["www-data"], ids["crontab"]
    assert packages["usr/bin/crontab"].startswith(f"file 2755 0:{crontab} ")
    assert packages["var/spool/cron/crontabs"] == f"directory 1730 0:{crontab}"
    assert owners["srv/app"] == f"directory 755 {app}:{app}"
    assert owners["srv/app/data"] == f"directory 2750 {app}:{www}"
    assert owners["srv/app/data/file"].startswith(f"file 640 {app}:{ids['adm']}")
    for path, kind in (("", "directory 755"), ("/index.html", "file 644"), ("/link", "link 777")):
        assert owners[f"var/www/html{path}"].startswith(f"{kind} {www}:{www}")
    assert owners["etc/shadow"].startswith(f"file 640 0:{ids['shadow']} ")
    assert int(counted["count"].split()[3].removesuffix("\\n")) > 130
    assert counted["audit"] == "file 644 0:0"
