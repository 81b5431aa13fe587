"""Relay between views in a page and the server, over custom messages of a widget. Runs in kernels."""
