"""`commit`: an image from what a container has made of another one.

The changes become one layer, upon the layers of the container's image; where there are none, as
docker has it, the new image differs in its settings only. With `squash` everything is one layer.
"""

from __future__ import annotations

import contextlib
import os

from rootless.containers import events
from rootless.containers.creation.environment import PROXIES
from rootless.containers.files.trees import check_whole, ids_of, trees_of
from rootless.containers.running.pausing import standing
from rootless.errors import NotFound, UsageError
from rootless.images.making import Making
from rootless.images.trees.stack import Stack
from rootless.oci import reference
from rootless.teller import QUIET
from rootless.times import now
from rootless.values import PATH, signal_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from rootless.containers.handle import Handle
    from rootless.containers.record import Record
    from rootless.images.collection import Images
    from rootless.images.image import Image
    from rootless.teller import Teller

    Document = dict[str, Any]


class Wishes:
    """What a new image is to say besides its files."""

    def __init__(
        self,
        *,
        author: str = "",
        message: str = "",
        change: Callable[[Document], None] | None = None,
        pause: bool = True,
        squash: bool = False,
        volumes: bool = False,
        docker: bool = False,
    ) -> None:
        self.author = author
        self.message = message
        self.change = change
        """Alters its settings (`config`); `build.changing` makes one of lines."""
        self.pause = pause
        """Whether a running container stands still meanwhile."""
        self.squash = squash
        """Whether all layers become one."""
        self.volumes = volumes
        """Whether all that is mounted in it is a volume of the image, not its own alone."""
        self.docker = docker
        """Whether it is to have a manifest in docker's form."""


def commit(
    images: Images,
    container: Handle,
    ref: str = "",
    wishes: Wishes | None = None,
    teller: Teller = QUIET,
) -> Image:
    """Make an image named `ref`, or without a name, of the container; return it.

    Raises UsageError for changes that are not understood and containers without an image,
    NotFound where the image is gone.
    """
    wishes = wishes or Wishes()
    names = [reference.name_to_give(ref)] if ref else []
    if "working" in container.record:
        raise UsageError(
            f"container {container.name} is a working container",
            "rootless build commit makes the image of it",
        )
    if container.record["rootfs"]["kind"] != "layers":
        raise UsageError(
            f"cannot commit container {container.name}: it was not made from an image",
            "rootless export and import make an image of its files",
        )
    base = _base(images, container)
    inner = base.config.get("config") or {}
    settings = _settings(container.record, inner, every_volume=wishes.volumes)
    if wishes.change is not None:
        wishes.change(settings)
    still = standing(container) if wishes.pause else contextlib.nullcontext()
    with still, _locked(container):
        below = None if wishes.squash else Stack.of(base)
        with Making(images.paths, teller, below, base.layout) as making:
            changed = _add_changes(making, container, teller, squash=wishes.squash)
            document = _config(container.record, base.config, settings, wishes, empty=not changed)
            image_id = making.finish(names, document, docker=wishes.docker)
    events.tell(container.root, container.record, "commit", comment=wishes.message)
    return images.get(image_id)


def _base(images: Images, container: Handle) -> Image:
    record = container.record
    try:
        return images.get(f"sha256:{record['image_id']}")
    except NotFound:
        raise NotFound(
            f"cannot commit container {container.name}: its image {record['image']} was removed",
            "pull or load it again, or use rootless export and import",
        ) from None


@contextlib.contextmanager
def _locked(container: Handle) -> Iterator[None]:
    """Keep others from starting or removing it meanwhile. Raises NotFound."""
    held = container.lock()
    try:
        yield
    finally:
        os.close(held)


def _add_changes(making: Making, container: Handle, teller: Teller, *, squash: bool) -> bool:
    """Take the changes in as a layer; False where there are none."""
    key = container.id
    teller.begin(key, f"commit {container.name}", -1)
    changed = making.add_changes(
        trees_of(container),
        ids_of(container),
        key,
        lambda: check_whole(container),
        everything=squash,
    )
    teller.end(key, "committed" if changed else "no changes")
    return changed


def _config(
    record: Record, base: Document, settings: Document, wishes: Wishes, *, empty: bool
) -> Document:
    moment = now()
    step: Document = {"created": moment, "created_by": " ".join([record["path"], *record["args"]])}
    if wishes.author:
        step["author"] = wishes.author
    if wishes.message:
        step["comment"] = wishes.message
    if empty:
        step["empty_layer"] = True
    history = [] if wishes.squash else [*(base.get("history") or []), step]
    author = wishes.author or base.get("author")
    document: Document = {"created": moment, **({"author": author} if author else {})}
    kept = ("architecture", "os", "os.version", "os.features", "variant")
    document.update({key: base[key] for key in kept if base.get(key)})
    document["config"] = settings
    document["rootfs"] = {}  # where it stands, as docker has it; `Making` fills it
    document["history"] = history or [step]
    return document


def _settings(record: Record, inner: Document, *, every_volume: bool) -> Document:
    """The container's settings as an image's: what a container of the new image begins with."""
    process = record["spec"]["process"]
    settings = {**inner}
    ports = [*record["exposed"], *(f"{p['container']}/{p['protocol']}" for p in record["ports"])]
    mounted = [item for item in record["volumes"] if item["type"] not in ("tmpfs", "image")]
    wanted = [item["destination"] for item in mounted if every_volume or item["anonymous"]]
    volumes: Document = {destination: {} for destination in wanted}
    settings.update(
        User=record["user"],
        ExposedPorts={port: {} for port in ports},
        Env=_environment(record, inner.get("Env") or []),
        Entrypoint=record["entrypoint"],
        Cmd=record["cmd"],
        Volumes={**(inner.get("Volumes") or {}), **volumes},
        Labels=record["labels"],
        Healthcheck=record["healthcheck"],
    )
    if process["cwd"] != "/" or inner.get("WorkingDir"):
        settings["WorkingDir"] = process["cwd"]
    if record["request"]["stop_signal"]:
        settings["StopSignal"] = signal_name(record["stop_signal"])
    # As docker's configurations: copies, because changes follow, and nothing that is empty.
    return {
        key: value.copy() if isinstance(value, (dict, list)) else value
        for key, value in settings.items()
        if value
    }


def _environment(record: Record, image: list[str]) -> list[str]:
    """The container's variables, without those that every container is given anew."""
    known = {item.partition("=")[0] for item in image}
    asked = {name for name, _ in record["request"]["environment"]}
    given = {"HOSTNAME", "TERM", "container", *PROXIES, *(name.upper() for name in PROXIES)} - asked
    variables = record["spec"]["process"]["env"]
    return [
        item
        for item in variables
        if (name := item.partition("=")[0]) in known
        or not (name in given or (item == f"PATH={PATH}" and name not in asked))
    ]
