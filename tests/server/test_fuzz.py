"""Property-based tests: readers keep their promises for any bytes from programs, callers, servers or broken disks.

Examples are derived from the tests (`derandomize`), so that a failure is reproducible.
"""

from __future__ import annotations

import json
import random
import re
import shutil
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support.on_disk import ID, downloaded, folder_of, opened
from support.segments import shrink

from jupyter_logstream.model.records import LEVELS, Record
from jupyter_logstream.model.spec import SpecError, check_spec
from jupyter_logstream.server.http.body import BadJson, parse_json
from jupyter_logstream.store.disk.writer import LogWriter
from jupyter_logstream.store.errors import BadIndex, UnknownStream
from jupyter_logstream.text.ansi_html import as_html
from jupyter_logstream.text.lines import MAX_TEXT_BYTES, Splitter, clean
from jupyter_logstream.text.published import check_items
from jupyter_logstream.text.terminal import plain_text
from jupyter_logstream.wire.sse import Decoder, encode

if TYPE_CHECKING:
    from pathlib import Path

fuzz = settings(
    max_examples=300,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],  # no shrinking: with files it takes minutes
)
PIECES = [b"\n", b"\r", b"\r\n", b":", b"data", b"data:", b"id:", b"id: 1\0", b"event: done\n", b"retry:9999999999\n",
          b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\xff", b"\0", b"\x1b[31m", b"\x1b]8;;javascript:x\x07", b"\x1b[", b"\x9b",
          "ü€\U0001f600".encode(), b"::step:: x\n", b"x" * 300]  # fmt: skip
text_like = st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=6)), max_size=30).map(b"".join)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def cut(data: bytes, seed: int) -> list[bytes]:
    places = sorted(random.Random(seed).choices(range(len(data) + 1), k=5))
    return [data[a:b] for a, b in pairwise([0, *places, len(data)])]


@fuzz
@given(text_like, st.integers())
def test_decoded_events_do_not_depend_on_chunk_boundaries(data: bytes, seed: int) -> None:
    whole, pieces = Decoder(), Decoder()
    expected = whole.feed(data)
    found = [event for piece in cut(data, seed) for event in pieces.feed(piece)]
    assert found == expected
    assert (pieces.last_event_id, pieces.retry) == (whole.last_event_id, whole.retry)
    assert all("\0" not in event.id and "\n" not in event.id for event in found)


@fuzz
@given(st.text(max_size=200), st.integers(min_value=0, max_value=10**17))
def test_any_text_round_trips_as_exactly_one_event(text: str, seq: int) -> None:
    (event,) = Decoder().feed(encode(text, id=seq))
    lines = re.split("\r\n|\r|\n", text.encode("utf-8", "replace").decode())
    assert (event.type, event.id, event.data) == ("message", str(seq), "\n".join(lines))


@fuzz
@given(text_like, st.integers())
def test_lines_do_not_depend_on_chunk_boundaries(data: bytes, seed: int) -> None:
    def split(chunks: list[bytes]) -> tuple[list[int], list[bytes]]:
        splitter, lengths, texts = Splitter(), [], []
        for lines in [*(splitter.feed(chunk) for chunk in chunks), splitter.finish()]:
            lengths += lines.lengths
            texts += lines.texts
        return lengths, texts

    lengths, texts = split([data])
    assert (lengths, texts) == split(cut(data, seed))
    assert sum(lengths) == len(data)
    assert all(len(text) <= MAX_TEXT_BYTES and b"\n" not in text for text in texts)


