"""For the helpers beside the tests of builds, and those of registries."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parents[1] / "oci")]
sys.path[:0] = [str(HERE.parents[1] / "images")]

from tests.images.conftest import registry as registry  # noqa: E402 - a fixture for here, too
