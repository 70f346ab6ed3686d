"""Progress: events that add up, bars on a terminal, lines elsewhere, a log for machines; none of it stops the work."""

import io
import json
import math
import os
import re
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import hardmine as hm
from hardmine.cli.main import main
from hardmine.plumbing import progress as progress_module
from hardmine.plumbing import progress_log
from hardmine.plumbing.progress import AlsoShown, Progress
from hardmine.plumbing.progress_log import ProgressLog
from tests.children import run_script
from tests.texts import random_beir, random_texts, write_jsonl

FIELDS = ["time", "event", "stage", "done", "total", "rate", "remaining", "elapsed"]


class Clock:
    """Time that passes when a test says so."""

    now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress_module, "time", clock)
    monkeypatch.setattr(progress_log, "time", clock)
    return clock


@pytest.fixture(scope="module")
def beir(tmp_path_factory):
    return random_beir(tmp_path_factory.mktemp("beir") / "collection", num_queries=6, num_documents=30)


@pytest.fixture(scope="module")
def collection(beir):
    return hm.Collection.read(beir)


def stages(events):
    """Events by stage; every stage is whole, counts up to its total and has sane figures."""
    found = {}
    for event in events:
        found.setdefault(event.stage, []).append(event)
    for stage, some in found.items():
        assert [some[0].kind, some[-1].kind] == ["start", "end"], stage
        assert {event.kind for event in some[1:-1]} <= {"progress"}
        assert some[0].done == 0
        assert some[-1].done == some[-1].total
        for before, after in pairwise(some):
            assert before.done <= after.done
            assert before.elapsed <= after.elapsed
        assert len({event.total for event in some}) == 1
        for event in some:
            assert event.rate is None or (math.isfinite(event.rate) and event.rate >= 0)
            assert event.remaining is None or (math.isfinite(event.remaining) and event.remaining >= 0)
        assert some[-1].remaining == 0
    return {stage: some[-1].total for stage, some in found.items()}


# Events


def test_rate_and_remaining_time(clock):
    seen = []
    with Progress("work", 40, seen.append) as bar:
        clock.now += 2
        bar.update(10)
        clock.now += 2
        bar.reach(16)
    assert [(event.kind, event.done, event.elapsed) for event in seen] == [
        ("start", 0, 0), ("progress", 10, 2), ("progress", 16, 4), ("end", 16, 4)
    ]  # fmt: skip
    assert [(event.rate, event.remaining) for event in seen] == [(None, None), (5, 6), (4, 6), (4, 6)]
    with pytest.raises(AttributeError):
        seen[0].done = 3


def test_no_time_and_nothing_to_do(clock):
    """No division by zero, and no NaN."""
    seen = []
    with Progress("none", 0, seen.append):
        pass
    with Progress("at once", 3, seen.append) as bar:
        bar.update(3)
    with Progress("slow start", 3, seen.append) as bar:
        clock.now += 1
        bar.update(0)
    figures = [(event.stage, event.kind, event.rate, event.remaining) for event in seen]
    assert figures == [
        ("none", "start", None, 0), ("none", "end", None, 0),
        ("at once", "start", None, None), ("at once", "end", None, 0),
        ("slow start", "start", None, None), ("slow start", "progress", 0, None), ("slow start", "end", 0, None),
    ]  # fmt: skip


def test_a_listener_hears_at_most_ten_events_a_second(clock):
    seen = []
    with Progress("work", 1000, seen.append) as bar:
        for _ in range(1000):
            clock.now += 0.01
            bar.update(1)
    assert 95 <= len(seen) <= 102
    assert (seen[-1].kind, seen[-1].done) == ("end", 1000)


