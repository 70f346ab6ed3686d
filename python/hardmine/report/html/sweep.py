"""What a sweep found, as a part of the page: the trade-off, the recommended setting, and every setting in numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hardmine.report.html import charts
from hardmine.report.html.elements import Html, element, joined, table
from hardmine.report.html.figures import Figure, clip
from hardmine.report.html.given import foreign
from hardmine.report.html.material import Material
from hardmine.report.html.pieces import figure
from hardmine.report.html.verdicts import Headline

_NO_MATTER = ("seed", "on_shortage")
"""Settings that do not change how many negatives are false."""
_MOST_ROWS, _MOST_POINTS, _MOST_FAMILIES = 60, 200, 12
_MOST_WORDS = 600
_AXES = {"mean_score": "hardness (mean score)", "hardness": "hardness (mean s/p)"}


def sweep_part(sweep: Mapping[str, Any], material: Material) -> Html:
    """The part of the page about a sweep, from what its ``to_dict()`` gives."""
    rows = [row for row in sweep["rows"] if isinstance(row, Mapping)]
    advice = sweep["recommended"]
    best = advice.get("index")
    drawn = _trade_off(rows, advice)
    estimate = sweep.get("estimate") or {}
    caution = estimate.get("caution") or ""
    why = (advice.get("why") or "").replace(caution, "").strip()  # the caution has a paragraph of its own, whole
    parts = [element("p", element("strong", _recommended(rows, best)), f" {clip(why, _MOST_WORDS)}")]
    if estimate.get("why_none"):
        parts.append(
            element(
                "p", f"No false-negative rate is estimated: {clip(estimate['why_none'], _MOST_WORDS)}.", class_="lead"
            )
        )
    elif estimate.get("queries"):
        parts.append(element("p", _rests_on(estimate), class_="lead"))
        if caution:
            parts.append(element("p", clip(caution, _MOST_WORDS)))
    other = foreign(sweep, material.run) if material.selection else None
    if other is not None:
        parts.append(element("p", f"It may be of another run ({other}): no estimate is taken from it for this one."))
    if drawn is not None:
        parts.append(element("div", figure(drawn), class_="figures"))
    listed = _listed(rows, best)
    left_out = f" {len(rows) - len(listed):,} more are left out." if len(rows) > len(listed) else ""
    header = ["Setting", "Kept", "Short", "Mean score", "Mean s/p", "False negatives", "Interval", "ECI"]
    shown = table(header, [_line(row, best) for row in listed], f"Every setting that was tried.{left_out}")
    parts.append(element("details", element("summary", f"All {len(rows):,} settings"), shown))
    return joined(parts)


def headline(sweep: Mapping[str, Any], selection: Mapping[str, Any]) -> Headline | None:
    """The estimate for the rule that mined, where the sweep has tried it."""
    for row in sweep["rows"]:
        tried = row.get("selection") or {}
        rate = _number(row.get("false_negative_rate"))
        is_it = all(selection.get(key) == value for key, value in tried.items() if key not in _NO_MATTER)
        if tried and is_it and rate is not None:
            return Headline(f"{100 * rate:.1f} %", f"false negatives, estimated ({_interval(row)})")
    return None


def _recommended(rows: Sequence[Mapping[str, Any]], best: Any) -> str:
    found = next((row for row in rows if best is not None and row.get("index") == best), None)
    return "No setting is recommended." if found is None else f"Recommended: {clip(str(found.get('rule')), 80)}."


def _rests_on(estimate: Mapping[str, Any]) -> str:
    confidence, unlabelled = (_number(estimate.get(name)) for name in ("confidence", "unlabelled_per_positive"))
    level = "" if confidence is None else f", with {100 * confidence:g} % intervals over queries"
    how = "one of them at a time" if estimate.get("protocol") == "hide-one" else "some of them"
    assumed = (
        ""
        if unlabelled is None or estimate.get("protocol") != "hide-one"
        else f" It holds if there are {unlabelled:g} unlabelled relevant documents for each labelled one, and is in "
        "proportion to that number."
    )
    return (
        f"False negatives are estimated from {estimate['queries']:,} queries with several positives, by hiding {how}"
        f"{level}.{assumed}"
    )


def _trade_off(rows: Sequence[Mapping[str, Any]], advice: Mapping[str, Any]) -> Figure | None:
    axis = (advice.get("criterion") or {}).get("hardness", "mean_score")
    points, lines = [], []
    for row in rows:
        x, y = _number(row.get(axis)), _number(row.get("false_negative_rate"))
        if x is None or y is None:
            continue
        low, high = (_number(row.get(f"false_negative_{end}")) for end in ("low", "high"))
        is_best = advice.get("index") is not None and row.get("index") == advice["index"]
        low, high = (None if end is None else 100 * end for end in (low, high))
        points.append(charts.Point(x, 100 * y, low, high, _family(str(row.get("rule"))), is_best))
        lines.append([clip(str(row.get("rule")), 60), f"{x:.4g}", f"{100 * y:.2f}", _interval(row)])
    if not points:
        return None
    name = _AXES.get(str(axis), clip(str(axis), 30))
    families = list(dict.fromkeys(point.family for point in points))[:_MOST_FAMILIES]
    points = [point for point in points if point.family in families][:_MOST_POINTS]
    best = " The ring marks the recommended setting." if any(point.is_recommended for point in points) else ""
    return Figure(
        "trade-off",
        "Hard against false",
        f"Harder negatives are to the right, fewer false ones lower: the best are at the bottom right.{best}",
        charts.trade_off(points, families, name, "false negatives (%)"),
        [(family, charts.FAMILIES[number % len(charts.FAMILIES)]) for number, family in enumerate(families)],
        ["Setting", name, "False negatives (%)", "Interval"],
        lines[:_MOST_ROWS],
    )


def _family(rule: str) -> str:
    """The rule without its numbers: settings of one family are joined by a line."""
    return clip(" & ".join(part.split("=")[0].strip() for part in rule.split("&")), 24)


def _listed(rows: Sequence[Mapping[str, Any]], best: Any) -> Sequence[Mapping[str, Any]]:
    """The settings that are listed: the recommended one always among them."""
    listed = list(rows[:_MOST_ROWS])
    listed += [row for row in rows[_MOST_ROWS:] if best is not None and row.get("index") == best]
    return listed


def _line(row: Mapping[str, Any], best: Any) -> list[Any]:
    rule = clip(str(row.get("rule")), 80)
    rate, short = _number(row.get("false_negative_rate")), _number(row.get("short_share"))
    kept = row.get("kept")
    name = element("strong", f"{rule} (recommended)") if best is not None and row.get("index") == best else rule
    numbers = [_number(row.get(key)) for key in ("mean_score", "hardness")]
    eci = _number(row.get("eci"))
    return [
        name,
        f"{kept:,}" if isinstance(kept, int) else "\u2013",
        "\u2013" if short is None else f"{100 * short:.1f} %",
        *("\u2013" if each is None else f"{each:.3g}" for each in numbers),
        "\u2013" if rate is None else f"{100 * rate:.1f} %",
        _interval(row),
        "\u2013" if eci is None else f"{eci:.3g}",
    ]


def _interval(row: Mapping[str, Any]) -> str:
    low, high = (_number(row.get(f"false_negative_{end}")) for end in ("low", "high"))
    return "\u2013" if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f} %"


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)
