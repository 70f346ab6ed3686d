"""What is printed about a run: the lines and numbers of sentence-transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hardmine.plumbing.float_mode import in_default_mode

if TYPE_CHECKING:
    from hardmine.compat.sentence_transformers.choose import Skipped
    from hardmine.compat.sentence_transformers.rows import Mined
    from hardmine.compat.sentence_transformers.settings import Settings
    from hardmine.plumbing.checks import Float32Array

_ROW = "{:<6} {:>14} {:>14} {:>14}"
_NAMES = ("Mean", "Median", "Std", "Min", "25%", "50%", "75%", "Max")


@in_default_mode
def print_statistics(mined: Mined, positive_scores: Float32Array, skipped: list[Skipped], settings: Settings) -> None:
    """Print the scores of positives and negatives, what the filters removed, and what is missing."""
    print(_ROW.format("Metric", "Positive", "Negative", "Difference"))
    print(_ROW.format("Count", f"{positive_scores.size:,}", f"{mined.negative_scores.size:,}", ""))
    columns = [_summary(values) for values in (positive_scores, mined.negative_scores, mined.differences)]
    for name, *numbers in zip(_NAMES, *columns, strict=True):
        print(_ROW.format(name, *(f"{number:.4f}" for number in numbers)))
    for rule, value, number, ratio in skipped:
        print(f"Skipped {number:,} potential negatives ({ratio:.2%}) due to the {rule} of {value}.")
    missing = mined.possible - mined.table.num_rows
    if missing > 0:
        _print_missing(missing, mined.possible, settings)


def _summary(scores: Float32Array) -> list[float]:
    """The numbers of `_NAMES`; the median of an even count is the lower of the two in the middle, as in PyTorch."""
    if not scores.size:
        return [np.nan, np.nan, np.nan, np.inf, np.inf, np.inf, np.inf, -np.inf]
    exact = np.sort(scores).astype(np.float64)
    spread = float(exact.std(ddof=1)) if exact.size > 1 else np.nan
    lower, middle, upper = np.quantile(exact, [0.25, 0.5, 0.75])
    return [exact.mean(), exact[(exact.size - 1) // 2], spread, exact[0], lower, middle, upper, exact[-1]]


def _print_missing(missing: int, possible: int, settings: Settings) -> None:
    names = [name for name, _ in settings.rules if name != "min_score"]
    solutions = ["range_max", *(["range_min"] if settings.range_min > 0 else []), *names]
    listed = " and ".join([", ".join(solutions[:-1]), solutions[-1]] if len(solutions) > 1 else solutions)
    print(
        f"Could not find enough negatives for {missing} samples ({missing / possible:.2%}). Consider adjusting the "
        f"{listed} parameter{'s' if len(solutions) > 1 else ''} if you'd like to find more valid negatives."
    )
