"""Pieces that several parts of the page are made of: a picture with its words and its table."""

from __future__ import annotations

from collections.abc import Iterable

from hardmine.report.html.elements import Html, element, joined, table
from hardmine.report.html.figures import Figure


def figures_part(found: Iterable[Figure]) -> Html:
    """Pictures side by side as far as the page is wide; nothing where there are none."""
    drawn = [figure(each) for each in found]
    return element("div", drawn, class_="figures") if drawn else Html("")


def figure(each: Figure) -> Html:
    """A picture with what it shows in words, and its numbers as a table."""
    key = None
    if len(each.keys) > 1:
        key = element("ul", [element("li", _swatch(colour), name) for name, colour in each.keys], class_="key")
    start, _, rest = each.svg.partition(">")
    title = element("title", each.title, id=f"{each.key}-title")
    text = element("desc", each.text, id=f"{each.key}-text")
    named = f' role="img" aria-labelledby="{each.key}-title {each.key}-text"'
    return element(
        "figure",
        element("figcaption", element("h3", each.title), element("p", each.text, class_="meta"), key),
        Html(f"{start}{named}>{joined([title, text])}{rest}"),
        element("details", element("summary", "As a table"), table(each.header, each.rows, each.title)),
        id=f"figure-{each.key}",
    )


def _swatch(colour: str) -> Html:
    shape = element("rect", width="10", height="10", rx="2", fill=colour)
    return element("svg", shape, class_="chart swatch", viewBox="0 0 10 10", aria_hidden="true")
