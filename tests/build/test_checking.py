"""--check, --call and --print, and what a build says besides: warnings, arguments nobody takes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from built import lay

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Store

PODMAN = {"ROOTLESS_DIALECT": "podman"}

WRONG = (
    "# app is all of it\nARG B=busybox\nFROM $B AS app\nARG API_TOKEN=1\nENV P=$PATH\n"
    "# V which version\nARG V=2\nENV Q=$NONE\nCMD echo\n"
)

CHECKED = """\
Check complete, 3 warnings have been found!

WARNING: SecretsUsedInArgOrEnv - \
https://docs.docker.com/go/dockerfile/rule/secrets-used-in-arg-or-env/
Do not use ARG or ENV instructions for sensitive data (ARG "API_TOKEN")
Dockerfile:4
--------------------
   2 |     ARG B=busybox
   3 |     FROM $B AS app
   4 | >>> ARG API_TOKEN=1
   5 |     ENV P=$PATH
   6 |     # V which version
--------------------

WARNING: UndefinedVar - https://docs.docker.com/go/dockerfile/rule/undefined-var/
Usage of undefined variable '$NONE'
Dockerfile:8
--------------------
   5 |     ENV P=$PATH
   6 |     # V which version
   7 |     ARG V=2
   8 | >>> ENV Q=$NONE
   9 |     CMD echo
--------------------
"""


def test_check(shared: Store, tmp_path: Path) -> None:
    """docker's words, to standard output, and 1 where there is something; nothing is built."""
    lay(tmp_path, {"Dockerfile": WRONG})
    for flag in ("--check", "--call=check", "--call=lint"):
        done = shared("build", flag, str(tmp_path))
        assert (done.returncode, done.stderr) == (1, "")
        assert done.stdout.startswith(CHECKED)
        assert "CMD echo" in done.stdout[len(CHECKED) :]
    done = shared("build", "--call=check,format=json", str(tmp_path))
    document = json.loads(done.stdout)
    assert [one["ruleName"] for one in document["warnings"]] == [
        "SecretsUsedInArgOrEnv",
        "UndefinedVar",
        "JSONArgsRecommended",
    ]
    assert document["warnings"][1]["location"]["ranges"] == [
        {"start": {"line": 8}, "end": {"line": 8}}
    ]
    lay(tmp_path, {"Dockerfile": "FROM busybox\n"})
    done = shared("build", "--check", str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "Check complete, no warnings found.\n")


def test_a_check_shows_the_first_error(shared: Store, tmp_path: Path) -> None:
    lay(tmp_path, {"Dockerfile": "FROM busybox\nMAINTAINER me\nCOPPY a b\n"})
    done = shared("build", "--check", str(tmp_path))
    assert done.returncode == 1
    assert "WARNING: MaintainerDeprecated" in done.stdout
    assert "   3 | COPPY a b\n     | ^^^^^\n" in done.stderr
    assert "did you mean COPY?" in done.stderr


def test_what_is_ignored_is_told(shared: Store, tmp_path: Path) -> None:
    """By a rule that is only for those who ask for it."""
    text = "# check=experimental=CopyIgnoredFile\nFROM busybox\nCOPY a/b kept ./ignored/ /\n"
    ignore = "a\nignored\n"
    lay(tmp_path, {"Dockerfile": text, "a/b": "", "kept": "", ".dockerignore": ignore})
    told = shared("build", "--check", str(tmp_path)).stdout
    assert 'Attempting to Copy file "a/b" that is excluded by .dockerignore' in told
    assert '"kept"' not in told
    lay(tmp_path, {"Dockerfile": text.partition("\n")[2]})
    assert shared("build", "--check", str(tmp_path)).returncode == 0


def test_targets_and_outline(shared: Store, tmp_path: Path) -> None:
    text = (
        "FROM busybox AS base\n# app has all\nFROM base AS app\n# V which version\nARG V=2\nARG W\n"
        "RUN --mount=type=secret,id=key,required --mount=type=ssh true\n"
    )
    lay(tmp_path, {"Dockerfile": text})
    told = shared.ok("build", "--call=targets", str(tmp_path)).splitlines()
    assert [line.split(None, 1) for line in told] == [
        ["TARGET", "DESCRIPTION"],
        ["base"],
        ["app", "(default)   has all"],
    ]
    found = json.loads(shared.ok("build", "--call=targets,format=json", str(tmp_path)))
    assert [one["name"] for one in found["targets"]] == ["base", "app"]
    assert found["targets"][1] | {"default": True, "base": "base"} == found["targets"][1]
    told = shared.ok("build", "--call=outline", "--build-arg", "W=w", str(tmp_path))
    assert [line.split() for line in told.splitlines()] == [
        ["TARGET:", "app"],
        ["DESCRIPTION:", "has", "all"],
        [],
        ["BUILD", "ARG", "VALUE", "DESCRIPTION"],
        ["V", "2", "which", "version"],
        ["W", "w"],
        [],
        ["SECRET", "REQUIRED"],
        ["key", "true"],
        [],
        ["SSH", "REQUIRED"],
        ["default"],
    ]
    found = json.loads(shared.ok("build", "--call=outline,format=json", str(tmp_path)))
    assert [(one["name"], one.get("value")) for one in found["args"]] == [("V", "2"), ("W", None)]
    assert found["secrets"][0]["required"] is True
    done = shared("build", "--call=outline", "--target=ap", str(tmp_path))
    assert "did you mean app?" in done.stderr


