"""Docker's build checks: what is no error in a Dockerfile, and not as it should be."""

from __future__ import annotations

from rootless.build.dockerfile import model
from rootless.build.dockerfile.errors import DockerfileError, suggestion
from rootless.build.dockerfile.expansion import Expander, ExpansionError
from rootless.build.dockerfile.naming import is_image, is_sensitive
from rootless.build.dockerfile.plain import Value
from rootless.build.dockerfile.rules import wanted
from rootless.build.dockerfile.scope import Arguments
from rootless.build.dockerfile.stages import before, plan
from rootless.build.dockerfile.typed import arranged, instruction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from rootless.build.dockerfile.nodes import Node, Syntax
    from rootless.build.dockerfile.scope import Scope
    from rootless.build.dockerfile.stages import Plan, Stage

_RESERVED = ("scratch", "context")
_MOST_GUESSES = 100
"""What somebody may have meant is not looked for more often than this."""


class Finding(Value):
    """A line that a rule of docker's checks warns of."""

    __slots__ = ("line", "rule", "text")

    def __init__(self, rule: str, line: int, text: str) -> None:
        self.rule = rule
        self.line = line
        self.text = text


class Report:
    """What there is to say about a file: warnings in order of lines, and the first error.

    `fails` says that warnings are to fail the build.
    """

    def __init__(self, findings: list[Finding], error: DockerfileError | None, fails: bool) -> None:
        self.findings = findings
        self.error = error
        self.fails = fails and bool(findings)


class Knowledge:
    """What is known outside the file.

    `environment` returns the variables of a stage's base image, None where the image is not there:
    then it is not said which variables are undefined. `ignored` says whether the context has a path
    not because an ignore file excludes it.
    """

    def __init__(
        self,
        environment: Callable[[Stage], Mapping[str, str] | None] | None = None,
        ignored: Callable[[str], bool] | None = None,
    ) -> None:
        self.environment = environment or (lambda stage: None)
        self.ignored = ignored or (lambda path: False)


def check(
    syntax: Syntax, arguments: Arguments, knowledge: Knowledge, given: str | None = None
) -> Report:
    """Return what docker's checks say of a file, as far as it can be read.

    `given` takes the place of the file's own check directive. Raises DockerfileError where one of
    these cannot be read.
    """
    rules = wanted(syntax, given)
    found = [*_of_syntax(syntax)]
    read: list[model.Instruction] = []
    error: DockerfileError | None = None
    for node in syntax.nodes:
        try:
            read.append(instruction(node))
        except DockerfileError as caught:
            error = caught
            break
    for one in read:
        found += _of_instruction(one)
    found += _of_names(read)
    try:
        found += _Stages(arranged(syntax, read), arguments, knowledge).findings()
    except DockerfileError as caught:
        error = error or caught
    kept = {(one.rule, one.line, one.text): one for one in found if one.rule in rules}
    return Report(sorted(kept.values(), key=lambda one: (one.line, one.text)), error, rules.fails)


def _of_syntax(syntax: Syntax) -> Iterator[Finding]:
    capitals = sum(node.keyword.isupper() for node in syntax.nodes)
    small = sum(node.keyword.islower() for node in syntax.nodes)
    kind = "lowercase" if small > capitals else "uppercase"
    for node in syntax.nodes:
        keyword = node.keyword
        if keyword != (keyword.lower() if small > capitals else keyword.upper()):
            text = f"Command '{keyword}' should match the case of the command majority ({kind})"
            yield Finding("ConsistentInstructionCasing", node.line, text)
        if node.blank:
            yield Finding("NoEmptyContinuation", node.blank, "Empty continuation line")


def _of_instruction(one: model.Instruction) -> Iterator[Finding]:
    name, line = one.name, one.line
    if isinstance(one, model.Maintainer):
        text = "Maintainer instruction is deprecated in favor of using label"
        yield Finding("MaintainerDeprecated", line, text)
    elif isinstance(one, model.From):
        yield from _of_from(one)
    elif isinstance(one, model.Env) and one.old:
        text = f'"{name} key=value" should be used instead of legacy "{name} key value" format'
        yield Finding("LegacyKeyValueFormat", line, text)
    if isinstance(one, model.Arg) or type(one) is model.Env:
        for key, _ in one.pairs:
            if is_sensitive(key):
                text = f'Do not use ARG or ENV instructions for sensitive data ({name} "{key}")'
                yield Finding("SecretsUsedInArgOrEnv", line, text)
    described = ""
    if isinstance(one, model.From):
        described = one.stage
    elif isinstance(one, model.Arg):
        described = one.pairs[0][0] if len(one.pairs) == 1 else "<arg_key>"
    if described and one.node.comments and not _describes(one):
        text = f"Comment for {name} should follow the format: `# {described} <description>`"
        yield Finding("InvalidDefinitionDescription", line, text)


