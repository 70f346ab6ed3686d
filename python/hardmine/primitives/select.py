"""Candidates to negatives: ceilings, window, draw and counted reasons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

import hardmine._native as _native
from hardmine.nouns.candidates import Candidates
from hardmine.nouns.lists import REASONS, VERSION, added, take_rows
from hardmine.nouns.negatives import Negatives
from hardmine.nouns.positives import Positives
from hardmine.plumbing import checks, ragged
from hardmine.plumbing.threads import thread_count
from hardmine.primitives.near import NOT_NEAR, near_of, refuse_near
from hardmine.primitives.teacher_ceilings import above_of_teachers
from hardmine.primitives.unlisted import refuse_unlisted, unlisted
from hardmine.rules.draws import Popularity, Weighted
from hardmine.rules.selection import Selection

__all__ = ["select"]


def select(
    candidates: Candidates,
    positives: Positives,
    selection: Selection,
    *,
    epoch: int = 0,
    query_keys: npt.ArrayLike | None = None,
    document_keys: npt.ArrayLike | None = None,
    document_groups: npt.ArrayLike | None = None,
    near_groups: npt.ArrayLike | None = None,
    document_embeddings: Any = None,
    exclude: Any = None,
    num_documents: int | None = None,
    num_threads: int | None = None,
) -> Negatives:
    """Choose negatives among retrieved candidates.

    Each candidate meets the tests in the order of `REASONS`: a labelled positive of the query, excluded, same text as a
    positive, near-duplicate of a positive, outside the window, above the ceiling, below the floor. What passes is
    admissible; `selection.draw` takes `selection.num_negatives` of it.

    Parameters
    ----------
    candidates : Candidates
        One list per query, best first.
    positives : Positives
        Labelled positives of the same queries; their scores, under the teacher of the candidates, are needed by every
        ceiling but `NoCeiling` and `Absolute`, and by the draws `SimANS` and `Laplace`. A ceiling that names a teacher
        acts on ``teacher_scores`` of candidates and positives instead; draws, `floor` and ranks stay with ``scores``.
    selection : Selection
        Which candidates, how many, how chosen.
    epoch : int
        Another epoch gives other draws under the same seed.
    query_keys : 64-bit integers [num_queries], optional
        Stable noise keys; without them the query's index. Draws with keys do not depend on order, number or sharding.
    document_keys : 64-bit integers [num_documents], optional
        Likewise for documents.
    document_groups : integers [num_documents], optional
        Documents of one number have the same text; those in the group of a positive of the query are excluded.
    near_groups : integers [num_documents], optional
        Documents of one number are near-duplicates, as `near_duplicate_groups` finds them; needed by
        ``selection.near_duplicates``, without effect where that is None. Those of a positive of the query are no
        negatives, and no two negatives of a row are of each other.
    document_embeddings : float16 | bfloat16 | float32 [num_documents, dimension], optional
        Needed by ``selection.near_cosine``, without effect where that is None; cosines are those of `pair_scores`.
    exclude : (offsets, ids) or sequence of id sequences, optional
        Further documents per query that are never negatives.
    num_documents : int, optional
        Size of the corpus; needed by ``on_shortage="fill"`` alone. It draws the missing documents uniformly from those
        that are neither positives, excluded, text duplicates, nor in the query's list: what a rule rejected never
        comes back. Their scores are unknown: NaN, rank 0, flagged in `Negatives.filled`.
    num_threads : int, optional
        Threads; the result does not depend on them.

    Returns
    -------
    Negatives
        One row per query, or per (query, positive) pair with ``positive_agg="each"`` (pairs of one query share their
        noise), documents in ranking order. `reasons` counts every candidate of the list and what the scan that made
        the list removed.

    Raises
    ------
    ValueError
        A query without a positive, or without its score, under a rule that needs one; a ceiling that names a teacher
        whom the candidates do not know; lengths or ids that do not fit; a short row under ``on_shortage="error"``; a
        fill that could bring back what left a list without a name; `near_groups` or `document_embeddings` missing where
        the selection asks for them, or embeddings that are not finite. The message names the argument and the query.

    Notes
    -----
    Ceilings and floors are computed in float64 and rounded once to float32; equality keeps. A candidate's rank (in
    `Negatives.ranks`, in the window and in `RankPower`) counts from 1 after positives, excluded and duplicates are
    removed and before score filters. The ids of one list must differ.

    Near-duplicates of a positive leave the ranking as duplicates do. What is admissible is then met in the order of the
    draw (in ranking order by `Top`, the largest of log-weight and noise first by others); a candidate that is a
    near-duplicate of one that was taken is passed over and counted as ``near_duplicate``, and the next takes its place.
    `TopThen` begins to draw behind the last that it took for certain. A pool (`Among`) holds its first candidates
    whether they are passed over or not. `Stratified` cuts its bins and shares of all candidates, takes from each bin
    its share in turn from the hardest down, and what a bin lacks from the others in the same order. Documents that fill
    a short row are no near-duplicates of a positive, of a negative, or of each other; those that are are drawn again,
    up to 64 times.

    Examples
    --------
    >>> import hardmine as hm
    >>> run = hm.Candidates([0, 4], [9, 3, 5, 2], [0.9, 0.8, 0.7, 0.6])
    >>> mined = hm.select(run, hm.Positives([0, 1], [3], [0.8]), hm.Selection(2, ceiling=hm.PercPos(0.95)))
    >>> mined[0].ids.tolist(), mined.ranks.tolist()
    ([5, 2], [2, 3])
    >>> {reason: int(count[0]) for reason, count in mined.reasons.items() if count[0]}
    {'positive': 1, 'above_ceiling': 1, 'kept': 2}
    """
    expect("candidates", candidates, Candidates)
    corpus_size = _documents_to_fill(selection, num_documents)
    chosen = choose(
        candidates,
        positives,
        selection,
        epoch=epoch,
        query_keys=query_keys,
        document_keys=document_keys,
        document_groups=document_groups,
        near_groups=near_groups,
        document_embeddings=document_embeddings,
        exclude=exclude,
        num_documents=corpus_size,
        num_threads=thread_count(num_threads),
    )
    if chosen.filled.any():
        named = ragged.csr("exclude", exclude, len(positives))
        short = np.unique(chosen.queries[chosen.row_of_each[chosen.filled]])
        missing = unlisted(candidates, positives, named, has_groups=document_groups is not None, rows=short)
        refuse_unlisted(missing, chosen.queries, chosen.offsets, chosen.filled)
    return chosen


def expect(name: str, value: Any, kind: type[Any]) -> None:
    """Raise where an argument is of another kind."""
    if not isinstance(value, kind):
        raise TypeError(f"{name}: {type(value).__name__}, expected {kind.__name__}")


def _documents_to_fill(selection: Selection, num_documents: Any) -> int | None:
    expect("selection", selection, Selection)
    if num_documents is not None:
        return checks.integer("num_documents", num_documents)
    if selection.on_shortage == "fill":
        raise ValueError("num_documents: missing, but on_shortage='fill' draws from the whole corpus")
    return None


def choose(
    candidates: Candidates,
    positives: Positives,
    selection: Selection,
    *,
    epoch: Any,
    query_keys: Any,
    document_keys: Any,
    document_groups: Any,
    exclude: Any,
    num_documents: int | None,
    num_threads: int,
    near_groups: Any = None,
    document_embeddings: Any = None,
    lists_by_pair: bool = False,
    above: npt.NDArray[np.bool_] | None = None,
) -> Negatives:
    """`select` of checked arguments; `above` marks the candidates over a ceiling that was computed elsewhere.

    Without it, that of ceilings that name a teacher is computed here.
    """
    expect("positives", positives, Positives)
    epoch = checks.integer("epoch", epoch)
    each = selection.positive_agg == "each"
    num_lists = positives.ids.size if lists_by_pair else len(positives)
    if len(candidates) != num_lists:
        raise ValueError(f"positives: {len(positives)} queries, expected {len(candidates)} as in candidates")
    documents = _Documents(num_documents)
    groups = None if document_groups is None else checks.int64_vector("document_groups", document_groups)
    keys = checks.keys("document_keys", document_keys, np.size(document_keys))
    documents.see("document_groups", groups)
    near = near_of(selection, near_groups, document_embeddings)
    documents.see("near_groups", near["near_groups"])
    if near["document_embeddings"] is not None:
        documents.see("document_embeddings", near["document_embeddings"][0])
    documents.see("document_keys", keys)
    law = selection.draw._native()
    weights = law["array"]
    documents.see("counts", weights if law["name"] == Popularity.kind else None)
    # What tells near-duplicates apart is read for positives too; of other columns the core says which id is outside.
    is_near = near["near_groups"] is not None or near["document_embeddings"] is not None
    if num_documents is None and is_near:
        documents.refuse_short(candidates.ids, positives.ids)
    if law["name"] == Weighted.kind and weights is not None and weights.size != candidates.ids.size:
        raise ValueError(
            f"log_weights: length {weights.size}, expected {candidates.ids.size} (the number of candidates)"
        )
    query_of_pair = positives.query_of_each if each else None
    if each and selection.needs_positive:
        refuse_missing(positives)
    queries: _native.SelectQueries = {
        "positives": (positives.offsets, positives.ids),
        "positive_scores": positives.scores,
        "exclude": ragged.csr("exclude", exclude, len(positives)),
        "document_groups": groups,
        **near,
        "query_keys": checks.keys("query_keys", query_keys, len(positives)),
        "query_of_pair": query_of_pair,
        "lists_by_pair": lists_by_pair,
    }
    if above is None and selection.ceiling.teachers:
        if query_of_pair is not None and not lists_by_pair:  # every pair has ceilings, and so a list, of its own
            if law["name"] == Weighted.kind and weights is not None:
                law = {**law, "array": take_rows(candidates.offsets, [weights], query_of_pair, num_threads)[1][0]}
            candidates, lists_by_pair = candidates.take(query_of_pair, num_threads=num_threads), True
            queries["lists_by_pair"] = True
        above = above_of_teachers(candidates, positives, selection, num_threads, by_pair=lists_by_pair)
    plan = _plan(selection, law, documents.count, epoch, keys)
    found = _native.select(_lists(candidates, selection, documents.count, None, above), queries, plan, num_threads)
    list_of_row = None if lists_by_pair else query_of_pair
    return _negatives(candidates, positives, selection, epoch, found, query_of_pair, list_of_row)


def _lists(
    candidates: Candidates,
    selection: Selection,
    num_documents: int | None,
    rows: npt.NDArray[np.int64] | None,
    above: npt.NDArray[np.bool_] | None = None,
) -> _native.SelectLists:
    """What the kernel is told of the lists; `above` marks candidates over a ceiling that was computed elsewhere."""
    return {
        "lists": (candidates.offsets, candidates.ids),
        "scores": candidates.scores,
        "ranks": candidates.ranks,
        "anchor_scores": candidates.anchor_scores if selection.ceiling.needs_anchor_scores else None,
        "above": None if above is None else above.view(np.uint8),
        "num_documents": num_documents,
        "rows": rows,
    }


def _plan(
    selection: Selection,
    law: _native.Law,
    num_documents: int | None,
    epoch: int,
    document_keys: npt.NDArray[np.uint64] | None,
) -> _native.SelectPlan:
    return {
        "num_negatives": selection.num_negatives,
        "ceilings": selection.ceiling._native(),
        "floor": selection.floor,
        "range_min": selection.range_min,
        "range_max": selection.range_max,
        "range_on": selection.range_on,
        "positive_agg": selection.positive_agg,
        "draw": law,
        "on_shortage": selection.on_shortage,
        "num_documents": num_documents or 0,
        "seed": selection.seed,
        "epoch": epoch,
        "document_keys": document_keys,
    }


class BatchSelection:
    """One selection from one checked run, for call after call on some of its rows.

    All that does not change from batch to batch is made once: a batch costs the native call and little else. A list is
    read where it stands in the run, and so are the weights of `Weighted`. Of a run that is to be filled from, `reasons`
    are those of `unlisted`.
    """

    def __init__(
        self,
        candidates: Candidates,
        selection: Selection,
        *,
        log_weights: npt.NDArray[np.float64] | None,
        document_keys: npt.NDArray[np.uint64] | None,
        num_documents: int,
        above: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        refuse_near(selection, "what selects batch by batch")
        law = selection.draw._native()
        if log_weights is not None:  # checked before: a worker must not read all of them to begin
            law = {**law, "name": Weighted.kind, "array": log_weights}
        self._plan = _plan(selection, law, num_documents, 0, document_keys)
        self._fills = selection.on_shortage == "fill"
        self._candidates = candidates
        knows_documents = self._fills or document_keys is not None or law["name"] == Popularity.kind
        self._lists = _lists(candidates, selection, num_documents if knows_documents else None, None, above)

    def select(
        self,
        rows: npt.NDArray[np.int64],
        positives: Positives,
        *,
        epoch: int,
        query_keys: npt.NDArray[np.uint64],
        exclude: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]] | None,
        num_threads: int,
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Offsets, ids, scores and filled of the negatives of `rows`; the other arguments speak of these rows alone."""
        queries: _native.SelectQueries = {
            "positives": (positives.offsets, positives.ids),
            "positive_scores": positives.scores,
            "exclude": exclude,
            "document_groups": None,
            **NOT_NEAR,
            "query_keys": query_keys,
            "query_of_pair": None,
            "lists_by_pair": False,
        }
        plan: _native.SelectPlan = {**self._plan, "epoch": epoch}
        found = _native.select({**self._lists, "rows": rows}, queries, plan, num_threads)
        offsets, ids, scores = found["offsets"], found["ids"], found["scores"]
        if not self._fills:
            return offsets, ids, scores, _same(0, ids.size, np.bool_)
        filled = found["ranks"] == 0
        refuse_unlisted(self._candidates.reasons or {}, rows, offsets, filled)
        return offsets, ids, scores, filled


