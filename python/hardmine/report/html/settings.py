"""Settings that are kept as data, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def of_negatives(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """The selection that made negatives, from what they say of themselves; "runs" has them where several did."""
    found = [each.get("selection") for each in _each(metadata)]
    known = [each if isinstance(each, Mapping) else {} for each in found]
    return known[0] if len(known) == 1 else {"runs": known}


def teacher_of(metadata: Mapping[str, Any]) -> str:
    """Who scored, by what negatives say of themselves."""
    names = [each.get("candidates", {}).get("teacher") for each in _each(metadata)]
    return ", ".join(str(name) for name in names if name) or "not said"


def described_of(metadata: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The settings of negatives worth a line, by name; those of each teacher where several gave them."""
    each = _each(metadata)
    if len(each) == 1:
        return described(of_negatives(metadata))
    selections = of_negatives(metadata)["runs"]
    lines = [("Rule", "; ".join(spelled(selection.get("ceiling")) for selection in selections))]
    lines.append(("Combined by", str(metadata.get("scheme"))))
    for run, selection in zip(each, selections, strict=True):
        lines += [(f"{name} of {teacher_of(run)[:60]}", value) for name, value in described(selection)]
    return lines


def _each(metadata: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What the run of each teacher says: one where there is one."""
    runs = metadata.get("runs")
    found = [run for run in runs if isinstance(run, Mapping)] if isinstance(runs, list) else []
    return found or [metadata]


def described(selection: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The settings worth a line, by name."""
    lines = [("Rule", spelled(selection.get("ceiling")))]
    if selection.get("floor") is not None:
        lines.append(("Lowest score", f"{selection['floor']:g}"))
    draw = spelled(selection.get("draw"))
    lines.append(("Draw", f"{draw}, seed {selection['seed']}" if draw != "top" and "seed" in selection else draw))
    first, last = selection.get("range_min", 0), selection.get("range_max")
    if first or last is not None:
        where = "before" if selection.get("range_on") == "raw" else "after"
        until = "the end" if last is None else f"{last:,}"
        lines.append(("Window", f"ranks {first:,} up to {until}, counted {where} the rule"))
    for key, name in (("near_duplicates", "Texts alike from"), ("near_cosine", "Embeddings alike from")):
        if selection.get(key) is not None:
            lines.append((name, f"{selection[key]:g}: left out as near-duplicates"))
    if "positive_agg" in selection:
        lines.append(("Several positives", str(selection["positive_agg"])))
    if "num_negatives" in selection:
        lines.append(("Negatives per row", f"{selection['num_negatives']:,} ({selection.get('on_shortage', 'keep')})"))
    return lines


def spelled(value: Any) -> str:
    """A rule or draw as the command line spells it.

    Examples
    --------
    >>> from hardmine.report.html.settings import spelled
    >>> spelled({"kind": "all-of", "ceilings": [{"kind": "perc-pos", "f": 0.95}, {"kind": "abs", "t": 0.8}]})
    'perc-pos=0.95 & abs=0.8'
    """
    if not isinstance(value, Mapping):
        return "not said" if value is None else str(value)
    if value.get("kind") == "all-of":
        return " & ".join(spelled(part) for part in value.get("ceilings", []))
    parts = [_parameter(part) for name, part in value.items() if name not in ("kind", "teacher") and part is not None]
    kind = {"none": "naive"}.get(str(value.get("kind")), str(value.get("kind")))
    teacher = f"@{value['teacher']}" if value.get("teacher") else ""
    return (f"{kind}={','.join(parts)}" if parts else kind) + teacher


def _parameter(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"({spelled(value)})" if "kind" in value else "given"
    return f"{value:g}" if isinstance(value, float) else str(value)


def bounds(selection: Mapping[str, Any] | None) -> dict[str, float]:
    """What the rules bound, by the chart that shows it: "scores", "ratios" and "margins"."""
    found: dict[str, float] = {}
    pending = [(selection or {}).get("ceiling")]
    axes = {"abs": ("scores", "t"), "perc-pos": ("ratios", "f"), "margin-pos": ("margins", "m")}
    while pending:
        rule = pending.pop()
        if not isinstance(rule, Mapping):
            continue
        pending += rule.get("ceilings", [])
        axis, name = axes.get(str(rule.get("kind")), ("", ""))
        if axis and isinstance(rule.get(name), (int, float)) and not rule.get("teacher"):
            tighter = max if axis == "margins" else min
            found[axis] = tighter(found.get(axis, float(rule[name])), float(rule[name]))
    return found
