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


_MORE = "retrieve more candidates per query, ask for fewer negatives, or allow more short rows"


def recommend(
    rows: list[dict[str, Any]],
    *,
    max_false_negatives: float,
    max_short: float,
    why_none: str | None,
    caution: str | None = None,
) -> dict[str, Any]:
    """The setting to take: its number, on what grounds, and the reason in words."""
    criterion = {"max_false_negatives": max_false_negatives, "max_short": max_short, "hardness": HARDNESS}

    def advice(row: dict[str, Any] | None, basis: str, why: str) -> dict[str, Any]:
        return {"index": None if row is None else row["index"], "basis": basis, "why": why, "criterion": criterion}

    whole = [row for row in rows if row["kept"] and row["short_share"] <= max_short]
    able = [row for row in whole if row[HARDNESS] is not None]
    rated = [row for row in able if row["false_negative_high"] is not None]
    safe = [row for row in rated if row["false_negative_high"] <= max_false_negatives]
    warned = "" if caution is None else f" {caution}"
    if not able:
        return advice(None, "none", _why_nothing(rows, whole, max_short))
    if safe:
        best = min(safe, key=lambda row: (-row[HARDNESS], row["false_negative_high"], row["index"]))
        why = (
            f"The hardest (mean score {best[HARDNESS]:.3g}) of {len(safe)} settings whose false-negative rate is at "
            f"most {max_false_negatives:.1%} with all its uncertainty (estimate {best['false_negative_rate']:.1%}, "
            f"upper bound {best['false_negative_high']:.1%}) and that leave at most {max_short:.1%} of the rows short "
            f"({best['short_share']:.1%})."
        )
        return advice(best, "estimate", why + _of_short(rows, max_short) + warned)
    if rated:
        best = min(rated, key=lambda row: (row["false_negative_high"], -row[HARDNESS], row["index"]))
        why = (
            f"Of the settings that leave at most {max_short:.1%} of the rows short, none is surely below "
            f"{max_false_negatives:.1%} false negatives; this one has the lowest upper bound "
            f"({best['false_negative_high']:.1%}, estimate {best['false_negative_rate']:.1%})."
        )
        return advice(best, "lowest upper bound", why + _of_lower(rows, best) + warned)
    why = f"The data cannot tell the settings apart ({why_none or 'no setting could be tried'})"
    default = next((row for row in rows if _is_default(row)), None)
    if default is None:
        return advice(None, "none", f"{why}, and the usual {spell(FALLBACK)} is not among those that serve.")
    usual = f"{spell(FALLBACK)} is what the literature recommends (NV-Retriever)"
    share = f"{default['short_share']:.1%} of the rows short"
    if default not in whole:
        limit = f"more than the {max_short:.1%} that are allowed: {_MORE}"
        return advice(None, "none", f"{why}. {usual}, but it leaves {share} here, {limit}.")
    return advice(default, "default", f"{why}. {usual}, and it leaves {share} here.")


def _why_nothing(rows: list[dict[str, Any]], whole: list[dict[str, Any]], max_short: float) -> str:
    """Why there is no setting that could be recommended."""
    if not rows:
        return "No setting serves this run: the reasons stand with those that were left out."
    if whole:
        return (
            "The settings cannot be compared: each that leaves few rows short keeps a negative whose score is "
            "infinite, so that its mean score is no number."
        )
    if not any(row["kept"] for row in rows):
        return f"No setting keeps a single negative: {_MORE}."
    return f"Every setting that keeps a negative leaves more than {max_short:.1%} of the rows short: {_MORE}."


def _of_lower(rows: list[dict[str, Any]], best: dict[str, Any]) -> str:
    """A word on a setting that has fewer false negatives, and was left out for its short rows."""
    rated = [row for row in rows if row["kept"] and row["false_negative_high"] is not None]
    lowest = min(rated, key=lambda row: (row["false_negative_high"], row["index"]))
    if lowest["false_negative_high"] >= best["false_negative_high"]:
        return ""
    return (
        f" {lowest['rule']} has a lower one ({lowest['false_negative_high']:.1%}, estimate "
        f"{lowest['false_negative_rate']:.1%}) but leaves {lowest['short_share']:.1%} short: before taking this one, "
        f"{_MORE}."
    )


def _of_short(rows: list[dict[str, Any]], max_short: float) -> str:
    """A word on the settings that were left out for their short rows."""
    others = sum(row["short_share"] > max_short for row in rows)
    if not others:
        return ""
    they, leave = ("1 other", "leaves") if others == 1 else (f"{others} others", "leave")
    return f" {they} {leave} more of them short; a run with more candidates per query may serve there."


def _is_default(row: dict[str, Any]) -> bool:
    """Whether a setting is `FALLBACK` and nothing else, however many negatives it takes."""
    rule, *words = row["rule"].split(" ")
    same = ("positive-agg=", "num-negatives=", "on-shortage=")
    return rule == spell(FALLBACK) and all(word.startswith(same) for word in words)
