"""What was asked for: names of columns, deprecated parameters, defaults that depend on each other.

Messages are those of sentence-transformers 6.2 wherever it has one: scripts and logs look for them.
"""

from __future__ import annotations

import logging
import math
import numbers
import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hardmine.plumbing import checks
from hardmine.plumbing.threads import thread_count

logger = logging.getLogger("hardmine.compat.sentence_transformers")

FORMATS = ("triplet", "n-tuple", "labeled-pair", "labeled-list")
STRATEGIES = ("top", "random")
DEFAULT_MEMORY = 256 * 10**6
_RULES = ("absolute_margin", "relative_margin", "max_score", "min_score")


@dataclass(frozen=True)
class Settings:
    """The parameters of `mine_hard_negatives` that say which documents become negatives, and in what form."""

    num_negatives: int
    range_min: int
    range_max: int | None
    absolute_margin: float | None
    relative_margin: float | None
    max_score: float | None
    min_score: float | None
    sampling_strategy: str
    include_positives: bool
    output_format: str
    output_scores: bool
    verbose: bool
    seed: int
    num_threads: int | None
    max_memory: int

    @property
    def depth(self) -> int:
        """`range_max`, once it is known."""
        assert self.range_max is not None  # noqa: S101 - `with_range` comes first
        return self.range_max

    @property
    def rules(self) -> list[tuple[str, float]]:
        """The score filters in force, by name, in the order in which they act."""
        return [(name, value) for name in _RULES if (value := getattr(self, name)) is not None]


def checked(settings: Settings) -> Settings:
    """The settings with proper types.

    Raises
    ------
    TypeError, ValueError
        A value that no mining could start from; the message names the parameter.
    """
    checks.choice("sampling_strategy", settings.sampling_strategy, STRATEGIES)
    if settings.num_threads is not None:
        thread_count(settings.num_threads)
    for name, value in settings.rules:  # kept as given: the statistics show it
        _check_bound(name, value)
    least = -(2**63)
    return replace(
        settings,
        num_negatives=checks.integer("num_negatives", settings.num_negatives, minimum=least),
        range_min=checks.integer("range_min", settings.range_min, minimum=least),
        range_max=None
        if settings.range_max is None
        else checks.integer("range_max", settings.range_max, minimum=least),
        seed=checks.integer("seed", settings.seed, maximum=2**64 - 1),
    )


def _check_bound(name: str, value: Any) -> None:
    """Raise where a bound is no number. NaN removes nothing, and True is 1, as in comparisons of the original."""
    is_nan = isinstance(value, numbers.Real) and math.isnan(value)
    if not (is_nan or isinstance(value, (bool, np.bool_))):
        checks.real(name, value, finite=False)


def without_deprecated(settings: Settings, *, as_triplets: bool | None, margin: float | None) -> Settings:
    """The settings after what deprecated parameters and `include_positives` change in them, with their warnings."""
    if as_triplets is not None:
        settings = replace(settings, output_format="triplet" if as_triplets else "n-tuple")
        logger.warning(
            "The `as_triplets` parameter is deprecated. Use the `output_format` parameter instead. "
            "Setting `output_format` to `%s`.",
            settings.output_format,
        )
    if settings.include_positives:
        settings = _with_positives(settings, margin)
    if settings.output_format == "n-tuple-scores":
        logger.warning(
            '`output_format="n-tuple-scores"` is deprecated. Use `output_format="n-tuple"` with '
            "`output_scores=True` instead for equivalent output formats."
        )
        settings = replace(settings, output_format="n-tuple", output_scores=True)
    if settings.output_format not in FORMATS:
        raise ValueError(
            f"Invalid output_format: {settings.output_format}. "
            "Must be one of 'triplet', 'n-tuple', 'labeled-pair', or 'labeled-list'."
        )
    if margin is not None:
        logger.warning(
            "The `margin` parameter is deprecated. Use the `absolute_margin` and/or `relative_margin` parameter "
            "instead. Setting `absolute_margin` to `%s`.",
            margin,
        )
        _check_bound("margin", margin)
        settings = replace(settings, absolute_margin=margin)
    return settings


