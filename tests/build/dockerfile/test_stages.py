"""Stages, what each needs, and which variables it has."""

from __future__ import annotations

import time
from typing import Any

import pytest

from rootless.build.dockerfile import model
from rootless.build.dockerfile.errors import DockerfileError
from rootless.build.dockerfile.heredocs import Heredoc
from rootless.build.dockerfile.parsing import parse
from rootless.build.dockerfile.scope import Arguments, Scope
from rootless.build.dockerfile.stages import Plan, plan, trigger

pytestmark = pytest.mark.once

BASE = {"PATH": "/bin", "BASE": "image"}


def planned(text: str, contexts: tuple[str, ...] = (), **given: str) -> Plan:
    arguments = Arguments(given, target="linux/arm64/v8", build="linux/amd64", stage="end")
    return plan(parse(text, "Dockerfile"), arguments, contexts)


def applied(text: str, **given: str) -> tuple[list[Any], Scope]:
    """Return the instructions of the last stage, expanded, and the scope at its end.

    Stages on stages have what these have left.
    """
    file = planned(text, **given)
    scopes: dict[int, Scope] = {}
    done: list[Any] = []
    for stage in file.stages:
        if stage.parent:
            before = scopes[stage.parent.index]
            scope = before.child(before.environment)
        else:
            scope = file.scope(BASE)
        done = [scope.apply(one) for one in stage.instructions]
        scopes[stage.index] = scope
    return done, scopes[len(file.stages) - 1]


def values(text: str, **given: str) -> dict[str, str]:
    """Return the variables at the end of the last stage, without those of the base."""
    variables = applied(text, **given)[1].variables
    return {name: value for name, value in variables.items() if name not in BASE}


