"""Intervals of the recipes: against tables, against small cases by hand, and by how often they hold the truth."""

import numpy as np
import pytest

from examples.recipes.intervals import holm, over_clusters, over_runs


def test_over_runs_is_a_paired_t_interval():
    # Differences 1, 2, 3: mean 2, standard error 1 / sqrt(3), quantile 4.303 at two degrees of freedom.
    found = over_runs([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])
    assert found[:3] == pytest.approx((2.0, 2 - 4.303 / 3**0.5, 2 + 4.303 / 3**0.5))
    assert found.side == "covers 0"
    assert over_runs([2.0, 4.1, 6.0], [1.0, 3.0, 5.0]).side == "above 0"
    assert over_runs([1.0, 3.0, 5.0], [2.0, 4.1, 6.0]).side == "below 0"
    assert found.show(2) == "+2.00 [-0.48, +4.48]"


def test_clusters_are_drawn_whole_and_weigh_by_their_items():
    # One item differs by 1, three of another cluster by 0. Drawn are 1 and 1, both, or 0 and 0: 1/4, 1/2, 1/4.
    found = over_clusters([[1.0, 0.0, 0.0, 0.0]], np.zeros((1, 4)), [7, 3, 3, 3])
    assert found[:3] == pytest.approx((0.25, 0.0, 1.0))
    assert found.p == pytest.approx(0.5, abs=0.05)  # 10,000 resamples: five standard errors


def test_seeds_are_drawn_too_and_stretched():
    # Two seeds, 0 and 2 of the only cluster: deviations of 1, times sqrt(2 / 1), around 1.
    found = over_clusters([[0.0, 0.0], [2.0, 2.0]], np.zeros((2, 2)), [0, 0])
    assert found[:3] == pytest.approx((1.0, 1 - 2**0.5, 1 + 2**0.5))


def test_equal_differences_have_no_width_and_p_is_never_nothing():
    found = over_clusters(np.ones((3, 4)), np.zeros((3, 4)), [0, 1, 2, 3], resamples=199)
    assert found[:3] == pytest.approx((1.0, 1.0, 1.0))
    assert found.p == 2 / 200
    assert over_clusters(np.zeros((3, 4)), np.zeros((3, 4)), [0, 1, 2, 3], resamples=199).p == 1.0


SIMULATIONS, FEWEST = 150, 121


def simulated(rng):
    """Of 24 clusters of four items and 5 seeds around 0.3: clusters, items, seeds and noise all vary."""
    clusters = np.repeat(np.arange(24), 4)
    items = rng.normal(size=24)[clusters] + 0.3 * rng.normal(size=96)
    return 0.3 + items + 0.1 * rng.normal(size=(5, 1)) + 0.3 * rng.normal(size=(5, 96)), clusters


def test_the_interval_holds_the_truth_as_often_as_it_says():
    """Of 150 intervals that hold it 90 % of the time, fewer than 121 do so once in five thousand.

    A bootstrap of two dozen clusters falls a little short of 95 %. Drawn by item, far more miss.
    """
    rng = np.random.default_rng(0)
    held = {"clusters": 0, "items": 0}
    for _ in range(SIMULATIONS):
        a, clusters = simulated(rng)
        b = np.zeros_like(a)
        for name, groups in (("clusters", clusters), ("items", np.arange(96))):
            found = over_clusters(a, b, groups, resamples=300)
            held[name] += found.low <= 0.3 <= found.high
    assert held["clusters"] >= FEWEST
    assert held["items"] < FEWEST


def test_clusters_widen_the_interval():
    a, clusters = simulated(np.random.default_rng(1))
    widths = [
        found.high - found.low
        for found in (
            over_clusters(a, 0 * a, groups, resamples=1000) for groups in (clusters, np.arange(clusters.size))
        )
    ]
    assert widths[0] > 1.2 * widths[1]


def test_holm_by_hand():
    # 0.01 times 3, 0.03 times 2, then 0.04 times 1, which may not fall below the one before.
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02]
