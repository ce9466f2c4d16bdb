"""Go's text/template, as far as users of docker and podman know it from --format.

    {{.Names}}  {{.State.Status}}  {{json .}}  {{index .Config.Env 0}}  {{.Label "a.b"}}
    {{if and .A (not .B)}}..{{else if eq .C "x" "y"}}..{{else}}..{{end}}   {{with .A}}..{{end}}
    {{range .List}}..{{else}}..{{end}}   {{range $key, $value := .Labels}}..{{break}}..{{end}}
    {{$x := .A}}   {{.Names | upper | printf "%-10s|"}}   {{/* comment */}}   {{- trims -}}

A template is read once into a tree of closures; each takes the `Scope` and returns a value (of
an expression) or writes text (of an action). See pkg.go.dev/text/template for the language;
`define` and `template` are left out, because nobody writes them on a command line.

Two liberties: a field is also found where only its capitals differ (`.ID` for `Id`, which docker
itself accepts in places), and a field that is missing counts as false in `if` and `with`.
"""

from __future__ import annotations

from rootless.cli import functions
from rootless.cli.tokens import fail, split
from rootless.errors import UsageError
from rootless.oci.errors import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TypeAlias

    from rootless.cli.tokens import Token

    Action: TypeAlias = Callable[["Scope"], None]
    Expression: TypeAlias = Callable[["Scope"], Any]

CLOSERS = ("end", "else")


class Missing(UsageError):
    """A field that is not there."""


class _Break(Exception):
    """{{break}}"""


class _Continue(Exception):
    """{{continue}}"""


class Scope:
    """What an action sees: the dot, the variables, and where its text goes."""

    def __init__(self, data: object, library: dict[str, Any], *, guarded: bool = False) -> None:
        self.guarded = guarded
        """Whether values are shown with escapes."""
        self.dot = data
        self.variables: list[tuple[str, Any]] = [("$", data)]
        self.library = library
        self.text: list[str] = []

    def lookup(self, name: str) -> Any:
        """Return the value of a variable, the innermost of its name."""
        for known, value in reversed(self.variables):
            if known == name:
                return value
        return fail(f"undefined variable {name}")

    def assign(self, name: str, value: object) -> None:
        """Change the innermost variable of this name."""
        for at in range(len(self.variables) - 1, -1, -1):
            if self.variables[at][0] == name:
                self.variables[at] = (name, value)
                return
        fail(f"undefined variable {name}")


class Template:
    """A template that was read; UsageError where it is none."""

    def __init__(self, source: str) -> None:
        parser = _Parser(split(source))
        self._body, closer = parser.block()
        if closer:
            fail(f"unexpected {{{{{closer}}}}}")

    def render(self, data: object, *, heading: bool = False, guarded: bool = False) -> str:
        """Return the text for `data`; with `heading`, for a row that holds headings.

        `guarded` is for terminals: no value is anything but text (`oci.errors.shown`).
        """
        library = functions.HEADINGS if heading else functions.LIBRARY
        scope = Scope(data, library, guarded=guarded)
        try:
            self._body(scope)
        except (_Break, _Continue):
            fail("break or continue outside range")
        return "".join(scope.text)


def render_rows(
    source: str,
    rows: Iterable[dict[str, Any]],
    headings: dict[str, str],
    *,
    guarded: bool = False,
    bare: bool = False,
) -> str:
    """Return one line for each row; as a table with headings where `source` starts with `table`.

    A `bare` table has none.
    """
    first, _, rest = source.partition(" ")
    if first != "table":
        template = Template(source)
        return "".join(template.render(row, guarded=guarded) + "\n" for row in rows)
    from rootless.cli.tables import table

    template = Template(rest.strip(" "))
    lines = [] if bare else [template.render(_Headings(headings), heading=True)]
    lines += [template.render(row, guarded=True) for row in rows]
    # Line feeds are the template's own: those of values are escaped by now.
    return table([row.split("\t") for line in lines for row in line.split("\n")])