@fuzz
@given(text_like)
def test_no_text_becomes_an_element_or_an_escape(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    assert not re.search("\x1b(?!\\[[0-9;:]*m)", clean(text))
    page = as_html(text)
    assert not re.sub(r'</?span(?: style="[a-z0-9:;#, -]*")?>', "", page).count("<")
    assert "\x1b" not in page + plain_text(text)


@fuzz
@given(st.one_of(text_like, anything.map(lambda value: json.dumps(value).encode())))
def test_body_is_strict_json_or_refused(data: bytes) -> None:
    try:
        value = parse_json(data)
    except BadJson as error:
        message = str(error)
        assert len(message) < 200
        return
    assert parse_json(json.dumps(value).encode()) == value
    assert "NaN" not in json.dumps(value, allow_nan=True) or b"NaN" in data


FIELDS = ["command", "name", "cwd", "env", "backend", "options", "timeout", "tty", "stdin", "tags", "key", "again"]


@fuzz
@given(st.dictionaries(st.sampled_from(FIELDS), anything, max_size=4), st.booleans())
def test_spec_is_valid_or_its_invalid_field_is_named(given: dict[str, Any], runs: bool) -> None:
    given = {"command": "true", **given} if runs else given
    try:
        spec = check_spec(given)
    except SpecError as error:
        field = error.field.split(".")[0].split("[")[0]
        assert field in {*given, "command"}
        return
    assert json.loads(json.dumps(spec.to_json()))["command"] == spec.command


ITEMS = ["message", "level", "ts", "step", "fields", "state"]


@fuzz
@given(st.lists(st.one_of(anything, st.dictionaries(st.sampled_from(ITEMS), anything)), max_size=3))
def test_published_items_become_records_or_the_invalid_one_is_named(items: list[Any]) -> None:
    try:
        published = check_items(items, 1e12)
    except SpecError as error:
        message = str(error)
        assert re.match(r"\[\d+\]", message)
        return
    for record in published[0]:
        assert record.level in LEVELS
        assert Record.from_json({**record.to_json(), "seq": 1}).message == record.message


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A log whose writer was killed, and one that has ended; of several segments, over its bound."""
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch, 500, 16)
        root = tmp_path_factory.mktemp("logs")
        for name in "open", "ended":
            folder = root / name / ID
            folder.mkdir(parents=True)
            log = LogWriter(folder, keep=1500)
            for i in range(60):
                log.write("stdout", b"INFO line %d of the output\n" % i)
                if i % 5 == 0:
                    log.write("stderr", b"err %d\r\n" % i)
                if i % 7 == 0:
                    record = Record(0, 1e12 + i, "warn", f"m{i}", step=f"s{i % 3}", source="log", fields={"i": i})
                    log.publish([record])
            log.write("stdout", b"half")
            log.close() if name == "ended" else log.release()
        yield root


@st.composite
def damage(draw: Any) -> tuple[int, str, int, bytes]:
    kind = draw(st.sampled_from(["delete", "cut", "zeros", "bytes", "empty", "json"]))
    json_like = st.sampled_from([b"{", b"[]", b"null", b"{}", b'{"first": 1, "ends": []}', b'{"first": 10000000}'])
    wrong = draw(json_like if kind == "json" else st.binary(min_size=1, max_size=12))
    return draw(st.integers(0, 100)), kind, draw(st.integers(0, 10_000)), wrong


def spoil(folder: Path, which: int, kind: str, at: int, wrong: bytes) -> Path:
    """Damage one of the log's files."""
    paths = sorted(path for path in folder.iterdir() if path.name != "end")
    path = paths[which % len(paths)]
    data = path.read_bytes()
    at %= len(data) + 1
    if kind == "delete":
        path.unlink()
        return path
    changed = {"cut": data[:at], "zeros": data[:at] + bytes(len(data) - at), "empty": b"", "json": wrong}
    path.write_bytes(changed.get(kind, data[:at] + wrong + data[at + len(wrong) :]))
    return path


@pytest.mark.timeout(100)
@pytest.mark.parametrize("which", ["open", "ended"])
@settings(fuzz, max_examples=150)
@given(damages=st.lists(damage(), min_size=1, max_size=2))
def test_damaged_log_yields_no_wrong_record_and_continues(
    logs: Path, which: str, damages: list[tuple[int, str, int, bytes]]
) -> None:
    folder = folder_of(logs / "store")
    shutil.rmtree(folder)
    shutil.copytree(logs / which / ID, folder)
    bytes_damaged = any(
        not spoil(folder, *one).name.startswith(("index", "kept", "steps", "masked")) for one in damages
    )
    with opened(logs / "store") as store:
        try:
            found: list[Record] = []
            while len(batch := store.read(ID, found[-1].seq if found else 0, 1000)):
                found += batch.records()
            batch.tally()
            batch.partials()
        except (BadIndex, UnknownStream):  # 503, 404: message, not guessed
            assert which == "open", damages  # another process could be writing it
            found = []
    seqs = [record.seq for record in found]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs))) if seqs else True
    if not bytes_damaged:
        output = downloaded(folder).decode()
        for record in found:
            assert record.source in {"log", "system"} or record.message in output
    if which == "ended":  # it has no writer
        return
    log = LogWriter(folder)
    log.write("stdout", b"\nafter the damage\n")
    log.close()
    with opened(logs / "store") as store:
        batch = store.read(ID, 0, 0)
        last = [r.message for r in store.read(ID, max(batch.end - 4, 0), 10).records()]
    assert "after the damage" in last
