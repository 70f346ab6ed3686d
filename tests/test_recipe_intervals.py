"""Intervals of the recipes: against tables, against small cases by hand, and by how often they hold the truth."""

import numpy as np
import pytest
from scipy import stats

from examples.recipes.intervals import holm, over_clusters, over_runs


def test_over_runs_is_a_paired_t_interval():
    # Differences 1, 2, 3: mean 2, standard error 1 / sqrt(3), quantile 4.303 at two degrees of freedom.
    found = over_runs([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])
    assert found[:3] == pytest.approx((2.0, 2 - 4.303 / 3**0.5, 2 + 4.303 / 3**0.5), rel=1e-3)
    assert found.side == "covers 0"
    assert over_runs([2.0, 4.1, 6.0], [1.0, 3.0, 5.0]).side == "above 0"
    assert over_runs([1.0, 3.0, 5.0], [2.0, 4.1, 6.0]).side == "below 0"
    assert found.show(2) == "+2.00 [-0.48, +4.48]"


def test_of_one_seed_clusters_count_and_weigh_by_their_items():
    # One item differs by 1, three of another cluster by 0: sums 1 and 0, expected 0.25 and 0.75, mean size 2. So the
    # residuals are 0.375 and -0.375, the standard error 0.375, and the quantile at one degree of freedom 12.706.
    found = over_clusters([[1.0, 0.0, 0.0, 0.0]], np.zeros((1, 4)), [7, 3, 3, 3])
    assert found[:3] == pytest.approx((0.25, 0.25 - 12.706 * 0.375, 0.25 + 12.706 * 0.375), rel=1e-4)
    assert found.p == pytest.approx(1 - 2 / np.pi * np.arctan(0.25 / 0.375))  # Student's t of one degree is Cauchy's


def test_of_one_cluster_seeds_count():
    found = over_clusters([[0.0, 0.0], [2.0, 2.0]], np.zeros((2, 2)), [0, 0])
    assert found[:3] == pytest.approx((1.0, 1 - 12.706, 1 + 12.706), rel=1e-4)


# Clusters that vary, seeds that vary, both, neither: parts of the variance that come out below 0 count as 0.
@pytest.mark.parametrize("spread", [(1.0, 0.01), (0.01, 1.0), (1.0, 1.0), (0.0, 0.0)])
def test_two_ways_by_loops(spread):
    rng = np.random.default_rng(5)
    seeds, clusters = 3, 6
    z = (
        rng.normal(0, spread[0], clusters)
        + rng.normal(0, spread[1], (seeds, 1))
        + rng.normal(0, 0.1, (seeds, clusters))
    )
    mean = sum(z[s, c] for s in range(seeds) for c in range(clusters)) / (seeds * clusters)
    of_cluster = [sum(z[s, c] for s in range(seeds)) / seeds for c in range(clusters)]
    of_seed = [sum(z[s, c] for c in range(clusters)) / clusters for s in range(seeds)]
    squares = (
        sum(seeds * (each - mean) ** 2 for each in of_cluster) / (clusters - 1),
        sum(clusters * (each - mean) ** 2 for each in of_seed) / (seeds - 1),
        sum((z[s, c] - of_cluster[c] - of_seed[s] + mean) ** 2 for s in range(seeds) for c in range(clusters))
        / ((clusters - 1) * (seeds - 1)),
    )
    total = max(squares[0] - squares[2], 0) + max(squares[1] - squares[2], 0) + squares[2]
    degrees = total**2 / (
        squares[0] ** 2 / (clusters - 1)
        + squares[1] ** 2 / (seeds - 1)
        + squares[2] ** 2 / ((clusters - 1) * (seeds - 1))
    )
    wanted = stats.t.interval(0.95, max(1, degrees), mean, (total / (seeds * clusters)) ** 0.5)
    found = over_clusters(z, 0 * z, np.arange(clusters))
    assert found[:3] == pytest.approx((mean, *wanted))
    by_sums = over_clusters(np.repeat(z, 2, 1), np.zeros((seeds, 2 * clusters)), np.repeat(np.arange(clusters), 2))
    assert by_sums == pytest.approx(found)
    assert over_clusters(2 * z, 0 * z, np.arange(clusters), sizes=np.full(clusters, 2)) == pytest.approx(found)


def test_equal_differences_have_no_width():
    assert over_clusters(np.ones((3, 4)), np.zeros((3, 4)), [0, 1, 2, 3]) == (1.0, 1.0, 1.0, 0.0)
    assert over_clusters(np.zeros((3, 4)), np.zeros((3, 4)), [0, 1, 2, 3]) == (0.0, 0.0, 0.0, 1.0)


SIMULATIONS, FEWEST = 300, 267


def simulated(rng):
    """Of 24 clusters of four items and 5 seeds around 0.3: clusters, items, seeds and noise all vary."""
    clusters = np.repeat(np.arange(24), 4)
    items = rng.normal(size=24)[clusters] + 0.3 * rng.normal(size=96)
    return 0.3 + items + 0.1 * rng.normal(size=(5, 1)) + 0.3 * rng.normal(size=(5, 96)), clusters


def test_the_interval_holds_the_truth_as_often_as_it_says():
    """Of 300 intervals that hold it 95 % of the time, fewer than 267 do so less than once in ten thousand.

    As if items were independent, far more miss.
    """
    rng = np.random.default_rng(0)
    held = {"clusters": 0, "items": 0}
    for _ in range(SIMULATIONS):
        a, clusters = simulated(rng)
        b = np.zeros_like(a)
        for name, groups in (("clusters", clusters), ("items", np.arange(96))):
            found = over_clusters(a, b, groups)
            held[name] += found.low <= 0.3 <= found.high
    assert held["clusters"] >= FEWEST
    assert held["items"] < FEWEST


def test_clusters_widen_the_interval():
    a, clusters = simulated(np.random.default_rng(1))
    widths = [
        found.high - found.low
        for found in (over_clusters(a, 0 * a, groups) for groups in (clusters, np.arange(clusters.size)))
    ]
    assert widths[0] > 1.2 * widths[1]


def test_holm_by_hand():
    # 0.01 times 3, 0.03 times 2, then 0.04 times 1, which may not fall below the one before.
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02]
