"""Publishing: log records and output of this process as a workload of its own. Runs where users run Python.

`log_handler` receives logging records, `capture` printed lines, `step` names steps. Each record is first written to a
`spool` on disk; `delivery` sends it to the server exactly once. This folder must not know the server side nor a widget.
"""
