"""From candidates to negatives: score filters with counts, window, draw."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

import hardmine as hm
from hardmine.compat.sentence_transformers.scores import scores_of
from hardmine.plumbing.float_mode import in_default_mode
from hardmine.plumbing.ragged import offsets_of, rows_of

if TYPE_CHECKING:
    from hardmine.compat.sentence_transformers.settings import Settings
    from hardmine.plumbing.checks import Float32Array


class Skipped(NamedTuple):
    """Candidates that a score filter removed."""

    rule: str
    value: float
    number: int
    ratio: float


def without_positives(run: hm.Candidates, labels: hm.Positives, depth: int, num_threads: int | None) -> hm.Candidates:
    """The candidates that are no labelled positives of their query."""
    everything = hm.Selection(depth, ceiling=hm.NoCeiling(), draw=hm.Top())
    rest = hm.select(run, labels, everything, num_threads=num_threads)
    return hm.Candidates(rest.offsets, rest.ids, rest.scores)


@in_default_mode
@np.errstate(all="ignore")  # bounds beyond float32 are infinite
def filtered(
    run: hm.Candidates, labels: hm.Positives, settings: Settings, num_slots: int
) -> tuple[hm.Candidates, list[Skipped]]:
    """The candidates that pass the score filters, and what each filter removed.

    Formulas, their order and the float32 they are computed in are the original's, so that a candidate on a bound falls
    on the same side of it. A candidate is counted under the first filter that removes it.

    Parameters
    ----------
    run : Candidates
    labels : Positives
        With scores; of several, the lowest counts.
    settings : Settings
    num_slots : int
        Candidates that were asked of the search: what ratios refer to.
    """
    if not settings.rules:
        return run, []
    rows, scores = rows_of(run.offsets), run.scores
    positive = lowest_positive(labels)[rows]
    alive = np.ones(scores.size, np.bool_)
    skipped = []
    for rule, value in settings.rules:
        removed = alive & fails(rule, np.float32(value), scores, positive)
        alive &= ~removed
        count = int(removed.sum())
        if count:
            skipped.append(Skipped(rule, value, count, count / num_slots))
        if rule in ("absolute_margin", "relative_margin"):
            num_slots -= count
    offsets = offsets_of(np.bincount(rows[alive], minlength=len(run)))
    return hm.Candidates(offsets, run.ids[alive], scores[alive]), skipped


def lowest_positive(labels: hm.Positives) -> Float32Array:
    """The lowest score among the positives of each query, which the margins refer to."""
    return np.minimum.reduceat(scores_of(labels), labels.offsets[:-1])


def fails(rule: str, value: np.float32, scores: Float32Array, positive: Float32Array) -> npt.NDArray[np.bool_]:
    """Whether a filter removes each score beside the positive score of its query."""
    if rule == "absolute_margin":
        return scores + value > positive
    if rule == "relative_margin":
        return scores > positive - np.abs(positive) * value
    return scores > value if rule == "max_score" else scores < value


def chosen(run: hm.Candidates, settings: Settings, num_documents: int) -> hm.Negatives:
    """The negatives of every query: the best of the window, or a seeded draw from all of it."""
    # No query has more than the documents: beyond them a window, and a number of negatives, mean nothing.
    most = min(settings.num_negatives, num_documents)
    rule = hm.Selection(
        most,
        ceiling=hm.NoCeiling(),
        range_min=min(settings.range_min, num_documents),
        range_max=min(settings.depth, num_documents + most),
        draw=hm.Top() if settings.sampling_strategy == "top" else hm.Uniform(),
        seed=settings.seed,
    )
    nobody = hm.Positives(np.zeros(len(run) + 1, np.int64), np.empty(0, np.int64))
    return hm.select(run, nobody, rule, num_threads=settings.num_threads)
