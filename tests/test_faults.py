"""Fork, signals, threads, memory, and inputs that change under our hands. Everything that could hang runs in a process
of its own with a watchdog."""

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import hardmine as hm
from tests.children import PROMPT, run_script

posix = pytest.mark.skipif(sys.platform == "win32", reason="fork and SIGINT to one process are POSIX matters")


@posix
@pytest.mark.parametrize("parent", ["never used the pool", "has used the pool", "is using the pool"])
@pytest.mark.parametrize("rows", [1, 2000])
def test_a_forked_child_works(parent, rows):
    out = run_script(
        f"""
        import warnings, numpy as np, hardmine as hm
        warnings.simplefilter("ignore", DeprecationWarning)  # a fork beside threads, which is what is tried
        scores = np.random.default_rng(0).standard_normal((2000, 500), dtype=np.float32)
        if "{parent}" != "never used the pool":
            hm.topk(scores, 5, num_threads=2)
        if "{parent}" == "is using the pool":
            endless = np.broadcast_to(np.resize(scores, 10**6), (10**6, 10**6))
            other = threading.Thread(target=hm.topk, args=(endless, 5), kwargs={{"num_threads": 3}}, daemon=True)
            other.start()
            time.sleep(0.3)
            assert other.is_alive()
        child = os.fork()
        if child == 0:
            found = hm.topk(scores[:{rows}], 5, num_threads=2)
            same = np.array_equal(found.padded()[0], np.argsort(-scores[:{rows}], axis=1, kind="stable")[:, :5])
            os._exit(0 if same else 1)
        _, status = os.waitpid(child, 0)
        hm.topk(scores, 5, num_threads=2)
        print(os.waitstatus_to_exitcode(status), flush=True)
        os._exit(0)
        """
    )
    assert out.strip() == "0"


@posix
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_inside_data_loader_workers(method):
    out = run_script(
        f"""
        import warnings
        import numpy as np, torch, hardmine as hm
        from tests.loader_dataset import TopkDataset

        if __name__ == "__main__":
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", message=".*fork.*", category=DeprecationWarning)
            dataset = TopkDataset()
            here = [dataset[i] for i in range(len(dataset))]  # the parent has used its pool
            loader = torch.utils.data.DataLoader(
                dataset, batch_size=None, num_workers=2, multiprocessing_context="{method}"
            )
            there = list(loader)
            assert len(there) == len(here) == 8
            for (ids, threads), (expected, _) in zip(there, here):
                assert np.array_equal(ids, expected)
                assert threads == 1, threads
            print("ok")
        """,
        timeout=100,
    )
    assert out.strip() == "ok"


@posix
@pytest.mark.parametrize("sigint_ignored", [False, True], ids=["", "SIGINT ignored by the parent"])
def test_ctrl_c_stops_a_long_call_twice_in_a_row(sigint_ignored):
    out = run_script(
        """
        import numpy as np, hardmine as hm
        row = np.random.default_rng(0).standard_normal(1_000_000, dtype=np.float32)
        endless = np.broadcast_to(row, (1_000_000, row.size))
        for threads in (1, 2):
            sent = interrupt_after(0.3)
            try:
                hm.topk(endless, 10, num_threads=threads)
            except KeyboardInterrupt:
                print(time.monotonic() - sent[0])
            assert hm.topk(row[None], 1).ids[0] == row.argmax()
        """,
        sigint_ignored=sigint_ignored,
    )
    delays = [float(line) for line in out.split()]
    assert len(delays) == 2
    assert max(delays) < PROMPT


def test_fifty_threads_agree_on_a_shared_array():
    scores = np.random.default_rng(0).standard_normal((40, 3000), dtype=np.float32)
    expected = hm.topk(scores, 7, num_threads=1)
    with ThreadPoolExecutor(50) as pool:
        for found in pool.map(lambda i: hm.topk(scores, 7, num_threads=1 + i % 3), range(200)):
            assert np.array_equal(found.ids, expected.ids)
            assert np.array_equal(found.scores, expected.scores)


