"""A working container: a container of the store, and the image that is being made in it.

Its record has, besides all that any container's has, the state of a stage as a build has one: what
layers there are so far, which settings, what history. Each step makes a layer of what it changes,
and writes the record anew, in one piece. So the layers are those that a Dockerfile would make, with
the owners that were asked for, and the container can be started, listed and removed as any other.

What is written in it by other ways, through `mount` or by a start, lies in its writable layer until
the next step, which makes a layer of it first.
"""

from __future__ import annotations

import contextlib
import os

from rootless.build import leavings
from rootless.build.cache.living import Living
from rootless.build.cache.results import Results, key_of
from rootless.build.layering import layer
from rootless.build.place import Site
from rootless.build.state import State
from rootless.build.steps.run import StageImage
from rootless.build.steps.telling import Telling
from rootless.build.working.direct import Direct
from rootless.build.working.mounting import Shown
from rootless.containers.creation.create import Neighbours, compose
from rootless.containers.files.trees import ids_of, trees_of
from rootless.containers.record import read, write
from rootless.errors import Conflict, NotFound
from rootless.images.trees.stack import Stack
from rootless.runtime.supervision.ownership import LINKS
from rootless.runtime.userns import removal
from rootless.teller import QUIET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from rootless.build.cache.results import Result
    from rootless.containers.collection import Containers
    from rootless.containers.container import Container
    from rootless.containers.request import Fields
    from rootless.teller import Teller

    Document = dict[str, Any]
    Identity = tuple[str, str, list[str]]

LABEL = "io.rootless.working"
"""Of working containers, by which listings can be filtered; no image gets it."""

_LASTING = ("name", "created", "image", "image_id", "image_digest", "image_name")
"""What a record keeps though the settings become others."""

_SHELL = ["/bin/sh"]


class WorkingImage(StageImage):
    """What a container is composed of: the state of its image so far."""

    def __init__(self, paths: Site, state: State, identity: Identity) -> None:
        """`identity` is id, digest and names of the image that it began with."""
        super().__init__(paths, state.stack, state.settings)
        self.id, self.digest, self.names = identity


class Extra:
    """What is known of the image besides the state of a stage."""

    def __init__(self, document: Document | None = None) -> None:
        found = document or {}
        self.annotations: dict[str, str] = found.get("annotations", {})
        self.created_by: str = found.get("created_by", "")
        self.comment: str = found.get("comment", "")
        """Of the entry in the history that `commit` adds."""
        self.untold: bool = found.get("untold", False)
        """Whether something was changed of which the history has no entry."""
        self.told: int = found.get("told", 0)
        """How many entries of the history are those of the image that it began with."""
        self.docker: bool | None = found.get("docker")
        """Whether it was begun as an image of docker's form; None for nothing said."""
        self.fields: Fields = found.get("fields", {})
        """What its commands' containers are to be, where that is not as usual."""


