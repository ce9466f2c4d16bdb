"""The functions of templates, and how Go prints values.

`LIBRARY` holds Go's own (len, index, printf, eq, ...) and docker's (json, join, split, title,
lower, upper, pad, truncate). Arguments stand in Go's order; a piped value is the last one.
"""

from __future__ import annotations

from rootless.oci.errors import shown_json
from rootless.oci.jsonio import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


_NIL_SLICES = frozenset(
    ("Aliases", "Cmd", "Entrypoint", "Env", "Links", "OnBuild", "Shell", "VolumesFrom")
)
_NIL_MAPS = frozenset(("ExposedPorts", "Labels", "Volumes"))
"""Fields that JSON shows as null, and Go by their types."""


def text(value: object, name: str = "") -> str:
    """Return a value as Go prints it by itself; `name` is that of the field which it is, if any."""
    if value is not None:
        return plain(value)
    if name in _NIL_SLICES:
        return "[]"
    if name in _NIL_MAPS:
        return "map[]"
    return "<nil>" if name[:1].isupper() else "<no value>"


def plain(value: object) -> str:
    """Return a value as Go prints it, by itself or within others."""
    if type(value) is str:
        return value
    printed = getattr(value, "printed", None)  # a type of Go's own (cli/dialects/shapes.py)
    if printed is not None:
        return str(printed())
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e21 else repr(value)
    if isinstance(value, dict):
        parts = (f"{plain(key)}:{plain(each)}" for key, each in sorted(value.items()))
        return f"map[{' '.join(parts)}]"
    if isinstance(value, (list, tuple)):
        return f"[{' '.join(map(plain, value))}]"
    return str(value)


def truth(value: object) -> bool:
    """Whether a value is true for `if`: not nil, false, zero or empty."""
    return bool(value)


def items(value: Any) -> list[tuple[Any, Any]]:
    """Return the keys and values that `range` goes through; keys of a map are sorted."""
    if value is None:
        return []
    if isinstance(value, dict):
        return sorted(value.items())
    if isinstance(value, (list, tuple)):
        return list(enumerate(value))
    if isinstance(value, int) and not isinstance(value, bool):  # Go 1.22: range over a number
        return [(each, each) for each in range(value)]
    raise ValueError(f"range cannot go over {plain(value)}")


def index(value: Any, *keys: Any) -> Any:
    """Return value[key][key]...; an absent key of a map is its zero value."""
    for key in keys:
        if isinstance(value, dict):
            zero = "" if all(isinstance(each, str) for each in value.values()) else None
            value = value.get(key, zero)
        elif value is None:
            raise ValueError("index of nil pointer")
        elif not isinstance(key, int) or isinstance(key, bool):
            raise ValueError(f"cannot index with {plain(key)}")
        elif not 0 <= key < len(value):
            raise ValueError(f"index out of range: {key}")
        else:
            value = value[key]
    return value


def cut(value: Any, *ends: int) -> Any:
    """Go's `slice`: value[a:b]."""
    first, last = (*ends, len(value))[:2] if ends else (0, len(value))
    if not 0 <= first <= last <= len(value):
        raise ValueError(f"index out of range: {first}:{last}")
    return value[first:last]


def equal(first: Any, *others: Any) -> bool:
    """Whether `first` equals one of the others."""
    if not others:
        raise ValueError("missing argument for comparison")
    return any(_comparable(first, other) and first == other for other in others)


