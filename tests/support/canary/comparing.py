"""The canary's judge: what a reader got against what the writer sent. Values only, no I/O.

Every kind of damage has a name of its own, because each is another fault: `missing` (sent, never seen), `double` (seen
again), `disordered` (seen after a later one), `unsent` (never written) and `corrupt` (not the line that was written).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from support.canary.writer import filler


@dataclass
class Verdict:
    """What became of one run on its way to one reader. `latencies`: ns, of lines whose arrival is known."""

    run: str
    sent: int
    seen: int = 0
    missing: list[int] = field(default_factory=list)
    double: list[int] = field(default_factory=list)
    disordered: list[int] = field(default_factory=list)
    unsent: list[str] = field(default_factory=list)
    corrupt: list[str] = field(default_factory=list)
    latencies: list[int] = field(default_factory=list)

    @property
    def faults(self) -> dict[str, int]:
        """How many of each kind of damage, without those that did not occur."""
        kinds = ("missing", "double", "disordered", "unsent", "corrupt")
        return {kind: len(getattr(self, kind)) for kind in kinds if getattr(self, kind)}

    def latency(self, part: float) -> float:
        """Milliseconds that this part (0.5, 0.99) of the lines took at most; NaN if no arrival is known."""
        ordered = sorted(self.latencies)
        return ordered[min(int(part * len(ordered)), len(ordered) - 1)] / 1e6 if ordered else float("nan")

    def __str__(self) -> str:
        text = f"{self.run}: {self.seen} of {self.sent} lines"
        if self.latencies:
            text += f", p50 {self.latency(0.5):.1f} ms, p99 {self.latency(0.99):.1f} ms"
        for kind in self.faults:
            found = getattr(self, kind)
            text += (
                f"\n  {kind}: {len(found)}, the first {[item if kind in NUMBERS else item[:80] for item in found[:5]]}"
            )
        return text


NUMBERS = frozenset({"missing", "double", "disordered"})


def compare(run: str, sent: int, lines: Iterable[str], arrivals: Sequence[int] = ()) -> Verdict:
    """Judge lines in the order in which a reader got them. `sent`: the number that the writer reports.

    `arrivals`: the monotonic clock at each of them, in ns, where that is known.
    """
    verdict, seen, highest = Verdict(run, sent), set(), 0
    for i, line in enumerate(lines):
        number, at = read(line)
        if number is None:
            verdict.corrupt.append(line)
            continue
        if line.split(" ", 1)[0] != run or not 1 <= number <= sent:
            verdict.unsent.append(line)
            continue
        if number in seen:
            verdict.double.append(number)
            continue
        if number < highest:
            verdict.disordered.append(number)
        seen.add(number)
        highest = max(highest, number)
        if arrivals:
            verdict.latencies.append(arrivals[i] - at)
    verdict.seen = len(seen)
    verdict.missing = [number for number in range(1, sent + 1) if number not in seen]
    return verdict


def read(line: str) -> tuple[int | None, int]:
    """A line's number and when it was written; None where it is not a line as the writer makes them."""
    head, _, tail = line.rpartition(" ")
    words = head.split(" ")
    if len(words) != 3 or not (words[1].isdigit() and words[2].isdigit()) or filler(head, len(tail)) != tail:
        return None, 0
    return int(words[1]), int(words[2])