def test_a_stage_that_fails_has_no_end(clock, capsys):
    seen = []

    def work():
        with Progress("work", 3, AlsoShown(seen.append)) as bar:
            clock.now += 1
            bar.update(1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert [event.kind for event in seen] == ["start", "progress"]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("wrong", [1, "no", None, np.True_, [print]])
def test_what_progress_may_be(collection, beir, wrong):
    message = "progress: .*, expected True, False or a callable"
    for call in (
        lambda: Progress("work", 1, wrong),
        lambda: hm.retrieve(collection, "bm25", progress=wrong),
        lambda: hm.mine(collection, "bm25", hm.Selection(), progress=wrong),
        lambda: hm.Collection.read(beir, progress=wrong),
        lambda: hm.teachers.load("bm25").index(["a"], progress=wrong),
    ):
        with pytest.raises(TypeError, match=message):
            call()


def test_every_stage_of_the_main_job(beir, tmp_path, capsys):
    seen = []
    read = hm.Collection.read(beir, progress=seen.append)
    mined = hm.mine(read, "bm25", hm.Selection(2), progress=seen.append)
    mined.write(tmp_path / "rows.jsonl", progress=seen.append)
    rows = len((tmp_path / "rows.jsonl").read_text().splitlines())
    pairs = len((tmp_path / "rows.provenance.jsonl").read_text().splitlines())
    size = sum((beir / name).stat().st_size for name in ("corpus.jsonl", "queries.jsonl", "qrels/train.tsv"))
    words = {word for text in read.document_texts.to_pylist() for word in text.lower().split()}
    assert stages(seen) == {
        "reading bytes of collection": size,
        "indexing documents": 30,
        "weighing words": len(words),
        "retrieving for queries": 6,
        "selecting negatives for queries": 6,
        "writing rows of rows.jsonl": rows + pairs,
    }
    assert capsys.readouterr().err == ""
    assert rows
    assert pairs


def test_stages_of_embeddings(collection):
    rng = np.random.default_rng(0)
    queries, documents = (rng.standard_normal((n, 4), dtype=np.float32) for n in (6, 30))
    seen = []
    run = hm.retrieve(collection, hm.teachers.precomputed(queries, documents), 3, progress=seen.append)
    rule = hm.Selection(1, ceiling=hm.NoCeiling())
    hm.Mined.from_runs(collection, [(run, rule), (run, rule)], progress=seen.append)
    assert stages(seen) == {"searching (query, document) pairs": 180, "selecting negatives for queries": 12}


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".parquet"])
def test_files_are_read_to_their_last_byte(tmp_path, suffix, monkeypatch):
    """With a corpus file too, in several steps, and where a file holds no row."""
    monkeypatch.setattr("hardmine.formats.rows._BATCH_ROWS", 64)
    monkeypatch.setattr("hardmine.formats.opening._BUFFER", 512)
    monkeypatch.setattr(progress_module, "_SECONDS_BETWEEN_EVENTS", 0)
    texts = random_texts(300, 0)
    rows = [{"query": f"query {i}", "positive": text} for i, text in enumerate(texts)]
    pairs, corpus = tmp_path / f"pairs{suffix}", tmp_path / f"corpus{suffix}"
    for path, some in ((pairs, rows), (corpus, [{"id": str(i), "text": text} for i, text in enumerate(set(texts))])):
        if suffix == ".parquet":
            pq.write_table(pa.Table.from_pylist(some), path)
        else:
            write_jsonl(path, some)
    seen = []
    read = hm.Collection.read(pairs, corpus=corpus, progress=seen.append)
    assert stages(seen) == {f"reading bytes of pairs{suffix}": pairs.stat().st_size + corpus.stat().st_size}
    assert len({event.done for event in seen}) > 4
    assert read.num_documents == len(set(texts))
    if suffix == ".parquet":
        empty = tmp_path / "none.parquet"
        pq.write_table(pa.Table.from_pylist([], schema=pa.schema([("text", pa.string())])), empty)
        with pytest.raises(hm.formats.FormatError, match="no documents"):
            hm.Collection.read(pairs, corpus=empty, progress=True)


def test_what_a_listener_raises_ends_the_work(collection):
    class EnoughError(Exception):
        pass

    def stop(event):
        if event.stage.startswith("retrieving"):
            raise EnoughError

    with pytest.raises(EnoughError):
        hm.retrieve(collection, "bm25", progress=stop)
    assert len(hm.retrieve(collection, "bm25", progress=False)) == 6


# Lines


