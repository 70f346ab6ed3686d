"""Settings of a sweep: what is given as values or in their spelling, and the grid of whoever gives none."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hardmine.rules.ceilings import Absolute, Anchored, Ceiling, MarginPos, NoCeiling, PercPos
from hardmine.rules.selection import Selection
from hardmine.rules.spelling import parse_ceiling, parse_draw, spell

if TYPE_CHECKING:
    from hardmine.nouns.candidates import Candidates
    from hardmine.nouns.positives import Positives

SHIFTS = (5, 10, 20, 40)
THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
MARGINS = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3)
FRACTIONS = (0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.975, 1.0)
ANCHORED = (
    *((f, 1.0) for f in (0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4)),
    *((f, 2.0) for f in (1.0, 1.2, 1.4, 1.6, 1.8)),
)

_WORDS = re.compile(r"\s+(range-min|range-max|draw)=(\S+)")


def settings(
    grid: Any, num_negatives: int, positive_agg: str, seed: int, run: Candidates, positives: Positives
) -> list[tuple[str, Selection]]:
    """Every setting with its text."""
    if grid is None:
        found = [each.replace(positive_agg=positive_agg) for each in default_grid(num_negatives, run, positives)]
    else:
        if isinstance(grid, (str, bytes)) or not isinstance(grid, Sequence):
            raise TypeError(f"grid: {type(grid).__name__}, expected a sequence of Selections or of rules as text")
        if not grid:
            raise ValueError("grid: empty, expected at least one setting")
        found = [
            _setting(f"grid[{number}]", each, num_negatives, positive_agg, seed) for number, each in enumerate(grid)
        ]
    return [(described(each, num_negatives, seed), each) for each in found]


def default_grid(num_negatives: int, run: Candidates, positives: Positives) -> list[Selection]:
    """The settings of whoever names none: bounds on scores are multiples of the scale of the run's scores."""
    unit = scale(run, positives)
    ceilings: list[Ceiling] = [Absolute(_short(unit * t)) for t in THRESHOLDS]
    ceilings += [MarginPos(_short(unit * m)) for m in MARGINS]
    ceilings += [PercPos(f) for f in FRACTIONS]
    ceilings += [Anchored(f, weight) for f, weight in ANCHORED]
    rules = [Selection(num_negatives, ceiling=NoCeiling(), range_min=shift) for shift in (0, *SHIFTS)]
    return rules + [Selection(num_negatives, ceiling=ceiling) for ceiling in ceilings]


def scale(run: Candidates, positives: Positives) -> float:
    """1 for cosines; else the median size of a positive's score, to two digits: what 1 is to a cosine."""
    if run.metadata.get("similarity") == "cosine" or positives.scores is None or not positives.scores.size:
        return 1.0
    return _short(float(np.median(np.abs(positives.scores.astype(np.float64)))), digits=2) or 1.0


def _short(value: float, digits: int = 3) -> float:
    """The number to so many digits, so that a rule reads well."""
    return round(value, digits - 1 - math.floor(math.log10(abs(value)))) if value else 0.0


def _setting(name: str, value: Any, num_negatives: int, positive_agg: str, seed: int) -> Selection:
    if isinstance(value, Selection):
        return value
    if isinstance(value, Ceiling):
        return Selection(num_negatives, ceiling=value, positive_agg=positive_agg, seed=seed)
    if isinstance(value, str):
        return parse_setting(value, num_negatives, name=name).replace(positive_agg=positive_agg, seed=seed)
    raise TypeError(f"{name}: {type(value).__name__}, expected a Selection, a ceiling or text such as 'perc-pos=0.95'")


def parse_setting(text: str, num_negatives: int, *, name: str = "rule") -> Selection:
    """The setting that a text spells: ceilings, and behind them ``range-min=``, ``range-max=``, ``draw=``.

    Examples
    --------
    >>> from hardmine.pipeline.sweeps.grid import described, parse_setting
    >>> described(parse_setting("perc-pos=0.9 & abs range-min=10  draw=softmax=0.5", 4))
    'perc-pos=0.9 & abs=0.7 range-min=10 draw=softmax=0.5'
    """
    options: dict[str, Any] = {}
    for word, value in _WORDS.findall(text):
        key = word.replace("-", "_")
        if key in options:
            raise ValueError(f"{name} {text}: {word} twice, expected once")
        options[key] = parse_draw(value, name=name) if word == "draw" else _whole(f"{name} {text}: {word}", value)
    return Selection(num_negatives, ceiling=parse_ceiling(_WORDS.sub("", text), name=name), **options)


def _whole(what: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{what}={text}: expected an integer") from None


def described(selection: Selection, num_negatives: int | None = None, seed: int | None = None) -> str:
    """The text of a setting; `parse_setting` reads it back where every part has a spelling.

    What is as it is for the others, given by `num_negatives` and `seed`, goes without saying.
    """
    words = [_spelled(selection.ceiling)]
    if selection.floor is not None:
        words.append(f"floor={selection.floor:g}")
    if selection.range_min:
        words.append(f"range-min={selection.range_min}")
    if selection.range_max is not None:
        words.append(f"range-max={selection.range_max}")
    if selection.range_on != "raw" and (selection.range_min or selection.range_max is not None):
        words.append(f"range-on={selection.range_on}")
    if not selection.draw.is_top:
        words.append(f"draw={_spelled(selection.draw)}")
    if selection.positive_agg != "min" and selection.needs_positive:
        words.append(f"positive-agg={selection.positive_agg}")
    for name in ("near_duplicates", "near_cosine"):
        if getattr(selection, name) is not None:
            words.append(f"{name.replace('_', '-')}={getattr(selection, name):g}")
    if num_negatives not in (None, selection.num_negatives):
        words.append(f"num-negatives={selection.num_negatives}")
    if seed not in (None, selection.seed) and not selection.draw.is_top:
        words.append(f"seed={selection.seed}")
    if selection.on_shortage != "keep":
        words.append(f"on-shortage={selection.on_shortage}")
    return " ".join(words)


def _spelled(value: Any) -> str:
    try:
        return spell(value)
    except ValueError:  # it holds an array or another draw
        return repr(value)