class _Documents:
    """The size of the corpus, as far as arguments tell it."""

    def __init__(self, count: int | None) -> None:
        self.count = count
        self.name = "num_documents"

    def see(self, name: str, array: npt.NDArray[Any] | None) -> None:
        if array is None:
            return
        if self.count is not None and len(array) != self.count:
            raise ValueError(f"{name}: length {len(array)}, expected {self.count} as {self.name} says")
        self.count, self.name = len(array), name

    def refuse_short(self, *ids: npt.NDArray[np.int64]) -> None:
        """Raise where an argument is too short for the documents that lists name: it, not they, will be wrong."""
        if self.count is not None:
            last = max(int(each.max(initial=-1)) for each in ids)
            if last >= self.count:
                wanted = f"at least {last + 1}: candidates and positives name documents up to {last}"
                raise ValueError(f"{self.name}: length {self.count}, expected {wanted}")


def refuse_missing(positives: Positives) -> None:
    """A pair-wise selection has no row in which the kernel could notice a query without positives."""
    lacking = np.diff(positives.offsets) == 0
    if lacking.any():
        query = int(lacking.argmax())
        raise ValueError(
            f"positives: query {query} has no positive, but this ceiling or draw needs a finite positive score"
        )


def _negatives(
    candidates: Candidates,
    positives: Positives,
    selection: Selection,
    epoch: int,
    found: _native.Chosen,
    query_of_pair: npt.NDArray[np.int64] | None,
    list_of_row: npt.NDArray[np.int64] | None,
) -> Negatives:
    offsets, ids, ranks, rows = found["offsets"], found["ids"], found["ranks"], found["rows"]
    num_rows = len(offsets) - 1
    if query_of_pair is None:
        queries, row_positives = np.arange(len(positives)), None
    else:
        queries, row_positives = query_of_pair, positives.ids
    dropped = np.empty(0, dtype=np.int64)
    if rows is not None:
        left_out = np.ones(queries.size, dtype=np.bool_)
        left_out[rows] = False
        dropped = queries[left_out]
        queries = queries[rows]
        row_positives = None if row_positives is None else row_positives[rows]
        list_of_row = rows if list_of_row is None else list_of_row[rows]
    return Negatives(
        offsets=offsets,
        ids=ids,
        scores=found["scores"],
        ranks=ranks,
        filled=ranks == 0 if selection.on_shortage == "fill" else _same(0, ids.size, np.bool_),
        queries=queries,
        positives=_same(-1, num_rows, np.int64) if row_positives is None else row_positives,
        positive_scores=found["positive_scores"],
        reasons=_reasons(found["counts"], candidates.reasons, num_rows, list_of_row),
        dropped=dropped,
        metadata={
            "num_negatives": selection.num_negatives,
            "selection": selection._described(),
            "epoch": epoch,
            "version": VERSION,
            "candidates": dict(candidates.metadata),
        },
    )


