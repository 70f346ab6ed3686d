"""A mining run in a notebook: its numbers in a small table that needs no extra."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hardmine.report.html.elements import Html, element
from hardmine.report.html.figures import percent
from hardmine.report.text import REASON_TEXTS


def short_form(report: Mapping[str, Any]) -> Html:
    """The facts of a mining run as a piece of a page."""
    counts = [
        ("rows", report["rows"]), ("negatives", report["negatives"]), ("short rows", report["short"]),
        ("queries left out", report["dropped"]), ("filled at random", report["filled"]),
    ]  # fmt: skip
    lines = [[name, f"{count:,}"] for name, count in counts if count or name in ("rows", "negatives", "short rows")]
    for name, found in report["scores"].items():
        if found and found["median"] is not None:
            lines.append([f"median score of {name}", f"{found['median']:.4g}"])
    total = sum(report["reasons"].values())
    lines += [
        [f"candidates: {REASON_TEXTS.get(name, name)}", f"{count:,} ({percent(count, total)})"]
        for name, count in report["reasons"].items()
        if count
    ]
    rows = [
        element("tr", element("th", name, scope="row", align="left"), element("td", value)) for name, value in lines
    ]
    caption = f"Mined with {report['teacher']} from {report['queries']:,} queries and {report['documents']:,} documents"
    return element("table", element("caption", caption), element("tbody", rows))
