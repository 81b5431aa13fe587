"""Complaints from the field, each as its input and what a reader must get: text, levels, search, order, lifecycle."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from support.waiting import eventually

if TYPE_CHECKING:
    from support.web import Site


def writes(*parts: bytes, fd: int = 1) -> list[str]:
    """A program that writes these bytes with pauses in which the runner reads them."""
    code = f"import os, time\nfor part in {parts!r}:\n    os.write({fd}, part)\n    time.sleep(0.3)"
    return [sys.executable, "-c", code]


def writes_file(path: Path, data: bytes, fd: int = 1) -> list[str]:
    """The same for more than the arguments of a program can hold."""
    path.write_bytes(data)
    return ["/bin/sh", "-c", f"cat {path} >&{fd}"]


async def records(site: Site, workload_id: str, **filters: str) -> list[dict[str, Any]]:
    page = await site.get(f"v1/workloads/{workload_id}/records?{urlencode({'limit': 5000, **filters})}")
    return page["records"]  # type: ignore[no-any-return]


async def messages(site: Site, workload_id: str, **filters: str) -> list[str]:
    return [record["message"] for record in await records(site, workload_id, **filters)]


async def levels(site: Site, lines: list[str], fd: int = 1) -> list[str]:
    done = await site.run(writes("\n".join([*lines, ""]).encode(), fd=fd))
    return [record["level"] for record in await records(site, done)]


async def test_c2_a_question_on_the_terminal_is_visible_and_its_answer_is_in_no_record(site: Site) -> None:
    code = 'import getpass; p = getpass.getpass("Vault password: "); print("len", len(p))'
    asked = await site.start([sys.executable, "-c", code], stdin=True)
    stream = await site.stream(f"v1/events?stream=workload/{asked}")
    await stream.until(lambda s: "Vault password: " in bytes(s.raw).decode())
    assert (await site.request("POST", f"v1/workloads/{asked}/input", b"abc123\n")).status == 204
    await site.state(asked, "succeeded")
    found = await messages(site, asked)
    assert "len 6" in found
    assert "abc123" not in str(found)
    exact = await site.request("GET", f"v1/workloads/{asked}/log.txt")
    assert b"abc123" not in exact.body
    stream.close()


async def test_c3_what_a_program_writes_while_it_is_stopped_is_in_the_log(site: Site, tmp_path) -> None:
    (tmp_path / "w.py").write_text(
        "import signal, sys, time\n"
        "def bye(*a): print('saving'); time.sleep(0.2); print('saved'); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, bye); print('up')\nwhile 1: time.sleep(1)\n"
    )
    running = await site.start("sh -c 'python3 -u w.py; true'", cwd=str(tmp_path))

    async def is_up() -> bool:
        return "up" in await messages(site, running)

    await eventually(is_up)
    await site.request("POST", f"v1/workloads/{running}/cancel")
    await site.state(running, "cancelled")
    assert [text for text in await messages(site, running) if text.startswith("sav")] == ["saving", "saved"]


async def test_c4_only_line_feeds_end_lines(site: Site) -> None:
    text = '{"level":"warn","msg":"a\u2028b\u2029c\x85d"}\npage\x0cbreak\x0bvt\x1cfs\nend\n'
    done = await site.run(writes(text.encode()), tty=False)
    first, _, last = await records(site, done)
    assert first["level"] == "warn"
    assert len(json.loads(first["message"])["msg"]) == 7
    assert last["message"] == "end"
    assert [record["seq"] for record in await records(site, done, q="end")] == [3]


async def test_c5_both_sources_keep_the_order_in_which_they_were_written(site: Site) -> None:
    code = (
        "import os, time\nfor i in range(50):\n"
        "    os.write(1, b'o%d\\n' % i); time.sleep(.02); os.write(2, b'e%d\\n' % i); time.sleep(.02)"
    )
    done = await site.run([sys.executable, "-c", code])
    found = await records(site, done)
    for source, letter in ("stdout", "o"), ("stderr", "e"):
        assert [r["message"] for r in found if r["source"] == source] == [f"{letter}{i}" for i in range(50)]


async def test_c7_links_and_titles_leave_only_their_text(site: Site) -> None:
    link = (
        b"see \x1b]8;id=7;https://example.test/a?x=1;2\x1b\\report\x1b]8;;\x1b\\ and "
        b"\x1b]8;;javascript:alert(1)\x07trap\x1b]8;;\x07 end\n"
    )
    rest = b"\x1b]0;title\x07\x1b]9;4;1;40\x1b\\\x1b]52;c;aGk=\x07\x1b]133;A\x07step 1\x1b]9;4;0;0\x07\n"
    done = await site.run(writes(link + rest))
    assert await messages(site, done, q="/^see report and trap end$/")
    assert await messages(site, done, q="/^step 1$/")
    first, _ = await messages(site, done)
    assert "https://example.test/a?x=1;2" in first
    assert "javascript" not in first


async def test_c9_huge_counts_move_no_further_than_the_window(site: Site, tmp_path: Path) -> None:
    data = (
        b"x\x1b[999999999Cy\n\x1b[999999999Bz\n\x1b[2147483648;99999999999Hv\n\x1b[999999999@w\n"
        + b"\x1b[1m\x1b[31m\x1b[m" * 200_000
        + b"u\n"
    )
    done = await site.run(writes_file(tmp_path / "output.txt", data))
    for letter in "xyzvwu":
        assert await messages(site, done, q=letter), letter
    (first,) = await messages(site, done, q="x")
    assert len(first) < 500


async def test_c13_a_phrase_in_two_colours_is_found_and_escape_codes_are_not(site: Site) -> None:
    text = "\x1b[31mcon\x1b[1mnec\x1b[0mtion refused 7\nİİ zone apple\n"
    done = await site.run(writes(text.encode()))
    for query, count in (
        ("connection refused", 1),
        ("/^connection/", 1),
        ("31", 0),
        ("[1m", 0),
        ("mcon", 0),
        ("apple", 1),
        ("/(?i)APPLE/", 1),
    ):
        assert len(await messages(site, done, q=query)) == count, query


async def test_c14_markup_and_bytes_that_are_no_text_stay(site: Site) -> None:
    data = (
        b"[DEBUG] <step one:two\n<img src=x onerror=document.title='P'> &lt;b&gt;\n"
        b"nul\x00byte \x07bell \x9b31mC1 caf\xe9 \xed\xa0\x80\nlast\n"
    )
    done = await site.run(writes(data), tty=False)
    first, second, third, last = await records(site, done)
    assert first["message"] == "[DEBUG] <step one:two"
    assert second["message"] == "<img src=x onerror=document.title='P'> &lt;b&gt;"
    for part in "byte", "bell", "31mC1", "caf\ufffd":
        assert part in third["message"], part
    assert (last["seq"], last["message"]) == (4, "last")
    assert (await site.request("GET", f"v1/workloads/{done}/log.txt")).body == data


async def test_c16_a_line_is_what_a_terminal_shows(site: Site) -> None:
    data = (
        b"ETA: 10s 11s\rETA: 9s\nETA: 10s 11s\rETA: 9s\x1b[K\nLoading 10%\b\b\b25%\b\b\b100%\n"
        b"|#####     | 500/1000 [50%] in 4s\rsaved ckpt-500.pt\n\r\r\nlast\r\r\n"
    )
    first, second, third, fourth, fifth, sixth = await messages(site, await site.run(writes(data)))
    assert (first, second, third) == ("ETA: 9ss 11s", "ETA: 9s", "Loading 100%")
    assert fourth.startswith("saved ckpt-500.pt")
    assert (fifth, sixth) == ("", "last")


async def test_c17_a_download_of_2000_dots_is_2001_records_without_errors(site: Site, tmp_path: Path) -> None:
    dots = " ".join([".........."] * 5)
    lines = [f"{k * 50:6d}K {dots} {k * 100 // 1999:2d}% 66.0M {9 - k // 222}s" for k in range(2000)]
    data = "\n".join([*lines, "saved x.bin", ""]).encode()
    done = await site.run(writes_file(tmp_path / "output.txt", data, fd=2))
    workload = await site.workload(done)
    assert (workload["lines"], workload["levels"].get("error", 0)) == (2001, 0)
    assert len(await messages(site, done, q=" 98%")) == 20


@pytest.mark.parametrize("before_the_record", [b"", b"\r"])
async def test_c18_a_json_record_behind_a_bar_has_its_level(site: Site, before_the_record: bytes) -> None:
    bar = "Mapping:  20%|██        | 200/1000 [00:02<00:08, 99.1 examples/s]".encode()
    record = b'{"ts":"2026-01-02T03:04:05Z","level":"warning","event":"slow disk","ms":812}\n'
    done = await site.run(writes(bar, before_the_record + record))
    (found,) = await records(site, done, level="warn")
    assert "slow disk" in found["message"]
    if before_the_record:
        assert json.loads(found["message"])["ms"] == 812


async def test_c20_text_and_level_of_logfmt(site: Site) -> None:
    line = r'ts=2026-01-02T03:04:05Z lvl=warn msg="said \"hi\" = ok" tag=job=nightly path=C:\tmp\ empty= dry dur=1.5s'
    prose = "we know a = b so x==y and c="
    first, second = await records(site, await site.run(writes(f"{line}\n{prose}\n".encode())))
    assert (first["message"], first["level"]) == (line, "warn")
    assert (second["message"], second["level"]) == (prose, "unknown")


async def test_c23_words_are_levels_only_where_they_stand_for_one(site: Site) -> None:
    found = await levels(
        site,
        [
            "applied filterRule 7",
            "INFO  retry policy: failed attempts are kept",
            "INFO: 0 errors, 0 warnings",
            "error_rate=0.0 loss=0.2",
            "12:00:01 [ErrorHandler-1] INFO  c.x.FatalStore - up",
            "code=ERR_CLOSED level=debug",
            "terror, warning signs of infomercials",
            "Errors: none",
            "tests/test_error.py::test_warn PASSED",
            "\x1b[1;31mERROR\x1b[0m boom",
            "WARNING:root:x",
        ],
    )
    assert found[:3] == ["unknown", "info", "info"]
    assert found[4:7] == ["info", "debug", "unknown"]
    assert "error" not in (found[3], found[7], found[8])
    assert found[9:] == ["error", "warn"]


async def test_c24_a_level_field_wins_over_words(site: Site) -> None:
    found = await levels(
        site,
        [
            '{"message":"An error came up, retrying","level":"WARNING"}',
            '{"status":200,"referer":"https://example.test/q?levels=detected_level%7Cerror"}',
            '{"level":30,"time":1767323045678,"msg":"error budget ok"}',
            '{"level":50,"time":1767323045678,"msg":"x"}',
            '{"levelname":"WARNING","levelno":30,"message":"y"}',
            '{"level":402000000001,"msg":"z"}',
            '{"severity_number":9,"body":"failed"}',
            '{"error":null,"msg":"done"}',
            '{"severity":"notice","msg":"fatal flaw"}',
        ],
    )
    assert found[1] in {"unknown", "info"}
    assert found[7] != "error"
    assert [found[i] for i in (0, 2, 3, 4, 5, 6, 8)] == ["warn", "info", "error", "warn", "unknown", "info", "info"]


async def test_c25_standard_error_makes_no_line_an_error(site: Site) -> None:
    found = await levels(
        site,
        [
            'time="2026-01-31T22:23:26Z" level=info msg="reusing id"',
            *(f"{letter}0131 22:23:26.000000       1 main.go:7] error channel open" for letter in "IWEF"),
            "2026-01-31 22:23:26 UTC [99] LOG:  incomplete startup packet, error ignored",
            "<3>disk full",
            "2026/01/31 22:23:26 [warn] 7#7: *1 upstream failed",
            "Collecting numpy",
            "E0131 is a room",
        ],
        fd=2,
    )
    assert found == ["info", "info", "warn", "error", "fatal", "info", "error", "warn", "unknown", "unknown"]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exception groups came with Python 3.11")
async def test_c26_an_exception_group_is_one_error_up_to_its_closing_line(site: Site) -> None:
    code = (
        'import traceback\ninner = ExceptionGroup("inner", [TypeError("no len")])\n'
        'try: raise ExceptionGroup("two jobs failed", [ValueError("bad row 7"), inner])\n'
        'except BaseException: traceback.print_exc()\nprint("next")'
    )
    done = await site.run([sys.executable, "-c", code])
    found = await records(site, done)
    group = [record for record in found if record["message"] != "next"]
    assert {record["level"] for record in group} == {"error"}
    assert next(record for record in found if record["message"] == "next")["level"] != "error"
    first = (await site.get(f"v1/workloads/{done}/summary"))["first_error"]
    assert first is None or first["seq"] == group[0]["seq"]