class _Headings(dict[str, str]):
    """A row of headings, whose label columns are headed by the label's last word."""

    @property
    def methods(self) -> dict[str, Any]:
        """What can be called on it."""
        return {"Label": _label_heading}


def _label_heading(name: str) -> str:
    return name.rpartition(".")[2].replace("-", " ").replace("_", " ").upper()


def field(value: Any, name: str) -> Any:
    """Return `value.name`. A method (`Label`) is returned to be called."""
    if isinstance(value, dict):
        if name in value:
            return value[name]
        methods: dict[str, Any] = getattr(value, "methods", {})
        if name in methods:
            return methods[name]
        further: dict[str, Any] = getattr(value, "further", {})
        if name in further:
            return further[name]
        folded = name.lower()
        for key, each in (*value.items(), *further.items()):
            if key.lower() == folded:
                return each
        # What starts with a capital is a name of ours, and wrong; labels and options may be absent.
        if not name[:1].isupper():
            return None
        from rootless.cli.dialects import choice

        known = ", ".join(choice.current().fields(sorted(value))[:60])
        raise Missing(f"template: there is no field {name!r}", f"there are {known}")
    if value is None and not name[:1].isupper():
        return None
    if hasattr(value, "ask"):  # a moment, or a span of time
        try:
            return value.ask(name)
        except KeyError:
            pass
    kind = {list: "a list", str: "text", type(None): "nothing"}.get(type(value), "a value")
    raise Missing(f"template: there is no field {name!r} in {kind}")


class _Parser:
    """Turns pieces into closures."""

    def __init__(self, pieces: list[str | list[Token]]) -> None:
        self._pieces = pieces
        self._at = 0
        self._tokens: list[Token] = []
        self._next = 0

    def block(self) -> tuple[Action, str]:
        """Read up to {{end}}, {{else}} or the end of all; return the action, and what closed it."""
        actions: list[Action] = []
        while self._at < len(self._pieces):
            piece = self._pieces[self._at]
            self._at += 1
            if isinstance(piece, str):
                if piece:
                    actions.append(_text(piece))
                continue
            self._tokens, self._next = piece, 0
            word = piece[0][1] if piece[0][0] == "name" else ""
            if word in CLOSERS:
                self._next = 1
                if word == "end":
                    self._finish()
                return _sequence(actions), str(word)
            actions.append(self._action(str(word)))
        return _sequence(actions), ""

    def _action(self, word: str) -> Action:
        if word in ("if", "with", "range"):
            self._next = 1
            return self._control(word)
        if word in ("break", "continue") and len(self._tokens) == 1:
            return _leave(_Break if word == "break" else _Continue)
        names, operator, value = self._pipeline()
        self._finish()
        if names:
            return _assignment(names, operator, value)
        return _output(value)

    def _control(self, word: str) -> Action:
        names, operator, condition = self._pipeline()
        self._finish()
        if operator == "=":
            fail(f"= in {word}")
        body, closer = self.block()
        otherwise: Action = _sequence([])
        if closer == "else":
            if self._next < len(self._tokens):  # {{else if ...}}
                following = self._tokens[self._next]
                if following[:2] not in (("name", "if"), ("name", "with")):
                    fail(f"unexpected {following[1]!r} after else")
                self._next += 1
                otherwise, closer = self._control(following[1]), "end"
            else:
                otherwise, closer = self.block()
        if closer != "end":
            fail(f"{{{{end}}}} is missing after {{{{{word}}}}}")
        if word == "range":
            return _range(names, condition, body, otherwise)
        return _branch(names, condition, body, otherwise, moves=word == "with")

    def _pipeline(self) -> tuple[list[str], str, Expression]:
        """Read `[$x[, $y] :=] command | command ...`."""
        names: list[str] = []
        operator = ""
        ahead = self._tokens[self._next : self._next + 4]
        marks = [token[1] for token in ahead if token[0] == "mark"]
        if ahead and ahead[0][0] == "variable" and len(ahead) > 1 and ahead[1][1] in (":=", "="):
            names, operator = [ahead[0][1]], ahead[1][1]
        elif len(ahead) == 4 and marks[:2] in ([",", ":="], [",", "="]):
            names, operator = [ahead[0][1], ahead[2][1]], ahead[3][1]
        self._next += 2 * len(names)
        value = self._command(None)
        while self._take("|"):
            value = self._command(value)
        return names, operator, value

    def _command(self, piped: Expression | None) -> Expression:
        """Read a function or field with its arguments; `piped` becomes the last one."""
        operands: list[Expression] = []
        function = ""
        while self._next < len(self._tokens):
            kind, value, _ = self._tokens[self._next]
            if kind == "mark" and value != "(":
                break
            if not operands and not function and kind == "name" and value not in CONSTANTS:
                function = str(value)
                self._next += 1
                if function not in functions.LIBRARY and function not in LAZY:
                    fail(f"function {function!r} is not defined")
                continue
            operands.append(self._operand())
        if not function and not operands:
            fail("an action without a value")
        if piped is not None:
            operands.append(piped)
        if function:
            return _call(function, operands)
        return operands[0] if len(operands) == 1 else _method(operands[0], operands[1:])

    def _operand(self) -> Expression:
        """Read a term and the fields glued to it."""
        kind, value, _ = self._tokens[self._next]
        self._next += 1
        if kind == "mark":
            names, _, term = self._pipeline()
            if names or not self._take(")"):
                fail("unclosed left parenthesis")
        elif kind == "name":
            term = _constant(CONSTANTS[value]) if value in CONSTANTS else _call(value, [])
        elif kind == "value":
            term = _constant(value)
        elif kind == "variable":
            term = _variable(value)
        elif kind == "field":
            term = _Field(_dot, value)
        else:
            term = _dot
        while self._next < len(self._tokens):
            kind, value, glued = self._tokens[self._next]
            if kind != "field" or not glued:
                break
            term = _Field(term, value)
            self._next += 1
        return term

    def _take(self, mark: str) -> bool:
        if self._next < len(self._tokens) and self._tokens[self._next][:2] == ("mark", mark):
            self._next += 1
            return True
        return False

    def _finish(self) -> None:
        if self._next < len(self._tokens):
            fail(f"unexpected {self._tokens[self._next][1]!r}")


