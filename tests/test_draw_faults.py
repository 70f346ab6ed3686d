"""Draws under faults: inputs that change under their hands, Ctrl-C, refused memory. Everything that could hang or abort
runs in a process of its own with a kill-after."""

import sys

import pytest

from tests.children import delays_of_ctrl_c, run_script

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits of memory and SIGINT to one process")


RACES = {
    "uniform": "hm.sample_uniform(ROWS, 20_000, ITEMS, exclude=(offsets, ids), seed=i, replace=True, num_threads=1)",
    "uniform, distinct": "hm.sample_uniform(ROWS, 9_000, ITEMS, exclude=(offsets, ids), seed=i, num_threads=2)",
    "alias": "table.sample(ROWS, 5_000, exclude=(offsets, ids), seed=i, num_threads=1)",
    "alias, distinct": "table.sample(ROWS, 50, exclude=(offsets, ids), seed=i, replace=False, num_threads=2)",
}
"""So many draws that the writer passes by between the first look at a row's exclusions and the last."""


@pytest.mark.parametrize("wild", [False, True])
@pytest.mark.parametrize("name", RACES)
def test_exclusions_that_change_during_the_call(name, wild):
    """Marks must come off as they went on, and what is no item (any more) is refused, not followed."""
    out = run_script(
        f"""
        import threading, time
        import numpy as np, hardmine as hm
        ITEMS, ROWS = 16_384, 150
        table = hm.AliasTable(np.ones(ITEMS))
        offsets = np.arange(ROWS + 1) * (ITEMS // 2)
        halves = [np.tile(np.arange(ITEMS // 2) + at, ROWS) for at in (0, ITEMS // 2)]
        if {wild}:
            halves[1] = np.random.default_rng(0).integers(-(2**62), 2**62, halves[1].size)
        ids = halves[0].copy()
        stop = threading.Event()
        def scribble():
            while not stop.is_set():
                for half in halves:
                    np.copyto(ids, half)
        writer = threading.Thread(target=scribble, daemon=True)
        writer.start()
        end = time.monotonic() + 1.5
        i = 0
        while i < 10 or time.monotonic() < end:
            i += 1
            try:
                found = {RACES[name]}
                assert found.min() >= -1 and found.max() < ITEMS
            except ValueError as error:
                assert {wild} and "exclude: id" in str(error), error
        stop.set()
        print("ok")
        """
    )
    assert out.strip() == "ok"


LONG = {
    "alias table": ("weights = rng.random(8_000_000)", "hm.AliasTable(weights)"),
    "alias, distinct": (
        "table = hm.AliasTable(rng.random(6_000_000)); gone = [rng.permutation(6_000_000)[:2_000_000]]",
        "table.sample(1, 2_000_000, seed=0, replace=False, exclude=gone, num_threads=1)",
    ),
    "alias, the rest": (
        "table = hm.AliasTable(np.append(np.ones(8_000_000), 1e12))",
        "table.sample(1, 500_000, seed=0, exclude=[[8_000_000]], num_threads=1)",
    ),
    "draw, few": (
        "weights = np.broadcast_to(rng.standard_normal((16_000_000, 1), dtype=np.float32).T, (1, 16_000_000))",
        "hm.draw(weights, 10, seed=0, num_threads=1)",
    ),
    "draw, some": (
        "weights = rng.standard_normal((1, 10_000_000), dtype=np.float32)",
        "hm.draw(weights, 300_000, seed=0, num_threads=1)",
    ),
    "draw, most": (
        "weights = rng.standard_normal((1, 8_000_000), dtype=np.float32)",
        "hm.draw(weights, 4_000_000, seed=0, num_threads=1)",
    ),
    "draw, all alike": (
        "weights = np.zeros((1, 8_000_000)); keys = np.arange(8_000_000) % 3",
        "hm.draw(weights, 4_000_000, seed=0, column_keys=keys, num_threads=1)",
    ),
    "draw with replacement, one column": (
        "weights = np.zeros((1, 1))",
        "hm.draw(weights, 8_000_000, seed=0, replace=True, num_threads=1)",
    ),
    "draw with replacement, many columns": (
        "weights = rng.standard_normal((1, 1_500_000), dtype=np.float32)",
        "hm.draw(weights, 1_500_000, seed=0, replace=True, num_threads=1)",
    ),
    "uniform, the rest": ("", "hm.sample_uniform(1, 10_000_000, 14_000_000, seed=0, num_threads=1)"),
    "uniform, of many": ("", "hm.sample_uniform(1, 5_000_000, 2**40, seed=0, num_threads=1)"),
    "uniform, exclusions": (
        "gone = (np.array([0, 20_000_000]), np.arange(20_000_000))",
        "hm.sample_uniform(1, 1, 100_000_000, exclude=gone, seed=0, num_threads=1)",
    ),
    "repeats": ("ids = rng.permutation(8_000_000)", "_native.first_repeat(np.array([0, ids.size]), ids, 1)"),
}
"""Calls of a second or so that are one task: what they need, and they themselves."""


