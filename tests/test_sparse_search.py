"""Sparse search: equality with the slow twin to the bit, whatever the data, the threads and the level."""

from __future__ import annotations

import contextlib
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hardmine as hm
import hardmine._native as _native
from hardmine.plumbing import container
from hardmine.primitives.search import sparse
from tests import sparse_cases as cases
from tests.oracle import sparse as oracle

LEVELS = _native.isa_levels()
BLOCK = _native.sparse_block()


def twin(queries, documents, k, **limits):
    """What `cases.best` gives, from the loops of the oracle."""
    lists, counts = oracle.search(
        *(oracle.rows(r.offsets, r.terms, r.weights) for r in (queries, documents)), k, **limits
    )
    found = [([d for d, _ in row], np.array([s for _, s in row], np.float32)) for row in lists]
    return found, counts


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("kind", cases.KINDS)
def test_equals_the_twin(kind, dtype):
    queries = cases.sparse(cases.make(kind, 7, 12, 3, 1, dtype))
    documents = cases.sparse(cases.make(kind, 60, 12, 4, 2, dtype))
    index = hm.SparseIndex(documents, num_threads=1)
    for k, threads in itertools.product((0, 1, 5, 60, 99), (1, 3)):
        cases.agree(index.search(queries, k, num_threads=threads), twin(queries, documents, k))


@pytest.mark.parametrize(
    ("kind", "level"),
    [*((kind, LEVELS[-1]) for kind in cases.KINDS), *itertools.product(("zipf", "signed"), LEVELS[:-1])],
)
def test_many_blocks(kind, level, monkeypatch):
    monkeypatch.setenv("HARDMINE_ISA", level)
    q, d = cases.make(kind, 6, 16, 4, 3), cases.make(kind, 2 * BLOCK + 77, 16, 3, 4)
    found, shared = cases.scores(q, d)
    queries, documents = cases.sparse(q, 1000), cases.sparse(d, 1000)
    index = hm.SparseIndex(documents, num_threads=2)
    limits = cases.limits_for(found, shared)
    for k, threads in [(1, 1), (10, 3), (10, 1), (3000, 2)]:
        cases.agree(index.search(queries, k, num_threads=threads), cases.best(found, shared, k))
    for names in [("exclude",), ("ceiling",), ("ceiling", "exclude"), ("floor",), ("ceiling", "floor", "exclude")]:
        some = {name: limits[name] for name in names}
        for threads in (1, 5):
            got = index.search(queries, 10, num_threads=threads, **some)
            cases.agree(got, cases.best(found, shared, 10, **some))
    pairs = np.array(list(itertools.product(range(6), range(0, len(d), 997))))
    got = hm.pair_scores(queries, documents, pairs[:, 0], pairs[:, 1])
    assert got.tobytes() == np.where(shared, found, np.float32(0))[pairs[:, 0], pairs[:, 1]].tobytes()


@pytest.mark.parametrize("threads", [1, 2, 3, 4, 5])
def test_same_bytes_for_any_threads_and_memory(threads):
    queries = cases.sparse(cases.make("zipf", 70, 300, 6, 5))
    documents = cases.sparse(cases.make("zipf", BLOCK + 500, 300, 8, 6))
    wanted = hm.search(queries, documents, 20, num_threads=1)
    got = hm.search(queries, documents, 20, num_threads=threads, max_memory="40MB" if threads > 1 else "3MB")
    assert (got.ids.tobytes(), got.scores.tobytes()) == (wanted.ids.tobytes(), wanted.scores.tobytes())


ROW = st.dictionaries(st.integers(0, 5), st.sampled_from([-2.0, -1.0, 0.0, 0.5, 1.0, 3.0]), max_size=4)


@settings(deadline=None)
@given(st.lists(ROW, max_size=4), st.lists(ROW, max_size=9), st.integers(0, 10), st.integers(1, 5), st.data())
def test_small_matrices(queries, documents, k, threads, data):
    rows = [
        hm.SparseRows(
            np.cumsum([0, *map(len, part)]),
            np.array([t for row in part for t in row], np.int64),
            np.array([w for row in part for w in row.values()], np.float32),
        )
        for part in (queries, documents)
    ]
    bound = st.one_of(st.none(), st.sampled_from([-2.0, 0.0, 0.5, 3.0]))
    limits = {}
    for name in ("ceiling", "floor"):
        if (value := data.draw(bound)) is not None:
            limits[name] = np.full(len(queries), value, np.float32)
    if documents and data.draw(st.booleans()):
        ids = st.lists(st.integers(0, len(documents) - 1), max_size=4)
        limits["exclude"] = data.draw(st.lists(ids, min_size=len(queries), max_size=len(queries)))
    cases.agree(hm.search(*rows, k, num_threads=threads, **limits), twin(*rows, k, **limits))


