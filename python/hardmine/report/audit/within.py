"""What is wrong inside a row: which documents stand where. A document counts under the first check that it fails."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hardmine.formats.arrow import compute
from hardmine.report.audit.findings import Findings
from hardmine.report.audit.near import Similarity, near_positives
from hardmine.report.audit.view import Documents, View

_Int64 = npt.NDArray[np.int64]
_Bools = npt.NDArray[np.bool_]


def wrong_negatives(view: View) -> dict[str, _Bools]:
    """Flags of the negatives that a check is about, for the checks whose repair drops them; each under one check."""
    positives, negatives = view.positives, view.negatives
    ladder = (("id", "ids"), ("text", "codes"), ("normalised", "folded"))
    flags = {}
    for rung, kind in ladder:
        both = _numbers(negatives, kind), _numbers(positives, kind)
        flags[f"positive_in_negatives_{rung}"] = _in_row(both[0], negatives, both[1], positives)
    query = view.query.folded[negatives.rows]
    flags["query_in_negatives"] = (query >= 0) & (negatives.text.folded == query)
    flags["empty_negative"] = negatives.text.where(blank(view))
    for rung, kind in ladder:
        flags[f"duplicate_negative_{rung}"] = _repeats(_numbers(negatives, kind), negatives)
    taken = np.zeros(len(negatives), bool)
    for name, found in flags.items():
        flags[name] = found & ~taken
        taken |= found
    return flags


def repeated_positives(view: View) -> _Bools:
    """Flags of the positives that stood in their row before, by id or by text."""
    positives = view.positives
    return _repeats(positives.ids, positives) | _repeats(positives.text.folded, positives)


def blank(view: View) -> _Bools:
    """Which of the different texts of a chunk are empty or white space."""
    lengths = form_lengths(view)
    found: _Bools = (lengths == 0)[view.unique.folded[:-1]]
    return found


def form_lengths(view: View) -> _Int64:
    """Characters of every different text of a chunk as it is compared."""
    found: _Int64 = compute.utf8_length(view.unique.forms).to_numpy(zero_copy_only=False).astype(np.int64)
    return found


def look(view: View, findings: Findings, near: Similarity | None, threshold: float) -> None:
    """Find what is wrong with the documents of each row."""
    wrong = wrong_negatives(view)
    for name, flags in wrong.items():
        findings.documents(name, view, view.negatives, flags)
    findings.documents("duplicate_positive", view, view.positives, repeated_positives(view))
    query = view.query.folded[view.positives.rows]
    findings.documents("query_in_positives", view, view.positives, (query >= 0) & (view.positives.text.folded == query))
    findings.rows("no_positive", view, view.positives.lengths == 0)
    findings.rows("no_negative", view, view.negatives.lengths == 0)
    if near is not None:
        taken = np.any(list(wrong.values()), axis=0)
        findings.documents(
            "positive_in_negatives_near", view, view.negatives, near_positives(view, taken, near, threshold)
        )


def _numbers(side: Documents, kind: str) -> _Int64:
    found: _Int64 = side.ids if kind == "ids" else getattr(side.text, kind)
    return found


def _pairs(numbers: _Int64, side: Documents, span: int) -> _Int64:
    """One number for a row and a number; -1 where the latter is not known."""
    return np.where(numbers < 0, -1, side.rows * span + numbers)


def _in_row(numbers: _Int64, side: Documents, others: _Int64, other_side: Documents) -> _Bools:
    """Which documents are among those of the other side of their row."""
    span = max(int(numbers.max(initial=0)), int(others.max(initial=0))) + 1
    pairs = _pairs(numbers, side, span)
    found: _Bools = (pairs >= 0) & np.isin(pairs, _pairs(others, other_side, span))
    return found


def _repeats(numbers: _Int64, side: Documents) -> _Bools:
    """Which documents stood in their row before."""
    pairs = _pairs(numbers, side, int(numbers.max(initial=0)) + 1)
    repeated = np.ones(pairs.size, bool)
    repeated[np.unique(pairs, return_index=True)[1]] = False
    return repeated & (pairs >= 0)
