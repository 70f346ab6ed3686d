"""Which documents a run could hold: by whose scores its lists were cut, and where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hardmine.plumbing import checks

if TYPE_CHECKING:
    from hardmine.nouns.candidates import Candidates
    from hardmine.nouns.positives import Positives

_SEE_ALL = (*checks.SIMILARITIES, None, "score", "logit", "sigmoid", "softmax", "log-odds")
"""Scores under which every document is a candidate; under others, such as BM25's, none that scores 0 or less is."""


class Reach(NamedTuple):
    """Where the lists of a run end."""

    k: int
    """Documents that were asked for per query: a list that is shorter holds all there are."""
    is_cut_at_zero: bool
    """Whether documents that score 0 or less are never found."""
    teacher: str | None
    """Whose scores, out of ``teacher_scores``, found the candidates; None where those of the run did."""


def reach_of(run: Candidates, positives: Positives) -> Reach | str:
    """Where the lists end for a document that was left out of them, or why that cannot be told.

    A rescored run holds what the first teacher found, in the order of another: a document that the first one would not
    have found is not there, however high the other puts it.
    """
    stages = stages_of(run)
    at_zero = is_cut_at_zero(run)
    if not stages:
        return Reach(depth(run), at_zero, None)
    first = run.metadata.get("first_teacher")
    if first not in (run.teacher_scores or {}) or first not in (positives.teacher_scores or {}):
        return f"the run was rescored, and lacks the scores that its first teacher ({first}) gave the positives"
    if stages[-1].get("k") != run.metadata.get("k"):
        return "the run was rescored more than once, with fewer candidates in the end: who left them out cannot be told"
    return Reach(depth(run), at_zero, str(first))


def stages_of(run: Candidates) -> list[Mapping[str, Any]]:
    """The metadata of each rescoring, the last one first; empty for a run as it was retrieved."""
    found: list[Mapping[str, Any]] = []
    stage: Any = run.metadata
    while isinstance(stage, Mapping) and isinstance(stage.get("rescored_from"), Mapping):
        found.append(stage)
        stage = stage["rescored_from"]
    return found


def is_cut_at_zero(run: Candidates) -> bool:
    """Whether documents that score 0 or less under the first teacher are never found."""
    stages = stages_of(run)
    first = stages[-1]["rescored_from"] if stages else run.metadata
    if first.get("similarity") in _SEE_ALL:
        return False
    scores = (run.teacher_scores or {}).get(run.metadata.get("first_teacher", "")) if stages else run.scores
    return scores is not None and bool(np.min(scores, initial=np.inf) > 0)


def depth(run: Candidates) -> int:
    """Documents that were asked for per query: a list that is shorter holds all there are."""
    k = run.metadata.get("k")
    longest = int(run.lengths.max(initial=0))
    return k if isinstance(k, int) and not isinstance(k, bool) and k >= longest else longest
