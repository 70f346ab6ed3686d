"""How teachers beside the one in force see negatives: those whose scores a run keeps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from hardmine.plumbing.ragged import offsets_of, rows_of
from hardmine.report.html.material import Float32s, Int64s, OtherTeacher, leaning, members, relative, row_maxima
from hardmine.report.html.settings import of_negatives

if TYPE_CHECKING:
    from hardmine.nouns.candidates import Candidates
    from hardmine.nouns.negatives import Negatives
    from hardmine.nouns.positives import Positives


def others_of(
    negatives: Negatives, positives: Positives, candidates: Candidates | None, rows: Int64s
) -> Iterator[OtherTeacher]:
    """How each other teacher sees the negatives of some rows, row after row; nothing where none is kept."""
    if candidates is None or not candidates.teacher_scores or not positives.teacher_scores or not candidates.ids.size:
        return
    queries = negatives.queries[rows]
    positions = members(candidates.offsets, queries)
    places = members(negatives.offsets, rows)
    own_rows = rows_of(offsets_of(negatives.lengths[rows]))
    span = int(max(candidates.ids.max(), negatives.ids.max(initial=0))) + 1
    keys = rows_of(offsets_of(candidates.lengths[queries])) * span + candidates.ids[positions]
    if not keys.size:
        return
    order = np.argsort(keys, kind="stable")
    wanted = own_rows * span + negatives.ids[places]
    at = np.minimum(np.searchsorted(keys[order], wanted), keys.size - 1)
    is_there = keys[order][at] == wanted
    where = positions[order[at]]
    own = relative(negatives.scores[places], negatives.positive_scores[rows][own_rows])
    for name in sorted(candidates.teacher_scores.keys() & positives.teacher_scores.keys()):
        found = np.where(is_there, candidates.teacher_scores[name][where], np.nan)
        label = _row_labels(negatives, positives, positives.teacher_scores[name], rows)[own_rows]
        yield OtherTeacher(name, relative(found, label), own, leaning(found, label))


def _row_labels(negatives: Negatives, positives: Positives, scores: Any, rows: Int64s) -> Float32s:
    """The positive score of some rows under another teacher, of the row's own positive or by the rule's aggregation."""
    queries = negatives.queries[rows]
    labels = members(positives.offsets, queries)
    offsets = offsets_of(positives.offsets[queries + 1] - positives.offsets[queries])
    own = negatives.positives[rows][rows_of(offsets)]
    found = scores[labels].astype(np.float64)
    found[(own >= 0) & (own != positives.ids[labels])] = np.nan
    how = of_negatives(negatives.metadata).get("positive_agg")
    if how == "max":
        return row_maxima(offsets, found).astype(np.float32)
    if how == "mean":
        return _mean(offsets, found)
    return lowest(offsets, found)


def _mean(offsets: Int64s, scores: Any) -> Float32s:
    """The mean of the known scores of every row, NaN for rows without any."""
    known = ~np.isnan(scores)
    sums = np.bincount(rows_of(offsets), np.where(known, scores, 0), minlength=offsets.size - 1)
    counts = np.bincount(rows_of(offsets), known, minlength=offsets.size - 1)
    with np.errstate(invalid="ignore"):
        found: Float32s = (sums / counts).astype(np.float32)
    return found


def lowest(offsets: Int64s, scores: Any) -> Float32s:
    """The lowest known score of every row, NaN for rows without any."""
    found: Float32s = (-row_maxima(offsets, -scores.astype(np.float64))).astype(np.float32)
    return found
