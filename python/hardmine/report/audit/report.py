"""The result of an audit, as data and as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hardmine.plumbing import checks
from hardmine.report.audit.checks import SEVERITIES


@dataclass(frozen=True, repr=False, eq=False)
class AuditReport:
    """What `hardmine.audit` found.

    Attributes
    ----------
    findings : tuple of mapping
        The gravest first, of JSON's types at every depth; each with ``check`` (its stable name), ``severity`` ("error",
        "warning", "info"), ``what``, ``count`` (of texts, documents or rows), ``rows`` in which they stand, ``repair``
        (what ``fix`` does about it, or None), ``details``, and up to three ``examples`` with ``file``, ``unit`` ("line"
        or "row"), ``line``, ``field`` and ``shown``.
    files : tuple of mapping
        ``name``, ``format``, ``rows`` and ``unreadable`` (records that were left out) of each.
    counts : mapping
        ``rows``, ``positives``, ``negatives`` of all files; ``remembered_bytes``, what the audit kept of them.
    settings : mapping
        What it was asked for.
    against : mapping or None
        ``source``, ``queries`` and ``positives`` of the evaluation.
    fixed : mapping or None
        ``output``, ``format``, ``rows`` written, ``pairs_left_out`` that the format cannot hold with so few negatives,
        in ``not_carried`` what else the rows lose by being written again, and under ``repairs`` how many were made for
        each check.

    Examples
    --------
    >>> from pathlib import Path
    >>> import hardmine as hm
    >>> size = Path("rows.jsonl").write_text('{"query": "what?", "pos": ["one"], "neg": ["One", "two"]}')
    >>> report = hm.audit("rows.jsonl", near_duplicates=None)
    >>> report, report.worst
    (AuditReport(1 rows, 1 findings, worst error), 'error')
    >>> report.findings[0]["check"], report.findings[0]["examples"][0]["field"]
    ('positive_in_negatives_normalised', 'negatives[0]')
    """

    findings: tuple[Mapping[str, Any], ...]
    files: tuple[Mapping[str, Any], ...]
    counts: Mapping[str, int]
    settings: Mapping[str, Any]
    against: Mapping[str, Any] | None = None
    fixed: Mapping[str, Any] | None = None

    @property
    def worst(self) -> str | None:
        """The gravest severity that was found; None of a clean set of rows."""
        return self.findings[0]["severity"] if self.findings else None

    def fails(self, severity: str = "error") -> bool:
        """Whether something this grave, or graver, was found.

        Parameters
        ----------
        severity : {"info", "warning", "error"}

        Raises
        ------
        ValueError
            Another severity.
        """
        checks.choice("severity", severity, SEVERITIES)
        return self.worst is not None and SEVERITIES.index(self.worst) >= SEVERITIES.index(severity)

    def to_dict(self) -> dict[str, Any]:
        """Everything as dictionaries and lists of JSON's types.

        The keys are those of the attributes and ``worst``.
        """
        return {
            "worst": self.worst,
            "counts": dict(self.counts),
            "files": [dict(file) for file in self.files],
            "against": None if self.against is None else dict(self.against),
            "settings": dict(self.settings),
            "findings": [_plain(finding) for finding in self.findings],
            "fixed": None if self.fixed is None else _plain(self.fixed),
        }

    def summary(self) -> str:
        """The report as readable text."""
        counts = self.counts
        names = ", ".join(f"{file['name']} ({file['format']})" for file in self.files[:3])
        more = f" and {len(self.files) - 3:,} more" if len(self.files) > 3 else ""
        lines = [
            f"{counts['rows']:,} rows, {counts['positives']:,} positives, {counts['negatives']:,} negatives in "
            f"{names}{more}"
        ]
        silent = [file["name"] for file in self.files if file["rows"] and not file["texts"]]
        if silent:
            rest = f" and {len(silent) - 1:,} more" if len(silent) > 1 else ""
            lines.append(f"{silent[0]}{rest} without texts of documents: compared by id alone")
        if self.against is not None:
            queries, positives = self.against["queries"], self.against["positives"]
            lines.append(f"against {queries:,} queries with {positives:,} positives of {self.against['source']}")
        lines.append("" if self.findings else "nothing found")
        for finding in self.findings:
            where = "" if finding["rows"] == finding["count"] else f" in {finding['rows']:,} rows"
            repair = f" [fix: {finding['repair']}]" if finding["repair"] else ""
            lines.append(f"{finding['severity']:<8}{finding['check']}: {finding['count']:,}{where}{repair}")
            lines.append(f"        {finding['what']}")
            if finding["details"]:
                lines.append("        " + ", ".join(f"{key} {value}" for key, value in finding["details"].items()))
            lines += [f"          {_place(example)}: {example['shown']}" for example in finding["examples"]]
        if self.fixed is not None:
            made = ", ".join(f"{name} {count:,}" for name, count in self.fixed["repairs"].items())
            left = self.fixed["pairs_left_out"]
            rest = f"; {left:,} pairs with too few negatives left out" if left else ""
            lines += ["", f"{self.fixed['rows']:,} rows in {self.fixed['output']}: {made or 'nothing to repair'}{rest}"]
            lines.append(f"  not carried: {self.fixed['not_carried']}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        worst = f", worst {self.worst}" if self.findings else ""
        return f"AuditReport({self.counts['rows']} rows, {len(self.findings)} findings{worst})"


def _place(example: Mapping[str, Any]) -> str:
    line = "" if example["line"] is None else f", {example['unit']} {example['line']:,}"
    return f"{example['file']}{line}" + ("" if example["field"] is None else f", {example['field']}")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value
