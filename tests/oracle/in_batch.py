"""Slow, obvious twin of `hardmine.in_batch_mask`: one cell at a time."""

from __future__ import annotations

import math

import numpy as np


def bound(ceiling, p):
    """The ceiling in float64, rounded once to float32; `ceiling` is a list of (name, value)."""
    bounds = [np.float32(np.inf)]
    for name, value in ceiling:
        p64 = float(p)
        bounds.append(np.float32({"abs": value, "margin": p64 - value, "perc": p64 - abs(p64) * (1.0 - value)}[name]))
    return min(bounds)


def in_batch_mask(
    scores, ceiling, *, labels=(), queries=None, positives=None, ids=None, columns=None, p=None, keep=False
):
    """True where a column is no trustworthy negative; NaN is masked."""
    rows, width = scores.shape
    columns = range(rows) if columns is None else columns
    mask = np.zeros((rows, width), dtype=bool)
    for i in range(rows):
        own = columns[i]
        top = bound(ceiling, np.float32(scores[i, own]) if p is None else p[i])
        for j in range(width):
            score = float(scores[i, j])
            bad = math.isnan(score) or score > float(top)
            bad |= any(label[j] == label[own] != -1 for label in labels)
            if queries is not None:
                bad |= any(columns[k] == j and queries[k] == queries[i] != -1 for k in range(rows))
                if positives is not None and queries[i] != -1:
                    bad |= ids[j] != -1 and ids[j] in positives[queries[i]]
            mask[i, j] = not keep if j == own else bad
    return mask
