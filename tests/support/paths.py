"""Paths of the repository that tests read. Test support."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "tests" / "vectors"
NOTEBOOKS = ROOT / "notebooks"
AXE = ROOT / "js" / "node_modules" / "axe-core" / "axe.min.js"
ENGINE_PROGRAMS = ROOT / "tests" / "engines" / "node" / "node_modules"
