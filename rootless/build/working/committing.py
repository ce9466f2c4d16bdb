"""`commit`: the image of a working container. What is new in it becomes one layer, as buildah's."""

from __future__ import annotations

from rootless.build.cache.results import Result
from rootless.build.steps import finish, squashing
from rootless.containers import events
from rootless.errors import NotFound
from rootless.images.trees.stack import Stack
from rootless.store import pins
from rootless.teller import QUIET
from rootless.times import now, utc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.build.shape import Shape
    from rootless.build.state import State
    from rootless.build.working.container import Extra, Working
    from rootless.build.working.direct import Direct
    from rootless.images.collection import Images
    from rootless.teller import Teller


_COMMAND = "/bin/sh"
"""What buildah says a layer was made by of which nothing is said."""


class Wish:
    """What the image is to be."""

    def __init__(self, names: list[str], shape: Shape) -> None:
        """`shape` has what is to be left out, and whether all layers become one."""
        self.names = names
        self.shape = shape
        self.docker: bool | None = None
        """Whether it has a manifest of docker's form; None for what was said at the beginning."""
        self.epoch: int | None = None
        """When it counts as made (seconds since 1970), and all in it that is younger."""


def commit(images: Images, working: Working, wish: Wish, teller: Teller = QUIET) -> str:
    """Make the image; return its id. The container can be worked in further.

    Raises NotFound where the image that it began with is gone, Conflict, StoreError.
    """
    with working.step(teller) as line:
        _check_base(images, working)
        state, extra = working.state.branch(), working.extra
        first = 0 if wish.shape.squash == "all" else state.begun
        _tell(state, extra, first)
        if wish.epoch is not None:
            for step in state.history[extra.told :]:
                step["created"] = utc(wish.epoch)
        wish.shape.finish(state)
        _squash(line, working, state, first, wish.epoch)
        annotations = {**extra.annotations, **wish.shape.annotations}
        docker = extra.docker if wish.docker is None else wish.docker
        form = finish.Form(wish.names, annotations, docker=bool(docker))
        document = state.document(wish.epoch)
        image, _ = finish.name(line, working.paths, state.stack, document, form)
    events.tell(working.paths.root, working.container.record, "commit", comment=extra.comment)
    return image.partition(":")[2]


def _check_base(images: Images, working: Working) -> None:
    """Raise NotFound where the image that it began with is gone, with the blobs of its layers."""
    if not working.state.begun:
        return
    try:
        images.get(f"sha256:{working.container.record['image_id']}")
    except NotFound:
        record = working.container.record
        raise NotFound(
            f"cannot commit container {working.name}: its image {record['image']} was removed",
            "pull or load it again",
        ) from None


def _tell(state: State, extra: Extra, first: int) -> None:
    """Complete the history: with an entry for all that was changed and not told, as buildah's."""
    changed = len(state.stack.parts) > state.begun
    if extra.untold or extra.created_by or extra.comment or len(state.history) == extra.told:
        entry = {"created": now(), "created_by": extra.created_by or _COMMAND}
        if extra.comment:
            entry["comment"] = extra.comment
        if author := state.about.get("author"):
            entry["author"] = author
        state.history.append({**entry, **({} if changed else {"empty_layer": True})})
    if changed:
        state.created = state.history[-1]["created"]
    state.history = squashing.history(state.history, first)


def _squash(line: Direct, working: Working, state: State, first: int, epoch: int | None) -> None:
    """Make one layer of what is new."""
    new = len(state.stack.parts) - first
    is_whole = new == 1 and epoch is None and pins.is_pinned(working.paths, state.stack.chains[-1])
    if not new or is_whole:
        return
    value = squashing.squash(line, working.paths, state.stack, first, epoch)
    below = Stack(state.stack.parts[:first], state.stack.diff_ids[:first])
    state.stack = Result(value["layer"], value["notes"]).upon(below)