@pytest.mark.parametrize(
    ("text", "given", "expected"),
    [
        ("FROM a\nARG X=1", {}, {"X": "1"}),
        ("FROM a\nARG X=1", {"X": "2"}, {"X": "2"}),
        ("FROM a\nARG X", {}, {}),
        ("FROM a\nARG X", {"X": ""}, {"X": ""}),
        ("FROM a", {"X": "2"}, {}),
        ("ARG X=1\nFROM a", {"X": "2"}, {}),
        ("ARG X=1\nFROM a\nARG X", {}, {"X": "1"}),
        ("ARG X=1\nFROM a\nARG X", {"X": "2"}, {"X": "2"}),
        ("ARG X=1\nFROM a\nARG X=3", {}, {"X": "3"}),
        ("ARG X=1\nFROM a\nARG X=3", {"X": "2"}, {"X": "2"}),
        ("ARG X\nFROM a\nARG X", {}, {}),
        ("ARG X=1 Y=${X}y\nFROM a\nARG Y", {}, {"Y": "1y"}),
        ("FROM a\nARG A=1 B=${A}x", {}, {"A": "1", "B": "1x"}),
        ("FROM a\nARG A=1 B=${A}x", {"A": "2"}, {"A": "2", "B": "2x"}),
        ("FROM a\nARG A=1\nARG A", {}, {"A": "1"}),
        ("FROM a\nENV P=1\nENV P=2 Q=$P", {}, {"P": "2", "Q": "1"}),
        ("FROM a\nENV P=1\nENV P 2 $P", {}, {"P": "2 1"}),
        ("FROM a\nENV P \"a b\" 'c'", {}, {"P": "a b c"}),
        ("FROM a\nARG X\nENV X=v", {"X": "2"}, {"X": "v"}),
        ("FROM a\nENV X=v\nARG X", {"X": "2"}, {"X": "v"}),
        ("FROM a\nARG X\nENV X=${X:-d}", {}, {"X": "d"}),
        ("FROM a\nARG X\nENV X=${X:-d}", {"X": "2"}, {"X": "2"}),
        ("FROM a\nENV X=$BASE.$PATH", {}, {"X": "image./bin"}),
        ("FROM a\nENV $BASE=x", {}, {"image": "x"}),
        ("FROM a AS b\nARG X=1\nENV E=$X\nFROM b\nENV F=$X$E", {}, {"X": "1", "E": "1", "F": "11"}),
        ("FROM a AS b\nARG X=1\nFROM c\nENV F=.$X", {}, {"F": "."}),
        ("FROM a AS b\nARG X=1\nFROM b AS c\nFROM c\nENV F=$X", {}, {"X": "1", "F": "1"}),
        (
            "FROM a\nARG TARGETPLATFORM TARGETOS TARGETARCH TARGETVARIANT BUILDPLATFORM BUILDOS\n"
            "ARG BUILDARCH BUILDVARIANT TARGETSTAGE",
            {},
            {
                "TARGETPLATFORM": "linux/arm64/v8",
                "TARGETOS": "linux",
                "TARGETARCH": "arm64",
                "TARGETVARIANT": "v8",
                "BUILDPLATFORM": "linux/amd64",
                "BUILDOS": "linux",
                "BUILDARCH": "amd64",
                "BUILDVARIANT": "",
                "TARGETSTAGE": "end",
            },
        ),
        ("FROM a\nENV X=$TARGETARCH", {}, {"X": ""}),
        ("FROM a\nARG TARGETARCH=x", {}, {"TARGETARCH": "x"}),
        ("FROM a\nARG TARGETARCH", {"TARGETARCH": "y"}, {"TARGETARCH": "y"}),
        ("ARG TARGETARCH\nFROM a\nARG TARGETARCH", {}, {"TARGETARCH": "arm64"}),
        ("FROM a\nLABEL X=1", {}, {}),
    ],
)
def test_variables(text: str, given: dict[str, str], expected: dict[str, str]) -> None:
    assert values(text, **given) == expected


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("WORKDIR $UNSET/x", {"path": "/x"}),
        ('WORKDIR "$V"/b', {"path": "v w/b"}),
        ("USER $N:${G:-users}", {"user": "me:users"}),
        ("STOPSIGNAL SIG$S", {"signal": "SIGINT"}),
        ("VOLUME $D /b", {"paths": ("/d", "/b")}),
        ('VOLUME ["$D", "/b c"]', {"paths": ("/d", "/b c")}),
        ("EXPOSE $P 80/tcp", {"ports": ("1", "2/udp", "80/tcp")}),
        ("LABEL \"$N x\"=$V b='$V'", {"pairs": (("me x", "v w"), ("b", "$V"))}),
        ("COPY $V $D/", {"sources": ("v w",), "target": "/d/"}),
        ('COPY ["$V", "a b", "c"]', {"sources": ("v w", "a b"), "target": "c"}),
        (
            "COPY --chown=$N --chmod=${M} --exclude=$S* a b",
            {"chown": "me", "chmod": "755", "exclude": ("INT*",)},
        ),
        ("ADD --checksum=sha256:$S http://$N/x /", {"checksum": "sha256:INT"}),
        ('CMD ["$V"]', {"command": model.Command(("$V",), False)}),
        ("ENTRYPOINT $V", {"command": model.Command(("$V",), True)}),
        ("RUN echo $V", {"command": model.Command(("echo $V",), True)}),
        ('SHELL ["$V"]', {"words": ("$V",)}),
        ("MAINTAINER $V", {"author": "$V"}),
        ("ONBUILD WORKDIR $V", {"trigger": "WORKDIR $V"}),
        ("HEALTHCHECK CMD $V", {"command": model.Command(("$V",), True)}),
    ],
)
def test_what_is_expanded(text: str, fields: dict[str, Any]) -> None:
    env = "ENV V='v w' N=me S=INT D=/d P='1 2/udp' M=755"
    done = applied(f"FROM a\n{env}\n{text}")[0][-1]
    assert {name: getattr(done, name) for name in fields} == fields


def test_documents_are_expanded_unless_their_name_is_quoted() -> None:
    text = "COPY <<A <<-'B' /\n\"$V\" \\$V\nA\n\t$V\nB"
    copy = applied(f"FROM a\nENV V=1\n{text}")[0][-1]
    first, second = copy.sources
    assert isinstance(first, Heredoc)
    assert (first.content, second.content) == ('"1" $V\n', "$V\n")
    run = applied("FROM a\nENV V=1\nRUN <<A\n$V\nA")[0][-1]
    assert run.command.script == "$V\n"


def test_mounts_are_expanded() -> None:
    run = applied("FROM a\nARG D=/x\nRUN --mount=type=cache,target=$D,id=$D-1 a")[0][-1]
    assert [(one.target, one.id) for one in run.mounts] == [("/x", "/x-1")]


