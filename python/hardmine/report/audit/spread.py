"""Formats in which several records are one row: whether the records of each row of a file follow each other."""

from __future__ import annotations

import numpy as np

from hardmine.report.audit.across import Lengths
from hardmine.report.audit.findings import Findings
from hardmine.report.audit.seen import FirstSeen, Keys, mixed
from hardmine.report.audit.view import View

SPREAD = ("sentence-transformers:triplet", "sentence-transformers:labeled-pair", "arctic")
"""Formats in which records that follow each other are one row."""

_BY_POSITIVE = "sentence-transformers:triplet"
"""The one of them that needs the positive to be the same too."""
_NOT_JUDGED = ("no_negative", "unequal_negatives", "score_order")
"""Checks that say something only of records that stand together."""


class Spread:
    """What is found in one file, kept back until its end tells whether its rows are whole.

    In a format that spreads a row over records, a file that somebody shuffled has parts of rows: a negative here, its
    positive elsewhere. That is nothing wrong with it, as trainers read such files record by record.

    Parameters
    ----------
    format : str

    Attributes
    ----------
    findings : Findings
        Takes what is found inside rows.
    lengths : Lengths
        Takes how many negatives rows have.
    is_scattered : bool
        Whether records of one row were met in several places.
    """

    def __init__(self, format: str) -> None:  # noqa: A002
        self._format = format
        self._seen = FirstSeen()
        self._scattered = Findings()
        self.findings, self.lengths = Findings(), Lengths()

    def add(self, view: View) -> None:
        """Look at which rows a chunk holds, after all chunks of the file before it."""
        keys = self._keys(view)
        again = np.zeros(view.num_rows, bool)
        known = keys != 0
        again[known] = self._seen.add(keys[known], view.places[known])[1]
        self._scattered.rows("scattered_rows", view, again)

    def _keys(self, view: View) -> Keys:
        """What the records of a row have in common; 0 where it is not known."""
        queries: Keys = np.where(view.query.is_known, view.query.exact, view.query_id_keys)
        if self._format != _BY_POSITIVE:
            return queries
        positives = np.zeros(view.num_rows, np.uint64)
        positives[view.positives.rows] = view.positives.exact  # each has one
        return np.where(queries == 0, queries, mixed(queries) + positives)

    @property
    def is_scattered(self) -> bool:
        """Whether a row was met twice."""
        return bool(self._scattered.counts())

    def end(self, findings: Findings, lengths: Lengths) -> None:
        """Add what was found in the file to what was found in all."""
        left_out = {"no_positive"}
        if self.is_scattered:
            left_out.update(_NOT_JUDGED)
            findings.take(self._scattered)
            findings.describe("scattered_rows", not_judged=", ".join(("lone_negatives", *_NOT_JUDGED)))
        else:
            findings.take(self.findings, only=("no_positive",), name="lone_negatives")
            lengths.take(self.lengths)
        findings.take(self.findings, left_out=left_out)
