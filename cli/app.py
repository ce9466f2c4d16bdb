"""The Typer tree: what a command line may be.

The tables are made from it (`generate`), with which lines are read, explained and completed.
Loading this costs some 200 ms, so no command does. `parse` reads a line with Typer: the measure
that tests hold `lean` to.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import sys
import typing
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from rootless.cli import helping, lean
from rootless.cli.options import common, everywhere
from rootless.cli.pflag import BEHIND, Command, Group
from rootless.errors import UsageError

if TYPE_CHECKING:
    import types
    from collections.abc import Callable, Mapping, Sequence

PROGRAM = "rootless"
OPTIONS = "rootless.cli.options"
_FOLDERS = (OPTIONS, f"{OPTIONS}.working")
"""Where modules of options are."""

CONTAINERS = "Containers"
IMAGES = "Images"
VOLUMES = "Volumes"
HOST = "This machine"


class Entry(NamedTuple):
    """One command: its name, where its function is, the panel of the overview that shows it."""

    name: str
    module: str
    function: str
    panel: str


class GroupEntry(NamedTuple):
    """A group of commands, and the options that stand between its word and that of a command.

    `members` are the names in it, each with that of a command without a group, or a command of the
    group's own. `options` is a function whose parameters declare the options. What was given of
    them, by name, is the keyword argument `group` of all functions of the group.
    """

    about: str
    members: dict[str, str | Entry]
    options: Callable[..., None] | None = None


COMMANDS = (
    Entry("run", "containers.run", "run", CONTAINERS),
    Entry("create", "containers.run", "create", CONTAINERS),
    Entry("start", "containers.lifecycle", "start", CONTAINERS),
    Entry("init", "containers.rarer", "init", CONTAINERS),
    Entry("attach", "containers.lifecycle", "attach", CONTAINERS),
    Entry("stop", "containers.lifecycle", "stop", CONTAINERS),
    Entry("restart", "containers.lifecycle", "restart", CONTAINERS),
    Entry("kill", "containers.lifecycle", "kill", CONTAINERS),
    Entry("pause", "containers.pause", "pause", CONTAINERS),
    Entry("unpause", "containers.pause", "unpause", CONTAINERS),
    Entry("rename", "containers.pause", "rename", CONTAINERS),
    Entry("rm", "containers.lifecycle", "rm", CONTAINERS),
    Entry("wait", "containers.lifecycle", "wait", CONTAINERS),
    Entry("exec", "containers.exec", "execute", CONTAINERS),
    Entry("ps", "containers.ps", "ps", CONTAINERS),
    Entry("port", "containers.port", "port", CONTAINERS),
    Entry("update", "containers.port", "update", CONTAINERS),
    Entry("top", "containers.pause", "top", CONTAINERS),
    Entry("stats", "containers.stats", "stats", CONTAINERS),
    Entry("logs", "containers.logs", "logs", CONTAINERS),
    Entry("inspect", "inspect", "inspect", CONTAINERS),
    Entry("commit", "containers.commit", "commit", CONTAINERS),
    Entry("diff", "containers.commit", "diff", CONTAINERS),
    Entry("export", "containers.commit", "export", CONTAINERS),
    Entry("mount", "containers.mount", "mount", CONTAINERS),
    Entry("unmount", "containers.mount", "unmount", CONTAINERS),
    Entry("umount", "containers.mount", "unmount", CONTAINERS),
    Entry("images", "images.images", "images", IMAGES),
    Entry("build", "images.build", "build", IMAGES),
    Entry("pull", "images.transfer", "pull", IMAGES),
    Entry("push", "images.transfer", "push", IMAGES),
    Entry("copy", "images.copy", "copy", IMAGES),
    Entry("search", "images.search", "search", IMAGES),
    Entry("login", "images.login", "login", IMAGES),
    Entry("logout", "images.login", "logout", IMAGES),
    Entry("load", "images.transfer", "load", IMAGES),
    Entry("save", "images.transfer", "save", IMAGES),
    Entry("import", "images.transfer", "import_", IMAGES),
    Entry("tag", "images.images", "tag", IMAGES),
    Entry("untag", "images.images", "untag", IMAGES),
    Entry("rmi", "images.images", "rmi", IMAGES),
    Entry("history", "images.history", "history", IMAGES),
    Entry("events", "machine.events", "events", HOST),
    Entry("boot", "machine.boot", "boot", HOST),
    Entry("doctor", "machine.doctor", "doctor", HOST),
    Entry("info", "machine.info", "info", HOST),
    Entry("version", "machine.info", "version", HOST),
    Entry("unshare", "machine.unshare", "unshare", HOST),
    Entry("completion", "machine.completion", "completion", HOST),
    Entry("help", "machine.help", "help_", HOST),
    Entry("alias", "machine.alias", "alias", HOST),
)
"""The commands, in the order of the overview."""

GROUPS = {
    "container": GroupEntry(
        "Work with containers.",
        {
            "ls": "ps",
            "list": "ps",
            **{e.name: e.name for e in COMMANDS if e.panel == CONTAINERS},
            "inspect": Entry("inspect", "inspect", "inspect_container", CONTAINERS),
            "diff": Entry("diff", "containers.commit", "diff_container", CONTAINERS),
            "umount": "unmount",
            "remove": "rm",
            "prune": Entry("prune", "machine.prune", "container_prune", CONTAINERS),
            "exists": Entry("exists", "inspect", "container_exists", CONTAINERS),
            "clone": Entry("clone", "containers.rarer", "clone", CONTAINERS),
            "cleanup": Entry("cleanup", "containers.rarer", "cleanup", CONTAINERS),
            "runlabel": Entry("runlabel", "containers.rarer", "runlabel", CONTAINERS),
        },
    ),
    "artifact": GroupEntry(
        "Work with artifacts: files in registries.",
        {
            "add": Entry("add", "images.artifact", "artifact_add", IMAGES),
            "extract": Entry("extract", "images.artifact", "artifact_extract", IMAGES),
            "inspect": Entry("inspect", "images.artifact", "artifact_inspect", IMAGES),
            "list": Entry("list", "images.artifact", "artifact_ls", IMAGES),
            "ls": Entry("ls", "images.artifact", "artifact_ls", IMAGES),
            "pull": Entry("pull", "images.artifact", "artifact_pull", IMAGES),
            "push": Entry("push", "images.artifact", "artifact_push", IMAGES),
            "rm": Entry("rm", "images.artifact", "artifact_rm", IMAGES),
        },
    ),
    "build": GroupEntry(
        "Make an image step by step, by a script.",
        {
            "from": Entry("from", "working.making", "build_from", IMAGES),
            "run": Entry("run", "working.making", "build_run", IMAGES),
            "copy": Entry("copy", "working.making", "build_copy", IMAGES),
            "add": Entry("add", "working.making", "build_add", IMAGES),
            "config": Entry("config", "working.ending", "build_config", IMAGES),
            "mount": Entry("mount", "working.ending", "build_mount", IMAGES),
            "umount": Entry("umount", "working.ending", "build_umount", IMAGES),
            "commit": Entry("commit", "working.ending", "build_commit", IMAGES),
            "rm": Entry("rm", "working.ending", "build_rm", IMAGES),
            "ls": Entry("ls", "working.ending", "build_ls", IMAGES),
        },
    ),
    "builder": GroupEntry(
        "Work with builds and their cache.",
        {
            "build": "build",
            "du": Entry("du", "images.cache", "du", IMAGES),
            "prune": Entry("prune", "images.cache", "builder_prune", IMAGES),
        },
    ),
    "buildx": GroupEntry(
        "Work with builds and their cache, by the names of docker's plugin.",
        {
            "build": "build",
            "du": Entry("du", "images.cache", "du", IMAGES),
            "prune": Entry("prune", "images.cache", "buildx_prune", IMAGES),
            **{
                name: Entry(name, "images.buildx", name, IMAGES)
                for name in ("create", "ls", "rm", "use", "version")
            },
            "inspect": Entry("inspect", "images.buildx", "inspect", IMAGES),
        },
    ),
    "healthcheck": GroupEntry(
        "Work with the health checks of containers.",
        {"run": Entry("run", "containers.lifecycle", "healthcheck_run", CONTAINERS)},
    ),
    "manifest": GroupEntry(
        "Work with manifest lists: one name for an image on many platforms.",
        {
            "create": Entry("create", "images.manifest", "manifest_create", IMAGES),
            "add": Entry("add", "images.manifest", "manifest_add", IMAGES),
            "annotate": Entry("annotate", "images.manifest", "manifest_annotate", IMAGES),
            "exists": Entry("exists", "images.manifest", "manifest_exists", IMAGES),
            "inspect": Entry("inspect", "images.manifest", "manifest_inspect", IMAGES),
            "push": Entry("push", "images.manifest", "manifest_push", IMAGES),
            "remove": Entry("remove", "images.manifest", "manifest_remove", IMAGES),
            "rm": Entry("rm", "images.manifest", "manifest_rm", IMAGES),
        },
    ),
    "network": GroupEntry(
        "Work with the networks of containers.",
        {
            "capture": Entry("capture", "containers.network", "capture", CONTAINERS),
            "connect": Entry("connect", "networks.create", "network_connect", CONTAINERS),
            "create": Entry("create", "networks.create", "network_create", CONTAINERS),
            "disconnect": Entry("disconnect", "networks.create", "network_disconnect", CONTAINERS),
            "exists": Entry("exists", "networks.create", "network_exists", CONTAINERS),
            "inspect": Entry("inspect", "networks.listing", "network_inspect", CONTAINERS),
            "list": Entry("ls", "networks.listing", "network_ls", CONTAINERS),
            "ls": Entry("ls", "networks.listing", "network_ls", CONTAINERS),
            "prune": Entry("prune", "networks.prune", "network_prune", CONTAINERS),
            "reload": Entry("reload", "networks.create", "network_reload", CONTAINERS),
            "remove": Entry("rm", "networks.create", "network_rm", CONTAINERS),
            "rm": Entry("rm", "networks.create", "network_rm", CONTAINERS),
        },
    ),
    "registry": GroupEntry(
        "Be a registry.",
        {"serve": Entry("serve", "machine.registry", "serve", IMAGES)},
    ),
    "system": GroupEntry(
        "Work with the store and the machine.",
        {
            "check": Entry("check", "machine.system", "check", HOST),
            "df": Entry("df", "machine.system", "df", HOST),
            "events": "events",
            "info": "info",
            "migrate": Entry("migrate", "machine.system", "migrate", HOST),
            "renumber": Entry("renumber", "machine.system", "renumber", HOST),
            "prune": Entry("prune", "machine.prune", "system_prune", HOST),
            "reset": Entry("reset", "machine.system", "reset", HOST),
        },
    ),
    "volume": GroupEntry(
        "Work with volumes: directories that outlive containers.",
        {
            "create": Entry("create", "volumes.create", "volume_create", VOLUMES),
            "clone": Entry("clone", "volumes.contents", "volume_clone", VOLUMES),
            "exists": Entry("exists", "volumes.create", "volume_exists", VOLUMES),
            "export": Entry("export", "volumes.contents", "volume_export", VOLUMES),
            "import": Entry("import", "volumes.contents", "volume_import", VOLUMES),
            "inspect": Entry("inspect", "volumes.listing", "volume_inspect", VOLUMES),
            "ls": Entry("ls", "volumes.listing", "volume_ls", VOLUMES),
            "list": Entry("list", "volumes.listing", "volume_ls", VOLUMES),
            "mount": Entry("mount", "volumes.contents", "volume_mount", VOLUMES),
            "prune": Entry("prune", "volumes.prune", "volume_prune", VOLUMES),
            "reload": Entry("reload", "volumes.contents", "volume_reload", VOLUMES),
            "rename": Entry("rename", "volumes.contents", "volume_rename", VOLUMES),
            "rm": Entry("rm", "volumes.create", "volume_rm", VOLUMES),
            "remove": Entry("remove", "volumes.create", "volume_rm", VOLUMES),
            "unmount": Entry("unmount", "volumes.contents", "volume_unmount", VOLUMES),
            "umount": Entry("umount", "volumes.contents", "volume_unmount", VOLUMES),
        },
    ),
    "image": GroupEntry(
        "Work with images.",
        {
            "ls": "images",
            "list": "images",
            "rm": "rmi",
            "remove": "rmi",
            **{e.name: e.name for e in COMMANDS if e.panel == IMAGES and "log" not in e.name},
            "inspect": Entry("inspect", "inspect", "inspect_image", IMAGES),
            "diff": Entry("diff", "containers.commit", "diff_image", IMAGES),
            "exists": Entry("exists", "inspect", "image_exists", IMAGES),
            "prune": Entry("prune", "machine.prune", "image_prune", IMAGES),
            "tree": Entry("tree", "images.image_tree", "image_tree", IMAGES),
            "mount": Entry("mount", "containers.mount", "image_mount", IMAGES),
            "unmount": Entry("unmount", "containers.mount", "image_unmount", IMAGES),
            "umount": Entry("umount", "containers.mount", "image_unmount", IMAGES),
            "trust": Entry("trust", "images.image_trust", "image_trust", IMAGES),
        },
    ),
}
"""docker's groups."""