def test_a_document_without_a_shared_term_is_no_candidate():
    documents = hm.SparseRows([0, 1, 2, 2, 4], [1, 2, 1, 2], np.array([1, 1, 1, -1], np.float32))
    queries = hm.SparseRows([0, 1, 3], [1, 1, 2], np.array([1, 1, 1], np.float32))
    found = hm.search(queries, documents, 4, exclude=[[1, 0], []])
    assert [row.ids.tolist() for row in found] == [[3], [0, 1, 3]]
    assert found[1].scores.tolist() == [1, 1, 0]  # 1 - 1 is a score, not an absence
    assert found.reasons["excluded"].tolist() == [1, 0]  # document 1 was no candidate anyway


def test_products_are_added_in_the_order_of_the_terms():
    documents = hm.SparseRows([0, 3], [0, 1, 2], np.array([1e30, -1e30, 1], np.float32))
    queries = hm.SparseRows([0, 3], [0, 1, 2], np.ones(3, np.float32))
    assert hm.search(queries, documents, 1).scores.tolist() == [1.0]  # 1e30 + 1 - 1e30 is 0


def test_a_term_that_only_lowers_bounds_nothing():
    documents = hm.SparseRows(
        np.r_[0, np.full(BLOCK, 1), 2, 3], [0, 0, 1], np.array([1, 2, -3], np.float32)
    )  # the last two are a block of their own
    queries = hm.SparseRows([0, 2], [0, 1], np.ones(2, np.float32))
    assert hm.search(queries, documents, 1, num_threads=1).ids.tolist() == [BLOCK]


def test_ties_go_to_the_lower_document_whichever_term_finds_it_first():
    has = np.zeros((4000, 2), np.float32)
    has[1000:1400, 0] = has[5, 1] = 1  # few enough to be visited list by list, more than are held
    queries = hm.SparseRows([0, 2], [0, 1], np.ones(2, np.float32))
    assert hm.search(queries, cases.sparse(has), 1).ids.tolist() == [5]


def test_pairs_of_long_rows_share_every_term():
    row = hm.SparseRows([0, 500], np.arange(500) * 3, np.ones(500, np.float32))
    assert hm.pair_scores(row, row, [0], [0]).tolist() == [500.0]


def test_a_list_that_adds_next_to_nothing_may_decide():
    documents = hm.SparseRows(
        np.r_[0, np.full(BLOCK, 1), 3], [0, 0, 1], np.array([1, 0.995, 1], np.float32)
    )  # the last is a block of its own
    queries = hm.SparseRows([0, 2], [0, 1], np.array([1, 0.01], np.float32))
    assert hm.search(queries, documents, 1, num_threads=1).ids.tolist() == [BLOCK]


def test_what_is_excluded_bars_no_other_document():
    """The best of the first block say what the others must pass: those of them that are excluded say nothing."""
    weights = np.ones(BLOCK, np.float32)
    weights[:20] = 2
    documents = hm.SparseRows(np.arange(BLOCK + 1), np.zeros(BLOCK, np.int32), weights)
    query = hm.SparseRows([0, 1], [0], np.ones(1, np.float32))
    assert hm.search(query, documents, 3, exclude=[list(range(20))]).ids.tolist() == [20, 21, 22]


def test_scipy_and_tuples_give_the_same():
    scipy_sparse = pytest.importorskip("scipy.sparse")
    q, d = cases.make("signed", 5, 9, 3, 7), cases.make("signed", 40, 9, 3, 8)
    wanted = hm.search(cases.sparse(q), cases.sparse(d), 6)
    for form in (scipy_sparse.csr_array, scipy_sparse.csc_matrix, scipy_sparse.coo_array):
        got = hm.search(form(q), form(d), 6)
        assert (got.ids.tobytes(), got.scores.tobytes()) == (wanted.ids.tobytes(), wanted.scores.tobytes())
    parts = [(r.offsets, r.terms, r.weights) for r in (cases.sparse(q), cases.sparse(d))]
    assert hm.search(*parts, 6).ids.tobytes() == wanted.ids.tobytes()