def test_the_environment_of_run() -> None:
    text = "FROM a\nARG A=1 B HTTP_PROXY\nENV E=2 A=env\nENV no_proxy=mine\nRUN x"
    given = {"HTTP_PROXY": "h", "https_proxy": "s", "NO_PROXY": "n", "UNKNOWN": "u"}
    scope = applied(text, **given)[1]
    assert scope.run_environment() == {
        **BASE,
        "A": "env",
        "E": "2",
        "HTTP_PROXY": "h",
        "http_proxy": "h",
        "no_proxy": "mine",
        "NO_PROXY": "n",
        "https_proxy": "s",
        "HTTPS_PROXY": "s",
    }
    assert scope.declared() == {"HTTP_PROXY": "h"}
    scope = applied("FROM a\nRUN x", **given)[1]
    assert scope.declared() == {}
    assert scope.environment == BASE


def test_arguments_that_nothing_takes() -> None:
    file = parse("ARG A\nFROM a\nARG B\nONBUILD ARG C", "Dockerfile")
    given = dict.fromkeys(("A", "B", "X", "http_proxy", "TARGETARCH", "SOURCE_DATE_EPOCH"), "1")
    assert Arguments({**given, "BUILDKIT_X": ""}).unknown(file) == ["X"]


def needs(file: Plan, name: str = "") -> list[str]:
    return [stage.title for stage in file.needed(file.target(name))]


GRAPH = """
FROM a AS base
FROM base AS One
COPY x y
FROM b AS two
COPY --from=ONE x y
FROM c
RUN --mount=type=bind,from=two,target=/x --mount=type=cache,from=base,target=/y x
FROM d AS other
FROM e AS last
COPY --from=3 x y
COPY --from=nginx x y
COPY --from=docker.io/library/base x y
"""


def test_what_stages_need() -> None:
    file = planned(GRAPH)
    assert needs(file) == ["base", "one", "two", "3", "last"]
    assert needs(file, "ONE") == ["base", "one"]
    assert needs(file, "other") == ["other"]
    assert needs(file, "3") == ["base", "one", "two", "3"]
    assert [stage.image for stage in file.stages] == ["a", "", "b", "c", "d", "e"]
    assert file.stages[1].parent is file.stages[0]
    with pytest.raises(DockerfileError, match="target stage 'twoo' could not be found") as caught:
        file.target("twoo")
    assert caught.value.hint == "did you mean two?"
    with pytest.raises(DockerfileError, match=r"'6' could not .*base, one, two, 3, other, last"):
        file.target("6")


def test_a_stage_hides_an_image_and_a_context_hides_a_stage() -> None:
    text = "FROM alpine AS alpine\nFROM Alpine AS b\nFROM c\nCOPY --from=b x y"
    file = planned(text)
    assert (file.stages[0].image, file.stages[1].image) == ("alpine", "")
    assert needs(file) == ["alpine", "b", "2"]
    file = planned(text, ("ALPINE", "B"))
    assert (file.stages[1].image, file.stages[1].parent) == ("Alpine", None)
    assert needs(file) == ["2"]


def test_the_nearest_stage_of_a_name_counts() -> None:
    file = planned(
        "FROM a AS x\nFROM b AS x\nFROM c\nCOPY --from=x . .\nFROM x\nFROM d\nCOPY --from=y . .\n"
        "FROM e AS y"
    )
    assert [stage.index for stage in file.stages[2].needs] == [1]
    assert [stage.index for stage in file.stages[3].needs] == [1]
    assert [stage.index for stage in file.stages[4].needs] == [5]
    assert file.target("x").index == 1
    file = planned("FROM a AS x\nFROM b AS x\nCOPY --from=x . .")
    assert [stage.index for stage in file.stages[1].needs] == [0]


