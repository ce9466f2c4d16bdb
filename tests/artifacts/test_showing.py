"""Artifacts mounted into containers: which of their files, where, and by which names."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING

import pytest

from rootless.images.trees import places

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Store

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def art(shared: Store, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with `one` (a.txt) and `two` (a.txt, b.txt)."""
    files = [tmp_path_factory.mktemp("files") / f"{name}.txt" for name in ("a", "b")]
    for file in files:
        file.write_text(file.stem)
    shared.ok("artifact", "add", "x/one:1", str(files[0]))
    shared.ok("artifact", "add", "x/two:1", *map(str, files))
    return shared


@pytest.mark.parametrize(
    ("mount", "shown"),
    [
        ("src=x/one:1,dst=/new", "/new/a.txt=a"),
        ("src=x/one:1,dst=/bin,name=n", "/bin/n=a"),
        ("src=x/one:1,dst=/bin/busybox.txt", "/bin/busybox.txt/a.txt=a"),
        ("src=x/two:1,dst=/new", "/new/a.txt=a /new/b.txt=b"),
        ("src=x/two:1,dst=/new,name=n", "/new/n-0=a /new/n-1=b"),
        ("src=x/two:1,dst=/new,title=b.txt", "/new/b.txt=b"),
    ],
)
def test_files(art: Store, mount: str, shown: str) -> None:
    """For any user of the container, and for none to be written."""
    paths = [word.partition("=")[0] for word in shown.split()]
    script = f'for f in {" ".join(paths)}; do echo "$f=$(cat $f)"; echo x > $f; done'
    line = ["run", "--rm", "-u", "1000", "--mount", f"type=artifact,{mount}", "busybox"]
    done = art(*line, "sh", "-c", script)
    assert done.stdout.split() == shown.split()
    assert done.stderr.count("can't create") == len(paths)


def test_onto_a_file_of_the_image(art: Store) -> None:
    (program,) = art.ok("run", "--rm", "busybox", "find", "/bin", "-name", "busybox").split()
    line = ["run", "--rm", "--mount", f"type=artifact,src=x/one:1,dst={program}", "busybox"]
    done = art(*line, "true")
    assert "permission denied" in done.stderr.lower()  # the program is a text now
    line[3] = line[3].replace("one", "two")
    assert "has 2 files" in art(*line, "true").stderr
    line[3] += ",title=b.txt"
    assert "permission denied" in art(*line, "true").stderr.lower()


def test_links_of_the_image_lead_to_nothing_of_this_machine(art: Store, tmp_path: Path) -> None:
    """Neither a file here nor a directory here decides what is shown where."""
    here = tmp_path / "here"
    here.write_text("")
    script = (
        f"ln -s {here} /there; ln -s {tmp_path} /places; ln -s ../bin/../loop /loop;"
        f"mkdir -p /a{tmp_path}; ln -s /a{tmp_path}/file /inside; touch /inside; ln -s /a /b"
    )
    art.ok("run", "--name", "linked", "busybox", "sh", "-c", script)
    art.ok("commit", "linked", "localhost/linked")
    art.ok("rm", "linked")
    layers = [f"{art.root}/layers/{each}/fs" for each in os.listdir(f"{art.root}/layers")]
    layers = [each for each in layers if os.path.isdir(each)]
    layers.sort(key=lambda each: os.path.lexists(f"{each}/there"), reverse=True)
    for path, kind in (
        ("/there", 0),
        ("/places/here", 0),
        ("/loop", 0),
        ("/inside", stat.S_IFREG),
        (f"/b/{tmp_path}/file", stat.S_IFREG),
        (f"/b/{tmp_path}/../../..", stat.S_IFDIR),
        ("/bin/sh", stat.S_IFREG),
        ("/bin/sh/x", 0),
        ("/bin/../../..", stat.S_IFDIR),
    ):
        assert stat.S_IFMT(places.mode(layers, path)) == kind, path
    line = ["run", "--rm", "--mount", "type=artifact,src=x/two:1,dst=/there", "localhost/linked"]
    assert art.ok(*line, "cat", "/there/a.txt", "/there/b.txt") == "ab"
    art.ok("rmi", "localhost/linked")


def test_refused(art: Store) -> None:
    for mount, words in (
        ("src=x/none:1,dst=/x", "no such artifact: x/none:1"),
        ("src=x/one:1,dst=/x,title=c", "has no file c"),
    ):
        done = art("run", "--mount", f"type=artifact,{mount}", "busybox", "true")
        assert (done.returncode, words in done.stderr) == (125, True), done.stderr
    art.ok("create", "--name", "c", "--mount", "type=artifact,src=x/one:1,dst=/x", "busybox")
    (shown,) = json.loads(art.ok("inspect", "c"))[0]["Mounts"]
    art.ok("rm", "c")
    assert (shown["Type"], shown["Destination"], shown["RW"]) == ("bind", "/x/a.txt", False)
