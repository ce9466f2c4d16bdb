"""For the helpers of the folder above."""

from __future__ import annotations

import os
import sys

# Under --import-mode=importlib pytest leaves sys.path alone.
sys.path.insert(0, os.path.dirname(os.path.dirname(__file__)))