def _reasons(
    counts: dict[str, npt.NDArray[np.int64]],
    scanned: Mapping[str, npt.NDArray[np.int64]] | None,
    num_rows: int,
    list_of_row: npt.NDArray[np.int64] | None,
) -> dict[str, npt.NDArray[np.int64]]:
    """The counts of the selection plus those of the scan that made the lists."""
    reasons = {}
    none = _same(0, num_rows, np.int64)
    for name in REASONS:
        found = counts.get(name)
        before = None if scanned is None else scanned.get(name)
        if before is not None:
            before = before if list_of_row is None else before[list_of_row]
            found = before if found is None else added(name, [found, before])
        reasons[name] = none if found is None else found
    return reasons


def _same(value: int, length: int, dtype: type[np.generic]) -> npt.NDArray[Any]:
    """A read-only column of one value, without memory of its own: columns that say nothing should cost nothing."""
    column: npt.NDArray[Any] = np.ndarray((length,), dtype, _BYTES[value, dtype], strides=(0,))
    return column


_BYTES: dict[tuple[int, type[np.generic]], bytes] = {
    key: np.array(key[0], dtype=key[1]).tobytes() for key in ((0, np.bool_), (0, np.int64), (-1, np.int64))
}
"""Immutable buffers that such columns look at: a view of one costs a tenth of `numpy.broadcast_to`."""
