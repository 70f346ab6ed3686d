"""What is wrong with scores: missing, not finite, above the positive's, out of order."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hardmine.plumbing.float_mode import in_default_mode
from hardmine.report.audit.findings import Findings
from hardmine.report.audit.view import View

_Floats = npt.NDArray[np.float64]


@in_default_mode
def look(view: View, findings: Findings) -> None:
    """Find what is wrong with the scores of a chunk."""
    wrong = [side.has_score & ~np.isfinite(side.scores) for side in view.sides]
    findings.anywhere("score_not_finite", view, wrong)
    lowest = _lowest_positive(view)
    negatives = view.negatives
    with np.errstate(invalid="ignore"):
        above = negatives.has_score & (negatives.scores > lowest[negatives.rows])
        findings.documents("negative_above_positive", view, negatives, above)
        is_next = np.diff(negatives.rows) == 0
        rises = is_next & (negatives.scores[1:] > negatives.scores[:-1])
    flags = np.zeros(view.num_rows, bool)
    flags[negatives.rows[1:][rises]] = True
    findings.rows("score_order", view, flags)


def _lowest_positive(view: View) -> _Floats:
    """Lowest score of each row's positives that is no NaN; NaN where there is none."""
    positives = view.positives
    lowest = np.full(view.num_rows, np.nan)
    np.fmin.at(lowest, positives.rows, positives.scores)
    return lowest
