"""Queries over one stream: filters, search, summary. Server."""
