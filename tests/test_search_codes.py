"""Search over codes: equality with a float64 brute force to the bit, whatever data, frame, cut, threads and level."""

from __future__ import annotations

import itertools

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hardmine as hm
import hardmine._native as _native
from hardmine.plumbing import arrays, checks, ragged
from hardmine.primitives.limits import Limits
from hardmine.primitives.search import codes, tiles
from tests.oracle import search as oracle
from tests.test_search import KINDS, LEVELS, agree, limits_for, make

MISSED: list[int] = []
"""How many queries were scanned a second time, scan by scan."""


def rows_of(x, threads=1):
    array, kind = arrays.matrix("x", x)
    return tiles.Rows(array, kind, _native.row_norms("x", (array, kind), threads))


def frames(d, similarity):
    """No frame, a centre, a rotation, both, and a centre far from everything."""
    mean = np.asarray(d, np.float32).mean(axis=0, dtype=np.float64).astype(np.float32)
    mean = np.where(np.isfinite(mean), mean, 0).astype(np.float32)
    none = np.empty(0, np.float32)
    for centre, rotated in [(none, False), (mean, False), (none, True), (mean, True), (mean + 3, True)]:
        yield codes.Frame(similarity, np.ascontiguousarray(centre, np.float32), rotated)


def scan(q, d, k, *, frame=None, similarity="dot", piece=None, panel=None, step=None, threads=2, kept=None, **limits):
    """`codes.scan`, and nothing else, with the cut given; `step` in blocks."""
    csr = ragged.csr("exclude", limits.get("exclude"), len(q))
    bounds = [checks.per_query(name, limits.get(name), len(q)) for name in ("ceiling", "floor")]
    queries, documents = rows_of(q), rows_of(d)
    frame = codes.choose_frame(documents, similarity, threads) if frame is None else frame
    for start in range(0, max(len(q), 1), panel or max(len(q), 1)):
        stop = min(start + (panel or len(q)), len(q))
        cut = Limits(*bounds, csr, reached=limits.get("reached")).cut(start, stop)
        state = _native.SearchScan(similarity, stop - start, len(d), k, cut)
        source = tiles.Source(queries.slice(start, stop), documents)
        for first in range(0, len(d), piece or max(len(d), 1)):
            size = min(piece or len(d), len(d) - first)
            coded = kept or codes.encode(documents, frame, threads, first, size)
            for block in range(0, coded.blocks, step or max(coded.blocks, 1)):
                state.update_codes(source, coded, block, min(block + (step or coded.blocks), coded.blocks), threads)
        missed = state.settle(source, threads)
        if missed.size:
            MISSED.append(missed.size)
            part = source.queries
            some = tiles.Source(tiles.Rows(part.array[missed], part.kind, part.norms[missed]), documents)
            again = _native.SearchScan(similarity, missed.size, len(d), k, cut.pick(missed))
            again.careful()
            for first in range(0, len(d), piece or max(len(d), 1)):
                size = min(piece or len(d), len(d) - first)
                coded = codes.encode(documents, frame, threads, first, size)
                again.update_codes(some, coded, 0, coded.blocks, threads)
            assert again.settle(some, threads).size == 0
            state.adopt(missed, again)
        yield start, stop, hm.Candidates._from_native(state.finish(source, threads))


def check(q, d, k, wanted, **how):
    ids, scores, counts = wanted
    for start, stop, found in scan(q, d, k, **how):
        agree(found, (ids[start:stop], scores[start:stop], counts[start:stop]))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("similarity", ["dot", "cosine"])
@pytest.mark.parametrize("kind", KINDS)
def test_equals_brute_force(kind, similarity, level, monkeypatch):
    monkeypatch.setenv("HARDMINE_ISA", level)
    q, d = make(kind, 7, 300, 33)
    limits = limits_for(oracle.score_matrix(q, d, similarity))
    for frame in frames(d, similarity):
        for k in (0, 1, 20, 299, 301):
            how = {"similarity": similarity, "frame": frame}
            check(q, d, k, oracle.search(q, d, k, similarity), **how)
            for names in (["ceiling"], ["floor"], ["exclude"], ["ceiling", "floor", "exclude"]):
                some = {name: limits[name] for name in names}
                check(q, d, k, oracle.search(q, d, k, similarity, **some), **how, **some)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("similarity", ["dot", "cosine"])
def test_every_dimension(similarity, level, monkeypatch):
    monkeypatch.setenv("HARDMINE_ISA", level)
    for dimension in [*range(71), 384, 1000]:
        q, d = make("random", 3, 70, dimension, seed=dimension)
        for frame in itertools.islice(frames(d, similarity), 4):
            check(q, d, 9, oracle.search(q, d, 9, similarity), similarity=similarity, frame=frame)


@pytest.mark.parametrize("level", LEVELS)
def test_every_number_of_queries(level, monkeypatch):
    """Groups of every size, one after another in a part, and parts cut by documents."""
    monkeypatch.setenv("HARDMINE_ISA", level)
    q, d = make("clustered", 60, 1500, 20)
    wanted = oracle.search(q, d, 5)
    for count in [*range(1, 27), 47, 60]:
        for threads in (1, 3):
            check(q[:count], d, 5, tuple(part[:count] for part in wanted), threads=threads)


@pytest.mark.parametrize("kind", ["random", "near ties", "equal", "mixed norms", "ascending"])
def test_the_cut_changes_nothing(kind):
    q, d = make(kind, 50, 1100, 20)
    limits = limits_for(oracle.score_matrix(q, d))
    for some in ({}, limits):
        wanted = oracle.search(q, d, 13, **some)
        for panel, piece, step in [(1, 1100, 17), (4, 64, 1), (50, 1100, 18), (50, 320, 2), (49, 700, 3)]:
            for threads in (1, 2, 7):
                check(q, d, 13, wanted, panel=panel, piece=piece, step=step, threads=threads, **some)