CONSTANTS = {"true": True, "false": False, "nil": None}
LAZY = ("and", "or")
"""Functions that stop evaluating their arguments when the answer is known (since Go 1.18)."""
PRINTERS = ("join", "print", "printf", "println")
"""Functions that put line feeds of the template's own between values."""


# ---- the tree: expressions ------------------------------------------------------------------
def _dot(scope: Scope) -> Any:
    return scope.dot


class _Own:
    """An expression whose line feeds and tabs are the template's own, and stay on a terminal."""

    def __init__(self, evaluate: Expression) -> None:
        self._evaluate = evaluate

    def __call__(self, scope: Scope) -> Any:
        return self._evaluate(scope)


def _constant(value: object) -> Expression:
    return _Own(lambda scope: value)


def _variable(name: str) -> Expression:
    return lambda scope: scope.lookup(name)


class _Field:
    """The expression `term.name`. Its name tells how its nil is printed."""

    def __init__(self, term: Expression, name: str) -> None:
        self._term = term
        self.name = name

    def __call__(self, scope: Scope) -> Any:
        return field(self._term(scope), self.name)


def _method(term: Expression, arguments: list[Expression]) -> Expression:
    def evaluate(scope: Scope) -> Any:
        target = term(scope)
        if not callable(target):
            fail("a value was given arguments, but it is no function")
        return _apply("method", target, [argument(scope) for argument in arguments])

    return evaluate


def _call(name: str, arguments: list[Expression]) -> Expression:
    if name in LAZY:
        return _lazy(name, arguments)

    def evaluate(scope: Scope) -> Any:
        return _apply(name, scope.library[name], [argument(scope) for argument in arguments])

    if name in PRINTERS:
        # What they print is half the template's and half a stranger's: the latter is made text
        # before it is printed, since afterwards nobody can tell which line feed is whose.
        arguments = [a if isinstance(a, _Own) else _as_text(a) for a in arguments]
        return _Own(evaluate)
    return evaluate


