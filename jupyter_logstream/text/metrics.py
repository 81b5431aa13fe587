"""Metrics in output lines: named numbers such as `loss=0.21`, `acc: 0.93`, `12.3it/s`. Kernels; stdlib, values only.

A number whose name is ambiguous is left out. The page has the same rules (js/src/text/numbers.ts);
tests/vectors/metrics.json tests both. This file must not know where lines come from.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from .lines import STYLING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..model.records import Record

MAX_LINE_CHARS = 500
"""Characters of a line that are searched. Every pattern is linear in them: a line costs at most about 1 ms."""
_MAX_RAW_CHARS = 4 * MAX_LINE_CHARS  # with colours

_NUMBER = r"[-+]?(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?)"
_START = r"(?<![\w.])(?<!\d,)"  # a number begins once, so that a row of thousands is not searched from each comma
# Excludes parts of dates, addresses, versions and fractions, and percentages of progress bars.
_END = r"(?!\w|[.:/-]\d|%\s?[|(\[])"
_UNIT = r"(?P<unit>(?:[kKMGT]i?)?B|[kMG]|ns|us|µs|ms|s|sec|min)?"
_NAME = r"[A-Za-z_](?:[\w.@/-]{0,99}\w)?"
_WRAP = r"(?:tensor\(|(?:np\.|numpy\.)?float\d*\()?"

_PAIR = re.compile(
    rf"""(?<![\w.@/=-])(?P<q>["']?)(?P<name>{_NAME})(?P=q)\s*(?P<sep>[=:])(?P<gap>\s*)["']?{_WRAP}"""
    rf"(?P<number>{_NUMBER}|[-+]?(?i:nan|inf(?:inity)?)){_UNIT}{_END}",
    re.ASCII,
)
_WORD = re.compile(
    r"(?<![\w./-])(?P<name>[\w/]{0,100}(?:loss|acc|accuracy|lr|ppl|perplexity|reward|score|f1|auc|mse|mae|rmse|iou|bleu))"
    rf"\s+(?P<number>{_NUMBER}){_END}",
    re.ASCII,
)
_COUNTER = re.compile(
    r"(?<![\w.-])(?P<name>epoch|step|iter|iteration)\s*[\[#]?\s*(?P<number>\d+)(?![\w.])", re.ASCII | re.IGNORECASE
)
_THING = (
    r"(?P<thing>it|step|img|image|sample|tok|token|example|ex|row|batch|item|doc|record|req|request|file|line|msg|"
    r"epoch|frame|word|game|episode)(?:e?s)?"
)
_RATE = re.compile(
    rf"{_START}(?P<number>{_NUMBER})\s?(?:(?P<scale>[kKMGT]i?)?(?P<bytes>B)|(?P<many>[kM])?\s?{_THING})/s(?:ec)?\b",
    re.ASCII,
)
_PACE = re.compile(rf"{_START}(?P<number>{_NUMBER})\s?(?P<unit>ns|us|µs|ms|s|min)/{_THING}\b", re.ASCII)

_WORKER = re.compile(
    r"(?<![\w-])(?:(?P<rank>(?:local_)?rank|worker)(?:[\"']?\s?[=:#]\s?|[ -]?)|(?P<gpu>gpu)[=:# ]?)"
    r"(?P<number>\d{1,5})(?![\w.%])",
    re.ASCII | re.IGNORECASE,
)

_NOT_MEASURED = frozenset({
    "port", "pid", "ppid", "tid", "line", "id", "rank", "local_rank", "world_size", "seed", "year", "version", "v",
    "code", "status", "uid", "gid", "exit", "col", "lineno",
})  # fmt: skip
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0, "min": 60.0}


