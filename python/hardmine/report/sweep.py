"""A sweep as text to read and as a table of a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

REMOVED = ("outside_window", "above_ceiling", "below_floor")
"""Reasons that are the rule's own."""

_HEADS = ("rule", "kept", "removed", "short", "score", "s/p", "FN", "interval", "2nd", "ECI")
_WIDTHS = (28, 8, 8, 7, 8, 7, 7, 14, 6, 6)
"""99 columns, the last of which is left of the marks."""

_LONGEST = 400
"""Characters of a rule that are shown; one that holds an array can have many."""


def as_text(found: Mapping[str, Any]) -> str:
    """A table of at most 100 columns, the recommendation, and what the estimate rests on."""
    about = found["about"]
    lines = [
        f"{about['queries']:,} queries, {about['positives']:,} positives, {about['documents']:,} documents; "
        f"teacher {about['teacher']}",
        "",
        *_lines(_HEADS),
    ]
    chosen = found["recommended"]["index"]
    for row in found["rows"]:
        lines += _lines(_cells(row), _mark(row, chosen))
    lines += ["> recommended   * no other setting is harder with fewer false negatives"]
    lines += [f"left out: {rules}: {reason}" for reason, rules in _unfit(found)]
    name = "none" if chosen is None else found["rows"][chosen]["rule"]
    lines += ["", f"recommended: {name}", found["recommended"]["why"], basis(found)]
    return "\n".join(line for long in lines for line in _wrapped(_printable(long)))


def as_html(found: Mapping[str, Any]) -> str:
    """The same as a table of HTML, all text escaped, without styles or scripts of its own."""
    chosen = found["recommended"]["index"]
    name = "none" if chosen is None else found["rows"][chosen]["rule"]
    heads = "".join(f"<th>{escape(head)}</th>" for head in (*_HEADS, ""))
    body = []
    for row in found["rows"]:
        cells = [escape(cell) for cell in (*_cells(row), _mark(row, chosen).strip())]
        if row["index"] == chosen:
            cells = [f"<b>{cell}</b>" for cell in cells]
        body.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    left_out = "".join(f"<li>{escape(rules)}: {escape(reason)}</li>" for reason, rules in _unfit(found))
    return (
        f"<p><b>Recommended: {escape(name)}.</b> {escape(found['recommended']['why'])}</p>"
        f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(body)}</tbody></table>"
        f"<p>{escape(basis(found))}</p>" + (f"<p>Left out:</p><ul>{left_out}</ul>" if left_out else "")
    )


def basis(found: Mapping[str, Any]) -> str:
    """What the estimate of false negatives rests on, in words; with a caution, unless the recommendation has it."""
    estimate, why = found["estimate"], found["recommended"]["why"]
    if estimate["why_none"] is not None:
        return f"No estimate of false negatives: {estimate['why_none']}."
    tried = (
        f"FN: estimated from {estimate['trials']:,} trials on {estimate['queries']:,} queries with several positives, "
        f"{estimate['confidence']:.0%} interval"
    )
    if estimate["protocol"] == "keep-one":
        return f"{tried}; each positive in turn was the only known one, and the others were hidden."
    return (
        f"{tried}; each positive in turn was hidden. It holds if there are {estimate['unlabelled_per_positive']:g} "
        "unlabelled relevant documents for each labelled one, and is in proportion to that number."
        + (f" {estimate['caution']}" if estimate["caution"] and estimate["caution"] not in why else "")
    )


def _unfit(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each reason why settings were left out, with the settings."""
    by_reason: dict[str, list[str]] = {}
    for each in found["unfit"]:
        by_reason.setdefault(each["reason"], []).append(each["rule"])
    return [(reason, ", ".join(rules)) for reason, rules in by_reason.items()]


def _cells(row: Mapping[str, Any]) -> list[str]:
    second = row["second"]
    interval = "-"
    if row["false_negative_high"] is not None:
        interval = f"{100 * row['false_negative_low']:.1f}-{100 * row['false_negative_high']:.1f} %"
    return [
        row["rule"],
        _count(row["kept"]),
        _count(sum(row["reasons"][name] for name in REMOVED)),
        _share(row["short_share"]),
        _number(row["mean_score"], 7),
        _number(row["hardness"], 6),
        _share(row["false_negative_rate"]),
        interval,
        "-" if second is None else _share(second["above_positive"], digits=0),
        _number(row["eci"], 5),
    ]


def _lines(cells: Iterable[str], mark: str = "") -> list[str]:
    """A row of the table; a rule too long for its column has a line of its own, so that none looks like another."""
    rule, *numbers = cells
    rule = _printable(rule)
    rule = rule if len(rule) <= _LONGEST else f"{rule[: _LONGEST // 2]}...{rule[-_LONGEST // 2 :]}"
    above, rule = ([rule], "") if len(rule) >= _WIDTHS[0] else ([], rule)
    line = f"{rule:<{_WIDTHS[0]}}" + "".join(
        f"{cell:>{width}}" for cell, width in zip(numbers, _WIDTHS[1:], strict=True)
    )
    return [*above, (line + mark).rstrip()]


def _printable(text: str) -> str:
    """The text with a code for what would steer a terminal: names of teachers are whatever somebody chose."""
    return text if text.isprintable() else "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def _mark(row: Mapping[str, Any], chosen: int | None) -> str:
    return ">" if row["index"] == chosen else "*" if row["on_frontier"] else ""


def _count(value: int) -> str:
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**4, "k")):
        if value >= size:
            return f"{value / (1000 if letter == 'k' else size):.1f}{letter}"
    return f"{value:,}"


def _share(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else f"{100 * value:.{digits}f}%"


def _number(value: float | None, width: int) -> str:
    """So many characters at most, so that no column runs into its neighbour."""
    if value is None:
        return "-"
    forms = (".3f", ".2f", ".1f") if abs(value) < 100 else (".3g", ".2g", ".0e")
    shown = [format(value, form) for form in forms]
    return next((text for text in shown if len(text) <= width), shown[-1])


def _wrapped(line: str) -> list[str]:
    import textwrap  # costs an import that most processes never need

    return [line] if len(line) <= 100 else textwrap.wrap(line, 100, break_on_hyphens=False, subsequent_indent="  ")
