"""The tree of a Dockerfile as text, an s-expression for each instruction, as others dump it.

    (run ["--mount=type=cache,target=/x"] "make all")
    (onbuild (copy "a" "b"))

Instructions are in small letters, flags in brackets, then the words: strings as Go quotes them. ENV
and LABEL have names and values in turn. It is syntax only: quotes, unknown flags and unknown
instructions are as they stand in the file, and texts of heredocs are not there.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.build.dockerfile.nodes import Node, Syntax

_NAMED = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}


def tree(syntax: Syntax) -> str:
    """Return the tree of a file, a line for each instruction."""
    return "".join(f"{line(node)}\n" for node in syntax.nodes)


def line(node: Node) -> str:
    """Return the s-expression of one instruction."""
    parts: list[str] = []
    depth = 0
    one: Node | None = node
    while one is not None:
        depth += 1
        head = [one.keyword.lower()]
        if one.flags:
            head.append(f"[{' '.join(map(quote, one.flags))}]")
        parts.append(" ".join(["(" + head[0], *head[1:], *map(quote, one.words)]))
        one = one.child
    return " ".join(parts) + ")" * depth


def quote(text: str) -> str:
    """Return a text as Go writes it: strconv.Quote."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(map(_letter, text)) + '"'


def _letter(letter: str) -> str:
    named = _NAMED.get(letter)
    if named is not None:
        return named
    if letter.isprintable():
        return letter
    point = ord(letter)
    if 0xDC80 <= point <= 0xDCFF:  # a byte that is no UTF-8
        return f"\\x{point - 0xDC00:02x}"
    if point < 0x80:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"
