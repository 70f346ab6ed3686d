"""The page as a whole: one file that asks for nothing, of at most so many bytes."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any

from hardmine.nouns.lists import VERSION
from hardmine.plumbing import checks
from hardmine.plumbing.files import atomic_write, check_target
from hardmine.plumbing.float_mode import in_default_mode
from hardmine.report.html import charts, figures
from hardmine.report.html.audit import audit_part
from hardmine.report.html.elements import Html, element, joined, table
from hardmine.report.html.examples import examples as examples_part
from hardmine.report.html.given import as_data, foreign
from hardmine.report.html.material import TEXT_KEPT, Material
from hardmine.report.html.pieces import figures_part
from hardmine.report.html.sweep import headline, sweep_part
from hardmine.report.html.verdicts import Headline, headlines, verdicts

MOST_BYTES = 1_500_000
"""A page is smaller than this, whatever it is about."""
_SLACK = 1_000
"""Bytes by which the words around the rows may grow with their number."""
_MOST_TITLE, _MOST_SETTING = 200, 300


def check_page(path: str | os.PathLike[str], *, examples: int = 200) -> int:
    """Raise what `write_page` would raise for its arguments, before any work is done; the number of examples."""
    charts.altair()
    check_target(path)
    return checks.integer("examples", examples)


def write_page(
    path: str | os.PathLike[str], material: Material, *, title: str, sweep: Any = None, audit: Any = None
) -> None:
    """Draw the page and write it, whole or not at all.

    Parameters
    ----------
    path : path-like
    material : Material
    title : str
    sweep, audit : mapping or object with ``to_dict()``, optional
    """
    shown = page(material, title=title, sweep=as_data("sweep", sweep), audit=as_data("audit", audit))
    with atomic_write(path) as file:
        file.write(shown.encode(errors="replace"))


@in_default_mode
def page(
    material: Material, *, title: str, sweep: Mapping[str, Any] | None = None, audit: Mapping[str, Any] | None = None
) -> str:
    """The text of the page."""
    title = figures.clip(title, _MOST_TITLE)
    sections = [(key, heading, body) for key, heading, body in _sections(material, sweep, audit) if body]
    numbers = headlines(material)
    estimate = None
    if sweep is not None and foreign(sweep, material.run) is None:
        estimate = headline(sweep, material.selection or {})
    if estimate is not None:
        numbers.append(estimate)

    def whole(rows: Html) -> str:
        shown = [*sections, ("examples", "Which rows are suspicious?", rows)] if rows else sections
        body = joined(_section(*section) for section in shown)
        head = _head(material, title, numbers, [(key, heading) for key, heading, _ in shown])
        return f"<!DOCTYPE html>\n{_html(title, joined([head, element('main', body), _foot(material)]))}\n"

    if not material.examples:
        return whole(Html(""))
    around = len(whole(_examples(material, 0)).encode(errors="replace"))
    return whole(_examples(material, MOST_BYTES - _SLACK - around))


def _sections(
    material: Material, sweep: Mapping[str, Any] | None, audit: Mapping[str, Any] | None
) -> list[tuple[str, str, Html]]:
    """The parts of the page but the rows to look at: key, heading and body; an empty body where there is nothing."""
    taken = "What did the rule remove?" if material.noun == "negatives" else "What is not among them?"
    standing_out = joined([figures_part(figures.suspicious(material)), _hubs(material)])
    return [
        ("quality", f"Are my {material.noun} any good?", figures_part(figures.quality(material)) or _unknown_scores()),
        ("removed", taken, figures_part(figures.removed(material))),
        (
            "sweep",
            "Which rule and margin should I take?",
            _no_sweep(material) if sweep is None else sweep_part(sweep, material),
        ),
        ("standing-out", "Which documents stand out?", standing_out),
        ("audit", "What did the audit find?", Html("") if audit is None else audit_part(audit)),
    ]


def _html(title: str, body: Html) -> Html:
    script, sheet = _resource("page.js"), _resource("page.css")
    sheet += f"@media screen and (prefers-color-scheme: dark) {{{charts.style()}}}\n"
    # Nothing is loaded, and no script but this one runs: not even one that found its way into a text.
    policy = f"default-src 'none'; img-src data:; style-src {_digest(sheet)}; script-src {_digest(script)}"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="generator", content=f"hardmine {VERSION}"),
        element("link", rel="icon", href="data:,"),
        element("title", title),
        element("style", Html(sheet)),
        element("script", Html(script)),
    )
    return element("html", head, element("body", body), lang="en")


def _resource(name: str) -> str:
    return resources.files("hardmine.report.html").joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _head(material: Material, title: str, headings: Iterable[Headline], sections: Iterable[tuple[str, str]]) -> Html:
    numbers = [element("div", element("dt", each.name), element("dd", each.value)) for each in headings]
    words = {"good": "good", "look": "look at", "say": "to know"}
    lines = [
        element("li", element("strong", words[each.level]), each.text, class_=each.level) for each in verdicts(material)
    ]
    about = {name: figures.clip(value, _MOST_SETTING) for name, value in material.about}
    lead: list[Any] = []
    for name in ("Teacher", "Rule", "Format"):
        if name in about:
            lead += [" \u00b7 "] * bool(lead) + [element("span", f"{name}: {about[name]}", dir="auto")]
    return element(
        "header",
        element("h1", title, dir="auto"),
        element("p", lead, class_="lead"),
        element("dl", numbers, class_="numbers"),
        element("ul", lines, class_="verdicts"),
        element(
            "nav",
            element("ul", [element("li", element("a", name, href=f"#{key}")) for key, name in sections]),
            aria_label="Sections",
        ),
    )


def _section(key: str, heading: str, body: Html) -> Html:
    return element(
        "section", element("h2", heading, id=f"{key}-heading"), body, id=key, aria_labelledby=f"{key}-heading"
    )


def _unknown_scores() -> Html:
    return element("p", "No scores are known, so nothing can be said about how hard or how doubtful they are.")


def _no_sweep(material: Material) -> Html:
    if material.noun != "negatives":
        return Html("")
    return element(
        "p",
        "Not estimated here: how many negatives are false, and what another rule would give. ",
        element("code", "hardmine sweep"),
        " estimates both from the stored run; its result can be given to this report.",
    )


def _hubs(material: Material) -> Html:
    found = figures.hubs(material)
    if not found:
        return Html("")
    # A column of which nothing is known says nothing.
    knows_ids, knows_texts = (any(getattr(each, name) is not None for each, _ in found) for name in ("id", "text"))
    header = ["Document"] * knows_ids + ["Rows", "Share of rows"] + ["Text"] * knows_texts
    rows = [
        [figures.clip(each.id or "\u2013", 80)] * knows_ids
        + [f"{count:,}", figures.percent(count, material.num_rows)]
        + [figures.clip(each.text or "\u2013", 160)] * knows_texts
        for each, count in found
    ]
    caption = f"Documents that most rows have among their {material.noun}"
    return table(header, rows, caption, class_="texts" if knows_texts else None)


def _examples(material: Material, room: int) -> Html:
    parts, shown, letters = examples_part(material, room)
    said = f"{shown:,} of {material.num_rows:,} rows, the most suspicious ones first"
    if letters < TEXT_KEPT or any(document.size > letters for each in material.examples for document in each.negatives):
        said += f". Texts are cut after {letters:,} letters"
    ratio = (
        "The number in front of each is the largest s/p of its negatives: beyond 1 it scores above the positive. "
        "Where p is 0 there is no such number, but which of the two is higher."
    )
    return joined(
        [
            element("p", f"{said}. {ratio}", class_="lead"),
            _controls(),
            element("div", parts, id="rows"),
        ]
    )


def _controls() -> Html:
    def choice(key: str, label: str, options: Mapping[str, str]) -> Html:
        shown = [element("option", name, value=value) for value, name in options.items()]
        return element("label", label, element("select", shown, id=f"rows-{key}"))

    shows = {
        "all": "all rows shown here", "above": "with one above its positive", "suspicious": "most suspicious",
        "short": "short of negatives", "sample": "taken evenly",
    }  # fmt: skip
    sorts = {
        "suspicion": "suspicion (largest s/p)", "score": "highest score", "few": "fewest negatives", "row": "row number"
    }  # fmt: skip
    return element(
        "form",
        element("label", "Search", element("input", type="search", id="rows-search", placeholder="words, or an id")),
        choice("show", "Show", shows),
        choice("sort", "Sort by", sorts),
        element("button", "Open all", type="button", id="rows-open", aria_pressed="false"),
        element("output", "", id="rows-count", aria_live="polite", class_="meta"),
        class_="controls",
        id="rows-controls",
        role="search",
    )


def _foot(material: Material) -> Html:
    facts = table(
        ["Setting", "Value"],
        [[name, figures.clip(value, _MOST_SETTING)] for name, value in material.about],
        "What this is",
    )
    settings = None
    if material.selection:
        text = json.dumps(material.selection, indent=2, default=str)[:4_000]
        settings = element("details", element("summary", "All settings as JSON"), element("pre", text))
    return element("footer", facts, settings, element("p", f"Drawn by hardmine {VERSION}."))