def _describes(one: model.Instruction) -> bool:
    names = [key for key, _ in one.pairs] if isinstance(one, model.Arg) else []
    names += [one.stage] if isinstance(one, model.From) else []
    starts = tuple(f"{name} " for name in names)
    return any(comment.startswith(starts) for comment in one.node.comments)


def _of_from(one: model.From) -> Iterator[Finding]:
    line, node = one.line, one.node
    if one.written != one.stage:
        text = f"Stage name '{one.written}' should be lowercase"
        yield Finding("StageNameCasing", line, text)
    if one.stage in _RESERVED:
        text = f'Stage name should not use the same name as reserved stage "{one.stage}"'
        yield Finding("ReservedStageName", line, text)
    if one.written and node.keyword.isupper() != node.words[1].isupper():
        text = f"'{node.words[1]}' and '{node.keyword}' keywords' casing do not match"
        yield Finding("FromAsCasing", line, text)
    if one.platform in ("$TARGETPLATFORM", "${TARGETPLATFORM}"):
        text = f"Setting platform to predefined {one.platform} in FROM is redundant as this is the"
        yield Finding("RedundantTargetPlatform", line, f"{text} default behavior")
    elif one.platform and "$" not in one.platform:
        parts = one.platform.lower().split("/")[:2]
        if not any(part and part in one.stage for part in parts):
            text = f'FROM --platform flag should not use constant value "{one.platform}"'
            yield Finding("FromPlatformFlagConstDisallowed", line, text)


def _of_names(read: list[model.Instruction]) -> Iterator[Finding]:
    seen: set[str] = set()
    for one in read:
        if isinstance(one, model.From) and one.stage:
            if one.stage in seen:
                text = f'Duplicate stage name "{one.stage}", stage names should be unique'
                yield Finding("DuplicateStageName", one.line, text)
            seen.add(one.stage)


