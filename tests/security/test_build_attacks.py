"""Attacks by Dockerfiles and contexts upon the machine that builds them.

Each is tried as it was made against buildah or docker; the file `mine` outside of the context
stands for what a Dockerfile must not reach.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "build"))
from built import Built, lay

if TYPE_CHECKING:
    from tests.conftest import Store

SECRET = "outsideofthecontext"


def outside(tmp_path: Path) -> Path:
    """A directory with a secret, which no build may read or change."""
    place = tmp_path / "place"
    place.mkdir()
    (place / "mine").write_text(SECRET)
    return place


def unharmed(place: Path) -> bool:
    return os.listdir(place) == ["mine"] and (place / "mine").read_text() == SECRET


LINKS = {
    "of the context": ("", "source=out,target=/m"),
    "below a directory": ("", "source=in/out,target=/m"),
    "of a stage": (
        "RUN ln -s PLACE /out && INSIDE\nFROM busybox\n",
        "from=0,source=/out,target=/m",
    ),
    "to the root": (
        "RUN ln -s / /out && INSIDE\nFROM busybox\n",
        "from=0,source=/outPLACE,target=/m",
    ),
    "by dots": ("", "source=../place,target=/m"),
}


@pytest.mark.parametrize("case", LINKS)
@pytest.mark.parametrize("kind", ["bind", "bind,rw", "cache"])
def test_the_source_of_a_mount_leads_nowhere_else(
    kind: str, case: str, shared: Store, tmp_path: Path
) -> None:
    """CVE-2024-1753: a link in the place of a mount's source showed all of the machine."""
    place = outside(tmp_path)
    before, mount = LINKS[case]
    if kind == "cache" and "from=" not in mount:
        mount += ",from=context"
    text = (
        f"FROM busybox\n{before}RUN --mount=type={kind},{mount} "
        f"cat /m/mine /m/*/mine; echo changed > /m/mine; echo more > /m/more; true\n"
    )
    text = text.replace("INSIDE", "mkdir -p PLACE && echo inside > PLACE/mine")
    text = text.replace("PLACE", str(place))
    lay(tmp_path / "c", {"Dockerfile": text, "out": f"->{place}", "in/out": "->../../place"})
    # What the links mean is there, inside: so nobody refuses them before anything is mounted.
    lay(tmp_path / "c", {"place/mine": "inside", f"{place}/mine".lstrip("/"): "inside"})
    named = f"--build-context=context={tmp_path}/c"
    done = shared("build", "--no-cache", named, str(tmp_path / "c"))
    assert SECRET not in done.stdout + done.stderr
    assert "inside" in done.stderr.replace("echo inside", "")
    assert unharmed(place)
    assert "fault of rootless" not in done.stderr


@pytest.mark.parametrize("options", ["z", "rbind", "shared", "bind-propagation=shared", "U"])
def test_a_mount_takes_no_options_of_the_kernel(
    options: str, shared: Store, tmp_path: Path
) -> None:
    """CVE-2024-9407: a word in an option of a mount went on to mount(2) unread."""
    place = outside(tmp_path)
    for mount in (
        f"type=bind,target=/m,{options}",
        f"type=bind,target=/m,source=.,{options},rw",
        f'type=tmpfs,target=/m,"size=1,{options}"',
    ):
        line = f"RUN --mount={mount} echo 1 > /m/x"
        text = f"FROM busybox\n{line}\n"
        lay(tmp_path / "c", {"Dockerfile": text, "f": ""})
        done = shared("build", str(tmp_path / "c"))
        assert done.returncode == 1
        assert "Dockerfile:2" in done.stderr
        assert sorted(os.listdir(tmp_path / "c")) == ["Dockerfile", "f"]
    assert unharmed(place)


@pytest.mark.parametrize("name", ["../../../../../../..PLACE", "PLACE", "..", ".", "a/../../../x"])
def test_the_id_of_a_cache_is_no_path(name: str, shared: Store, tmp_path: Path) -> None:
    """CVE-2024-9675: the id of a cache led out of the directory of caches."""
    place = outside(tmp_path)
    mount = f"type=cache,target=/m,id={name.replace('PLACE', str(place))}"
    text = f"FROM busybox\nRUN --mount={mount} echo 1 > /m/made; ls -a /m; cat /m/mine; true\n"
    lay(tmp_path / "c", {"Dockerfile": text})
    done = shared("build", "--no-cache", str(tmp_path / "c"))
    assert done.returncode == 0, done.stderr
    assert SECRET not in done.stderr
    assert unharmed(place)
    caches = Path(shared.root, "builds/mounts")
    assert all(len(path.name) > 40 and path.name[:40].isalnum() for path in caches.iterdir())


