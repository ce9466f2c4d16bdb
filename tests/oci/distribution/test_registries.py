"""registries.conf: which files are read, what they may say, and what follows from it."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from rootless.oci.distribution.registries import MAX_FILE, Registries
from rootless.oci.distribution.registries_files import has_registries
from rootless.oci.errors import InvalidReference, RegistryError, SettingsError
from rootless.oci.reference import Reference, parse

pytestmark = pytest.mark.once

HEX = "a" * 64
REGISTRY = "[[registry]]\n"


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment whose files are below tmp_path."""
    return {
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def load(tmp_path: Path, text: str | bytes) -> Registries:
    """Read one file that the environment names, and nothing else."""
    path = write(tmp_path / "one.conf", text)
    return Registries.load(
        {"CONTAINERS_REGISTRIES_CONF": str(path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    )


def places(registries: Registries, name: str) -> list[str]:
    return [
        str(endpoint.name) + (" insecure" if endpoint.insecure else "")
        for endpoint in registries.endpoints(parse(name).tagged())
    ]


def names(registries: Registries, written: str) -> list[str]:
    return [str(name) for name in registries.candidates(written)]


# -- which files ------------------------------------------------------------------------------


def test_without_files_names_are_dockers(tmp_path: Path) -> None:
    registries = load(tmp_path, "")
    assert names(registries, "busybox") == ["docker.io/library/busybox:latest"]
    assert places(registries, "busybox:1") == ["docker.io/library/busybox:1"]
    assert registries.mode == "permissive"


def test_the_users_file_with_the_users_drop_ins_in_order(
    tmp_path: Path, home: dict[str, str]
) -> None:
    main = write(
        tmp_path / "config/containers/registries.conf",
        'unqualified-search-registries = ["one.example"]\nshort-name-mode = "disabled"\n'
        '[aliases]\na = "q.example/a"\nb = "q.example/b"\n'
        '[[registry]]\nprefix = "x.example"\nlocation = "old.example"\ninsecure = true\n'
        '[[registry]]\nlocation = "kept.example"\nblocked = true\n',
    )
    drop_ins = Path(f"{main}.d")
    write(drop_ins / "20.conf", 'unqualified-search-registries = ["three.example"]\n')
    write(
        drop_ins / "10.conf",
        'unqualified-search-registries = ["two.example"]\n[aliases]\na = ""\nb = "q.example/c"\n'
        '[[registry]]\nprefix = "x.example"\nlocation = "new.example"\n',
    )
    write(drop_ins / "30.conf.bak", "not even TOML")
    (drop_ins / "40.conf").mkdir()
    registries = Registries.load(home)
    assert registries.search == ["three.example"]
    assert registries.mode == "disabled"
    assert names(registries, "b:1") == ["q.example/c:1"]
    assert names(registries, "a") == ["three.example/a:latest"]
    # A table takes the place of an earlier one of its prefix as a whole.
    assert places(registries, "x.example/i") == ["new.example/i:latest"]
    with pytest.raises(RegistryError, match="blocked"):
        registries.endpoints(parse("kept.example/i:1"))


def test_the_users_drop_ins_come_behind_the_systems_files(
    tmp_path: Path, home: dict[str, str]
) -> None:
    drop_in = 'unqualified-search-registries = ["mine.example"]\n'
    write(tmp_path / "config/containers/registries.conf.d/0.conf", drop_in)
    assert Registries.load(home).search == ["mine.example"]


def test_a_file_that_the_environment_names_stands_alone_and_must_be_there(
    tmp_path: Path, home: dict[str, str]
) -> None:
    drop_in = 'unqualified-search-registries = ["mine.example"]\n'
    write(tmp_path / "config/containers/registries.conf.d/0.conf", drop_in)
    assert Registries.load({**home, "CONTAINERS_REGISTRIES_CONF": os.devnull}).search == []
    missing = str(tmp_path / "missing.conf")
    with pytest.raises(SettingsError, match=r"cannot read .*missing\.conf: No such file"):
        Registries.load({**home, "CONTAINERS_REGISTRIES_CONF": missing})


# -- names ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "full"),
    [
        ("tool", ["quay.example/team/tool:latest"]),
        ("tool:2", ["quay.example/team/tool:2"]),
        (f"tool@sha256:{HEX}", [f"quay.example/team/tool@sha256:{HEX}"]),
        (f"tool:2@sha256:{HEX}", [f"quay.example/team/tool:2@sha256:{HEX}"]),
        ("a/b", ["docker.io/c/d:latest"]),
        ("library/tool", ["one.example:5000/library/tool:latest", "docker.io/library/tool:latest"]),
        ("other", ["one.example:5000/other:latest", "docker.io/library/other:latest"]),
        ("docker.io/tool", ["docker.io/library/tool:latest"]),
        ("index.docker.io/tool", ["docker.io/library/tool:latest"]),
        ("docker://tool", ["docker.io/library/tool:latest"]),
        ("localhost/tool", ["localhost/tool:latest"]),
        ("h:1/tool", ["h:1/tool:latest"]),
    ],
)
def test_short_names(tmp_path: Path, written: str, full: list[str]) -> None:
    text = (
        'unqualified-search-registries = ["one.example:5000", "docker.io", "docker.io"]\n'
        '[aliases]\ntool = "quay.example/team/tool"\n"a/b" = "docker.io/c/d"\n'
    )
    assert names(load(tmp_path, text), written) == full


def test_a_name_that_is_none_stays_none(tmp_path: Path) -> None:
    with pytest.raises(InvalidReference):
        load(tmp_path, "").candidates("a b")


# -- places -----------------------------------------------------------------------------------

EXAMPLE = """
[[registry]]
prefix = "shop.example/tools"
location = "inner.example/deep/er"
[[registry.mirror]]
location = "near.example/m"
[[registry.mirror]]
location = "far.example:5000"
insecure = true

[[registry]]
location = "shop.example"

[[registry]]
prefix = "shop.example/tools/secret"
location = "shop.example/tools/secret"
insecure = true

[[registry]]
prefix = "*.wild.example"
insecure = true

[[registry]]
prefix = "*.b.wild.example"
location = "one.example/all"

[[registry]]
prefix = "a.b.wild.example"
location = "exact.example"

[[registry]]
prefix = "tagged.example/x:1"
location = "one.example/y"

[[registry]]
prefix = "docker.io"
location = "hub.example/"

[[registry]]
prefix = "back.example"
location = "docker.io"
"""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "shop.example/tools/i:1",
            ["near.example/m/i:1", "far.example:5000/i:1 insecure", "inner.example/deep/er/i:1"],
        ),
        ("shop.example/tools/secret:1", ["shop.example/tools/secret:1 insecure"]),
        ("shop.example/tools/secret/i:1", ["shop.example/tools/secret/i:1 insecure"]),
        ("shop.example/toolsmith:1", ["shop.example/toolsmith:1"]),
        ("shop.example:5000/tools/i:1", ["shop.example:5000/tools/i:1"]),
        ("shop.example.evil/tools/i:1", ["shop.example.evil/tools/i:1"]),
        ("x.wild.example/i:1", ["x.wild.example/i:1 insecure"]),
        ("x.y.wild.example:443/i:1", ["x.y.wild.example:443/i:1 insecure"]),
        ("wild.example/i:1", ["wild.example/i:1"]),
        ("notwild.example/i:1", ["notwild.example/i:1"]),
        ("evil.io/x.wild.example/i:1", ["evil.io/x.wild.example/i:1"]),
        ("c.b.wild.example/n/i:1", ["one.example/all/n/i:1"]),
        ("a.b.wild.example/n/i:1", ["exact.example/n/i:1"]),
        ("tagged.example/x:1", ["one.example/y:1"]),
        ("tagged.example/x:10", ["tagged.example/x:10"]),
        (f"tagged.example/x:1@sha256:{HEX}", [f"one.example/y@sha256:{HEX}"]),
        ("busybox", ["hub.example/library/busybox:latest"]),
        ("back.example:5000/busybox:1", ["back.example:5000/busybox:1"]),
        ("back.example/busybox:1", ["docker.io/library/busybox:1"]),
        (f"shop.example/i@sha256:{HEX}", [f"shop.example/i@sha256:{HEX}"]),
    ],
)
def test_the_longest_prefix_says_where(tmp_path: Path, name: str, expected: list[str]) -> None:
    assert places(load(tmp_path, EXAMPLE), name) == expected


