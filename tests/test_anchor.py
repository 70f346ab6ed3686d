"""Anchor scores: held to the slow twin, the same bytes at every level, bad embeddings named."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import hardmine as hm
from tests.oracle import select as oracle


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
def test_anchor_scores_equal_the_twin(dtype):
    rng = np.random.default_rng(0)
    embeddings = (rng.normal(size=(60, 37)) + 0.5).astype(dtype)
    embeddings[7] = embeddings[3]
    lengths = rng.integers(0, 20, 40)
    ids = np.concatenate([rng.permutation(60)[:length] for length in lengths])
    run = hm.Candidates(np.concatenate([[0], np.cumsum(lengths)]), ids, np.zeros(ids.size, np.float32))
    positives = hm.Positives.from_lists([rng.permutation(60)[: rng.integers(0, 4)] for _ in range(40)])
    expected = oracle.anchor_scores(run, positives, embeddings)
    found = [hm.anchor_scores(run, positives, embeddings, num_threads=t).anchor_scores for t in (1, 2, 7)]
    assert np.allclose(found[0], expected, atol=1e-6, rtol=0)
    views = [np.asfortranarray(embeddings), np.repeat(embeddings, 2, axis=0)[::2]]
    found += [hm.anchor_scores(run, positives, view).anchor_scores for view in views]
    assert all(other.tobytes() == found[0].tobytes() for other in found)


def test_anchor_scores_are_the_same_bytes_at_every_level(monkeypatch):
    rng = np.random.default_rng(1)
    embeddings = rng.normal(size=(3000, 50)).astype(np.float32)
    run = hm.Candidates([0, 500], rng.permutation(3000)[:500], np.zeros(500, np.float32))
    positives = hm.Positives.from_lists([[5, 9]])
    found = set()
    for level in hm._native.isa_levels():
        monkeypatch.setenv("HARDMINE_ISA", level)
        found.add(hm.anchor_scores(run, positives, embeddings).anchor_scores.tobytes())
    assert len(found) == 1


def test_anchor_scores_refuse_bad_embeddings():
    run, positives = hm.Candidates([0, 1], [1], [0.5]), hm.Positives.from_lists([[0]])
    embeddings = np.ones((3, 2), np.float32)
    embeddings[2, 1] = np.inf
    with pytest.raises(ValueError, match="document_embeddings: inf at row 2, column 1"):
        hm.anchor_scores(run, positives, embeddings)
    with pytest.raises(ValueError, match=r"candidates: id 1 of row 0 is outside 0\.\.1"):
        hm.anchor_scores(run, positives, embeddings[:1])
    with pytest.raises(ValueError, match="positives: 2 queries, expected 1"):
        hm.anchor_scores(run, hm.Positives.from_lists([[0], [1]]), embeddings)
    with pytest.raises(TypeError, match="candidates: list, expected Candidates"):
        hm.anchor_scores([], positives, embeddings)
