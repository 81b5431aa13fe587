"""The canary's voice: a program that numbers and times every line it writes. Runs as a workload; stdlib only.

    python writer.py RUN COUNT RATE WIDTH STOP SENT

Writes `RUN SEQ MONOTONIC_NS FILLER` on standard output, COUNT lines at most (0: for ever), RATE a second (0: as fast as
it can), until the file STOP is there. FILLER is made of what stands before it, WIDTH characters of it, so that a line
that was changed on its way is seen. When it has written its last line it writes their number to the file SENT.
Beside the line it is about to write nothing is kept back: a line counts as sent when `write` has returned.
"""

from __future__ import annotations

import os
import sys
import time
import zlib


def line(run: str, seq: int, now: int, width: int) -> str:
    """One line, without its end."""
    head = f"{run} {seq} {now}"
    return f"{head} {filler(head, width)}"


def filler(head: str, width: int) -> str:
    """What must stand behind `RUN SEQ NS`: digits of a checksum, again and again."""
    digits = f"{zlib.crc32(head.encode()):08x}"
    return (digits * (width // 8 + 1))[:width]


def main(run: str, count: str, rate: str, width: str, stop: str, sent: str) -> None:
    """Write until COUNT or STOP."""
    begun, seq, apart = time.monotonic(), 0, 1 / float(rate) if float(rate) else 0.0
    while (not int(count) or seq < int(count)) and not (seq % 16 == 0 and os.path.exists(stop)):
        seq += 1
        if apart:
            time.sleep(max(begun + seq * apart - time.monotonic(), 0))
        data = line(run, seq, time.monotonic_ns(), int(width)).encode() + b"\n"
        while data:
            data = data[os.write(1, data) :]
    with open(f"{sent}.new", "w") as file:
        file.write(str(seq))
    os.replace(f"{sent}.new", sent)


if __name__ == "__main__":
    main(*sys.argv[1:])
