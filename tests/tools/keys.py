"""Write the table of docs/containers-conf.md anew: python -m tests.tools.keys."""

from __future__ import annotations

from pathlib import Path

from rootless.defaults.keys import KEYS

PAGE = Path(__file__).parent.parent.parent / "docs/containers-conf.md"
BEGIN = "## The keys\n\n"


def table() -> str:
    """Return the tables of the keys, by what becomes of them."""
    parts = [_part("read", "key", "what it is"), "\nNot here yet:\n\n"]
    parts += [_part("later", "key", "what for"), "\nOf no meaning here:\n\n"]
    parts.append(_part("nothing", "key", "why"))
    whole = [f"`[{name}]`" for name, keys in KEYS.items() if not keys]
    return "".join(parts) + f"\nNor have the tables {', '.join(whole)}.\n"


def _part(state: str, *heads: str) -> str:
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    for name, keys in KEYS.items():
        lines += [
            f"| `{name}.{key}` | {why} |" for key, (_, is_, why) in keys.items() if is_ == state
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the page."""
    head = PAGE.read_text().partition(BEGIN)[0]
    PAGE.write_text(head + BEGIN + table())


if __name__ == "__main__":
    main()