@pytest.mark.parametrize(
    ("more", "key", "by_tag", "by_digest"),
    [
        ("", "", True, True),
        ("", 'pull-from-mirror = ""', True, True),
        ("", 'pull-from-mirror = "all"', True, True),
        ("", 'pull-from-mirror = "digest-only"', False, True),
        ("", 'pull-from-mirror = "tag-only"', True, False),
        ("mirror-by-digest-only = true", "", False, True),
    ],
)
def test_mirrors_for_tags_and_digests(
    tmp_path: Path, more: str, key: str, by_tag: bool, by_digest: bool
) -> None:
    text = (
        f'[[registry]]\nlocation="a.example"\n{more}\n[[registry.mirror]]\nlocation="m.example"\n'
    )
    registries = load(tmp_path, text + key)
    assert ("m.example/i:1" in places(registries, "a.example/i:1")) == by_tag
    pinned = f"a.example/i@sha256:{HEX}"
    assert (f"m.example/i@sha256:{HEX}" in places(registries, pinned)) == by_digest
    assert places(registries, pinned)[-1] == pinned


@pytest.mark.parametrize("name", ["bad.example/i:1", "x.evil.example/i", "a.example/b/c:2"])
def test_what_is_blocked(tmp_path: Path, name: str) -> None:
    text = "".join(
        f'[[registry]]\nprefix = "{prefix}"\nlocation = "{prefix.removeprefix("*.")}"\n'
        "blocked = true\n"
        for prefix in ("bad.example", "*.evil.example", "a.example/b")
    )
    registries = load(tmp_path, text)
    with pytest.raises(RegistryError, match=r"is blocked in .*one\.conf"):
        registries.endpoints(parse(name))
    assert places(registries, "a.example/c:1") == ["a.example/c:1"]


