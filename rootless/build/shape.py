"""What an image is to be besides what its Dockerfile says: front ends' wishes, and their effect.

What is for the base (variables, labels that are not inherited) is done when a stage begins upon an
image, so that instructions win over it; the rest when the last stage has ended.
"""

from __future__ import annotations

from rootless.build import settings as configuration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.build.state import State

    Document = dict[str, Any]


class Shape:
    """The wishes. What is not said is as the Dockerfile has it."""

    def __init__(self) -> None:
        self.environment: list[tuple[str, str]] = []
        """Variables that each base gets."""
        self.unset_environment: list[str] = []
        """Variables that the image has not in the end."""
        self.unset_labels: list[str] = []
        """Labels that are not inherited from a base."""
        self.annotations: dict[str, str] = {}
        """Of the manifest."""
        self.os_version = ""
        self.os_features: list[str] = []
        self.omit_history = False
        self.squash = ""
        """own: one layer of all that are new; all: one of the base's as well; else empty."""

    def begin(self, state: State) -> None:
        """Change what a stage begins with upon an image, or upon nothing."""
        for name, value in self.environment:
            configuration.set_variable(state.settings, name, value)
        for name in self.unset_labels:
            (state.settings.get("Labels") or {}).pop(name, None)

    def finish(self, state: State) -> None:
        """Change what the last stage has become."""
        gone = set(self.unset_environment)
        listed = state.settings.get("Env") or []
        state.settings["Env"] = [item for item in listed if item.partition("=")[0] not in gone]
        if self.os_version:
            state.about["os.version"] = self.os_version
        if self.os_features:
            known = state.about.get("os.features") or []
            new = [feature for feature in self.os_features if feature not in known]
            state.about["os.features"] = [*known, *new]
        if self.omit_history:
            state.history = []
