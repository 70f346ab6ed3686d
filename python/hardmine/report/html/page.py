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
from hardmine.report.html.figures import Figure
from hardmine.report.html.material import TEXT_KEPT, Material
from hardmine.report.html.sweep import sweep_part
from hardmine.report.html.verdicts import headlines, verdicts

MOST_BYTES = 1_500_000
"""A page is smaller than this, whatever it is about."""
_FOOT_ROOM = 5_000


def check_page(path: str | os.PathLike[str], *, examples: int = 200) -> int:
    """Raise what `write_page` would raise for its arguments, before any work is done; the number of examples."""
    charts.altair()
    check_target(path)
    return checks.integer("examples", examples)


def as_data(name: str, value: Any) -> Mapping[str, Any] | None:
    """A sweep or an audit as its dictionary: given as one, or as an object that gives one."""
    found = value.to_dict() if hasattr(value, "to_dict") else value
    if found is not None and not isinstance(found, Mapping):
        raise TypeError(f"{name}: {type(value).__name__}, expected a result with to_dict(), or what it gives")
    return found


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
    sections = [
        ("quality", f"Are my {material.noun} any good?", _figures(figures.quality(material)) or _unknown_scores()),
        ("removed", "What did the rule remove?", _figures(figures.removed(material))),
        ("sweep", "Which rule and margin should I take?", sweep_part(sweep)),
        ("standing-out", "Which documents stand out?", joined([_figures(figures.suspicious(material)), _hubs(material)])),
        ("audit", "What did the audit find?", audit_part(audit)),
    ]
    if sweep is None and material.noun == "negatives":
        sections[2] = ("sweep", sections[2][1], _no_sweep())
    filled = [(key, heading, body) for key, heading, body in sections if body]
    if material.examples:
        filled.append(("examples", "Which rows are suspicious?", Html("")))
    head = _head(material, title, filled)
    body = joined(_section(key, heading, part) for key, heading, part in filled[: len(filled) - bool(material.examples)])
    foot = _foot(material)
    room = MOST_BYTES - _FOOT_ROOM - sum(len(part.encode(errors="replace")) for part in (head, body, foot))
    if material.examples:
        body = joined([body, _section(*filled[-1][:2], _examples(material, room))])
    return f"<!DOCTYPE html>\n{_html(title, joined([head, element('main', body), foot]))}\n"


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


def _head(material: Material, title: str, sections: Iterable[tuple[str, str, Html]]) -> Html:
    numbers = [
        element("div", element("dt", each.name), element("dd", each.value)) for each in headlines(material)
    ]
    words = {"good": "good", "look": "look at", "say": "to know"}
    lines = [element("li", element("strong", words[each.level]), each.text, class_=each.level) for each in verdicts(material)]
    about = dict(material.about)
    lead = [f"{name}: {about[name]}" for name in ("Teacher", "Rule", "Format") if name in about]
    return element(
        "header",
        element("h1", title),
        element("p", " \u00b7 ".join(lead), class_="lead"),
        element("dl", numbers, class_="numbers"),
        element("ul", lines, class_="verdicts"),
        element(
            "nav",
            element("ul", [element("li", element("a", name, href=f"#{key}")) for key, name, _ in sections]),
            aria_label="Sections",
        ),
    )


def _section(key: str, heading: str, body: Html) -> Html:
    return element("section", element("h2", heading, id=f"{key}-heading"), body, id=key, aria_labelledby=f"{key}-heading")


def _figures(found: Iterable[Figure]) -> Html:
    drawn = [figure(each) for each in found]
    return element("div", drawn, class_="figures") if drawn else Html("")


def figure(each: Figure) -> Html:
    """A picture with what it shows in words, and its numbers as a table."""
    key = None
    if len(each.keys) > 1:
        key = element("ul", [element("li", _swatch(colour), name) for name, colour in each.keys], class_="key")
    start, _, rest = each.svg.partition(">")
    names = joined([element("title", each.title, id=f"{each.key}-title"), element("desc", each.text, id=f"{each.key}-text")])
    drawn = Html(f'{start} role="img" aria-labelledby="{each.key}-title {each.key}-text">{names}{rest}')
    return element(
        "figure",
        element("figcaption", element("h3", each.title), element("p", each.text, class_="meta"), key),
        drawn,
        element("details", element("summary", "As a table"), table(each.header, each.rows, each.title)),
        id=f"figure-{each.key}",
    )


def _swatch(colour: str) -> Html:
    shape = element("rect", width="10", height="10", rx="2", fill=colour)
    return element("svg", shape, class_="chart swatch", viewBox="0 0 10 10", aria_hidden="true")


def _unknown_scores() -> Html:
    return element("p", "No scores are known, so nothing can be said about how hard or how doubtful they are.")


def _no_sweep() -> Html:
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
    rows = [
        [
            document.id if document.id is not None else "\u2013",
            f"{count:,}",
            figures.percent(count, material.num_rows),
            "\u2013" if document.text is None else document.text[:160] + ("\u2026" if document.size > 160 else ""),
        ]
        for document, count in found
    ]
    return table(["Document", "Rows", "Share of rows", "Text"], rows, f"Documents that most rows have among their {material.noun}")


def _examples(material: Material, room: int) -> Html:
    controls = _controls()
    intro_room = 2_000
    parts, shown, letters = examples_part(material, room - len(controls) - intro_room)
    said = f"{shown:,} of {material.num_rows:,} rows, the most suspicious ones first"
    if letters < TEXT_KEPT or any(document.size > letters for each in material.examples for document in each.negatives):
        said += f". Texts are cut after {letters:,} letters"
    ratio = "The number in front of each is the largest s/p of its negatives: beyond 1 it scores above the positive."
    return joined(
        [
            element("p", f"{said}. {ratio}", class_="lead"),
            controls,
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
    facts = table(["Setting", "Value"], list(material.about), "What this is")
    settings = None
    if material.selection:
        text = json.dumps(material.selection, indent=2, default=str)[:4_000]
        settings = element("details", element("summary", "All settings as JSON"), element("pre", text))
    return element("footer", facts, settings, element("p", f"Drawn by hardmine {VERSION}."))
