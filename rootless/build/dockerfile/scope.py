"""Variables: arguments from outside, of the platform, of ARG and ENV, and which counts where.

`Arguments` is what is given for a whole build. A `Scope` is what is known at one place in a stage:
`apply` expands the next instruction with it, and lets ARG and ENV change it. It knows no images:
what environment the base brings is told.
"""

from __future__ import annotations

from rootless.build.dockerfile import model
from rootless.build.dockerfile.expansion import Expander, ExpansionError
from rootless.build.dockerfile.mounts import MountError, mount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeVar

    from rootless.build.dockerfile.heredocs import Heredoc
    from rootless.build.dockerfile.mounts import Mount
    from rootless.build.dockerfile.nodes import Node

    One = TypeVar("One", bound=model.Instruction)

PROXIES = tuple(
    name
    for kind in ("HTTP", "HTTPS", "FTP", "NO", "ALL")
    for name in (f"{kind}_PROXY", f"{kind.lower()}_proxy")
)
"""Arguments that RUN gets without ARG, and that count neither in its key nor in the history."""


class Arguments:
    """What is given for a build: values of arguments, and the platforms, as linux/arm64/v8.

    `stage` is the name of the target, for the argument TARGETSTAGE.
    """

    def __init__(
        self,
        given: Mapping[str, str],
        *,
        target: str = "linux/amd64",
        build: str = "linux/amd64",
        stage: str = "",
    ) -> None:
        self.given = dict(given)
        self.base = ""
        """An image that stands in the place of what the first FROM names."""
        self.predefined = {"TARGETSTAGE": stage or "default"}
        for side, platform in (("TARGET", target), ("BUILD", build)):
            system, machine, variant = [*platform.split("/", 2), "", ""][:3]
            parts = {"PLATFORM": platform, "OS": system, "ARCH": machine, "VARIANT": variant}
            self.predefined.update({f"{side}{part}": value for part, value in parts.items()})
        for name in self.predefined.keys() & self.given.keys():
            self.predefined[name] = self.given[name]

    def unknown(self, dockerfile: model.Dockerfile) -> list[str]:
        """Return the names that are given, and that no ARG takes and nothing is known to want."""
        named = {
            name
            for one in (*dockerfile.arguments, *dockerfile.instructions)
            if isinstance(one, model.Arg)
            for name, _ in one.pairs
        }
        known = named | {*PROXIES, *self.predefined, "SOURCE_DATE_EPOCH"}
        return [one for one in self.given if one not in known and not one.startswith("BUILDKIT_")]


class Scope:
    """The variables at one place in a stage; of the place before the first FROM with `stage` False.

    `environment` is what ENV has set, the base image's included. `arguments` are those that ARG has
    named, None for one that has no value.
    """

    def __init__(
        self, given: Arguments, outer: Mapping[str, str | None], environment: Mapping[str, str]
    ) -> None:
        self.given = given
        self.outer = outer
        """What ARG without a default takes its value from: what is known before the first FROM."""
        self.environment = dict(environment)
        self.arguments: dict[str, str | None] = {}
        self.variables = dict(environment)
        self.escape = "\\"
        self.unset: set[str] = set()
        """Names that the last instruction asked for, which had no value."""

    def child(self, environment: Mapping[str, str]) -> Scope:
        """Return the scope of a stage that is based on this one: arguments stay.

        `environment` is what the stage has left; this scope's own, where nothing else did.
        """
        other = Scope(self.given, self.outer, environment)
        other.escape = self.escape
        other.arguments = dict(self.arguments)
        known = {name: value for name, value in self.arguments.items() if value is not None}
        other.variables = {**known, **environment}
        return other

    def run_environment(self) -> dict[str, str]:
        """Return the environment of a RUN: proxies, arguments, and what ENV has set above all."""
        found: dict[str, str] = {}
        for name in PROXIES:
            value = self.given.given.get(name)
            if value is not None:
                found.setdefault(name, value)
                found.setdefault(name.lower() if name.isupper() else name.upper(), value)
        return {**found, **self.declared(), **self.environment}

    def declared(self) -> dict[str, str]:
        """Return the arguments that have a value and that ENV does not hide, for a RUN's key."""
        return {
            name: value
            for name, value in self.arguments.items()
            if value is not None and name not in self.environment
        }

    def declare(self, name: str, default: str | None) -> str | None:
        """Let ARG name an argument; return the value that this gives it.

        Where that is none it keeps the one that it has, of an ARG before or of the stage below.
        """
        value = self.given.given.get(name, default)
        if value is None:
            value = self.outer.get(name)
        if value is None:
            self.arguments.setdefault(name, None)
            return None
        self.arguments[name] = value
        if name not in self.environment:
            self.variables[name] = value
        return value

    def set(self, name: str, value: str) -> None:
        """Let ENV set a variable."""
        self.environment[name] = value
        self.variables[name] = value

    def apply(self, instruction: One) -> One:
        """Return an instruction with what its words come to; ARG and ENV change this scope.

        Raises DockerfileError.
        """
        self.unset = set()
        return instruction.changed(**_Application(self, instruction.node).fields(instruction))


