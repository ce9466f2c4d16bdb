"""What a wheel has besides modules: manual pages, made from the Typer tree when it is built."""

from __future__ import annotations

import os
import sys
import tempfile
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ManualPages(BuildHookInterface):
    """Puts a page for each command into share/man of wherever the wheel is installed."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make the pages. An editable installation has none: they would be of another day."""
        if version == "editable":
            return
        sys.path.insert(0, self.root)
        import rootless

        rootless.__path__.append(self.root)  # a source distribution has no symbolic link to cli
        from rootless.cli import manual

        self.made = tempfile.TemporaryDirectory()
        manual.main([self.made.name])
        for name in sorted(os.listdir(self.made.name)):
            path = os.path.join(self.made.name, name)
            build_data["shared_data"][path] = f"share/man/man{manual.SECTION}/{name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what is in the wheel by now."""
        if version != "editable":
            self.made.cleanup()
