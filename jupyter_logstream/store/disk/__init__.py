"""The file store: append-only segments of bytes and an index beside them. Server and runner."""
