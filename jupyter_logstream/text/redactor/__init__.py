"""Masking of secrets in text: one `Redactor` for output, names, commands, errors, request log and service log. Pure.

A safety net, not a guarantee. Known values are found in every usual spelling (spellings.py, literals.py), unknown keys
by their shape (shapes.py), both also with colours or invisible characters inside (visible.py) and however a stream is
cut into chunks (redactor.py). Any process; stdlib.
"""

from .redactor import MASK, Redactor
from .values import MIN_SECRET_BYTES, SECRET_NAMES, BadMask, Masks, parse_masks, secret_values

__all__ = [
    "MASK",
    "MIN_SECRET_BYTES",
    "SECRET_NAMES",
    "BadMask",
    "Masks",
    "Redactor",
    "parse_masks",
    "secret_values",
]
