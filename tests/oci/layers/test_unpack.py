"""Layers unpacked for real: inside the user's namespace, through a pipe, read by union mounts."""

from __future__ import annotations

import ctypes
import gzip
import io
import os
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tars
import zstandard
from tars import END, directory, file, header, link, pax, symlink

from rootless.errors import Error
from rootless.oci import jsonio
from rootless.oci.digest import Digest, Verifier
from rootless.oci.errors import DigestError, ImageError, LayerError
from rootless.oci.layers import owners, unpack
from rootless.oci.layers.tar import Limits
from rootless.runtime.userns import identity
from rootless.runtime.userns.worker import call, spawn
from rootless.store.paths import Paths

if TYPE_CHECKING:
    from collections.abc import Callable

CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")
"""cap_net_raw=ep as `setcap` writes it, version 2."""

KEY = b"SCHILY.xattr.security.capability"


@pytest.fixture
def paths(rootless_root: str) -> Paths:
    """A store on a disk of this test's own, removed with all that subordinate users own in it."""
    found = Paths(rootless_root)
    found.prepare()
    return found


def ids() -> str:
    return "record" if identity.detect().mode == "single" else "chown"


def layer(paths: Paths, name: str, data: bytes, **options: Any) -> Path:
    """Unpack an archive in the user namespace into a directory of the store."""
    place = f"{paths.layers}/{name}"
    os.mkdir(place, 0o700)
    with tars.descriptor(data + END) as fd:
        worker = spawn(paths, extract, fd, place, options, keep_fds=(fd,))
        worker.result()
    return Path(place)


def extract(fd: int, place: str, options: dict[str, Any]) -> dict[str, Any]:
    return unpack.extract_fd(fd, place, **{"owners": ids(), **options})


def inside(paths: Paths, script: str) -> str:
    """What a shell script prints in the user namespace."""
    return str(call(paths, inside_already, script))


def inside_already(script: str) -> str:
    done = subprocess.run(["sh", "-euc", script], capture_output=True, text=True, check=False)
    return done.stdout + (f"[exit {done.returncode}: {done.stderr}]" if done.returncode else "")


# -- in the namespace --------------------------------------------------------------------------


def test_what_a_layer_consists_of(paths: Paths) -> None:
    place = layer(paths, "l", directory(b".", mode=0o700) + file(b"f", b"data") + link(b"l", b"f"))
    assert sorted(os.listdir(place)) == ["fs", "layer.json"]
    assert jsonio.loads((place / "layer.json").read_bytes()) == {
        "version": 1,
        "owners": ids(),
        "whiteouts": "device",
        "entries": 3,
        "bytes": 3072,
        "withheld": 0,
        "warnings": [],
        "warned": 0,
    }


@pytest.mark.modes("mapped", "root")
def test_owners_and_modes_are_those_of_the_archive(paths: Paths) -> None:
    """As seen by the containers: set-id bits survive chown, groups are not inherited."""
    layer(
        paths,
        "l",
        directory(b"mail", mode=0o2775, gid=8)
        + file(b"mail/spool", b"x", uid=0, gid=0)
        + directory(b"mail/sub")
        + file(b"su", b"#!", mode=0o4755)
        + file(b"wall", b"#!", mode=0o2755, gid=5)
        + directory(b"closed", uid=33, gid=33, mode=0o555)
        + file(b"closed/f", uid=33, gid=34, mode=0o400)
        + symlink(b"s", b"f", uid=1, gid=2)
        + header(b"pipe", b"6", uid=3, gid=4, mode=0o1600)
        + pax((b"path", b"sparse"), (b"GNU.sparse.map", b"3,1"), (b"GNU.sparse.size", b"9"))
        + file(b"x", b"d", uid=6, mode=0o4711),
    )
    found = inside(paths, f"cd {paths.layers}/l/fs; stat -c '%n %u:%g %a' * */*")
    assert found.splitlines() == [
        "closed 33:33 555",
        "mail 0:8 2775",
        "pipe 3:4 1600",
        "s 1:2 777",
        "sparse 6:0 711",
        "su 0:0 755",
        "wall 0:5 755",
        "closed/f 33:34 400",
        "mail/spool 0:0 644",
        "mail/sub 0:0 755",
    ]
    found = inside(paths, f"cd {paths.layers}/l/withheld/fs; stat -c '%n %u:%g %a' *")
    assert found.splitlines() == ["sparse 6:0 4711", "su 0:0 4755", "wall 0:5 2755"]


FAR = 172_761_424
"""An id as the directory of a company hands it out."""


