"""Several runs as an argument: checked to be what they are called, and about the same queries."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from hardmine.nouns.candidates import Candidates
from hardmine.nouns.negatives import Negatives

_Run = TypeVar("_Run", Candidates, Negatives)

MOST_SOURCES = 2**15 - 1
"""Runs whose results say which one each document is from."""


def several(runs: Any, kind: type[_Run], *, most: int | None = None) -> list[_Run]:
    """The runs as a list; anything else than at least one of `kind` raises TypeError or ValueError."""
    if isinstance(runs, kind) or not isinstance(runs, Iterable):
        raise TypeError(f"runs: {type(runs).__name__}, expected a sequence of {kind.__name__}")
    given = list(runs)
    if most is not None and not 1 <= len(given) <= most:
        raise ValueError(f"runs: {len(given)} of them, expected 1 to {most}")
    if not given:
        raise ValueError("runs: none, expected at least one")
    for number, run in enumerate(given):
        if not isinstance(run, kind):
            raise TypeError(f"runs[{number}]: {type(run).__name__}, expected {kind.__name__}")
    return given


def several_lists(runs: Any, *, most: int | None = None) -> list[Candidates]:
    """Candidate lists of as many queries each."""
    given = several(runs, Candidates, most=most)
    for number, run in enumerate(given):
        if len(run) != len(given[0]):
            raise ValueError(f"runs[{number}]: {len(run)} queries, expected {len(given[0])} as in the first")
    return given