ROWS, COLUMNS = 64, 5_000
LABELS = hm.Positives(np.arange(ROWS + 1), np.arange(ROWS))
DRAWN = hm.Selection(4, ceiling=hm.NoCeiling(), draw=hm.Softmax(1.0))
SHARED_INPUT = {
    "topk": lambda scores, _: hm.topk(scores, 50, nan="drop", num_threads=2).ids,
    "topk of most": lambda scores, _: hm.topk(scores, COLUMNS // 2, nan="drop", num_threads=2).ids,
    "topk, transposed": lambda scores, _: hm.topk(scores.T, 5, nan="drop", num_threads=2).ids,
    "mine_scores": lambda scores, _: hm.mine_scores(scores, LABELS, DRAWN, nan="drop", num_threads=2).ids,
    "search": lambda scores, _: hm.search(scores[:, :64], scores[:, :64], 5, num_threads=2).ids,
    "in_batch_mask": lambda scores, _: hm.in_batch_mask(scores, nan="drop", num_threads=2).nonzero()[1],
    "draw": lambda scores, _: hm.draw(scores, 5, seed=0, num_threads=2),
    "select": lambda _, run: hm.select(run, LABELS, DRAWN, num_threads=2).ids,
}


@pytest.mark.parametrize("name", SHARED_INPUT)
def test_an_input_that_changes_during_the_call_crashes_nothing(name):
    """Any result, or the refusal of what stood there for a moment; never an id that does not exist."""
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((ROWS, COLUMNS), dtype=np.float32)
    listed = np.sort(rng.standard_normal((ROWS, 200), dtype=np.float32))[:, ::-1].ravel().copy()
    ids = np.concatenate([rng.permutation(COLUMNS)[:200] for _ in range(ROWS)])
    run = hm.Candidates(np.arange(ROWS + 1) * 200, ids, listed)
    assert np.shares_memory(run.scores, listed)
    assert np.shares_memory(run.ids, ids)
    stop = threading.Event()

    def scribble():
        rng = np.random.default_rng(1)
        while not stop.is_set():
            scores[rng.integers(ROWS)] = rng.standard_normal(COLUMNS, dtype=np.float32)
            column = rng.integers(COLUMNS)
            scores[:, column] = np.nan
            scores[:, column] = rng.standard_normal(ROWS)  # else, on a busy machine, every call finds NaN
            listed[rng.integers(listed.size, size=50)] = np.nan
            ids[rng.integers(ids.size, size=50)] = rng.integers(COLUMNS)

    writer = threading.Thread(target=scribble)
    writer.start()
    calls, finished, end = 0, 0, time.monotonic() + 0.5
    try:
        while calls < 20 or time.monotonic() < end:
            calls += 1
            try:
                found = SHARED_INPUT[name](scores, run)
            except ValueError as error:
                if "NaN" not in str(error):
                    raise
            else:
                finished += 1
                assert found.min(initial=0) >= -1 * (name == "draw")
                assert found.max(initial=0) < COLUMNS
    finally:
        stop.set()
        writer.join()
    assert finished or name in ("search", "draw")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads resident memory from /proc")
def test_memory_reaches_a_plateau():
    out = run_script(
        """
        import resource, numpy as np, hardmine as hm
        def resident():
            return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
        rng = np.random.default_rng(0)
        scores = rng.standard_normal((32, 400), dtype=np.float32)
        positives = hm.Positives.from_lists([[int(i)] for i in scores.argmax(axis=1)])
        rule = hm.strategies.top_k_perc_pos(4)
        def work(calls):
            for i in range(calls):
                hm.mine_scores(scores, positives, rule, num_threads=2)
                hm.topk(scores, 20, num_threads=2)
                hm.draw(scores, 3, seed=i, num_threads=2)
                try:
                    hm.topk(scores, 5, ceiling=np.float32([np.nan] * 32))
                except ValueError:
                    pass
        work(1000)
        before = resident()
        work(10_000)
        print(resident() - before)
        """,
        timeout=110,
    )
    assert int(out) < 4 << 20


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_a_panic_becomes_one_exception_and_leaves_a_usable_pool(threads):
    out = run_script(
        f"""
        import numpy as np, hardmine as hm
        import hardmine._native as _native
        scores = np.random.default_rng(0).standard_normal((500, 700), dtype=np.float32)
        expected = hm.topk(scores, 5, num_threads=1).ids
        for _ in range(3):
            try:
                _native.panic_in_worker({threads})
            except RuntimeError as error:
                assert "please report it" in str(error), error
            else:
                raise AssertionError("no exception")
            assert np.array_equal(hm.topk(scores, 5, num_threads={threads}).ids, expected)
        print("ok")
        """
    )
    assert out.strip() == "ok"


LONG_CALLS = {
    "search": "hm.search(vast(200_000, 64), vast(200_000, 64), 10, num_threads=2)",
    "select": "[hm.select(run, labels, rule, epoch=e, num_threads=2) for e in range(10**6)]",
    "draw": "hm.draw(vast(10**6, 20_000), 5, seed=0, num_threads=2)",
    "mine_scores": "hm.mine_scores(vast(10**5, 20_000), many, rule, num_threads=2)",
    "sample_uniform": "[hm.sample_uniform(2 * 10**6, 100, 10**6, seed=s, num_threads=2) for s in range(100)]",
    "dense row": "[hm.topk(x, 10**7, num_threads=2) for x in [np.resize(row, (1, 5 * 10**7))] for _ in range(500)]",
    "accumulator": "hm.TopKAccumulator(10**6, 5, num_threads=2).update(vast(10**6, 100_000))",
}


@posix
@pytest.mark.parametrize("name", LONG_CALLS)
def test_ctrl_c_stops_every_long_call_twice_in_a_row(name):
    out = run_script(
        f"""
        import numpy as np, hardmine as hm
        row = np.random.default_rng(0).standard_normal(100_000, dtype=np.float32)
        def vast(rows, columns):
            return np.broadcast_to(row[:columns], (rows, columns))
        run = hm.topk(vast(20_000, 1000), 200)
        rule = hm.Selection(4, ceiling=hm.NoCeiling(), draw=hm.Softmax(1.0))
        labels = hm.Positives(np.arange(20_001), np.zeros(20_000, np.int64))
        many = hm.Positives(np.arange(10**5 + 1), np.zeros(10**5, np.int64))
        for _ in range(2):
            sent = interrupt_after(0.2)
            try:
                {LONG_CALLS[name]}
            except KeyboardInterrupt:
                print(time.monotonic() - sent[0])
            assert hm.topk(row[None], 1).ids[0] == row.argmax()
        """,
        timeout=100,
    )
    delays = [float(line) for line in out.split()]
    assert len(delays) == 2, "the call ended before the signal"
    assert max(delays) < PROMPT