def test_a_source_that_changes_meanwhile_leads_nowhere_else(shared: Store, tmp_path: Path) -> None:
    """CVE-2024-11218: while one stage swapped a directory for a link, another mounted it."""
    place = outside(tmp_path)
    text = (
        "FROM busybox AS a\nRUN --mount=type=bind,source=d,target=/m cat /m/mine; true\n"
        "FROM busybox AS b\nRUN --mount=type=bind,source=d,target=/m,rw cat /m/mine; "
        "echo changed > /m/mine; true\n"
        "FROM busybox\nCOPY --from=a /bin/true /a\nCOPY --from=b /bin/true /b\n"
    )
    copy = "FROM busybox\nCOPY d /d/\nRUN cat /d/mine; true\n"
    context = lay(tmp_path / "c", {"Dockerfile": text, "Copy": copy, "d/mine": "inside"})
    link = tmp_path / "link"
    link.symlink_to(place)
    exchange = ctypes.CDLL(None, use_errno=True).renameat2
    paths = (-100, os.fsencode(context / "d"), -100, os.fsencode(link), 2)  # RENAME_EXCHANGE
    ended = threading.Event()

    def swap() -> None:
        while not ended.is_set():
            assert exchange(*paths) == 0
            time.sleep(0.01)

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        for _ in range(8):
            for file in ("Dockerfile", "Copy"):
                words = ("--no-cache", "--jobs", "4", "-f", str(context / file))
                done = shared("build", *words, str(context))
                assert SECRET not in done.stderr
    finally:
        ended.set()
        swapper.join()
    if link.is_dir() and not link.is_symlink():
        assert exchange(*paths) == 0
    assert unharmed(place)


def test_the_cache_takes_nobody_elses_layer(busybox: Store, tmp_path: Path) -> None:
    """CVE-2024-24557: an image whose history told the same was taken for what a step would make.

    Neither an image with this history and configuration, nor one from scratch, is a result.
    """
    text = "FROM scratch\nCOPY f /f\n"
    honest = lay(tmp_path / "honest", {"Dockerfile": text, "f": "honest"})
    evil = lay(tmp_path / "evil", {"Dockerfile": text, "f": "evil!!"})
    for name in ("f",):
        os.utime(honest / name, (1, 1))
        os.utime(evil / name, (1, 1))
    busybox.ok("build", "-t", "evil", str(evil))
    # As if somebody had brought it: what a load or a pull brings is no result either.
    busybox.ok("save", "-o", str(tmp_path / "evil.tar"), "evil")
    busybox.ok("load", "-i", str(tmp_path / "evil.tar"))
    done = busybox("build", "-t", "honest", str(honest))
    assert done.returncode == 0, done.stderr
    assert "CACHED" not in done.stderr
    assert Built(busybox, "honest:latest").files()["f"] == "file 644 0:0 honest"
    # The same instruction upon another base of the same settings is another step.
    step = "RUN cat /f > /g || true\n"
    lay(honest, {"Dockerfile": "FROM busybox\nCOPY f /f\n" + step})
    lay(evil, {"Dockerfile": "FROM busybox\nCOPY f /f\n" + step})
    busybox.ok("build", "-t", "evil", str(evil))
    busybox.ok("build", "-t", "honest", str(honest))
    assert Built(busybox, "honest:latest").files(1)["g"] == "file 644 0:0 honest"


OUT = {
    "the directory above": ("/a/b", "mv /a /old && ln -s PLACE /a"),
    "the mount point": ("/a/b", "umount /a/b; mv /a /old; mkdir /a && ln -s PLACE/b /a/b"),
    "made in a link": ("/l/b", "true"),
    "made in a link, a file": ("/l/f", "true"),
}