def test_lines_without_a_terminal(clock, capsys):
    with Progress("embedding documents", 4000, progress=True) as bar:
        for _ in range(400):
            clock.now += 0.25
            bar.update(10)
    lines = capsys.readouterr().err.splitlines()
    left = {600: "1:25", 1200: "1:10", 1800: "0:55", 2400: "0:40", 3000: "0:25", 3600: "0:10"}
    assert lines == [
        *(f"embedding documents: {done:,} of 4,000, 40.0/s, {time} left" for done, time in left.items()),
        "embedding documents: 4,000 in 100.0 s, 40.0/s",
    ]


def test_a_line_of_nothing(clock, capsys):
    with Progress("reading", 0, progress=True):
        pass
    with Progress("slow", 10, progress=True) as bar:
        clock.now += 20
        bar.update(0)
    assert capsys.readouterr().err.splitlines() == ["reading: 0 in 0.0 s", "slow: 0 of 10", "slow: 0 in 20.0 s"]
    with Progress("work", 3, progress=False) as bar:
        bar.update(3)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("rate", "shown"),
    [(0.0123, "0.0123"), (0.5, "0.500"), (1, "1.0"), (33.12, "33.1"), (1234.4, "1,234"), (56.7e6, "56.7M"),
     (1.25e9, "1.2G"), (3e12, "3.0T")],
)  # fmt: skip
def test_rates_are_short(rate, shown):
    assert progress_module._short(rate) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00"), (59.6, "1:00"), (754, "12:34"), (3600, "1:00:00"), (90_061, "25:01:01")]
)
def test_times_are_clocks(seconds, shown):
    assert progress_module._clock(seconds) == shown


def test_a_stream_that_breaks_stops_nothing(monkeypatch):
    class Broken(io.StringIO):
        def isatty(self):
            return self.terminal

        def write(self, _):
            raise OSError(5, "Input/output error")

    for terminal in (False, True):
        stream = Broken()
        stream.terminal = terminal
        monkeypatch.setattr(sys, "stderr", stream)
        seen = []
        with Progress("work", 3, AlsoShown(seen.append)) as bar:
            for _ in range(3):
                bar.update(1)
        assert (seen[-1].kind, seen[-1].done) == ("end", 3)


# A terminal


ON_A_TERMINAL = """
import fcntl, pty, struct, subprocess, termios
master, slave = pty.openpty()
fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, {columns}, 0, 0))
child = subprocess.Popen(
    [sys.executable, *{command!r}], stdout=subprocess.PIPE, stderr=slave, stdin=subprocess.DEVNULL, text=True
)
os.close(slave)
shown = b""
while True:
    try:
        some = os.read(master, 65536)
    except OSError:  # the other end is closed
        break
    if not some:
        break
    shown += some
    {then}
child.communicate()
sys.stdout.write(repr((child.returncode, shown.decode())))
"""


def on_a_terminal(code, *, columns=100, then="pass"):
    code, shown = eval(run_script(ON_A_TERMINAL.format(command=["-c", code], columns=columns, then=then)))
    return code, shown.replace("\r\n", "\n")


SLOW = """
import time
from hardmine.plumbing.progress import Progress
with Progress("embedding documents", 20, progress=True) as bar:
    for _ in range(20):
        time.sleep(0.05)
        bar.update(1)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX")
def test_a_bar_on_a_terminal():
    pytest.importorskip("tqdm")
    code, shown = on_a_terminal(SLOW)
    assert code == 0
    assert re.search(r"embedding documents: +\d+%\|.*\d+/20 \[\d\d:\d\d<\d\d:\d\d, +\d+\.\d\d/s\]", shown), shown
    assert re.search(r"embedding documents: 20 in \d+\.\d s, \d+\.\d/s\n$", shown), shown


@pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX")
def test_ctrl_c_closes_the_bar():
    """What is printed behind it begins on a line that was wiped."""
    endless = SLOW.replace("in range(20)", "in range(10_000)")
    code, shown = on_a_terminal(endless, then="b' 10%' in some and child.send_signal(signal.SIGINT)")
    assert code in (-2, 130)
    assert re.search(r"\r +\rTraceback", shown), shown
    assert " in " not in shown.partition("Traceback")[0]


@pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX")
def test_lines_on_a_terminal_without_a_width():
    code, shown = on_a_terminal(SLOW, columns=0)
    assert code == 0
    assert re.fullmatch(r"embedding documents: 20 in \d+\.\d s, \d+\.\d/s\n", shown)


@pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX")
def test_a_terminal_that_has_gone_stops_nothing(tmp_path):
    out = tmp_path / "done"
    code = SLOW + f"open({str(out)!r}, 'w').write('done')\n"
    run_script(
        f"""
