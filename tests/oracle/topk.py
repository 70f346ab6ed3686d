"""Slow, obvious twin of `hardmine.topk`: a stable sort of every row, limits by looking at each document."""

from __future__ import annotations

import numpy as np


def topk(scores, k, *, ceiling=None, floor=None, exclude=None):
    """(ids per row, float32 scores per row, counts per row as a dict); NaN is dropped and counted."""
    with np.errstate(invalid="ignore"):  # signalling NaN
        scores = np.asarray(scores).astype(np.float64)
    rows, columns = scores.shape
    ceiling = np.broadcast_to(np.float32(np.inf if ceiling is None else ceiling), rows)
    floor = np.broadcast_to(np.float32(-np.inf if floor is None else floor), rows)
    ids, values, counts = [], [], []
    for row in range(rows):
        count = {"excluded": 0, "nan": 0, "above_ceiling": 0, "below_floor": 0}
        excluded = np.zeros(columns, dtype=bool)
        if exclude is not None:
            excluded[np.asarray(exclude[row], dtype=np.int64)] = True
        nan = np.isnan(scores[row]) & ~excluded
        above = (scores[row] > float(ceiling[row])) & ~excluded
        below = (scores[row] < float(floor[row])) & ~excluded & ~above
        count = {"excluded": excluded.sum(), "nan": nan.sum(), "above_ceiling": above.sum(), "below_floor": below.sum()}
        admissible = np.flatnonzero(~(excluded | nan | above | below))
        order = admissible[np.argsort(-scores[row, admissible], kind="stable")[:k]]
        ids.append(order)
        with np.errstate(over="ignore", under="ignore"):
            values.append(scores[row, order].astype(np.float32))
        counts.append({name: int(number) for name, number in count.items()})
    return ids, values, counts
