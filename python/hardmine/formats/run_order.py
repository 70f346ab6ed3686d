"""The order of candidates: by query, best first, equal scores by lower id."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_CHUNK = 1 << 20
"""Candidates that are put in order together: what the caches hold."""

_Int64 = npt.NDArray[np.int64]


def best_first(queries: _Int64, ids: _Int64, scores: npt.NDArray[np.float32]) -> _Int64:
    """The order of candidates by query, falling score and rising id, a million at a time where queries are grouped.

    Examples
    --------
    >>> import numpy as np
    >>> from hardmine.formats.run_order import best_first
    >>> best_first(np.array([1, 0, 0, 0]), np.array([4, 7, 5, 6]), np.float32([1, 2, 2, 3])).tolist()
    [3, 2, 1, 0]
    """
    if (np.diff(queries) < 0).any():
        grouped = np.argsort(queries, kind="stable")
        order: _Int64 = grouped[best_first(queries[grouped], ids[grouped], scores[grouped])]
        return order
    order = np.empty(queries.size, np.int64)
    start = 0
    while start < queries.size:
        last = queries[min(start + _CHUNK, queries.size) - 1]
        end = int(np.searchsorted(queries, last, side="right"))
        part = slice(start, end)
        order[part] = start + _best_first_of_few(queries[part], ids[part], scores[part])
        start = end
    return order


def _best_first_of_few(queries: _Int64, ids: _Int64, scores: npt.NDArray[np.float32]) -> _Int64:
    own = queries - queries[0]
    if ids.max() >= 1 << 32 or own[-1] >= 1 << 16:
        order: _Int64 = np.lexsort((ids, -scores, own))
        return order
    bits = (scores + np.float32(0)).view(np.uint32)  # one zero, not two
    falling = np.where(bits >> 31, bits, ~bits & 0x7FFF_FFFF).astype(np.uint64)
    order = np.argsort(falling << np.uint64(32) | ids.astype(np.uint64))
    by_query: _Int64 = order[np.argsort(own[order].astype(np.uint16), kind="stable")]
    return by_query
