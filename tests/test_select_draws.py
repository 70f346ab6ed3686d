"""Draws inside a selection: their laws by counts, their independence of everything but keys, first draws pinned."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import hardmine as hm
from tests.oracle import draw as noise
from tests.select_cases import (
    large_case,
)

CHI_SQUARE = {4: 18.467, 9: 27.877, 19: 43.82}
"""0.999 quantiles by degrees of freedom."""


def assert_law(selection, scores, p, law, documents=None, **columns):
    """Unordered pairs drawn over many query keys follow `law`, a log-weight per candidate."""
    rows, width = 20_000, len(scores)
    ids = np.tile(np.arange(width) if documents is None else documents, rows)
    run = hm.Candidates(np.arange(rows + 1) * width, ids, np.tile(np.float32(scores), rows))
    positives = hm.Positives(np.arange(rows + 1), np.full(rows, 99), np.full(rows, p, np.float32))
    found = hm.select(run, positives, selection, **columns).ids.reshape(rows, 2)
    weights = np.exp(np.array(law, float))
    counts, expected = [], []
    for pair in itertools.combinations(range(width), 2):
        i, j = weights[list(pair)] / weights.sum()
        expected.append(rows * i * j * (1 / (1 - i) + 1 / (1 - j)))
        counts.append(int((found == [ids[pair[0]], ids[pair[1]]]).all(1).sum()))
    counts, expected = np.array(counts), np.array(expected)
    assert counts.sum() == rows
    assert ((counts - expected) ** 2 / expected).sum() < CHI_SQUARE[len(counts) - 1]


SCORES = [0.9, 0.7, 0.6, 0.5, 0.1]


@pytest.mark.parametrize(
    ("draw", "law"),
    [
        (hm.Uniform(), [0] * 5),
        (hm.Softmax(0.5), [s / 0.5 for s in SCORES]),
        (hm.SimANS(4.0, 0.1), [-4 * (s - 0.6 - 0.1) ** 2 for s in SCORES]),
        (hm.Laplace(3.0), [-3 * abs(s - 0.6) for s in SCORES]),
        (hm.RankPower(1.0), [-np.log(rank) for rank in range(1, 6)]),
        (hm.Popularity([8, 1, 4, 2, 2], 0.75), [0.75 * np.log(c) for c in [8, 1, 4, 2, 2]]),
        (hm.Weighted(np.tile([0.0, 1.0, -1.0, 0.5, 0.2], 20_000)), [0.0, 1.0, -1.0, 0.5, 0.2]),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_draws_follow_their_law(draw, law):
    assert_law(hm.Selection(2, ceiling=hm.NoCeiling(), draw=draw, seed=11), SCORES, 0.6, law)


def test_top_then_keeps_the_first_and_draws_the_rest_uniformly():
    rows = 20_000
    run = hm.Candidates(
        np.arange(rows + 1) * 6, np.tile(np.arange(6), rows), np.tile(np.float32([6, 5, 4, 3, 2, 1]), rows)
    )
    none = hm.Positives(np.zeros(rows + 1, int), [])
    found = hm.select(run, none, hm.Selection(2, ceiling=hm.NoCeiling(), draw=hm.TopThen(1, hm.Uniform()), seed=2))
    ids = found.ids.reshape(rows, 2)
    assert (ids[:, 0] == 0).all()
    counts = np.bincount(ids[:, 1], minlength=6)[1:]
    assert ((counts - rows / 5) ** 2 / (rows / 5)).sum() < CHI_SQUARE[4]


def test_filled_documents_are_uniform_and_never_forbidden():
    rows = 20_000
    run = hm.Candidates(np.arange(rows + 1), np.zeros(rows, int), np.ones(rows, np.float32))
    positives = hm.Positives(np.arange(rows + 1), np.full(rows, 3), np.ones(rows, np.float32))
    rule = hm.Selection(2, on_shortage="fill", seed=9)
    found = hm.select(run, positives, rule, num_documents=7, exclude=(np.arange(rows + 1), np.full(rows, 5)))
    pairs = found.ids.reshape(rows, 2)
    counts = [int((pairs == pair).all(1).sum()) for pair in itertools.combinations([1, 2, 4, 6], 2)]
    assert sum(counts) == rows
    assert ((np.array(counts) - rows / 6) ** 2 / (rows / 6)).sum() < 20.515
    assert np.isnan(found.scores).all()
    assert found.filled.all()
    assert found.num_short == rows


def test_epochs_seeds_and_keys():
    run, positives, _ = large_case(200)
    rule = hm.Selection(3, ceiling=hm.NoCeiling(), draw=hm.Uniform(), seed=1)
    base = hm.select(run, positives, rule)
    assert np.array_equal(base.ids, hm.select(run, positives, rule).ids)
    assert not np.array_equal(base.ids, hm.select(run, positives, rule, epoch=1).ids)
    assert not np.array_equal(base.ids, hm.select(run, positives, rule.replace(seed=2)).ids)
    assert np.array_equal(base.ids, hm.select(run, positives, rule, query_keys=np.arange(200)).ids)


def test_keys_make_draws_independent_of_order_and_sharding():
    run, positives, documents = large_case(120)
    rule = hm.Selection(3, ceiling=hm.NoCeiling(), draw=hm.SimANS(20.0), seed=1)
    rng = np.random.default_rng(0)
    keys = rng.integers(0, 2**64, 120, dtype=np.uint64)
    whole = hm.select(run, positives, rule, query_keys=keys)
    order = rng.permutation(120)
    for part in (order[:50], order[50:]):
        shard = hm.Candidates(
            np.arange(part.size + 1) * 40,
            run.ids.reshape(120, 40)[part].ravel(),
            run.scores.reshape(120, 40)[part].ravel(),
        )
        known = hm.Positives(np.arange(part.size + 1), positives.ids[part], positives.scores[part])
        found = hm.select(shard, known, rule, query_keys=keys[part])
        for row, query in enumerate(part):
            assert np.array_equal(found[row].ids, whole[query].ids)
    # Renumbered documents with their old numbers as keys are the same draws.
    renumber = rng.permutation(documents)
    old = np.empty(documents, np.int64)
    old[renumber] = np.arange(documents)
    moved = hm.Candidates(run.offsets, renumber[run.ids], run.scores)
    known = hm.Positives(positives.offsets, renumber[positives.ids], positives.scores)
    found = hm.select(moved, known, rule, query_keys=keys, document_keys=old)
    assert np.array_equal(found.ids, renumber[whole.ids])


def test_minus_infinity_is_never_drawn():
    run = hm.Candidates([0, 4], [0, 1, 2, 3], [0.4, 0.3, 0.2, 0.1])
    none = hm.Positives.from_lists([[]])
    rule = hm.Selection(3, ceiling=hm.NoCeiling(), draw=hm.Weighted([-np.inf, 0.0, -np.inf, -800.0]))
    for epoch in range(50):
        found = hm.select(run, none, rule, epoch=epoch)
        assert found[0].ids.tolist() == [1, 3]
        assert found.reasons["not_drawn"].tolist() == [2]


def test_top_then_flattens():
    run, positives, _ = large_case(100)
    nested = hm.Selection(5, ceiling=hm.NoCeiling(), draw=hm.TopThen(1, hm.TopThen(1, hm.Uniform())))
    flat = nested.replace(draw=hm.TopThen(2, hm.Uniform()))
    assert np.array_equal(hm.select(run, positives, nested).ids, hm.select(run, positives, flat).ids)


def test_first_draws_are_pinned():
    run = hm.Candidates([0, 6, 12], np.tile(np.arange(6), 2), np.tile(np.float32([6, 5, 4, 3, 2, 1]), 2))
    none = hm.Positives.from_lists([[], []])
    rule = hm.Selection(3, ceiling=hm.NoCeiling(), draw=hm.Softmax(2.0), seed=2024)
    found = [hm.select(run, none, rule, epoch=epoch).ids.tolist() for epoch in range(2)]
    gumbel = [noise.noise(2024, epoch, query, np.arange(6), noise.SELECT) for epoch in range(2) for query in range(2)]
    keys = [row + np.array([6, 5, 4, 3, 2, 1]) / 2.0 for row in gumbel]
    expected = [sorted(np.argsort(-row)[:3].tolist()) for row in keys]
    assert found == [expected[0] + expected[1], expected[2] + expected[3]]
    assert found == PINNED


PINNED = [[0, 2, 3, 1, 2, 4], [0, 2, 3, 0, 3, 4]]
"""These change only with a release that says so."""
