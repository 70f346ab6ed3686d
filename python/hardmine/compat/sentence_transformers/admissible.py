"""Candidates by a search under every query's ceiling, where they are those that a deep search and a filter would leave.

The original searches so many documents deep and filters them. Under one upper bound on scores the best that pass it are
found at once, ten in the place of a hundred, in a third less time. The two agree but for the depth: a candidate counts
only among the first `depth` documents, positives included, and a document above the bound is skipped only there. The
search counts the documents above the bound. Where they, the positives and the candidates are together no more than
`depth`, all of them are among the first; the other queries are searched deep.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

import hardmine as hm
from hardmine.compat.sentence_transformers import choose, scores
from hardmine.compat.sentence_transformers.choose import Skipped
from hardmine.compat.sentence_transformers.embeddings import Embeddings
from hardmine.plumbing.float_mode import in_default_mode
from hardmine.plumbing.ragged import offsets_of

if TYPE_CHECKING:
    from hardmine.compat.sentence_transformers.settings import Settings
    from hardmine.compat.sentence_transformers.texts import Texts
    from hardmine.plumbing.checks import Float32Array, Int64Array

_UPPER = ("absolute_margin", "relative_margin", "max_score")
_PILOT, _STRIDE = 256, 16
"""Queries, and one document in so many, by which it is guessed how many queries would have to be searched deep."""
_SHARE = 0.25
"""Of the queries at most: a search under the ceiling takes two thirds of the time of a deep one."""


def is_enough(model: Any, settings: Settings, *, rescored: bool) -> bool:
    """Whether the best under one upper bound are all that is asked for, and the search knows the scores."""
    rules = [rule for rule, _ in settings.rules]
    best = settings.sampling_strategy == "top" and not settings.include_positives and not rescored
    return best and len(rules) == 1 and rules[0] in _UPPER and scores.similarity_of(model) is not None


def retrieve(
    model: Any, texts: Texts, embeddings: Embeddings, most: int, settings: Settings, num_slots: int
) -> tuple[hm.Candidates, hm.Positives, list[Skipped]]:
    """Candidates that pass the filter, positives with their scores, and what was skipped.

    The lists are those that `choose.filtered` leaves of `scores.retrieve`, each as far as the window reaches at least.

    Parameters
    ----------
    model, texts, embeddings, settings
        As in `scores.retrieve`.
    most : int
        Documents that count for a query, positives included.
    num_slots : int
        What the ratio of the skipped refers to.
    """
    with scores.naming_broken(texts, embeddings):
        return _retrieve(model, texts.positives, embeddings, most, settings, num_slots)


def _retrieve(
    model: Any, labels: hm.Positives, embeddings: Embeddings, most: int, settings: Settings, num_slots: int
) -> tuple[hm.Candidates, hm.Positives, list[Skipped]]:
    positives = scores.score_positives(model, embeddings, labels, settings)
    rule, value = settings.rules[0]
    ceiling = _highest_that_passes(rule, np.float32(value), choose.lowest_positive(positives))
    wanted = min(settings.range_min + settings.num_negatives, most)
    room = most - wanted - np.diff(positives.offsets)
    if _looks_crowded(model, embeddings, ceiling, room, settings):
        run, skipped = _deep(model, embeddings, positives, most, settings, num_slots)
        return run, positives, skipped
    exclude = positives.offsets, positives.ids
    run = scores.search(model, embeddings, wanted, settings, ceiling=ceiling, exclude=exclude)
    above = _above(run)
    is_crowded = above > room
    count, crowded = int(above[~is_crowded].sum()), np.flatnonzero(is_crowded)
    run = hm.Candidates(run.offsets, run.ids, run.scores)  # the window is on what the filter leaves: no ranks before it
    if crowded.size:
        some = embeddings._replace(queries=embeddings.queries[crowded])
        deeper, skipped = _deep(model, some, positives.take(crowded), most, settings, num_slots)
        run = _replaced(run, crowded, deeper)
        count += sum(each.number for each in skipped)
    return run, positives, [Skipped(rule, value, count, count / num_slots)] if count else []


def _deep(
    model: Any,
    embeddings: Embeddings,
    positives: hm.Positives,
    most: int,
    settings: Settings,
    num_slots: int,
) -> tuple[hm.Candidates, list[Skipped]]:
    found = scores.search(model, embeddings, most, settings)
    others = choose.without_positives(found, positives, most, settings.num_threads)
    return choose.filtered(others, positives, settings, num_slots)


def _looks_crowded(
    model: Any, embeddings: Embeddings, ceiling: Float32Array, room: Int64Array, settings: Settings
) -> bool:
    """Whether a search under the ceiling seems not to pay.

    A query with more documents above its ceiling than there is room for is searched twice.
    """
    some = Embeddings(embeddings.queries[:_PILOT], embeddings.documents[::_STRIDE])
    quiet = replace(settings, verbose=False)
    run = scores.search(model, some, 1, quiet, ceiling=ceiling[:_PILOT])
    return bool((_above(run) * _STRIDE > room[:_PILOT]).mean() > _SHARE)


def _above(run: hm.Candidates) -> Int64Array:
    """How many documents the ceiling of each query left out."""
    return (run.reasons or {}).get("above_ceiling", np.zeros(len(run), np.int64))


def _replaced(run: hm.Candidates, rows: Int64Array, others: hm.Candidates) -> hm.Candidates:
    """A run with other lists for some of its queries."""
    lengths = np.diff(run.offsets)
    lists = hm.Candidates(
        offsets_of(np.concatenate([lengths, np.diff(others.offsets)])),
        np.concatenate([run.ids, others.ids]),
        np.concatenate([run.scores, others.scores]),
    )
    order = np.arange(len(run))
    order[rows] = len(run) + np.arange(rows.size)
    return lists.take(order)


@in_default_mode
@np.errstate(all="ignore")  # bounds beyond float32 are infinite
def _highest_that_passes(rule: str, value: np.float32, positive: Float32Array) -> Float32Array:
    """The highest float32 score that a filter keeps beside each positive score, found by bisection.

    The filters are as the original computes them, with roundings of its own, and none lets a score pass and a lower one
    fail: so there is one such score, minus infinity where there is none below infinity.
    """
    low = np.full(positive.size, _ordered(np.float32(-np.inf)))
    high = np.full(positive.size, _ordered(np.float32(np.inf)) + 1)
    while (high - low > 1).any():
        middle = (low + high) // 2
        fails = choose.fails(rule, value, _of_ordered(middle), positive)
        low, high = np.where(fails, low, middle), np.where(fails, middle, high)
    return _of_ordered(low)


def _ordered(score: np.float32) -> int:
    """Integers in the order of the float32 scores they stand for."""
    bits = int(score.view(np.int32))
    return bits if bits >= 0 else -(bits & 0x7FFFFFFF)


def _of_ordered(numbers: Int64Array) -> Float32Array:
    bits = np.where(numbers < 0, -numbers | 0x80000000, numbers).astype(np.uint32)
    return bits.view(np.float32)
