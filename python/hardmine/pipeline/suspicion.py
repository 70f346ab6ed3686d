"""Which negatives are most likely none: the order in which a judge that costs something is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hardmine.plumbing.float_mode import in_default_mode

_Int64 = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.floating]


class Signals(NamedTuple):
    """What is known of each (query, document) pair; NaN where a number is not known.

    Attributes
    ----------
    queries : int64 [n]
        Pairs of one query stand together, best first.
    scores, positive_scores : floats [n]
        s of the document and p of the positive that the judge sees, under one teacher.
    anchor_scores : floats [n] or None
        Cosine of the document and a positive.
    teacher_scores : mapping of str to floats [n]
        Scores of the document under further teachers.
    """

    queries: _Int64
    scores: _Floats
    positive_scores: _Floats
    anchor_scores: _Floats | None
    teacher_scores: Mapping[str, _Floats]


def suspicion(signals: Signals) -> npt.NDArray[np.float64]:
    """How suspicious each pair is, in [0, 1): the mean, over the signals that there are, of the share of pairs below.

    The signals are (s - p) / abs(p), where any p is known; the place in the query's list, the first one highest; the
    cosine of document and positive; and the best place that a further teacher gives the document in that list. A pair
    for which a signal is not known has nothing below it there.

    Notes
    -----
    Two teachers that rank a document apart make it no suspect: the largest differences of ranks found no more hidden
    positives than chance did on cranfield and cisi, and a good place under either found most (docs/judge.md).
    """
    found = [_below(-_places(signals.queries).astype(np.float64))]
    if not np.isnan(signals.positive_scores).all():
        found.append(_below(_gap(signals)))
    if signals.anchor_scores is not None:
        found.append(_below(signals.anchor_scores))
    if signals.teacher_scores:
        ranks = [_ranks(signals.queries, column) for column in signals.teacher_scores.values()]
        found.append(_below(-np.min(ranks, axis=0).astype(np.float64)))
    mean: npt.NDArray[np.float64] = np.mean(found, axis=0)
    return mean


@in_default_mode
def _gap(signals: Signals) -> npt.NDArray[np.float64]:
    """(s - p) / abs(p), which rises with s for a p of either sign."""
    s, p = (np.asarray(column, dtype=np.float64) for column in (signals.scores, signals.positive_scores))
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = (s - p) / np.abs(p)
    # At p = 0 a document scores as much, infinitely more or infinitely less; an infinite s keeps its sign.
    return np.where((s == p) & (p == 0), 0.0, gap)


def _ranks(queries: _Int64, scores: _Floats) -> _Int64:
    """Place of each document in its query's list by some scores: the earlier one first among equals, NaN last."""
    order = np.lexsort((-np.asarray(scores, dtype=np.float64), queries))
    ranks = np.empty(queries.size, np.int64)
    ranks[order] = _places(queries[order])
    return ranks


def _places(queries: _Int64) -> _Int64:
    """Place of each pair in its query's list."""
    starts = np.flatnonzero(np.diff(queries, prepend=-1))
    return np.arange(queries.size) - np.repeat(starts, np.diff(starts, append=queries.size))


def _below(values: _Floats) -> npt.NDArray[np.float64]:
    """Share of all pairs whose value is lower; 0 where there is none."""
    known = np.sort(values[~np.isnan(values)])
    shares = np.searchsorted(known, values, side="left") / max(values.size, 1)
    return np.where(np.isnan(values), 0.0, shares)