def test_onbuild_of_a_stage_runs_in_those_based_on_it() -> None:
    file = planned(
        "FROM a AS tools\nFROM b AS base\nONBUILD COPY --from=tools x y\nONBUILD RUN z\nRUN own\n"
        "FROM base AS child\nRUN c\nFROM child AS grandchild\nRUN d"
    )
    names = [[one.text for one in stage.instructions] for stage in file.stages]
    assert names[2:] == [["COPY --from=tools x y", "RUN z", "RUN c"], ["RUN d"]]
    assert needs(file, "base") == ["base"]
    assert needs(file, "child") == ["base", "tools", "child"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ARG V=1\nFROM a:$V", [("a:1", "")]),
        ("ARG V\nFROM a:${V:-2}", [("a:2", "")]),
        ("FROM --platform=$BUILDPLATFORM a", [("a", "linux/amd64")]),
        ("ARG P=linux/386\nFROM --platform=${P} a", [("a", "linux/386")]),
        ('FROM "a"', [("a", "")]),
        ("FROM a\nARG V=1\nFROM b$V", [("a", ""), ("b", "")]),
        ("# escape=`\nFROM a`b", [("ab", "")]),
    ],
)
def test_bases(text: str, expected: list[tuple[str, str]]) -> None:
    assert [(stage.image, stage.platform) for stage in planned(text).stages] == expected


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            "ARG IMAGE\nFROM $IMAG",
            "Dockerfile:2: base name ($IMAG) should not be blank (did you mean IMAGE?)",
        ),
        (
            "FROM --platform=$BULIDPLATFORM a",
            "Dockerfile:1: empty platform value from expression $BULIDPLATFORM"
            " (did you mean BUILDPLATFORM?)",
        ),
        ("FROM ${x", "Dockerfile:1: FROM: ${x has no '}'"),
        ("FROM ${x:?which}", "Dockerfile:1: FROM: x: which"),
        (
            "FROM a AS x\nCOPY --from=y . .\nFROM b AS y\nCOPY --from=x . .",
            "Dockerfile:3: circular dependency detected on stage: y (x needs y needs x)",
        ),
        (
            "FROM a AS x\nRUN --mount=from=z,target=/z z\nFROM x AS y\nFROM y AS z",
            "Dockerfile:3: circular dependency detected on stage: y (x needs z needs y needs x)",
        ),
        ("FROM a AS x\nCOPY --from=X . .", "Dockerfile:2: stage 'x' takes from itself"),
        ("FROM a\nCOPY --from=0 . .", "Dockerfile:2: stage '0' takes from itself"),
        (
            "FROM a\nFROM b\nCOPY --from=2 . .",
            "Dockerfile:3: invalid stage index 2 (the stages have the numbers 0 to 1)",
        ),
        (
            "FROM a\nCOPY --from=99999999999999999999 . .",
            "Dockerfile:2: invalid stage index 99999999999999999999"
            " (the stages have the numbers 0 to 0)",
        ),
    ],
)
def test_errors_of_stages(text: str, error: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        planned(text)
    assert str(caught.value) == error


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('ENV A="${B:?set it}"', "Dockerfile:2: ENV: B: set it"),
        ("WORKDIR '/a", "Dockerfile:2: WORKDIR: a single quote is not closed"),
        (
            "COPY <<E /\n\n${x\nE",
            "Dockerfile:4: COPY: unsupported modifier (\\n) in substitution ${x",
        ),
        ("VOLUME /a $B", "Dockerfile:2: the path $B of VOLUME comes to nothing"),
        (
            "ARG M=x\nRUN --mount=type=cache,target=/a,mode=$M b",
            "Dockerfile:3: RUN: invalid value 'x' for mode (an octal number, as 0755)",
        ),
    ],
)
def test_errors_of_words(text: str, error: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        applied(f"FROM a\n{text}")
    assert str(caught.value) == error


def test_what_has_no_value() -> None:
    file = planned("FROM a")
    scope = file.scope(BASE)
    run = parse("FROM a\nCOPY $A ${B:-x} $PATH", "D").instructions[1]
    scope.apply(run)
    assert scope.unset == {"A"}


def test_triggers_of_images() -> None:
    one = trigger("COPY . /app", "python:onbuild")
    assert isinstance(one, model.Copy)
    run = trigger("RUN <<EOF\na\nEOF", "x")
    assert isinstance(run, model.Run)
    assert run.command.script == "a\n"
    for text in ("FROM a", "ONBUILD RUN a", "MAINTAINER x", "RUN a\nRUN b"):
        with pytest.raises(DockerfileError, match=r"^ONBUILD of x:\d: .* isn't allowed"):
            trigger(text, "x")
    with pytest.raises(DockerfileError, match="ONBUILD of x:1: unknown instruction: RUNN"):
        trigger("RUNN a", "x")


def test_names_that_are_nearly_those_of_stages() -> None:
    assert planned("FROM a AS builder\nFROM b").like("buidler") == "did you mean builder?"
    assert planned("FROM a AS builder\nFROM b").like("nginx") == ""


def test_thousands_of_stages() -> None:
    chain = "FROM a AS s0\n" + "".join(f"FROM s{i} AS s{i + 1}\n" for i in range(5000))
    circle = chain.replace("FROM a AS s0\n", "FROM a AS s0\nCOPY --from=s5000 . .\n")
    began = time.process_time()
    assert len(needs(planned(chain))) == 5001
    with pytest.raises(DockerfileError, match="circular dependency"):
        planned(circle)
    assert time.process_time() - began < 10
