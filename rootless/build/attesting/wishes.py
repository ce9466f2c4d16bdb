"""What is to be said of an image beside it."""

from __future__ import annotations

import os

from rootless.times import now

V02, V1 = "v0.2", "v1"
VERSIONS = (V02, V1)
"""Of SLSA's provenance; BuildKit's default is the first."""

MODES = ("min", "max")
"""How much provenance tells: max has arguments, labels and the Dockerfile as well."""


class Attesting:
    """The wishes of one build; by default nothing is said."""

    def __init__(self) -> None:
        self.sbom = False
        """Whether the packages are listed."""
        self.provenance = False
        self.mode = MODES[0]
        self.version = V02
        self.builder = ""
        """A URL: who has built it."""
        self.reproducible = False
        """Whether whoever builds says that it is."""
        self.told = ""
        """Whether whoever builds wants to know how it was made: min or max; empty for not."""
        self.begun = now()
        self.number = os.urandom(13).hex()[:25]
        """A name of the build, the same for all its platforms."""

    def __bool__(self) -> bool:
        return self.sbom or self.provenance