import pty, subprocess
import fcntl, struct, termios
master, slave = pty.openpty()
fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
child = subprocess.Popen([sys.executable, "-c", {code!r}], stderr=slave)
os.close(slave)
os.read(master, 1)  # the bar is there
os.close(master)
assert child.wait(60) == 0
"""
    )
    assert out.read_text() == "done"


# The command line


def logged(path):
    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert all(list(line) == FIELDS for line in found)
    return found


def test_quiet_and_log_json(beir, tmp_path, capsys):
    log, out = tmp_path / "log.jsonl", tmp_path / "rows.jsonl"
    mine = ["mine", str(beir), "--teacher", "bm25", "--output", str(out)]
    assert main([*mine, "--quiet"]) == 0
    quiet = capsys.readouterr()
    assert quiet.err == ""
    assert "rows in" in quiet.out
    assert main(mine) == 0
    shown = capsys.readouterr()
    assert shown.out == quiet.out
    titles = [line.partition(":")[0] for line in shown.err.splitlines()]
    assert titles == [
        "reading bytes of collection", "indexing documents", "weighing words", "retrieving for queries",
        "selecting negatives for queries", "writing rows of rows.jsonl",
    ]  # fmt: skip
    for options in (["--quiet"], []):
        assert main([*mine, *options, "--log-json", str(log)]) == 0
        assert (capsys.readouterr().err == "") == ("--quiet" in options)
    found = logged(log)
    whole = [line for line in found if line["event"] != "progress"]
    assert [line["stage"] for line in whole] == [title for title in titles for _ in range(2)] * 2  # added, not cut
    assert [line["event"] for line in whole] == ["start", "end"] * 12
    assert all(line["done"] == line["total"] for line in whole if line["event"] == "end")
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]) for line in found)


def test_every_command_that_shows_progress_can_be_quiet(beir, tmp_path, capsys):
    run, log = tmp_path / "run.hm", tmp_path / "log.jsonl"
    commands = [
        ["retrieve", beir, "--teacher", "bm25", "-k", "5", "--output", run],
        ["select", beir, run, "--output", tmp_path / "a.jsonl"],
        ["ensemble", beir, run, run, "--output", tmp_path / "b.jsonl"],
    ]
    for command in commands:
        for options in ([], ["--quiet"], ["--quiet", "--log-json", log]):
            assert main([str(word) for word in (*command, *options)]) == 0
            assert bool(capsys.readouterr().err) == (not options)
        stages = {line["stage"] for line in logged(log)}
        assert stages & {"reading bytes of collection", "retrieving for queries", "writing rows of b.jsonl"}
        log.unlink()


def test_demo_has_the_options(capsys):
    assert_help = pytest.raises(SystemExit)
    for command in ("demo", "mine", "retrieve", "select", "ensemble"):
        with assert_help:
            main([command, "--help"])
        shown = capsys.readouterr().out
        assert "--quiet" in shown
        assert "--log-json" in shown


def test_a_log_that_cannot_be_opened_is_refused_before_the_work(beir, tmp_path, capsys):
    (tmp_path / "folder").mkdir()
    (tmp_path / "corpus.jsonl").write_text('{"_id": "d1", "text": "a"}\n')
    out = tmp_path / "rows.jsonl"
    cases = {
        tmp_path / "gone" / "log": "the folder .* does not exist",
        tmp_path / "folder": "a folder, expected a file to write",
        tmp_path / "corpus.jsonl": "holds something else, expected a log of progress or a new file",
        out: "the file of --output, expected another",
    }
    if os.name != "nt":
        os.mkfifo(tmp_path / "pipe")
        cases[tmp_path / "pipe"] = r"\[Errno \d+\]"  # nobody reads
    for path, message in cases.items():
        code = main(["mine", str(beir), "--teacher", "bm25", "--output", str(out), "--log-json", str(path)])
        errors = capsys.readouterr().err
        assert code == 2
        assert len(errors.splitlines()) == 1, errors
        assert str(path) in errors
        assert re.search(message, errors), errors
        assert not out.exists()
    assert (tmp_path / "corpus.jsonl").read_text() == '{"_id": "d1", "text": "a"}\n'


def test_ctrl_c_leaves_a_log_of_what_was_done(beir, tmp_path):
    """The stage that was interrupted has no end, and no other has begun."""
    log = tmp_path / "log.jsonl"
    out = run_script(
        f"""
