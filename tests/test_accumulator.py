"""Top-k over tiles: the same bytes in any order, from several threads, and what is refused."""

import itertools
import pickle
from contextlib import nullcontext
from functools import partial

import ml_dtypes
import numpy as np
import pytest

import hardmine as hm
from tests.at_once import at_once
from tests.test_topk import DTYPES, check, make, same

BF16 = np.dtype(ml_dtypes.bfloat16)


def feed(accumulator, scores, rng, documents=0):
    """Give a matrix in random tiles in random order; `documents` is the index of its first column."""
    rows, columns = scores.shape
    tiles = []
    for top, bottom in itertools.pairwise(np.unique([0, rows, *rng.integers(0, rows, 2)])):
        for left, right in itertools.pairwise(np.unique([0, columns, *rng.integers(0, columns, rng.integers(0, 9))])):
            tiles.append((top, bottom, left, right))
    for top, bottom, left, right in rng.permutation(tiles):
        tile = scores[top:bottom, left:right]
        tile = np.asfortranarray(tile) if rng.random() < 0.3 else tile
        accumulator.update(tile, first_query=top, first_document=documents + left)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("kind", ["random", "sorted", "reversed", "constant", "few values", "nan mix", "inf mix"])
def test_tiles_in_any_order_give_the_same_bytes(kind, dtype):
    rng = np.random.default_rng(5)
    for n, k in ((1, 1), (90, 90), (700, 10), (6000, 130), (6000, 0)):
        scores = make(kind, n, dtype, rows=5)
        limits = {"nan": "drop"}
        if n % 100 == 0:
            limits["exclude"] = [rng.integers(0, n, 30) for _ in range(5)]
            limits["ceiling"], limits["floor"] = rng.standard_normal(5).astype(np.float32) + 1, -1.0
        expected = hm.topk(scores, k, **limits)
        for _ in range(3):
            accumulator = hm.TopKAccumulator(5, k, num_threads=int(rng.integers(1, 4)), **limits)
            feed(accumulator, scores, rng)
            assert same(accumulator.finish(), expected)


@pytest.mark.usefixtures("isa")
def test_narrow_rising_tiles():
    scores = make("sorted", 20_000, np.float32, rows=3)
    for width in (1, 63, 1000):
        accumulator = hm.TopKAccumulator(3, 100)
        for start in range(0, 20_000 if width > 1 else 500, width):
            accumulator.update(scores[:, start : start + width], first_document=start)
        check(accumulator.finish(), scores if width > 1 else scores[:, :500], 100)


@pytest.mark.usefixtures("isa")
def test_merge():
    rng = np.random.default_rng(7)
    scores = make("few values", 3000, np.float32, rows=4)
    limits = {"ceiling": 0.5, "exclude": [[1, 2999], [], [5], [7, 7]]}
    accumulators = [hm.TopKAccumulator(4, 40, **limits) for _ in range(4)]
    for index, accumulator in enumerate(accumulators[:3]):
        feed(accumulator, scores[:, index * 1000 : (index + 1) * 1000], rng, index * 1000)
    last, middle, first, empty = accumulators[2], accumulators[1], accumulators[0], accumulators[3]
    last.merge(first)
    last.merge(empty)
    empty.merge(middle)
    empty.merge(last)
    assert same(empty.finish(), hm.topk(scores, 40, **limits))
    check(empty.finish(), scores, 40, **limits)


def test_an_accumulator_goes_on_after_finish():
    scores = make("random", 1000, np.float32, rows=2)
    accumulator = hm.TopKAccumulator(2, 5)
    assert accumulator.finish().lengths.tolist() == [0, 0]
    accumulator.update(scores[:, :500])
    check(accumulator.finish(), scores[:, :500], 5)
    accumulator.update(scores[:, 500:], first_document=500)
    check(accumulator.finish(), scores, 5)
    assert repr(accumulator) == "TopKAccumulator(2 queries, k=5, float32)"


def test_documents_far_apart():
    accumulator = hm.TopKAccumulator(1, 4)
    accumulator.update(np.float32([[1.0, 2.0]]), first_document=2**62)
    accumulator.update(np.float32([[2.0, 1.0]]), first_document=2**33)
    assert accumulator.finish().ids.tolist() == [2**33, 2**62 + 1, 2**33 + 1, 2**62]


