"""The registry of the tests of images, for those of mending."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS / "images"), str(TESTS / "oci")]

from tests.images.conftest import line as line  # noqa: E402 - a fixture for here, too
from tests.images.conftest import registry as registry  # noqa: E402 - a fixture for here, too
