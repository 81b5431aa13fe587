"""The child of the throughput runs: N lines of 100 bytes as fast as it can. Its first line has the start time.

python emit.py N

It buffers as programs do whose output is a pipe, also where `PYTHONUNBUFFERED` is set (as it is for workloads): beside
whatever reads it, the same child writes in the same way.
"""

import sys
import time

LINE_BYTES = 100


def main(count: int) -> None:
    with open(sys.stdout.fileno(), "wb", closefd=False) as out:
        write = out.write
        write(b"%-*d\n" % (LINE_BYTES - 1, time.time_ns()))
        pad = b"x" * (LINE_BYTES - 11)
        for i in range(1, count):
            write(b"%09d %s\n" % (i, pad))


if __name__ == "__main__":
    main(int(sys.argv[1]))
