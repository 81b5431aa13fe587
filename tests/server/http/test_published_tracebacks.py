"""Tracebacks that are published line by line: their lines have the levels that lines of output would have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from support.web import Site

TRACEBACK = (
    "Traceback (most recent call last):",
    '  File "a.py", line 3, in <module>',
    "    main()",
    "ZeroDivisionError: division by zero",
)


async def levels(site: Site, *batches: list[dict[str, Any]], repeat: bool = False) -> list[str]:
    """The levels of the records after these batches, each of which is sent twice if `repeat` is set."""
    answer = await site.request("POST", "v1/workloads", json={"backend": "external"})
    path, after = f"v1/workloads/{answer.json['id']}", 0
    for batch in batches:
        for _ in range(2 if repeat else 1):
            sent = await site.request("POST", f"{path}/logs?after={after}", json=batch)
            assert sent.status == 202, sent.body
        after += len(batch)
    return [record["level"] for record in (await site.get(f"{path}/records"))["records"]]


def items(*texts: str) -> list[dict[str, Any]]:
    return [{"message": text} for text in texts]


async def test_every_line_of_a_published_traceback_is_an_error(site: Site) -> None:
    assert await levels(site, items("start", *TRACEBACK, "next")) == ["unknown", *["error"] * 4, "unknown"]


async def test_traceback_continues_in_the_next_batch_also_if_batches_are_repeated(site: Site) -> None:
    batches = [items("start", *TRACEBACK[:2]), items(*TRACEBACK[2:], "next")]
    assert await levels(site, *batches, repeat=True) == ["unknown", *["error"] * 4, "unknown"]


async def test_level_that_the_sender_names_is_kept_and_ends_the_traceback(site: Site) -> None:
    named = {"message": "    main()", "level": "info"}
    found = await levels(site, [*items(*TRACEBACK[:2]), named, *items("    1 / 0")])
    assert found == ["error", "error", "info", "unknown"]


async def test_message_of_several_lines_is_one_error(site: Site) -> None:
    assert await levels(site, items("\n".join(TRACEBACK), "  indented")) == ["error", "unknown"]
