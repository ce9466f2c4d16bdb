"""A stage as it is so far: its layers, its settings, its history."""

from __future__ import annotations

from rootless.build.history import COMMENT
from rootless.build.settings import Inherited
from rootless.images.trees.stack import Stack
from rootless.oci import platform as platforms
from rootless.times import now, utc
from rootless.values import PATH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.images.image import Image

    Document = dict[str, Any]

_ABOUT = ("architecture", "os", "os.version", "os.features", "variant")


class State:
    """What the next instruction works upon."""

    def __init__(self, stack: Stack, settings: Document, about: Document) -> None:
        self.stack = stack
        self.settings = settings
        """The `config` of the image."""
        self.about = about
        """Platform and author."""
        self.history: list[Document] = []
        self.created = ""
        """When the topmost layer was made; what brings none counts as made then."""
        self.begun = len(stack.parts)
        """How many of its layers are those of the image that it began upon."""
        self.moment = ""
        """When all that is new counts as made; empty for when it is."""
        self.inherited = Inherited(settings)

    @staticmethod
    def of(image: Image) -> State:
        """Return the beginning of a stage upon an image."""
        config = image.config
        about = {key: config[key] for key in (*_ABOUT, "author") if config.get(key)}
        state = State(Stack.of(image), _copied(config.get("config") or {}), about)
        state.history = list(config.get("history") or [])
        state.created = str(config.get("created") or "")
        state._complete()
        return state

    @staticmethod
    def scratch(platform: str) -> State:
        """Return the beginning of a stage without files."""
        wanted = platforms.parse(platform) if platform else platforms.host()
        about = {"architecture": wanted.architecture, "os": wanted.os}
        if wanted.variant:
            about["variant"] = wanted.variant
        state = State(Stack([], []), {"WorkingDir": "/"}, about)
        state._complete()
        return state

    def _complete(self) -> None:
        listed = self.settings.get("Env") or []
        if not any(item.startswith("PATH=") for item in listed):
            self.settings["Env"] = [f"PATH={PATH}", *listed]

    def branch(self) -> State:
        """Return the beginning of a stage upon this one."""
        other = State(self.stack, _copied(self.settings), dict(self.about))
        other.history = list(self.history)
        other.created, other.moment, other.begun = self.created, self.moment, self.begun
        return other

    def tell(self, text: str, created: str = "", *, empty: bool) -> None:
        """Add an instruction to the history; `created` is when its layer was made."""
        self.created = self.moment or created or self.created
        step: Document = {"created": self.created, "created_by": text, "comment": COMMENT}
        if self.about.get("author"):
            step["author"] = self.about["author"]
        if empty:
            step["empty_layer"] = True
        self.history.append(step)

    def document(self, epoch: int | None) -> Document:
        """Return the configuration of the image that this is, without its layers."""
        created = self.created or now()
        if epoch is not None:
            created = utc(epoch)
        kept = {key: value for key, value in self.settings.items() if value}
        return {
            "created": created,
            **self.about,
            "config": kept,
            "rootfs": {},
            "history": [{**step, "created": step["created"] or created} for step in self.history],
        }


def _copied(value: Any) -> Any:
    """Return a JSON value that shares nothing with this one."""
    if isinstance(value, dict):
        return {key: _copied(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_copied(one) for one in value]
    return value
