"""Ceilings that name a teacher: who is above them, told to the kernel as a column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import hardmine._native as _native
from hardmine.plumbing.float_mode import in_default_mode
from hardmine.rules.ceilings import Ceiling
from hardmine.rules.selection import Selection

if TYPE_CHECKING:
    from hardmine.nouns.candidates import Candidates
    from hardmine.nouns.positives import Positives
    from hardmine.plumbing.checks import Float32Array


def refuse_teachers(ceiling: Ceiling, instead: str) -> None:
    """Raise where a rule names teachers of which there are no scores; `instead` says what there is, and what to do."""
    if ceiling.teachers:
        raise ValueError(f"ceiling: {ceiling!r} names the teacher {ceiling.teachers[0]!r}, but {instead}")


@in_default_mode
def above_of_teachers(
    candidates: Candidates, positives: Positives, selection: Selection, num_threads: int, *, by_pair: bool = False
) -> npt.NDArray[np.bool_] | None:
    """Which candidates are above a ceiling that names a teacher; None where the rule names none.

    Parameters
    ----------
    candidates : Candidates
    positives : Positives
        Of the same queries.
    selection : Selection
    num_threads : int
    by_pair : bool
        Candidate lists are those of (query, positive) pairs, each of which has a ceiling of its own.

    Raises
    ------
    ValueError
        A teacher is unknown, or a query lacks a positive, or its score under that teacher, where the rule needs it.
    """
    rules = selection.ceiling._of_teachers()
    if not rules:
        return None
    above = np.zeros(candidates.ids.size, np.bool_)
    for name, rule in rules.items():
        scores = _candidate_scores(name, candidates)
        bounds = _bounds(name, rule, candidates, positives, selection.positive_agg, num_threads, by_pair=by_pair)
        above |= scores > np.repeat(bounds, candidates.lengths)
    return above


def _bounds(
    name: str,
    rule: Ceiling,
    candidates: Candidates,
    positives: Positives,
    aggregate: str,
    num_threads: int,
    *,
    by_pair: bool,
) -> Float32Array:
    """The bound on the teacher's score for every candidate list, computed by the core as every bound."""
    if not rule.needs_positive:
        offsets, scores = np.arange(len(candidates) + 1, dtype=np.int64), np.zeros(len(candidates), np.float32)
    else:
        scores = _positive_scores(name, rule, candidates, positives)
        offsets = np.arange(positives.ids.size + 1, dtype=np.int64) if by_pair else positives.offsets
        lacking = np.diff(offsets) == 0
        if lacking.any():
            query = int(lacking.argmax())
            raise ValueError(
                f"positives: query {query} has no positive, but the ceiling {rule!r} of {name!r} needs one"
            )
    return _native.ceilings(rule._native(), offsets, scores, "min" if by_pair else aggregate, num_threads)


def _candidate_scores(name: str, candidates: Candidates) -> Float32Array:
    others: Any = candidates.teacher_scores or {}
    if name in others:
        found: Float32Array = others[name]
        return found
    if name == candidates.metadata.get("teacher"):
        return candidates.scores
    own = candidates.metadata.get("teacher")
    known = [*others, *([own] if isinstance(own, str) else [])]
    raise ValueError(
        f"ceiling: names the teacher {name!r}, of which the candidates have no scores, expected "
        + (f"one of {', '.join(map(repr, known))}" if known else "candidates with teacher_scores, as rescore() makes")
    )


def _positive_scores(name: str, rule: Ceiling, candidates: Candidates, positives: Positives) -> Float32Array:
    others: Any = positives.teacher_scores or {}
    is_own = name not in (candidates.teacher_scores or {}) and name == candidates.metadata.get("teacher")
    found: Float32Array | None = positives.scores if is_own else others.get(name)
    if found is None:
        where = "scores" if is_own else f"teacher_scores[{name!r}]"
        raise ValueError(f"positives: no {where}, which the ceiling {rule!r} of {name!r} needs")
    return found
