"""Scores under further teachers, beside those that lists are ordered by: columns of float32 by a teacher's name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from hardmine.nouns.lists import mapping, take_rows
from hardmine.plumbing import checks

TeacherScores = Mapping[str, npt.NDArray[np.float32]]
PREFIX = "teacher_scores."
"""What stands before a teacher's name where its column lies among others: in a file, in a table of Arrow."""


def checked(value: Any, length: int) -> dict[str, npt.NDArray[np.float32]] | None:
    """The mapping as a dictionary of its own; None where it is absent or empty.

    Raises
    ------
    TypeError, ValueError
        No mapping; a name that is no text or empty; a column that is no float32 [length] or holds NaN.
    """
    if value is None:
        return None
    found = {}
    for name, given in mapping("teacher_scores", value).items():
        teacher = named("teacher_scores", name)
        column = checks.float32_vector(f"teacher_scores[{teacher!r}]", given, length=length)
        if np.isnan(column).any():
            raise ValueError(f"teacher_scores[{teacher!r}]: NaN at position {int(np.isnan(column).argmax())}")
        found[teacher] = column
    return found or None


def named(argument: str, name: Any) -> str:
    """The name of a teacher, which is some text."""
    if not isinstance(name, str):
        raise TypeError(f"{argument}: {type(name).__name__} {name!r} as the name of a teacher, expected a string")
    if not name:
        raise ValueError(f"{argument}: '' as the name of a teacher, expected some text")
    return name


def taken(
    scores: TeacherScores | None, offsets: npt.NDArray[np.int64], rows: npt.NDArray[np.int64], num_threads: int | None
) -> dict[str, npt.NDArray[np.float32]] | None:
    """The columns of some rows, in the order asked for."""
    if scores is None:
        return None
    return dict(zip(scores, take_rows(offsets, list(scores.values()), rows, num_threads)[1], strict=True))


def flattened(scores: TeacherScores | None) -> dict[str, npt.NDArray[np.float32]]:
    """The columns under the names that a file or a table gives them."""
    return {PREFIX + name: column for name, column in (scores or {}).items()}


def gathered(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Columns with those of teachers, under the names of `flattened`, in one mapping ``teacher_scores``."""
    found = {name: column for name, column in columns.items() if not name.startswith(PREFIX)}
    scores = {name.removeprefix(PREFIX): column for name, column in columns.items() if name.startswith(PREFIX)}
    return found | {"teacher_scores": scores} if scores else found
