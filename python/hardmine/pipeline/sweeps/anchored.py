"""Anchor scores of trials, each candidate compared with each label of its query once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from hardmine.nouns.positives import Positives
from hardmine.plumbing import ragged
from hardmine.primitives.anchors import anchor_scores

if TYPE_CHECKING:
    from hardmine.nouns.candidates import Candidates
    from hardmine.pipeline.sweeps.trials import Trials
    from hardmine.plumbing.checks import Float32Array, Int64Array

AT_ONCE = 20_000_000
"""Cosines that are held together."""


def with_anchor_scores(trials: Trials, embeddings: Any, *, num_threads: int | None) -> Candidates:
    """The lists of the trials with the column that `anchor_scores` of lists and known labels gives.

    Trials that hide one label share all but one of the known ones: what they need is the largest cosine with any label
    of the query, and the largest of the others where that is the hidden one's.
    """
    lists = trials.candidates
    if (trials.hidden != 1).any():  # a trial that keeps one label shares nothing with another
        return anchor_scores(lists, trials.positives, embeddings, num_threads=num_threads)
    hidden = trials.hidden_keys % trials.num_documents
    values = np.empty(lists.ids.size, dtype=np.float32)
    for first, stop in _pieces(trials):
        part = slice(lists.offsets[first], lists.offsets[stop])
        rows = np.arange(first, stop)
        values[part] = _of_piece(trials, rows, hidden[first:stop], embeddings, num_threads)
    return lists.replace(anchor_scores=values)


def _pieces(trials: Trials) -> Iterator[tuple[int, int]]:
    """First trial and the one after the last of pieces that hold whole queries and few enough cosines."""
    starts = np.flatnonzero(np.diff(trials.cluster, prepend=-1))
    ends = np.append(starts[1:], trials.cluster.size)
    cosines = trials.candidates.lengths[starts] * (np.diff(trials.positives.offsets)[starts] + 1)
    piece = np.cumsum(cosines) // AT_ONCE
    for number in np.unique(piece):
        mine = np.flatnonzero(piece == number)
        yield int(starts[mine[0]]), int(ends[mine[-1]])


def _of_piece(
    trials: Trials, rows: Int64Array, hidden: Int64Array, embeddings: Any, num_threads: int | None
) -> Float32Array:
    """Anchor scores of some trials, those of whole queries."""
    queries, firsts = np.unique(trials.cluster[rows], return_index=True)
    known = trials.positives.take(rows[firsts])
    # The labels of every query: those that its first trial knows, and the one that this hides.
    labels = np.insert(known.ids, known.offsets[:-1], hidden[firsts])
    offsets = known.offsets + np.arange(queries.size + 1)
    label_rows = ragged.rows_of(offsets)
    pairs = trials.candidates.take(rows[firsts][label_rows], num_threads=num_threads)
    one_each = Positives._checked(np.arange(labels.size + 1, dtype=np.int64), labels)
    cosines = anchor_scores(pairs, one_each, embeddings, num_threads=num_threads).anchor_scores
    assert cosines is not None  # noqa: S101

    lengths = trials.candidates.lengths[rows[firsts]]
    starts = ragged.offsets_of(lengths)
    best = np.full(starts[-1], -np.inf, dtype=np.float32)
    next_best, whose = best.copy(), np.full(best.size, -1, dtype=np.int64)
    for turn in range(int(np.diff(offsets).max(initial=0))):
        able = np.flatnonzero(np.diff(offsets) > turn)
        place = offsets[able] + turn
        there = ragged.ranges(starts[able], lengths[able])
        score = cosines[ragged.ranges(pairs.offsets[place], lengths[able])]
        is_more = score > best[there]
        next_best[there] = np.where(is_more, best[there], np.maximum(next_best[there], score))
        whose[there] = np.where(is_more, np.repeat(labels[place], lengths[able]), whose[there])
        best[there] = np.maximum(best[there], score)
    member = np.searchsorted(queries, trials.cluster[rows])
    there = ragged.ranges(starts[member], lengths[member])
    is_hidden = whose[there] == np.repeat(hidden, lengths[member])
    found: Float32Array = np.where(is_hidden, next_best[there], best[there])
    return found
