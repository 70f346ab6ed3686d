"""Trials: labelled positives are hidden in turn and stand among the candidates, as unlabelled relevant documents do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from hardmine.nouns.candidates import Candidates
from hardmine.nouns.positives import Positives
from hardmine.pipeline.sweeps.reach import Reach
from hardmine.plumbing import ragged
from hardmine.plumbing.float_mode import in_default_mode
from hardmine.primitives.select import select
from hardmine.rules.ceilings import NoCeiling
from hardmine.rules.draws import Uniform
from hardmine.rules.selection import Selection

if TYPE_CHECKING:
    from hardmine.plumbing.checks import Float32Array, Int64Array

PROTOCOLS = ("hide-one", "keep-one")
MOST_TRIALS_PER_QUERY = 16
MOST_QUERIES = 20_000
MOST_CANDIDATES = 20_000_000
"""Beyond these a sample of the queries gives intervals that are narrow enough, in bounded time and memory."""

UNIT = 720_720
"""Weight of a label: all of 1 to `MOST_TRIALS_PER_QUERY` divide it, so that the weights of trials are integers."""


class Trials(NamedTuple):
    """Lists in which hidden positives have their place, and what each trial takes for labelled."""

    candidates: Candidates
    positives: Positives
    queries: Int64Array
    """Number in the collection of the query of each trial."""
    cluster: Int64Array
    """Of each trial: which of the queries that are looked at."""
    weights: Int64Array
    """What each trial stands for, in `UNIT`."""
    hidden: Int64Array
    """Number of documents that each trial hides."""
    hidden_keys: Int64Array
    """Sorted: trial times `num_documents` plus the document that is hidden there."""
    num_documents: int
    num_queries: int
    """Queries that are looked at."""
    num_able: int
    """Queries with at least two positives of different text."""
    labels_around: float
    """How many labels the query of a label has, on average over the labels of these queries."""

    def hits(self, offsets: Int64Array, ids: Int64Array) -> Int64Array:
        """Hidden documents among the negatives of each trial."""
        if not self.hidden_keys.size:
            return np.zeros(len(self.candidates), dtype=np.int64)
        keys = np.sort(ragged.rows_of(offsets) * self.num_documents + ids)  # searched for in order is searched fast
        rows = keys[among(keys, self.hidden_keys)] // self.num_documents
        return np.bincount(rows, minlength=len(self.candidates)).astype(np.int64)


class Labels(NamedTuple):
    """The labelled positives that a trial can hide: of several with one text the first."""

    rows: Int64Array
    """Query of each, rising."""
    ids: Int64Array
    scores: Float32Array
    teacher_scores: Mapping[str, Float32Array]
    """Of the teachers that scored the candidates too."""

    def some(self, where: npt.NDArray[np.generic]) -> Labels:
        """Those that a mask or places pick."""
        others = {name: column[where] for name, column in self.teacher_scores.items()}
        return Labels(self.rows[where], self.ids[where], self.scores[where], others)


def distinct_labels(
    positives: Positives, groups: Int64Array, never: Int64Array, teachers: Iterable[str] = ()
) -> Labels:
    """Positives that no other of the query has the text of, without those that are never retrieved.

    `never` are sorted keys, query times the number of documents plus the document.
    """
    assert positives.scores is not None  # noqa: S101
    rows, ids = positives.query_of_each, positives.ids
    _, first = np.unique(rows * (int(groups.max(initial=0)) + 1) + groups[ids], return_index=True)
    kept = np.sort(first)
    kept = kept[~among(rows[kept] * groups.size + ids[kept], never)]
    known = positives.teacher_scores or {}
    return Labels(rows, ids, positives.scores, {name: known[name] for name in teachers if name in known}).some(kept)


def make_trials(
    run: Candidates,
    labels: Labels,
    groups: Int64Array,
    *,
    reach: Reach,
    never: Int64Array,
    protocol: str,
    trials_per_query: int,
    seed: int,
    num_threads: int | None,
) -> Trials:
    """Every query with two labels or more, or a sample of them: so many of its labels in turn, or all it has.

    ``hide-one`` hides one label and keeps the others; ``keep-one`` keeps one and hides the others.
    """
    counts = np.bincount(labels.rows, minlength=len(run))
    able = np.flatnonzero(counts >= 2)
    queries = able[_sampled(able.size, _most_queries(run, able, counts[able], trials_per_query), seed)]
    row_of_query = np.full(len(run), -1, dtype=np.int64)
    row_of_query[queries] = np.arange(queries.size)
    labels = labels.some(row_of_query[labels.rows] >= 0)
    labels = labels._replace(rows=row_of_query[labels.rows])
    row_of_never = row_of_query[never // max(groups.size, 1)]
    left_out = np.sort((row_of_never * groups.size + never % max(groups.size, 1))[row_of_never >= 0])
    lists = with_labels(run.take(queries, num_threads=num_threads), reach, labels, groups, left_out)

    offsets = ragged.offsets_of(counts[queries])
    turns = _drawn(offsets, trials_per_query, seed)
    rows = labels.rows[turns]
    starts = offsets[rows]
    sizes = np.diff(offsets)[rows]
    members = ragged.ranges(starts, sizes)  # all labels of the query of every trial
    trial = np.repeat(np.arange(turns.size, dtype=np.int64), sizes)
    is_turn = members == turns[trial]
    is_hidden = is_turn if protocol == "hide-one" else ~is_turn
    known = members[~is_hidden]
    lengths = np.bincount(trial[~is_hidden], minlength=turns.size)
    kept = labels.some(known)
    positives = Positives._trusted(
        {
            "offsets": ragged.offsets_of(lengths),
            "ids": kept.ids,
            "scores": kept.scores,
            "teacher_scores": kept.teacher_scores or None,
        }
    )
    return Trials(
        candidates=lists.take(rows, num_threads=num_threads),
        positives=positives,
        queries=queries[rows],
        cluster=rows,
        weights=UNIT // np.minimum(sizes, trials_per_query) * sizes,
        hidden=sizes - lengths,
        hidden_keys=np.sort(trial[is_hidden] * groups.size + labels.ids[members[is_hidden]]),
        num_documents=int(groups.size),
        num_queries=int(queries.size),
        num_able=int(able.size),
        labels_around=float((counts[able] ** 2).sum() / counts[able].sum()) if able.size else 0.0,
    )


@in_default_mode
def with_labels(lists: Candidates, reach: Reach, labels: Labels, groups: Int64Array, never: Int64Array) -> Candidates:
    """The lists as they were if nothing had been left out: every label that would have been found at its place.

    Candidates with the text of a label are relevant too: they go, as they do where the label is known, and so do the
    documents that are never negatives (`never`: sorted keys, as in `distinct_labels`).
    """
    labels = labels.some(np.lexsort((labels.ids, -labels.scores.astype(np.float64), labels.rows)))
    rows, ids = labels.rows, labels.ids
    places = _places(lists, rows, ids, labels.scores)
    first = labels.scores
    if reach.teacher is None:
        is_in = places < lists.offsets[rows + 1]
    else:  # found by one teacher, ordered by another
        first = labels.teacher_scores[reach.teacher]
        assert lists.teacher_scores is not None  # noqa: S101
        worst, worst_id = _last(lists, lists.teacher_scores[reach.teacher])
        is_in = (first > worst[rows]) | ((first == worst[rows]) & (ids < worst_id[rows]))
    is_open = lists.lengths < reach.k
    if lists.reasons is not None and "below_floor" in lists.reasons:
        is_open &= lists.reasons["below_floor"] == 0
    is_in |= is_open[rows] & ((first > 0) | (not reach.is_cut_at_zero))

    num_groups = int(groups.max(initial=0)) + 1
    taken = np.sort(rows * num_groups + groups[ids])
    stays = ~among(lists.row_of_each * num_groups + groups[lists.ids], taken)
    if never.size:
        stays &= ~among(lists.row_of_each * groups.size + lists.ids, never)
    stays = np.insert(stays, places[is_in], True)
    row_of_each = np.insert(lists.row_of_each, places[is_in], rows[is_in])

    def column(theirs: npt.NDArray[np.generic], ours: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        return np.insert(theirs, places[is_in], ours[is_in])[stays]

    others = lists.teacher_scores or {}
    columns = {
        "offsets": ragged.offsets_of(np.bincount(row_of_each[stays], minlength=len(lists))),
        "ids": column(lists.ids, ids),
        "scores": column(lists.scores, labels.scores),
        "teacher_scores": {n: column(others[n], ours) for n, ours in labels.teacher_scores.items()} or None,
        "metadata": lists.metadata,
    }
    return Candidates._trusted(columns)


def _last(lists: Candidates, scores: Float32Array) -> tuple[Float32Array, Int64Array]:
    """Of every list the score and the id of what would stand last by these scores; infinite where it is empty."""
    worst = np.full(len(lists), np.inf, dtype=np.float32)
    worst_id = np.full(len(lists), -1, dtype=np.int64)
    has_some = lists.lengths > 0
    starts = lists.offsets[:-1][has_some]
    if starts.size:
        worst[has_some] = np.minimum.reduceat(scores, starts)
        at_end = np.where(scores == worst[lists.row_of_each], lists.ids, -1)
        worst_id[has_some] = np.maximum.reduceat(at_end, starts)
    return worst, worst_id


def _places(lists: Candidates, rows: Int64Array, ids: Int64Array, scores: Float32Array) -> Int64Array:
    """Where each document belongs in the list of its row by the total order: all bisections at once."""
    low, high = lists.offsets[rows], lists.offsets[rows + 1]
    while (open_ones := low < high).any():
        middle = np.where(open_ones, (low + high) // 2, 0)
        found = lists.scores[middle]
        is_before = (found > scores) | ((found == scores) & (lists.ids[middle] < ids))
        low = np.where(open_ones & is_before, middle + 1, low)
        high = np.where(open_ones & ~is_before, middle, high)
    return low


def among(keys: Int64Array, wanted: Int64Array) -> npt.NDArray[np.bool_]:
    """Whether each key is among the wanted ones, which are sorted."""
    if not wanted.size:
        return np.zeros(keys.size, dtype=np.bool_)
    found: npt.NDArray[np.bool_] = wanted[np.minimum(np.searchsorted(wanted, keys), wanted.size - 1)] == keys
    return found


def _most_queries(run: Candidates, able: Int64Array, counts: npt.NDArray[np.int64], trials_per_query: int) -> int:
    """Queries whose trials fit `MOST_CANDIDATES`."""
    if not able.size:
        return 0
    lengths = (run.lengths[able] + counts) * np.minimum(counts, trials_per_query)
    return max(1, min(MOST_QUERIES, int(MOST_CANDIDATES / max(float(lengths.mean()), 1.0))))


def _sampled(count: int, most: int, seed: int) -> Int64Array:
    """So many of the first numbers, rising."""
    if count <= most:
        return np.arange(count, dtype=np.int64)
    return _drawn(np.array([0, count], dtype=np.int64), most, seed)


def _drawn(offsets: Int64Array, n: int, seed: int) -> Int64Array:
    """Up to n positions of every row at random: the uniform draw of `select`, over positions instead of documents."""
    positions = np.arange(offsets[-1], dtype=np.int64)
    lists = Candidates._trusted(
        {"offsets": offsets, "ids": positions, "scores": np.zeros(positions.size, dtype=np.float32)}
    )
    nothing = Positives._checked(np.zeros(offsets.size, dtype=np.int64), positions[:0])
    return select(lists, nothing, Selection(n, ceiling=NoCeiling(), draw=Uniform(), seed=seed)).ids