_BOTH = "\0command"
"""Behind the name of a command that is a group as well, until the tree is whole."""

WITHOUT_INTERSPERSED = {"run", "build_run", "create", "execute", "top", "unshare"}
"""Functions whose options end at the first argument: the rest is somebody else's command line."""

LAST_OPTION_H = {"run", "create"}
"""Functions where -h means something else than help."""


def parse(argv: list[str], root: Any = None) -> lean.Call:
    """Parse a command line with Typer, by the tree `root` instead of the program's.

    Raises UsageError with Typer's message.
    """
    try:
        result = (root or tree())(list(argv), prog_name=PROGRAM, standalone_mode=False)
    except common.VersionAsked:
        return lean.version_call()
    except typer.TyperException as error:
        raise UsageError(error.format_message()) from error
    if not isinstance(result, tuple):
        raise UsageError("help is asked for")
    return typing.cast("lean.Call", result)


@functools.cache
def tree() -> Any:
    """Return the tree of the program."""
    return build(COMMANDS, GROUPS)


def build(commands: Sequence[Entry], groups: Mapping[str, GroupEntry]) -> Any:
    """Return a whole tree."""
    app = _group(PROGRAM)
    for entry in commands:
        both = entry.name in groups
        _add(app, entry._replace(name=entry.name + _BOTH) if both else entry, entry.panel)
    for name, (text, members, options) in groups.items():
        group = _group(name)
        group.info.help = text
        if options is not None:
            group.callback()(options)
        for alias, member in members.items():
            target = member if isinstance(member, Entry) else _entry(commands, member)
            target = target._replace(name=alias)
            hidden = helping.is_other_name(alias, isinstance(member, str))
            _add(group, target, None, hidden=hidden, grouped=options is not None)
        app.add_typer(group, name=name, help=text)
    overview, _ = helping.parts(helping.OVERVIEW)
    app.callback(invoke_without_command=True, help=overview)(rootless)
    root: Any = typer.main.get_command(app)
    root.commands = {name.removesuffix(_BOTH): one for name, one in _merged(root.commands).items()}
    return root


