"""What becomes of negatives, of a run and of labels once they are judged."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hardmine.nouns.candidates import Candidates
from hardmine.nouns.frozen import frozen
from hardmine.nouns.lists import REASONS, added
from hardmine.nouns.negatives import Negatives
from hardmine.nouns.positives import Positives
from hardmine.pipeline.judge_calls import POSITIVE
from hardmine.pipeline.judge_pairs import Listed, Pairs, coded
from hardmine.pipeline.mined import Mined
from hardmine.plumbing import ragged
from hardmine.plumbing.ragged import distinct
from hardmine.report.facts import facts

if TYPE_CHECKING:
    from hardmine.nouns.collection import Collection

POLICIES = ("remove", "relabel", "flag")
STAYS = -1
"""Where a pair has no reason to leave."""

_Int64 = npt.NDArray[np.int64]
_Bools = npt.NDArray[np.bool_]


class Leaving(NamedTuple):
    """Which texts leave which queries, and under which reason their documents are counted from now on.

    Attributes
    ----------
    groups : int64 [num_documents]
        Text of every document, `Collection.document_groups`.
    codes : int64 [n]
        `judge_pairs.coded` of queries and texts, rising.
    reasons : int64 [n]
        Places in `REASONS`.
    labels : int64 [m]
        `judge_pairs.coded` of queries and documents that are positives from now on.
    dropped : bool [num_queries]
        Queries that leave as a whole.
    """

    groups: _Int64
    codes: _Int64
    reasons: _Int64
    labels: _Int64
    dropped: _Bools

    def reason_of(self, queries: _Int64, documents: _Int64) -> _Int64:
        """Why each of some (query, document) pairs leaves, `STAYS` for those that do not."""
        found = np.full(queries.size, STAYS, np.int64)
        if self.codes.size:
            codes = coded(queries, self.groups[documents], self.groups.size)
            at = np.minimum(np.searchsorted(self.codes, codes), self.codes.size - 1)
            is_there = self.codes[at] == codes
            found[is_there] = self.reasons[at[is_there]]
        found[np.isin(coded(queries, documents, self.groups.size), self.labels)] = REASONS.index("positive")
        found[self.dropped[queries] & (found == STAYS)] = REASONS.index("excluded")
        return found


def of_negatives(negatives: Negatives, leaving: Leaving, about: dict[str, Any]) -> Negatives:
    """The negatives that stay. What leaves is no longer counted as kept; filled documents are counted nowhere."""
    rows = negatives.row_of_each
    why = leaving.reason_of(negatives.queries[rows], negatives.ids)
    row_stays = ~leaving.dropped[negatives.queries]
    stays = (why == STAYS) & row_stays[rows]
    counts = np.zeros((len(REASONS), len(negatives)), np.int64)
    chosen = (why != STAYS) & ~negatives.filled
    np.add.at(counts, (why[chosen], rows[chosen]), 1)
    reasons = {name: negatives.reasons[name] + counts[place] for place, name in enumerate(REASONS)}
    reasons["kept"] = negatives.reasons["kept"] - counts.sum(axis=0)
    columns: dict[str, Any] = {name: getattr(negatives, name) for name in ("ids", "scores", "ranks", "filled")}
    if negatives.sources is not None:
        columns["sources"] = negatives.sources
    lengths = np.bincount(rows[stays], minlength=len(negatives))
    left_out = np.unique(negatives.queries[~row_stays])
    return Negatives(
        offsets=ragged.offsets_of(lengths[row_stays]),
        **{name: column[stays] for name, column in columns.items()},
        **{name: getattr(negatives, name)[row_stays] for name in ("queries", "positives", "positive_scores")},
        reasons={name: count[row_stays] for name, count in reasons.items()},
        dropped=np.union1d(negatives.dropped, left_out).astype(np.int64),
        metadata={**negatives.metadata, "judged": about},
    )


def of_run(run: Candidates, leaving: Leaving, positives: Positives | None, about: dict[str, Any]) -> Candidates:
    """The candidates that stay, counted and ranked as if the search had left the others out."""
    rows = run.row_of_each
    why = leaving.reason_of(rows, run.ids)
    stays = why == STAYS
    counts = dict(run.reasons or {})
    for place, name in enumerate(REASONS):
        here = np.bincount(rows[why == place], minlength=len(run))
        if here.any():
            counts[name] = added(name, [counts[name], here]) if name in counts else here
    columns: dict[str, Any] = {"sources": run.sources, "anchor_scores": run.anchor_scores}
    columns = {name: column[stays] for name, column in columns.items() if column is not None}
    if run.teacher_scores is not None:
        columns["teacher_scores"] = {name: column[stays] for name, column in run.teacher_scores.items()}
    if run.ranks is not None:
        before = np.cumsum(~stays)
        before -= np.concatenate([[0], before])[run.offsets[:-1]][rows]
        columns["ranks"] = run.ranks[stays] - before[stays].astype(np.int32)
    return run.replace(
        offsets=ragged.offsets_of(np.bincount(rows[stays], minlength=len(run))),
        ids=run.ids[stays],
        scores=run.scores[stays],
        **columns,
        reasons=counts,
        positives=positives,
        metadata={**run.metadata, "judged": about},
    )


class Labels(NamedTuple):
    """Documents that become positives, by rising query.

    Attributes
    ----------
    queries, documents : int64 [n]
    scores : float32 [n]
    teacher_scores : mapping of str to float32 [n]
    """

    queries: _Int64
    documents: _Int64
    scores: npt.NDArray[np.float32]
    teacher_scores: dict[str, npt.NDArray[np.float32]]


def of_positives(positives: Positives, labels: Labels) -> Positives:
    """The positives with further ones behind those that each query has; their scores too where they have any."""
    queries = np.concatenate([positives.query_of_each, labels.queries])
    order = np.argsort(queries, kind="stable")
    lengths = np.bincount(queries, minlength=len(positives))

    def joined(old: npt.NDArray[Any], new: npt.NDArray[Any]) -> npt.NDArray[Any]:
        both: npt.NDArray[Any] = np.concatenate([old, new])[order]
        return both

    scores = None if positives.scores is None else joined(positives.scores, labels.scores)
    further = None
    if positives.teacher_scores is not None:
        known = {name: labels.teacher_scores.get(name) for name in positives.teacher_scores}
        further = {name: joined(positives.teacher_scores[name], new) for name, new in known.items() if new is not None}
    return Positives(
        ragged.offsets_of(lengths), joined(positives.ids, labels.documents), scores, teacher_scores=further
    )


def of_collection(collection: Collection, labels: Labels) -> Collection:
    """The collection with further positives."""
    return replace(collection, positives=of_positives(collection.positives, labels))


def _labels_of(collection: Collection, given: Listed, pairs: Pairs, is_label: _Bools) -> Labels:
    """What becomes a positive: of several documents of a query with one text the first of its list."""
    signals = pairs.signals
    # A positive's score is a finite number: documents that filled a shortage have none.
    columns = [*([] if given.positives.scores is None else [signals.scores]), *signals.teacher_scores.values()]
    found = np.flatnonzero(np.logical_and.reduce([is_label, *(np.isfinite(column) for column in columns)]))
    texts = collection.document_groups[pairs.documents[found]]
    chosen = found[distinct(coded(pairs.queries[found], texts, collection.num_documents))[0]]
    further = {name: column[chosen].astype(np.float32) for name, column in signals.teacher_scores.items()}
    scores = signals.scores[chosen].astype(np.float32)
    return Labels(pairs.queries[chosen], pairs.documents[chosen], scores, further)


class Changed(NamedTuple):
    """What is left, and how many pairs left and how many of them are labelled now."""

    collection: Collection
    negatives: Negatives | None
    run: Candidates | None
    mined: Mined | None
    removed: int
    relabelled: int


def apply(
    collection: Collection,
    given: Listed,
    pairs: Pairs,
    flagged: _Bools,
    outcomes: npt.NDArray[np.int8],
    dropped: _Bools,
    about: dict[str, Any],
) -> Changed:
    """Take out what leaves, and relabel what is to be."""
    groups, count = collection.document_groups, collection.num_documents
    codes = np.unique(coded(pairs.queries[flagged], groups[pairs.documents[flagged]], count))
    why = np.full(codes.size, REASONS.index("excluded"))
    labels, label_codes = None, codes[:0]
    if about["policy"] == "relabel":
        labels = _labels_of(collection, given, pairs, (outcomes == POSITIVE) & ~dropped[pairs.queries])
        label_codes = coded(labels.queries, labels.documents, count)
        why[np.isin(codes, coded(labels.queries, groups[labels.documents], count))] = REASONS.index("duplicate_text")
    leaving = Leaving(groups, codes, why, label_codes, dropped)
    about = {name: value for name, value in about.items() if name != "calls"}
    changed = collection if labels is None else of_collection(collection, labels)
    relabelled = 0 if labels is None else int(labels.queries.size)

    def labelled(positives: Any) -> Any:
        return positives if labels is None or positives is None else of_positives(positives, labels)

    def left(run: Candidates) -> Candidates:
        return of_run(run, leaving, labelled(run.positives), about)

    removed = int((flagged | dropped[pairs.queries]).sum())
    if given.run is not None:
        return Changed(changed, None, left(given.run), None, removed, relabelled)
    assert given.negatives is not None  # noqa: S101
    negatives = of_negatives(given.negatives, leaving, about)
    mined = given.mined
    if mined is not None:
        positives, candidates = labelled(mined.positives), left(mined.candidates)
        found_facts = facts(changed, candidates, positives, negatives, mined.report["selection"])
        report = {**mined.report, **found_facts, "teacher": mined.report["teacher"], "judged": about}
        if negatives.sources is not None:
            report["sources"] = np.bincount(negatives.sources, minlength=len(mined.report["sources"])).tolist()
        mined = replace(
            mined, collection=changed, negatives=negatives, positives=positives, candidates=candidates,
            report=frozen(report),
        )  # fmt: skip
    return Changed(changed, negatives, None, mined, removed, relabelled)
