"""Formats between processes: server-sent events, the runner socket, JSON scanning, LLM usage. Any process."""
