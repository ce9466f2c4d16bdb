"""doctor: what containers need, what is here, what would better it."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.cli import options as opt
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
    from rootless.cli.output import pretty

    findings = examiner.examine(engine.paths)
    if json:
        sys.stdout.write(pretty([finding.__dict__ for finding in findings]) + "\n")
    else:
        for finding in findings:
            _write(finding)
    return exits.OK if examiner.usable(findings) else exits.FAILED


def _write(finding: Finding) -> None:
    """One line for what was found; below it what follows, and the command that would better it."""
    print(f"{finding.level:<9} {finding.need}: {finding.found}")
    if finding.effect:
        import textwrap

        indent = " " * 10
        print(textwrap.fill(finding.effect, 80, initial_indent=indent, subsequent_indent=indent))
    if finding.remedy and not finding.ok:
        # A here-document stands at the margin, so that it can be copied as it is.
        print(f"{'':<10}-> " + ("run:\n" if "\n" in finding.remedy else "") + finding.remedy)
