"""Intervals that fit how the figures depend on each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats


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
    return _student(float(differences.mean()), float(differences.var(ddof=1)) / differences.size, differences.size - 1)


def over_clusters(
    a: npt.ArrayLike, b: npt.ArrayLike, clusters: npt.ArrayLike, *, sizes: npt.ArrayLike | None = None
) -> Interval:
    """Mean of a - b over all judged items, paired, with an interval for other clusters of items and other seeds.

    Parameters
    ----------
    a, b : float [seeds, items]
        A figure of every judged item after training with every seed; both arms on the same items and seeds.
    clusters : int [items]
        What items share; items of one cluster are not independent.
    sizes : int [items], optional
        Given, a and b are sums over that many items each, so that sums by cluster serve as well as items.

    Returns
    -------
    Interval
        Of 95 %, and p, both by Student's t.

    Notes
    -----
    Clusters and seeds are crossed random effects: another seed would have been another model, another cluster other
    items. The variance of the mean is the sum of their parts and of what is left, each as the two-way analysis of
    variance estimates it and none below 0, with Satterthwaite's degrees of freedom. Clusters of unequal size enter by
    the linearised ratio of sums to sizes. Of one cluster, or one seed, only the other effect is seen.

    Measured on made normal figures of 27, 62 and 225 clusters, 5 and 8 seeds, with the variance in clusters, seeds, or
    neither: such intervals hold the truth in 94 to 99 % of the cases.
    """
    numbers, place = np.unique(np.asarray(clusters), return_inverse=True)
    differences = np.subtract(a, b).astype(np.float64)
    items = np.ones(place.size) if sizes is None else np.asarray(sizes, np.float64)
    sums = np.stack([np.bincount(place, row, minlength=numbers.size) for row in differences])
    weights = np.bincount(place, items, minlength=numbers.size)
    mean = float(sums.sum() / (weights.sum() * len(sums)))
    residuals = (sums - mean * weights) / weights.mean()
    return _student(mean, *_variance(residuals))


def _variance(residuals: np.ndarray) -> tuple[float, float]:
    """Of [seeds, clusters] about 0, the variance of the mean and its degrees of freedom."""
    seeds, clusters = residuals.shape
    by_cluster, by_seed = residuals.mean(0), residuals.mean(1)
    if seeds == 1 or clusters == 1:
        seen = by_cluster if seeds == 1 else by_seed
        return float(seen.var(ddof=1)) / seen.size, seen.size - 1
    rest = residuals - by_cluster - by_seed[:, None] + residuals.mean()
    degrees = np.array([clusters - 1, seeds - 1, (clusters - 1) * (seeds - 1)], np.float64)
    squares = np.array([seeds * by_cluster.var() * clusters, clusters * by_seed.var() * seeds, (rest**2).sum()])
    each = squares / degrees
    total = each[2] + np.maximum(each[:2] - each[2], 0.0).sum()
    if total == 0:
        return 0.0, 1.0
    return float(total / residuals.size), float(max(1.0, total**2 / (each**2 / degrees).sum()))


def _student(mean: float, variance: float, degrees: float) -> Interval:
    error = math.sqrt(variance)
    if error == 0:
        return Interval(mean, mean, mean, float(mean == 0))
    half = float(stats.t.ppf(0.975, degrees)) * error
    return Interval(mean, mean - half, mean + half, float(2 * stats.t.sf(abs(mean) / error, degrees)))


def holm(p: Sequence[float]) -> list[float]:
    """P adjusted for that many claims (Holm 1979): below 0.05, any wrong claim among them is as rare as that."""
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    highest = 0.0
    for place, number in enumerate(order):
        highest = max(highest, min(1.0, (len(p) - place) * p[number]))
        adjusted[number] = highest
    return adjusted.tolist()
