"""What an audit found, as a part of the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hardmine.report.html.elements import Html, element, joined, table
from hardmine.report.html.figures import clip

_MOST_FINDINGS, _MOST_EXAMPLES = 60, 3


def audit_part(audit: Mapping[str, Any]) -> Html:
    """The part of the page about an audit, from what its ``to_dict()`` gives."""
    findings = [finding for finding in audit["findings"] if isinstance(finding, Mapping)]
    if not findings:
        return element("p", "Nothing was found.")
    rows = [
        [
            element("strong", clip(str(finding.get("severity")), 20)),
            clip(str(finding.get("check")), 60),
            _count(finding.get("count")),
            _count(finding.get("rows")),
            joined([element("p", clip(str(finding.get("what") or ""), 300)), _examples(finding)]),
        ]
        for finding in findings[:_MOST_FINDINGS]
    ]
    more = len(findings) - len(rows)
    left_out = f" {more:,} more findings are left out here." if more else ""
    files = audit.get("files") or []
    names = ", ".join(clip(str(file.get("name")), 60) for file in files[:3] if isinstance(file, Mapping))
    caption = f"Findings{' in ' + names if names else ''}, the gravest first.{left_out}"
    return table(["Severity", "Check", "Count", "Rows", "What"], rows, caption, class_="texts")


def _count(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else "\u2013"


def _examples(finding: Mapping[str, Any]) -> Html | None:
    found = [each for each in finding.get("examples") or [] if isinstance(each, Mapping)][:_MOST_EXAMPLES]
    if not found:
        return None
    lines = []
    for each in found:
        place = [str(each.get("file") or "")]
        if each.get("line") is not None:
            place.append(f"{each.get('unit') or 'line'} {each['line']}")
        if each.get("field") is not None:
            place.append(str(each["field"]))
        where = clip(", ".join(part for part in place if part), 120)
        lines.append(element("li", element("span", where, class_="meta"), " ", clip(str(each.get("shown") or ""), 200)))
    return element("ul", lines, class_="places")
