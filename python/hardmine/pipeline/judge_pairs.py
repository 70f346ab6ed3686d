"""What a judge is asked about: the (query, document) pairs of negatives or of a run, and the positive it sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hardmine.nouns.candidates import Candidates
from hardmine.nouns.identity import foreign
from hardmine.nouns.negatives import Negatives
from hardmine.nouns.positives import Positives
from hardmine.pipeline.mined import Mined
from hardmine.pipeline.suspicion import Signals

if TYPE_CHECKING:
    from hardmine.nouns.collection import Collection

_Int64 = npt.NDArray[np.int64]
_Float32 = npt.NDArray[np.float32]


class Listed(NamedTuple):
    """What was given to judge, taken apart.

    Attributes
    ----------
    negatives, run, mined : Negatives, Candidates, Mined or None
        What was given: `negatives` too where it was a `Mined`.
    positives : Positives
        The labels of the collection, with scores where these are known.
    """

    negatives: Negatives | None
    run: Candidates | None
    mined: Mined | None
    positives: Positives


class Pairs(NamedTuple):
    """Each (query, document) of what was given, once, by rising query and in the order of the list.

    Attributes
    ----------
    queries, documents : int64 [n]
    positives : int64 [n]
        The positive that stands for the query: the best under the teacher, the lowest index among equals and where
        scores are not known; -1 where the query has none.
    is_known : bool [n]
        The document, or one with the same text, is labelled: nobody is asked.
    signals : Signals
    of_each : int64 [listed]
        Pair of every document of the lists that were given.
    """

    queries: _Int64
    documents: _Int64
    positives: _Int64
    is_known: npt.NDArray[np.bool_]
    signals: Signals
    of_each: _Int64


def listed(collection: Collection, given: Any) -> Listed:
    """Take apart what was given to judge; raises where it cannot be of this collection."""
    if isinstance(given, Mined):
        collection._refuse_foreign(given.candidates)
        if not given.positives.has_labels_of(collection.positives):
            raise ValueError("negatives_or_run: mined with other labels than the collection's")
        return Listed(given.negatives, None, given, given.positives)
    if isinstance(given, Candidates):
        return Listed(None, given, None, collection.positives_under(given, scores=False))
    if isinstance(given, Negatives):
        why = foreign(given, collection)
        if why is not None:
            raise ValueError(f"negatives_or_run: {why}")
        return Listed(given, None, None, collection.positives)
    raise TypeError(f"negatives_or_run: {type(given).__name__}, expected Negatives, Candidates or Mined")


def pairs_of(collection: Collection, given: Listed) -> Pairs:
    """The pairs of what was given."""
    lists: Any = given.run if given.negatives is None else given.negatives
    rows = lists.row_of_each
    queries, documents = (rows if given.negatives is None else given.negatives.queries[rows]), lists.ids
    codes = coded(queries, documents, collection.num_documents)
    _, first, number = np.unique(codes, return_index=True, return_inverse=True)
    order = np.lexsort((first, queries[first]))
    place = np.empty(order.size, np.int64)
    place[order] = np.arange(order.size)
    first, of_each = first[order], place[number.reshape(-1)]
    queries, documents = queries[first], documents[first]
    shown = best_positives(given.positives)
    positives, own = shown[queries], _score_of(given.positives, shown)[queries]
    if given.negatives is not None and given.positives.scores is None:
        own = given.negatives.positive_scores[rows[first]]  # what the rule went by
    source = given.run if given.mined is None else given.mined.candidates
    anchors, further = _columns(source, codes[first], collection.num_documents)
    signals = Signals(queries, lists.scores[first], own, anchors, further)
    is_known = _labelled(collection, queries, documents)
    return Pairs(queries, documents, positives, is_known, signals, of_each)


def coded(queries: _Int64, documents: _Int64, num_documents: int) -> _Int64:
    """One number for each (query, document)."""
    return queries * max(num_documents, 1) + documents


def best_positives(positives: Positives) -> _Int64:
    """Of each query the positive with the highest score, the lowest index among equals; -1 where there is none."""
    scores = np.zeros(positives.ids.size, np.float32) if positives.scores is None else positives.scores
    order = np.lexsort((positives.ids, -scores, positives.query_of_each))
    best = np.full(len(positives), -1, np.int64)
    has_any = np.diff(positives.offsets) > 0
    best[has_any] = positives.ids[order][positives.offsets[:-1][has_any]]
    return best


def _score_of(positives: Positives, shown: _Int64) -> _Float32:
    """Score of the positive that is shown for each query; NaN where it is not known."""
    own = np.full(len(positives), np.nan, np.float32)
    if positives.scores is not None:
        queries = positives.query_of_each
        is_shown = positives.ids == shown[queries]
        own[queries[is_shown]] = positives.scores[is_shown]
    return own


def _columns(
    source: Candidates | None, codes: _Int64, num_documents: int
) -> tuple[_Float32 | None, Mapping[str, _Float32]]:
    """Anchor scores and further teachers' scores of the pairs; NaN for one that the candidates do not hold."""
    further = None if source is None else source.teacher_scores
    if source is None or (source.anchor_scores is None and further is None):
        return None, {}
    known = coded(source.row_of_each, source.ids, num_documents)
    order = np.argsort(known)
    at = np.searchsorted(known, codes, sorter=order)
    at = order[np.minimum(at, max(known.size - 1, 0))] if known.size else at
    is_there = known[at] == codes if known.size else np.zeros(codes.size, bool)

    def taken(column: _Float32) -> _Float32:
        found = np.full(codes.size, np.nan, np.float32)
        found[is_there] = column[at[is_there]]
        return found

    anchors = None if source.anchor_scores is None else taken(source.anchor_scores)
    return anchors, {name: taken(column) for name, column in (further or {}).items()}


def _labelled(collection: Collection, queries: _Int64, documents: _Int64) -> npt.NDArray[np.bool_]:
    """Which pairs are labelled positives, or have the text of one."""
    labels, groups = collection.positives, collection.document_groups
    known = coded(labels.query_of_each, groups[labels.ids], collection.num_documents)
    return np.isin(coded(queries, groups[documents], collection.num_documents), known)
