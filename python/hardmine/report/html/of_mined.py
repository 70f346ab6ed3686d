"""A page's material from what was mined, with a reason for every candidate, or from a run to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hardmine.plumbing.float_mode import in_default_mode
from hardmine.plumbing.ragged import offsets_of, rows_of
from hardmine.report.html import settings
from hardmine.report.html.material import (
    MOST_SAMPLED,
    MOST_SHOWN,
    Document,
    Example,
    Float64s,
    Int64s,
    Material,
    OtherTeacher,
    choose,
    evenly,
    members,
    relative,
    row_maxima,
)
from hardmine.report.html.texts import Texts

if TYPE_CHECKING:
    from hardmine.nouns.candidates import Candidates
    from hardmine.nouns.collection import Collection
    from hardmine.nouns.negatives import Negatives
    from hardmine.nouns.positives import Positives


@in_default_mode
def of_mined(
    collection: Collection,
    negatives: Negatives,
    positives: Positives,
    candidates: Candidates | None,
    *,
    examples: int,
    teacher: str | None = None,
) -> Material:
    """The material of a mining run.

    Parameters
    ----------
    collection : Collection
    negatives : Negatives
    positives : Positives
        With scores where they are known.
    candidates : Candidates, optional
        What the negatives were chosen from, where it is at hand.
    examples : int
        Rows to show at most.
    teacher : str, optional
        Who scored; by default what the negatives say.
    """
    texts = Texts(collection)
    selection = settings.of_negatives(negatives.metadata)
    wanted = int(negatives.metadata["num_negatives"])
    filled = negatives.filled if bool(negatives.filled.any()) else None
    counts = np.diff(negatives.offsets) if filled is None else negatives.reasons["kept"]
    ratios = relative(negatives.scores, negatives.positive_scores[negatives.row_of_each])
    chosen = choose(row_maxima(negatives.offsets, ratios), counts, wanted, examples)
    positive_scores = positives.scores if positives.scores is not None else np.empty(0, np.float32)
    return Material(
        noun="negatives",
        about=[
            ("Teacher", teacher or settings.teacher_of(negatives.metadata)),
            *settings.described(selection),
            ("Queries", f"{collection.num_queries:,}"),
            ("Documents", f"{collection.num_documents:,}"),
            ("Labelled positives", f"{positives.ids.size:,}"),
        ],
        selection=selection,
        positive_scores=positive_scores,
        offsets=negatives.offsets,
        scores=negatives.scores,
        row_positives=negatives.positive_scores,
        keys=negatives.ids,
        named=texts.documents,
        examples=[_example(texts, negatives, positives, ratios, row, why) for row, why in chosen],
        reasons={name: int(counts.sum()) for name, counts in negatives.reasons.items()},
        wanted=wanted,
        dropped=int(negatives.dropped.size),
        ranks=negatives.ranks,
        filled=filled,
        lengths=texts.lengths(positives.ids, negatives.ids),
        candidate_ratios=np.empty(0) if candidates is None else _candidate_ratios(negatives, candidates),
        others=[] if candidates is None else list(_other_teachers(negatives, positives, candidates)),
        notes=_notes(negatives),
    )


@in_default_mode
def of_run(run: Candidates, collection: Collection | None, *, examples: int) -> Material:
    """The material of a stored run that no rule has chosen from; every query is a row.

    Parameters
    ----------
    run : Candidates
    collection : Collection, optional
        The texts.
    examples : int
        Rows to show at most.
    """
    texts = Texts(collection, run)
    positives = run.positives
    lowest = np.full(len(run), np.nan, np.float32)
    scores = np.empty(0, np.float32)
    if positives is not None and positives.scores is not None:
        scores = positives.scores
        lowest = _lowest(positives.offsets, scores)
    ratios = relative(run.scores, lowest[run.row_of_each])
    chosen = choose(row_maxima(run.offsets, ratios), run.lengths, None, examples)
    none = np.zeros(0, np.int64)
    return Material(
        noun="candidates",
        about=[
            ("Teacher", str(run.metadata.get("teacher") or "not said")),
            ("Candidates per query", str(run.metadata.get("k") or "not said")),
            ("Queries", f"{len(run):,}"),
            ("Labelled positives", "none in the run" if positives is None else f"{positives.ids.size:,}"),
        ],
        positive_scores=scores,
        offsets=run.offsets,
        scores=run.scores,
        row_positives=lowest,
        keys=run.ids,
        named=texts.documents,
        examples=[_run_example(texts, run, ratios, row, why) for row, why in chosen],
        reasons={name: int(counts.sum()) for name, counts in (run.reasons or {}).items()},
        ranks=run.ranks,
        lengths=texts.lengths(none if positives is None else positives.ids, run.ids),
        notes=["No rule has chosen yet: this is a stored run, and every candidate of it is counted below."],
    )


def _example(texts: Texts, negatives: Negatives, positives: Positives, ratios: Float64s, row: int, why: str) -> Example:
    start, stop = (int(bound) for bound in negatives.offsets[row : row + 2])
    query, positive = int(negatives.queries[row]), int(negatives.positives[row])
    first, last = (int(bound) for bound in positives.offsets[query : query + 2])
    labels = np.arange(first, last)
    if positive >= 0:
        labels = labels[positives.ids[labels] == positive]
    shown = labels[:MOST_SHOWN]
    scores = None if positives.scores is None else positives.scores[shown]
    places = np.arange(start, min(stop, start + MOST_SHOWN))
    return Example(
        row=row,
        why=why,
        suspicion=float(row_maxima(np.array([0, stop - start]), ratios[start:stop])[0]),
        query=texts.query(query),
        positives=texts.documents(positives.ids[shown].tolist(), scores=scores),
        negatives=texts.documents(
            negatives.ids[places].tolist(),
            scores=negatives.scores[places],
            ratios=ratios[places],
            ranks=negatives.ranks[places],
            filled=negatives.filled[places],
        ),
        num_positives=int(labels.size),
        num_negatives=stop - start,
    )


def _run_example(texts: Texts, run: Candidates, ratios: Float64s, row: int, why: str) -> Example:
    start, stop = (int(bound) for bound in run.offsets[row : row + 2])
    places = np.arange(start, min(stop, start + MOST_SHOWN))
    found: Sequence[Document] = []
    num_positives = 0
    if run.positives is not None:
        first, last = (int(bound) for bound in run.positives.offsets[row : row + 2])
        num_positives, last = last - first, min(last, first + MOST_SHOWN)
        scores = None if run.positives.scores is None else run.positives.scores[first:last]
        found = texts.documents(run.positives.ids[first:last].tolist(), scores=scores)
    ranks = run.ranks if run.ranks is not None else np.arange(run.ids.size) - start + 1
    return Example(
        row=row,
        why=why,
        suspicion=float(row_maxima(np.array([0, stop - start]), ratios[start:stop])[0]),
        query=texts.query(row),
        positives=found,
        negatives=texts.documents(
            run.ids[places].tolist(), scores=run.scores[places], ratios=ratios[places], ranks=ranks[places]
        ),
        num_positives=num_positives,
        num_negatives=stop - start,
    )


def _lowest(offsets: Int64s, scores: Any) -> Any:
    """The lowest score of every row, NaN for rows without any."""
    found = -row_maxima(offsets, -scores.astype(np.float64))
    return found.astype(np.float32)


def _sampled(negatives: Negatives, candidates: Candidates) -> tuple[Int64s, Int64s, Int64s]:
    """Sampled rows, the positions of their candidates, and the sampled row (from 0) of each of these."""
    rows = evenly(len(negatives), MOST_SAMPLED)
    queries = negatives.queries[rows]
    positions = members(candidates.offsets, queries)
    return rows, positions, rows_of(offsets_of(candidates.lengths[queries]))


def _candidate_ratios(negatives: Negatives, candidates: Candidates) -> Float64s:
    rows, positions, row_of_each = _sampled(negatives, candidates)
    return relative(candidates.scores[positions], negatives.positive_scores[rows][row_of_each])


def _other_teachers(negatives: Negatives, positives: Positives, candidates: Candidates) -> Any:
    """How the teachers whose scores are kept beside those in force see the negatives."""
    scores = getattr(candidates, "teacher_scores", None)
    labels = getattr(positives, "teacher_scores", None)
    if not scores or not labels or not candidates.ids.size:
        return
    rows, positions, row_of_each = _sampled(negatives, candidates)
    places = members(negatives.offsets, rows)
    own_rows = rows_of(offsets_of(negatives.lengths[rows]))
    span = int(max(candidates.ids.max(), negatives.ids.max(initial=0))) + 1
    keys = row_of_each * span + candidates.ids[positions]
    order = np.argsort(keys, kind="stable")
    wanted = own_rows * span + negatives.ids[places]
    at = np.minimum(np.searchsorted(keys[order], wanted), keys.size - 1)
    is_there = keys[order][at] == wanted
    where = positions[order[at]]
    own = relative(negatives.scores[places], negatives.positive_scores[rows][own_rows])
    for name in scores:
        if name not in labels:
            continue
        found = np.where(is_there, scores[name][where], np.nan)
        label = _row_labels(negatives, positives, labels[name], rows)
        yield OtherTeacher(str(name), relative(found, label[own_rows]), own)


def _row_labels(negatives: Negatives, positives: Positives, scores: Any, rows: Int64s) -> Any:
    """The positive score of sampled rows under another teacher: the row's own positive, or its query's lowest."""
    queries = negatives.queries[rows]
    labels = members(positives.offsets, queries)
    offsets = offsets_of(positives.offsets[queries + 1] - positives.offsets[queries])
    own = negatives.positives[rows][rows_of(offsets)]
    found = scores[labels].astype(np.float64)
    found[(own >= 0) & (own != positives.ids[labels])] = np.nan
    return _lowest(offsets, found)


def _notes(negatives: Negatives) -> list[str]:
    notes = []
    if negatives.sources is not None:
        notes.append(
            "Several teachers gave these negatives. Each score is of the teacher that gave it, so only ratios compare."
        )
    unknown = int(negatives.filled.sum())
    if unknown:
        notes.append(f"{unknown:,} negatives were drawn at random to fill short rows; nobody scored them.")
    return notes
