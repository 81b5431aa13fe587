"""The version of the package, in one place. Any process; imports nothing."""

__version__ = "0.1.0"
