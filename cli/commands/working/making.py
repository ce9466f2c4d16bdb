"""build from, run, copy and add: working containers, and what is done in them."""

from __future__ import annotations

import os

from rootless.cli import reach
from rootless.cli.commands.images import buildflags
from rootless.cli.dialects import choice
from rootless.cli.ends import OwnEnds, check_terminal
from rootless.cli.output import say
from rootless.cli.teller import Teller
from rootless.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Unpack

    from rootless.build.dockerfile.mounts import Mount
    from rootless.build.files.origins import Origin
    from rootless.build.working.steps import Command, Wanted
    from rootless.cli.options.registries import Patience
    from rootless.cli.options.working import beginning as opt
    from rootless.engine import Engine

_OF_BUILD = ("type=cache", "type=secret", "type=ssh")
"""Mounts of RUN that containers have not."""


def is_told(asked: opt.Historic) -> bool:
    """Whether the history tells of a step, by its option or as buildah's variable has it."""
    from rootless.values import boolean

    usual = os.environ.get("BUILDAH_HISTORY", "") or "false"
    return asked.get("add_history", boolean(usual, "BUILDAH_HISTORY"))


def build_from(
    engine: Engine,
    image: opt.FromImage,
    *,
    name: opt.WorkingName = "",
    quiet: opt.FromQuiet = False,
    **asked: Unpack[opt.FromAsked],
) -> int:
    """Make a working container of an image, and print its name.

    What is done in it by the other steps, and by `rootless start`, gets into the image that
    `build commit` makes. Options of its commands hold for each `build run`.

    Examples:
        c=$(rootless build from debian)
        rootless build run $c -- apt-get install -y python3
        rootless build copy $c app.py /app/
        rootless build config --cmd 'python3 /app/app.py' $c
        rootless build commit --rm $c app
    """
    from rootless.build.working.beginning import Beginning, begin

    wish = Beginning(image if image == "scratch" else choice.current().given(image))
    wish.name, wish.pull, wish.fields = name, _policy(asked), buildflags.fields_of(asked)
    wish.platform = reach.platform_of(asked)
    if form := asked.get("format", os.environ.get("BUILDAH_FORMAT", "")):
        wish.docker = form == "docker"
    access = lambda: reach.access_of(asked, asked)  # noqa: E731
    with Teller(quiet=quiet, lines=True) as teller:
        working = begin(engine.containers, engine.images, wish, access, teller)
    if path := asked.get("cidfile"):
        reach.write_digest(path, working.container.id)
    say(working.name)
    return 0


def _policy(asked: opt.FromAsked) -> str:
    if asked.get("pull_always"):
        return "always"
    if asked.get("pull_never"):
        return "never"
    text = asked.get("pull", "")
    return "newer" if text == "true" else buildflags.policy_of(text)


def build_run(
    engine: Engine,
    container: opt.Working,
    command: opt.RunWords = None,
    *,
    terminal: opt.Terminal = False,
    **asked: Unpack[opt.RunAsked],
) -> int:
    """Run a command in a working container, and keep what it changes.

    As RUN has it: with its network, its rights and its mounts, and the owners that it sets are in
    the image. The exit code is the command's. Options stand before CONTAINER.

    Examples:
        rootless build run $c make install
        rootless build run --mount type=cache,target=/var/cache/apt $c -- apt-get update
        rootless build run -t $c bash
    """
    from rootless.build.working import steps
    from rootless.build.working.container import find

    words = command[1:] if command and command[0] == "--" else command
    if not words:
        raise UsageError("which command?", "name it behind the container")
    if terminal:
        check_terminal("run", attached=True)
    working = find(engine.containers, container)
    wish = steps.Command(words)
    wish.environment = _variables(asked.get("env") or [])
    wish.user, wish.workdir = asked.get("user", ""), asked.get("workingdir", "")
    wish.told, wish.epoch = is_told(asked), buildflags.epoch_of({})
    _mounts(engine, wish, asked)
    wish.fields["tty"], wish.fields["stdin"] = terminal, True
    if "hostname" in asked:
        wish.fields["hostname"] = asked["hostname"]
    wish.ends = OwnEnds(stdin=True, tty=terminal, proxy=True)
    return steps.run(working, wish, Teller())


def _variables(texts: list[str]) -> list[list[str | None]]:
    pairs = (text.partition("=") for text in texts)
    found: list[list[str | None]] = []
    for name, equals, value in pairs:
        if equals or name in os.environ:
            found.append([name, value if equals else os.environ[name]])
    return found


