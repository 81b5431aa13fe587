"""Levels: what lines of plain output say of themselves. Runs where logs are written; stdlib, no I/O.

`claims` are the rules for one line, `hints` what makes many lines quick, `guesser` both together, `tracebacks` the
lines that belong to an error of another line. Bytes in, codes out: nothing here knows files, records or readers.
"""

from .claims import MARKER
from .guesser import Guesser, guess_level, places, plain
from .tracebacks import Tracebacks

__all__ = ["MARKER", "Guesser", "Tracebacks", "guess_level", "places", "plain"]