import hardmine
from hardmine.cli.main import main
def interrupted(*_, **__):
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(30)
hardmine.SparseIndex.search = interrupted
print(main(["mine", {str(beir)!r}, "--teacher", "bm25", "--output", {str(tmp_path / "rows.jsonl")!r},
            "--quiet", "--log-json", {str(log)!r}]))
"""
    )
    assert out.strip() == "130"
    found = [(line["event"], line["stage"]) for line in logged(log)]
    assert found[-2:] == [("end", "weighing words"), ("start", "retrieving for queries")]
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]


# The log


def test_a_log_has_a_line_a_second(clock, tmp_path):
    path = tmp_path / "log.jsonl"
    with ProgressLog(path) as log, Progress("work", 100, log) as bar:
        for _ in range(100):
            clock.now += 0.25
            bar.update(1)
    found = logged(path)
    assert [line["event"] for line in found] == ["start", *["progress"] * 25, "end"]
    assert found[0] | {"time": ""} == {
        "time": "", "event": "start", "stage": "work", "done": 0, "total": 100, "rate": None, "remaining": None,
        "elapsed": 0.0,
    }  # fmt: skip
    assert found[1] | {"time": ""} == {
        "time": "", "event": "progress", "stage": "work", "done": 4, "total": 100, "rate": 4.0, "remaining": 24.0,
        "elapsed": 1.0,
    }  # fmt: skip


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_log_stops_nothing(beir, tmp_path, capsys):
    out = tmp_path / "rows.jsonl"
    assert (
        main(["mine", str(beir), "--teacher", "bm25", "--output", str(out), "--quiet", "--log-json", "/dev/full"]) == 0
    )
    assert capsys.readouterr().err == "/dev/full: No space left on device; the log of the progress has gaps\n"
    assert out.is_file()


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
def test_a_reader_of_the_log_that_sleeps_or_has_gone_stops_nothing(tmp_path, capsys):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with ProgressLog(path) as log:
        for number in range(2_000):  # more than a pipe holds
            log(hm.ProgressEvent("start", "work", number, 2_000, 0.0))
        kept = os.read(reader, 1_000_000)
        os.close(reader)
        log(hm.ProgressEvent("end", "work", 2_000, 2_000, 0.0))
    assert kept.count(b"\n") > 100
    assert capsys.readouterr().err.count("the log of the progress has gaps") == 1


def test_a_line_that_was_cut_off_spoils_no_other(tmp_path, monkeypatch):
    path = tmp_path / "log.jsonl"
    write = os.write
    with ProgressLog(path) as log:
        monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:20]))
        log(hm.ProgressEvent("start", "work", 0, 1, 0.0))
        monkeypatch.setattr(os, "write", write)
        log(hm.ProgressEvent("end", "work", 1, 1, 0.0))
    first, second = path.read_text().splitlines()
    assert len(first) == 20
    assert json.loads(second)["event"] == "end"
    with ProgressLog(path) as log:  # and is no reason to refuse the file
        log(hm.ProgressEvent("start", "work", 0, 1, 0.0))
        log.close()
        log(hm.ProgressEvent("end", "work", 1, 1, 0.0))
    assert len(path.read_text().splitlines()) == 3


def test_a_log_goes_on_behind_a_line_that_was_cut_off(tmp_path):
    path = tmp_path / "log.jsonl"
    for _ in range(2):
        with ProgressLog(path) as log:
            log(hm.ProgressEvent("start", "work", 0, 1, 0.0))
        path.write_bytes(path.read_bytes()[:-9])  # a process that was killed, a disk that was full
    with ProgressLog(path) as log:
        log(hm.ProgressEvent("end", "work", 1, 1, 0.0))
    lines = path.read_text().splitlines()
    assert len(lines) == 3
    assert json.loads(lines[2])["event"] == "end"