def _merged(commands: dict[str, Any]) -> dict[str, Any]:
    """Return them with each command that is a group as well in the place of itself."""
    found = {name: one for name, one in commands.items() if name + _BOTH not in commands}
    for name, one in found.items():
        if name.endswith(_BOTH):
            group = commands[name.removesuffix(_BOTH)]
            one.name = group.name
            group.itself = one
            found[name] = group
    return found


def resolve(entry: Entry) -> Callable[..., int]:
    """Import the function of a command."""
    module = importlib.import_module(f"rootless.cli.commands.{entry.module}")
    function: Callable[..., int] = getattr(module, entry.function)
    return function


def _entry(commands: Sequence[Entry], name: str) -> Entry:
    return next(entry for entry in commands if entry.name == name)


def _group(name: str) -> typer.Typer:
    return typer.Typer(
        name=name,
        cls=Group,
        add_completion=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["--help", "-h"]},
    )


def _add(
    app: typer.Typer,
    entry: Entry,
    panel: str | None,
    *,
    hidden: bool = False,
    grouped: bool = False,
) -> None:
    function = resolve(entry)
    names = ["--help"] if entry.function in LAST_OPTION_H else ["--help", "-h"]
    app.command(
        entry.name,
        cls=Command,
        help=helping.description(function),
        short_help=helping.summary(function),
        rich_help_panel=panel,
        hidden=hidden,
        context_settings={
            "help_option_names": names,
            "allow_interspersed_args": entry.function not in WITHOUT_INTERSPERSED,
        },
    )(_recorder(entry, function, grouped=grouped))