class _Stages:
    """The checks that need to know what stages are based on, and what variables they have."""

    def __init__(
        self, dockerfile: model.Dockerfile, arguments: Arguments, knowledge: Knowledge
    ) -> None:
        self.dockerfile = dockerfile
        self.plan: Plan = plan(dockerfile, arguments)
        self.knowledge = knowledge
        self.declared = {*self.plan.outer.arguments, *arguments.predefined}
        self.sorted = sorted(self.declared)
        self.guesses = 0
        self.shells: dict[int, bool] = {}
        """Of each stage whether it, or one before, has a SHELL."""
        self.workdirs: dict[int, bool] = {}
        """Of each stage whether it, or one before, has an absolute WORKDIR."""
        self.scopes: dict[int, tuple[Scope, bool]] = {}
        """Of each stage what is known at its end, and whether the base's variables are."""

    def findings(self) -> Iterator[Finding]:
        """Yield all of them; DockerfileError where a word cannot be expanded."""
        defaults = self._defaults()
        for stage in self.plan.stages:
            yield from self._of_arguments(stage, defaults)
            yield from self._of_repetition(stage)
            yield from self._of_steps(stage)

    @property
    def _has_variables(self) -> bool:
        """Whether anything asks for one: else nobody need look what a base image has."""
        return any("$" in one.whole or one.heredocs for one in self.dockerfile.syntax.nodes)

    def _defaults(self) -> dict[str, str]:
        """Return the arguments before the first FROM, as they are if nobody gives a value."""
        empty = {name: "" for one in self.dockerfile.arguments for name, _ in one.pairs}
        return {**empty, **before(self.dockerfile, Arguments({})).variables}

    def _of_arguments(self, stage: Stage, defaults: dict[str, str]) -> Iterator[Finding]:
        origin = stage.origin
        declared = self.declared
        for name in sorted(stage.unset - declared):
            hint = self._meant(name, self.sorted)
            text = f"FROM argument '{name}' is not declared" + (f" ({hint})" if hint else "")
            yield Finding("UndefinedArgInFrom", origin.line, text)
        expander = Expander(defaults, self.dockerfile.syntax.escape)
        try:
            image = expander.word(origin.image)
        except ExpansionError:
            image = ""
        missing = expander.unset - declared
        if expander.used and not missing and not stage.parent and not is_image(image):
            text = f"Default value for ARG {origin.image} results in empty or invalid base image"
            yield Finding("InvalidDefaultArgInFrom", origin.line, f"{text} name")

    def _of_repetition(self, stage: Stage) -> Iterator[Finding]:
        last: dict[str, int] = {}
        for one in stage.own:
            if isinstance(one, model.Cmd | model.Healthcheck):
                if one.name in last:
                    text = f"Multiple {one.name} instructions should not be used in the same stage"
                    text += " because only the last one will be used"
                    yield Finding("MultipleInstructionsDisallowed", last[one.name], text)
                last[one.name] = one.line

    def _start(self, stage: Stage) -> tuple[Scope, bool]:
        if stage.parent and stage.parent.index in self.scopes:
            scope, known = self.scopes[stage.parent.index]
            return scope.child(scope.environment), known
        environment = self.knowledge.environment(stage) if self._has_variables else None
        return self.plan.scope(environment or {}), environment is not None

    def _of_steps(self, stage: Stage) -> Iterator[Finding]:
        scope, known = self._start(stage)
        names = {*scope.arguments, *scope.environment}
        parent = stage.parent.index if stage.parent else -1
        shell = self.shells.get(parent, False)
        workdir = self.workdirs.get(parent, False)
        for one in stage.instructions:
            if isinstance(one, model.Shell):
                shell = True
            elif isinstance(one, model.Cmd) and one.command.needs_shell and not shell:
                text = f"JSON arguments recommended for {one.name} to prevent unintended"
                text += " behavior related to OS signals"
                yield Finding("JSONArgsRecommended", one.line, text)
            done = scope.apply(one)
            if known:
                yield from self._undefined(one.node, scope, names)
            names.update(name for name, _ in getattr(done, "pairs", ()))
            if isinstance(done, model.Workdir):
                if not done.path.startswith("/") and not workdir:
                    text = f'Relative workdir "{done.path}" can have unexpected results if the base'
                    yield Finding("WorkdirRelativePath", one.line, f"{text} image changes")
                workdir = workdir or done.path.startswith("/")
            yield from self._of_ports(done)
            yield from self._of_sources(done)
        self.shells[stage.index] = shell
        self.workdirs[stage.index] = workdir
        self.scopes[stage.index] = (scope, known)

    def _of_ports(self, one: model.Instruction) -> Iterator[Finding]:
        for port in one.ports if isinstance(one, model.Expose) else ():
            _, slash, protocol = port.partition("/")
            if slash and protocol != protocol.lower():
                text = f"Defined protocol '{port}' in EXPOSE instruction should be lowercase"
                yield Finding("ExposeProtoCasing", one.line, text)
            if ":" in port:
                text = "EXPOSE instruction should not define an IP address or host-port mapping"
                yield Finding("ExposeInvalidFormat", one.line, f"{text}, found '{port}'")

    def _of_sources(self, one: model.Instruction) -> Iterator[Finding]:
        if not isinstance(one, model.Copy) or one.stage:
            return
        for source in one.sources:
            if not isinstance(source, str) or any(mark in source for mark in "*?["):
                continue
            remote = isinstance(one, model.Add) and ("://" in source or source.startswith("git@"))
            if not remote and self.knowledge.ignored(source):
                verb = one.name.capitalize()
                text = f'Attempting to {verb} file "{source}" that is excluded by .dockerignore'
                yield Finding("CopyIgnoredFile", one.line, text)

    def _meant(self, name: str, known: Iterable[str]) -> str:
        self.guesses += 1
        return suggestion(name, known) if self.guesses <= _MOST_GUESSES else ""

    def _undefined(self, node: Node, scope: Scope, names: set[str]) -> Iterator[Finding]:
        for name in sorted(name for name in scope.unset if name not in scope.arguments):
            hint = self._meant(name, names)
            hint = f" ({hint.replace('did you mean ', 'did you mean $')})" if hint else ""
            yield Finding("UndefinedVar", node.line, f"Usage of undefined variable '${name}'{hint}")
