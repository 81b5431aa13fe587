"""`make soak`: canaries and random faults for SECONDS (600), then a verdict. Not part of `make test`.

Two canaries run on one Jupyter server: one all the time, one ended and restarted with every turn. Meanwhile faults are
injected in an order that SEED decides: the server is killed, terminated, stopped; readers stop or crowd in;
a flood runs beside. Exit code 0 only if no line was missing, double, out of order, unsent or corrupt; what the
server takes of memory and descriptors is printed with every turn.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.canary.flight import Canary, Stream, end, flying, start
from support.running import kill_runners, memory
from support.serving import Server, jupyter
from support.waiting import until


def kill(server: Server, canary: Canary) -> None:
    """The server, by SIGKILL."""
    again(server, signal.SIGKILL)


def terminate(server: Server, canary: Canary) -> None:
    """The server, as `jupyter server stop` does."""
    again(server, signal.SIGTERM)


def again(server: Server, how: signal.Signals) -> None:
    server.stop(how)
    server.start(server.port)


def stop_server(server: Server, canary: Canary) -> None:
    """The server stands still for some seconds."""
    assert server.process
    server.process.send_signal(signal.SIGSTOP)
    time.sleep(3)
    server.process.send_signal(signal.SIGCONT)


def stop_reader(server: Server, canary: Canary) -> None:
    """A reader stands still for some seconds."""
    follower = canary._follower
    assert follower is not None
    follower.send_signal(signal.SIGSTOP)
    time.sleep(3)
    follower.send_signal(signal.SIGCONT)


def crowd(server: Server, canary: Canary) -> None:
    """Fifty readers come, read some lines, and go."""
    readers = [Stream(server, canary.workload) for _ in range(50)]
    until(lambda: all(reader.lines for reader in readers), 60)
    for reader in readers:
        reader.left = True
    for reader in readers:
        reader.join(30)


def flood(server: Server, canary: Canary) -> None:
    """A workload that writes as fast as it can, cancelled after some seconds."""
    workload = start(server, "yes 'a line of a flood, of about fifty bytes or so'", tty=False)
    time.sleep(4)
    server.http.post(f"{server.url}logstream/v1/workloads/{workload}/cancel")
    end(server, workload)
    server.http.delete(f"{server.url}logstream/v1/workloads/{workload}")


FAULTS = [kill, terminate, stop_server, stop_reader, crowd, flood]


def main(seconds: float, seed: int) -> int:
    """Sing and break until the time is over; 0 if nothing was lost."""
    rng = random.Random(seed)
    done: dict[str, int] = {fault.__name__: 0 for fault in FAULTS}
    with tempfile.TemporaryDirectory() as folder:
        try:
            with jupyter(Path(folder)) as server, flying(server, rate=200) as long:
                long.wait_for_lines(10)
                begun, bad = time.monotonic(), ""
                turns = 0
                while time.monotonic() - begun < seconds and not bad:
                    turns += 1
                    with flying(server, rate=rng.choice([50, 1000, 5000]), tty=rng.random() < 0.5) as canary:
                        canary.wait_for_lines(50)
                        for fault in rng.sample(FAULTS, 2):
                            fault(server, rng.choice([canary, long]))
                            done[fault.__name__] += 1
                            canary.wait_for_lines(50)
                        bad = landed(canary)
                    assert server.process
                    size = memory(server.process.pid, "VmRSS") >> 20
                    line = f"{turns} turns in {time.monotonic() - begun:.0f} s, {size} MB"
                    print(f"{line}, {len(os.listdir(f'/proc/{server.process.pid}/fd'))} descriptors", flush=True)
                bad = bad or landed(long)
        finally:
            kill_runners(Path(folder))
    print("faults:", ", ".join(f"{name} {count}" for name, count in done.items()), f"(SEED={seed})")
    print(f"BAD: {bad}" if bad else "GOOD: no line missing, double, out of order, unsent or corrupt")
    return 1 if bad else 0


def landed(canary: Canary) -> str:
    """What is wrong with a canary; "" if nothing is."""
    try:
        for name, verdict in canary.land(180).items():
            print(f"  {name}: {verdict}", flush=True)
    except AssertionError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), int(sys.argv[2])))
