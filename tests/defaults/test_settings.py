"""containers.conf: which files, in which order, and what they say together."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from rootless.defaults.keys import KEYS, KINDS
from rootless.defaults.settings import Settings, load, read
from rootless.errors import UsageError
from rootless.runtime.privileges.caps import DEFAULT
from rootless.store import paths

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.once


def conf(directory: Path, *texts: str) -> Settings:
    """Return what files of these texts say together."""
    files = []
    for number, text in enumerate(texts):
        file = directory / f"{number}.conf"
        file.write_text(text)
        files.append(str(file))
    return read(files)


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment whose user has three files."""
    drop_ins = tmp_path / "containers/containers.conf.d"
    drop_ins.mkdir(parents=True)
    (tmp_path / "containers/containers.conf").write_text("[containers]\nenv=['A=1']\ntz='UTC'\n")
    (drop_ins / "20.conf").write_text("[containers]\nenv = ['C=3']\n")
    (drop_ins / "10.conf").write_text("[containers]\nenv = ['B=2']\ninit = true\n")
    (drop_ins / "readme.txt").write_text("no TOML")
    (drop_ins / "30.conf").mkdir()
    return {"XDG_CONFIG_HOME": str(tmp_path)}


def test_the_users_files_come_last_and_in_order(home: dict[str, str]) -> None:
    found = paths.containers_confs(home)
    base = home["XDG_CONFIG_HOME"] + "/containers/containers.conf"
    assert found[-3:] == [base, f"{base}.d/10.conf", f"{base}.d/20.conf"]
    order = [path.split("/containers/")[0] for path in found]
    assert order == sorted(order, key=["/usr/share", "/etc", home["XDG_CONFIG_HOME"]].index)


def test_the_machines_files_know_who_reads_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "containers.conf",
        "containers.conf.d/a.conf",
        "containers.rootless.conf",
        "containers.rootless.conf.d/b.conf",
        "containers.rootless.conf.d/1234/c.conf",
        "containers.rootless.conf.d/1235/d.conf",
        "containers.rootful.conf.d/e.conf",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")

    def found(user: int) -> list[str]:
        monkeypatch.setattr(os, "getuid", lambda: user)
        files = paths._confs_below(str(tmp_path)) + paths._confs_for_user(str(tmp_path))
        return [os.path.relpath(file, tmp_path) for file in files]

    shared = ["containers.conf", "containers.conf.d/a.conf"]
    others = "containers.rootless.conf"
    assert found(0) == [*shared, "containers.rootful.conf.d/e.conf"]
    assert found(1234) == [*shared, others, f"{others}.d/b.conf", f"{others}.d/1234/c.conf"]
    assert found(7) == [*shared, others, f"{others}.d/b.conf"]


def test_a_named_file_stands_alone_and_the_override_is_last(
    home: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "one").write_text("[containers]\nenv = ['X=1']\n")
    (tmp_path / "two").write_text("[containers]\nenv = ['Y=1', {append=true}]\n")
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    assert paths.containers_confs({**home, "CONTAINERS_CONF": one}) == [one]
    assert paths.containers_confs({**home, "CONTAINERS_CONF": os.devnull}) == []
    both = {**home, "CONTAINERS_CONF": one, "CONTAINERS_CONF_OVERRIDE": two}
    assert paths.containers_confs(both) == [one, two]
    found = load(both)
    assert found and found.get("containers", "env") == ["X=1", "Y=1"]
    assert paths.containers_confs({**home, "CONTAINERS_CONF_OVERRIDE": two})[-1] == two
    assert load({**home, "CONTAINERS_CONF": os.devnull}) is None
    for variable in ("CONTAINERS_CONF", "CONTAINERS_CONF_OVERRIDE"):
        with pytest.raises(UsageError, match=f"{variable}: cannot read {tmp_path}/no: No such"):
            paths.containers_confs({variable: f"{tmp_path}/no"})


def test_the_last_file_wins_key_by_key(home: dict[str, str]) -> None:
    found = load(home)
    assert found and found.get("containers", "env") == ["C=3"]
    assert found.get("containers", "init") is True
    assert found.get("containers", "volumes") is None
    assert found.source("containers", "env").endswith("containers.conf.d/20.conf: [containers] env")