@pytest.mark.parametrize("case", OUT)
@pytest.mark.parametrize("kind", ["tmpfs", "cache", "bind", "secret"])
def test_mount_points_are_made_and_removed_inside(
    kind: str, case: str, shared: Store, tmp_path: Path
) -> None:
    """CVE-2024-23652: what was made to mount on was removed by its path, wherever that led then."""
    place = outside(tmp_path)
    (place / "b").mkdir()
    (place / "f").touch()
    target, command = OUT[case]
    more = ",id=s" if kind == "secret" else ""
    command = command.replace("PLACE", str(place))
    text = (
        f"FROM busybox\nRUN ln -s {place} /l\n"
        f"RUN --mount=type={kind},target={target}{more} {command}; true\n"
        "RUN true\n"
    )
    lay(tmp_path / "c", {"Dockerfile": text, "s": "inside"})
    shared("build", "--no-cache", f"--secret=id=s,src={tmp_path}/c/s", str(tmp_path / "c"))
    assert sorted(os.listdir(place)) == ["b", "f", "mine"]
    assert os.listdir(place / "b") == []
    assert (place / "f").read_text() == ""
    assert (place / "mine").read_text() == SECRET


def test_a_shared_cache_leads_nowhere_else(shared: Store, tmp_path: Path) -> None:
    """CVE-2024-23651: one step swapped a directory of a cache for a link, another mounted it.

    Of a cache all is mounted, and by its descriptor: what is in it is in nobody's path.
    """
    place = outside(tmp_path)
    swap = (
        "mkdir -p /c/d; touch /c/begun; for i in $(seq 300); do mv /c/d /c/e; ln -s PLACE /c/d; "
        "rm /c/d; mv /c/e /c/d; done; ln -s PLACE /c/l"
    ).replace("PLACE", str(place))
    look = "until [ -e /c/begun ]; do :; done; cat /c/d/mine /c/l/mine /m/mine /m/d/mine; true"
    cache = "--mount=type=cache,id=shared"
    steps = "".join(
        f"RUN {cache},target=/c {cache},source={source},target=/m {look} # {number}\n"
        for number, source in enumerate(("d", "/d", "l", "../l") * 2)
    )
    text = (
        f"FROM busybox AS a\nRUN {cache},target=/c {swap}\nFROM busybox AS b\n{steps}"
        "FROM busybox\nCOPY --from=a /bin/true /a\nCOPY --from=b /bin/true /b\n"
    )
    lay(tmp_path / "c", {"Dockerfile": text})
    done = shared("build", "--no-cache", "--jobs", "2", str(tmp_path / "c"))
    assert done.returncode == 0, done.stderr
    assert SECRET not in done.stderr
    assert unharmed(place)


GRANTS = ("--security=insecure", "--network=host")


@pytest.mark.parametrize("grant", GRANTS)
@pytest.mark.parametrize("way", ["plain", "of another stage", "of the base"])
def test_no_dockerfile_grants_itself_anything(
    way: str, grant: str, shared: Store, tmp_path: Path
) -> None:
    """CVE-2024-23653: what only the user may allow, asked for in a way that was not looked at."""
    line = f"RUN {grant} touch /ran"
    if way == "of the base":
        lay(tmp_path, {"Dockerfile": f"FROM busybox\nONBUILD {line}\n"})
        shared.ok("build", "-t", "base", str(tmp_path))
        text = "FROM base\n"
    elif way == "of another stage":
        text = f"FROM busybox AS a\nONBUILD {line}\nFROM a\n"
    else:
        text = f"FROM busybox\n{line}\n"
    lay(tmp_path, {"Dockerfile": text})
    done = shared("build", "--no-cache", str(tmp_path))
    assert done.returncode == 1
    assert f"{'security.insecure' if 'security' in grant else 'network.host'} is not allowed" in (
        done.stderr
    )


@pytest.mark.parametrize("path", ["/proc/self/fd/FD", "/l/FD", "/proc/self/cwd"])
def test_no_working_directory_is_a_descriptor_of_ours(
    path: str, shared: Store, tmp_path: Path
) -> None:
    """CVE-2024-21626: WORKDIR named a directory of the host that the launcher had open."""
    place = outside(tmp_path)
    steps = "".join(
        f"WORKDIR {path.replace('FD', str(number))}\n"
        f"RUN cat ../../../../../..{place}/mine ..{place}/mine; true\n"
        for number in range(3, 12)
    )
    lay(tmp_path / "c", {"Dockerfile": f"FROM busybox\nRUN ln -s /proc/self/fd /l\n{steps}"})
    done = shared("build", "--no-cache", str(tmp_path / "c"))
    assert SECRET not in done.stderr
    assert unharmed(place)
    assert "fault of rootless" not in done.stderr
