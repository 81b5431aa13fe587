"""The runner: one detached process per workload. It owns the child, its terminals and its end, and writes its log.

It alone signals the child. It lives through the end of kernel, server and browser, needs nobody to read what it writes,
and is told what to do over the socket in the folder (`control`). stdlib only: it starts in tens of milliseconds.
"""