def _as_text(argument: Expression) -> Expression:
    def evaluate(scope: Scope) -> Any:
        value = argument(scope)
        return _shown(value) if scope.guarded else value

    return evaluate


def _shown(value: Any) -> Any:
    """Return the same value with text in it that no terminal obeys."""
    if isinstance(value, str):
        return value if hasattr(value, "printed") else shown(value)
    if isinstance(value, dict):
        pairs = {_shown(key): _shown(each) for key, each in value.items()}
        return value.alike(pairs) if hasattr(value, "alike") else pairs
    if isinstance(value, (list, tuple)):
        return [_shown(each) for each in value]
    return value


def _apply(name: str, target: Callable[..., Any], arguments: list[Any]) -> Any:
    try:
        return target(*arguments)
    except (TypeError, ValueError, IndexError, KeyError, AttributeError) as error:
        fail(f"error calling {name}: {error}")


def _lazy(name: str, arguments: list[Expression]) -> Expression:
    if not arguments:
        fail(f"wrong number of arguments for {name}")

    def evaluate(scope: Scope) -> Any:
        value = None
        for argument in arguments:
            value = argument(scope)
            if functions.truth(value) == (name == "or"):
                break
        return value

    return evaluate


# ---- the tree: actions ----------------------------------------------------------------------
def _sequence(actions: list[Action]) -> Action:
    def act(scope: Scope) -> None:
        mark = len(scope.variables)
        for action in actions:
            action(scope)
        del scope.variables[mark:]

    return act


def _text(text: str) -> Action:
    return lambda scope: scope.text.append(text)


def _output(value: Expression) -> Action:
    name = value.name if isinstance(value, _Field) else ""
    own = isinstance(value, _Own)

    def act(scope: Scope) -> None:
        text = functions.text(value(scope), name)
        if scope.guarded and not text.isprintable():
            text = _guarded(text) if own else shown(text)
        scope.text.append(text)

    return act


def _guarded(text: str) -> str:
    """Return the template's own words as text, but for what lays them out."""
    lines = (line.split("\t") for line in text.split("\n"))
    return "\n".join("\t".join(map(shown, line)) for line in lines)


def _assignment(names: list[str], operator: str, value: Expression) -> Action:
    if len(names) > 1:
        fail("two variables outside range")

    def act(scope: Scope) -> None:
        if operator == "=":
            scope.assign(names[0], value(scope))
        else:
            scope.variables.append((names[0], value(scope)))

    return act


def _leave(error: type[Exception]) -> Action:
    def act(scope: Scope) -> None:
        raise error

    return act


def _branch(
    names: list[str], condition: Expression, body: Action, otherwise: Action, *, moves: bool
) -> Action:
    """{{if}}, and {{with}} which also `moves` the dot."""

    def act(scope: Scope) -> None:
        mark, dot = len(scope.variables), scope.dot
        try:
            value = condition(scope)
        except Missing:
            value = None
        scope.variables += [(name, value) for name in names]
        if functions.truth(value):
            scope.dot = value if moves else dot
            body(scope)
            scope.dot = dot
        else:
            otherwise(scope)
        del scope.variables[mark:]

    return act


def _range(names: list[str], condition: Expression, body: Action, otherwise: Action) -> Action:
    def act(scope: Scope) -> None:
        items = _apply("range", functions.items, [condition(scope)])
        if not items:
            otherwise(scope)
        mark, dot = len(scope.variables), scope.dot
        for key, value in items:
            scope.dot = value
            scope.variables += zip(
                names, (key, value) if len(names) == 2 else (value,), strict=False
            )
            try:
                body(scope)
            except _Break:
                break
            except _Continue:
                continue
            finally:
                del scope.variables[mark:]
                scope.dot = dot

    return act
