"""alias: this program under the name of docker or podman."""

from __future__ import annotations

import os
import shutil
import sys

from rootless.cli import exits, output
from rootless.errors import Conflict, Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.cli.options import machine as opt
    from rootless.engine import Engine


def alias(engine: Engine, name: opt.AliasName, *, remove: opt.AliasRemove = False) -> int:
    """Make this program answer to docker or podman.

    A link of that name is put into ~/.local/bin, or $XDG_BIN_HOME. Called by it, this program
    speaks as that one does.

    Examples:
        rootless alias podman
        rootless alias podman --remove
    """
    directory = os.environ.get("XDG_BIN_HOME") or os.path.expanduser("~/.local/bin")
    path = f"{directory}/{name}"
    own = os.path.abspath(sys.argv[0])
    if os.path.lexists(path) and not _is_ours(path, own):
        raise Conflict(f"{path} is there already, and no link of ours", "move it away first")
    try:
        if remove:
            os.unlink(path)
            return exits.OK
        os.makedirs(directory, exist_ok=True)
        fresh = f"{path}.{os.getpid()}"
        os.symlink(os.path.realpath(own), fresh)
        os.replace(fresh, path)
    except FileNotFoundError:
        return exits.OK  # there is none to remove
    except OSError as error:
        raise Error(f"cannot change {path}: {error.strerror}") from error
    output.say(path)
    _warn_of_others(name, path)
    return exits.OK


def _is_ours(path: str, own: str) -> bool:
    return os.path.islink(path) and os.path.realpath(path) == os.path.realpath(own)


def _warn_of_others(name: str, path: str) -> None:
    """Say what the shell finds first, if that is another program."""
    found = shutil.which(name)
    directory = os.path.dirname(path)
    if found is None or directory not in os.environ.get("PATH", "").split(":"):
        output.warn(f"{directory} is not on your PATH: PATH={directory}:$PATH puts it first")
    elif os.path.realpath(found) != os.path.realpath(path):
        output.warn(f"{found} comes first on your PATH: put {directory} before it")