def test_a_registry_as_a_whole(tmp_path: Path) -> None:
    """Where it is searched: at its location, not at mirrors, which have no other names."""
    registries = load(
        tmp_path,
        f"""
        {REGISTRY}prefix="a.example"\nlocation="b.example:5000/hub"\ninsecure=true
        [[registry.mirror]]\nlocation="c.example:5000"
        {REGISTRY}location="d.example"\n[[registry.mirror]]\nlocation="e.example:5000"
        {REGISTRY}location="bad.example"\nblocked=true
        {REGISTRY}prefix="f.example"\nlocation="bad.example"
        """,
    )
    for place, host, insecure in (
        ("a.example", "b.example:5000", True),
        ("d.example", "d.example", False),
        ("x.example", "x.example", False),
    ):
        endpoint = registries.whole(Reference(place, ""))
        assert (endpoint.name.domain, bool(endpoint.insecure)) == (host, insecure)
        assert bool(registries.is_insecure(Reference(place, ""))) is insecure
    for place in ("bad.example", "f.example"):
        with pytest.raises(RegistryError, match=r"bad\.example is blocked in"):
            registries.whole(Reference(place, ""))


def test_no_rewriting_leads_to_what_is_blocked(tmp_path: Path) -> None:
    text = f"""
{REGISTRY}location = "bad.example"
blocked = true
{REGISTRY}prefix = "a.example"
location = "good.example"
[[registry.mirror]]
location = "bad.example/mirror"
{REGISTRY}prefix = "b.example"
location = "bad.example/b"
"""
    registries = load(tmp_path, text)
    assert places(registries, "a.example/i:1") == ["good.example/i:1"]
    with pytest.raises(RegistryError, match=r"b\.example/i:1 .* bad\.example is blocked"):
        registries.endpoints(parse("b.example/i:1"))


# -- what is refused --------------------------------------------------------------------------