def _recorder(
    entry: Entry, function: Callable[..., int], *, grouped: bool
) -> Callable[..., lean.Call]:
    """Return a function with the signature of the command that only tells what was asked.

    With `grouped` also of its group.
    """

    module = f"rootless.cli.commands.{entry.module}"

    def record(ctx: typer.Context, **values: Any) -> lean.Call:
        root = ctx.find_root()
        settings = _given(root, root.params)
        settings.pop("version", None)
        for name, value in ctx.meta.get(BEHIND, {}).items():
            more = isinstance(value, list)
            settings[name] = [*settings.get(name, []), *value] if more else value
        given = _given(ctx, values)
        if grouped and ctx.parent is not None:
            given[lean.GROUP] = _given(ctx.parent, ctx.parent.params)
        return (module, entry.function, given, settings)

    parameters = [
        inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context),
        *_parameters(function),
    ]
    _sign(record, parameters)
    record.__doc__ = function.__doc__
    record.target = (module, entry.function)  # type: ignore[attr-defined] # for the generator
    return record


def _given(ctx: Any, values: dict[str, Any]) -> dict[str, Any]:
    """Keep what stood on the command line, leave out defaults."""
    given = {}
    for name, value in values.items():
        source = ctx.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            given[name] = list(value) if isinstance(value, tuple) else value
    return given


