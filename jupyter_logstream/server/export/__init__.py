"""Exports of a log as a file: formats as values, written piece by piece. Server; no HTTP."""
