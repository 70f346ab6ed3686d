"""What a setting chose, in numbers: how many, how hard, what was removed, what a second teacher says."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hardmine.nouns.lists import REASONS
from hardmine.pipeline.sweeps.reach import depth, is_cut_at_zero, stages_of
from hardmine.plumbing.float_mode import in_default_mode

if TYPE_CHECKING:
    from hardmine.nouns.candidates import Candidates
    from hardmine.nouns.negatives import Negatives
    from hardmine.nouns.positives import Positives
    from hardmine.plumbing.checks import Float32Array, Int64Array

_Float64 = npt.NDArray[np.float64]


@in_default_mode
def measures(negatives: Negatives) -> dict[str, Any]:
    """Counts, hardness and reasons of what one setting chose."""
    rows, kept = len(negatives), int(negatives.ids.size)
    ratios, is_row = _ratios(negatives)
    return {
        "rows": rows,
        "kept": kept,
        "short": negatives.num_short,
        "short_share": negatives.num_short / rows if rows else 0.0,
        "mean_score": _mean(negatives.scores),
        "hardness": _mean(ratios),
        "hardness_rows": int(is_row.sum()),
        "eci": eci(ratios, negatives.lengths[is_row]) if 2 * is_row.sum() >= rows else None,
        "reasons": {name: int(negatives.reasons[name].sum()) for name in REASONS},
    }


def _ratios(negatives: Negatives) -> tuple[_Float64, npt.NDArray[np.bool_]]:
    """Ratio s/p of the negatives whose p is above 0, and the rows that they lie in."""
    p, lengths = negatives.positive_scores.astype(np.float64), negatives.lengths
    is_row = np.isfinite(p) & (p > 0) & (lengths > 0)
    is_there = np.repeat(is_row, lengths)
    return negatives.scores[is_there] / np.repeat(p[is_row], lengths[is_row]), is_row


def _mean(values: npt.NDArray[np.floating[Any]]) -> float | None:
    """None where there is none, or where infinite scores leave no number."""
    found = float(values.mean(dtype=np.float64)) if values.size else math.nan
    return found if math.isfinite(found) else None


def eci(ratios: _Float64, lengths: Int64Array) -> float | None:
    """Effective contrastive information of a set of negatives, after the abstract of arXiv 2603.20990 version 1.

    Capacity, ``log(1 + number of negatives)``, times efficiency, the harmonic mean of signal magnitude (hardness) and
    safety (max-margin). The abstract names these terms and their combination; what they are taken of is our choice:
    per row the number of negatives, the mean of s/p, and 1 minus the largest s/p, where s/p is cut to [0, 1]; each
    averaged over the rows. A set whose every row holds one negative above its positive has safety 0, and ECI 0.

    `ratios` are s/p row by row, hardest first; `lengths` of the rows are above 0.

    Examples
    --------
    >>> import numpy as np
    >>> from hardmine.pipeline.sweeps.measures import eci
    >>> round(eci(np.array([0.75, 0.25]), np.array([2])), 4)  # log(3) * 2 * 0.5 * 0.25 / 0.75
    0.3662
    """
    if not ratios.size or not np.isfinite(ratios).all():
        return None
    cut = np.clip(ratios, 0.0, 1.0)
    starts = np.cumsum(lengths) - lengths
    signal = float((np.add.reduceat(cut, starts) / lengths).mean())
    safety = float((1.0 - cut[starts]).mean())
    if signal + safety == 0:
        return 0.0
    return float(np.log1p(lengths).mean()) * 2 * signal * safety / (signal + safety)


class Second:
    """What a second teacher says of negatives: which of them it found, and which it puts above the positive."""

    @in_default_mode
    def __init__(self, run: Candidates, positives: Positives, num_documents: int) -> None:
        self._size = num_documents
        rows = run.row_of_each
        lengths = run.lengths
        bar = _lowest(positives)
        is_above = (run.scores >= bar[rows]) & np.isfinite(bar[rows])
        self._keys = np.sort((rows * num_documents + run.ids) * 2 + is_above)
        # What a list that was cut lacks scores at most what stands last in it: above the positive or below.
        last = np.full(len(run), np.inf, dtype=np.float32)
        has_some = lengths > 0
        last[has_some] = run.scores[run.offsets[1:][has_some] - 1]
        removed = {name: np.asarray(count) > 0 for name, count in (run.reasons or {}).items()}
        nothing = np.zeros(len(run), dtype=np.bool_)
        is_cut = (lengths >= depth(run)) | removed.get("below_floor", nothing)
        self._cannot_tell = np.isnan(bar) | (is_cut & (last >= bar)) | removed.get("nan", nothing)
        if is_cut_at_zero(run):
            self._cannot_tell |= bar <= 0
        if stages_of(run):  # what the first teacher did not find, the other never saw
            self._cannot_tell[:] = True
        self._has_bar = ~np.isnan(bar)

    def agreement(self, negatives: Negatives) -> dict[str, Any]:
        """Shares of the negatives: found by the second teacher too, put above the positive by it, not known."""
        if not negatives.ids.size:
            return {"overlap": None, "above_positive": None, "undecided": None}
        keys = np.sort(negatives.queries[negatives.row_of_each] * self._size + negatives.ids)
        rows = keys // self._size
        places = np.minimum(np.searchsorted(self._keys, 2 * keys), max(self._keys.size - 1, 0))
        there = self._keys[places] if self._keys.size else np.full(keys.size, -1)
        is_found = there >> 1 == keys
        is_above = is_found & (there & 1 == 1)
        is_unknown = np.where(is_found, ~self._has_bar[rows], self._cannot_tell[rows])
        known = int((~is_unknown).sum())
        return {
            "overlap": float(is_found.mean()),
            "above_positive": float(is_above.sum() / known) if known else None,
            "undecided": float(is_unknown.mean()),
        }


def _lowest(positives: Positives) -> Float32Array:
    """The lowest score of a positive of every query; NaN where none is known."""
    lowest = np.full(len(positives), np.nan, dtype=np.float32)
    if positives.scores is not None:
        has_some = np.diff(positives.offsets) > 0
        lowest[has_some] = np.minimum.reduceat(positives.scores, positives.offsets[:-1][has_some])
    return lowest
