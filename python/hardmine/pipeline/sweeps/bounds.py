"""How sure an estimated share is: a bootstrap that draws whole queries, and Wilson's bound where it has too little."""

from __future__ import annotations

import math
import warnings
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hardmine.primitives.draw import sample_uniform

if TYPE_CHECKING:
    from hardmine.plumbing.checks import Int64Array

FEWEST_HITS = 10
"""Queries with a hit, or with a miss, below which the bootstrap is not to be believed: with none it gives a point.

There Wilson's bound takes its place, for as many trials as there are queries (`effective_number`): as if all labels of
a query were hit or missed together, which is the safe side, and asks nothing of the other settings.
"""

_AT_ONCE = 4_000_000
_Float64 = npt.NDArray[np.float64]


def bootstrap(
    hits: Int64Array, sizes: Int64Array, *, num_bootstrap: int, confidence: float, seed: int, num_threads: int | None
) -> tuple[_Float64, _Float64]:
    """Percentile interval of ``hits.sum() / sizes.sum()`` of every setting.

    Whole queries are drawn with replacement.

    `hits` is int64 [queries, settings], `sizes` the same or [queries, 1]. One set of draws serves all settings: sums
    are matrix products, of integers, so that they are exact in any order.
    """
    queries = hits.shape[0]
    table = np.concatenate([hits, sizes], axis=1).astype(np.float64)
    shares = np.empty((num_bootstrap, hits.shape[1]))
    step = max(1, _AT_ONCE // max(queries, 1))
    for start in range(0, num_bootstrap, step):
        keys = np.arange(start, min(start + step, num_bootstrap))
        drawn = sample_uniform(
            keys.size, queries, queries, seed=seed, replace=True, row_keys=keys, num_threads=num_threads
        )
        drawn += np.arange(keys.size)[:, None] * queries
        times = np.bincount(drawn.reshape(-1), minlength=keys.size * queries).reshape(keys.size, queries)
        sums = times.astype(np.float64) @ table
        with np.errstate(invalid="ignore"):  # no negatives at all: 0 / 0, which the caller leaves out
            shares[start : start + keys.size] = sums[:, : hits.shape[1]] / sums[:, hits.shape[1] :]
    tail = 50 * (1 - confidence)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a setting that never mined has NaN throughout
        low, high = np.nanpercentile(shares, [tail, 100 - tail], axis=0)
        return low, high


def widened(low: float, share: float, high: float, ratio: float) -> tuple[float, float]:
    """The interval of what a share will be among other documents, from that of its mean.

    Which documents are unlabelled is chance too: their share varies about the mean as that of the tried ones does,
    with a variance that is `ratio` times as large where there are so many fewer of them.
    """
    factor = math.sqrt(1 + ratio)
    return max(0.0, share - factor * (share - low)), min(1.0, share + factor * (high - share))


def wilson(share: float, count: float, confidence: float) -> float:
    """Upper end of Wilson's score interval of a share among so many.

    Examples
    --------
    >>> from hardmine.pipeline.sweeps.bounds import wilson
    >>> round(wilson(0.0, 30, 0.95), 4)
    0.1135
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    reach = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return min(1.0, middle + reach)


def effective_number(sizes: Int64Array) -> float:
    """Kish's number of equal clusters that tell as much as clusters of these sizes."""
    total = float(sizes.sum())
    return total * total / float((sizes.astype(np.float64) ** 2).sum()) if total else 0.0
