"""What readers say about a record that is not of its format, as the check that it fails."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hardmine.report.audit.findings import Findings
from hardmine.report.audit.view import Example, shortened

if TYPE_CHECKING:
    from hardmine.formats.errors import FormatError

_KINDS = (
    ("string_for_list", r"a string \(.*", r"a list .*"),
    ("null_value", r"null\b.*", r".*"),
    ("missing_field", r"missing.*", r".*"),
    ("no_positive", r"empty", r"at least one of .*"),
    ("score_length", r"\d+ (numbers|labels)", r".*one for each of .*"),
    ("score_not_a_number", r".*", r"a number( that 64 bits can hold)?"),
    ("broken_encoding", r"(byte 0x|half of a surrogate).*", r".*"),
    ("broken_json", r".*", r"one JSON object per line|a list of a query, a positive and negatives"),
    ("unknown_id", r".*", r"an id of .*"),
    ("unreadable_row", r".*", r".*"),
)
"""Check, what came, what was wanted: the first that fits."""


def add(error: FormatError, findings: Findings) -> str:
    """Count a record that was left out; the check that it fails."""
    name = next(
        name
        for name, came, wanted in _KINDS
        if re.fullmatch(came, error.came, re.DOTALL) and re.fullmatch(wanted, error.wanted, re.DOTALL)
    )
    findings.add(name, 1, 1, lambda _: example(error))
    return name


def example(error: FormatError) -> Example:
    """Where something that cannot be read stands, and what it is."""
    place = {"file": error.path, "unit": error.unit, "line": error.line, "field": error.field}
    return {**place, "shown": shortened(f"{error.came}, expected {error.wanted}")}
