"""Weights of terms, as encoders give them for some texts at a time, to rows in the order of the texts."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hardmine.nouns.sparse import SparseRows
from hardmine.plumbing import checks, ragged
from hardmine.plumbing.float_mode import in_default_mode

_Int64 = npt.NDArray[np.int64]
_Float32 = npt.NDArray[np.float32]


class Weights(NamedTuple):
    """Weights that are not 0, by rising row and term."""

    rows: _Int64
    terms: npt.NDArray[Any]
    weights: _Float32


@in_default_mode
def pruned(found: Weights, most: int | None) -> Weights:
    """Of every row the `most` weights of largest size, equal ones by lower term; all where it is None."""
    counts = np.bincount(found.rows)
    if most is None or int(counts.max(initial=0)) <= most:
        return found
    order = np.lexsort((found.terms, -np.abs(found.weights), found.rows))
    rank = np.arange(order.size) - np.repeat(ragged.offsets_of(counts)[:-1], counts)
    kept = np.sort(order[rank < most])
    return Weights(found.rows[kept], found.terms[kept], found.weights[kept])


class Rows:
    """Rows of so many texts, filled batch by batch in any order."""

    def __init__(self, count: int) -> None:
        self._lengths = np.zeros(count, np.int64)
        self._parts: list[tuple[_Int64, Weights]] = []

    def put(self, members: _Int64, found: Weights) -> None:
        """The weights of the texts at these places; ``found.rows`` counts among them."""
        self._lengths[members] = np.bincount(found.rows, minlength=members.size)
        self._parts.append((members, found._replace(terms=found.terms.astype(np.int32))))

    def joined(self) -> tuple[_Int64, npt.NDArray[np.int32], _Float32]:
        """Offsets, terms and weights of all rows."""
        offsets = ragged.offsets_of(self._lengths)
        terms, weights = np.empty(int(offsets[-1]), np.int32), np.empty(int(offsets[-1]), np.float32)
        while self._parts:
            members, found = self._parts.pop()
            into = ragged.ranges(offsets[members], self._lengths[members])
            terms[into], weights[into] = found.terms, found.weights
        return offsets, terms, weights


def most_terms(argument: str, given: Any, stated: int | None) -> int | None:
    """How many terms of a row are kept: what was given, else what the model says, else all."""
    return stated if given is None else checks.integer(argument, given, minimum=1)


def finished(whose: str, rows: Rows, num_terms: int | None, similarity: str) -> SparseRows:
    """The rows of an encoder, those of a cosine scaled to length 1.

    Raises
    ------
    ValueError
        A weight is NaN or infinite.
    """
    offsets, terms, weights = rows.joined()
    try:
        found = SparseRows(offsets, terms, weights, num_terms)
    except ValueError as error:
        raise ValueError(f"{whose}: {error}") from None
    return _normalized(found) if similarity == "cosine" else found


@in_default_mode
def _normalized(rows: SparseRows) -> SparseRows:
    """The rows scaled to length 1 in float64, rounded once."""
    row = ragged.rows_of(rows.offsets)
    wide = rows.weights.astype(np.float64)
    lengths = np.sqrt(np.bincount(row, wide * wide, minlength=len(rows)))
    return SparseRows(rows.offsets, rows.terms, (wide / lengths[row]).astype(np.float32), rows.num_terms)
