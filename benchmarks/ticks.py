"""The child of the latency runs: lines at a steady rate, each with the time (Unix ns) at which it was written.

python ticks.py RATE SECONDS
"""

import sys
import time


def main(rate: float, seconds: float) -> None:
    begin = time.perf_counter()
    for i in range(int(rate * seconds)):
        time.sleep(max(begin + i / rate - time.perf_counter(), 0))
        sys.stdout.buffer.write(b"%d %06d\n" % (time.time_ns(), i))
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(float(sys.argv[1]), float(sys.argv[2]))