@pytest.mark.modes("mapped", "single")
def test_owners_outside_the_map_are_kept_beside(paths: Paths) -> None:
    """On the disk root has the files, but no set-id bit of theirs; each id counts for itself."""
    place = layer(
        paths,
        "l",
        directory(b"home", uid=FAR, gid=FAR, mode=0o2770)
        + file(b"home/f", uid=FAR, gid=5, mode=0o600)
        + file(b"su", b"x", uid=FAR, gid=5, mode=0o6755)
        + file(b"wall", b"x", uid=5, gid=FAR, mode=0o6775)
        + link(b"again", b"su")
        + symlink(b"s", b"f", uid=FAR, gid=FAR)
        + header(b"pipe", b"6", uid=FAR, gid=5)
        + header(b"dev", b"3", device=(1, 3), uid=FAR, gid=FAR)
        + file(b"gone", uid=FAR)
        + file(b"gone", uid=0),
    )
    truths = {path: (truth.uid, truth.gid) for path, truth in owners.read(str(place))}
    assert "gone" not in truths
    expected = dict.fromkeys(("home", "s", "dev"), (FAR, FAR))
    expected |= dict.fromkeys(("home/f", "su", "again", "pipe"), (FAR, 5))
    assert truths == expected | {"wall": (5, FAR)}
    if ids() == "record":
        return
    found = inside(paths, f"cd {place}/fs; stat -c '%n %u:%g %a' * */*; cd ../withheld/fs; stat -c"
                          " '%n %u:%g %a' *")  # fmt: skip
    assert found.splitlines() == [
        "again 0:5 755",
        "dev 0:0 644",
        "gone 0:0 644",
        "home 0:0 2750",
        "pipe 0:5 644",
        "s 0:0 777",
        "su 0:5 755",
        "wall 5:0 755",
        "home/f 0:5 600",
        # What had better not be open to others: su for its group, wall for its owner.
        "again 0:5 2755",
        "home 0:0 2770",
        "su 0:5 2755",
        "wall 5:0 4775",
    ]
    record = jsonio.loads((place / "layer.json").read_bytes())
    warnings = [text for text in record["warnings"] if "owners" in text]
    assert len(warnings) == 1
    assert f"8 files have owners outside of your subordinate ids, such as 'home/f' of {FAR}:5" \
        in warnings[0]  # fmt: skip


def test_what_is_no_id_is_refused_by_name(paths: Paths) -> None:
    with pytest.raises(LayerError, match=r"'far': its owner 4294967295:0 is out of range"):
        layer(paths, "l", file(b"near") + file(b"far", uid=(1 << 32) - 1))


def test_capabilities_belong_to_the_namespace(paths: Paths) -> None:
    """Version 2 and a foreign version 3 both become version 3 with our root, as the kernel does."""
    foreign = CAPABILITY[:3] + b"\3" + CAPABILITY[4:] + b"\x39\x05\0\0"
    layer(
        paths,
        "l",
        pax((KEY, CAPABILITY))
        + file(b"two", b"x", mode=0o4755, gid=0)
        + pax((KEY, foreign))
        + file(b"three", b"x", mode=0o555, uid=0 if ids() == "record" else 7),
    )
    fs = Path(paths.layers) / "l" / "withheld" / "fs"
    assert not os.listxattr(fs.parent.parent / "fs" / "two")
    root = identity.detect().uid_map[0][1]
    for name in ("two", "three"):
        value = os.getxattr(fs / name, "security.capability")
        assert value[4:20] == CAPABILITY[4:]
        # As the host sees it. The host's own root is spoken of in version 2.
        assert (value[3], int.from_bytes(value[20:], "little")) == (3 if root else 2, root)
    assert stat.S_IMODE((fs / "two").stat().st_mode) == 0o4755
    if os.access("/usr/sbin/getcap", os.X_OK):
        assert "cap_net_raw=ep" in inside(paths, f"getcap {fs}/two")


def test_devices_are_empty_files_in_a_namespace(paths: Paths) -> None:
    place = layer(paths, "l", header(b"null", b"3", device=(1, 3), mode=0o666))
    assert stat.S_ISREG((place / "fs" / "null").stat().st_mode)
    ((name, truth),) = owners.read(str(place))
    assert (name, truth.kind, truth.device) == ("null", "c", (1, 3))
    assert jsonio.loads((place / "layer.json").read_bytes())["warned"] == 1


