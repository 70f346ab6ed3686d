"""Alias tables: the laws of their draws by counts, with and without exclusions, and what they refuse."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import hardmine as hm
from tests.oracle import draw as oracle
from tests.test_draw import INF, assert_counts_follow, count

WEIGHTS = np.array([3.0, 0.0, 1.0, 0.25, 4.0, 2.0])


def test_alias_draws_follow_the_weights():
    drawn = hm.AliasTable(WEIGHTS).sample(200, 500, seed=2).ravel()
    assert_counts_follow(np.bincount(drawn, minlength=6), WEIGHTS / WEIGHTS.sum() * drawn.size)
    pairs = list(itertools.product([0, 2, 3, 4, 5], repeat=2))
    drawn = hm.AliasTable(WEIGHTS).sample(60_000, 2, seed=3)
    expected = np.array([WEIGHTS[i] * WEIGHTS[j] for i, j in pairs])
    statistic = np.array(count(drawn, pairs)) - expected / expected.sum() * 60_000
    assert (statistic**2 / (expected / expected.sum() * 60_000)).sum() < 51.179  # 24 degrees of freedom


@pytest.mark.parametrize("gone", [[0], [4, 0], [4, 0, 5], [1], [0, 2, 4, 5]])
def test_alias_draws_with_exclusions(gone):
    """A light exclusion is rejected, a heavy one summed up anew."""
    drawn = hm.AliasTable(WEIGHTS).sample(200, 200, exclude=[gone] * 200, seed=5).ravel()
    left = WEIGHTS.copy()
    left[gone] = 0
    counts = np.bincount(drawn, minlength=6)
    if (left > 0).sum() == 1:
        assert counts[left > 0].sum() == drawn.size
    else:
        assert_counts_follow(counts, left / left.sum() * drawn.size)


@pytest.mark.parametrize("gone", [[], [4]])
def test_alias_draws_without_replacement_are_sequential(gone):
    rows = 60_000
    left = [0.0 if i in gone else w for i, w in enumerate(WEIGHTS)]
    law = oracle.sequential(left, 2)
    drawn = hm.AliasTable(WEIGHTS).sample(rows, 2, exclude=[gone] * rows, seed=6, replace=False)
    outcomes = list(law)
    assert_counts_follow(count(drawn, outcomes), [law[o] * rows for o in outcomes])


def test_alias_tables_of_many_and_odd_weights():
    for weights in ([1.0], [0.0, 5e-324], [1e308, 1e308, 0.0], np.arange(3), np.array([1, 3], np.uint8)):
        table = hm.AliasTable(weights)
        drawn = table.sample(3, 50, seed=0)
        assert (np.asarray(weights)[drawn] > 0).all()
        distinct = table.sample(3, 4, seed=0, replace=False)
        positive = int((np.asarray(weights) > 0).sum())
        assert ((distinct >= 0).sum(axis=1) == min(4, positive)).all()
    rng = np.random.default_rng(0)
    weights = rng.random(40) ** 3 + 0.01
    drawn = hm.AliasTable(weights).sample(100, 2000, seed=1).ravel()
    assert_counts_follow(np.bincount(drawn, minlength=40), weights / weights.sum() * drawn.size)
    assert len(hm.AliasTable(weights)) == 40
    assert repr(hm.AliasTable(weights)) == "AliasTable(40 items)"


def test_nothing_left_in_the_table():
    table = hm.AliasTable([1.0, 0.0, 2.0])
    for replace in (False, True):
        assert table.sample(1, 2, exclude=[[0, 2]], seed=0, replace=replace).tolist() == [[-1, -1]]


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ([1.0, -0.5], ValueError, "weights: -0.5 at index 1, expected a finite number of at least 0"),
        ([1.0, np.nan], ValueError, "weights: NaN at index 1, expected a finite number"),
        ([INF], ValueError, "weights: inf at index 0, expected a finite number"),
        ([0.0, 0.0], ValueError, "weights: none of 2 is above 0, expected at least one"),
        (np.empty(0), ValueError, "weights: none of 0 is above 0"),
        ([[1.0]], ValueError, r"weights: 2 dimensions, shape \(1, 1\), expected 1"),
        (["a"], TypeError, "weights: dtype str"),
        ([True], TypeError, "weights: dtype bool, expected floats or integers"),
    ],
)
def test_bad_weights(weights, error, message):
    with pytest.raises(error, match=message):
        hm.AliasTable(weights)
