"""Twenty workloads of 200 lines a second each over one connection: is every line there, and how old is it on arrival?

Each line holds the time at which it was written. The reader parses every frame as it comes, as the page does.
"""

from __future__ import annotations

import http.client
import json
import sys
import time
from statistics import median, quantiles

from jupyter_logstream.wire.sse import Decoder

from .machine import TOKEN, Server, jupyter

WORKLOADS, RATE, SECONDS = 20, 200, 15
EMIT = """
import sys, time
rate, count = float(sys.argv[1]), int(sys.argv[2])
start = time.time()
for i in range(count):
    time.sleep(max(0, start + i / rate - time.time())); print(time.time() * 1000, flush=True)
"""


def cpu(pid: int) -> float:
    """Seconds of processor time of a process so far."""
    with open(f"/proc/{pid}/stat") as file:
        user, system = file.read().rpartition(") ")[2].split()[11:13]
    return (int(user) + int(system)) / 100


def measure(server: Server) -> dict[str, float]:
    command = [sys.executable, "-c", EMIT, str(RATE), str(RATE * SECONDS)]
    jobs = [server.call("POST", "logstream/v1/workloads", {"command": command})["id"] for _ in range(WORKLOADS)]
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    body = json.dumps({"streams": [{"stream": f"workload/{job}"} for job in jobs]})
    headers = {"Authorization": f"token {TOKEN}", "Content-Type": "application/json"}
    used, begin = cpu(server.process.pid), time.monotonic()
    connection.request("POST", "/logstream/v1/events", body, headers)
    reply, decoder = connection.getresponse(), Decoder()
    seqs: dict[str, list[int]] = {f"workload/{job}": [] for job in jobs}
    ages: list[float] = []
    while data := reply.read1(1 << 18):
        now = time.time() * 1000
        for event in decoder.feed(data):
            if event.type == "logs":
                frame = json.loads(event.data)
                seqs[frame["stream"]] += [record["seq"] for record in frame["logs"]]
                ages += [now - float(record["message"]) for record in frame["logs"]]
    used, took = cpu(server.process.pid) - used, time.monotonic() - begin
    assert all(found == list(range(1, RATE * SECONDS + 1)) for found in seqs.values()), "not whole, or not in order"
    steady = ages[len(ages) // 5 :]  # the first seconds start twenty interpreters
    return {
        f"{WORKLOADS} workloads of {RATE} lines/s: a line's age on arrival, ms (median)": median(steady),
        f"{WORKLOADS} workloads of {RATE} lines/s: a line's age on arrival, ms (p99)": quantiles(steady, n=100)[98],
        f"{WORKLOADS} workloads of {RATE} lines/s: the server's share of a core, %": 100 * used / took,
    }


def main() -> dict[str, float]:
    with jupyter() as server:
        return measure(server)


if __name__ == "__main__":
    print(json.dumps(main(), indent=1))
