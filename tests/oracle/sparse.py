"""Sparse search, slow and obvious: every pair by itself, in loops."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

Row = dict[int, float]


def rows(offsets: Any, terms: Any, weights: Any) -> list[Row]:
    """Rows as dictionaries; a weight of 0 is none."""
    return [
        {int(t): float(w) for t, w in zip(terms[a:b], weights[a:b], strict=True) if w != 0}
        for a, b in pairwise(offsets)
    ]


def score(query: Row, document: Row) -> np.float32 | None:
    """Products in float64, summed in rising order of the terms, rounded once; None where no term is shared."""
    shared = sorted(set(query) & set(document))
    if not shared:
        return None
    total = 0.0
    for term in shared:
        total += query[term] * document[term]
    with np.errstate(over="ignore"):
        return np.float32(total) + np.float32(0)  # zeros come out as 0.0


def search(
    queries: list[Row],
    documents: list[Row],
    k: int,
    *,
    ceiling: npt.NDArray[np.float32] | None = None,
    floor: npt.NDArray[np.float32] | None = None,
    exclude: list[list[int]] | None = None,
) -> tuple[list[list[tuple[int, float]]], dict[str, list[int]]]:
    """Per query the k best (document, score), and what was removed."""
    found, counts = (
        [],
        {"excluded": [0] * len(queries), "above_ceiling": [0] * len(queries), "below_floor": [0] * len(queries)},
    )
    for q, query in enumerate(queries):
        kept = []
        for d, document in enumerate(documents):
            s = score(query, document)
            if s is None:
                continue
            if exclude is not None and d in exclude[q]:
                counts["excluded"][q] += 1
            elif ceiling is not None and s > ceiling[q]:
                counts["above_ceiling"][q] += 1
            elif floor is not None and s < floor[q]:
                counts["below_floor"][q] += 1
            else:
                kept.append((d, float(s)))
        found.append(sorted(kept, key=lambda item: (-item[1], item[0]))[:k])
    return found, counts