def test_a_full_disk_is_named(paths: Paths) -> None:
    def fill(fd: int) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        place = paths.layers.encode()
        assert libc.mount(b"none", place, b"tmpfs", 0, b"size=1m") == 0
        os.mkdir(paths.layers + "/l")
        extract(fd, paths.layers + "/l", {})

    data = file(b"small") + file(b"big", bytes(3 << 20)) + END
    with (
        tars.descriptor(data) as fd,
        pytest.raises(LayerError, match=r"'big': No space left.*free"),
    ):
        spawn(paths, fill, fd, keep_fds=(fd,)).result()


def test_nothing_is_inherited_from_the_store(paths: Paths) -> None:
    """A set-group-id bit or a default ACL above the layer changes nothing in it."""
    os.chmod(paths.layers, 0o2700)
    subprocess.run(["setfacl", "-d", "-m", "u:1:rwx", paths.layers], check=False)
    place = layer(paths, "l", directory(b"d") + file(b"d/f", mode=0o640))
    assert stat.S_IMODE((place / "fs" / "d").stat().st_mode) == 0o755
    assert stat.S_IMODE((place / "fs" / "d" / "f").stat().st_mode) == 0o640


# -- as lower layers ---------------------------------------------------------------------------

BOTTOM = (
    directory(b"kept")
    + file(b"kept/old", b"old")
    + file(b"kept/gone")
    + directory(b"emptied")
    + file(b"emptied/old")
    + directory(b"again")
    + file(b"again/old")
    + directory(b"lost")
    + file(b"lost/f")
    + file(b"replaced", b"old")
)
TOP = (
    file(b"kept/.wh.gone")
    + file(b"kept/new", b"new")
    + directory(b"emptied")
    + file(b"emptied/.wh..wh..opq")
    + file(b"emptied/new")
    + file(b".wh.again")
    + directory(b"again")
    + file(b"again/new")
    + file(b".wh.lost")
    + file(b".wh.replaced")
    + link(b"replaced", b"kept/new")
)
MERGED = ["again", "again/new", "emptied", "emptied/new"]
MERGED += ["kept", "kept/new", "kept/old", "replaced"]


def merged(mount: str) -> str:
    """A script that mounts below the current directory, lists the result and ends the mount."""
    return f"""
        mkdir up work merged
        {mount} >&2
        (cd merged && find . -mindepth 1 | sort | cut -c3- | tr '\\n' ' '; cat replaced)
        umount merged
    """


OVERLAY = (
    "mount -t overlay -o userxattr,lowerdir=top/fs:bottom/fs,upperdir=up,workdir=work o merged"
)
FUSE = "fuse-overlayfs -o lowerdir=top/fs:bottom/fs,upperdir=up,workdir=work merged"


@pytest.mark.parametrize(
    "mount",
    [OVERLAY, pytest.param(FUSE, marks=pytest.mark.needs("fuse-overlayfs", "/dev/fuse"))],
    ids=["overlay", "fuse-overlayfs"],
)
def test_union_mounts_read_the_layers(mount: str, paths: Paths) -> None:
    layer(paths, "bottom", BOTTOM)
    layer(paths, "top", TOP)
    assert inside(paths, f"cd {paths.layers}; {merged(mount)}") == " ".join(MERGED) + " new"


@pytest.mark.needs("fuse-overlayfs", "/dev/fuse")
def test_a_store_on_an_overlay(paths: Paths) -> None:
    """As in a container in a container: no whiteout can be made there, so they stay files."""
    layer(paths, "bottom", BOTTOM)

    def nested(fd: int) -> list[Any]:
        subprocess.run(
            ["mount", "-t", "tmpfs", "none", paths.containers],
            check=True,
        )
        script = f"""
            cd {paths.containers}; mkdir u w; exec 2>/dev/null
            mount -t overlay -o userxattr,lowerdir={paths.layers},upperdir=u,workdir=w \
                o {paths.layers}
        """
        assert inside_already(script) == ""
        os.mkdir(f"{paths.layers}/top")
        record = extract(fd, f"{paths.layers}/top", {})
        names = inside_already(f"cd {paths.layers}/top/fs; find . | cut -c3-").split()
        script = f"cd {paths.containers}; ln -s {paths.layers}/* .; {merged(FUSE)}"
        return [record, names, inside_already(script)]

    with tars.descriptor(TOP + END) as fd:
        record, names, found = spawn(paths, nested, fd, keep_fds=(fd,)).result()
    assert found == " ".join(MERGED) + " new"
    assert (record["whiteouts"], record["warned"]) == ("file", 1)
    assert {"kept/.wh.gone", ".wh.lost"} <= set(names)
    assert not {".wh.again", ".wh.replaced"} & set(names)


