"""What is loaded before there are children, since each of them would have to load it for itself."""

from __future__ import annotations

_FOR_ALL = (
    *("_pickle", "encodings.ascii", "hashlib"),
    "rootless.build.steps.laying",
    "rootless.images.trees.ids",
    "rootless.images.trees.packing",
    "rootless.images.trees.shown",
    "rootless.runtime.userns.shift",
)
_FOR_RUN = (
    "rootless.build.steps.run",
    "rootless.containers.creation.attributes",
    "rootless.containers.creation.choices",
    "rootless.containers.creation.create",
    "rootless.containers.creation.sense",
    "rootless.containers.creation.shapes",
    "rootless.containers.ports",
    "rootless.containers.running.attach",
    "rootless.containers.running.stopping",
    "rootless.containers.starting",
    "rootless.containers.users",
    "rootless.doors",
)


def for_all() -> None:
    """Load what any step needs."""
    _load(_FOR_ALL)


def for_run(*, networked: bool) -> None:
    """Load what a RUN needs; `networked` is whether its container has a network of its own."""
    _load(_FOR_RUN)
    if networked:
        from rootless.runtime.networks import private as _private  # noqa: F401
        from rootless.runtime.supervision import uplink

        uplink.preload()


def _load(names: tuple[str, ...]) -> None:
    for name in names:
        __import__(name)
