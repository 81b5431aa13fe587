"""Read-only access to the local log stores for the time without a server. Command line; the one part that reads stores.

It never writes: repairs, retention and final states of what was killed are a server's task.
"""
