"""What an audit has found: counts of everything, three examples of each."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from hardmine.report.audit.checks import CHECKS, SEVERITIES
from hardmine.report.audit.view import Documents, Example, View, Where

EXAMPLES = 3
"""Examples of each finding."""

_Bools = npt.NDArray[np.bool_]
_Int64 = npt.NDArray[np.int64]


class _Found:
    def __init__(self) -> None:
        self.count = self.rows = 0
        self.examples: list[Example] = []
        self.details: dict[str, Any] = {}


class Findings:
    """What every check has found so far."""

    def __init__(self) -> None:
        self._found: dict[str, _Found] = {}

    def add(self, name: str, count: int, rows: int, examples: Callable[[int], Example], **details: Any) -> None:
        """Count what a check has found; `examples` gives the n-th of it."""
        if not count:
            return
        found = self._found.setdefault(name, _Found())
        wanted = max(min(EXAMPLES - len(found.examples), count), 0)
        found.examples += [examples(number) for number in range(wanted)]
        found.count, found.rows = found.count + count, found.rows + rows
        found.details |= details

    def documents(self, name: str, view: View, side: Documents, flags: _Bools) -> None:
        """Count documents of one side of a chunk that a flag is set for."""
        if flags.any():
            at = np.flatnonzero(flags)
            rows = int(np.unique(side.rows[at]).size)
            self.add(name, at.size, rows, lambda number: view.document_place(side, int(at[number])))

    def anywhere(
        self,
        name: str,
        view: View,
        documents: Sequence[_Bools],
        queries: _Bools | None = None,
        where: Where | None = None,
    ) -> None:
        """Count documents of both sides, and queries, that a flag is set for; a row with several is one row.

        Parameters
        ----------
        name : str
        view : View
        documents : (bool [positives], bool [negatives])
        queries : bool [rows], optional
        where : callable, optional
            What examples show the surroundings of.
        """
        of_query = np.empty(0, np.int64) if queries is None else np.flatnonzero(queries)
        sides = list(zip(view.sides, documents, strict=True))
        rows = np.unique(np.concatenate([of_query, *(side.rows[flags] for side, flags in sides)]))
        places: list[tuple[int, Any, int]] = [(row, view.query_place, row) for row in of_query[:EXAMPLES].tolist()]
        for side, flags in sides:
            at = np.flatnonzero(flags)[:EXAMPLES]
            place = partial(view.document_place, side)
            places += [(int(side.rows[each]), place, each) for each in at.tolist()]
        places.sort(key=lambda each: each[0])
        count = of_query.size + sum(int(flags.sum()) for flags in documents)
        self.add(name, count, rows.size, lambda number: places[number][1](places[number][2], where))

    def queries(self, name: str, view: View, flags: _Bools) -> None:
        """Count queries of a chunk that a flag is set for."""
        at = np.flatnonzero(flags)
        self.add(name, at.size, at.size, lambda number: view.query_place(int(at[number])))

    def rows(self, name: str, view: View, flags: _Bools, shown: Callable[[int], str] | None = None) -> None:
        """Count rows of a chunk that a flag is set for."""
        at = np.flatnonzero(flags)

        def example(number: int) -> Example:
            row = int(at[number])
            return view.row_place(row, None if shown is None else shown(row))

        self.add(name, at.size, at.size, example)

    def take(
        self,
        others: Findings,
        *,
        only: Container[str] | None = None,
        left_out: Container[str] = (),
        name: str | None = None,
    ) -> None:
        """Add what others have found, behind what is here; `name` says under which check."""
        for each, found in others._found.items():
            if each not in left_out and (only is None or each in only):
                self.add(name or each, found.count, found.rows, found.examples.__getitem__, **found.details)

    def describe(self, name: str, **details: Any) -> None:
        """Say more about what a check has found, if it has."""
        if name in self._found:
            self._found[name].details |= details

    def examples(self, name: str) -> list[Example]:
        """The examples of what a check has found so far."""
        found = self._found.get(name)
        return [] if found is None else found.examples

    def counts(self) -> dict[str, int]:
        """How often each check found something."""
        return {name: found.count for name, found in self._found.items()}

    def as_data(self) -> list[dict[str, Any]]:
        """All findings, the gravest first."""
        order = {name: (-SEVERITIES.index(check.severity), at) for at, (name, check) in enumerate(CHECKS.items())}
        made = []
        for name in sorted(self._found, key=order.__getitem__):
            check, found = CHECKS[name], self._found[name]
            made.append(
                {
                    "check": name,
                    "severity": check.severity,
                    "what": check.what,
                    "count": int(found.count),
                    "rows": int(found.rows),
                    "repair": check.repair or None,
                    "details": found.details,
                    "examples": found.examples,
                }
            )
        return made
