"""What acts inside a scan: ceilings, floors, and the documents that are never negatives of a query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import hardmine._native as _native
from hardmine.plumbing import checks, ragged

if TYPE_CHECKING:
    from hardmine.nouns.positives import Positives
    from hardmine.plumbing.checks import Float32Array, Int64Array
    from hardmine.rules.selection import Selection


class Limits(NamedTuple):
    """What acts inside a scan, by query, as the native module takes it."""

    ceiling: Float32Array | None = None
    floor: Float32Array | None = None
    exclude: tuple[Int64Array, Int64Array] | None = None
    """Offsets and ids of the documents that are none."""
    nan_is_dropped: bool = False
    reached: Float32Array | None = None
    """Scores that as many admissible documents as are wanted are known to reach: what lies below is not listed. NaN and
    -inf say nothing. Searches alone look at it."""

    def cut(self, start: int, stop: int) -> Limits:
        """The limits of some queries that follow one another."""
        exclude = self.exclude
        if exclude is not None:
            offsets, ids = exclude
            first, last = int(offsets[start]), int(offsets[stop])
            exclude = (offsets[start : stop + 1] - first, ids[first:last])
        return self._of(slice(start, stop), exclude)

    def pick(self, queries: Int64Array) -> Limits:
        """The limits of these queries."""
        exclude = self.exclude
        if exclude is not None:
            offsets, (ids,) = _native.take_rows(exclude[0], [exclude[1]], queries, 1)
            exclude = offsets, ids
        return self._of(queries, exclude)

    def _of(self, queries: slice | Int64Array, exclude: tuple[Int64Array, Int64Array] | None) -> Limits:
        bounds = self.ceiling, self.floor, self.reached
        ceiling, floor, reached = (None if bound is None else bound[queries] for bound in bounds)
        return Limits(ceiling, floor, exclude, self.nan_is_dropped, reached)


def scan_limits(num_queries: int, ceiling: Any, floor: Any, exclude: Any, nan: str = "raise") -> Limits:
    """The limits of a scan over `num_queries` rows."""
    return Limits(
        checks.per_query("ceiling", ceiling, num_queries),
        checks.per_query("floor", floor, num_queries),
        ragged.csr("exclude", exclude, num_queries),
        checks.choice("nan", nan, ("raise", "drop")) == "drop",
    )


def refuse_misfits(limits: Limits, num_queries: int, num_documents: int) -> None:
    """Raise where limits speak of other queries or documents than there are."""
    _native.check_limits(limits, num_queries, num_documents)


class Exclusions(NamedTuple):
    """Per query, sorted and without repeats, the documents that are never its negatives; and why."""

    offsets: Int64Array
    ids: Int64Array
    counts: dict[str, Int64Array]
    """Documents of each query under "positive", "excluded" and "duplicate_text", each under the first that applies."""


def exclusions(
    positives: tuple[Int64Array, Int64Array],
    exclude: Any,
    document_groups: Int64Array | None,
    num_documents: int,
    num_threads: int,
) -> Exclusions:
    """Known positives (offsets, ids), further exclusions and text duplicates of the positives in one list a query."""
    found = _native.exclusions(positives, exclude, document_groups, num_documents, num_threads)
    counts = {"positive": found["positive"], "excluded": found["excluded"], "duplicate_text": found["duplicate_text"]}
    return Exclusions(found["offsets"], found["ids"], counts)


def score_ceilings(selection: Selection, positives: Positives, num_threads: int) -> Float32Array | None:
    """The bound on the score alone of every query, or of every pair where each has its own; None without a rule."""
    terms = selection.ceiling._native()
    if not terms or positives.scores is None:
        return None
    each = selection.positive_agg == "each"
    offsets = np.arange(positives.ids.size + 1, dtype=np.int64) if each else positives.offsets
    return _native.ceilings(terms, offsets, positives.scores, selection.positive_agg, num_threads)
