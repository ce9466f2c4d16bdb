"""rootless --version: a module of its own, since scripts ask for it and nothing else."""

from __future__ import annotations

import sys

import rootless
from rootless.cli.dialects import choice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.engine import Engine


def version_line(_engine: Engine | None = None) -> int:
    """Print the version as `docker --version` does, in one line."""
    line = choice.current().version_line(choice.program(), rootless.__version__)
    sys.stdout.write(f"{line}\n")
    return 0