def numbers(line: str) -> dict[str, float]:
    """The named numbers of a line by name, in their order; a repeated name has its last number.

    NaN stands for a number that is not finite: a gap. Times are in seconds, sizes in bytes; `1.25s/it` becomes the rate
    `it/s`; a percentage keeps its number. The number of a worker (`rank=3`) is none: see `worker`.
    """
    text = _searched(line)
    found: list[tuple[int, str, float]] = []
    claimed = bytearray(len(text))
    if named_worker := _WORKER.search(text):
        _claim(claimed, named_worker)
    for pattern, read in ((_PACE, _pace), (_RATE, _rate), (_PAIR, _pair), (_WORD, _plain), (_COUNTER, _counter)):
        for match in pattern.finditer(text):
            if 1 in claimed[match.start() : match.end()]:
                continue
            named = read(match)
            if named is not None:
                _claim(claimed, match)
                found.append((match.start(), *named))
    return {name: number for _, name, number in sorted(found, key=lambda one: one[0])}


def worker(line: str) -> str | None:
    """The worker that a line names, `rank 3` or `gpu 0`: in `[rank3]: `, `rank=3`, `local_rank: 3`, `gpu:0`."""
    match = _WORKER.search(_searched(line))
    return None if match is None else f"{(match['rank'] or match['gpu']).lower()} {int(match['number'])}"


def _searched(line: str) -> str:
    return STYLING.sub("", line[:_MAX_RAW_CHARS])[:MAX_LINE_CHARS]


def _claim(claimed: bytearray, match: re.Match[str]) -> None:
    start, end = match.span()
    claimed[start:end] = b"\1" * (end - start)


def columns(records: Iterable[Record], names: tuple[str, ...] = ()) -> dict[str, list[Any]]:
    """A table of the named numbers of records: the columns `seq`, `ts` (Unix ms), `step`, and one per name.

    One row for each record with a number; None in columns whose name it lacks, and for a number that is not finite.
    `names`: only these, in this order. Where lines name workers (`rank=3`), the column `worker` has them.
    """
    rows = []
    for record in records:
        named = numbers(record.message)
        if any(name in named for name in names) if names else named:
            rows.append((record, named))
    wanted = names or tuple(dict.fromkeys(name for _, named in rows for name in named))
    table: dict[str, list[Any]] = {
        "seq": [record.seq for record, _ in rows],
        "ts": [record.ts for record, _ in rows],
        "step": [record.step for record, _ in rows],
    }
    if any(workers := [worker(record.message) for record, _ in rows]):
        table["worker"] = workers
    for name in wanted:  # a number named like one of the first columns gets a trailing underscore
        table[name if name not in table else f"{name}_"] = [_finite(named.get(name)) for _, named in rows]
    return table


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None


def _value(text: str) -> float:
    return float(text.replace(",", ""))


def _scale(unit: str) -> float:
    """The factor of a unit prefix: 1000 for `k`, 1024 for `Ki`."""
    power = "kMGT".find(unit[:1].replace("K", "k")) + 1 if unit else 0
    return float((1024 if unit[1:2] == "i" else 1000) ** power)


def _pair(match: re.Match[str]) -> tuple[str, float] | None:
    name, number, unit = match["name"], match["number"], match["unit"] or ""
    # localhost:8080 and app.py:12 are no metrics.
    if match["sep"] == ":" and not match["gap"] and not match["q"] and not re.search(r"[.eE%]", number + _after(match)):
        return None
    if name.lower().rpartition("/")[2] in _NOT_MEASURED:
        return None
    if number[-1].isalpha():  # nan, inf
        return name, math.nan
    factor = _SECONDS.get(unit) or _scale(unit.removesuffix("B"))
    return name, _value(number) * factor


def _after(match: re.Match[str]) -> str:
    return match.string[match.end() : match.end() + 1]


def _plain(match: re.Match[str]) -> tuple[str, float]:
    return match["name"], _value(match["number"])


def _counter(match: re.Match[str]) -> tuple[str, float]:
    return match["name"].lower(), float(match["number"])


def _rate(match: re.Match[str]) -> tuple[str, float]:
    if match["bytes"]:
        return "B/s", _value(match["number"]) * _scale(match["scale"] or "")
    return f"{match['thing']}/s", _value(match["number"]) * _scale(match["many"] or "")


def _pace(match: re.Match[str]) -> tuple[str, float] | None:
    seconds = _value(match["number"]) * _SECONDS[match["unit"]]
    return (f"{match['thing']}/s", 1 / seconds) if seconds > 0 else None
