"""inspect --remote: images where they are."""

from __future__ import annotations

import sys

from rootless.cli.output import pretty, say_json, say_lines, show_one
from rootless.cli.reach import access_of
from rootless.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.cli.options import transfer as opt
    from rootless.engine import Engine
    from rootless.images.transfer.remote import Remote


def show(engine: Engine, names: list[str], template: str, asked: opt.Elsewhere) -> int:
    """Print what skopeo prints of each image, one object after the other."""
    from rootless.cli.teller import Teller
    from rootless.images.transfer.remote import Remote

    if asked.get("raw") and template:
        raise UsageError("--raw and --format contradict each other")
    if not names:
        raise UsageError("which image?", "such as docker://debian:12")
    access = access_of(asked, {"retry": asked.get("retry", 0)})
    wanted = asked.get("platform", "")
    for name in names:
        with Remote(engine.images, name, access, wanted=wanted, teller=Teller()) as remote:
            _show(remote, template, asked)
    return 0


def _show(remote: Remote, template: str, asked: opt.Elsewhere) -> None:
    if asked.get("raw"):
        data = remote.raw_config() if asked.get("config") else remote.raw()
        if sys.stdout.isatty():
            say_lines(data.decode("utf-8", "surrogateescape").split("\n"))
        else:
            sys.stdout.buffer.write(data)  # whoever wants its digest needs each byte
        return
    if asked.get("config"):
        found = remote.config()
    else:
        found = remote.describe(tags=not asked.get("no_tags"))
    if template and template not in ("docker", "podman"):
        show_one(found, template)
    else:
        say_json(pretty(found))
