"""Environment and labels: who wins, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rootless.containers.creation import environment as composing
from rootless.containers.words import environment
from rootless.containers.words.request import request
from rootless.errors import UsageError
from rootless.values import PATH

if TYPE_CHECKING:
    from pathlib import Path

    from rootless.containers.words.asked import Asked

pytestmark = pytest.mark.once

HOST = {"HOME": "/home/me", "LANG": "C", "LC_ALL": "C", "LC_TIME": "de", "http_proxy": "http://p"}


def compose(
    image: tuple[str, ...] = (), host: dict[str, str] | None = None, **asked: Any
) -> dict[str, str]:
    """Compose as a dictionary."""
    host = {} if host is None else host
    wanted = request("image", [], asked, base="/", environ=host)  # type: ignore[arg-type]
    made = composing.compose(image, wanted, "box")
    pairs = [item.partition("=") for item in made]
    assert len({key for key, _, _ in pairs}) == len(pairs)
    return {key: value for key, _, value in pairs}


BASE = {"PATH": PATH, "HOSTNAME": "box", "container": "podman"}


def test_nothing_asked() -> None:
    assert compose() == BASE


def test_a_terminal_has_a_type() -> None:
    assert compose(tty=True) == {**BASE, "TERM": "xterm"}


def test_the_image_wins_over_what_is_built_in() -> None:
    odd = ("PATH=/bin", "A=1", "TERM=vt100", "container=oci")
    assert compose(odd, tty=True) == {
        **BASE,
        "PATH": "/bin",
        "container": "oci",
        "TERM": "vt100",
        "A": "1",
    }


def test_an_image_may_be_odd() -> None:
    assert compose(("A=b=c", "EMPTY=", "NOVALUE", "=x", "")) == {**BASE, "A": "b=c", "EMPTY": ""}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A=1", {"A": "1"}),
        ("A=", {"A": ""}),
        ("A=b=c", {"A": "b=c"}),
        ("A= b ", {"A": " b "}),
        ("LANG", {"LANG": "C"}),
        ("MISSING", {}),
        ("LC_*", {"LC_ALL": "C", "LC_TIME": "de"}),
        ("X*=1", {"X*": "1"}),
        ("1=2", {"1": "2"}),
        ('Q="x"', {"Q": '"x"'}),
    ],
)
def test_env(text: str, expected: dict[str, str]) -> None:
    host = {key: value for key, value in HOST.items() if key != "http_proxy"}
    assert {**BASE, **expected} == compose(host=host, env=[text])


def test_a_variable_that_the_host_lacks_is_removed() -> None:
    assert "A" not in compose(("A=1",), env=["A"])


@pytest.mark.parametrize("text", ["", "=", "=x", "A=\0", "\0"])
def test_env_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"invalid environment variable|NUL"):
        compose(env=[text])


def test_proxies_come_from_the_host() -> None:
    host = {"http_proxy": "a", "HTTPS_PROXY": "b", "NO_PROXY": "c", "OTHER": "d"}
    expected = {**BASE, "http_proxy": "a", "HTTPS_PROXY": "b", "NO_PROXY": "c"}
    assert expected == compose(host=host)
    assert compose(host=host, http_proxy=False) == BASE


def test_the_order_of_precedence(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("C=file\nD=file\n")
    made = compose(
        ("A=image", "B=image", "C=image", "D=image"),
        {"B": "host", "C": "host", "D": "host"},
        env_host=True,
        env_file=[str(file)],
        env=["D=option"],
    )
    assert made == {**BASE, "A": "image", "B": "host", "C": "file", "D": "option"}


def test_env_file(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_bytes(
        b"\xef\xbb\xbf# comment\n\n  A=1  \n\tB='q' # no comment\r\nLANG\nMISSING\nC==\n  # x\nD="
    )
    assert compose(host={"LANG": "C"}, env_file=[str(file)]) == {
        **BASE,
        "A": "1  ",
        "B": "'q' # no comment",
        "LANG": "C",
        "C": "=",
        "D": "",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("${A}-some", "image-some"),
        ("$A$A.$", "imageimage.$"),
        ("$MISSING${MISSING}!", "!"),
        ("${A:-other}${MISSING:-other}${EMPTY:-}", "imageother"),
        ("${A:+other}${EMPTY:+other}", "other"),
        (r"\$A \\${A}", r"$A \image"),
        ("$1", "$1"),
        ("$A1", ""),
        ("${A}}", "image}"),
    ],
)
def test_a_variable_made_of_the_images(text: str, expected: str) -> None:
    made = compose(("A=image", "EMPTY="), env_merge=[f"B={text}", "C=$B"])
    assert made == {**BASE, "A": "image", "EMPTY": "", "B": expected, "C": expected}


@pytest.mark.parametrize("text", ["A", "=x", "A=${", "A=${}", "A=${1}", "A=${A", "A=${A:?x}"])
def test_what_makes_no_variable(text: str) -> None:
    with pytest.raises(UsageError, match="env_merge") as caught:
        compose(env_merge=[text])
    assert caught.value.field == "env_merge"


def test_variables_of_the_image_are_left_out() -> None:
    host = {"http_proxy": "p"}
    left = {"B": "2", "HOSTNAME": "box", "container": "podman"}
    assert compose(("A=1", "B=2"), unsetenv=["A", "PATH", "X"]) == left
    made = compose(("A=1",), host, unsetenv_all=True, env=["C=3"], env_merge=["D=$A"])
    assert made == {"http_proxy": "p", "C": "3"}
    assert compose(("A=1",), unsetenv=["A"], env=["A=2"]) == {**BASE, "A": "2"}


@pytest.mark.parametrize("content", [b"A B=1", b"=x", b"A =1", b"A\tB", b"\xff=1", b"A=\0"])
def test_env_file_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "env"
    file.write_bytes(content)
    with pytest.raises(UsageError, match="env_file"):
        compose(env_file=[str(file)])


def test_no_name_is_no_file() -> None:
    with pytest.raises(UsageError, match="No such file"):
        environment.changes({"env_file": [""]}, {}, "/")
    with pytest.raises(UsageError, match="No such file"):
        environment.labels({"label_file": [""]}, "/")


@pytest.mark.parametrize("name", ["missing", ".", "\0"])
def test_env_file_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="env_file"):
        compose(env_file=[f"{tmp_path}/{name}"])


def test_labels(tmp_path: Path) -> None:
    file = tmp_path / "labels"
    file.write_text("# comment\na=file\nb=file\nempty\n")
    asked: Asked = {"label_file": [file.name], "label": ["b=x=y", "c", "d="]}
    made = environment.labels(asked, str(tmp_path))
    assert made == {"a": "file", "b": "x=y", "empty": "", "c": "", "d": ""}


@pytest.mark.parametrize("text", ["", "=x"])
def test_label_refused(text: str) -> None:
    with pytest.raises(UsageError, match="label"):
        environment.labels({"label": [text]}, "/")


def test_exec_adds_to_the_containers_own() -> None:
    own = ["PATH=/bin", "A=1", "B=2"]
    changes = environment.changes({"env": ["B=3", "A", "H"]}, {"H": "h"}, "/")
    made = composing.for_exec(own, changes, tty=True)
    assert made == ["PATH=/bin", "B=3", "TERM=xterm", "H=h"]
    assert own == composing.for_exec(own, [], tty=False)


@given(st.lists(st.text(max_size=20)), st.dictionaries(st.text("abAB_", min_size=1), st.text()))
def test_any_text_is_an_environment_or_refused(texts: list[str], host: dict[str, str]) -> None:
    try:
        made = compose(tuple(texts), host, env=texts, tty=True)
    except UsageError:
        return
    assert all(made)


@given(st.binary(max_size=200))
def test_any_file_is_an_environment_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    file = tmp_path_factory.mktemp("env") / "file"
    file.write_bytes(content)
    try:
        compose(env_file=[str(file)])
        environment.labels({"label_file": [str(file)]}, "/")
    except UsageError:
        pass
