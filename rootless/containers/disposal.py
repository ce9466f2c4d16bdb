"""Old name of the door `after_exit`, for supervisors of release 0.1; see CONTRIBUTING.md.

Such a supervisor calls it with modules of its own release around it: nothing of ours is imported
here but what starts a process, in which it is done.
"""

from __future__ import annotations

import os


def after_exit(root: str, directory: str) -> None:
    """Clean up behind a container that has ended, in a process of its own."""
    from rootless.linux import interpreter

    os.waitpid(interpreter.spawn("after_exit", root, directory, site=interpreter.BARE), 0)
