"""What a Dockerfile can be asked for: its targets, and what one of them takes from outside."""

from __future__ import annotations

from rootless.build.dockerfile import model
from rootless.build.dockerfile.plain import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from rootless.build.dockerfile.scope import Scope
    from rootless.build.dockerfile.stages import Plan, Stage


class Target(Value):
    """A stage that can be built. `description` is the comment above its FROM."""

    __slots__ = ("base", "default", "description", "line", "name", "platform")

    def __init__(self, stage: Stage, default: bool) -> None:
        self.name = stage.name
        self.default = default
        self.base = stage.parent.title if stage.parent else stage.image
        self.platform = stage.platform
        self.description = described(stage.origin, stage.name)
        self.line = stage.origin.line


class Argument(Value):
    """An argument that a target takes, and the value that it has now; None for none."""

    __slots__ = ("description", "line", "name", "value")

    def __init__(self, name: str, value: str | None, description: str, line: int) -> None:
        self.name = name
        self.value = value
        self.description = description
        self.line = line


class Mounted(Value):
    """A secret, a socket or a cache of a RUN: `kind` is secret, ssh or cache."""

    __slots__ = ("kind", "line", "name", "required")

    def __init__(self, kind: str, name: str, required: bool, line: int) -> None:
        self.kind = kind
        self.name = name
        self.required = required
        self.line = line


def described(one: model.Instruction, name: str) -> str:
    """Return what the comments above an instruction say of a name; "" where nothing is said."""
    start = f"{name} "
    found = (text for text in one.node.comments if name and text.startswith(start))
    return next(found, "").removeprefix(start)


def targets(plan: Plan) -> list[Target]:
    """Return the stages of a file, the last one as the default."""
    return [Target(stage, stage is plan.stages[-1]) for stage in plan.stages]


def arguments(plan: Plan, target: Stage, environment: Mapping[str, str]) -> list[Argument]:
    """Return the arguments of a target and of what it needs, each once, those of the file first.

    `environment` stands for what base images have.
    """
    found: dict[str, Argument] = {}
    for one in plan.dockerfile.arguments:
        for name, _ in one.pairs:
            value = plan.outer.arguments.get(name)
            found[name] = Argument(name, value, described(one, name), one.line)
    scopes: dict[Stage, Scope] = {}
    for stage in plan.needed(target):
        scope = plan.scope(environment)
        if stage.parent:
            scope = scopes[stage.parent].child(scopes[stage.parent].environment)
        scopes[stage] = scope
        for step in stage.instructions:
            done = scope.apply(step)
            for name, value in done.pairs if isinstance(done, model.Arg) else ():
                if name not in plan.arguments.predefined:
                    found.setdefault(name, Argument(name, value, described(step, name), step.line))
    return list(found.values())


def mounted(plan: Plan, target: Stage) -> list[Mounted]:
    """Return the secrets, sockets and caches of a target and of what it needs, each once."""
    found: dict[tuple[str, str], Mounted] = {}
    for stage in plan.needed(target):
        for step in stage.instructions:
            for mount in step.mounts if isinstance(step, model.Run) else ():
                if mount.type not in ("secret", "ssh", "cache"):
                    continue
                name = mount.name
                known = found.get((mount.type, name))
                required = mount.required or bool(known and known.required)
                line = known.line if known else step.line
                found[mount.type, name] = Mounted(mount.type, name, required, line)
    return list(found.values())