@pytest.mark.parametrize("name", LONG)
def test_ctrl_c_stops_every_long_task_at_any_moment(name):
    delays = delays_of_ctrl_c(*LONG[name])
    assert len(delays) == 3
    assert max(delays) < 0.3, delays


HUNGRY = {
    "draw": ("weights = np.broadcast_to(np.float32(0), (1, 2_000_000))", "hm.draw(weights, 5, seed=0, num_threads=1)"),
    "draw, most": (
        "weights = np.broadcast_to(np.float32(0), (1, 2_000_000))",
        "hm.draw(weights, 1_500_000, seed=0, num_threads=1)",
    ),
    "draw, rows": ("weights = np.zeros((4_000_000, 1))", "hm.draw(weights, 2, seed=0, num_threads=1)"),
    "draw with replacement": (
        "weights = np.broadcast_to(np.float32(0), (1, 1_000_000))",
        "hm.draw(weights, 2_000_000, seed=0, replace=True, num_threads=1)",
    ),
    "uniform": ("", "hm.sample_uniform(100, 20_000, 100_000_000, seed=0, num_threads=1)"),
    "uniform, the rest": ("", "hm.sample_uniform(1, 3_000_000, 5_000_000, seed=0, num_threads=1)"),
    "uniform, of many": ("", "hm.sample_uniform(1, 1_000_000, 2**40, seed=0, num_threads=1)"),
    "uniform, exclusions": (
        "gone = (np.array([0, 4_000_000]), np.arange(4_000_000))",
        "hm.sample_uniform(1, 1, 2**40, exclude=gone, seed=0, num_threads=1)",
    ),
    "alias table": ("weights = np.ones(2_000_000)", "hm.AliasTable(weights)"),
    "alias": (
        "table = hm.AliasTable(np.ones(2_000_000)); gone = [np.arange(500_000)]",
        "table.sample(1, 2_000_000, seed=0, exclude=gone, num_threads=1)",
    ),
    "alias, the rest": (
        "table = hm.AliasTable(np.append(np.ones(2_000_000), 1e12))",
        "table.sample(1, 2_000_000, seed=0, exclude=[[2_000_000]], num_threads=1)",
    ),
    "alias, distinct": (
        "table = hm.AliasTable(np.ones(2_000_000)); gone = [[5]]",
        "table.sample(1, 500_000, seed=0, exclude=gone, replace=False, num_threads=1)",
    ),
    "repeats": ("ids = np.arange(2_000_000)", "_native.first_repeat(np.array([0, ids.size]), ids, 1)"),
    "lists": (
        "ids = np.arange(2_000_000); from hardmine.primitives.draw import draw_from_lists",
        "draw_from_lists('joint', np.array([0, ids.size]), ids, 900_000, seed=0, epoch=0, num_threads=1)",
    ),
}


@pytest.mark.parametrize("name", HUNGRY)
def test_refused_memory_is_an_error_wherever_it_runs_out(name):
    """Under limits that rise from nearly nothing: sooner or later every allocation of the call is the one refused."""
    setup, call = HUNGRY[name]
    out = run_script(
        f"""
        import resource
        import numpy as np, hardmine as hm
        from hardmine import _native
        {setup}
        hm.draw(np.zeros((1, 40)), 1, seed=0, num_threads=1)
        refused = 0
        for megabytes in range(4, 1000, 6):
            used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + (megabytes << 20), -1))
            try:
                {call}
            except MemoryError:
                refused += 1
            else:
                break
            finally:
                resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
            assert hm.draw(np.zeros((1, 1)), 1, seed=0, num_threads=1).tolist() == [[0]]
        else:
            raise AssertionError("never enough")
        print(refused)
        """
    )
    assert int(out) >= 2


def test_draws_with_replacement_need_little_more_than_their_result():
    out = run_script(
        """
        import resource
        import numpy as np, hardmine as hm
        def peak():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        for columns in (1, 50):
            weights = np.zeros((1, columns), np.float32)
            hm.draw(weights, 1000, seed=0, replace=True, num_threads=1)
            before = peak()
            size = hm.draw(weights, 10_000_000 * (1 + (columns > 1)), seed=0, replace=True, num_threads=1).nbytes
            print((peak() - before) / size)
        """
    )
    assert max(map(float, out.split())) < 1.3