def _parameters(function: Callable[..., int]) -> list[inspect.Parameter]:
    """Return a command's parameters: `**asked` expanded to its keys, no engine, nor its group."""
    names = _names(sys.modules[function.__module__])
    hints = typing.get_type_hints(function, globalns=names, include_extras=True)
    found = []
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        if parameter.name == lean.GROUP:
            continue
        hint = hints[parameter.name]
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD:
            kind = inspect.Parameter.KEYWORD_ONLY
            found.append(parameter.replace(annotation=hint, kind=kind))
            continue
        (asked,) = typing.get_args(hint)
        found += _expanded(asked)
    return found


def _expanded(asked: Any) -> list[inspect.Parameter]:
    """Return a parameter for each key of a TypedDict of options."""
    found = []
    for name, each in typing.get_type_hints(asked, include_extras=True).items():
        default = False if typing.get_args(each)[0] is bool else None
        annotation = each if default is False else _optional(each)
        found.append(
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
            )
        )
    return found


def _sign(function: Callable[..., Any], parameters: list[inspect.Parameter]) -> None:
    """Let Typer see parameters that a function takes as one."""
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    function.__annotations__ = {p.name: p.annotation for p in parameters}


@functools.cache
def _names(module: types.ModuleType) -> dict[str, Any]:
    """Return what the annotations of commands mean: their options are imported for types alone."""
    found = {"Engine": Any, "Unpack": typing.Unpack, **vars(module)}
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.ImportFrom) and node.module in _FOLDERS:
            for name in node.names:
                options = importlib.import_module(f"{node.module}.{name.name}")
                found[name.asname or name.name] = options
    return found


def _optional(hint: Any) -> Any:
    """`Annotated[int, option]` -> `Annotated[int | None, option]`: not given is None for Typer."""
    kind, *declarations = typing.get_args(hint)
    return Annotated[kind | None, declarations[0]]


def rootless(**_: Any) -> None:
    """Take the options of all commands; `record` reads them from the context."""


rootless.__doc__ = helping.OVERVIEW
_sign(rootless, _expanded(everywhere.Settings))
