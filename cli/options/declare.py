"""How options and arguments are declared for Typer."""

from __future__ import annotations

from typing import Any

import typer


def option(*names: str, about: str, panel: str | None = None, metavar: str | None = None) -> Any:
    """Return the declaration of an option; defaults are said in `about`, where they matter."""
    return typer.Option(
        *names, help=about, rich_help_panel=panel, metavar=metavar, show_default=False
    )


def option_with(*names: str, about: str, metavar: str, panel: str | None = None) -> Any:
    """Return the declaration of an option that may have a value, behind an equals sign alone.

    Without one its value is "true". By its metavar it is known (`is_alone`).
    """
    return option(*names, about=about, panel=panel, metavar=f"[={metavar}]")


def is_alone(param: Any) -> bool:
    """Whether an option as Typer has it may stand without its value."""
    return str(getattr(param, "metavar", None) or "").startswith("[=")


def argument(metavar: str, about: str) -> Any:
    """Return the declaration of an argument. Completion goes by its metavar."""
    return typer.Argument(metavar=metavar, help=about, show_default=False)


def silent(*names: str) -> Any:
    """Return the declaration of an option that is taken, but not shown."""
    return typer.Option(*names, help="", hidden=True, show_default=False)
