"""What instructions say, once they are read: one of each, and what is special."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rootless.build.dockerfile import model
from rootless.build.dockerfile.directives import refuse_frontend
from rootless.build.dockerfile.errors import DockerfileError
from rootless.build.dockerfile.flags import nanoseconds
from rootless.build.dockerfile.heredocs import Heredoc
from rootless.build.dockerfile.parsing import parse, syntax
from rootless.build.dockerfile.ports import ports

pytestmark = pytest.mark.once

PACKAGE = Path(__file__).resolve().parents[3] / "rootless/build/dockerfile"


def one(text: str) -> Any:
    """Return the instruction after a FROM."""
    return parse(f"FROM a\n{text}\n", "Dockerfile").instructions[1]


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("ARG A=1 B C=", {"pairs": (("A", "1"), ("B", None), ("C", ""))}),
        ('ENV A=1 "B C"=d', {"pairs": (("A", "1"), ('"B C"', "d")), "old": False}),
        ("ENV A b = c", {"pairs": (("A", "b = c"),), "old": True}),
        ("LABEL a=b", {"pairs": (("a", "b"),), "old": False}),
        ("USER a:b", {"user": "a:b"}),
        ("WORKDIR /a b", {"path": "/a b"}),
        ("STOPSIGNAL 9", {"signal": "9"}),
        ("MAINTAINER a b", {"author": "a b"}),
        ('SHELL ["a", "-c"]', {"words": ("a", "-c")}),
        ("EXPOSE 80 81-83/udp", {"ports": ("80", "81-83/udp")}),
        ('VOLUME ["/a ", "/b"]', {"paths": ("/a", "/b")}),
        ("COPY a b c/", {"sources": ("a", "b"), "target": "c/", "stage": "", "link": False}),
        ("COPY a b", {"parents": False, "chown": "", "chmod": "", "exclude": ()}),
        (
            "COPY --from=B --chown=1:2 --chmod=u+x --link --parents --exclude=a --exclude=b c d",
            {
                "stage": "B",
                "chown": "1:2",
                "chmod": "u+x",
                "link": True,
                "parents": True,
                "exclude": ("a", "b"),
            },
        ),
        ("COPY --link=False --parents=TRUE a b", {"link": False, "parents": True}),
        ("ADD a b", {"unpack": None, "keep_git_dir": False, "checksum": ""}),
        (
            "ADD --unpack --keep-git-dir=true --checksum=sha256:0 https://a/b c",
            {"unpack": True, "keep_git_dir": True, "checksum": "sha256:0"},
        ),
        ("ADD --unpack=false a b", {"unpack": False}),
        ("RUN a", {"network": "default", "security": "sandbox", "mounts": ()}),
        ("RUN --network=host --security=insecure a", {"network": "host", "security": "insecure"}),
        (
            "HEALTHCHECK --interval=1m30s --timeout=1.5s --start-period=1h --start-interval=2ms"
            " --retries=4 CMD a b",
            {
                "interval": 90 * 10**9,
                "timeout": 1_500_000_000,
                "retries": 4,
                "start_period": 3600 * 10**9,
                "start_interval": 2_000_000,
                "command": model.Command(("a b",), True),
            },
        ),
        ('HEALTHCHECK cmd ["a"]', {"command": model.Command(("a",), False), "interval": 0}),
        ("HEALTHCHECK none", {"command": None}),
    ],
)
def test_fields(text: str, fields: dict[str, Any]) -> None:
    found = one(text)
    assert {name: getattr(found, name) for name in fields} == fields


@pytest.mark.parametrize("name", ["RUN", "CMD", "ENTRYPOINT"])
def test_commands(name: str) -> None:
    assert one(f"{name} a  'b'").command == model.Command(("a  'b'",), True)
    assert one(f'{name} ["a", "b c"]').command == model.Command(("a", "b c"), False)
    assert one(name).command == model.Command((), True)
    assert not one(name).command.needs_shell


def test_the_beginning_of_a_stage() -> None:
    file = parse("ARG A\nFROM --platform=$P x:$A AS Name\nfrom y\n", "Dockerfile")
    first, second = file.instructions
    assert isinstance(first, model.From)
    assert isinstance(second, model.From)
    assert (first.image, first.platform, first.stage) == ("x:$A", "$P", "name")
    assert (first.written, first.line, first.name, first.text) == (
        *("Name", 2, "FROM"),
        "FROM --platform=$P x:$A AS Name",
    )
    assert (second.image, second.platform, second.stage, second.name) == ("y", "", "", "FROM")
    assert [argument.pairs for argument in file.arguments] == [(("A", None),)]


def test_documents_of_copy() -> None:
    copy = one("COPY <<-A b <<'C' /d/\n\t$x\n\t y\nA\n\t$z\nC")
    first, path, second = copy.sources
    assert path == "b"
    assert (first.name, first.expand, first.content) == ("A", True, "$x\n y\n")
    assert (second.name, second.expand, second.content) == ("C", False, "\t$z\n")
    assert first == Heredoc("A", "\t$x\n\t y\n", expand=True, chomp=True)


def test_a_document_keeps_its_line_ends() -> None:
    copy = one("COPY <<A /a\r\nb\r\n\r\nA\r")
    assert copy.sources[0].content == "b\r\n\r\n"


def test_documents_of_run() -> None:
    run = one("RUN <<EOF\nset -e\n$x\nEOF")
    assert run.command.script == "set -e\n$x\n"
    run = one("RUN <<-E\n\ta\n\t E\n\tE")
    assert run.command.script == "a\n E\n"
    run = one("RUN cat <<A - <<-B\n1\nA\n\t2\nB")
    assert run.command.script is None
    assert run.command.text == "cat <<A - <<-B\n1\nA\n\t2\nB"
    shell = subprocess.run(["sh", "-c", run.command.text], capture_output=True, check=True)
    assert shell.stdout == b"2\n"


def test_onbuild() -> None:
    found = one("ONBUILD  RUN --network=none <<EOF\na\nEOF")
    assert found.trigger == "RUN --network=none <<EOF\na\nEOF"
    assert isinstance(found.instruction, model.Run)
    assert (found.instruction.network, found.instruction.command.script) == ("none", "a\n")
    assert (found.name, found.instruction.name, found.instruction.line) == ("ONBUILD", "RUN", 2)


def test_lines() -> None:
    file = parse("# a\n\nFROM a\nRUN b \\\n # c\n d\nCOPY <<E /\ne\nE\nCMD x\n", "Dockerfile")
    places = [(one.node.line, one.node.end, one.text) for one in file.instructions]
    assert places == [
        (3, 3, "FROM a"),
        (4, 6, "RUN b  d"),
        (7, 9, "COPY <<E /"),
        (10, 10, "CMD x"),
    ]


def test_comments_before_an_instruction() -> None:
    nodes = syntax("# check=skip=all\n# a b\n#c\nFROM a\n# d\n\n# e\n#\n# f\nARG x", "D").nodes
    assert [node.comments for node in nodes] == [["a b", "c"], ["f"]]


def test_bytes_that_are_no_utf8_stay() -> None:
    text = b"FROM a\nENV A=\xff\xfe\nCOPY <<E /\n\x80\nE\n"
    env, copy = parse(text, "Dockerfile").instructions[1:]
    assert isinstance(env, model.Env)
    assert isinstance(copy, model.Copy)
    assert env.pairs[0][1].encode("utf-8", "surrogateescape") == b"\xff\xfe"
    document = copy.sources[0]
    assert isinstance(document, Heredoc)
    assert document.content.encode("utf-8", "surrogateescape") == b"\x80\n"


@pytest.mark.parametrize("text", ["RUN a\0b", "COPY a\0 b", "RUN <<E\n\0\nE", "ENV A=\0"])
def test_nul_bytes_are_refused(text: str) -> None:
    with pytest.raises(DockerfileError, match=r"Dockerfile:[23]: there is a NUL byte in"):
        one(text)


def test_nul_bytes_of_files_are_not() -> None:
    assert one("COPY <<E /a\n\0\nE").sources[0].content == "\0\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(("0", 0), ("1h", 3600 * 10**9), ("1m30s", 90 * 10**9), ("1.5ms", 1_500_000)),
        *(("300us", 300_000), ("300µs", 300_000), ("300μs", 300_000), ("7ns", 7)),
        *((".5s", 500_000_000), ("1.s", 10**9), ("-1s", -(10**9)), ("+1s", 10**9)),
        *(("0.000000001s", 1), ("1h1h", 7200 * 10**9), ("0s", 0)),
        *(("", None), ("1", None), ("s", None), (".s", None), ("1.1.1s", None), ("1d", None)),
        *(("1 s", None), ("-", None), ("9999999999h", None), ("1s1", None)),
    ],
)
def test_durations(text: str, expected: int | None) -> None:
    assert nanoseconds(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("80", ["80/tcp"]),
        ("80 80/tcp 80/UDP", ["80/tcp", "80/udp"]),
        ("7000-7002/sctp", ["7000/sctp", "7001/sctp", "7002/sctp"]),
        ("8080:80 127.0.0.1:1:2/udp", ["80/tcp", "2/udp"]),
    ],
)
def test_ports(text: str, expected: list[str]) -> None:
    assert ports(one(f"EXPOSE {text}")) == expected


@pytest.mark.parametrize(
    "text", ["0", "65536", "a", "80-", "-80", "3-2", "80/", "80/icmp", "1-2-3"]
)
def test_what_is_no_port(text: str) -> None:
    with pytest.raises(DockerfileError, match=r"Dockerfile:2: EXPOSE: invalid "):
        ports(one(f"EXPOSE {text}"))


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        *(("docker/dockerfile", True), ("docker/dockerfile:1.7-labs", True)),
        *(("docker.io/docker/dockerfile:1@sha256:00", True), ("dockerfile.v0", True)),
        *(("docker/dockerfile-upstream:master", True), ("docker/dockerfile2", False)),
        *(("ghcr.io/docker/dockerfile:1", False), ("tonistiigi/dockerfile:runmount", False)),
    ],
)
def test_frontends(name: str, ours: bool) -> None:
    file = syntax(f"# syntax={name}\nFROM a", "Dockerfile")
    if ours:
        refuse_frontend(file)
    else:
        with pytest.raises(DockerfileError, match=rf"Dockerfile:1: the frontend {name} is not"):
            refuse_frontend(file)
        refuse_frontend(file, "docker/dockerfile:1")
    with pytest.raises(DockerfileError, match="the frontend other is not"):
        refuse_frontend(file, "other")


def test_the_parser_knows_nothing_of_the_engine() -> None:
    """What it loads, in a Python of its own: itself, the leaves, and nothing slow."""
    code = (
        "import sys; before = set(sys.modules)\n"
        "import rootless.build.dockerfile.stages, rootless.build.dockerfile.tree\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(told.stdout.split())
    ours = {name for name in loaded if name.startswith("rootless.")}
    allowed = ("rootless.build", "rootless.oci.errors", "rootless.oci.jsonio")
    others = {name for name in ours if not name.startswith(allowed)}
    assert others <= {"rootless.errors", "rootless.values", "rootless.oci"}
    assert not loaded & {"re", "json", "typing", "enum", "dataclasses", "pathlib", "subprocess"}


def test_every_module_is_named_in_the_package() -> None:
    text = (PACKAGE / "__init__.py").read_text()
    names = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    assert {name for name in names if name not in text} == set()
