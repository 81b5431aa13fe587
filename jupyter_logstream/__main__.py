"""Command line: `python -m jupyter_logstream`, as `jupyter logstream`. A process of its own."""

from __future__ import annotations

from jupyter_logstream.kernel.command_line import main

if __name__ == "__main__":
    raise SystemExit(main())
