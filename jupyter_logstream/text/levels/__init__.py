"""Levels of plain output lines, by their text. Runs where logs are written; stdlib, no I/O.

`rules` is the table of forms, `claims` judges one line by it, `prefilter` finds candidate lines fast, `guesser`
combines them for many lines, `tracebacks` gives the lines of a traceback their error's level. Bytes in, codes out:
nothing here knows files, records or readers.
"""

from .guesser import Guesser, guess_level, places, plain
from .rules import MARKER
from .tracebacks import Tracebacks

__all__ = ["MARKER", "Guesser", "Tracebacks", "guess_level", "places", "plain"]
