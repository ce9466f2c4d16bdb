"""completion: the scripts for shells, and the hidden command that they call."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.cli.options import machine as opt
    from rootless.engine import Engine


def completion(engine: Engine, shell: opt.Shell) -> int:
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
        sys.stdout.write(script.read())
    return 0
