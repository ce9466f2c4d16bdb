"""inspect and exists."""

from __future__ import annotations

from rootless.cli import exits
from rootless.cli.dialects import choice
from rootless.cli.output import complain, pretty, say_json, show_one
from rootless.errors import Error, NotFound, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Unpack

    from rootless.cli.options import common, containers, images, transfer
    from rootless.cli.options import inspect as opt
    from rootless.engine import Engine

    Look = Callable[[Engine, str, bool], dict[str, Any]]


def inspect(
    engine: Engine,
    names: opt.MaybeObjects = None,
    *,
    format: opt.InspectFormat = "",  # noqa: A002 - the option's name
    latest: containers.TheLatest = False,
    type: opt.Type = "all",  # noqa: A002 - the option's name
    size: opt.InspectSize = False,
    **elsewhere: Unpack[transfer.Elsewhere],
) -> int:
    """Show all that is known of containers or images.

    As JSON in docker's shape, with what podman has beyond it. Where the two contradict each other,
    `--format podman` has it podman's way. `--remote` looks at images where they are, as skopeo
    does, without pulling them: in a registry, or at any place that `copy` knows.

    Examples:
        rootless inspect web
        rootless inspect -f '{{.State.Status}} {{.State.Pid}}' web
        rootless inspect --type image -f '{{json .Config.Env}}' busybox
        rootless inspect --remote debian:12
    """
    if elsewhere:
        return _elsewhere(engine, names or [], format, elsewhere)
    looks = {"container": _container, "image": _image, "all": _either}
    if latest:
        names, type = _latest(engine, names), "container"  # noqa: A001 - the option's name
    if not names:
        raise UsageError("which container or image?", "name one, or say --latest")
    return _inspect(engine, names, format, looks[type], size=size)


def _latest(engine: Engine, names: list[str] | None) -> list[str]:
    if names:
        raise UsageError("--latest and names contradict each other")
    found = engine.containers.list()
    if not found:
        raise NotFound("there is no container yet", "--latest is the one made last")
    return [found[0].id]


def inspect_container(
    engine: Engine,
    containers: containers.SomeContainers = None,
    *,
    format: opt.InspectFormat = "",  # noqa: A002 - the option's name
    latest: containers.TheLatest = False,
    size: opt.InspectSize = False,
) -> int:
    """Show all that is known of containers."""
    if latest:
        containers = _latest(engine, containers)
    if not containers:
        raise UsageError("which container?", "name one, or say --latest")
    return _inspect(engine, containers, format, _container, size=size)


def inspect_image(
    engine: Engine,
    images: images.ImageNames,
    *,
    format: common.ShortFormat = "",  # noqa: A002 - the option's name
    **elsewhere: Unpack[transfer.Elsewhere],
) -> int:
    """Show all that is known of images.

    `--remote` looks at images where they are, as skopeo does, without pulling them.
    """
    if elsewhere:
        return _elsewhere(engine, images, format, elsewhere)
    return _inspect(engine, images, format, _image, size=False)


def _elsewhere(engine: Engine, names: list[str], template: str, asked: transfer.Elsewhere) -> int:
    if not asked.get("remote"):
        raise UsageError(f"--{next(iter(asked)).replace('_', '-')} goes with --remote only")
    from rootless.cli.commands.images.remote import show

    return show(engine, names, template, asked)


def container_exists(
    engine: Engine, container: common.Container, *, external: containers.External = False
) -> int:
    """End with 0 if there is such a container, else with 1."""
    try:
        engine.containers.get(container)
    except NotFound:
        return exits.FAILED
    return exits.OK


def image_exists(engine: Engine, image: common.ImageName) -> int:
    """End with 0 if there is such an image, else with 1."""
    return exits.OK if engine.images.exists(image) else exits.FAILED


def _inspect(engine: Engine, names: list[str], template: str, look: Look, *, size: bool) -> int:
    """Print what was found, then complain of the rest, as docker does."""
    found, missing = [], []
    for name in names:
        try:
            found.append(look(engine, name, size))
        except Error as error:
            missing.append(error)
    found = _as_asked(engine, found, template)
    if template and choice.current().arrays and template == "json":
        template = ""
    if template and template not in ("docker", "podman"):
        for value in found:
            show_one(value, template)
    else:
        say_json(pretty(found))
    code = exits.OK
    for problem in missing:
        code = complain(problem)
    return code


def _as_asked(engine: Engine, found: list[dict[str, Any]], template: str) -> list[dict[str, Any]]:
    """Return what is shown, where docker and podman contradict each other as one of them has it."""
    if template == "podman":
        from rootless.cli.dialects.podman import Podman

        return Podman().inspected(found, engine.paths)
    if template == "docker":
        return found
    dialect = choice.current()
    found = dialect.inspected(found, engine.paths)
    return [dialect.shaped(one) for one in found] if "{" in template else found


def _container(engine: Engine, name: str, size: bool) -> dict[str, Any]:
    container = engine.containers.get(name)
    shown: dict[str, Any] = container.inspect(_option)
    if size:
        from rootless.containers.sizes import container_size

        shown["SizeRw"], shown["SizeRootFs"] = container_size(container)
    return shown


def _option(field: str) -> str:
    from rootless.cli.fields import option

    return option(field)


def _image(engine: Engine, name: str, _: bool) -> dict[str, Any]:
    from rootless.images.inspect import inspect as describe

    return describe(engine.images.whole(name))


def _either(engine: Engine, name: str, size: bool) -> dict[str, Any]:
    try:
        return _container(engine, name, size)
    except NotFound:
        pass
    try:
        return _image(engine, name, size)
    except NotFound:
        raise NotFound(f"no such object: {name}") from None
