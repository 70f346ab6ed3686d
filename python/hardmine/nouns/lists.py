"""What candidates and negatives share: ragged (ids, scores) per row, frozen, the same after every journey."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

import hardmine._native as _native
from hardmine.nouns.frozen import Frozen
from hardmine.plumbing import checks, ragged
from hardmine.plumbing.float_mode import in_default_mode
from hardmine.plumbing.threads import thread_count

VERSION: str = _native.__version__
"""Version of hardmine, as it stands under "version" in the metadata of whatever a run leaves behind."""

REASONS = (
    "positive", "excluded", "duplicate_text", "near_duplicate", "outside_window", "above_ceiling", "below_floor", "nan",
    "not_drawn", "kept",
)  # fmt: skip
"""What can become of a candidate, in the order in which the tests are made; columns of the reason counts."""


class Ranking(NamedTuple):
    """The documents of one query, best first.

    Attributes
    ----------
    ids : int64 [n]
    scores : float32 [n]
    """

    ids: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]


class Lists(Frozen):
    """Ragged (ids, scores) per row."""

    __slots__ = ("ids", "offsets", "scores")
    offsets: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]

    @in_default_mode
    def _set_column(self, name: str, value: Any, dtype: type[np.generic], length: int) -> None:
        if value is not None:
            array = np.ascontiguousarray(value)
            if array.shape != (length,):
                raise ValueError(f"{name}: shape {array.shape}, expected ({length},)")
            if not np.can_cast(array.dtype, dtype, casting="same_kind"):
                raise TypeError(f"{name}: dtype {array.dtype}, expected {np.dtype(dtype)}")
            kept = array.astype(dtype, copy=False)
            if array.dtype.kind in "iu" and not np.array_equal(kept, array):
                at = int((kept != array).argmax())
                raise ValueError(f"{name}: {array[at]} at position {at}, expected what {np.dtype(dtype)} can hold")
            value = kept
        self._set(name, value)

    def _set_lists(self, offsets: Any, ids: Any, scores: Any) -> None:
        ids = checks.int64_vector("ids", ids)
        offsets = checks.int64_vector("offsets", offsets)
        scores = checks.float32_vector("scores", scores, length=ids.size)
        ragged.check_offsets(offsets, ids.size)
        if ids.size and int(ids.min()) < 0:
            raise ValueError(f"ids: {int(ids.min())}, expected at least 0")
        if np.isnan(scores).any():
            raise ValueError(f"scores: NaN at position {int(np.isnan(scores).argmax())}")
        self._set("offsets", offsets)
        self._set("ids", ids)
        self._set("scores", scores)

    def __len__(self) -> int:
        return int(self.offsets.size - 1)

    def __getitem__(self, row: int) -> Ranking:
        span = row_span(self.offsets, row)
        return Ranking(self.ids[span], self.scores[span])

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Number of documents per row, int64 [rows]."""
        return np.diff(self.offsets)

    @property
    def row_of_each(self) -> npt.NDArray[np.int64]:
        """Row of every document, int64 [n]."""
        return ragged.rows_of(self.offsets)

    @in_default_mode
    def padded(
        self, fill_id: int = -1, fill_score: float = -np.inf
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """The lists as a rectangle.

        Parameters
        ----------
        fill_id, fill_score : int, float
            What stands behind the end of a short row.

        Returns
        -------
        ids : int64 [rows, width]
        scores : float32 [rows, width]
            Width is the length of the longest row.
        """
        lengths = self.lengths
        width = int(lengths.max(initial=0))
        ids = np.full((len(self), width), fill_id, dtype=np.int64)
        scores = np.full((len(self), width), fill_score, dtype=np.float32)
        filled = np.arange(width) < lengths[:, None]
        ids[filled] = self.ids
        scores[filled] = self.scores
        return ids, scores


def row_span(offsets: npt.NDArray[np.int64], row: Any) -> slice:
    """Where a row lies, counted from the end where it is negative."""
    row, count = checks.integer("row", row, minimum=-(2**63)), offsets.size - 1
    if not -count <= row < count:
        raise IndexError(f"row {row} of {count}")
    return slice(int(offsets[row % count]), int(offsets[row % count + 1]))


def take_rows(
    offsets: npt.NDArray[np.int64], columns: list[npt.NDArray[Any]], rows: Any, num_threads: int | None = 1
) -> tuple[npt.NDArray[np.int64], list[npt.NDArray[Any]]]:
    """Some rows of ragged columns, in the order asked for; the cost is that of these rows alone."""
    return _native.take_rows(offsets, columns, checks.int64_vector("rows", rows), thread_count(num_threads))


def refuse_repeats(offsets: npt.NDArray[np.int64], ids: npt.NDArray[np.int64]) -> None:
    """Raise where a row holds an id twice."""
    found = _native.first_repeat(offsets, ids, thread_count(None))
    if found is not None:
        raise ValueError(f"ids: {found[1]} occurs twice for query {found[0]}")


def added(name: str, counts: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    """The sum of several counts under one reason, none of which is below 0."""
    total = counts[0]
    for count in counts[1:]:
        total = total + count
        if total.min(initial=0) < 0:  # it has wrapped
            raise ValueError(f"reasons[{name!r}]: the sum for query {int(total.argmin())} is beyond 2**63 - 1")
    return total


def mapping(name: str, value: Any) -> dict[str, Any]:
    """`value` as a dictionary of its own."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{name}: {type(value).__name__}, expected a mapping")
    return dict(value)
