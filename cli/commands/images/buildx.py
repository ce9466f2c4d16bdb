"""buildx: builders, of which there is one, as far as scripts ask for them."""

from __future__ import annotations

import rootless
from rootless.cli.output import say
from rootless.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.cli.options import buildx as opt
    from rootless.engine import Engine

_DEFAULT = "default"
_DRIVERS = ("", "docker", "docker-container")


def version(_engine: Engine) -> int:
    """Print the version, as docker's plugin prints its own.

    Examples:
        rootless buildx version
    """
    say(f"rootless/buildx v{rootless.__version__} builds-by-itself")
    return 0


def ls(_engine: Engine) -> int:
    """List builders: the one that there is.

    Examples:
        rootless buildx ls
    """
    rows = [
        ("NAME/NODE", "DRIVER/ENDPOINT", "STATUS", "BUILDKIT", "PLATFORMS"),
        (f"{_DEFAULT}*", "docker", "", "", ""),
        (f" \\_ {_DEFAULT}", f" \\_ {_DEFAULT}", "running", _release(), ", ".join(_platforms())),
    ]
    widths = [max(len(row[at]) for row in rows) + 4 for at in range(4)]
    for row in rows:
        say(
            "".join(
                word.ljust(width) for word, width in zip(row, (*widths, 0), strict=True)
            ).rstrip()
        )
    return 0


def inspect(
    _engine: Engine, name: opt.BuilderName = "", *, bootstrap: opt.Bootstrap = False
) -> int:
    """Describe the builder, by whatever name.

    Examples:
        rootless buildx inspect --bootstrap
    """
    del bootstrap  # there is nothing to be started
    say(f"Name:   {name or _DEFAULT}\nDriver: docker\n\nNodes:")
    say(f"Name:             {_DEFAULT}\nEndpoint:         {_DEFAULT}\nStatus:           running")
    say(f"BuildKit version: {_release()}\nPlatforms:        {', '.join(_platforms())}")
    return 0


def create(
    _engine: Engine,
    endpoint: opt.Endpoint = "",
    *,
    name: opt.NewBuilder = "",
    driver: opt.Driver = "",
    driver_opt: opt.Ignored = None,
    platform: opt.Ignored2 = None,
    buildkitd_flags: opt.Ignored3 = "",
    config: opt.Ignored4 = "",
    use: opt.Use = False,
    bootstrap: opt.Bootstrap = False,
) -> int:
    """Say the name of a builder, which is the one that there is.

    Builds run on this machine itself: nothing has to be made or started for them.

    Examples:
        rootless buildx create --use --name ci
    """
    del driver_opt, platform, buildkitd_flags, config, use, bootstrap
    if driver not in _DRIVERS:
        raise UsageError(f"--driver {driver}: builds run on this machine itself", "leave it out")
    if endpoint not in ("", _DEFAULT) and not endpoint.startswith("unix:"):
        raise UsageError(f"{endpoint}: builds run on this machine itself", "leave it out")
    say(name or _DEFAULT)
    return 0


def use(_engine: Engine, name: opt.BuilderName = "") -> int:
    """Choose a builder: all names mean the one that there is.

    Examples:
        rootless buildx use default
    """
    del name
    return 0


def rm(_engine: Engine, names: opt.BuilderNames = None, *, force: opt.Force = False) -> int:
    """Forget the name of a builder.

    Examples:
        rootless buildx rm ci
    """
    del force
    for name in names or [_DEFAULT]:
        say(f"{name} removed")
    return 0


def _release() -> str:
    return f"v{rootless.__version__}"


def _platforms() -> list[str]:
    """Return what RUN can be for on this machine, its own first."""
    from rootless.build.emulation import ARCHITECTURES, interpreter
    from rootless.oci import platform

    here = platform.host()
    others = (
        f"linux/{one}" for one in ARCHITECTURES if one != here.architecture and interpreter(one)
    )
    return [str(here), *others]
