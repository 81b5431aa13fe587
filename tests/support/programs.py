"""What the tests of the runner run."""

from __future__ import annotations

import sys

PYTHON = sys.executable