def _mounts(engine: Engine, wish: Command, asked: opt.RunAsked) -> None:
    """Take RUN's own mounts as RUN has them, the others as `run` has them."""
    from rootless.build.dockerfile.mounts import MountError, mount
    from rootless.build.given import Given

    others: list[str] = []
    for text in asked.get("mount") or ():
        fields = text.split(",")
        of_build = any(kind in fields for kind in _OF_BUILD)
        if not of_build and not any(field.startswith("from=") for field in fields):
            others.append(_whole(text))
            continue
        try:
            found = mount(text)
        except MountError as error:
            raise UsageError(f"--mount: {error.reason}", error.hint) from None
        wish.mounts.append((found, _origin_of(engine, found, asked)))
    given: Any = {**asked, "mount": others}
    wish.fields = buildflags.fields_of(given, further=True)
    wish.given = Given()
    for text in asked.get("secret") or ():
        name, content = buildflags.secret_of(text)
        wish.given.secrets[name] = content
    if any(found.type == "ssh" for found, _ in wish.mounts):
        wish.given.agents["default"] = os.environ.get("SSH_AUTH_SOCK", "")


def _whole(text: str) -> str:
    """Return a mount of files of this machine with the whole path of a relative one."""
    fields = text.split(",")
    if "type=bind" in fields:
        for number, field in enumerate(fields):
            key, _, value = field.partition("=")
            if key in ("source", "src"):
                fields[number] = f"{key}={os.path.abspath(value)}"
    return ",".join(fields)


def _origin_of(engine: Engine, found: Mount, asked: opt.RunAsked) -> Origin | None:
    if found.stage:
        return _files_of(engine, found.stage, {})
    if found.type == "bind":
        from rootless.build.files.origins import Origin

        return Origin(os.path.abspath(asked.get("contextdir", ".")))
    return None


def build_copy(
    engine: Engine, container: opt.Working, places: opt.Places, **asked: Unpack[opt.CopyAsked]
) -> int:
    """Copy files into a working container, as COPY does; print a digest of them.

    A directory's contents are copied, not itself. The owner is root, whoever the image's user is.

    Examples:
        rootless build copy $c app.py /app/
        rootless build copy --from builder $c /usr/local /usr/local
    """
    return _copy(engine, container, places, asked, adds=False)


def build_add(
    engine: Engine, container: opt.Working, places: opt.Places, **asked: Unpack[opt.AddAsked]
) -> int:
    """Add files to a working container, as ADD does: from the web as well, and archives unpacked.

    Examples:
        rootless build add $c rootfs.tar.gz /
        rootless build add $c https://example.com/app.git#main /src
    """
    return _copy(engine, container, places, asked, adds=True)


def _copy(
    engine: Engine, container: str, places: list[str], given: opt.CopyAsked, *, adds: bool
) -> int:
    from rootless.build.working import steps
    from rootless.build.working.container import find

    asked: opt.AddAsked = {**given}  # type: ignore[typeddict-item] # it may have more
    *sources, target = places if len(places) > 1 else [*places, ""]
    wish = steps.Wanted(sources, target)
    wish.adds, wish.checksum = adds, asked.get("checksum", "")
    wish.chown, wish.chmod = asked.get("chown", ""), asked.get("chmod", "")
    wish.told, wish.epoch = is_told(asked), buildflags.epoch_of({})
    _place(engine, wish, asked)
    working = find(engine.containers, container)
    with Teller(quiet=asked.get("quiet", False)) as teller:
        digest = steps.copy(working, wish, teller)
    if not asked.get("quiet"):
        say(digest)
    return 0


def _place(engine: Engine, wish: Wanted, asked: opt.CopyAsked) -> None:
    """Say where the paths are: here, in a directory that no link leads out of, or in layers."""
    from rootless.build.contexts import ignore_in
    from rootless.build.fetching.remotes import is_remote
    from rootless.build.files.origins import Origin

    context, ignored = asked.get("contextdir", ""), asked.get("ignorefile", "")
    if source := asked.get("contained", ""):
        wish.origin = _files_of(engine, source, asked)
        return
    if ignored and not context:
        raise UsageError("--ignorefile goes with --contextdir only", "name that as well")
    if context:
        wish.origin = Origin(os.path.abspath(context), ignore_in(context, ignored))
        return
    wish.sources = [
        text if wish.adds and is_remote(text) else os.path.abspath(text) for text in wish.sources
    ]


def _files_of(engine: Engine, name: str, asked: Patience) -> Origin:
    """Return the files of a working container or an image. Raises NotFound."""
    from rootless.build.working.elsewhere import files_of

    access = lambda: reach.access_of({}, asked)  # noqa: E731
    with Teller(lines=True) as teller:
        return files_of(engine.containers, engine.images, name, access, teller)