def _comparable(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return True
    kinds = [_kind(one), _kind(other)]
    if kinds[0] != kinds[1]:
        raise ValueError(f"incompatible types for comparison: {kinds[0]} and {kinds[1]}")
    return True


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    return "number" if isinstance(value, (int, float)) else type(value).__name__


def less(one: Any, other: Any) -> bool:
    """Whether one is less than the other."""
    _comparable(one, other)
    return bool(one < other)


def join(parts: list[Any], separator: str = ",") -> str:
    """Return the parts with the separator between."""
    return separator.join(map(plain, parts or []))


def title(value: str) -> str:
    """Return the text with the first letter of each word in upper case."""
    words = value.split(" ")
    return " ".join(word[:1].upper() + word[1:] for word in words)


def truncate(value: str, length: int) -> str:
    """Return at most `length` characters."""
    return value[:length]


def pad(value: str, before: int, after: int) -> str:
    """Return the text with spaces around it, as docker pads (nothing around nothing)."""
    return " " * before + value + " " * after if value else value


def sprint(*values: Any) -> str:
    """Go's print: a space between two values of which neither is a string."""
    done = ""
    for at, value in enumerate(values):
        gap = at and not isinstance(value, str) and not isinstance(values[at - 1], str)
        done += (" " if gap else "") + plain(value)
    return done


def sprintln(*values: Any) -> str:
    """Go's println: spaces between all, and a newline."""
    return " ".join(map(plain, values)) + "\n"


def sprintf(layout: str, *values: Any) -> str:
    """Go's printf for %s %v %d %q %t %x %X %f %g %e %c and %%, with flags, width, precision."""
    done = []
    rest = list(values)
    at = 0
    while at < len(layout):
        start = layout.find("%", at)
        if start < 0:
            break
        end = start + 1
        while end < len(layout) and layout[end] in "+-# 0123456789.*":
            end += 1
        verb = layout[end : end + 1]
        done.append(layout[at:start])
        at = end + 1
        if verb == "%":
            done.append("%")
        elif not verb:
            done.append("%!(NOVERB)")
        elif not rest:
            done.append(f"%!{verb}(MISSING)")
        else:
            done.append(_verb(layout[start + 1 : end], verb, rest.pop(0)))
    done.append(layout[at:])
    if rest:
        extra = ", ".join(f"{type_of(value)}={plain(value)}" for value in rest)
        done.append(f"%!(EXTRA {extra})")
    return "".join(done)


def type_of(value: Any) -> str:
    """Return the name of a value's type in Go."""
    if value is None:
        return "<nil>"
    if name := getattr(value, "type", ""):
        return str(name)
    for kind, word in ((bool, "bool"), (str, "string"), (int, "int"), (float, "float64")):
        if isinstance(value, kind):
            return word
    each = value.values() if isinstance(value, dict) else value
    kinds = {type_of(one) for one in each} or {"string"}
    inner = kinds.pop() if len(kinds) == 1 else "interface {}"
    return f"map[string]{inner}" if isinstance(value, dict) else f"[]{inner}"


def html(*values: Any) -> str:
    """Return the values as text of HTML."""
    text = "".join(_HTML.get(character, character) for character in sprint(*values))
    return text.replace("\0", "\ufffd")


_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;"}


def js(*values: Any) -> str:
    """Return the values as they stand in a string of JavaScript."""
    return "".join(map(_in_js, sprint(*values)))


def _in_js(character: str) -> str:
    if character in "\\'\"":
        return f"\\{character}"
    hidden = character in "<>&=" or not character.isprintable()
    return f"\\u{ord(character):04X}" if hidden else character


def urlquery(*values: Any) -> str:
    """Return the values as they stand in the query of a URL."""
    done = ""
    for byte in sprint(*values).encode(errors="surrogateescape"):
        character = chr(byte)
        plain_ = byte < 128 and (character.isalnum() or character in "-_.~")
        done += character if plain_ else "+" if character == " " else f"%{byte:02X}"
    return done


def _verb(flags: str, verb: str, value: Any) -> str:
    if verb == "T":
        return f"%{flags}s" % type_of(value)
    if verb in "sv":
        struct = getattr(value, "verbose", None)
        text_ = struct() if struct and "+" in flags else plain(value)
        pointer = struct is not None and type_of(value).startswith("*")
        return f"%{flags}s" % (f"&{text_}" if pointer else text_)
    if verb == "q":
        return f"%{flags}s" % dumps(plain(value))
    if verb == "t" and isinstance(value, bool):
        return f"%{flags}s" % plain(value)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if verb in "xX" and isinstance(value, str):
        text_ = value.encode("utf-8", "surrogateescape").hex()
        return f"%{flags}s" % (text_.upper() if verb == "X" else text_)
    if verb in "dxXoc" and number:
        return str(f"%{flags}{verb}" % int(value))
    if verb in "feEgGF" and number:
        return str(f"%{flags}{verb}" % value)
    return f"%!{verb}({type_of(value)}={plain(value)})"


def _json(value: object) -> str:
    return shown_json(dumps(value))


LIBRARY: dict[str, Any] = {
    "eq": equal,
    "ge": lambda one, other: not less(one, other),
    "gt": lambda one, other: less(other, one),
    "html": html,
    "index": index,
    "join": join,
    "js": js,
    "json": _json,
    "le": lambda one, other: not less(other, one),
    "len": len,
    "lower": lambda value: value.lower(),
    "lt": less,
    "ne": lambda one, other: not equal(one, other),
    "not": lambda value: not truth(value),
    "pad": pad,
    "print": sprint,
    "printf": sprintf,
    "println": sprintln,
    "slice": cut,
    "split": lambda value, separator: value.split(separator) if separator else list(value),
    "title": title,
    "truncate": truncate,
    "upper": lambda value: value.upper(),
    "urlquery": urlquery,
}
"""What a template may call, besides `and` and `or`, which the evaluator knows itself."""


def _heading(value: Any, *_: Any) -> Any:
    return value


HEADINGS = {
    **LIBRARY,
    **dict.fromkeys(
        ("json", "join", "lower", "pad", "split", "title", "truncate", "upper"), _heading
    ),
}
"""The same for the line of headings: what would change the words leaves them alone."""
