"""-v, --mount, --tmpfs, --device: what each text means, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rootless.containers import request
from rootless.containers.words import binds, memory, mounts
from rootless.containers.words.fields import csv
from rootless.errors import UsageError
from rootless.volumes.mounts import inside

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rootless.volumes.mounts import Volume

pytestmark = pytest.mark.once

V = "/base"
"""The directory that relative sources are below."""


def differs(volume: Volume, **expected: Any) -> None:
    """Assert some keys of a volume."""
    assert expected == {key: volume[key] for key in expected}  # type: ignore[literal-required]


RO = ["rbind", "ro", "rro", "rprivate"]
RW = ["rbind", "rw", "rprivate"]


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("/a:/b", RW),
        ("/a:/b:rw", RW),
        ("/a:/b:ro", RO),
        ("/a:/b:z", RW),
        ("/a:/b:ro,Z", RO),
        ("/a:/b:cached", RW),
        ("/a:/b:rslave", ["rbind", "rw", "rslave"]),
        ("/a:/b:shared,ro", ["rbind", "ro", "rro", "shared"]),
        ("/a:/b:private", ["rbind", "rw", "private"]),
        ("/a:/b:bind", ["bind", "rw", "rprivate"]),
        ("/a:/b:bind,ro", ["bind", "ro", "rprivate"]),
        (
            "/a:/b:rbind,nosuid,noexec,nodev",
            ["rbind", "nosuid", "noexec", "nodev", "rw", "rprivate"],
        ),
        ("/a:/b:exec", ["rbind", "exec", "rw", "rprivate"]),
    ],
)
def test_bind(text: str, options: list[str]) -> None:
    made = binds.volume(text, V)
    assert options == made["options"]
    differs(
        made,
        type="bind",
        name="",
        source="/a",
        destination="/b",
        rw="ro" not in options,
        propagation=options[-1],
        mode=text[6:],
        anonymous=False,
        make=True,
        copy_up=False,
        chown=False,
        overlay=False,
    )


def test_bind_that_changes_owners() -> None:
    differs(binds.volume("/a:/b:U", V), chown=True, options=RW)


def test_bind_under_a_throw_away_layer() -> None:
    differs(binds.volume("/a:/b:O,U", V), overlay=True, chown=True, rw=True)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("/a/../b//c/", "/b/c"),
        (".", "/base"),
        ("./x", "/base/x"),
        ("../x", "/x"),
        ("..", "/"),
    ],
)
def test_source(source: str, expected: str) -> None:
    assert expected == binds.volume(f"{source}:/b", V)["source"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/b", "/b"), ("//b", "/b"), ("/a/./b/", "/a/b"), ("/a/../b", "/b"), ("/../b", "/b")],
)
def test_destination(path: str, expected: str) -> None:
    assert expected == inside(path)


def test_named_volume() -> None:
    made = binds.volume("data:/b:ro", V)
    differs(
        made,
        type="volume",
        name="data",
        source="",
        propagation="",
        anonymous=False,
        make=True,
        copy_up=True,
        rw=False,
        options=RO,
    )
    differs(binds.volume("data:/b:nocopy", V), copy_up=False)
    differs(binds.volume("data:/b:copy", V), copy_up=True)


def test_anonymous_volume() -> None:
    differs(
        binds.volume("/b", V),
        type="volume",
        name="",
        source="",
        destination="/b",
        anonymous=True,
        make=True,
        copy_up=True,
        options=RW,
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "invalid volume specification"),
        ("/a:/b:ro:x", "invalid volume specification"),
        ("b", "absolute path"),
        ("/", "can't be '/'"),
        ("/a:b", "absolute path"),
        ("/a:", "invalid volume specification: '/a:'"),
        (":/b", "invalid volume specification"),
        ("/a:/", "can't be '/'"),
        ("/a:/x/..", "can't be '/'"),
        ("rel/dir:/b", "invalid characters"),
        ("~/x:/b", "invalid characters"),
        ("-x:/b", "invalid characters"),
        ("/a:/b:", "invalid mode"),
        ("/a:/b:foo", "invalid mode: 'foo'"),
        ("/a:/b:RO", "invalid mode: 'RO'"),
        ("/a:/b:ro,", "invalid mode"),
        ("/a:/b:ro,rw", "only one"),
        ("/a:/b:ro,ro", "only one"),
        ("/a:/b:z,Z", "only one"),
        ("/a:/b:shared,rslave", "only one"),
        ("/a:/b:dev,nodev", "only one"),
        ("/a:/b:bind,rbind", "only one"),
        ("/a:/b:nocopy", "invalid mode: 'nocopy'"),
        ("v:/b:rslave", "invalid mode: 'rslave'"),
        ("/a:/b:O,ro", "cannot be combined with ro"),
        ("/a:/b:O,rslave", "cannot be combined"),
        ("/a:/b:O,upperdir=/x", "not supported"),
        ("/a:/b:idmap", "idmapped"),
        ("/a\0:/b", "invalid mount source"),
        ("/a:/b\0", "invalid mount path"),
    ],
)
def test_volume_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        binds.volume(text, V)


@pytest.mark.parametrize("source", ["source", "src"])
@pytest.mark.parametrize("target", ["target", "dst", "destination"])
@pytest.mark.parametrize(
    ("rest", "options"),
    [
        ("", RW),
        (",ro", RO),
        (",ro=true", RO),
        (",readonly", RO),
        (",readonly=1", RO),
        (",readonly=false", RW),
        (",rw", RW),
        (",rw=false", RO),
        (",bind-propagation=rslave", ["rbind", "rw", "rslave"]),
        (",rshared", ["rbind", "rw", "rshared"]),
        (",bind-nonrecursive", ["bind", "rw", "rprivate"]),
        (",bind-nonrecursive=false", RW),
        (",bind-recursive=enabled", RW),
        (",bind-recursive=disabled,ro", ["bind", "ro", "rprivate"]),
        (",bind-recursive=writable,ro", ["rbind", "ro", "rprivate"]),
        (",bind-recursive=readonly,ro", RO),
        (",consistency=cached,relabel=shared,Z", RW),
        (",noexec", ["rbind", "noexec", "rw", "rprivate"]),
        (",idmap=false", RW),
    ],
)
def test_mount_bind(source: str, target: str, rest: str, options: list[str]) -> None:
    made = mounts.mount(f"type=bind,{source}=/a,{target}=/b{rest}", V)
    differs(made, type="bind", source="/a", destination="/b", options=options, make=False)


def test_mount_chown() -> None:
    for text in ("U", "U=true", "chown", "chown=1"):
        differs(mounts.mount(f"type=bind,src=/a,dst=/b,{text}", V), chown=True)
    differs(mounts.mount("type=bind,src=/a,dst=/b,U=false", V), chown=False)


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ('"a,b",c', ["a,b", "c"]),
        ('"a""b"', ['a"b']),
        ("a,,b", ["a", "", "b"]),
        ("", [""]),
        ("a,", ["a", ""]),
        ('""', [""]),
    ],
)
def test_csv(text: str, fields: list[str]) -> None:
    assert fields in (csv(text), [*csv(text), ""])


def test_mount_source_with_a_comma() -> None:
    made = mounts.mount('type=bind,"source=/a,b",target=/c', V)
    differs(made, source="/a,b", destination="/c")


@pytest.mark.parametrize("kind", ["type=volume,", ""])
def test_mount_volume(kind: str) -> None:
    made = mounts.mount(f"{kind}source=data,target=/b", V)
    differs(made, type="volume", name="data", make=True, copy_up=True, anonymous=False, options=RW)
    differs(mounts.mount(f"{kind}target=/b", V), anonymous=True)
    differs(mounts.mount(f"{kind}src=d,dst=/b,volume-nocopy", V), copy_up=False)
    differs(mounts.mount(f"{kind}src=d,dst=/b,ro,volume-driver=local", V), rw=False, options=RO)
    differs(mounts.mount(f"{kind}src=d,dst=/b,subpath=/c/d/", V), subpath="c/d", copy_up=False)
    made = mounts.mount(f"{kind}src=d,dst=/b,volume-label=a=b=c,volume-label=d,volume-opt=e=f", V)
    differs(made, labels={"a": "b=c", "d": ""}, driver={"e": "f"})


def test_mount_devpts() -> None:
    made = mounts.mount("type=devpts,target=/b,uid=5,mode=620", V)
    differs(made, type="devpts", name="", source="", rw=True)
    assert made["options"][-2:] == ["uid=5", "mode=620"]


def test_a_source_that_is_made() -> None:
    assert mounts.mount("type=bind,src=/a,dst=/b,bind-create-src", V)["make"]
    assert not mounts.mount("type=bind,src=/a,dst=/b,bind-create-src=false", V)["make"]


@pytest.mark.parametrize(
    ("rest", "options"),
    [
        ("", ["nosuid", "nodev"]),
        (",tmpfs-size=64m", ["nosuid", "nodev", f"size={64 << 20}"]),
        (",tmpfs-mode=700", ["nosuid", "nodev", "mode=0700"]),
        (",tmpfs-mode=01777", ["nosuid", "nodev", "mode=1777"]),
        (",ro", ["nosuid", "nodev", "ro"]),
        (",noexec", ["nosuid", "nodev", "noexec"]),
        (",notmpcopyup", ["nosuid", "nodev"]),
        (",tmpcopyup", ["nosuid", "nodev", "tmpcopyup"]),
    ],
)
def test_mount_tmpfs(rest: str, options: list[str]) -> None:
    made = mounts.mount(f"type=tmpfs,target=/b{rest}", V)
    differs(made, type="tmpfs", source="", make=False, options=options, rw=rest != ",ro")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "invalid field"),
        ("foo", "unexpected key|target is required"),
        ("type=bind", "target is required"),
        ("type=bind,target=/b", "source is required"),
        ("type=bind,source=/a,target=b", "absolute"),
        ("type=foo,target=/b", "type 'foo' are not supported"),
        ("type=image,target=/b", "source is required"),
        ("type=image,source=a,target=/b,size=1", "unexpected key"),
        ("type=image,source=a,target=/b,subpath=c/../d", "leads out of the image"),
        ("type=image,source=a,target=/b,subpath=c,image-subpath=d", "twice"),
        ("type=image,source=a,target=/b,rw,ro", "twice"),
        ("type=artifact,target=/b", "source is required"),
        ("type=artifact,source=a,target=/b,name=x/y", "the name is that of a file"),
        ("type=artifact,source=a,target=/b,rw", "unexpected key 'readonly'"),
        ("type=artifact,source=a,target=/b,title=x,digest=y", "contradict each other"),
        ("type=ramfs,source=/a,target=/b", "source is not supported with ramfs"),
        ("type=ramfs,target=/b,tmpfs-size=1m", "a ramfs has no size"),
        ("type=bind,source=/a,target=/b,foo=1", "unexpected key 'foo'"),
        ("type=bind,source=/a,target=/b,nocopy", "unexpected key 'nocopy'"),
        ("type=bind,source=/a,target=/b,tmpfs-size=1", "unexpected key"),
        ("type=bind,source=/a,source=/c,target=/b", "source is given twice"),
        ("type=bind,source=/a,src=/c,target=/b", "source is given twice"),
        ("type=bind,source=/a,target=/b,ro,rw", "readonly is given twice"),
        ("type=bind,source=/a,target=/b,ro=maybe", "neither true nor false"),
        ("type=bind,source=/a,target=/b,bind-propagation=foo", "invalid propagation"),
        ("type=bind,source=/a,target=/b,bind-recursive=foo", "invalid bind-recursive"),
        ("type=bind,source=/a,target=/b,relabel=foo", "invalid relabel"),
        ("type=bind,source=/a,target=/b,idmap", "idmapped"),
        ("type=bind,source=/a,target=/b,,ro", "invalid field"),
        ("type=volume,source=a,target=/b,volume-driver=nfs", "volume a: there is no driver 'nfs'"),
        ("type=volume,source=a,target=/b,volume-subpath=../c", "leads out of the volume"),
        ("type=volume,target=/b,subpath=c", "a volume without a name has nothing in it"),
        ("type=bind,source=/a,target=/b,subpath=c", "unexpected key 'subpath'"),
        ("type=devpts,target=/b,mode=999", "unexpected mode=999"),
        ("type=devpts,target=/b,size=1", "unexpected size=1"),
        ("type=volume,source=a,target=/b,bind-propagation=shared", "unexpected key"),
        ("type=volume,source=a,target=/b,shared", "does not fit a volume"),
        ("type=volume,source=/a,target=/b", "invalid characters"),
        ("type=tmpfs,source=/a,target=/b", "source is not supported"),
        ("type=tmpfs,target=/b,tmpfs-mode=9", "invalid mode"),
        ("type=tmpfs,target=/b,tmpfs-mode=0o7", "invalid mode"),
        ("type=tmpfs,target=/b,tmpfs-mode=1_0", "invalid mode"),
        ("type=tmpfs,target=/b,tmpfs-mode=77777", "invalid mode"),
        ("type=tmpfs,target=/b,tmpfs-size=x", "invalid size"),
        ("type=tmpfs,target=/b,foo=1", "unexpected key"),
        ('type=bind,"source=/a', 'a " is missing'),
        ('type=bind,"source=/a"x,target=/b', 'a " is missing'),
    ],
)
def test_mount_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        mounts.mount(text, V)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("/b", ["noexec", "nosuid", "nodev"]),
        ("/b:", ["noexec", "nosuid", "nodev"]),
        ("/b:rw", ["noexec", "nosuid", "nodev", "rw"]),
        ("/b:exec", ["nosuid", "nodev", "exec"]),
        ("/b:rw,noexec,suid", ["noexec", "nodev", "rw", "suid"]),
        ("/b:size=64k,mode=700", ["noexec", "nosuid", "nodev", "size=65536", "mode=0700"]),
        ("/b:size=50%", ["noexec", "nosuid", "nodev", "size=50%"]),
        ("/b:uid=1,gid=2", ["noexec", "nosuid", "nodev", "uid=1", "gid=2"]),
        ("/b:nr_inodes=4k", ["noexec", "nosuid", "nodev", "nr_inodes=4k"]),
        ("/b:huge=always", ["noexec", "nosuid", "nodev", "huge=always"]),
    ],
)
def test_tmpfs(text: str, options: list[str]) -> None:
    assert options == memory.tmpfs(text)["options"]


@pytest.mark.parametrize(
    "text",
    ["", "b", "/", "/b:foo", "/b:size", "/b:size=", "/b:size=x", "/b:mode=", "/b:mode=8",
     "/b:uid=a", "/b:a=b", "/b:size=1,,ro", "/b:size=200000%", "/b:huge=x"],
)  # fmt: skip
def test_tmpfs_refused(text: str) -> None:
    with pytest.raises(UsageError):
        memory.tmpfs(text)


@pytest.mark.parametrize(
    ("text", "source", "destination"),
    [
        ("/dev/fuse", "/dev/fuse", "/dev/fuse"),
        ("/dev/fuse:rwm", "/dev/fuse", "/dev/fuse"),
        ("/dev/fuse:/dev/f", "/dev/fuse", "/dev/f"),
        ("/dev/fuse:/dev/f:r", "/dev/fuse", "/dev/f"),
    ],
)
def test_device(text: str, source: str, destination: str) -> None:
    made = binds.device(text)
    assert (source, destination) == (made["source"], made["destination"])
    assert made["options"] == ["rbind", "nosuid", "noexec", "rprivate"]


@pytest.mark.parametrize(
    "text",
    ["", "fuse", "/dev/a:x", "/dev/a:", "/dev/a:/b:/c", "/dev/a:/b:rx", "nvidia.com/gpu=all"],
)
def test_device_refused(text: str) -> None:
    with pytest.raises(UsageError, match="device"):
        binds.device(text)


PARSERS: dict[str, Callable[[str], object]] = {
    "volume": lambda text: binds.volume(text, V),
    "mount": lambda text: mounts.mount(text, V),
    "tmpfs": memory.tmpfs,
    "device": binds.device,
    "destination": inside,
}
WORDS = st.sampled_from(
    [
        "/",
        "/a",
        "/a/..",
        ".",
        "b",
        ":",
        ",",
        "=",
        '"',
        "ro",
        "rw",
        "z",
        "Z",
        "O",
        "U",
        "rslave",
        "type=bind",
        "type=tmpfs",
        "source=",
        "target=",
        "dst=/x",
        "tmpfs-size=",
        "size=",
        "mode=",
        "7",
        "m",
        "true",
        "idmap",
        "\x00",
        "\n",
        "é",
    ]
)


@pytest.mark.parametrize("name", PARSERS)
@given(text=st.text() | st.lists(WORDS).map("".join) | st.lists(WORDS).map(",".join))
def test_a_parser_raises_nothing_but_usage_errors(name: str, text: str) -> None:
    try:
        PARSERS[name](text)
    except UsageError as error:
        assert error.message


@given(st.lists(st.text().filter(lambda text: "\n" not in text and text), min_size=1))
def test_csv_gives_back_what_was_quoted(fields: list[str]) -> None:
    line = ",".join('"' + field.replace('"', '""') + '"' for field in fields)
    assert fields == csv(line)


@given(st.text(st.characters(codec="utf-8", exclude_characters=":\0")))
def test_destinations_are_absolute_and_clean(path: str) -> None:
    try:
        clean = inside("/" + path)
    except UsageError:
        return
    assert clean == inside(clean)
    assert clean.startswith("/")
    assert clean != "/"
    assert not {"", ".", ".."} & set(clean[1:].split("/"))


def test_artifact() -> None:
    made = mounts.mount("type=artifact,src=a/b:1,dst=/b,title=x,name=y,ro", V)
    assert made == request.artifact("a/b:1", "/b", "title=x", "name=y")
    differs(made, type="artifact", source="a/b:1", destination="/b", rw=False)


@pytest.mark.parametrize(
    ("rest", "rw", "options"),
    [
        ("", False, []),
        (",ro", False, []),
        (",readonly=false", True, []),
        (",rw", True, []),
        (",rw=true,subpath=/c/d", True, ["subpath=/c/d"]),
        (",rw=false,consistency=cached", False, []),
        (",image-subpath=c", False, ["subpath=c"]),
        (",subpath=..c/d..", False, ["subpath=..c/d.."]),
    ],
)
def test_image(rest: str, rw: bool, options: list[str]) -> None:
    made = mounts.mount(f"type=image,src=a/b:1,dst=/b{rest}", V)
    differs(made, type="image", source="a/b:1", destination="/b", rw=rw, options=options)


def test_ramfs() -> None:
    made = mounts.mount("type=ramfs,dst=/b,tmpfs-mode=700,tmpcopyup", V)
    differs(made, type="ramfs", destination="/b", rw=True, source="")
    assert made["options"] == ["nosuid", "nodev", "mode=0700", "tmpcopyup"]


def test_glob(tmp_path: Path) -> None:
    """Into a directory by their names, or where they are out here."""
    for name in ("b1", "b2", "c"):
        (tmp_path / name).touch()
    found = mounts.several("type=glob,src=b*,dst=/lib,ro", str(tmp_path))
    shown = [(one["type"], one["source"], one["destination"], one["rw"]) for one in found]
    assert shown == [("bind", f"{tmp_path}/b{n}", f"/lib/b{n}", False) for n in (1, 2)]
    (alone,) = mounts.several(f"type=glob,src={tmp_path}/[c]", "/")
    assert alone["source"] == alone["destination"] == f"{tmp_path}/c"
    for text, words in (("src=x*,dst=/x", "there is no x"), ("dst=/x", "source is required")):
        with pytest.raises(UsageError, match=words):
            mounts.several(f"type=glob,{text}", str(tmp_path))
    with pytest.raises(UsageError, match="unexpected key"):
        mounts.several("type=glob,src=b*,dst=/x,size=1", str(tmp_path))


def test_several_is_one_of_other_types() -> None:
    text = "type=bind,src=/a,dst=/b"
    assert mounts.several(text, V) == [mounts.mount(text, V)]
