"""Instructions -> stages: what each is based on, what it needs, and no circles."""

from __future__ import annotations

from rootless.build.dockerfile import model
from rootless.build.dockerfile.errors import suggestion
from rootless.build.dockerfile.expansion import Expander, ExpansionError
from rootless.build.dockerfile.parsing import parse, syntax
from rootless.build.dockerfile.scope import Arguments, Scope
from rootless.build.dockerfile.typed import instruction as typed_instruction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

_UNTRIGGERED = ("FROM", "MAINTAINER", "ONBUILD")


class Stage:
    """A stage of a Dockerfile: FROM and what follows it."""

    def __init__(self, index: int, origin: model.From) -> None:
        self.index = index
        self.origin = origin
        self.name = origin.stage
        """In small letters; "" for one without."""
        self.image = ""
        """What it is based on, with variables expanded; "" where that is a stage."""
        self.parent: Stage | None = None
        """The stage that it is based on."""
        self.platform = ""
        """What FROM says, "" for the platform of the build."""
        self.own: list[model.Instruction] = []
        self.needs: list[Stage] = []
        """The stages that it takes something from, each once, its parent first."""
        self.unset: set[str] = set()
        """Variables that FROM asked for, which have no value."""
        self.meant = ""
        """A hint for an image whose name makes no sense without them."""

    @property
    def title(self) -> str:
        """Its name, or its number."""
        return self.name or str(self.index)

    @property
    def triggers(self) -> list[model.Onbuild]:
        """What runs in stages that are based on this one."""
        return [one for one in self.own if isinstance(one, model.Onbuild)]

    @property
    def instructions(self) -> list[model.Instruction]:
        """What runs in it: what the stage before asks for by ONBUILD, then its own."""
        before = self.parent.triggers if self.parent else []
        return [*(one.instruction for one in before), *self.own]


class Plan:
    """The stages of a Dockerfile for one set of arguments."""

    def __init__(
        self, dockerfile: model.Dockerfile, arguments: Arguments, contexts: Collection[str]
    ) -> None:
        self.dockerfile = dockerfile
        self.arguments = arguments
        self.contexts = {name.lower() for name in contexts}
        self.stages: list[Stage] = []
        self.outer = before(dockerfile, arguments)
        self.names: dict[str, list[Stage]] = {}

    def scope(self, environment: Mapping[str, str]) -> Scope:
        """Return the scope at the beginning of a stage on an image of this environment.

        That of a stage on a stage is `child` of what the other's scope is at its end.
        """
        scope = Scope(self.arguments, self.outer.variables, environment)
        scope.escape = self.outer.escape
        return scope

    def target(self, name: str = "") -> Stage:
        """Return the stage of a name, or number; the last one for "". Raises DockerfileError."""
        if not name:
            return self.stages[-1]
        found = self.names.get(name.lower())
        if found:
            return found[-1]
        if name.isascii() and name.isdigit() and int(name[:9]) < len(self.stages):
            return self.stages[int(name)]
        hint = suggestion(name, self.names) or f"there are {', '.join(self._titles())}"
        source = self.dockerfile.syntax.source
        raise source.error(f"target stage {name!r} could not be found", hint)

    def _titles(self) -> list[str]:
        titles = [stage.title for stage in self.stages[:20]]
        return [*titles, "..."] if len(self.stages) > 20 else titles

    def reference(self, name: str, stage: Stage, node: model.Instruction) -> Stage | None:
        """Return the stage that `from` means in another; None for a context or an image.

        The nearest stage before counts, and else one that comes later. Raises DockerfileError.
        """
        if name.lower() in self.contexts:
            return None
        same = self.names.get(name.lower(), [])
        others = [one for one in same if one is not stage]
        before = [one for one in others if one.index < stage.index]
        found = before[-1] if before else others[0] if others else None
        if same and found is None:
            raise node.node.error(f"stage {stage.title!r} takes from itself", "", name)
        if name.isascii() and name.isdigit():
            number = int(name[:9])
            if number >= len(self.stages) or len(name) > 9:
                hint = f"the stages have the numbers 0 to {len(self.stages) - 1}"
                raise node.node.error(f"invalid stage index {name}", hint, name)
            found = self.stages[number]
            if found is stage:
                raise node.node.error(f"stage {stage.title!r} takes from itself", "", name)
        return found

    def like(self, name: str) -> str:
        """Return a hint for a name that is neither stage nor image; "" where none is like it."""
        return suggestion(name, self.names)

    def needed(self, target: Stage) -> list[Stage]:
        """Return a stage and all that it needs, those first that others need."""
        found: list[Stage] = []
        seen = {target.index}
        ahead: list[tuple[Stage, Iterator[Stage]]] = [(target, iter(target.needs))]
        while ahead:
            for one in ahead[-1][1]:
                if one.index not in seen:
                    seen.add(one.index)
                    ahead.append((one, iter(one.needs)))
                    break
            else:
                found.append(ahead.pop()[0])
        return found


