"""The runner: one detached process per workload that owns the child and writes its log.

Only the runner signals the child. It survives the end of kernel, server and browser, and takes requests over the socket
in the workload's folder. It imports only the standard library and is forked from a fork server that has loaded it, so
it starts in a few milliseconds.
"""
