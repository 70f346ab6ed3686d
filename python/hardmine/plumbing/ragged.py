"""Ragged rows as (offsets, values), rows end to end: row i owns ``values[offsets[i]:offsets[i + 1]]``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hardmine.plumbing.checks import Int64Array, int64_vector


def check_offsets(offsets: Int64Array, count: int, what: str = "offsets", of: str = "the number of ids") -> None:
    """Raise unless `offsets` cut `count` values into rows."""
    if not offsets.size or offsets[0] != 0 or offsets[-1] != count or (offsets[1:] < offsets[:-1]).any():
        raise ValueError(f"{what}: expected to start at 0, never fall and end at {count} ({of})")


def offsets_of(lengths: Any) -> Int64Array:
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


def rows_of(offsets: Int64Array) -> Int64Array:
    """Row of every value."""
    return np.repeat(np.arange(offsets.size - 1, dtype=np.int64), np.diff(offsets))


def ranges(starts: Int64Array, lengths: Int64Array) -> Int64Array:
    """``start, start + 1, ...`` of every range, one range after the other: int64 [sum of lengths].

    Examples
    --------
    >>> import numpy as np
    >>> from hardmine.plumbing.ragged import ranges
    >>> ranges(np.array([5, 9, 0]), np.array([2, 0, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    offsets = offsets_of(lengths)
    found: Int64Array = np.arange(offsets[-1], dtype=np.int64) + np.repeat(starts - offsets[:-1], lengths)
    return found


def with_heads(heads: npt.NDArray[Any], tails: npt.NDArray[Any], lengths: Int64Array) -> npt.NDArray[Any]:
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


def group(name: str, rows: Any, num_rows: int | None) -> Int64Array:
    """Offsets of values whose row numbers rise."""
    if rows.size and (np.diff(rows) < 0).any():
        raise ValueError(f"{name}: rows are not grouped by rising {name}")
    count = int(rows[-1]) + 1 if rows.size else 0
    if num_rows is not None:
        if count > num_rows:
            raise ValueError(f"{name}: {count - 1}, expected below {num_rows}")
        count = num_rows
    return np.searchsorted(rows, np.arange(count + 1)).astype(np.int64)


def csr(name: str, value: Any, num_rows: int) -> tuple[Int64Array, Int64Array] | None:
    """Ragged ids as (offsets, ids): None, such a pair, an object with both, or a sequence of id sequences.

    Offsets and range are checked by the native module.
    """
    if value is None:
        return None
    if hasattr(value, "offsets") and hasattr(value, "ids"):
        value = (value.offsets, value.ids)
    if isinstance(value, tuple) and len(value) == 2 and all(isinstance(part, np.ndarray) for part in value):
        return int64_vector(f"{name} offsets", value[0]), int64_vector(f"{name} ids", value[1])
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
        raise TypeError(
            f"{name}: {type(value).__name__}, expected a pair (offsets, ids) of arrays or a sequence of id sequences"
        )
    if len(value) != num_rows:
        raise ValueError(f"{name}: {len(value)} rows, expected {num_rows}")
    return lists_to_csr(name, value)


def sized(name: str, value: Any) -> None:
    """Refuse what is no sequence of numbers, such as a set, whose order means nothing."""
    if not hasattr(value, "__len__") or not hasattr(value, "__getitem__") or isinstance(value, (str, bytes, Mapping)):
        raise TypeError(f"{name}: {type(value).__name__}, expected a sequence")
    if isinstance(value, np.ndarray) and value.ndim == 0:
        raise TypeError(f"{name}: array without dimensions, expected a sequence")


def lists_to_csr(name: str, rows: Sequence[Any]) -> tuple[Int64Array, Int64Array]:
    """A sequence of id sequences as (offsets, ids)."""
    sized(name, rows)
    for index, row in enumerate(rows):
        sized(f"{name}[{index}]", row)
    offsets = offsets_of([len(row) for row in rows])
    parts = [int64_vector(f"{name}[{index}]", row) for index, row in enumerate(rows) if len(row)]
    return offsets, np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)


def distinct(codes: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Where each value comes first, in the order in which they come, and the number of each code in that order."""
    _, first, number = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty(order.size, np.int64)
    place[order] = np.arange(order.size)
    return first[order].astype(np.int64), place[number.reshape(-1)]
