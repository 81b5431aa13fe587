"""Capturing: what a notebook or script itself does, as records of a workload of its own. Runs where users run Python.

`log_capture` listens to logging, `output_capture` to prints, `marking` names steps; each record goes into a `spool` on
disk before anything else, and `delivery` brings it to the server once. None of them knows the server side or a widget.
"""
