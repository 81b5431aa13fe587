"""A child for crash points: writes everything a log can hold, in chunks; the runner reads each before the next comes.

    python piecemeal.py FOLDER

Runs as a workload, stdlib only. It appends what it is going to write to FOLDER/sent.stdout and FOLDER/sent.stderr, and
stores the number of bytes that the runner has read for certain in FOLDER/taken.stdout and FOLDER/taken.stderr. A chunk
is therefore on disk, wherever the runner is killed, once the chunk after it is read. FOLDER/sent.all exists when the
last chunk is written. The child ends when no reader is left.
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
import sys
import termios
import time

from writer import line


def pieces() -> list[tuple[int, bytes]]:
    """(descriptor, bytes): lines of both outputs, steps, a progress bar, an over-long line, a flood, half a line."""
    out = [f"{line('out', seq, time.monotonic_ns(), 30)}\n".encode() for seq in range(1, 8)]
    err = [f"{line('err', seq, time.monotonic_ns(), 30)}\n".encode() for seq in range(1, 5)]
    flood = [f"{line('flood', seq, time.monotonic_ns(), 4000)}\n".encode() for seq in range(1, 22)]
    long = f"{line('long', 1, time.monotonic_ns(), 70_000)}\n".encode()
    return [
        (1, out[0] + b"::step:: load\n" + out[1]),
        (2, err[0] + err[1][:20]),
        (1, b"10%\r"),
        (1, b"20%\r30%\r"),
        (2, err[1][20:] + err[2]),
        (1, out[2]),
        (1, long),
        (1, b"::endstep:: failed\n::step:: flood\n" + out[3]),
        *[(1, b"".join(flood[i : i + 3])) for i in range(0, len(flood), 3)],
        (2, err[3][:-1]),
        (1, out[4] + out[5] + out[6][:-1]),
    ]


def main(folder: str) -> None:
    """Write all of it."""
    names = {1: "stdout", 2: "stderr"}
    taken = {1: 0, 2: 0}
    for fd, piece in pieces():
        with open(f"{folder}/sent.{names[fd]}", "ab") as sent:
            sent.write(piece)
        os.write(fd, piece)
        while struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0" * 4))[0]:
            poll = select.poll()
            poll.register(fd, 0)
            if poll.poll(1):  # no reader is left
                return
        for name, count in taken.items():  # those before the one that was just read
            with open(f"{folder}/taken.{names[name]}", "w") as file:
                file.write(str(count))
        taken[fd] += len(piece)
    open(f"{folder}/sent.all", "w").close()


if __name__ == "__main__":
    main(*sys.argv[1:])
