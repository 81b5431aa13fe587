"""A real runner with small segments, so that a short run crosses their edges and meets retention. Stdlib only.

    python -I -S shrunk.py PACKAGE SEGMENT INDEX_SEGMENT FOLDER

As the local backend starts one; PACKAGE: the folder that holds `jupyter_logstream`.
"""

from __future__ import annotations

import runpy
import sys

if __name__ == "__main__":
    package, segment, entries = sys.argv[1:4]
    del sys.argv[1:4]
    sys.path.insert(0, package)
    from jupyter_logstream.store.disk import layout

    layout.SEGMENT, layout.INDEX_SEGMENT = int(segment), int(entries)  # before any module imports them
    runpy.run_module("jupyter_logstream.runner", run_name="__main__")
