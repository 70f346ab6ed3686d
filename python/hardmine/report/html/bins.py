"""Values into bins with edges that read well: whatever the page shows of many values goes through here."""

from __future__ import annotations

import math
from math import inf
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Float64s = npt.NDArray[np.float64]

MOST_BINS, _LEAST_BINS = 40, 8
_TAIL = 0.002
"""Share of the values that may lie beyond either end of the bins, where they would stretch them."""


_MOST_FINE = 1_000
"""Up to here there are three growing bins to a power of ten, beyond it one."""


class Bins(NamedTuple):
    """Edges, and how many values of each series lie between two of them; values beyond are in the outermost bins.

    Attributes
    ----------
    edges : float64 [n + 1]
    counts : list of int64 [n]
        One for each series.
    beyond : int
        Finite values outside the edges.
    infinite : int
    """

    edges: Float64s
    counts: list[npt.NDArray[np.int64]]
    beyond: int
    infinite: int

    def shares(self, series: int) -> Float64s:
        """Percent of the series in each bin."""
        total = max(int(self.counts[series].sum()), 1)
        return np.asarray(100 * self.counts[series] / total)


def bins(
    *series: npt.NDArray[Any], most: int = MOST_BINS, whole: bool = False, within: tuple[float, float] = (-inf, inf)
) -> Bins | None:
    """Common bins of several series; None where no value is finite.

    Parameters
    ----------
    *series : floats or integers [n]
        NaN is left out.
    most : int
        Number of bins.
    whole : bool
        Whether values are whole numbers: edges are too, and no value is on the last one.
    within : (float, float)
        What the edges may reach.
    """
    known = [values[np.isfinite(values)].astype(np.float64) for values in series]
    infinite = sum(int(np.isinf(values).sum()) for values in series if values.dtype.kind == "f")
    filled = [values for values in known if values.size]
    if not filled:
        return None
    ends = [_ends(values) for values in filled]
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    low, high = (min(max(end, within[0]), within[1]) for end in (low, high))
    # A picture of few values needs few bins (Rice's rule).
    fitting = max(_LEAST_BINS, round(2 * max(values.size for values in filled) ** (1 / 3)))
    edges = _edges(low, high, min(most, fitting), whole=whole)
    counts = [np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0].astype(np.int64) for values in known]
    last = edges[-1] - 1 if whole else edges[-1]
    beyond = sum(int(((values < edges[0]) | (values > last)).sum()) for values in filled)
    return Bins(edges, counts, beyond, infinite)


def _ends(values: Float64s) -> tuple[float, float]:
    """Where the bulk of the values lies; the extremes where they are not far beyond it."""
    low, high = float(values.min()), float(values.max())
    inner_low, inner_high = (float(each) for each in np.quantile(values, [_TAIL, 1 - _TAIL]))
    slack = (inner_high - inner_low) / 3
    return (low if low >= inner_low - slack else inner_low), (high if high <= inner_high + slack else inner_high)


def _edges(low: float, high: float, most: int, *, whole: bool) -> Float64s:
    if whole:
        step = max(1.0, _step((high - low + 1) / most))
        return np.arange(math.floor(low / step), math.floor(high / step) + 2, dtype=np.float64) * step
    if high - low <= 1e-12 * max(abs(low), abs(high)):  # as good as equal: one bin around
        width = abs(low) / 10 or 1.0
        low, high = low - width / 2, high + width / 2
    step = _step((high - low) / most)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return np.arange(first, max(last, first + 1) + 1, dtype=np.float64) * step


def _step(least: float) -> float:
    """The smallest of 1, 2, 2.5 and 5 times a power of ten that is no less."""
    power = 10.0 ** math.floor(math.log10(max(least, 1e-300)))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= least * (1 - 1e-9))


def growing(values: npt.NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Counts of whole numbers from 1 on in bins that grow: (first, last, count) of each.

    Examples
    --------
    >>> import numpy as np
    >>> from hardmine.report.html.bins import growing
    >>> growing(np.array([1, 1, 4, 9]))
    [(1, 1, 2), (2, 2, 0), (3, 5, 1), (6, 10, 1)]
    """
    if not values.size:
        return []
    most = int(values.max())
    factors = (1, 2, 5) if most <= _MOST_FINE else (1,)
    lasts = [factor * 10**power for power in range(20) for factor in factors]
    lasts = lasts[: next(at for at, last in enumerate(lasts) if last >= most) + 1]
    counts = np.bincount(np.searchsorted(lasts, values), minlength=len(lasts)).tolist()
    return list(zip([1, *(last + 1 for last in lasts)], lasts, counts, strict=False))
