"""doctor: what containers need, what is here, what would better it."""

from __future__ import annotations

from rootless.cli.output import pretty, say, say_json, say_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.cli.options import machine as opt
    from rootless.doctor.finding import Finding
    from rootless.engine import Engine


def doctor(engine: Engine, *, json: opt.Json = False) -> int:
    """Say what containers need here, and what would better it.

    Ends with 0 where containers can run at all, else with 1.

    Examples:
        rootless doctor
        rootless doctor --json
    """
    from rootless import doctor as examiner
    from rootless.cli import exits

    findings = examiner.examine(engine.paths)
    if json:
        say_json(pretty([finding.__dict__ for finding in findings]))
    else:
        for finding in findings:
            _write(finding)
    return exits.OK if examiner.usable(findings) else exits.FAILED


def _write(finding: Finding) -> None:
    """One line for what was found; below it what follows, and the command that would better it."""
    say(f"{finding.level:<9} {finding.need}: {finding.found}")
    if finding.effect:
        import textwrap

        indent = " " * 10
        say_lines(
            textwrap.wrap(finding.effect, 80, initial_indent=indent, subsequent_indent=indent)
        )
    if finding.remedy and not finding.ok:
        # A here-document stands at the margin, so that it can be copied as it is.
        remedy = ("run:\n" if "\n" in finding.remedy else "") + finding.remedy
        say_lines(f"{'':<10}-> {remedy}".split("\n"))
