"""Streams as cursors over frames, independent of HTTP. Server."""
