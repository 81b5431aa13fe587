"""Every test of this folder runs with a clean environment."""

from __future__ import annotations

from support.environment import own_environment

__all__ = ["own_environment"]
