"""Verification and repair of a log after a crash or damage. Imported when a log is opened."""
