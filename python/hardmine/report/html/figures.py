"""What the page shows in pictures: binned, drawn, and as a table for those who cannot see them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from hardmine.report.html import charts
from hardmine.report.html.bins import Bins, bins, growing
from hardmine.report.html.charts import LIMIT, NEGATIVE, NEUTRAL, POSITIVE, Mark, Outline
from hardmine.report.html.material import Material
from hardmine.report.html.settings import bounds
from hardmine.report.text import REASON_TEXTS

_RATIOS = (-1.0, 2.0)
"""What pictures of ratios reach: a positive whose score is nearly 0 gives ratios of any size."""


class Figure(NamedTuple):
    """One picture.

    Attributes
    ----------
    key : str
        Its id on the page.
    title, text : str
        What it shows, and how to read it.
    svg : str
    keys : sequence of (str, str)
        Names and colours of its series, where there are several.
    header, rows : sequence of str, sequence of sequence of str
        The same as a table.
    """

    key: str
    title: str
    text: str
    svg: str
    keys: Sequence[tuple[str, str]]
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def quality(material: Material) -> Iterator[Figure]:
    """Pictures that answer whether the negatives are any good."""
    limits = bounds(material.selection)
    noun = material.noun
    found = None if material.mixes else bins(material.positive_scores, material.scores)
    if found is not None:
        yield _outlined(
            "scores",
            "Scores under the teacher",
            f"Positives should lie to the right of {noun}. Where the two overlap, {noun} may be unlabelled positives.",
            found,
            [("positives", POSITIVE), (noun, NEGATIVE)],
            [Mark(limits["scores"], f"ceiling {limits['scores']:g}")] if "scores" in limits else [],
            "score",
        )
    ratios = material.ratios
    found = bins(ratios, material.candidate_ratios, within=_RATIOS)
    if found is not None:
        series = [(noun, NEGATIVE)]
        extra = ""
        if np.isfinite(material.candidate_ratios).any():
            series.append(("candidates", NEUTRAL))
            extra = " Grey: the candidates they were chosen from."
        yield _outlined(
            "ratios",
            "Score in relation to the positive (s/p)",
            f"At 1 a document scores as high as the positive of its row: hard, and doubtful beyond.{extra}",
            found,
            series,
            [Mark(limits["ratios"], f"ceiling {limits['ratios']:g}")]
            if "ratios" in limits
            else [Mark(1.0, "positive")],
            "s / p",
        )
    found = None if material.mixes else bins(material.margins)
    if found is not None:
        yield _outlined(
            "margins",
            "Margin (p \u2212 s)",
            "How far the positive is above each. Below 0 a document scores above the positive.",
            found,
            [(noun, NEGATIVE)],
            [Mark(limits["margins"], f"least {limits['margins']:g}")]
            if "margins" in limits
            else [Mark(0.0, "positive")],
            "p \u2212 s",
        )
    if material.ranks is not None:
        ranks = material.ranks[material.ranks > 0].astype(np.int64)
        found = bins(ranks, whole=True)
        if found is not None:
            yield _outlined(
                "ranks",
                "Rank before any filter",
                "Where in the teacher's ranking they stood. 1 is the document that it liked best.",
                found,
                [(noun, NEGATIVE)],
                [],
                "rank",
                whole=True,
            )
    for number, other in enumerate(material.others[:3]):
        found = bins(other.ratios, other.own_ratios, within=_RATIOS)
        if found is not None:
            yield _outlined(
                f"teacher-{number}",
                f"As another teacher sees them: {clip(other.name)}",
                f"The same negatives under both teachers. Beyond 1 a teacher puts them above the positive: this one "
                f"{percent(*other.above)} of them.",
                found,
                [(clip(other.name), NEUTRAL), ("teacher in force", NEGATIVE)],
                [Mark(1.0, "positive")],
                "s / p",
            )


def removed(material: Material) -> Iterator[Figure]:
    """Pictures of what the rule left out, and of rows that lack negatives."""
    counts = {name: count for name, count in material.reasons.items() if count}
    total = sum(counts.values())
    if counts:
        names = [REASON_TEXTS.get(name, name.replace("_", " ")) for name in counts]
        labels = [f"{count:,} ({percent(count, total)})" for count in counts.values()]
        yield Figure(
            "reasons",
            "What became of the candidates",
            f"Every one of the {total:,} candidates that were looked at is counted once.",
            charts.bars(names, list(counts.values()), labels, [name == "kept" for name in counts]),
            [],
            ["What became of them", "Candidates", "Share"],
            [[name, f"{count:,}", percent(count, total)] for name, count in zip(names, counts.values(), strict=True)],
        )
    if material.num_rows:
        sizes = material.counts
        names, values = _by_size(sizes)
        wanted = f" {material.wanted:,} were asked for." if material.wanted is not None else ""
        yield Figure(
            "shortage",
            f"Rows by number of {material.noun}",
            f"Rows with fewer than the others teach less.{wanted}",
            charts.columns(names, values, [f"{value:,}" for value in values], f"{material.noun} in a row"),
            [],
            [material.noun.capitalize(), "Rows", "Share"],
            [[name, f"{value:,}", percent(value, sizes.size)] for name, value in zip(names, values, strict=True)],
        )


def suspicious(material: Material) -> Iterator[Figure]:
    """Pictures of documents that stand out."""
    uses = growing(material.uses[1])
    if uses:
        values = [count for _, _, count in uses]
        names = [short(last) for _, last, _ in uses]
        yield Figure(
            "uses",
            "How often one document is used",
            "Documents by the number of rows that hold them. A long tail means that a few documents are everywhere.",
            charts.columns(names, values, [short(value) for value in values], "rows that hold the document, at most"),
            [],
            ["Rows that hold it", "Documents"],
            [[f"{low:,}" if low == last else f"{low:,} to {last:,}", f"{count:,}"] for low, last, count in uses],
        )
    sides = [(name, values) for name, values in material.lengths.items() if values.size]
    found = bins(*(values for _, values in sides), whole=True)
    if found is not None:
        colours = {"positives": POSITIVE, "negatives": NEGATIVE}
        yield _outlined(
            "lengths",
            "Length of the texts",
            "A model can tell positives by their length where the two differ.",
            found,
            [(material.noun if name == "negatives" else name, colours[name]) for name, _ in sides],
            [],
            "letters",
            whole=True,
        )


def hubs(material: Material, most: int = 10) -> list[tuple[Any, int]]:
    """The documents that most rows hold, and how many do; those of one row alone are none."""
    keys, counts = material.uses
    order = np.lexsort((keys, -counts))[:most]
    order = order[counts[order] > 1]
    return list(zip(material.named(keys[order].tolist()), counts[order].tolist(), strict=True))


def _outlined(
    key: str,
    title: str,
    text: str,
    found: Bins,
    series: Sequence[tuple[str, str]],
    marks: Sequence[Mark],
    axis: str,
    *,
    whole: bool = False,
) -> Figure:
    """A figure of histograms, of whole numbers if so; series without a value are left out."""
    numbers = [number for number in range(len(series)) if found.counts[number].any()]
    edges = found.edges.tolist()
    outlines = [Outline(*series[number], found.shares(number).tolist()) for number in numbers]
    if found.beyond:
        text += f" {found.beyond:,} values lie beyond the picture and are counted at its ends."
    if found.infinite:
        text += f" {found.infinite:,} infinite values are left out."
    header = [axis.capitalize() if axis.isalpha() else axis, *(f"{series[number][0]} (%)" for number in numbers)]
    rows = [
        [_between(edges[at], edges[at + 1], whole=whole), *(f"{outline.heights[at]:.2f}" for outline in outlines)]
        for at in range(len(edges) - 1)
        if any(outline.heights[at] for outline in outlines)
    ]
    drawn = [(each.name, each.colour) for each in outlines]
    if any(edges[0] <= mark.at <= edges[-1] for mark in marks):
        drawn.append((marks[0].name, LIMIT))
    return Figure(key, title, text, charts.outlines(edges, outlines, marks, axis), drawn, header, rows)


def _between(low: float, high: float, *, whole: bool) -> str:
    """What a bin holds, in words."""
    if not whole:
        return f"{low:g} to {high:g}"
    return f"{low:,.0f}" if high - low == 1 else f"{low:,.0f} to {high - 1:,.0f}"


def _by_size(sizes: Any) -> tuple[list[str], list[int]]:
    """Rows by their number of negatives: each number where they are few, bins where they are many."""
    most, least = int(sizes.max()), int(sizes.min())
    if most - least < 12:
        first = 0 if most < 12 else least
        values = np.bincount(sizes - first, minlength=most - first + 1).tolist()
        return [f"{number:,}" for number in range(first, most + 1)], values
    found = bins(sizes, most=10, whole=True)
    assert found is not None  # noqa: S101
    edges = found.edges.astype(np.int64).tolist()
    names = [f"{low:,}\u2013{high - 1:,}" for low, high in pairwise(edges)]
    return names, found.counts[0].tolist()


def percent(part: float, whole: float) -> str:
    """A share in words.

    Examples
    --------
    >>> from hardmine.report.html.figures import percent
    >>> percent(1, 3), percent(1, 100_000), percent(0, 0)
    ('33.3 %', '< 0.1 %', '0 %')
    """
    share = 100 * part / whole if whole else 0.0
    if 0 < share < 0.1:
        return "< 0.1 %"
    return f"{share:.0f} %" if share in (0, 100) else f"{share:.1f} %"


def short(count: int) -> str:
    """A count in at most five letters."""
    for power, letter in ((9, "G"), (6, "M"), (3, "k")):
        if count >= 10**power:
            return f"{count / 10**power:.3g}{letter}"
    return str(count)


def clip(text: str, most: int = 40) -> str:
    """`text` on at most so many letters."""
    return text if len(text) <= most else f"{text[: most - 1]}\u2026"