# -- the pipeline ------------------------------------------------------------------------------


def through_a_pipe(
    blob: Any, place: Path, limits: Limits | None = None
) -> tuple[Digest | None, Error | None, Error | None]:
    """Feed and extract as two processes do; return the diff id and the errors of both sides."""
    (place / "l").mkdir()
    reading, writing = os.pipe()
    unpack.widen(writing)
    answer, say = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(writing)
        try:
            unpack.extract_fd(reading, str(place / "l"), owners="record", limits=limits)
            os.write(say, b"ok")
        except LayerError as error:
            os.write(say, error.message.encode())
        finally:
            os._exit(0)
    os.close(reading)
    os.close(say)
    diff, error = None, None
    try:
        diff = unpack.feed(blob, writing, name="blob")
    except Error as caught:
        error = caught
    except BrokenPipeError:
        pass
    os.close(writing)
    text = os.read(answer, 4096).decode()
    os.close(answer)
    os.waitpid(pid, 0)
    return diff, error, None if text == "ok" else LayerError(text)


BIG = b"".join(file(b"d/f%d" % n, os.urandom(5000)) for n in range(1000)) + END


@pytest.mark.parametrize(
    "compress", [bytes, gzip.compress, zstandard.ZstdCompressor().compress], ids=["-", "gz", "zst"]
)
@pytest.mark.once
def test_a_blob_goes_through(compress: Callable[[bytes], bytes], tmp_path: Path) -> None:
    packed = compress(BIG)
    blob = Verifier(io.BytesIO(packed), Digest.of(packed), len(packed))
    diff, error, refused = through_a_pipe(blob, tmp_path)
    assert (error, refused) == (None, None)
    assert diff == Digest.of(BIG)
    assert len(os.listdir(tmp_path / "l" / "fs" / "d")) == 1000


@pytest.mark.once
def test_filling_behind_the_archive_belongs_to_the_diff_id(tmp_path: Path) -> None:
    """GNU tar fills up to 10 KiB, and a writer that nobody reads would break off."""
    data = BIG + bytes(3 << 20)
    diff, error, refused = through_a_pipe(io.BytesIO(data), tmp_path)
    assert (diff, error, refused) == (Digest.of(data), None, None)


@pytest.mark.once
def test_a_damaged_blob_is_told_by_its_digest(tmp_path: Path) -> None:
    blob = Verifier(io.BytesIO(BIG), Digest.of(b"other"))
    _, error, _ = through_a_pipe(blob, tmp_path)
    assert isinstance(error, DigestError)


@pytest.mark.once
def test_a_blob_that_ends_early(tmp_path: Path) -> None:
    # One file, so that the middle is in its content: after a whole entry a tar may well end.
    packed = gzip.compress(file(b"f", os.urandom(5_000_000)) + END)
    _, error, refused = through_a_pipe(io.BytesIO(packed[: len(packed) // 2]), tmp_path)
    assert isinstance(error, ImageError)
    assert "gzip: the file ends early" in error.message
    assert refused is not None
    assert "the archive is cut short" in refused.message


@pytest.mark.once
def test_a_bomb_is_stopped_by_the_limit(tmp_path: Path) -> None:
    """A gigabyte of zeros in a megabyte, unpacked with a limit of 10 MB."""
    piece = gzip.compress(bytes(64 << 20))
    bomb = gzip.compress(header(b"bomb", size=1 << 30)) + piece * 16
    _, _, refused = through_a_pipe(io.BytesIO(bomb), tmp_path, Limits(bytes=10_000_000))
    assert refused is not None
    assert refused.message == "unpack 'bomb': the archive is larger than 10000000 bytes"
    assert (tmp_path / "l" / "fs" / "bomb").stat().st_size < 12 << 20


@pytest.mark.soak
def test_a_million_entries(tmp_path: Path) -> None:
    """Unpacked in bounded memory, and refused with a lower limit."""
    with tempfile.TemporaryFile() as archive:
        for n in range(1_000_000):
            archive.write(header(b"%03d/%d" % (n // 1000, n)))
        archive.flush()
        archive.seek(0)
        (tmp_path / "l").mkdir()
        record = unpack.extract_fd(archive.fileno(), str(tmp_path / "l"), owners="record")
        assert record["entries"] == 1_000_000
        archive.seek(0)
        (tmp_path / "m").mkdir()
        with pytest.raises(LayerError, match=r"'099/99999'.*more than 99999 entries"):
            unpack.extract_fd(
                archive.fileno(), str(tmp_path / "m"), owners="record", limits=Limits(entries=99999)
            )
