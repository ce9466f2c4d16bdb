"""--check, --call, --print: what is said of a Dockerfile in the place of a build, or beside it."""

from __future__ import annotations

from rootless.build.checking import Checking, LintFailed
from rootless.cli.dialects import choice
from rootless.cli.output import pretty, say, say_json, say_table
from rootless.errors import UsageError, named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from rootless.build.dockerfile.check import Finding, Report
    from rootless.build.dockerfile.errors import Source

    Document = dict[str, Any]

CALLS = ("build", "check", "outline", "targets")


def call_of(text: str, *, check: bool) -> tuple[str, bool]:
    """Return what --call asks for, and whether as JSON. Raises UsageError."""
    kind, *options = text.split(",") if text else ["check" if check else "build"]
    kind = {"lint": "check", "subrequests.lint": "check", "subrequests.outline": "outline"}.get(
        kind, kind
    )
    as_json = False
    for option in options:
        key, _, value = option.partition("=")
        if key == "format" and value in ("json", "text"):
            as_json = value == "json"
        elif key != "ignorestatus":
            raise UsageError(f"{named('call')}: unknown option {option!r}", "format=json is known")
    if kind not in CALLS:
        raise UsageError(f"{named('call')}: unknown method {kind!r}", f"one of {', '.join(CALLS)}")
    if check and kind != "check":
        raise UsageError(f"{named('check')} and {named('call')} {kind} contradict each other")
    return kind, as_json


def answer(checking: Checking, kind: str, target: str, *, as_json: bool) -> int:
    """Print what is asked for, to standard output; return the exit code. Raises DockerfileError."""
    if kind == "check":
        return _check(checking, as_json=as_json)
    if kind == "targets":
        _targets(checking, as_json=as_json)
    else:
        _outline(checking, target, as_json=as_json)
    return 0


def before(checking: Checking) -> Report:
    """Return what there is to say of a file that is to be built. Raises LintFailed."""
    report = checking.report()
    if report.fails:
        raise LintFailed(report)
    return report


def tell(report: Report) -> None:
    """Say at the end of a build what was not as it should be: docker's lines."""
    found = report.findings
    if choice.current().numbered_steps:  # buildah knows no checks; but a secret is no habit
        found = [one for one in found if one.rule == "SecretsUsedInArgOrEnv"]
    if not found:
        return
    many = "1 warning" if len(found) == 1 else f"{len(found)} warnings"
    say("", to_stderr=True)
    say(f" {many} found (use --check to expand):", to_stderr=True)
    for one in found:
        say(f" - {one.rule}: {one.text} (line {one.line})", to_stderr=True)


# -- check


def _check(checking: Checking, *, as_json: bool) -> int:
    report = checking.report()
    source = checking.syntax.source
    if as_json:
        say_json(pretty(_report(report, source), 2))
    else:
        count = len(report.findings)
        many = "1 warning has" if count == 1 else f"{count or 'no'} warnings have"
        found = f"Check complete, {many} been found!"
        say(found if count else "Check complete, no warnings found.")
        for one in report.findings:
            for line in _expanded(one, source):
                say(line)
    if report.error is not None:
        if not as_json:
            for line in report.error.excerpt().split("\n"):
                say(line, to_stderr=True)
        raise report.error
    return int(bool(report.findings))


def _expanded(one: Finding, source: Source) -> Iterable[str]:
    from rootless.build.dockerfile.rules import url
    from rootless.build.failing import marked

    return ["", f"WARNING: {one.rule} - {url(one.rule)}", one.text, *_lines(marked, one, source)]


def _lines(marked: Any, one: Finding, source: Source) -> list[str]:
    return str(marked(source, one.line, one.line)).split("\n")


def _report(report: Report, source: Source) -> Document:
    from rootless.build.dockerfile.rules import RULES, url

    document: Document = {
        "warnings": [
            {
                "ruleName": one.rule,
                "description": RULES[one.rule],
                "url": url(one.rule),
                "detail": one.text,
                "location": _location(one.line),
            }
            for one in report.findings
        ],
        "sources": [_source(source)],
    }
    if report.error is not None:
        place = _location(report.error.line)
        document["buildError"] = {"message": report.error.reason, "location": place}
    return document


def _location(line: int) -> Document:
    return {"sourceIndex": 0, "ranges": [{"start": {"line": line}, "end": {"line": line}}]}


def _source(source: Source) -> Document:
    from base64 import b64encode

    data = "\n".join(source.lines).encode("utf-8", "surrogateescape")
    return {"filename": source.name, "language": "Dockerfile", "data": b64encode(data).decode()}


# -- targets and outline


def _targets(checking: Checking, *, as_json: bool) -> None:
    from rootless.build.dockerfile import outline

    found = outline.targets(checking.plan())
    if as_json:
        rows: list[Document] = []
        for one in found:
            row: Document = {"name": one.name} if one.name else {}
            row |= {"description": one.description} if one.description else {}
            row |= {"default": True} if one.default else {}
            row |= {"platform": one.platform} if one.platform else {}
            rows.append({**row, "base": one.base, "location": _location(one.line)})
        sources = [_source(checking.syntax.source)]
        say_json(pretty({"targets": rows, "sources": sources}, 2))
        return
    table = [["TARGET", "DESCRIPTION"]]
    for one in found:
        if one.name or one.default:
            name = f"{one.name} (default)" if one.default and one.name else one.name
            table.append([name or "(default)", one.description])
    say_table(table)


def _outline(checking: Checking, target: str, *, as_json: bool) -> None:
    from rootless.build.dockerfile import outline

    plan = checking.plan()
    stage = plan.target(target)
    environment = next(
        (checking.environment(one) or {} for one in plan.needed(stage) if not one.parent), {}
    )
    taken = outline.arguments(plan, stage, environment)
    mounted = outline.mounted(plan, stage)
    about = outline.described(stage.origin, stage.name)
    if as_json:
        arguments = [
            {
                "name": one.name,
                **({"description": one.description} if one.description else {}),
                **({"value": one.value} if one.value else {}),
                "location": _location(one.line),
            }
            for one in taken
        ]
        document: Document = {"name": stage.name, "description": about, "args": arguments}
        for kind, key in (("secret", "secrets"), ("ssh", "ssh"), ("cache", "cache")):
            document[key] = [
                {"name": one.name, "required": one.required, "location": _location(one.line)}
                for one in mounted
                if one.kind == kind
            ]
        known = {key: value for key, value in document.items() if value}
        say_json(pretty({**known, "sources": [_source(checking.syntax.source)]}, 2))
        return
    say_table([["TARGET:", stage.title], *([["DESCRIPTION:", about]] if about else [])])
    if taken:
        say("")
        rows = [[one.name, one.value or "", one.description] for one in taken]
        say_table([["BUILD ARG", "VALUE", "DESCRIPTION"], *rows])
    for kind in ("secret", "ssh", "cache"):
        lines = [[one.name, "true" if one.required else ""] for one in mounted if one.kind == kind]
        if lines:
            say("")
            say_table([[kind.upper(), "REQUIRED"], *lines])


# -- print


def print_tree(data: bytes, name: str) -> None:
    """Print the tree of a file: its syntax, whatever it means. Raises DockerfileError."""
    from rootless.build.dockerfile.parsing import syntax
    from rootless.build.dockerfile.tree import line

    for node in syntax(data, name).nodes:
        say(line(node))