def test_threads_share_an_accumulator():
    scores = np.random.default_rng(0).standard_normal((200, 4_000), dtype=np.float32)
    shared = hm.TopKAccumulator(200, 9, num_threads=1)

    def take(tiles):
        for start in tiles:
            shared.update(scores[:, start : start + 20], first_document=start)
            assert len(pickle.loads(pickle.dumps(shared)).finish()) == len(shared.finish())

    places = range(0, 4_000, 20)
    at_once(*(partial(take, places[at::4]) for at in range(4)))
    assert shared.finish().ids.tolist() == hm.topk(scores, 9).ids.tolist()


def test_accumulators_that_merge_each_other_do_not_wait_for_ever():
    """Whichever merges which, the locks are taken in one order."""
    taken = []

    class Lock(nullcontext):
        def __enter__(self):
            taken.append(id(self))

    pair = [hm.TopKAccumulator(1, 1) for _ in range(2)]
    for accumulator in pair:
        accumulator._lock = Lock()
    pair[0].merge(pair[1])
    pair[1].merge(pair[0])
    assert len(taken) == 4
    assert taken[:2] == taken[2:]


def test_ranks_beyond_int32_are_an_error_and_do_not_wrap():
    """Behind 2**31 documents above the ceiling, which an accumulator is told that it has seen."""
    seen = hm.TopKAccumulator(2, 2, ceiling=0.5)
    seen.update(np.float32([[0.4, 0.3], [0.9, 0.2]]))
    restored, arguments = seen.__reduce__()
    for above, last in ((2**31 - 3, 2**31 - 1), (2**31 - 2, None), (2**32, None)):
        kept = {**arguments[-1], "counts": arguments[-1]["counts"].copy()}
        kept["counts"][2] = above  # four counts a query: excluded, NaN, above the ceiling, below the floor
        again = restored(*arguments[:-1], kept)
        if last is not None:
            assert again.finish().ranks.tolist() == [last - 1, last, 2]
            continue
        with pytest.raises(ValueError, match=rf"ceiling: {above} documents of query 0 .* at most 2\*\*31"):
            again.finish()


def test_a_failed_update_ends_an_accumulator():
    accumulator = hm.TopKAccumulator(3, 2)
    bad = np.ones((2, 70), dtype=np.float32)
    bad[1, 65] = np.nan
    with pytest.raises(ValueError, match="NaN at row 2, column 1065;"):
        accumulator.update(bad, first_query=1, first_document=1000)
    with pytest.raises(ValueError, match="an update failed midway"):
        accumulator.update(bad[:1])
    with pytest.raises(ValueError, match="an update failed midway"):
        accumulator.finish()
    with pytest.raises(ValueError, match="an update failed midway"):
        hm.TopKAccumulator(3, 2).merge(accumulator)


def test_bad_tiles_and_merges_are_named():
    accumulator = hm.TopKAccumulator(3, 2)
    tile = np.ones((2, 4), dtype=np.float32)
    accumulator.update(tile)
    for arguments, error, message in (
        ({"first_query": 2}, ValueError, "first_query: 2 with a tile of 2 rows, but there are 3 queries"),
        ({"first_query": -1}, ValueError, "first_query: -1, expected at least 0"),
        ({"first_document": 2**63 - 2}, ValueError, "first_document: 9223372036854775806 with a tile of 4 columns"),
        ({"first_document": 1.0}, TypeError, "first_document: float 1.0, expected an integer"),
    ):
        with pytest.raises(error, match=message):
            accumulator.update(tile, **arguments)
    with pytest.raises(TypeError, match="scores_tile: dtype float64, expected float32 as before"):
        accumulator.update(tile.astype(np.float64))
    with pytest.raises(ValueError, match="scores_tile: 1 dimensions"):
        accumulator.update(tile[0])
    other = hm.TopKAccumulator(3, 2)
    other.update(tile.astype(np.float16))
    with pytest.raises(TypeError, match="other: dtype float16, expected float32 as before"):
        accumulator.merge(other)
    for other, message in (
        (accumulator, "other: the accumulator itself"),
        (hm.TopKAccumulator(2, 2), "other: num_queries 2, expected 3"),
        (hm.TopKAccumulator(3, 1), "other: k 1, expected 2"),
        (hm.TopKAccumulator(3, 2, ceiling=1.0), "other: another ceiling"),
        (hm.TopKAccumulator(3, 2, exclude=[[1], [], []]), "other: another exclude"),
        (hm.TopKAccumulator(3, 2, nan="drop"), "other: another nan"),
    ):
        with pytest.raises(ValueError, match=message):
            accumulator.merge(other)
    with pytest.raises(TypeError, match="other: int, expected TopKAccumulator"):
        accumulator.merge(3)
    # None of these touched it.
    accumulator.update(tile[:1], first_query=2)
    assert accumulator.finish().ids.tolist() == [0, 1] * 3