MIRROR = f'{REGISTRY}location="a.example"\n%s\n[[registry.mirror]]\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = ", "is no TOML"),
        (b"\xff\xfe", "is no TOML"),
        ("a = " + "[" * 100_000, "is no TOML"),
        ("#" * (MAX_FILE + 1), "longer than 1 MiB"),
        ("a = 1\na = 2", "is no TOML"),
        (
            'unqualified-search-registries = "a.example"',
            "unqualified-search-registries is not a list",
        ),
        ('unqualified-search-registries = ["a.example/x"]', "'a.example/x' is no registry"),
        ('unqualified-search-registries = ["https://a.example"]', "is no registry"),
        ('unqualified-search-registries = [""]', "is no registry"),
        ('short-name-mode = "loud"', "short-name-mode is 'loud'"),
        ("registry = 1", "registry is not a list"),
        (f"{REGISTRY}location = 1", "registry[0].location is not a string"),
        (
            f'{REGISTRY}location = "a.example"\ninsecure = "yes"',
            "registry[0].insecure is neither true nor false",
        ),
        (REGISTRY, "neither prefix nor location"),
        (f'{REGISTRY}location = "https://a.example"', "it is a URL"),
        (f'{REGISTRY}location = "name"', "does not begin with the host name"),
        (f'{REGISTRY}prefix = "a.example/B"\nlocation = "b.example"', "must be lowercase"),
        (f'{REGISTRY}prefix = "a.example/../b"\nlocation = "b.example"', "malformed"),
        (f'{REGISTRY}prefix = "a.example"\nlocation = "b.example/x:1"', "has a tag or digest"),
        (f'{REGISTRY}prefix = "a.*.example"\nlocation = "b.example"', "prefix 'a.*.example'"),
        (f'{REGISTRY}prefix = "*.example/x"', "a wildcard stands before a host"),
        (f'{REGISTRY}prefix = "*.example:5000"', "a wildcard stands before a host"),
        (f'{REGISTRY}location = "*.example"', "a wildcard stands before a host"),
        (f'{REGISTRY}location = "a.example"\npull-from-mirror = "all"', "has pull-from-mirror"),
        (MIRROR % "", "a mirror of a.example has no location"),
        (MIRROR % "" + 'location = "*.example"', "location '*.example'"),
        (MIRROR % "" + 'location = "m.example"\npull-from-mirror = "never"', "pull-from-mirror"),
        (
            MIRROR % "mirror-by-digest-only=true"
            + 'location = "m.example"\npull-from-mirror = "all"',
            "mirror-by-digest-only and pull-from-mirror",
        ),
        (
            f'{REGISTRY}location="a.example"\n{REGISTRY}location="a.example"\nblocked=true',
            "a.example is there twice",
        ),
        ('[aliases]\n"a.example/x" = "b.example/x"', "'a.example/x' is no short name"),
        ('[aliases]\n"x:1" = "b.example/x"', "'x:1' is no short name"),
        ('[aliases]\n"X" = "b.example/x"', "must be lowercase"),
        ('[aliases]\n"x" = "y"', "x: 'y' is no full name"),
        ('[aliases]\n"x" = "b.example/x:1"', "is no full name"),
        ('[aliases]\n"x" = "b.example/x\\u001b"', "invalid reference"),
        ('[aliases]\n"x" = 1', "aliases.x is not a string"),
        ('[registries.search]\nregistries = ["a.example"]', "version 1"),
        ("[registries.block]\nregistries = []", "version 1"),
    ],
)
def test_bad_files_are_refused_in_words(tmp_path: Path, text: str | bytes, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text)
    assert words in str(caught.value)
    assert "one.conf" in caught.value.message
    assert str(caught.value).isprintable()


def test_a_location_that_makes_no_name(tmp_path: Path) -> None:
    text = f'{REGISTRY}prefix = "a.example"\nlocation = "b.example/{"x" * 200}"\n'
    registries = load(tmp_path, text)
    with pytest.raises(SettingsError, match="longer than 255") as caught:
        registries.endpoints(parse("a.example/" + "y" * 100 + ":1"))
    assert "one.conf" in caught.value.message


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)
keys = st.sampled_from(
    ["prefix", "location", "insecure", "blocked", "mirror", "mirror-by-digest-only", "x"]
)


def toml(value: object) -> str:
    """Write a value as TOML does, None as a date."""
    if isinstance(value, list):
        return "[" + ", ".join(toml(one) for one in value) + "]"
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(c):08X}" for c in value) + '"'
    return "1979-05-27" if value is None else str(value).lower()


@given(table=st.dictionaries(keys, values), top=st.dictionaries(keys, values), name=st.text())
def test_whatever_a_file_says_it_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory,
    table: dict[str, object],
    top: dict[str, object],
    name: str,
) -> None:
    lines = [f"{key} = {toml(value)}" for key, value in top.items()]
    lines += ["[[registry]]", *(f"{key} = {toml(value)}" for key, value in table.items())]
    lines += ["[aliases]", f"{toml(name)} = {toml(name)}"]
    directory = tmp_path_factory.getbasetemp() / "whatever"
    try:
        registries = load(directory, "\n".join(lines))
    except SettingsError as error:
        assert "one.conf" in error.message
        return
    registries.endpoints(parse("a.example/x:1"))


