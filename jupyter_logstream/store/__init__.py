"""Storage and queries of log streams. Server and runner."""
