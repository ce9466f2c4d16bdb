"""Containers without root and without a daemon.

    from rootless import Engine

Importing the package loads nothing else: the name above is resolved on first use,
because every command pays for what is imported here.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.engine import Engine

__all__ = ["Engine"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Resolve the public names lazily (PEP 562)."""
    if name == "Engine":
        from rootless.engine import Engine

        return Engine
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