def _with_positives(settings: Settings, margin: float | None) -> Settings:
    window = settings.range_min != 0 or settings.range_max is not None
    if window or settings.rules or margin is not None or settings.sampling_strategy != "top":
        logger.warning(
            "When using `include_positives=True`, updating `range_min`, `range_max`, `max_score`, `min_score`, "
            "`absolute_margin`, `relative_margin`, or `sampling_strategy` from the default values may still "
            "discard the positive values."
        )
    if settings.output_format != "n-tuple":
        logger.warning(
            'When using `include_positives=True`, `output_format` will be set to `"n-tuple"` to ensure that the '
            "ranking order is preserved."
        )
    return replace(settings, output_format="n-tuple")


def with_range(settings: Settings, max_positives: int, *, rescored: bool) -> Settings:
    """The settings with a `range_max` that is known and leaves room for the negatives.

    Raises
    ------
    ValueError
        No negative, or not as many as asked for, could be in the window.
    """
    wanted, first, last = settings.num_negatives, settings.range_min, settings.range_max
    if wanted < 1:
        raise ValueError(f"num_negatives must be at least 1, got num_negatives={wanted}.")
    if last is None:
        removing = [name for name, _ in settings.rules if name != "min_score" or rescored]
        last = first + (10 * wanted if removing else wanted) + max_positives
        if settings.verbose:
            print(f"Setting range_max to {last} based on the provided parameters.")
    if first < 0:
        raise ValueError(f"range_min must be non-negative, got range_min={first}.")
    if first >= last:
        raise ValueError(f"range_min must be smaller than range_max, got range_min={first} and range_max={last}.")
    if wanted > last - first:
        raise ValueError(
            f"Cannot mine {wanted} negatives per query: only {last - first} candidates remain after skipping the first "
            f"range_min={first} of range_max={last}. Consider decreasing num_negatives or range_min, or increasing "
            "range_max."
        )
    if settings.output_format == "n-tuple":
        checks.n_tuple(wanted)
    return replace(settings, range_max=last)


def column_names(dataset: Any, anchor: str | None, positive: str | None) -> tuple[str, str]:
    """Names of the columns of queries and of positives: the first two where a name is missing or unknown.

    Raises
    ------
    ValueError
        There is no second column, or one column would be both.
    """
    columns = dataset.column_names
    if not anchor or anchor not in columns:
        _warn_of_unknown("anchor_column_name", anchor, columns, 0)
        anchor = columns[0]
    if not positive or positive not in columns:
        if len(columns) < 2:
            raise ValueError("Dataset must contain at least two columns to select the positive column automatically.")
        _warn_of_unknown("positive_column_name", positive, columns, 1)
        positive = columns[1]
    if anchor == positive:
        raise ValueError(f"positive_column_name: {positive!r}, expected another column than that of the anchors")
    return str(anchor), str(positive)


def _warn_of_unknown(parameter: str, name: str | None, columns: list[str], number: int) -> None:
    """The original takes another column without a word."""
    if name:
        logger.warning("%s: no column %r in the dataset, taking %r instead.", parameter, name, columns[number])


def _is_numbered(name: str, most: int) -> bool:
    """Whether a name is that of one of so many negatives of an n-tuple."""
    found = re.fullmatch(r"negative_([1-9][0-9]{0,18})", name)
    return found is not None and int(found[1]) <= most


def refuse_clash(settings: Settings, anchor: str, positive: str) -> None:
    """Raise where a column of the input is called as one that the output adds: one would take the other's place."""
    added = {
        "triplet": ["negative"],
        "n-tuple": [],
        "labeled-pair": ["score" if settings.output_scores else "label"],
        "labeled-list": [] if settings.output_scores else ["labels"],
    }[settings.output_format]
    if settings.output_scores and settings.output_format != "labeled-pair":
        added.append("scores")
    for name in (anchor, positive):
        if name in added or (settings.output_format == "n-tuple" and _is_numbered(name, settings.num_negatives)):
            raise ValueError(
                f"dataset: a column {name!r} of texts, expected another name: output_format="
                f"{settings.output_format!r} adds a column of that name"
            )
