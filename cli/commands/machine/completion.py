"""completion: the scripts for shells, and the hidden command that they call."""

from __future__ import annotations

import os
import sys

from rootless.errors import HostError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.cli.options import machine as opt
    from rootless.engine import Engine


def completion(
    engine: Engine,
    shell: opt.Shell,
    *,
    file: opt.ScriptFile = "",
    no_desc: opt.NoDescriptions = False,
) -> int:
    """Print the completion script of a shell.

    It completes commands, options, containers and images.

    Examples:
        # bash
        rootless completion bash > ~/.local/share/bash-completion/completions/rootless
        # zsh, into a directory of $fpath
        rootless completion zsh > ~/.zfunc/_rootless
        # fish
        rootless completion fish > ~/.config/fish/completions/rootless.fish
    """
    here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    with open(f"{here}/shells/rootless.{shell}", encoding="utf-8") as script:
        text = script.read()
    if no_desc:
        text = text.replace("__complete --", "__complete --bare --")
    if not file:
        sys.stdout.write(text)
        return 0
    try:
        with open(file, "w", encoding="utf-8") as target:
            target.write(text)
    except OSError as error:
        raise HostError(f"cannot write {file}: {error.strerror}") from error
    return 0