def test_long_rows_pass_the_first_bound_and_many_shrinks():
    for kind in ("random", "ascending", "equal", "clustered"):
        q, d = make(kind, 5, 9000, 8)
        limits = limits_for(oracle.score_matrix(q, d))
        for k in (1, 7, 150):
            for some in ({}, limits, {"floor": 0.0, "ceiling": 1.0}):
                for threads in (1, 2):
                    check(q, d, k, oracle.search(q, d, k, **some), threads=threads, step=11, **some)


def test_a_guess_that_fails_is_found_out():
    """The documents that are looked at first are better than all others, and fewer than k."""
    rng = np.random.default_rng(0)
    q, d = make("random", 30, 64 * 600, 16)
    # Where the scan looks first: it goes in steps of the golden ratio that share no divisor with the number of blocks.
    step = next(step for step in range(int(600 * 0.6180339887498949), 0, -1) if np.gcd(step, 600) == 1)
    best = np.concatenate([np.arange(place * step % 600 * 64, place * step % 600 * 64 + 2) for place in range(40)])
    d[best] = q[rng.integers(0, 30, best.size)] * 3
    some = limits_for(oracle.score_matrix(q, d))
    for k in (3, 40, 90):
        for limits in ({}, {"exclude": some["exclude"]}, {"ceiling": 40.0, "floor": some["floor"]}):
            before = len(MISSED)
            check(q, d, k, oracle.search(q, d, k, **limits), **limits)
            assert len(MISSED) - before <= 1
    assert MISSED


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    kind=st.sampled_from(KINDS),
    similarity=st.sampled_from(["dot", "cosine"]),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 200), st.integers(1, 20)),
    k=st.integers(0, 210),
    sizes=st.tuples(st.integers(1, 9), st.integers(1, 3), st.integers(1, 3)),
    frame=st.integers(0, 4),
    level=st.sampled_from(LEVELS),
)
def test_random_small_cases(seed, kind, similarity, shape, k, sizes, frame, level):
    q, d = make(kind, *shape, seed)
    some = limits_for(oracle.score_matrix(q, d, similarity), seed)
    how = dict(zip(("panel", "piece", "step"), sizes, strict=True)) | {"piece": sizes[1] * codes.BLOCK}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARDMINE_ISA", level)
        frame = list(frames(d, similarity))[frame]
        wanted = oracle.search(q, d, k, similarity, **some)
        check(q, d, k, wanted, similarity=similarity, frame=frame, **how, **some)


@pytest.mark.parametrize("similarity", ["dot", "cosine"])
def test_every_dtype_and_layout(similarity, tmp_path):
    q, d = make("random", 6, 200, 40)
    for dtype in (np.float16, ml_dtypes.bfloat16, np.float32):
        narrow_q, narrow_d = q.astype(dtype), d.astype(dtype)
        wanted = oracle.search(narrow_q, narrow_d, 12, similarity)
        narrow_d.tofile(tmp_path / "documents.bin")
        mapped = np.memmap(tmp_path / "documents.bin", dtype=dtype, mode="r", shape=(200, 40))
        for layout in (narrow_d, np.asfortranarray(narrow_d), narrow_d[::-1].copy()[::-1], mapped):
            check(narrow_q, layout, 12, wanted, similarity=similarity)


def test_the_same_bytes_as_over_floats(monkeypatch):
    """Through the public door, at a size where codes are used, and with an index that is saved and mapped."""
    used = []
    real = codes.scan
    monkeypatch.setattr(codes, "scan", lambda *args, **kw: used.append(1) or real(*args, **kw))
    for kind in ("random", "clustered", "zeros", "mixed norms"):
        for similarity in ("dot", "cosine"):
            q, d = make(kind, 90, 3000, 24)
            some = limits_for(oracle.score_matrix(q, d, similarity))
            for limits in ({}, some):
                fast = hm.search(q, d, 20, similarity=similarity, **limits)
                monkeypatch.setenv("HARDMINE_ISA", "portable")
                slow = hm.search(q, d, 20, similarity=similarity, **limits)
                monkeypatch.delenv("HARDMINE_ISA")
                for column in ("offsets", "ids", "scores"):
                    assert getattr(fast, column).tobytes() == getattr(slow, column).tobytes()
                pairs = [(fast.reasons or {}, slow.reasons or {}), ({"ranks": fast.ranks}, {"ranks": slow.ranks})]
                for left, right in pairs:
                    assert left.keys() == right.keys()
                    assert all(np.array_equal(left[name], right[name]) for name in left)
    assert len(used) == (16 if _native.isa_levels() != ["portable"] else 0)


@pytest.mark.parametrize("queries", [3, 70])
def test_counts_say_what_survived_once(queries):
    # Equal documents: none can be discarded, whatever the thresholds; few queries are scanned in parts that are poured
    # together, which must not count a document twice.
    d, q = np.ones((640, 16), np.float32), np.ones((queries, 16), np.float32)
    state = _native.SearchScan("dot", queries, len(d), 5, Limits())
    source = tiles.Source(rows_of(q), rows_of(d))
    coded = codes.encode(source.documents, codes.choose_frame(source.documents, "dot", 2), 2, 0, len(d))
    assert state.counts() == [0, 0]
    state.update_codes(source, coded, 0, coded.blocks, 2)
    survivors, rescored = state.counts()
    assert survivors == queries * len(d)
    state.settle(source, 2)
    assert state.counts()[0] == survivors
    assert rescored <= state.counts()[1] <= survivors
    assert state.counts()[1] >= 5 * queries
