"""Where a corpus is cut into shards, and what falls into one of them."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

_Int64 = npt.NDArray[np.int64]
Csr: TypeAlias = tuple[_Int64, _Int64]


def cut(count: int, parts: int) -> list[tuple[int, int]]:
    """First row, and the one behind the last, of each of so many parts of nearly equal size; some may be empty."""
    return [part(count, parts, number) for number in range(parts)]


def part(count: int, parts: int, number: int) -> tuple[int, int]:
    """One of them alone, of however many."""
    return count * number // parts, count * (number + 1) // parts


def within(rows: Csr, start: int, stop: int) -> Csr:
    """Of the numbers in every row those of a span, which count from 0 then."""
    offsets, ids = rows
    is_inside = (ids >= start) & (ids < stop)
    kept = np.concatenate([np.zeros(1, np.int64), np.cumsum(is_inside, dtype=np.int64)])
    return kept[offsets], ids[is_inside] - start


def rows_of(rows: Csr, start: int, stop: int) -> Csr:
    """Some rows that follow one another."""
    offsets, ids = rows
    return offsets[start : stop + 1] - offsets[start], ids[offsets[start] : offsets[stop]]