def test_saved_loaded_merged(tmp_path):
    q, d = cases.make("zipf", 5, 40, 5, 9), cases.make("zipf", 900, 40, 5, 10)
    queries, documents = cases.sparse(q), cases.sparse(d)
    whole = hm.SparseIndex(documents)
    wanted = whole.search(queries, 7)
    whole.save(tmp_path / "index.hm")
    parts = [hm.SparseIndex(cases.sparse(part)) for part in np.split(d, [100, 600])]
    loaded = [hm.SparseIndex.load(tmp_path / "index.hm", mmap=mmap) for mmap in (True, False)]
    for index in (*loaded, hm.SparseIndex.merge(parts)):
        got = index.search(queries, 7)
        assert (got.ids.tobytes(), got.scores.tobytes()) == (wanted.ids.tobytes(), wanted.scores.tobytes())
    starts = np.cumsum([0, 100, 500])
    lists = [
        hm.Candidates(f.offsets, f.ids + start, f.scores)
        for f, start in zip([part.search(queries, 7) for part in parts], starts, strict=True)
    ]
    merged = hm.merge(lists, k=7)
    assert (merged.ids.tobytes(), merged.scores.tobytes()) == (wanted.ids.tobytes(), wanted.scores.tobytes())


def test_a_damaged_file_is_refused_or_harmless(tmp_path):
    index = hm.SparseIndex(cases.sparse(cases.make("zipf", 50, 20, 5, 11)))
    index.save(tmp_path / "index.hm")
    data = bytearray((tmp_path / "index.hm").read_bytes())
    queries = cases.sparse(cases.make("zipf", 4, 20, 5, 12))
    rng = np.random.default_rng(0)
    start = 8 + int.from_bytes(data[:8], "little")
    for _ in range(200):  # numbers that say where things lie, too
        damaged = bytearray(data)
        for at in rng.integers(start, len(data), 4):
            damaged[at] = rng.integers(0, 256)
        (tmp_path / "damaged.hm").write_bytes(damaged)
        with contextlib.suppress(ValueError):
            hm.SparseIndex.load(tmp_path / "damaged.hm").search(queries, 5, ceiling=2.0)


def test_progress_reaches_its_end_and_memory_has_a_floor():
    queries, documents = (cases.sparse(cases.make("zipf", n, 20, 5, n)) for n in (5, 50))
    seen = []
    hm.search(queries, documents, 3, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (250, 250)
    with pytest.raises(ValueError, match="max_memory: 1000 bytes, expected at least"):
        hm.search(queries, documents, 3, max_memory=1000)


ARRAYS = [*(f"index.{field}" for field in sparse.Postings._fields[1:]), "offsets", "terms", "weights"]
OFFSETS = ["offsets", "index.lists", "index.starts"]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        *((name, "longer" if "grid" in name else "shorter") for name in ARRAYS),
        *itertools.product(OFFSETS, ("start", "end")),
        ("num_terms", "lower"),
    ],
)
def test_a_file_whose_parts_do_not_fit_is_refused_by_name(tmp_path, name, change):
    documents = cases.sparse(cases.make("counts", 50, 20, 5, 11))
    hm.SparseIndex(hm.SparseRows(documents.offsets, documents.terms, documents.weights, 20)).save(tmp_path / "index.hm")
    arrays, about = container.load(tmp_path / "index.hm", "sparse-index")
    arrays = {key: array.copy() for key, array in arrays.items()}
    if change == "shorter":
        arrays[name] = arrays[name][:-1]
    elif change == "longer":
        arrays[name] = np.append(arrays[name], arrays[name].dtype.type(0))  # fifty documents have no grids
    elif change == "lower":
        about["num_terms"] = int(documents.terms.max())
    else:
        arrays[name][0 if change == "start" else -1] += 5
    about = {key: about[key] for key in ("num_terms", "block")}
    container.save(tmp_path / "damaged.hm", "sparse-index", arrays, about)
    with pytest.raises(ValueError, match=r"damaged\.hm: malformed sparse-index$"):
        hm.SparseIndex.load(tmp_path / "damaged.hm")


def test_long_queries_take_memory_that_counts():
    long = hm.SparseRows([0, 100_000], np.arange(100_000), np.ones(100_000, np.float32))
    index = hm.SparseIndex(long)
    with pytest.raises(ValueError, match="max_memory: 1000000 bytes, expected at least"):
        index.search(long, 1, max_memory="1MB", num_threads=1)
    assert index.search(long, 1, max_memory="16MB", num_threads=1).scores.tolist() == [100_000.0]
