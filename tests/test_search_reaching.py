"""Searches that know what others reach: the usual lists without what lies below, and the usual counts, to the bit."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import hardmine as hm
from hardmine.primitives.search import tiles
from hardmine.primitives.search.index import search_reaching
from tests import sparse_cases
from tests.oracle import search as oracle
from tests.test_search import KINDS, LEVELS, REASONS, agree, cut_search, limits_for, make
from tests.test_search_codes import check as check_codes
from tests.test_search_codes import scan as scan_codes


def told(scores, place):
    """What is reached: by query a score of some document at that place, or just above; nothing; more than any."""
    ranked = np.sort(scores, axis=1)[:, ::-1]
    reached = ranked[:, min(place, ranked.shape[1] - 1)].copy()
    reached[1::4] = np.nextafter(reached[1::4], np.float32(np.inf))
    reached[2::7] = np.nan
    reached[3::7] = -np.inf
    reached[6::7] = np.inf
    return reached


def filtered(found, reached):
    """The same lists without what lies below."""
    keep = ~(found.scores < np.repeat(reached, found.lengths))
    return [found.ids[keep].tobytes(), found.scores[keep].tobytes()]


def told_the_same(found, usual, reached):
    """Whether a search that was told something found what it should."""
    assert [found.ids.tobytes(), found.scores.tobytes()] == filtered(usual, reached)
    for name in REASONS:
        none = np.zeros(len(usual), np.int64)
        np.testing.assert_array_equal((found.reasons or {}).get(name, none), (usual.reasons or {}).get(name, none))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_lies_below_is_left_out_and_nothing_else_changes(kind, level, monkeypatch):
    """By float32 tiles in any order and by codes; under all limits, with ties at the score, NaN, and k beyond."""
    monkeypatch.setenv("HARDMINE_ISA", level)
    for similarity in ("dot", "cosine"):
        q, d = make(kind, 8, 160, 33)
        scores = oracle.score_matrix(q, d, similarity)
        limits = limits_for(scores)
        for k, place in ((0, 3), (1, 0), (20, 19), (20, 90), (161, 40)):
            for names in ([], ["ceiling", "floor", "exclude"]):
                some = {name: limits[name] for name in names} | {"reached": told(scores, place)}
                wanted = oracle.search(q, d, k, similarity, **some)
                for shuffle in (None, 1):
                    tiling = tiles.Tiling(5, 3, 77, shuffle)
                    agree(cut_search(q, d, k, tiling, similarity=similarity, **some), wanted)
                for how in ({}, {"piece": 128, "step": 1, "threads": 3}):
                    check_codes(q, d, k, wanted, similarity=similarity, **how, **some)


@pytest.mark.parametrize("kind", KINDS)
def test_on_a_device_too(kind):
    pytest.importorskip("torch")
    from tests.test_search_device import search

    q, d = make(kind, 8, 160, 33)
    scores = oracle.score_matrix(q, d)
    limits = limits_for(scores)
    for k, place in ((0, 3), (20, 19), (20, 90), (161, 40)):
        for names in ([], ["ceiling"], ["floor"], ["ceiling", "floor", "exclude"]):
            some = {name: limits[name] for name in names} | {"reached": told(scores, place)}
            agree(search(q, d, k, piece=64, **some), oracle.search(q, d, k, **some))


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32])
@pytest.mark.parametrize("kind", ["random", "clustered", "duplicated", "ascending"])
def test_many_documents_of_every_dtype(kind, dtype):
    """With first thresholds and guesses where little is known, for few queries and many, in little memory."""
    for num_queries in (3, 70):
        q, d = (x.astype(dtype) for x in make(kind, num_queries, 9_000, 24, seed=num_queries))
        for k in (1, 10, 60):
            usual = hm.search(q, d, k, num_threads=2)
            deep = hm.search(q, d, 3_000, num_threads=2)
            for place in (k - 1, k // 2, 4 * k, 2_999):
                reached = told(deep.scores.reshape(num_queries, -1), place)
                for how in ({"num_threads": 1}, {"num_threads": 3, "max_memory": "8MB"}):
                    told_the_same(search_reaching(q, d, k, reached, **how), usual, reached)


def test_a_score_that_most_documents_reach_is_no_first_threshold():
    """Nothing else says what the k best are: then documents are looked at as ever."""
    q, d = make("random", 60, 20_000, 32)
    usual = hm.search(q, d, 10)
    low = np.full(60, -1e30, np.float32)
    low[::2] = usual.scores.reshape(60, 10)[::2, -1]
    ((_, _, found),) = scan_codes(q, d, 10, reached=low)
    told_the_same(found, usual, low)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", sparse_cases.KINDS)
def test_sparse_rows(kind, level, monkeypatch):
    monkeypatch.setenv("HARDMINE_ISA", level)
    q, d = sparse_cases.make(kind, 14, 60, 6, 1), sparse_cases.make(kind, 700, 60, 5, 2)
    found, shared = sparse_cases.scores(q, d)
    queries, documents = sparse_cases.sparse(q), sparse_cases.sparse(d)
    limits = sparse_cases.limits_for(found, shared)
    for k, place in ((0, 3), (1, 0), (20, 19), (20, 100), (900, 40)):
        reached = told(np.where(shared, found, np.float32(-np.inf)), place)
        for names in ([], ["ceiling"], ["floor"], ["ceiling", "floor", "exclude"]):
            some = {name: limits[name] for name in names}
            wanted = sparse_cases.best(found, shared, k, reached=reached, **some)
            for threads in (1, 9):
                got = search_reaching(queries, documents, k, reached, num_threads=threads, **some)
                sparse_cases.agree(got, wanted)


def test_a_length_that_does_not_fit_is_refused():
    q, d = make("random", 4, 30, 8)
    with pytest.raises(ValueError, match="reached: length 3, expected 4"):
        search_reaching(q, d, 2, np.zeros(3, np.float32))
