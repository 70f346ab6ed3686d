"""What a page is made of, wherever it came from: a mining run, a stored run, or a file of training rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from hardmine.plumbing.ragged import ranges, rows_of

Float32s = npt.NDArray[np.float32]
Float64s = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]

TEXT_KEPT = 480
"""Letters of a text that are kept for the page."""
MOST_SHOWN = 6
"""Negatives of a row that are shown, and positives too."""
MOST_SAMPLED = 20_000
"""Rows that are looked at where each costs as much as its whole candidate list."""


@dataclass(frozen=True)
class Document:
    """One document of an example.

    Attributes
    ----------
    id, text : str, optional
        The text is cut after `TEXT_KEPT` letters; None where there is none.
    size : int
        Letters of the whole text.
    score, ratio : float
        Under the teacher, and in relation to the positive of the row; NaN where unknown.
    rank : int
        Before any filter; 0 where unknown.
    is_filled : bool
        Drawn at random because the row was short.
    is_above : bool
        Whether its score is above that of the positive.
    others : mapping of str to float
        `leaning` under other teachers, by their names.
    """

    id: str | None = None
    text: str | None = None
    size: int = 0
    score: float = float("nan")
    ratio: float = float("nan")
    rank: int = 0
    is_filled: bool = False
    is_above: bool = False
    others: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Example:
    """One row to look at.

    Attributes
    ----------
    row : int
        Its number, from 0.
    why : str
        One of `WHYS`.
    suspicion : float
        The largest `leaning` of its negatives; NaN where unknown.
    """

    row: int
    why: str
    suspicion: float
    query: Document
    positives: Sequence[Document]
    negatives: Sequence[Document]
    num_positives: int
    num_negatives: int


WHYS = {"suspicious": "most suspicious", "short": "short of negatives", "sample": "taken evenly from all rows"}
"""Why an example is shown."""


@dataclass(frozen=True)
class OtherTeacher:
    """How another teacher sees sampled negatives: ratios under both, and its leanings, aligned; NaN where unknown."""

    name: str
    ratios: Float64s
    own_ratios: Float64s
    leanings: Float64s

    @property
    def above(self) -> tuple[int, int]:
        """How many of the negatives it puts above their positive, and of how many it says anything."""
        return int((self.leanings > 1).sum()), int((~np.isnan(self.leanings)).sum())


@dataclass(frozen=True)
class Material:
    """Columns and counts that the page is drawn from.

    Attributes
    ----------
    noun : str
        "negatives", or "candidates" of a run that no rule has chosen from.
    about : sequence of (str, str)
        What this is, by name.
    selection : mapping or None
        The settings as data.
    positive_scores : float32 [positives]
    offsets : int64 [rows + 1]
    scores : float32 [n]
        Of the negatives; NaN where unknown.
    row_positives : float32 [rows]
        The positive score of each row; NaN where unknown.
    keys : int64 [n]
        Equal for equal documents.
    named : callable
        From some keys to ids and texts of the documents, as far as they are known.
    reasons : mapping of str to int
        What became of the candidates; empty where nobody knows.
    wanted : int, optional
        Negatives that a row should have.
    dropped : int
        Queries left out for want of negatives.
    ranks, filled : int32 [n], bool [n], optional
    lengths : mapping of str to int64 [m]
        Letters of "positives" and "negatives".
    candidate_ratios : float64 [m]
        Of candidates of sampled rows; empty where there are none.
    others : sequence of OtherTeacher
    mixes : bool
        Whether scores are of several teachers, so that only those of one row and its positive compare.
    run : mapping
        "teacher", "queries" and "documents" of the run, as far as they are known.
    examples : sequence of Example
    notes : sequence of str
        What a reader must know beside the pictures.
    """

    noun: str
    about: Sequence[tuple[str, str]]
    positive_scores: Float32s
    offsets: Int64s
    scores: Float32s
    row_positives: Float32s
    keys: Int64s
    named: Callable[[Sequence[int]], list[Document]]
    examples: Sequence[Example]
    selection: Mapping[str, Any] | None = None
    reasons: Mapping[str, int] = field(default_factory=dict)
    wanted: int | None = None
    dropped: int = 0
    ranks: npt.NDArray[np.int32] | None = None
    filled: npt.NDArray[np.bool_] | None = None
    lengths: Mapping[str, Int64s] = field(default_factory=dict)
    candidate_ratios: Float64s = field(default_factory=lambda: np.empty(0))
    others: Sequence[OtherTeacher] = ()
    mixes: bool = False
    run: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        return int(self.offsets.size - 1)

    @cached_property
    def counts(self) -> Int64s:
        """Negatives of every row that a rule admitted: those that filled a shortage are not counted."""
        if self.filled is None:
            return np.diff(self.offsets)
        sums = np.concatenate([[0], np.cumsum(~self.filled)])
        found: Int64s = np.diff(sums[self.offsets])
        return found

    @cached_property
    def uses(self) -> tuple[Int64s, Int64s]:
        """The different documents by their keys, and how often each is used."""
        keys, counts = np.unique(self.keys, return_counts=True)
        return keys, counts

    @cached_property
    def ratios(self) -> Float64s:
        """Score of every negative in relation to the positive of its row."""
        return relative(self.scores, self.row_positives[rows_of(self.offsets)])

    @cached_property
    def above(self) -> tuple[int, int]:
        """How many of the negatives score above the positive of their row, and of how many it is known."""
        found = leaning(self.scores, self.row_positives[rows_of(self.offsets)])
        return int((found > 1).sum()), int((~np.isnan(found)).sum())

    @cached_property
    def margins(self) -> Float64s:
        """Score of the positive less that of the negative, of every negative."""
        with np.errstate(invalid="ignore"):
            return self.row_positives[rows_of(self.offsets)].astype(np.float64) - self.scores


def relative(scores: npt.NDArray[Any], positives: npt.NDArray[Any]) -> Float64s:
    """Scores in relation to that of a positive: s / p, written so that it rises with s where p is below 0 too.

    NaN where the positive is 0, infinite or unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from hardmine.report.html.material import relative
    >>> relative(np.array([0.5, -3.0]), np.array([1.0, -2.0])).tolist()
    [0.5, 0.5]
    """
    wide = positives.astype(np.float64)
    with np.errstate(all="ignore"):
        found: Float64s = 1 + (scores.astype(np.float64) - wide) / np.abs(wide)
    found[~np.isfinite(wide) | (wide == 0)] = np.nan
    return found


def leaning(scores: npt.NDArray[Any], positives: npt.NDArray[Any]) -> Float64s:
    """`relative`, and its limits where it has no value: above 1 where, and only where, a score is above its positive.

    NaN where either is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from hardmine.report.html.material import leaning
    >>> leaning(np.array([0.5, 3.0, -3.0, 0.0]), np.array([1.0, 0.0, 0.0, 0.0])).tolist()
    [0.5, inf, -inf, 1.0]
    """
    found = relative(scores, positives)
    lacking = np.isnan(found) & ~np.isnan(scores) & ~np.isnan(positives)
    limits = np.where(scores > positives, np.inf, np.where(scores < positives, -np.inf, 1.0))
    found[lacking] = limits[lacking]
    return found


def row_maxima(offsets: Int64s, values: Float64s) -> Float64s:
    """The largest known value of every row, NaN where there is none."""
    found = np.full(offsets.size - 1, np.nan)
    starts = offsets[:-1][np.diff(offsets) > 0]
    if starts.size:
        found[np.diff(offsets) > 0] = np.fmax.reduceat(values, starts)
    return found


def evenly(count: int, most: int) -> Int64s:
    """At most so many numbers below `count`, evenly spaced."""
    if count <= most:
        return np.arange(count, dtype=np.int64)
    return np.arange(most, dtype=np.int64) * count // most


def members(offsets: Int64s, rows: Int64s) -> Int64s:
    """Positions of the values of some rows, row after row."""
    return ranges(offsets[rows], offsets[rows + 1] - offsets[rows])


def choose(suspicions: Float64s, counts: Int64s, wanted: int | None, most: int) -> list[tuple[int, str]]:
    """Rows to show and why: the most suspicious first, then short ones, then some taken evenly from all.

    Parameters
    ----------
    suspicions : float64 [rows]
    counts : int64 [rows]
        Negatives of each row.
    wanted : int, optional
        How many a row should have.
    most : int

    Returns
    -------
    list of (int, str)
    """
    known = np.flatnonzero(~np.isnan(suspicions))
    worst = known[np.argsort(-suspicions[known], kind="stable")]
    short = np.flatnonzero(counts < wanted) if wanted is not None else worst[:0]
    short = short[np.argsort(counts[short], kind="stable")]
    chosen: dict[int, str] = {}
    for why, rows, share in (("suspicious", worst, most * 7 // 10), ("short", short, most // 10)):
        for row in rows[:share].tolist():
            chosen.setdefault(row, why)
    rest = np.delete(np.arange(suspicions.size), list(chosen))
    chosen |= dict.fromkeys(rest[evenly(rest.size, most - len(chosen))].tolist(), "sample")
    return list(chosen.items())
