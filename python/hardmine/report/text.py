"""The facts of a mining run as readable text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

REASON_TEXTS = {
    "positive": "labelled positives",
    "excluded": "excluded by id",
    "duplicate_text": "same text as a positive",
    "near_duplicate": "near-duplicates",
    "outside_window": "outside the window",
    "above_ceiling": "above the ceiling",
    "below_floor": "below the floor",
    "nan": "without a score (NaN)",
    "not_drawn": "admissible, not drawn",
    "kept": "kept as negatives",
}
"""What the counts of reasons are counts of."""


def summarise(report: Mapping[str, Any]) -> str:
    """A report as readable text."""
    lines = [
        f"{report['queries']:,} queries, {report['positives']:,} positives, {report['documents']:,} documents; "
        f"teacher {report['teacher']}"
        + (f", candidates found by {report['first_teacher']}" if "first_teacher" in report else ""),
        f"{report['negatives']:,} negatives in {report['rows']:,} rows; {report['short']:,} short"
        + (f", {report['dropped']:,} dropped" if report["dropped"] else "")
        + (f", {report['filled']:,} filled at random" if report["filled"] else "")
        + (f"; by teacher: {', '.join(f'{count:,}' for count in report['sources'])}" if "sources" in report else ""),
        "",
        f"{'scores':<12}" + "".join(f"{name:>10}" for name in ("mean", "std", "min", "25%", "median", "75%", "max")),
    ]
    for name, found in report["scores"].items():
        if found:
            values = "".join(
                f"{'-':>10}" if found[key] is None else f"{found[key]:>10.4g}"
                for key in ("mean", "std", "min", "25%", "median", "75%", "max")
            )
            lines.append(f"{name:<12}{values}")
    lines += ["", "what became of the candidates seen"]
    lines += [f"  {REASON_TEXTS[name]:<38}{count:>14,}" for name, count in report["reasons"].items() if count]
    return "\n".join(lines)
