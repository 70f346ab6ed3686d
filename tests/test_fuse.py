"""`fuse` against its slow twin, and what it refuses."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hardmine as hm
from hardmine.primitives.fuse import METHODS
from tests.oracle import fuse as oracle


@st.composite
def teachers(draw):
    """One to four runs over few documents, some empty lists, tied scores."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows = draw(st.integers(0, 130))
    runs = []
    for _ in range(draw(st.integers(1, 4))):
        lists = [rng.permutation(9)[: rng.integers(0, 7)].tolist() for _ in range(rows)]
        scores = [np.sort(rng.integers(-4, 5, len(ids)) / 4)[::-1] for ids in lists]
        offsets = np.cumsum([0, *map(len, lists)])
        ids = np.array([document for row in lists for document in row], np.int64)
        runs.append(hm.Candidates(offsets, ids, np.concatenate([[], *scores])))
    weights = draw(st.none() | st.lists(st.sampled_from([0.25, 1.0, 3.0]), min_size=len(runs), max_size=len(runs)))
    return runs, weights


@pytest.mark.parametrize("method", METHODS)
@given(case=teachers(), k=st.none() | st.integers(0, 6), min_votes=st.integers(1, 3), threads=st.integers(1, 3))
def test_equals_the_twin(method, case, k, min_votes, threads):
    runs, weights = case
    fused = hm.fuse(runs, method=method, k=k, weights=weights, min_votes=min_votes, num_threads=threads)
    assert len(fused) == len(runs[0])
    for row in range(len(fused)):
        expected = oracle.fuse_row(
            [run[row] for run in runs], method, weights or [1.0] * len(runs), min_votes=min_votes
        )
        expected = expected[:k]
        part = slice(*fused.offsets[row : row + 2])
        assert fused.ids[part].tolist() == [document for document, _, _ in expected]
        assert fused.scores[part].tolist() == [score for _, score, _ in expected]
        assert fused.sources[part].tolist() == [source for _, _, source in expected]


def test_the_constant_of_rrf_acts():
    one, two = hm.Candidates([0, 2], [1, 2], [2, 1.0]), hm.Candidates([0, 3], [2, 3, 1], [3, 2, 1.0])
    near = hm.fuse([one, two], rrf_constant=0.0)
    assert near.scores.tolist() == [np.float32(1.5), np.float32(1 + 1 / 3), 0.5]
    assert near[0].ids.tolist() == [2, 1, 3]


def test_names_and_facts_are_kept_and_the_result_saves(tmp_path):
    named = {"query_ids": ["q"], "document_ids": ["a", "b", "c"]}
    one = hm.Candidates([0, 2], [0, 2], [0.5, 0.25], **named, metadata={"teacher": "bm25"})
    two = hm.Candidates([0, 1], [1], [9.0], metadata={"teacher": "dense"})
    fused = hm.fuse(iter([one, two]), method="union")
    assert fused.query_ids[0] == "q"
    assert fused.document_ids[2] == "c"
    assert [run["teacher"] for run in fused.metadata["runs"]] == ["bm25", "dense"]
    fused.save(tmp_path / "fused")
    loaded = hm.Candidates.load(tmp_path / "fused")
    np.testing.assert_array_equal(loaded.sources, [0, 1, 0])
    assert loaded.metadata["fused"] == "union"


RUN = hm.Candidates([0, 1], [3], [0.5])
BAD = [
    ([], {}, ValueError, "runs: 0 of them, expected 1 to 32767"),
    (RUN, {}, TypeError, "runs: Candidates, expected a sequence of Candidates"),
    ([RUN, 3], {}, TypeError, r"runs\[1\]: int, expected Candidates"),
    ([RUN, hm.Candidates([0], [], [])], {}, ValueError, r"runs\[1\]: 0 queries, expected 1 as in the first"),
    ([RUN], {"method": "sum"}, ValueError, "method: 'sum', expected one of 'rrf'"),
    ([RUN], {"k": -1}, ValueError, "k: -1, expected at least 0"),
    ([RUN], {"k": 1.0}, TypeError, "k: float 1.0, expected an integer"),
    ([RUN], {"weights": [1.0, 2.0]}, ValueError, r"weights: 2, expected 1 \(one per run\)"),
    ([RUN], {"weights": [math.nan]}, ValueError, r"weights\[0\]: nan, expected a finite number"),
    ([RUN], {"weights": [0.0]}, ValueError, "weights: all 0"),
    ([RUN], {"rrf_constant": -1}, ValueError, "rrf_constant: -1, expected at least 0"),
    ([RUN], {"min_votes": 0}, ValueError, "min_votes: 0, expected at least 1"),
    ([hm.Candidates([0, 1], [3], [math.inf])], {"method": "zscore"}, ValueError, r"runs\[0\]: score inf at position 0"),
    (
        [RUN.replace(query_ids=["a"]), RUN, RUN.replace(query_ids=["b"])],
        {},
        ValueError,
        r"runs\[2\]: other query_ids than runs\[0\]",
    ),
]


@pytest.mark.parametrize(("runs", "arguments", "kind", "message"), BAD)
def test_bad_input_is_named(runs, arguments, kind, message):
    with pytest.raises(kind, match=message):
        hm.fuse(runs, **arguments)