class Working:
    """A working container."""

    def __init__(self, container: Container) -> None:
        self.container = container
        self.paths = Site(container.paths.root)
        self._load()

    def _load(self) -> None:
        document = self.container.record["working"]
        self.state = _loaded(document)
        self.extra = Extra(document["extra"])

    @property
    def name(self) -> str:
        """What it is called."""
        return self.container.name

    @contextlib.contextmanager
    def step(self, teller: Teller) -> Iterator[Direct]:
        """Work on it alone, from what it is by now; yield what steps speak to.

        What was written in it meanwhile has become a layer. Raises NotFound, Conflict where it
        runs or is mounted elsewhere.
        """
        held = self.container.lock()
        try:
            self.container.record = read(self.container.directory)
            self._load()
            if self.container.state(locked=True).active:
                raise Conflict(f"container {self.name} runs", f"rootless stop {self.name}")
            shown = Shown(self.container)
            with self._alive(), Direct(teller) as line:
                self._freeze(line, shown)
                try:
                    yield line
                finally:
                    shown.show_again(self.lowers())
        finally:
            os.close(held)

    @contextlib.contextmanager
    def _alive(self) -> Iterator[None]:
        """Have the cache keep what is made, and clean up after a step that did not end."""
        self.paths.prepare()
        leavings.sweep(self.paths)
        with Living(self.paths) as living:
            self.paths.build = living.id
            try:
                yield
            except BaseException:
                leavings.sweep_build(self.paths, living.id)
                raise

    def _freeze(self, line: Direct, shown: Shown) -> None:
        """Make a layer of what lies in the writable layer."""
        shown.hide()
        if not shown.has_changes:
            return
        trees = trees_of(self.container, since_image=False)
        ids = ids_of(self.container)
        result = layer(
            self.paths,
            self.state.stack,
            Telling(line),
            lambda making: making.add_changes(trees, ids, self.container.id, lambda: None),
        )
        self.take(result, "")
        for place in shown.written:
            if os.path.lexists(place):
                removal.empty(self.paths, place)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self.container.directory}/{LINKS}")

    def take(self, result: Result, text: str) -> None:
        """Put what a step has made on top; `text` is the history's word of it, "" for none."""
        if result.layer is not None:
            key = key_of("working", self.container.id, os.urandom(8).hex())
            Results(self.paths).put(key, result, self.state.stack, anew=True)
        self.state.stack = result.upon(self.state.stack)
        self.tell(text, result.notes.get("created", ""), empty=result.layer is None)
        self.save()

    def tell(self, text: str, created: str = "", *, empty: bool) -> None:
        """Tell of a step in the history, if it has a `text`."""
        if text:
            self.state.tell(text, created, empty=empty)
        elif not empty:
            self.extra.untold = True

    def lowers(self) -> list[str]:
        """Return the directories of its layers, lowest first."""
        return StageImage(self.paths, self.state.stack, {}).lowers()

    def mount(self) -> str:
        """Mount it, to be written into; return where. Raises Conflict, HostError."""
        shown = Shown(self.container)
        if place := shown.place:
            return place
        with self.step(QUIET):
            pass  # what was written before is a layer now
        held = self.container.lock()
        try:
            return Shown(self.container).show(self.lowers())
        finally:
            os.close(held)

    def save(self) -> None:
        """Write the record, as its settings have it now. Raises UsageError for what cannot be."""
        old = self.container.record
        request = old["request"]
        has_command = self.state.settings.get("Entrypoint") or self.state.settings.get("Cmd")
        request["command"] = [] if has_command else _SHELL
        identity: Identity = (old["image_id"], old.get("image_digest", ""), [])
        image = WorkingImage(self.paths, self.state, identity)
        near = Neighbours(old["networks"])
        new = compose(self.paths, request, image, id=self.container.id, near=near)
        kept = {key: old[key] for key in _LASTING if key in old}  # type: ignore[literal-required]
        new.update(kept)  # type: ignore[typeddict-item]
        new["working"] = document(self.state, self.extra)
        write(self.container.directory, new)
        self.container.record = new


def find(containers: Containers, name: str) -> Working:
    """Return the working container of that name or id. Raises NotFound."""
    container = containers.get(name)
    if "working" not in container.record:
        raise NotFound(
            f"container {container.name} is no working container", "rootless build from makes one"
        )
    return Working(container)


def document(state: State, extra: Extra) -> Document:
    """Return the plain values that a record has of both."""
    return {
        "parts": state.stack.parts,
        "diff_ids": state.stack.diff_ids,
        "settings": state.settings,
        "about": state.about,
        "history": state.history,
        "created": state.created,
        "begun": state.begun,
        "own_cmd": state.inherited.own_cmd,
        "extra": vars(extra),
    }


def _loaded(found: Document) -> State:
    state = State(Stack(found["parts"], found["diff_ids"]), found["settings"], found["about"])
    state.history, state.created = found["history"], found["created"]
    state.begun, state.inherited.own_cmd = found["begun"], found["own_cmd"]
    return state


def all_of(containers: Containers) -> list[Container]:
    """Return the working containers of a store, the oldest first."""
    found = [one for one in containers.list() if "working" in one.record]
    return sorted(found, key=lambda one: one.record["created"])
