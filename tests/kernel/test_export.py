"""`Workload.export`: a file that is complete or not there, and equal to what the handle reads."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import pandas as pd
import pytest
from support.published import place_of
from support.serving import Server, jupyter

from jupyter_logstream import Workload, run
from jupyter_logstream.kernel import source
from jupyter_logstream.kernel.errors import NoServer, NotFound, Rejected

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACE = "JUPYTER_LOGSTREAM_SERVER"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with jupyter(tmp_path_factory.mktemp("server"), base_url="/user/x%40y/") as made:
        yield made


@pytest.fixture(scope="module")
def place(server: Server) -> Path:
    return place_of(server)


@pytest.fixture
def job(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workload:
    """A workload that has ended, for a process in a folder of its own."""
    monkeypatch.setenv(PLACE, str(place))
    monkeypatch.chdir(tmp_path)
    return run("printf 'INFO one\\nWARNING two & more\\n'; echo ERROR three >&2; exit 1", key="the job").wait(60)


def test_parquet_file_equals_the_data_frame(job: Workload) -> None:
    path = job.export("run.parquet")
    assert path == Path("run.parquet")
    read, frame = pd.read_parquet(path), job.df()
    for name in "seq", "level", "message", "source":
        assert list(read[name].astype(str)) == list(frame[name].astype(str))
    assert list(read["ts"]) == list(frame["ts"].dt.round("us"))


def test_every_format_is_written_by_the_name_of_the_file(job: Workload, tmp_path: Path) -> None:
    assert job.export(tmp_path / "run.txt").read_text().count("\n") == 3
    assert job.export(str(tmp_path / "run.jsonl")).read_text().count('"resourceLogs"') == 3
    assert job.export(tmp_path / "RUN.HTML").read_text().startswith("<!DOCTYPE html>")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["RUN.HTML", "run.jsonl", "run.txt"]


def test_conditions_are_those_of_logs(job: Workload) -> None:
    assert job.export("a.txt", level="warn", exclude="three").read_text() == "WARNING two & more\n"
    assert job.export("a.txt", q="two & more").read_text() == "WARNING two & more\n"
    assert job.export("a.txt", levels=["error"], tail=1).read_text() == "ERROR three\n"
    assert job.export("a.txt", after=0, source="stderr").read_text() == "ERROR three\n"


def test_another_ending_names_those_that_there_are(job: Workload) -> None:
    with pytest.raises(ValueError, match=r"must end in \.parquet, \.jsonl, \.html or \.txt, not 'run\.csv'"):
        job.export("run.csv")


def test_failed_export_leaves_the_earlier_file_and_no_other(job: Workload, tmp_path: Path) -> None:
    target = job.export("run.txt")
    before = target.read_text()
    with pytest.raises(Rejected, match="level must be of"):
        job.export("run.txt", level="loud")
    with pytest.raises(NotFound):
        Workload("nothing").export("run.txt")
    with pytest.raises(FileNotFoundError) as failed:
        job.export("missing/run.txt")
    assert failed.value.filename == "missing/run.txt"
    assert target.read_text() == before
    assert list(tmp_path.iterdir()) == [tmp_path / "run.txt"]


def test_export_from_a_server_that_is_killed_leaves_no_file(
    job: Workload, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last test of this file: it ends the server."""
    long = run("seq -f 'line %.0f of a log that is long' 300000", tty=False).wait(60)
    written: list[int] = []
    original = source.save

    def killing(path: str, file: BinaryIO, *rest: Any) -> None:
        class Watched:
            def write(self, data: bytes) -> None:
                written.append(file.write(data))
                if len(written) == 1:
                    server.stop(signal.SIGKILL)

        original(path, Watched(), *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(source, "save", killing)
    with pytest.raises(NoServer):
        long.export("run.jsonl")
    assert written
    assert list(tmp_path.iterdir()) == []
