"""Inputs that change during the call, lists that are long, memory that is refused: none of it hangs, crashes or aborts.

Everything runs in a process of its own that is killed where it takes far longer than it may.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from hardmine.primitives.fuse import METHODS
from tests.children import delays_of_ctrl_c

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 150
"""Seconds after which a child is killed; its work takes some."""


def child(code):
    """Output of a Python script in a fresh process; fails on a hang, a crash or an abort."""
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=PATIENCE, cwd=ROOT
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


WRITER = """
import sys, threading, numpy as np, hardmine as hm
sys.setswitchinterval(1e-4)

def while_writing(calls, arrays):
    '''Runs every call often while a thread writes old and new values into the arrays.'''
    stop = threading.Event()
    def write():
        old = [array.copy() for array in arrays]
        new = [array[::-1].copy() if i % 2 else np.roll(array, array.size // 3) for i, array in enumerate(arrays)]
        wild = [np.random.default_rng(0).integers(-2**62, 2**62, a.size) if a.dtype == np.int64 else -a for a in arrays]
        while not stop.is_set():
            for values in (new, wild, old):
                for array, value in zip(arrays, values):
                    array[:] = value
    writer = threading.Thread(target=write)
    writer.start()
    finished = 0
    try:
        for call in calls:
            try:
                call()
                finished += 1
            except (ValueError, MemoryError) as error:
                assert "bug" not in str(error)
    finally:
        stop.set()
        writer.join()
    print("ended", finished)
"""


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("part", ["ids", "scores", "offsets"])
def test_fuse_ends_whatever_another_thread_writes(method, part):
    out = child(
        WRITER
        + f"""
rows, width = 40, 1000
offsets = np.arange(rows + 1) * width
ids = np.tile(np.arange(width), rows)
scores = np.tile(np.linspace(1, 0, width, dtype=np.float32), rows)
one = hm.Candidates(offsets, ids, scores)
two = hm.Candidates(offsets.copy(), ids[::-1].copy(), scores.copy())
assert np.shares_memory(one.ids, ids) and np.shares_memory(one.scores, scores)
import hardmine._native as _native
runs = [{{"lists": (run.offsets, run.ids), "scores": run.scores, "weight": 1.0}} for run in (one, two)]
call = lambda: _native.fuse(runs, {method!r}, 60.0, 1, 2**60, 2)
while_writing([call] * 60, [{part}])
"""
    )
    assert out.startswith("ended")


@pytest.mark.parametrize("part", ["ids", "scores", "offsets", "ranks", "groups", "named", "labels"])
def test_select_ends_whatever_another_thread_writes(part):
    out = child(
        WRITER
        + f"""
rows, width, documents = 200, 60, 500
rng = np.random.default_rng(0)
offsets = np.arange(rows + 1) * width
ids = np.concatenate([rng.permutation(documents)[:width] for _ in range(rows)])
scores = np.tile(np.linspace(1, 0, width, dtype=np.float32), rows)
ranks = np.tile(np.arange(1, width + 1, dtype=np.int32) * 2, rows)
groups = rng.integers(0, 100, documents)
named = rng.integers(0, documents, 20 * rows)
labels = np.concatenate([rng.permutation(documents)[:12] for _ in range(rows)])
run = hm.Candidates(offsets, ids, scores, ranks=ranks)
positives = hm.Positives(np.arange(rows + 1) * 12, labels, np.full(12 * rows, 0.9, np.float32))
counts, keys = rng.integers(1, 9, documents), rng.integers(0, 2**63, documents)
draws = [hm.Top(), hm.RankPower(1.0), hm.Popularity(counts), hm.Stratified(4), hm.Stratified(4, "rank"),
         hm.TopThen(2, hm.Uniform()), hm.SimANS(10.0), hm.Among(9, hm.Softmax(0.1))]
def call(draw, shortage, ranked):
    rule = hm.Selection(8, ceiling=hm.PercPos(0.95), range_max=70, draw=draw, on_shortage=shortage)
    hm.select(run if ranked else run.replace(ranks=None), positives, rule, document_keys=keys, document_groups=groups,
              exclude=(np.arange(rows + 1) * 20, named), num_documents=documents, num_threads=2)
from functools import partial
calls = [partial(call, draw, shortage, ranked) for _ in range(3) for draw in draws
         for shortage in ("keep", "fill", "drop") for ranked in (True, False)]
while_writing(calls, [{part}])
"""
    )
    assert out.startswith("ended")


@pytest.mark.parametrize("part", ["ids", "scores", "offsets", "ranks"])
def test_merge_ends_whatever_another_thread_writes(part):
    out = child(
        WRITER
        + f"""
rows, width = 100, 300
offsets = np.arange(rows + 1) * width
ids = np.tile(np.arange(width), rows)
scores = np.tile(np.linspace(1, 0, width, dtype=np.float32), rows)
ranks = np.tile(np.arange(1, width + 1, dtype=np.int32), rows)
one = hm.Candidates(offsets, ids, scores, ranks=ranks)
two = hm.Candidates(np.arange(rows + 1) * width, ids + 10**6, scores.copy())
while_writing([lambda: hm.merge([one, two], k=200, num_threads=2)] * 100, [{part}])
"""
    )
    assert out.startswith("ended")


@pytest.mark.parametrize("part", ["offsets", "ids", "label_offsets", "labels"])
def test_anchor_scores_end_whatever_another_thread_writes(part):
    out = child(
        WRITER
        + f"""
rows, width, documents = 50, 40, 400
offsets, ids = np.arange(rows + 1) * width, np.tile(np.arange(width), rows)
label_offsets, labels = np.arange(rows + 1) * 2, np.tile(np.array([1, 300]), rows)
run = hm.Candidates(offsets, ids, np.zeros(ids.size, np.float32))
positives = hm.Positives(label_offsets, labels)
assert np.shares_memory(run.offsets, offsets) and np.shares_memory(positives.ids, labels)
embeddings = np.random.default_rng(0).standard_normal((documents, 16)).astype(np.float32)
while_writing([lambda: hm.anchor_scores(run, positives, embeddings, num_threads=2)] * 1500, [{part}])
"""
    )
    assert out.startswith("ended")


@pytest.mark.parametrize("part", ["columns", "queries", "groups", "offsets", "labels"])
def test_in_batch_mask_ends_whatever_another_thread_writes(part):
    out = child(
        WRITER
        + f"""
rows, queries_known = 2_000, 90
rng = np.random.default_rng(0)
scores = rng.standard_normal((rows, rows), dtype=np.float32)
columns, queries, groups = np.arange(rows), rng.integers(0, queries_known, rows), rng.integers(0, 40, rows)
offsets, labels = np.arange(queries_known + 1) * 2, np.tile(np.array([1, 300]), queries_known)
known = hm.Positives(offsets, labels)
call = lambda: hm.in_batch_mask(scores, groups=groups, ids=np.arange(rows), query_ids=queries, positives=known,
                                positive_columns=columns, num_threads=2)
while_writing([call] * 300, [{part}])
"""
    )
    assert out.startswith("ended")


LONG = {
    # The steps of a sampling without a set, and a walk over the excluded for every survivor, grow with the square.
    "fill": """
        n = 2_000_000
        run = hm.Candidates([0, 1], [1], [1.0])
        rule = hm.Selection(n, ceiling=hm.NoCeiling(), on_shortage="fill")
        found = hm.select(run, hm.Positives([0, 0], []), rule, num_documents=10_000_000, num_threads=1)
        assert found.ids.size == n and (np.diff(found.ids[1:]) > 0).all()
        """,
    "rank-power": """
        n = 2_000_000
        run = hm.Candidates([0, n], np.arange(n), np.linspace(1, 0, n, dtype=np.float32))
        odd = (np.array([0, n // 2]), np.arange(1, n, 2))
        for draw in (hm.RankPower(1.0), hm.Stratified(7, "rank"), hm.Uniform()):
            rule = hm.Selection(n // 4, ceiling=hm.NoCeiling(), draw=draw)
            found = hm.select(run, hm.Positives([0, 0], []), rule, exclude=odd, num_threads=1)
            assert (found.ids % 2 == 0).all() and np.array_equal(found.ranks, found.ids // 2 + 1)
        """,
    "round_robin": """
        n = 1_000_000
        scores = np.linspace(1, 0, n, dtype=np.float32)
        one, two = (hm.Candidates([0, n], ids, scores) for ids in (np.arange(n), np.arange(n)[::-1].copy()))
        found = hm.fuse([one, two], method="round_robin")
        assert found.ids[:4].tolist() == [0, n - 1, 1, n - 2] and found.ids.size == n
        """,
    "one text": """
        p = 30_000
        run = hm.Candidates([0, 1], [p + 1], [0.5])
        positives = hm.Positives([0, p], np.arange(p))
        for shortage in ("keep", "fill"):
            rule = hm.Selection(1, ceiling=hm.NoCeiling(), on_shortage=shortage)
            found = hm.select(run, positives, rule, document_groups=np.zeros(p + 10, np.int64), num_documents=p + 10)
            assert found.reasons["duplicate_text"].tolist() == [1]
        union = hm.topk(np.zeros((1, p + 10), np.float32), 5, exclude=[range(3)])
        from hardmine import _native
        union = _native.exclusions((positives.offsets, positives.ids), None, np.zeros(p + 10, np.int64), p + 10, 2)
        assert union["ids"].size == p + 10 and union["duplicate_text"].tolist() == [10]
        """,
}


@pytest.mark.parametrize("name", LONG)
def test_long_lists_take_time_in_proportion(name):
    child("import numpy as np, hardmine as hm\n" + textwrap.dedent(LONG[name]))


STRATA = """
k = 3_000_000
run = hm.Candidates([0, k], np.arange(k), np.linspace(1, 0, k, dtype=np.float32))
nobody = hm.Positives([0, 0], np.empty(0, np.int64))
rule = hm.Selection(k // 2, ceiling=hm.NoCeiling(), draw=hm.Stratified(k, {by!r}))
"""

ONE_TASK = {
    "as many bins as candidates, by score": (STRATA.format(by="score"), "hm.select(run, nobody, rule, num_threads=1)"),
    "as many bins as candidates, by rank": (STRATA.format(by="rank"), "hm.select(run, nobody, rule, num_threads=1)"),
    "rows of a giant": (
        "k = 20_000_000; run = hm.Candidates([0, k], np.arange(k), np.zeros(k, np.float32)); rows = [0] * 8",
        "run.take(rows, num_threads=1)",
    ),
    "mask of a giant": (
        "scores = np.broadcast_to(rng.standard_normal(30_000, dtype=np.float32), (30_000, 30_000))",
        "hm.in_batch_mask(scores, num_threads=1)",
    ),
    "anchors of a giant": (
        "k = 2_000_000; run = hm.Candidates([0, k], np.arange(k), np.zeros(k, np.float32));"
        "documents = np.broadcast_to(rng.standard_normal((k, 1), dtype=np.float32), (k, 16));"
        "positives = hm.Positives.from_lists([range(20)])",
        "hm.anchor_scores(run, positives, documents, num_threads=1)",
    ),
    "fingerprint of popularities": ("law = hm.Popularity(np.ones(80_000_000))", "law.to_dict()"),
}
"""Calls that are one task where they do not look up now and then."""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="SIGINT to one process")
@pytest.mark.parametrize("name", ONE_TASK)
def test_ctrl_c_stops_what_is_one_task(name):
    delays = delays_of_ctrl_c(*ONE_TASK[name])
    assert len(delays) == 3
    assert max(delays) < 0.3, delays


REFUSED = {
    "fuse": """
n = 20_000_000
c = hm.Candidates([0, n], np.arange(n), np.zeros(n, np.float32)); limit()
hm.fuse([c, c])
""",
    "merge": """
n = 20_000_000
c = hm.Candidates([0, n], np.arange(n), np.zeros(n, np.float32)); limit()
hm.merge([c, c], document_offsets=[0, n])
""",
    "union": """
q, g = 2000, 100_000
limit()
import hardmine._native as _native
_native.exclusions((np.arange(q + 1), np.arange(q)), None, np.zeros(g, np.int64), g, 2)
""",
    "fill": """
limit()
rule = hm.Selection(2**40, ceiling=hm.NoCeiling(), on_shortage="fill")
hm.select(hm.Candidates([0, 1], [1], [1.0]), hm.Positives([0, 0], []), rule, num_documents=2**40)
""",
    "draw": """
n = 40_000_000
c = hm.Candidates([0, n], np.arange(n), np.zeros(n, np.float32)); limit()
rule = hm.Selection(5, ceiling=hm.NoCeiling(), draw=hm.Stratified(9, "rank"))
hm.select(c, hm.Positives([0, 0], []), rule, exclude=[range(20)])
""",
}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits its address space")
@pytest.mark.parametrize("name", REFUSED)
def test_memory_that_is_refused_is_an_error(name):
    out = child(
        """
import os, resource, numpy as np, hardmine as hm
hm.topk(np.zeros((64, 64), np.float32), 1, num_threads=2)  # the pool has its threads
def limit():
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, resource.RLIM_INFINITY))
try:
"""
        + textwrap.indent(textwrap.dedent(REFUSED[name]), "    ")
        + """
except MemoryError:
    print("refused")
"""
    )
    assert out.strip() == "refused"


@pytest.mark.skipif(sys.platform == "win32", reason="alarms are a POSIX matter")
@pytest.mark.parametrize("call", ["exclusions", "select", "ceilings", "fuse", "merge"])
def test_every_long_step_lets_go_of_the_interpreter_and_polls(call):
    """Other threads run meanwhile, and an alarm ends the call early: in some attempt, which is all that is asked."""
    out = child(
        f"""
        import signal, sys, threading, time, numpy as np, hardmine as hm
        from hardmine import _native
        class Alarm(Exception):
            pass
        def ring(*_):
            raise Alarm
        signal.signal(signal.SIGALRM, ring)
        n = 3_000_000
        offsets, ids = np.arange(n + 1), np.arange(n)
        ones = np.ones(n, np.float32)
        whole = np.array([0, n])
        lists = {{"lists": (offsets, ids), "scores": ones, "ranks": None, "anchor_scores": None, "above": None,
                  "num_documents": n, "rows": None}}
        queries = {{"positives": (offsets, ids), "positive_scores": ones, "exclude": (offsets, ids[::-1].copy()),
                    "document_groups": ids, "near_groups": None, "document_embeddings": None, "near_cosine": None,
                    "query_keys": None, "query_of_pair": None, "lists_by_pair": False}}
        rule = hm.Selection(1, ceiling=hm.PercPos(1.5), draw=hm.Uniform())
        from hardmine.primitives.select import _plan
        plan = _plan(rule, rule.draw._native(), n, 0, None)
        one = {{"lists": (whole, ids), "scores": ones, "weight": 1.0}}
        shard = {{"lists": (whole, ids), "scores": ones, "first_document": 0, "ranks": None, "above_ceiling": None,
                  "sources": None, "anchor_scores": None}}
        calls = {{
            "exclusions": lambda: _native.exclusions((offsets, ids), (offsets, ids), ids[::-1].copy(), n, 1),
            "select": lambda: _native.select(lists, queries, plan, 1),
            "ceilings": lambda: [_native.ceilings([("perc-pos", 0.9, 0.0)] * 20, offsets, ones, "mean", 1)],
            "fuse": lambda: _native.fuse([one, one], "round_robin", 60.0, 1, n, 1),
            "merge": lambda: _native.merge([shard, {{**shard, "first_document": n}}], 2 * n, 1),
        }}
        call = calls[{call!r}]

        # With this interval no thread takes the interpreter from another: others run where the call lets go of it.
        beats = [0]
        def beat():
            while True:
                beats[0] += 1
                time.sleep(0.001)
        threading.Thread(target=beat, daemon=True).start()
        sys.setswitchinterval(1000)
        before = beats[0]
        call()
        print("let go" if beats[0] > before else "held")

        def timed():
            started = time.perf_counter()
            try:
                call()
            except Alarm:
                pass
            return time.perf_counter() - started
        whole = min(timed() for _ in range(3))
        for attempt in range(40):
            signal.setitimer(signal.ITIMER_REAL, max(0.02, whole * 0.01 * attempt))
            took = timed()
            signal.setitimer(signal.ITIMER_REAL, 0)
            if took < whole / 2:
                print("ended early")
                break
        """
    )
    assert out.split("\n") == ["let go", "ended early", ""]
