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


def scan_limits(num_queries: int, ceiling: Any, floor: Any, exclude: Any, nan: str = "raise") -> _native.Limits:
    """The limits of a scan over `num_queries` rows, as the native module takes them."""
    return (
        checks.per_query("ceiling", ceiling, num_queries),
        checks.per_query("floor", floor, num_queries),
        ragged.csr("exclude", exclude, num_queries),
        checks.choice("nan", nan, ("raise", "drop")) == "drop",
    )


def refuse_misfits(limits: _native.Limits, num_queries: int, num_documents: int) -> None:
    """Raise where limits speak of other queries or documents than there are."""
    _native.check_limits(limits, num_queries, num_documents)


class Exclusions(NamedTuple):
    """Per query, sorted and without repeats, the documents that are never its negatives; and why."""

    offsets: Int64Array
    ids: Int64Array
    counts: dict[str, Int64Array]
    """Documents of each query under "positive", "excluded" and "duplicate_text", each under the first that applies."""


def exclusions(
    positives: tuple[Int64Array, Int64Array], exclude: Any, document_groups: Int64Array | None, num_documents: int
) -> Exclusions:
    """Known positives (offsets, ids), further exclusions and text duplicates of the positives in one list a query."""
    offsets, ids, counts = _native.exclusions(positives, exclude, document_groups, num_documents)
    return Exclusions(offsets, ids, dict(zip(("positive", "excluded", "duplicate_text"), counts, strict=True)))


def score_ceilings(selection: Selection, positives: Positives) -> Float32Array | None:
    """The bound on the score alone of every query, or of every pair where each has its own; None without a rule."""
    terms = selection.ceiling._native()
    if not terms or positives.scores is None:
        return None
    each = selection.positive_agg == "each"
    offsets = np.arange(positives.ids.size + 1, dtype=np.int64) if each else positives.offsets
    return _native.ceilings(terms, offsets, positives.scores, selection.positive_agg)
