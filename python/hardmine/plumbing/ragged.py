"""Rows of different lengths laid end to end: offsets, ranges, a head before every row."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_Int64 = npt.NDArray[np.int64]


def offsets_of(lengths: npt.ArrayLike) -> _Int64:
    """Where rows of these lengths start when they lie end to end, and where the last one ends: int64 [n + 1].

    Examples
    --------
    >>> from hardmine.plumbing.ragged import offsets_of
    >>> offsets_of([2, 0, 3]).tolist()
    [0, 2, 2, 5]
    """
    sizes = np.asarray(lengths)
    offsets = np.zeros(sizes.size + 1, dtype=np.int64)
    np.cumsum(sizes, out=offsets[1:])
    return offsets


def ranges(starts: _Int64, lengths: _Int64) -> _Int64:
    """``start, start + 1, ...`` of every range, one range after the other: int64 [sum of lengths].

    Examples
    --------
    >>> import numpy as np
    >>> from hardmine.plumbing.ragged import ranges
    >>> ranges(np.array([5, 9, 0]), np.array([2, 0, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    offsets = offsets_of(lengths)
    found: _Int64 = np.arange(offsets[-1], dtype=np.int64) + np.repeat(starts - offsets[:-1], lengths)
    return found


def with_heads(heads: npt.NDArray[Any], tails: npt.NDArray[Any], lengths: _Int64) -> npt.NDArray[Any]:
    """One head before every row of tails, rows end to end: [n + sum of lengths], the dtype of the heads.

    Examples
    --------
    >>> import numpy as np
    >>> from hardmine.plumbing.ragged import with_heads
    >>> with_heads(np.array([1, 2, 3]), np.array([10, 11, 30]), np.array([2, 0, 1])).tolist()
    [1, 10, 11, 2, 3, 30]
    """
    result = np.empty(heads.size + tails.size, dtype=heads.dtype)
    is_head = np.zeros(result.size, dtype=bool)
    is_head[offsets_of(lengths)[:-1] + np.arange(heads.size)] = True
    result[is_head] = heads
    result[~is_head] = tails
    return result
