"""What the tests of attacks share: the archives made by hand of the tests of oci."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / "oci")]
