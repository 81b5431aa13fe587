"""The request log: a row for every call that notebooks and workloads make to other services. Server; no HTTP."""
