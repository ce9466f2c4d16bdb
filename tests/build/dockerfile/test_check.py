"""Docker's build checks: each rule where it warns, and where it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rootless.build.dockerfile.check import Finding, Knowledge, Report, check
from rootless.build.dockerfile.errors import DockerfileError
from rootless.build.dockerfile.naming import is_image, is_sensitive
from rootless.build.dockerfile.parsing import syntax
from rootless.build.dockerfile.rules import RULES, url
from rootless.build.dockerfile.scope import Arguments

if TYPE_CHECKING:
    from rootless.build.dockerfile.stages import Stage

pytestmark = pytest.mark.once

IGNORED = {"Dockerfile", "dir/x"}


def environment(stage: Stage) -> dict[str, str] | None:
    return None if stage.image == "absent" else {"PATH": "/bin"}


def reported(text: str, given: str | None = None, **arguments: str) -> Report:
    knowledge = Knowledge(environment, IGNORED.__contains__)
    return check(syntax(text, "Dockerfile"), Arguments(arguments), knowledge, given)


def found(text: str, **arguments: str) -> list[tuple[str, int, str]]:
    """Return what is found, without the rule that most of these small files break."""
    return [(one.rule, one.line, one.text) for one in reported(text, **arguments).findings]


def case(text: str) -> str:
    return f"Command '{text}' should match the case of the command majority"


JSON = "JSON arguments recommended for {} to prevent unintended behavior related to OS signals"
EXPERIMENTAL = "# check=experimental=InvalidDefinitionDescription,CopyIgnoredFile\n"
DESCRIBED = "Comment for {} should follow the format: `# {} <description>`"
DEFAULT = "Default value for ARG {} results in empty or invalid base image name"
SECRET = 'Do not use ARG or ENV instructions for sensitive data ({} "{}")'
UNDEFINED = "Usage of undefined variable '${}'"
TWICE = (
    "Multiple {} instructions should not be used in the same stage"
    " because only the last one will be used"
)
WORKDIR = 'Relative workdir "{}" can have unexpected results if the base image changes'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM a AS b\nfrom c as d", [("ConsistentInstructionCasing", 2, case("from"))]),
        ("from a\nCOPY x y\ncopy x y", [("ConsistentInstructionCasing", 2, case("COPY"))]),
        ("From a\nRUN b", [("ConsistentInstructionCasing", 1, case("From"))]),
        ("from a\nrun b", []),
        ("FROM a\nRUN b", []),
    ],
)
def test_casing(text: str, expected: list[tuple[str, int, str]]) -> None:
    told = [(rule, line, said.partition(" (")[0]) for rule, line, said in found(text)]
    assert told == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM a AS Bad", [("StageNameCasing", 1, "Stage name 'Bad' should be lowercase")]),
        (
            "FROM a as b",
            [("FromAsCasing", 1, "'as' and 'FROM' keywords' casing do not match")],
        ),
        (
            "from a AS b",
            [("FromAsCasing", 1, "'AS' and 'from' keywords' casing do not match")],
        ),
        ("FROM a\nRUN b \\\n\n c\n", [("NoEmptyContinuation", 4, "Empty continuation line")]),
        ("FROM a\nRUN b \\\n# x\n c\n", []),
        ("FROM a\nCOPY <<E /\n\n\nE\n", []),
        (
            "FROM a AS b\nFROM a AS B",
            [
                ("DuplicateStageName", 2, 'Duplicate stage name "b", stage names should be unique'),
                ("StageNameCasing", 2, "Stage name 'B' should be lowercase"),
            ],
        ),
        (
            "FROM scratch AS scratch\nFROM scratch AS context\nFROM scratch AS a",
            [
                (
                    "ReservedStageName",
                    line,
                    f'Stage name should not use the same name as reserved stage "{name}"',
                )
                for line, name in ((1, "scratch"), (2, "context"))
            ],
        ),
        ("FROM a\nCMD x", [("JSONArgsRecommended", 2, JSON.format("CMD"))]),
        ("FROM a\nENTRYPOINT x", [("JSONArgsRecommended", 2, JSON.format("ENTRYPOINT"))]),
        ('FROM a\nSHELL ["x"]\nCMD x', []),
        ('FROM a AS b\nSHELL ["x"]\nFROM b\nENTRYPOINT x', []),
        ('FROM a\nCMD ["x"]\nENTRYPOINT []', []),
        ("FROM a\nHEALTHCHECK CMD x\nRUN x", []),
        (
            "FROM a\nMAINTAINER x",
            [
                (
                    "MaintainerDeprecated",
                    2,
                    "Maintainer instruction is deprecated in favor of using label",
                )
            ],
        ),
        (
            "FROM a\nENV a b\nLABEL c d\nENV e=f",
            [
                (
                    "LegacyKeyValueFormat",
                    line,
                    f'"{name} key=value" should be used instead of legacy "{name} key value" '
                    "format",
                )
                for line, name in ((2, "ENV"), (3, "LABEL"))
            ],
        ),
        ("FROM a\nWORKDIR b/", [("WorkdirRelativePath", 2, WORKDIR.format("b/"))]),
        ("FROM a AS b\nWORKDIR /c\nFROM b\nWORKDIR d", []),
        ("FROM a\nARG D=/d\nWORKDIR $D\nWORKDIR e", []),
        (
            'FROM a\nCMD ["b"]\nENTRYPOINT ["b"]\nHEALTHCHECK NONE\nRUN c\nCMD ["b"]\n'
            'ENTRYPOINT ["b"]\nHEALTHCHECK CMD ["d"]\nCMD []',
            [
                ("MultipleInstructionsDisallowed", line, TWICE.format(name))
                for line, name in ((2, "CMD"), (3, "ENTRYPOINT"), (4, "HEALTHCHECK"), (6, "CMD"))
            ],
        ),
        ('FROM a AS b\nCMD ["c"]\nFROM b\nCMD ["d"]', []),
    ],
)
def test_rules_of_form(text: str, expected: list[tuple[str, int, str]]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "FROM --platform=$BULIDPLATFORM/x a",
            [
                (
                    "UndefinedArgInFrom",
                    1,
                    "FROM argument 'BULIDPLATFORM' is not declared (did you mean BUILDPLATFORM?)",
                )
            ],
        ),
        (
            "ARG tag=1\nFROM a:$tag$version",
            [("UndefinedArgInFrom", 2, "FROM argument 'version' is not declared")],
        ),
        ("ARG D\nFROM a$D\nARG D\nCOPY $D x", []),
        ("FROM --platform=$BUILDPLATFORM a", []),
        ("ARG V\nFROM a:$V", [("InvalidDefaultArgInFrom", 2, DEFAULT.format("a:$V"))]),
        ("ARG I=\nFROM ${I}b:", [("InvalidDefaultArgInFrom", 2, DEFAULT.format("${I}b:"))]),
        ("ARG V=1\nFROM a:${V}", []),
        ("ARG V\nFROM a:${V:-2}", []),
        (
            "FROM --platform=$TARGETPLATFORM a",
            [
                (
                    "RedundantTargetPlatform",
                    1,
                    "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is"
                    " the default behavior",
                )
            ],
        ),
        (
            "FROM --platform=linux/amd64 a",
            [
                (
                    "FromPlatformFlagConstDisallowed",
                    1,
                    'FROM --platform flag should not use constant value "linux/amd64"',
                )
            ],
        ),
        ("FROM --platform=linux/amd64 a AS x_amd64", []),
        ("FROM --platform=linux/amd64 a AS linux", []),
        ("FROM a\nCOPY $foo x\nARG foo=1", [("UndefinedVar", 2, UNDEFINED.format("foo"))]),
        (
            "FROM a\nARG DIR_ASSETS=1\nCOPY $DIR_ASSET x",
            [
                (
                    "UndefinedVar",
                    3,
                    f"{UNDEFINED.format('DIR_ASSET')} (did you mean $DIR_ASSETS?)",
                )
            ],
        ),
        (
            "FROM a\nENV PATH=$PAHT:/x",
            [("UndefinedVar", 2, f"{UNDEFINED.format('PAHT')} (did you mean $PATH?)")],
        ),
        ("FROM a AS b\nARG f=1\nFROM b\nCOPY $f x", []),
        ("FROM a\nRUN echo $x\nCOPY ${x:-y} z\nENV A=$PATH", []),
        ("FROM absent\nCOPY $x y", []),
        ("FROM absent AS b\nFROM b\nCOPY $x y", []),
        (
            "FROM a\nEXPOSE 80/TcP 81/udp 1:2 127.0.0.1:80:80",
            [
                (
                    "ExposeProtoCasing",
                    2,
                    "Defined protocol '80/TcP' in EXPOSE instruction should be lowercase",
                ),
                *(
                    (
                        "ExposeInvalidFormat",
                        2,
                        "EXPOSE instruction should not define an IP address or host-port mapping,"
                        f" found '{port}'",
                    )
                    for port in ("127.0.0.1:80:80", "1:2")
                ),
            ],
        ),
    ],
)
def test_rules_of_meaning(text: str, expected: list[tuple[str, int, str]]) -> None:
    given = {"V": "9", "I": "x"}
    assert sorted(found(text, **given)) == sorted(expected)


def test_secrets() -> None:
    text = (
        "FROM a\nARG SECRET_PASSPHRASE\nENV SUPER_Secret=foo\nENV password=bar secret=baz\n"
        "ARG super_duper_secret_token=foo auth=bar\nENV apikey=bar sunflower=foo\nENV git_key=\n"
        "ENV PUBLIC_KEY=\nARG public_token\nLABEL password=x\n"
    )
    assert found(text) == [
        ("SecretsUsedInArgOrEnv", line, SECRET.format(name, key))
        for line, name, key in (
            (2, "ARG", "SECRET_PASSPHRASE"),
            (3, "ENV", "SUPER_Secret"),
            (4, "ENV", "password"),
            (4, "ENV", "secret"),
            (5, "ARG", "auth"),
            (5, "ARG", "super_duper_secret_token"),
            (6, "ENV", "apikey"),
            (7, "ENV", "git_key"),
        )
    ]
    assert not is_sensitive("MONKEY")
    assert is_sensitive("GITHUB_TOKEN")


def test_experimental_rules() -> None:
    text = (
        "# bar this is the bar\nARG foo=bar\n# BasE this is it\nFROM scratch AS base\n"
        "# a comment\nARG version=latest\n# another\nARG foo=baz bar=qux\n"
        "# version this is it\nARG version\n# about something\n\nARG x\n# else\nRUN x\n"
        "COPY Dockerfile z* /\nADD dir/x https://a/Dockerfile /\nCOPY --from=other Dockerfile /\n"
    )
    assert found(text) == []
    told = [
        *((2, DESCRIBED.format("ARG", "foo")), (4, DESCRIBED.format("FROM", "base"))),
        *((6, DESCRIBED.format("ARG", "version")), (8, DESCRIBED.format("ARG", "<arg_key>"))),
        (16, 'Attempting to Copy file "Dockerfile" that is excluded by .dockerignore'),
        (17, 'Attempting to Add file "dir/x" that is excluded by .dockerignore'),
    ]
    for option in ("InvalidDefinitionDescription,CopyIgnoredFile", "all"):
        lines = [(line, said) for _, line, said in found(f"# check=experimental={option}\n{text}")]
        assert lines == [(line + 1, said) for line, said in told]
    report = reported(f"# check=skip=CopyIgnoredFile;experimental=all\n{text}")
    assert {one.rule for one in report.findings} == {"InvalidDefinitionDescription"}


BAD = "FROM scratch as base\ncopy Dockerfile .\n"


@pytest.mark.parametrize(
    ("directive", "given", "rules", "fails"),
    [
        ("", None, ["FromAsCasing", "ConsistentInstructionCasing"], False),
        ("skip=all", None, [], False),
        ("skip=all;error=true", None, [], False),
        ("skip=FromAsCasing", None, ["ConsistentInstructionCasing"], False),
        ("skip=FromAsCasing;error=true", None, ["ConsistentInstructionCasing"], True),
        ("skip=ConsistentInstructionCasing, FromAsCasing;error=true", None, [], False),
        ("error=true", "skip=all", [], False),
        ("skip=all", "skip=ConsistentInstructionCasing;error=true", ["FromAsCasing"], True),
        ("error=false", None, ["FromAsCasing", "ConsistentInstructionCasing"], False),
    ],
)
def test_what_is_wanted(directive: str, given: str | None, rules: list[str], fails: bool) -> None:
    text = f"#check={directive}\n{BAD}" if directive else BAD
    report = reported(text, given)
    assert ([one.rule for one in report.findings], report.fails) == (rules, fails)


@pytest.mark.parametrize(
    ("directive", "error"),
    [
        (
            "skip=FromAsCase",
            "Dockerfile:1: unknown check 'FromAsCase' (see docker's build checks)",
        ),
        ("skip=jsonargsrecommended", None),
        ("error=maybe", None),
        ("skip", None),
        ("ignore=all", None),
    ],
)
def test_odd_directives(directive: str, error: str | None) -> None:
    with pytest.raises(DockerfileError) as caught:
        reported(f"# check={directive}\n{BAD}")
    assert caught.value.line == 1
    assert error is None or str(caught.value) == error


def test_warnings_come_before_an_error() -> None:
    report = reported("FROM a AS Bad\nMAINTAINER x\nBADCMD\nCMD x\n")
    assert [one.rule for one in report.findings] == [
        *("StageNameCasing", "MaintainerDeprecated"),
    ]
    assert report.error is not None
    assert (report.error.line, report.error.reason) == (3, "unknown instruction: BADCMD")
    report = reported("FROM a as b\nFROM $x\n")
    assert [one.rule for one in report.findings] == ["FromAsCasing"]
    assert report.error is not None
    assert report.error.reason == "base name ($x) should not be blank"
    report = reported("FROM a\nCMD x\nENV A=${x:?no}\nWORKDIR b\n")
    assert [one.rule for one in report.findings] == ["JSONArgsRecommended"]
    assert report.error is not None
    assert report.error.line == 3
    assert reported("RUN a").error is not None


def test_rules_have_pages() -> None:
    assert len(RULES) == 22
    assert url("JSONArgsRecommended").endswith("/rule/json-args-recommended/")
    assert url("SecretsUsedInArgOrEnv").endswith("/rule/secrets-used-in-arg-or-env/")


@pytest.mark.parametrize(
    ("name", "valid"),
    [
        *(("a", True), ("a:1", True), ("localhost:5000/a", True), ("h.x/a/b:T_1", True)),
        *(("a@sha256:00", True), ("", False), ("a:", False), (":1", False), ("a/", False)),
        *(("A", False), ("h.x:80/A", False), ("a:-1", False), ("a@", False), ("a b", False)),
        ("a:" + "x" * 129, False),
    ],
)
def test_names_of_images(name: str, valid: bool) -> None:
    assert is_image(name) is valid


def test_findings_are_values() -> None:
    assert Finding("A", 1, "x") == Finding("A", 1, "x") != Finding("A", 2, "x")
