"""A page's material from what was mined, with a reason for every candidate, or from a run to choose from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

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
    choose,
    evenly,
    leaning,
    members,
    relative,
    row_maxima,
)
from hardmine.report.html.others import lowest, others_of
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
    row_positives = negatives.positive_scores[negatives.row_of_each]
    ratios = relative(negatives.scores, row_positives)
    leanings = leaning(negatives.scores, row_positives)
    chosen = choose(row_maxima(negatives.offsets, leanings), counts, wanted, examples)
    positive_scores = positives.scores if positives.scores is not None else np.empty(0, np.float32)
    sampled = evenly(len(negatives), MOST_SAMPLED)
    rows = np.array([row for row, _ in chosen], dtype=np.int64)
    views = list(others_of(negatives, positives, candidates, rows))
    starts = offsets_of(negatives.lengths[rows])
    shown = []
    for number, (row, why) in enumerate(chosen):
        view = {each.name: each.leanings[starts[number] : starts[number + 1]] for each in views}
        shown.append(_example(texts, negatives, positives, (ratios, leanings), row, why, view))
    return Material(
        noun="negatives",
        about=[
            ("Teacher", teacher or settings.teacher_of(negatives.metadata)),
            *settings.described_of(negatives.metadata),
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
        examples=shown,
        reasons={name: int(counts.sum()) for name, counts in negatives.reasons.items()},
        wanted=wanted,
        dropped=int(negatives.dropped.size),
        ranks=negatives.ranks,
        filled=filled,
        lengths=texts.lengths(positives.ids, negatives.ids),
        candidate_ratios=np.empty(0) if candidates is None else _candidate_ratios(negatives, candidates, sampled),
        others=list(others_of(negatives, positives, candidates, sampled)),
        mixes=negatives.sources is not None,
        run={
            "teacher": negatives.metadata.get("candidates", {}).get("teacher"),
            "queries": collection.num_queries,
            "documents": collection.num_documents,
        },
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
    row_positives = np.full(len(run), np.nan, np.float32)
    scores = np.empty(0, np.float32)
    if positives is not None and positives.scores is not None:
        scores = positives.scores
        row_positives = lowest(positives.offsets, scores)
    ratios = relative(run.scores, row_positives[run.row_of_each])
    leanings = leaning(run.scores, row_positives[run.row_of_each])
    chosen = choose(row_maxima(run.offsets, leanings), run.lengths, None, examples)
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
        row_positives=row_positives,
        keys=run.ids,
        named=texts.documents,
        examples=[_run_example(texts, run, (ratios, leanings), row, why) for row, why in chosen],
        reasons={name: int(counts.sum()) for name, counts in (run.reasons or {}).items()},
        ranks=run.ranks,
        lengths=texts.lengths(none if positives is None else positives.ids, run.ids),
        notes=["No rule has chosen yet: this is a stored run, and every candidate of it is counted below."],
    )


def _example(
    texts: Texts,
    negatives: Negatives,
    positives: Positives,
    seen: tuple[Float64s, Float64s],
    row: int,
    why: str,
    views: Mapping[str, Float64s],
) -> Example:
    ratios, leanings = seen
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
        suspicion=float(row_maxima(np.array([0, stop - start]), leanings[start:stop])[0]),
        query=texts.query(query),
        positives=texts.documents(positives.ids[shown].tolist(), scores=scores),
        negatives=texts.documents(
            negatives.ids[places].tolist(),
            scores=negatives.scores[places],
            ratios=ratios[places],
            ranks=negatives.ranks[places],
            filled=negatives.filled[places],
            above=leanings[places] > 1,
            others=[
                {name: float(seen[at]) for name, seen in views.items() if not np.isnan(seen[at])}
                for at in range(places.size)
            ],
        ),
        num_positives=int(labels.size),
        num_negatives=stop - start,
    )


def _run_example(texts: Texts, run: Candidates, seen: tuple[Float64s, Float64s], row: int, why: str) -> Example:
    ratios, leanings = seen
    start, stop = (int(bound) for bound in run.offsets[row : row + 2])
    places = np.arange(start, min(stop, start + MOST_SHOWN))
    found: Sequence[Document] = []
    num_positives = 0
    if run.positives is not None:
        first, last = (int(bound) for bound in run.positives.offsets[row : row + 2])
        num_positives, last = last - first, min(last, first + MOST_SHOWN)
        scores = None if run.positives.scores is None else run.positives.scores[first:last]
        found = texts.documents(run.positives.ids[first:last].tolist(), scores=scores)
    ranks = run.ranks[places] if run.ranks is not None else places - start + 1
    return Example(
        row=row,
        why=why,
        suspicion=float(row_maxima(np.array([0, stop - start]), leanings[start:stop])[0]),
        query=texts.query(row),
        positives=found,
        negatives=texts.documents(
            run.ids[places].tolist(),
            scores=run.scores[places],
            ratios=ratios[places],
            ranks=ranks,
            above=leanings[places] > 1,
        ),
        num_positives=num_positives,
        num_negatives=stop - start,
    )


def _candidate_ratios(negatives: Negatives, candidates: Candidates, rows: Int64s) -> Float64s:
    queries = negatives.queries[rows]
    positions = members(candidates.offsets, queries)
    row_of_each = rows_of(offsets_of(candidates.lengths[queries]))
    return relative(candidates.scores[positions], negatives.positive_scores[rows][row_of_each])


def _notes(negatives: Negatives) -> list[str]:
    notes = []
    if negatives.sources is not None:
        notes.append(
            "Several teachers gave these negatives, and each score is of the teacher that gave it: pictures that would "
            "mix their scales are left out."
        )
    unknown = int(negatives.filled.sum())
    if unknown:
        notes.append(f"{unknown:,} negatives were drawn at random to fill short rows; nobody scored them.")
    return notes
