"""One build, from the first look at its Dockerfile to the last word about it."""

from __future__ import annotations

import sys

from rootless.build.checking import Checking, LintFailed
from rootless.build.failing import StepFailed
from rootless.cli import exits
from rootless.cli.building import checks, failure, signals
from rootless.cli.dialects import choice
from rootless.cli.output import say
from rootless.errors import Interrupted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.build.request import BuildRequest
    from rootless.cli.building.lines import Lines
    from rootless.engine import Engine


def run(
    engine: Engine, request: BuildRequest, watcher: Lines, *, on_error: str = ""
) -> tuple[str, int]:
    """Build; return the id of the image and 0, or "" and an exit code, where all has been said.

    Raises Error for what is no failure of a step.
    """
    request.keep_failed = True
    try:
        with failure.shown(), signals.raised():
            checking = Checking(engine.images, request)
            report = checks.before(checking)
            if unknown := checking.unknown():
                watcher.epilogue = choice.current().unused(unknown)
            image = engine.build(request, watcher)
    except Interrupted as error:
        watcher.close()
        say("ERROR: failed to solve: canceled", to_stderr=True)
        return "", exits.SIGNALLED + error.signal
    except LintFailed as error:
        checks.tell(error.report)
        say(choice.current().build_failed(error.message, "", 0), to_stderr=True)
        return "", choice.current().build_code(0)
    except StepFailed as error:
        watcher.close()
        code = failure.tell(error, watcher)
        if on_error == "shell" and error.left:
            _enter(engine, error.left)
        return "", code
    finally:
        watcher.close()
    if not watcher.silent:
        if watcher.epilogue:
            say(watcher.epilogue, to_stderr=True)
        checks.tell(report)
    return image, 0


def _enter(engine: Engine, left: str) -> None:
    """Begin a shell in what a failed command has left."""
    from rootless.cli.commands.containers.run import run as run_container

    tty = sys.stdin.isatty() and sys.stdout.isatty()
    run_container(engine, left, ["/bin/sh"], interactive=True, tty=tty, rm=True, entrypoint="")
