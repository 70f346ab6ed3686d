"""Which setting to take, and why."""

from __future__ import annotations

from typing import Any

from hardmine.rules.ceilings import PercPos
from hardmine.rules.spelling import spell

FALLBACK = PercPos(0.95)
"""The best of NV-Retriever's ablation (arXiv 2407.15831): what is recommended where the data tell nothing."""

HARDNESS = "mean_score"
"""By what settings are compared: one teacher gave all scores, and s/p is ruled by the few queries whose p is near 0."""


def mark_frontier(rows: list[dict[str, Any]]) -> None:
    """Mark each setting that no other beats: none is at least as hard with at most as many false negatives."""
    for row in rows:
        row["on_frontier"] = None if not _is_rated(row) else not any(_beats(other, row) for other in rows)


def _is_rated(row: dict[str, Any]) -> bool:
    return row["false_negative_rate"] is not None and row[HARDNESS] is not None


def _beats(other: dict[str, Any], row: dict[str, Any]) -> bool:
    if other is row or not _is_rated(other):
        return False
    theirs = (other[HARDNESS], -other["false_negative_rate"])
    ours = (row[HARDNESS], -row["false_negative_rate"])
    return theirs[0] >= ours[0] and theirs[1] >= ours[1] and theirs != ours


def recommend(
    rows: list[dict[str, Any]], *, max_false_negatives: float, max_short: float, why_none: str | None
) -> dict[str, Any]:
    """The setting to take: its number, on what grounds, and the reason in words."""
    criterion = {"max_false_negatives": max_false_negatives, "max_short": max_short, "hardness": HARDNESS}
    whole = [row for row in rows if row["kept"] and row["short_share"] <= max_short and row[HARDNESS] is not None]
    rated = [row for row in whole if row["false_negative_high"] is not None]
    safe = [row for row in rated if row["false_negative_high"] <= max_false_negatives]
    if not whole:
        why = (
            f"Every setting leaves more than {max_short:.1%} of the rows short: retrieve more candidates per query, "
            "ask for fewer negatives, or allow more short rows."
        )
        return {"index": None, "basis": "none", "why": why, "criterion": criterion}
    if safe:
        best = min(safe, key=lambda row: (-row[HARDNESS], row["false_negative_high"], row["index"]))
        others = len(rows) - len(whole)
        why = (
            f"The hardest (mean score {best[HARDNESS]:.3g}) of {len(safe)} settings whose false-negative rate is at "
            f"most {max_false_negatives:.1%} with all its uncertainty (estimate {best['false_negative_rate']:.1%}, "
            f"upper bound {best['false_negative_high']:.1%}) and that leave at most {max_short:.1%} of the rows short "
            f"({best['short_share']:.1%})."
        )
        if others:
            why += f" {others} others leave more of them short: a run with more candidates per query would serve them."
        return {"index": best["index"], "basis": "estimate", "why": why, "criterion": criterion}
    if rated:
        best = min(rated, key=lambda row: (row["false_negative_high"], -row[HARDNESS], row["index"]))
        why = (
            f"No setting is surely below {max_false_negatives:.1%} false negatives; this one has the lowest upper "
            f"bound ({best['false_negative_high']:.1%}, estimate {best['false_negative_rate']:.1%})."
        )
        return {"index": best["index"], "basis": "lowest upper bound", "why": why, "criterion": criterion}
    reason = why_none or "no setting could be tried"
    default = next((row for row in whole if row["rule"].split(" positive-agg=")[0] == spell(FALLBACK)), None)
    if default is None:
        why = (
            f"The data cannot tell the settings apart ({reason}), and the usual {spell(FALLBACK)} is not among those "
            "that serve."
        )
        return {"index": None, "basis": "none", "why": why, "criterion": criterion}
    why = (
        f"The data cannot tell the settings apart ({reason}). {spell(FALLBACK)} is what the literature recommends "
        f"(NV-Retriever), and it leaves {default['short_share']:.1%} of the rows short here."
    )
    return {"index": default["index"], "basis": "default", "why": why, "criterion": criterion}