# -- what was answered ------------------------------------------------------------------------


ordinary = pytest.mark.modes("mapped", "single")
"""Root's aliases are the system's."""


@ordinary
def test_an_answer_is_remembered_before_what_the_files_say(
    tmp_path: Path, home: dict[str, str]
) -> None:
    write(tmp_path / "config/containers/registries.conf", '[aliases]\nx = "a.example/x"\n')
    write(tmp_path / "cache/containers/short-name-aliases.conf", '[aliases]\n"y" = "a.example/y"\n')
    Registries.load(home).remember(f"x:1@sha256:{HEX}", parse("b.example/n/x:1"))
    assert names(Registries.load(home), "x:2") == ["b.example/n/x:2"]
    assert names(Registries.load(home), "y") == ["a.example/y:latest"]
    left = os.listdir(tmp_path / "cache/containers")
    assert sorted(left) == ["short-name-aliases.conf", "short-name-aliases.conf.lock"]


@ordinary
def test_answers_at_the_same_time_are_all_remembered(tmp_path: Path, home: dict[str, str]) -> None:
    """From processes, as the lock is a process's."""
    children = []
    for number in range(8):
        pid = os.fork()
        if not pid:
            try:
                Registries.load(home).remember(f"x{number}", parse(f"b.example/x{number}"))
                os._exit(0)
            finally:
                os._exit(1)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 8
    text = (tmp_path / "cache/containers/short-name-aliases.conf").read_text()
    assert len(tomllib.loads(text)["aliases"]) == 8


@ordinary
def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path, home: dict[str, str]) -> None:
    write(tmp_path / "cache", "a file")
    with pytest.raises(SettingsError, match=r"cannot write .*short-name-aliases\.conf"):
        Registries.load(home).remember("x", parse("b.example/x"))


# -- pushing ----------------------------------------------------------------------------------


def test_a_push_goes_to_the_registry_and_never_to_a_mirror(tmp_path: Path) -> None:
    registries = load(
        tmp_path,
        '[[registry]]\nprefix = "x.example/a"\nlocation = "y.example/b"\ninsecure = true\n'
        '[[registry.mirror]]\nlocation = "m.example"\n'
        '[[registry]]\nlocation = "no.example"\nblocked = true\n'
        '[[registry]]\nprefix = "detour.example"\nlocation = "no.example"\n',
    )
    moved = registries.destination(parse("x.example/a/c:1"))
    assert (str(moved.name), moved.insecure) == ("y.example/b/c:1", True)
    plain = registries.destination(parse("z.example/c:1"))
    assert (str(plain.name), plain.insecure) == ("z.example/c:1", None)
    for name in ("no.example/c:1", "detour.example/c:1"):
        with pytest.raises(RegistryError, match=f"{name} is not pushed: no.example is blocked in"):
            registries.destination(parse(name))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", False),
        ('unqualified-search-registries = ["docker.io"]\n# [[registry]]\n', False),
        ('[aliases]\n"registry" = "docker.io/library/registry"\nregistry2 = \'x.io/r\'\n', False),
        ('[[registry]]\nlocation = "x.io"\n', True),
        ('  [[ registry ]]\nlocation = "x.io"\n', True),
        ('[["registry"]]\nlocation = "x.io"\n', True),
        ("[['registry']]\nlocation = 'x.io'\n", True),
        ('[["\\u0072egistry"]]\nlocation = "x.io"\n', True),
        ('registry = [{location = "x.io"}]\n', True),
        ('"registry" = [\n  {location = "x.io"}\n]\n', True),
        ('"regis\\u0074ry" = [{location = "x.io"}]\n', True),
        ("[registries.search]\nregistries = ['x.io']\n", True),
    ],
)
def test_whether_a_file_has_registries_is_seen_without_reading_it(
    tmp_path: Path, text: str, told: bool
) -> None:
    """Never "no" where there is one: else a block would be passed over."""
    path = write(tmp_path / "one.conf", text)
    assert has_registries({"CONTAINERS_REGISTRIES_CONF": str(path)}) is told
    assert told or not tomllib.loads(text).get("registry")


def test_a_file_that_cannot_be_read_keeps_from_pushing(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot read"):
        has_registries({"CONTAINERS_REGISTRIES_CONF": str(tmp_path / "none")})
