"""`merge` of shards against one scan of the whole corpus, against its slow twin, and what it refuses."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hardmine as hm
from tests.oracle import merge as oracle

COLUMNS = ("offsets", "ids", "scores", "ranks", "sources", "anchor_scores")


def assert_same(merged, whole):
    """The same bytes, column by column, reasons and metadata among them."""
    for name in COLUMNS:
        found, wanted = getattr(merged, name), getattr(whole, name)
        assert (found is None) == (wanted is None), name
        if wanted is not None:
            assert found.dtype == wanted.dtype
            assert found.tobytes() == wanted.tobytes(), name
    assert list(merged.reasons) == list(whole.reasons)
    for name, counts in whole.reasons.items():
        assert merged.reasons[name].tobytes() == counts.tobytes(), name
    assert dict(merged.metadata) == dict(whole.metadata)
    assert list(merged.metadata) == list(whole.metadata)


def cuts(rng, documents):
    """Bounds of one to five shards, some of them empty."""
    inner = np.sort(rng.integers(0, documents + 1, rng.integers(0, 5)))
    return np.concatenate([[0], inner, [documents]])


def limits(rng, scores, documents):
    """Ceilings and floors that equal scores of some documents, and exclusions."""
    queries = len(scores)
    found = {}
    if rng.random() < 0.6:
        found["ceiling"] = np.float32([rng.choice(row) if row.size else 0.5 for row in np.float32(scores)])
    if rng.random() < 0.4:
        found["floor"] = np.float32(rng.choice([-2.0, -0.5, 0.0], queries))
    if rng.random() < 0.5 and documents:
        found["exclude"] = [np.unique(rng.integers(0, documents, rng.integers(0, 4))) for _ in range(queries)]
    return found


def part_of(limit, start, end):
    """The same limits for the documents start..end."""
    if "exclude" not in limit:
        return limit
    inside = [row[(row >= start) & (row < end)] - start for row in limit["exclude"]]
    return {**limit, "exclude": inside}


def assert_merges(rng, scan, limit, documents, k):
    """Shards of any cut, in any order, by any number of threads, are the whole."""
    whole = scan(0, documents, k, limit)
    bounds = cuts(rng, documents)
    order = rng.permutation(len(bounds) - 1)
    shards = [scan(bounds[i], bounds[i + 1], k, part_of(limit, bounds[i], bounds[i + 1])) for i in order]
    merged = hm.merge(shards, document_offsets=bounds[order], num_threads=int(rng.integers(1, 4)))
    assert_same(merged, whole)
    less = int(rng.integers(0, k + 1))
    assert_same(hm.merge(shards, k=less, document_offsets=bounds[order]), scan(0, documents, less, limit))
    global_ids = [run.replace(ids=run.ids + start) for run, start in zip(shards, bounds[order], strict=True)]
    assert_same(hm.merge(iter(global_ids)), whole)


@given(st.integers(0, 2**32 - 1), st.sampled_from([np.float16, ml_dtypes.bfloat16, np.float32]))
def test_shards_of_a_score_matrix_are_the_whole(seed, dtype):
    rng = np.random.default_rng(seed)
    queries, documents = int(rng.integers(0, 5)), int(rng.integers(0, 30))
    values = np.array([-1.0, -0.5, -0.0, 0.0, 0.25, 0.5, 1.0, np.inf, -np.inf, np.nan])
    pool = values if rng.random() < 0.3 else values[:7]
    scores = rng.choice(pool, (queries, documents)).astype(dtype)

    def scan(start, end, k, limit):
        return hm.topk(scores[:, start:end], k, nan="drop", **limit)

    limit = limits(rng, np.nan_to_num(np.float32(scores)), documents)
    assert_merges(rng, scan, limit, documents, int(rng.integers(0, 12)))


@given(st.integers(0, 2**32 - 1), st.sampled_from(["dot", "cosine"]))
def test_shards_of_a_search_are_the_whole(seed, similarity):
    rng = np.random.default_rng(seed)
    queries, documents = int(rng.integers(1, 4)), int(rng.integers(1, 40))
    q = rng.integers(-2, 3, (queries, 6)).astype(np.float32)
    d = rng.integers(-2, 3, (documents, 6)).astype(np.float32)  # many ties
    rows, columns = np.divmod(np.arange(queries * documents), documents)
    scores = hm.pair_scores(q, d, rows, columns, similarity=similarity).reshape(queries, documents)

    def scan(start, end, k, limit):
        return hm.search(q, d[start:end], k, similarity=similarity, **limit)

    assert_merges(rng, scan, limits(rng, scores, documents), documents, int(rng.integers(1, 12)))


@given(st.integers(0, 2**32 - 1))
def test_any_lists_equal_the_twin(seed):
    """Lists of any length with columns of their own, documents scattered over the shards."""
    rng = np.random.default_rng(seed)
    queries, shards = int(rng.integers(0, 5)), int(rng.integers(1, 5))
    home = rng.integers(0, shards, 40)
    with_columns, with_ranks = rng.random() < 0.5, rng.random() < 0.5
    runs, above = [], []
    for shard in range(shards):
        own = np.flatnonzero(home == shard)
        lists = [rng.permutation(own)[: rng.integers(0, own.size + 1)] for _ in range(queries)]
        scores = [np.sort(rng.integers(-2, 3, row.size) / 2)[::-1].astype(np.float32) for row in lists]
        offsets = np.concatenate([[0], np.cumsum([row.size for row in lists])]).astype(np.int64)
        ids = np.concatenate([np.empty(0, np.int64), *lists])
        removed = rng.integers(0, 3, queries) if with_ranks else np.zeros(queries, np.int64)
        above.append(removed)
        columns = {}
        if with_ranks:
            ranks = [np.arange(1, row.size + 1) + count for row, count in zip(lists, removed, strict=True)]
            columns |= {"ranks": np.concatenate([[], *ranks]).astype(np.int32), "reasons": {"above_ceiling": removed}}
        if with_columns:
            columns |= {
                "sources": rng.integers(0, 9, ids.size).astype(np.int16),
                "anchor_scores": rng.random(ids.size, np.float32),
            }
        runs.append(hm.Candidates(offsets, ids, np.concatenate([np.empty(0, np.float32), *scores]), **columns))
    k = None if rng.random() < 0.3 else int(rng.integers(0, 20))
    merged = hm.merge(runs, k=k, num_threads=int(rng.integers(1, 4)))
    for query in range(queries):
        expected = oracle.merge_row([run[query] for run in runs], [counts[query] for counts in above], k)
        part = slice(*merged.offsets[query : query + 2])
        assert merged.ids[part].tolist() == [entry[0] for entry in expected]
        assert merged.scores[part].tobytes() == np.array([entry[1] for entry in expected], np.float32).tobytes()
        if merged.ranks is not None:
            assert merged.ranks[part].tolist() == [entry[2] for entry in expected]
        at = [(runs[shard], runs[shard].offsets[query] + position) for *_, shard, position in expected]
        if merged.sources is not None:
            assert merged.sources[part].tolist() == [run.sources[i] for run, i in at]
            assert merged.anchor_scores[part].tolist() == [run.anchor_scores[i] for run, i in at]
    assert (merged.ranks is not None) == bool(np.sum(above))
    assert (merged.sources is not None) == with_columns


def test_many_queries_by_any_number_of_threads():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 50, (700, 300)).astype(np.float32)
    whole = hm.topk(scores, 20, ceiling=45.0)
    shards = [hm.topk(scores[:, start : start + 100], 20, ceiling=45.0) for start in (0, 100, 200)]
    for threads in (1, 2, 7):
        assert_same(hm.merge(shards, document_offsets=[0, 100, 200], num_threads=threads), whole)


def test_float64_scores_that_float32_cannot_tell_apart_go_by_their_ids():
    scores = np.array([[0.5, 0.5 + 1e-12, 0.5 + 2e-12]])
    assert hm.topk(scores, 3)[0].ids.tolist() == [2, 1, 0]
    shards = [hm.topk(scores[:, :1], 3), hm.topk(scores[:, 1:], 3)]
    assert hm.merge(shards, document_offsets=[0, 1])[0].ids.tolist() == [0, 1, 2]


LEFT = hm.Candidates(
    [0, 1], [0], [0.5], query_ids=["q"], document_ids=["a", "b"], metadata={"teacher": "t", "k": 4, "shard": 0}
)
RIGHT = hm.Candidates([0, 1], [0], [0.75], document_ids=["c"], metadata={"teacher": "t", "k": 3, "shard": 1})


def test_names_reasons_and_facts_of_the_whole(tmp_path):
    merged = hm.merge([RIGHT, LEFT], document_offsets=[2, 0])
    assert merged[0].ids.tolist() == [2, 0]
    assert list(merged.document_ids) == ["a", "b", "c"]
    assert list(merged.query_ids) == ["q"]
    assert dict(merged.metadata) == {"teacher": "t", "k": 3}
    assert merged.reasons is None
    counted = hm.merge([LEFT.replace(reasons={"nan": [2], "excluded": [0]}), RIGHT], document_offsets=[0, 2])
    assert {name: count.tolist() for name, count in counted.reasons.items()} == {"nan": [2]}
    merged.save(tmp_path / "merged")
    assert hm.Candidates.load(tmp_path / "merged").document_ids == merged.document_ids
    empty = hm.Candidates([0, 0], [], [], document_ids=[])
    assert list(hm.merge([LEFT, empty, RIGHT], document_offsets=[0, 2, 2]).document_ids) == ["a", "b", "c"]
    bare = hm.Candidates([0, 1], [7], [0.25], sources=[3])
    assert hm.merge([bare, hm.Candidates([0, 0], [], [])]).sources.tolist() == [3]
    assert hm.merge([bare, hm.Candidates([0, 1], [8], [0.5])]).sources is None


PLAIN = hm.Candidates([0, 1], [3], [0.5])
BAD = [
    ([], {}, ValueError, "runs: none, expected at least one"),
    (PLAIN, {}, TypeError, "runs: Candidates, expected a sequence of Candidates"),
    ([PLAIN, 3], {}, TypeError, r"runs\[1\]: int, expected Candidates"),
    ([PLAIN, hm.Candidates([0], [], [])], {}, ValueError, r"runs\[1\]: 0 queries, expected 1 as in the first"),
    ([PLAIN, PLAIN], {}, ValueError, r"runs: document 3 of query 0 is in runs\[0\] and in runs\[1\]"),
    (
        [hm.Candidates([0, 2], [3, 9], [0.5, 0.0]), hm.Candidates([0, 2], [5, 9], [0.25, 0.1])],
        {"k": 1},
        ValueError,
        r"runs: document 9 of query 0 is in runs\[0\] and in runs\[1\]",
    ),
    ([PLAIN], {"k": -1}, ValueError, "k: -1, expected at least 0"),
    ([PLAIN], {"k": True}, TypeError, "k: bool"),
    ([LEFT, RIGHT], {"k": 4}, ValueError, r"k: 4, expected at most 3, which runs\[1\] was searched with"),
    ([PLAIN], {"document_offsets": [0, 1]}, ValueError, "document_offsets: length 2, expected 1"),
    ([PLAIN], {"document_offsets": [-1]}, ValueError, "document_offsets: -1, expected at least 0"),
    ([PLAIN], {"document_offsets": [0.5]}, TypeError, "document_offsets: dtype float64"),
    ([PLAIN], {"document_offsets": [2**63 - 2]}, ValueError, r"document_offsets: id 3 of runs\[0\] plus its"),
    ([LEFT, RIGHT], {}, ValueError, r"runs: document 0 of query 0 is in runs\[0\] and in runs\[1\]"),
    (
        [LEFT, RIGHT.replace(ids=[1], document_ids=["c", "d"])],
        {},
        ValueError,
        r"runs\[1\]: other document_ids than runs\[0\]",
    ),
    ([LEFT, RIGHT], {"document_offsets": [0, 3]}, ValueError, r"document_offsets: 3 for runs\[1\], expected 2"),
    ([LEFT, PLAIN], {"document_offsets": [0, 2]}, ValueError, r"runs\[1\]: no document_ids, expected them in every"),
    ([LEFT, RIGHT.replace(query_ids=["x"])], {"document_offsets": [0, 2]}, ValueError, r"runs\[1\]: other query_ids"),
    ([LEFT, PLAIN], {}, ValueError, "document_ids: 2 names, but id 3 occurs"),
    (
        [PLAIN.replace(ranks=[3], reasons={"above_ceiling": [1]})],
        {},
        ValueError,
        r"runs: rank 3 of candidate 1 of query 0 in runs\[0\], expected 2",
    ),
    ([PLAIN], {"num_threads": 0}, ValueError, "num_threads: 0"),
]


@pytest.mark.parametrize(("runs", "arguments", "kind", "message"), BAD)
def test_bad_input_is_named(runs, arguments, kind, message):
    with pytest.raises(kind, match=message):
        hm.merge(runs, **arguments)


def test_counts_and_ranks_that_do_not_fit_are_errors():
    def runs(**columns):
        return [hm.Candidates([0, 0, 1], [number], [0.5], **columns) for number in range(2)]

    for name in ("excluded", "nan"):
        with pytest.raises(ValueError, match=rf"reasons\['{name}'\]: the sum for query 1 is beyond 2\*\*63 - 1"):
            hm.merge(runs(reasons={name: [0, 2**62]}))
    assert hm.merge(runs(reasons={"nan": [0, 2**61]})).reasons["nan"].tolist() == [0, 2**62]
    with pytest.raises(ValueError, match="4294967296 documents of query 1 stand above the ceiling, .* beyond int32"):
        hm.merge(runs(reasons={"above_ceiling": [0, 2**31]}))
    wrapped = hm.Candidates([0, 1], [1], [0.5], ranks=[1], reasons={"above_ceiling": [2**32]})
    with pytest.raises(ValueError, match=r"rank 1 of candidate 1 of query 0 in runs\[0\], expected 4294967297"):
        hm.merge([wrapped])


def test_reasons_of_scans_and_selections_are_added_up_or_refused():
    run = hm.Candidates([0, 1], [1], [0.5], reasons={"positive": [2**63 - 1]})
    rule = hm.Selection(1, ceiling=hm.NoCeiling())
    with pytest.raises(ValueError, match=r"reasons\['positive'\]: the sum for query 0"):
        hm.select(run, hm.Positives([0, 1], [1]), rule)
