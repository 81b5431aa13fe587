"""Formats between processes: server-sent events, runner socket, JSON scanner, LLM usage. Any process; no I/O."""
