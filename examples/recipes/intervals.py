"""Intervals that fit how the figures depend on each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

# Two-sided 95 % quantiles of Student's t by degrees of freedom.
_T95 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}
RESAMPLES = 10_000


class Interval(NamedTuple):
    """A mean difference, its 95 % interval, and the two-sided p of "no difference"."""

    mean: float
    low: float
    high: float
    p: float = math.nan

    def show(self, digits: int) -> str:
        """As text."""
        return f"{self.mean:+.{digits}f} [{self.low:+.{digits}f}, {self.high:+.{digits}f}]"

    @property
    def side(self) -> str:
        """Where the interval lies; nothing stronger is to be read from it."""
        return "above 0" if self.low > 0 else "below 0" if self.high < 0 else "covers 0"


def over_runs(a: Sequence[float], b: Sequence[float]) -> Interval:
    """Mean of a - b, one figure a run, paired, runs independent, with its 95 % t-interval."""
    differences = np.subtract(a, b)
    mean = float(differences.mean())
    half = _T95[differences.size - 1] * float(differences.std(ddof=1)) / math.sqrt(differences.size)
    return Interval(mean, mean - half, mean + half)


def over_clusters(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    clusters: npt.ArrayLike,
    *,
    sizes: npt.ArrayLike | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Interval:
    """Mean of a - b over all judged items, paired, by a bootstrap over clusters of items and over seeds at once.

    Parameters
    ----------
    a, b : float [seeds, items]
        A figure of every judged item after training with every seed; both arms on the same items and seeds.
    clusters : int [items]
        What items share; items of one cluster are drawn together.
    sizes : int [items], optional
        Given, a and b are sums over that many items each, so that sums by cluster serve as well as items.
    seed, resamples : int
        Of the bootstrap.

    Returns
    -------
    Interval
        Percentiles 2.5 and 97.5 of the resampled means; p is twice the smaller share of them on one side of 0, at
        least 2 / (resamples + 1).

    Notes
    -----
    Seeds are drawn as clusters are, since another seed would have been another model. With J seeds their part of the
    variance comes out (J - 1) / J of what it is; so the seeds' deviations are stretched by sqrt(J / (J - 1)) first.
    """
    numbers, place = np.unique(np.asarray(clusters), return_inverse=True)
    differences = np.subtract(a, b).astype(np.float64)
    count = differences.shape[0]
    items = np.ones(place.size) if sizes is None else np.asarray(sizes, np.float64)
    means = differences.mean(0, keepdims=True)
    if count > 1:
        differences = means + (differences - means) * math.sqrt(count / (count - 1))
    sums = np.stack([np.bincount(place, row, minlength=numbers.size) for row in differences])
    weights = np.bincount(place, items, minlength=numbers.size)
    clusters_drawn, seeds_drawn = _drawn(numbers.size, count, seed, resamples)
    found = ((seeds_drawn @ sums) * clusters_drawn).sum(1) / (count * (clusters_drawn @ weights))
    low, high = np.quantile(found, [0.025, 0.975])
    tail = int(min((found <= 0).sum(), (found >= 0).sum()))
    mean = float(means.sum() / items.sum())
    return Interval(mean, float(low), float(high), min(1.0, 2 * (tail + 1) / (resamples + 1)))


@lru_cache(maxsize=16)
def _drawn(clusters: int, seeds: int, seed: int, resamples: int) -> tuple[np.ndarray, np.ndarray]:
    """How often each is drawn, float [resamples, clusters] and [resamples, seeds]."""
    rng = np.random.default_rng([seed, 4])
    return tuple(rng.multinomial(size, np.full(size, 1 / size), resamples) + 0.0 for size in (clusters, seeds))


def holm(p: Sequence[float]) -> list[float]:
    """P adjusted for that many claims (Holm 1979): below 0.05, any wrong claim among them is as rare as that."""
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    highest = 0.0
    for place, number in enumerate(order):
        highest = max(highest, min(1.0, (len(p) - place) * p[number]))
        adjusted[number] = highest
    return adjusted.tolist()