def test_print_tree(shared: Store, tmp_path: Path) -> None:
    """Of a context, of its -f, and of a file in the place of the context."""
    lay(
        tmp_path, {"Dockerfile": 'FROM a\nUNKNOWN --x "y"\nONBUILD COPY a b\n', "other": "FROM b\n"}
    )
    tree = '(from "a")\n(unknown ["--x"] "\\"y\\"")\n(onbuild (copy "a" "b"))'
    assert shared.ok("build", "--print=tree", str(tmp_path)) == tree
    assert shared.ok("build", "--print=tree", f"{tmp_path}/Dockerfile") == tree
    assert shared.ok("build", "--print", "tree", "-f", "other", str(tmp_path)) == '(from "b")'


@pytest.mark.parametrize(
    ("flags", "wrong"),
    [
        (("--call=what",), "--call: unknown method 'what'"),
        (("--call=check,format=xml",), "--call: unknown option 'format=xml'"),
        (("--check", "--call=targets"), "contradict each other"),
        (("--print=forest",), "--print: nothing is known of 'forest'"),
        (("--print=tree", "--check"), "--print and --call contradict each other"),
        (("--print=tree", "/no/file"), "no directory /no/file to build in"),
    ],
)
def test_what_makes_no_sense(flags: tuple[str, ...], wrong: str, shared: Store) -> None:
    done = shared("build", *flags)
    assert done.returncode == 1
    assert wrong in done.stderr


def test_a_build_warns_at_its_end(busybox: Store, tmp_path: Path) -> None:
    lay(tmp_path, {"Dockerfile": "FROM busybox\nARG PASSWORD\nCMD echo\n"})
    line = ("build", "--build-arg", "A=1", "--build-arg", "B=2", str(tmp_path))
    assert busybox(*line).stderr.partition("[Warning]")[2] == (
        " One or more build-args [A B] were not consumed\n\n"
        " 2 warnings found (use --check to expand):\n"
        ' - SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ARG "PAS'
        'SWORD") (line 2)\n'
        " - JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior "
        "related to OS signals (line 3)\n"
    )
    done = busybox(*line, env=PODMAN)
    assert done.stdout.splitlines()[-2] == (
        "[Warning] one or more build args were not consumed: [A B]"
    )
    assert "1 warning found" in done.stderr  # a secret is worth a word in any dialect
    for flag in ("-q", "--progress=rawjson"):
        assert "warning" not in busybox("build", flag, str(tmp_path)).stderr


@pytest.mark.parametrize(
    ("first", "flags"),
    [
        ("# check=error=true", ()),
        ("", ("--build-arg", "BUILDKIT_DOCKERFILE_CHECK=error=true")),
    ],
)
def test_a_warning_that_is_an_error(
    first: str, flags: tuple[str, ...], shared: Store, tmp_path: Path
) -> None:
    """Nothing is begun."""
    lay(tmp_path, {"Dockerfile": f"{first}\nFROM busybox\nRUN echo begun >&2\nCMD echo\n"})
    done = shared("build", *flags, str(tmp_path))
    assert done.returncode == 1
    last = "ERROR: failed to solve: lint violation found for rules: JSONArgsRecommended"
    assert done.stderr.splitlines()[-1] == last
    assert "begun" not in done.stderr
    skip = ("--build-arg", "BUILDKIT_DOCKERFILE_CHECK=skip=all;error=true")
    assert "warning" not in shared("build", *skip, str(tmp_path)).stderr


@pytest.mark.parametrize(
    ("syntax", "good"),
    [
        ("docker/dockerfile:1.7-labs", True),
        ("docker.io/docker/dockerfile@sha256:" + "0" * 64, True),
        ("example.com/other:1", False),
    ],
)
def test_other_frontends_are_refused_by_name(
    syntax: str, good: bool, shared: Store, tmp_path: Path
) -> None:
    lay(tmp_path, {"Dockerfile": f"# syntax={syntax}\nFROM busybox\n"})
    for flags in ((), ("--check",)):
        done = shared("build", *flags, str(tmp_path))
        assert (done.returncode == 0) == good
        assert (f"Dockerfile:1: the frontend {syntax} is not supported" in done.stderr) != good
    given = ("--build-arg", f"BUILDKIT_SYNTAX={syntax}")
    lay(tmp_path, {"Dockerfile": "FROM busybox\n"})
    assert (shared("build", *given, str(tmp_path)).returncode == 0) == good


def test_a_shell_in_what_a_failed_command_left(busybox: Store, tmp_path: Path) -> None:
    """--on-error=shell: it reads what the build was given to read; the code is the build's."""
    lay(tmp_path, {"Dockerfile": "FROM busybox\nWORKDIR /w\nRUN echo made > f; exit 4\n"})
    line = ("build", "--on-error=shell", str(tmp_path))
    done = busybox(*line, input="cat f; pwd; exit 9\n")
    assert (done.returncode, done.stdout) == (1, "made\n/w\n")
    assert busybox(*line, input="", env=PODMAN).returncode == 4
    assert busybox.ok("ps", "-aq") == ""
