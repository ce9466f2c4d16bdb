"""commit, diff and export: what containers have made of their images."""

from __future__ import annotations

import sys

from rootless.cli.commands.containers import choosing
from rootless.cli.dialects import choice
from rootless.cli.output import pretty, say, say_json, say_lines
from rootless.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.cli.options import common
    from rootless.cli.options import containers as opt
    from rootless.engine import Engine

_WORDS = {"C": "changed", "A": "added", "D": "deleted"}
"""What podman calls the letters of `diff`, in its order."""


def commit(
    engine: Engine,
    container: common.Container,
    image: opt.CommitName = "",
    *,
    author: opt.Author = "",
    change: common.Change = None,
    format: opt.CommitFormat = "oci",  # noqa: A002 - the option's name
    iidfile: opt.IdFile = "",
    include_volumes: opt.IncludeVolumes = False,
    message: common.Message = "",
    pause: opt.CommitPause = True,
    quiet: common.Silent = False,
    squash: opt.Squash = False,
) -> int:
    """Make an image of a container.

    With its files, but not those of volumes, and with its settings.

    Examples:
        rootless commit web localhost/web:2
        rootless commit -c 'CMD ["serve"]' -c 'ENV MODE=fast' -m 'with tools' web localhost/web:3
    """
    from rootless.cli.reach import change_of
    from rootless.cli.teller import Teller
    from rootless.containers.files.committing import Wishes
    from rootless.containers.files.committing import commit as make

    wishes = Wishes(
        author=author,
        message=message,
        change=change_of(change),
        pause=pause,
        squash=squash,
        volumes=include_volumes,
        docker=format == "docker",
    )
    dialect = choice.current()
    name = dialect.given(image) if image else ""
    with Teller(quiet=quiet) as teller:
        made = make(engine.images, engine.containers.get(container), name, wishes, teller)
    if iidfile:
        from rootless.cli.reach import write_digest

        write_digest(iidfile, f"sha256:{made.id}")
    say(dialect.made(made.id))
    return 0


def diff(
    engine: Engine,
    names: opt.Compared = None,
    *,
    format: common.JsonFormat = "",  # noqa: A002 - the option's name
    latest: opt.TheLatest = False,
) -> int:
    """Show which files a container has changed.

    A for what was added, C for changed, D for deleted; of an image, what its last layer has.

    Examples:
        rootless diff web
        rootless diff --format json web busybox
    """
    if latest:
        names = [choosing.one(engine, "", latest=True), *(names or [])]
    return _diff(engine, names, format, "container" if latest else "all")


def diff_container(
    engine: Engine,
    names: opt.Compared = None,
    *,
    format: common.JsonFormat = "",  # noqa: A002 - the option's name
    latest: opt.TheLatest = False,
) -> int:
    """Show which files a container has changed."""
    if latest:
        names = [choosing.one(engine, "", latest=True), *(names or [])]
    return _diff(engine, names, format, "container")


def diff_image(
    engine: Engine,
    names: opt.Compared = None,
    *,
    format: common.JsonFormat = "",  # noqa: A002 - the option's name
) -> int:
    """Show which files the last layer of an image changes."""
    return _diff(engine, names, format, "image")


def _diff(engine: Engine, names: list[str] | None, form: str, kind: str) -> int:
    from rootless.containers.files.trees import changes

    if not names:
        raise UsageError("which container or image?", "name one, or two to compare")
    if len(names) > 2:
        raise UsageError(f"diff compares two, not {', '.join(names)}")
    other = names[1] if len(names) > 1 else ""
    found = changes(engine.containers, engine.images, names[0], other, kind)
    if form == "json":
        sorted_out = {word: [p for k, p in found if k == letter] for letter, word in _WORDS.items()}
        say_json(pretty({word: paths for word, paths in sorted_out.items() if paths}, 5))
        return 0
    say_lines(f"{letter} {path}" for letter, path in found)
    return 0


def export(engine: Engine, container: common.Container, *, output: common.Output = "-") -> int:
    """Write all files of a container as a tar archive.

    Those of its volumes are not in it, nor are its settings.

    Examples:
        rootless export -o web.tar web
        rootless export web | rootless import - localhost/web:flat
    """
    from rootless.containers.files.trees import export as write

    if output == "-" and sys.stdout.isatty():
        raise UsageError("refusing to write an archive to a terminal", "use -o FILE, or redirect")
    sys.stdout.flush()
    write(engine.containers.get(container), output)
    return 0
