"""The rows to look at: query, positive and negatives side by side, as parts of the page."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from hardmine.report.html.elements import Html, element
from hardmine.report.html.material import WHYS, Document, Example, Material

_IN_LINE = 160
"""Letters of a query in the line that opens its row."""
_BEYOND = 1e300
"""What scripts sort by in place of an infinity."""
_CUTS = (480, 300, 180, 90)
"""Letters of a text that are shown: as many as the page has room for."""


def examples(material: Material, room: int) -> tuple[Html, int, int]:
    """Rows to look at in no more than `room` bytes.

    Parameters
    ----------
    material : Material
    room : int

    Returns
    -------
    parts : Html
    shown : int
        How many of the examples there was room for.
    cut : int
        Letters after which texts are cut.
    """
    parts: list[Html] = []
    for letters in _CUTS:
        parts, used = [], 0
        for at, example in enumerate(material.examples):
            part = _example(example, material.noun, letters, opened=at == 0)
            used += _bytes(part)
            if used > room:
                break
            parts.append(part)
        else:
            break
    return Html("".join(parts)), len(parts), letters


def _bytes(part: str) -> int:
    return len(part.encode(errors="replace"))


def _example(example: Example, noun: str, letters: int, *, opened: bool) -> Html:
    is_known = not math.isnan(example.suspicion)
    above = example.suspicion > 1
    least = f"{example.num_negatives:,} {noun if example.num_negatives != 1 else noun[:-1]}"
    words = f"row {example.row + 1:,} \u00b7 {least} \u00b7 {WHYS[example.why]}"
    name = None
    if example.query.id is not None and example.query.text is not None:
        name = [element("span", f"query {example.query.id[:60]}", dir="auto"), " \u00b7 "]
    summary = element(
        "summary",
        element("span", _badge(example), class_="badge above" if above else "badge"),
        element("span", _text(example.query, _IN_LINE), class_="question", dir="auto"),
        element("span", name, words, class_="meta"),
    )
    query = None
    if example.query.text is not None and example.query.size > _IN_LINE:
        query = element("div", element("h4", "Query"), _paragraph(example.query, letters), class_="query")
    positives = _side("Positive", example.positives, example.num_positives, letters)
    negatives = _side(noun.capitalize(), example.negatives, example.num_negatives, letters)
    return element(
        "details", summary, query, element("div", positives, negatives, class_="sides"),
        class_="example", open=opened, data_row=example.row, data_why=example.why, data_count=example.num_negatives,
        data_suspicion=f"{np.clip(example.suspicion, -_BEYOND, _BEYOND):.6g}" if is_known else None, data_above=above,
        data_score=_best(example.negatives),
    )  # fmt: skip


def _badge(example: Example) -> str:
    """The largest s/p, and where there is none, which of the two scores is higher."""
    if math.isnan(example.suspicion):
        return "\u2013"
    if any(document.ratio == example.suspicion for document in example.negatives):
        return number(example.suspicion)
    return "> p" if example.suspicion > 1 else "< p" if example.suspicion < 1 else "= p"


def _best(documents: Sequence[Document]) -> str | None:
    known = [document.score for document in documents if not math.isnan(document.score)]
    return f"{max(known):.6g}" if known else None


def _side(name: str, documents: Sequence[Document], total: int, letters: int) -> Html:
    heading = f"{name} ({total:,})" if total != 1 else name
    items = [
        element(
            "li",
            _facts(document),
            _paragraph(document, letters),
            class_="above" if document.is_above else None,
        )
        for document in documents
    ]
    more = element("p", f"and {total - len(documents):,} more", class_="meta") if total > len(documents) else None
    body = element("ol", items) if items else element("p", "none", class_="meta")
    return element("section", element("h4", heading), body, more)


def _paragraph(document: Document, letters: int) -> Html:
    """The text in its own direction of writing, and how long it is where it is cut."""
    rest = None
    if document.text is not None and document.size > letters:
        rest = element("span", f"\u2026 cut, {document.size:,} letters", class_="meta", dir="ltr")
    return element("p", _text(document, letters), rest, dir="auto")


def _text(document: Document, letters: int) -> str:
    if document.text is None:
        return "(no text)" if document.id is None else document.id[:letters]
    text = document.text[:letters]
    return text if text.strip() else "(an empty text)"


def _facts(document: Document) -> Html | None:
    facts = []
    if document.is_above:
        facts.append(element("strong", "above the positive"))
    if not math.isnan(document.score):
        facts.append(element("span", f"score {number(document.score)}"))
    if not math.isnan(document.ratio):
        facts.append(element("span", f"s/p {number(document.ratio)}"))
    for name, seen in document.others.items():
        how = f"s/p {number(seen)}" if math.isfinite(seen) else "above p" if seen > 1 else "below p"
        facts.append(element("strong" if seen > 1 else "span", f"{how} under {name[:40]}", dir="auto"))
    if document.rank:
        facts.append(element("span", f"rank {document.rank:,}"))
    if document.is_filled:
        facts.append(element("span", "drawn at random"))
    if document.id is not None and document.text is not None:
        facts.append(element("span", f"id {document.id[:60]}", class_="id", dir="auto"))
    return element("p", facts, class_="facts") if facts else None


def number(value: float) -> str:
    """A score in a few digits."""
    if math.isinf(value):
        return "\u221e" if value > 0 else "\u2212\u221e"
    return f"{value:.4g}".replace("-", "\u2212")