class _Application:
    """One instruction in one scope."""

    def __init__(self, scope: Scope, node: Node) -> None:
        self.scope = scope
        self.node = node
        self.expander = Expander(scope.variables, scope.escape)
        self.expander.unset = scope.unset

    def fields(self, one: model.Instruction) -> dict[str, object]:
        """Return the fields that are another, expanded; ARG and ENV change the scope."""
        if isinstance(one, model.Arg):
            return {"pairs": tuple(self._declared(*pair) for pair in one.pairs)}
        if isinstance(one, model.Env):
            pairs = tuple((self.word(name), self.word(value)) for name, value in one.pairs)
            if not isinstance(one, model.Label):
                for name, value in pairs:
                    self.scope.set(name, value)
            return {"pairs": pairs}
        if isinstance(one, model.Copy):
            return self._copy(one)
        if isinstance(one, model.Run):
            return {"mounts": tuple(self._mount(each.text) for each in one.mounts)}
        if isinstance(one, model.Expose):
            return {"ports": tuple(port for text in one.ports for port in self.words(text))}
        if isinstance(one, model.Volume):
            paths = tuple(self.word(path) for path in one.paths)
            if "" in paths:
                empty = one.paths[paths.index("")]
                raise self.node.error(f"the path {empty} of VOLUME comes to nothing", "", empty)
            return {"paths": paths}
        fields = [field for kind, field in _WORDS if isinstance(one, kind)]
        return {field: self.word(getattr(one, field)) for field in fields}

    def word(self, text: str) -> str:
        try:
            return self.expander.word(text)
        except ExpansionError as error:
            raise self._wrong(error) from None

    def words(self, text: str) -> list[str]:
        try:
            return self.expander.words(text)
        except ExpansionError as error:
            raise self._wrong(error) from None

    def _wrong(self, error: ExpansionError) -> Exception:
        return self.node.error(f"{self.node.name}: {error.reason}", "", error.token)

    def _declared(self, name: str, default: str | None) -> tuple[str, str | None]:
        name = self.word(name)
        default = default if default is None else self.word(default)
        return name, self.scope.declare(name, default)

    def _source(self, source: str | Heredoc) -> str | Heredoc:
        if isinstance(source, str):
            return self.word(source)
        if not source.expand:
            return source
        try:
            return source.with_body(self.expander.document(source.body))
        except ExpansionError as error:
            raise self._wrong(error) from None

    def _copy(self, one: model.Copy) -> dict[str, object]:
        fields: dict[str, object] = {
            "sources": tuple(self._source(source) for source in one.sources),
            "target": self.word(one.target),
            "chown": self.word(one.chown),
            "chmod": self.word(one.chmod),
            "exclude": tuple(self.word(pattern) for pattern in one.exclude),
        }
        if isinstance(one, model.Add):
            fields["checksum"] = self.word(one.checksum)
        return fields

    def _mount(self, text: str) -> Mount:
        try:
            return mount(text, self.word)
        except MountError as error:
            raise self.node.error(f"RUN: {error.reason}", error.hint, error.token) from None


_WORDS = (
    (model.User, "user"),
    (model.Workdir, "path"),
    (model.StopSignal, "signal"),
)
