"""`jupyter logstream follow` prints the lines of files and exits as other verbs that follow do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.waiting import until

if TYPE_CHECKING:
    from support.cli import Cli


def test_follow_detached_prints_the_id_that_logs_and_cancel_take(private: Cli) -> None:
    log = private.home.folder / "a.log"
    log.write_text("one\ntwo\n")
    job = private.out("follow", "-d", "a.log", "--tail", "1", "--name", "mine", "b.log").strip()
    until(lambda: private.out("logs", "mine").endswith("two\n"))
    assert private.json("ps")[0]["command"] == "jupyter logstream follow --tail=1 a.log b.log"
    private.out("cancel", job)
    assert private("logs", "-f", job).returncode == 143


def test_follow_prints_the_bytes_of_the_file(private: Cli) -> None:
    (private.home.folder / "c.log").write_bytes(b"\xff one\n\x1b[31mtwo\n")
    done = private("follow", "c.log", "--timeout", "0.5")
    assert (done.stdout, done.returncode) == (b"\xff one\n\x1b[31mtwo\n", 124)


def test_follow_of_a_file_outside_the_roots_is_refused(private: Cli) -> None:
    done = private("follow", "/etc/hostname")
    assert done.returncode == 125
    assert b"follow.paths[0]: leads outside the folders in which files may be followed" in done.stderr
    assert private("follow").returncode == 2
