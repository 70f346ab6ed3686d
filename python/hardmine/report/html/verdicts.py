"""What stands out, in words: the first thing that the page says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from hardmine.plumbing.ragged import rows_of
from hardmine.report.html.figures import clip, percent
from hardmine.report.html.material import Material

_MUCH_ABOVE, _MUCH_SHORT, _MUCH_USED = 0.01, 0.05, 0.02
"""Shares from which on the page says "look at this"."""


class Headline(NamedTuple):
    """One number at the top of the page."""

    value: str
    name: str


class Verdict(NamedTuple):
    """One sentence about the run; `level` is "good", "look" or "say"."""

    level: str
    text: str


def headlines(material: Material) -> list[Headline]:
    """The numbers that a reader wants first."""
    found = [
        Headline(f"{material.num_rows:,}", "rows"),
        Headline(f"{material.scores.size:,}", material.noun),
    ]
    if material.wanted is not None:
        lacking = int((material.counts < material.wanted).sum()) + material.dropped
        found.append(Headline(percent(lacking, material.num_rows + material.dropped), "rows that are short"))
    ratios = _known(material.ratios)
    if ratios.size:
        found.append(Headline(f"{float(np.median(ratios)):.3g}", "median s/p (hardness)"))
    above, known = material.above
    if known:
        found.append(Headline(percent(above, known), f"{material.noun} above their positive"))
    return found


def verdicts(material: Material) -> Iterator[Verdict]:
    """What a reader should know before looking at any picture."""
    noun = material.noun
    if not material.scores.size:
        yield Verdict("look", f"There are no {noun}: there is nothing to train on.")
        return
    yield from _of_scores(material, noun)
    if material.wanted is not None and material.num_rows + material.dropped:
        lacking = int((material.counts < material.wanted).sum())
        total = material.num_rows + material.dropped
        if lacking + material.dropped:
            dropped = f", and {material.dropped:,} queries were left out for that" if material.dropped else ""
            level = "look" if (lacking + material.dropped) > _MUCH_SHORT * total else "say"
            yield Verdict(
                level,
                f"{lacking:,} {'row' if lacking == 1 else 'rows'} ({percent(lacking, total)}) "
                f"{'has' if lacking == 1 else 'have'} fewer than the {material.wanted:,} negatives "
                f"that were asked for{dropped}.{_how_to_fill(material)}",
            )
        else:
            yield Verdict("good", f"Every row has the {material.wanted:,} negatives that were asked for.")
    elif material.wanted is None and noun == "negatives" and material.counts.min() < material.counts.max():
        least, most = int(material.counts.min()), int(material.counts.max())
        yield Verdict("look", f"Rows are unequal: they have between {least:,} and {most:,} negatives.")
    if material.num_rows >= 20:
        most = int(material.uses[1].max())
        if most > _MUCH_USED * material.num_rows:
            yield Verdict("look", f"One document is in {most:,} rows ({percent(most, material.num_rows)}): see below.")
    yield from (Verdict("say", note) for note in material.notes)


def _how_to_fill(material: Material) -> str:
    if not material.reasons.get("above_ceiling"):
        return ""
    return " A deeper run (k), or mining with the ceiling inside the search (hardmine mine), finds more below it."


def _of_scores(material: Material, noun: str) -> Iterator[Verdict]:
    above, known = material.above
    if not known:
        yield Verdict("say", f"Scores of {noun} and positives are not both known, so hardness cannot be told.")
        return
    if above:
        level = "look" if above > _MUCH_ABOVE * known else "say"
        yield Verdict(
            level,
            f"{above:,} of {known:,} {noun} ({percent(above, known)}) score above the positive of their "
            "row: look at these first.",
        )
    else:
        yield Verdict("good", f"None of the {noun} scores above the positive of its row.")
    for other in material.others:
        above, known = other.above
        if above > _MUCH_ABOVE * known:
            yield Verdict("look", f"{clip(other.name)} puts {percent(above, known)} of them above their positive.")
    # Where p is below 0, a score is no such number of times its positive.
    is_times = material.row_positives[rows_of(material.offsets)] > 0
    ratios = _known(material.ratios[is_times])
    if ratios.size and noun == "negatives":
        near = int((ratios > 0.9).sum())
        of_whom = "them" if is_times.all() else f"the {ratios.size:,} whose positive scores above 0"
        yield Verdict(
            "say",
            f"Half of {of_whom} score at least {float(np.median(ratios)):.2f} times their positive; "
            f"{percent(near, ratios.size)} are within a tenth of it or above.",
        )


def _known(values: Any) -> Any:
    return values[np.isfinite(values)]