@pytest.mark.parametrize(
    ("lists", "together"),
    [
        (["['1']", "['2']"], ["2"]),
        (["['1']", "['2', {append=true}]", "['3']"], ["1", "2", "3"]),
        (["['1', {append=true}]", "['2']"], ["1", "2"]),
        (["['1', {append=true}]", "['2', {append=false}]", "['3']"], ["3"]),
        (["['1']", "[{append=true}]"], ["1"]),
        (["['1']", "[]"], []),
    ],
)
def test_lists_are_appended_where_they_say_so(
    tmp_path: Path, lists: list[str], together: list[str]
) -> None:
    texts = [f"[containers]\nvolumes = {text}\n" for text in lists]
    assert conf(tmp_path, *texts).get("containers", "volumes") == together


def test_capabilities_are_appended_to_those_that_are_usual(tmp_path: Path) -> None:
    text = '[containers]\ndefault_capabilities = ["NET_RAW", {append=true}]\n'
    found = conf(tmp_path, text).get("containers", "default_capabilities")
    assert found == [*DEFAULT, "NET_RAW"]


SAMPLES: dict[str, Any] = {"flag": "true", "number": "1", "size": "'1m'", "text": "'x'"}
SAMPLES["texts"] = "['x']"
TAKEN = {"size": ("number", "size", "text"), "text": ("size", "text")}
TAKEN["count"] = TAKEN["size"]


@pytest.mark.parametrize(
    ("table", "key"),
    [(table, key) for table in KEYS for key, one in KEYS[table].items() if one[1] == "read"],
)
def test_each_key_that_is_read_takes_its_own_kind_alone(
    tmp_path: Path, table: str, key: str
) -> None:
    kind = KEYS[table][key][0]
    for other, text in SAMPLES.items():
        value = {"flag": True, "number": 1, "size": "1m", "text": "x", "texts": ["x"]}[other]
        line = f"[{table}]\n{key} = {text}\n"
        if other in TAKEN.get(kind, (kind,)):
            assert conf(tmp_path, line).get(table, key) == value
            continue
        with pytest.raises(UsageError) as caught:
            conf(tmp_path, line)
        assert str(caught.value) == (
            f"{tmp_path}/0.conf: [{table}] {key}: invalid value {value!r} (write {KINDS[kind][1]})"
        )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[containers]\nenv = [1]\n", "0.conf: [containers] env: invalid value 1 (write a list"),
        ("[containers]\nenv = [{append=1, x=2}]", "0.conf: [containers] env: invalid value {"),
        ("[containers\n", "cannot read {0}/0.conf: Expected ']'"),
        ("x = '\x01'", "(it has to be TOML)"),
    ],
)
def test_what_is_wrong_is_told_with_its_file(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        conf(tmp_path, text)
    assert said.replace("{0}", str(tmp_path)) in str(caught.value)


def test_a_file_that_is_no_utf_8_or_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\xff")
    with pytest.raises(UsageError, match=f"cannot read {tmp_path}/x: .*utf-8"):
        read([str(tmp_path / "x")])
    with pytest.raises(UsageError, match=f"cannot read {tmp_path}: Is a directory"):
        read([str(tmp_path)])


def test_what_a_distribution_sets_for_podman_alone_is_left_out() -> None:
    document = {"containers": {"log_driver": "journald", "default_sysctls": ["x=1"], "init": True}}
    found = Settings()
    found.add("/usr/share/containers/containers.conf", document)
    assert found.values() == [("containers", "init")]
    found.add("/etc/containers/containers.conf", document)
    assert ("containers", "log_driver") in found.values()


def test_what_means_nothing_here_is_listed(tmp_path: Path) -> None:
    text = """
        x = 1
        [containers]
        init = true
        keyring = "of any type"
        pids_limit = 5
        unheard_of = 1
        [secrets]
        driver = "file"
        [secrets.opts]
        [ours]
    """
    assert conf(tmp_path, text).ignored() == [
        "containers.keyring (containers get no keyring of the kernel's)",
        "containers.pids_limit (not here yet)",
        "containers.unheard_of",
        "secrets.driver",
        "secrets.opts",
        "x",
    ]


def test_the_engines_variables_go_below_those_that_are_there(tmp_path: Path) -> None:
    found = conf(tmp_path, "[engine]\nenv = ['A=1', 'B=2=3']\n")
    environ = {"A": "0"}
    found.export(environ)
    assert environ == {"A": "0", "B": "2=3"}
    with pytest.raises(UsageError, match=r"0.conf: \[engine\] env: invalid value 'A'"):
        conf(tmp_path, "[engine]\nenv = ['A']\n").export({})
