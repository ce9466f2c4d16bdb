"""What killed builds have left: removed by the next build, by a prune, or by the build itself.

A build is dead when its lock is free (`cache.living`). What it had for itself alone bears its id
at the beginning of its name: containers, veils, secrets and programs of heredocs.
"""

from __future__ import annotations

import contextlib
import math
import os

from rootless.build import holding
from rootless.build.cache import living
from rootless.build.place import BuildPaths, Site, runtime_mark
from rootless.errors import Error
from rootless.runtime.userns import removal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.store.paths import Paths


def sweep(paths: Paths) -> list[str]:
    """Clean up after builds that were killed; return their ids. Raises StoreError, OSError."""
    found = living.dead(paths)
    if not found:
        return []
    from rootless.build.cache.pruning import sweep_files

    site = Site(paths.root)
    for build in found:
        sweep_build(site, build)
    sweep_files(paths, living.since(paths))
    _sweep_halves(paths)
    for build in found:
        holding.release(paths, build)
        if not remains(paths, build):
            living.bury(paths, build)
    return found


def remains(paths: Paths, build: str) -> bool:
    """Whether containers or veils of a build are still there, which somebody could not remove.

    Then it is not forgotten: the next build tries again.
    """
    names = _names(f"{paths.builds}/containers/.names")
    return any(name.startswith(f"build-{build}") for name in names) or any(
        name.startswith(build) for name in _names(f"{paths.builds}/veils")
    )


def sweep_build(site: Site, build: str) -> None:
    """Clean up after one build, of which nothing runs any more but what it has left behind."""
    paths = BuildPaths(site)
    paths.prepare()
    _sweep_containers(paths, build)
    for name in _names(f"{paths.builds}/veils"):
        if name.startswith(build):
            removal.empty(paths, f"{paths.builds}/veils/{name}")
    for name in _names(paths.runtime):
        if name.startswith(f"{runtime_mark(paths.root)}-{build}"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{paths.runtime}/{name}")
    for name in _names(f"{paths.builds}/mounts"):
        for new in _names(f"{paths.builds}/mounts/{name}"):
            if new.startswith(f"new-{build}"):
                removal.empty(paths, f"{paths.builds}/mounts/{name}/{new}")


def _sweep_containers(paths: BuildPaths, build: str) -> None:
    if not os.path.isdir(paths.containers):
        return
    from rootless.containers.collection import Containers

    containers = Containers(paths)
    for container in containers.objects.ids(sweep=True):
        try:
            one = containers.get(container)
            if not one.name.startswith(f"build-{build}"):
                continue
        except Error:
            # Damaged: of a build that died while it made it, for those of others are whole.
            if not math.isinf(living.since(paths)):
                continue
        with contextlib.suppress(Error, OSError):
            containers.remove(container, force=True, volumes=True)


def _sweep_halves(paths: Paths) -> None:
    """Remove what somebody was about to throw away, and links that were being made."""
    for name in _names(f"{paths.builds}/gone"):
        removal.empty(paths, f"{paths.builds}/gone/{name}")
    if not math.isinf(living.since(paths)):
        return
    for name in _names(f"{paths.builds}/layers"):
        if "." in name:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{paths.builds}/layers/{name}")


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except FileNotFoundError:
        return []