def before(dockerfile: model.Dockerfile, arguments: Arguments) -> Scope:
    """Return what is known at the first FROM."""
    scope = Scope(arguments, arguments.predefined, {})
    scope.variables = dict(arguments.predefined)
    scope.escape = dockerfile.syntax.escape
    for argument in dockerfile.arguments:
        scope.apply(argument)
    return scope


def plan(
    dockerfile: model.Dockerfile, arguments: Arguments, contexts: Collection[str] = ()
) -> Plan:
    """Return the stages of a Dockerfile. `contexts` are names that mean something else than stages.

    Raises DockerfileError for a base that comes to nothing, and for stages in a circle.
    """
    result = Plan(dockerfile, arguments, contexts)
    for one in dockerfile.instructions:
        if isinstance(one, model.From):
            result.stages.append(_stage(result, one))
        else:
            result.stages[-1].own.append(one)
    for stage in result.stages:
        stage.needs = _needs(result, stage)
    _refuse_circles(result)
    return result


def _stage(result: Plan, origin: model.From) -> Stage:
    stage = Stage(len(result.stages), origin)
    expander = Expander(result.outer.variables, result.outer.escape)
    try:
        stage.image = (not result.stages and result.arguments.base) or expander.word(origin.image)
        stage.platform = expander.word(origin.platform)
    except ExpansionError as error:
        raise origin.node.error(f"FROM: {error.reason}", "", error.token) from None
    stage.unset = expander.unset
    stage.meant = _meant(result, stage) if stage.unset else ""
    if not stage.image:
        reason = f"base name ({origin.image}) should not be blank"
        raise origin.node.error(reason, stage.meant, origin.image)
    if origin.platform and not stage.platform:
        reason = f"empty platform value from expression {origin.platform}"
        raise origin.node.error(reason, stage.meant, origin.platform)
    same = result.names.get(stage.image.lower())
    if same and stage.image.lower() not in result.contexts:
        stage.parent, stage.image = same[-1], ""
    if stage.name:
        result.names.setdefault(stage.name, []).append(stage)
    return stage


def _meant(result: Plan, stage: Stage) -> str:
    """Return a hint for a FROM that comes to nothing."""
    known = [*result.outer.variables, *result.outer.arguments]
    hints = (suggestion(name, known) for name in sorted(stage.unset))
    names = " and ".join(sorted(stage.unset)) or "it"
    default = f"an ARG before the first FROM, or a build argument, can give {names} a value"
    return next(filter(None, hints), default)


def _needs(result: Plan, stage: Stage) -> list[Stage]:
    found = [stage.parent] if stage.parent else []
    for one in stage.instructions:
        names: list[str] = []
        if isinstance(one, model.Copy):
            names = [one.stage]
        elif isinstance(one, model.Run):
            names = [mount.stage for mount in one.mounts]
        for name in names:
            other = result.reference(name, stage, one) if name else None
            if other is not None and other not in found:
                found.append(other)
    return found


def _refuse_circles(result: Plan) -> None:
    done: set[int] = set()
    for start in result.stages:
        path: dict[int, Iterator[Stage]] = {}
        ahead = [] if start.index in done else [start]
        while ahead:
            stage = ahead[-1]
            needs = path.setdefault(stage.index, iter(stage.needs))
            for one in needs:
                if one.index in path:
                    indexes = [*path][[*path].index(one.index) :]
                    titles = [result.stages[index].title for index in (*indexes, one.index)]
                    raise stage.origin.node.error(
                        f"circular dependency detected on stage: {stage.title}",
                        f"{' needs '.join(titles)}",
                        stage.origin.written,
                    )
                if one.index not in done:
                    ahead.append(one)
                    break
            else:
                done.add(stage.index)
                del path[stage.index]
                ahead.pop()


def trigger(text: str, image: str) -> model.Instruction:
    """Return the instruction that an image's configuration has for stages based on it.

    Raises DockerfileError.
    """
    nodes = syntax(text, f"ONBUILD of {image}").nodes
    node = nodes[0]
    if len(nodes) > 1 or node.name in _UNTRIGGERED:
        wrong = nodes[1] if len(nodes) > 1 else node
        raise wrong.error(f"{wrong.name} isn't allowed as an ONBUILD trigger", "", wrong.keyword)
    return typed_instruction(node)


__all__ = ["Arguments", "Plan", "Stage", "parse", "plan", "trigger"]
