"""--print=context: what of a context would be used, and what hides the rest."""

from __future__ import annotations

from rootless.build.files import listing
from rootless.cli.dialects import choice
from rootless.cli.output import say, say_table, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.build.checking import Checking
    from rootless.build.files.listing import Listed


def show(checking: Checking) -> int:
    """Print it, what is missed to standard error; return the exit code, that of a failed build.

    Raises DockerfileError, UsageError.
    """
    origin = checking.context
    found, missed = listing.used(origin, checking.taking)
    rows = [["PATH", "SIZE", "WHY"], *([one.path, _size(one), one.by] for one in found)]
    for one in listing.hidden(origin.top, origin.ignore):
        if origin.ignore is not None and one.rule is not None:
            rule = f"{origin.ignore.name} line {one.rule.line}: {one.rule.text}"
            rows.append([one.path, _size(one), f"excluded by {rule}"])
    say_table(rows)
    for text in missed:
        say(text, to_stderr=True)
    return choice.current().build_code(0) if missed else 0


def _size(one: Listed) -> str:
    return "-" if one.path.endswith("/") else size(one.size)
