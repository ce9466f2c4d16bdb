"""The corpus: small Dockerfiles, each with what is to be made of it.

=== what it is about
the Dockerfile
--- tree, or error
what is expected
"""

from __future__ import annotations

from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"


def cases(name: str) -> list[tuple[str, str, str]]:
    """Return the cases of a file: what each is about, its Dockerfile, what is expected."""
    found = []
    for case in (CORPUS / f"{name}.txt").read_text().split("=== ")[1:]:
        about, _, rest = case.partition("\n")
        text, mark, after = rest.rpartition("--- ")
        assert mark, about
        found.append((about, text, after.partition("\n")[2]))
    return found
