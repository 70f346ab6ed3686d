"""What a sweep found."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from hardmine.report.sweep import as_html, as_text
from hardmine.rules.selection import Selection


@dataclass(frozen=True, repr=False, eq=False)
class Sweep:
    """What `sweep` found, all of it JSON-able.

    Attributes
    ----------
    rows : list of dict
        One for each setting that serves, in the order of the grid. The keys are the same in all: a value that cannot
        be told is None.

        - ``index``, ``rule`` (its text), ``selection`` (what `Selection.from_dict` reads, ``on_shortage`` as given:
          in the sweep itself short rows stay short);
        - ``rows``, ``kept`` (negatives), ``short`` (rows with too few), ``short_share``; ``reasons``: candidates under
          each name of `REASONS`;
        - ``mean_score`` of the negatives; ``hardness``: the mean of s/p over the negatives whose p is above 0, and
          ``hardness_rows``, their rows; ``eci`` (below);
        - ``false_negative_rate``, ``false_negative_low``, ``false_negative_high``; ``exposure``, ``exposure_low``,
          ``exposure_high``: the share of hidden positives that are mined (under "hide-one"); ``hits``: hidden positives
          that were mined, ``queries_with_hits``; ``interval``: "bootstrap", or "upper bound" where hits, "lower bound"
          where misses, "both bounds" where either are in fewer than ten queries; ``no_estimate``: why there is none;
        - ``second``: None, or of the negatives ``overlap``, the share that the second run holds too,
          ``above_positive``, the share that the second teacher scores at least as high as the lowest of the query's
          positives, and ``undecided``, the share of which that cannot be told because the second run ends above it or
          was rescored without it (it is left out of ``above_positive``, which is None where nothing else is left);
        - ``on_frontier``: no other setting is at least as hard with at most as many false negatives.
    unfit : list of dict
        Settings that do not serve this run: ``rule`` and ``reason``.
    recommended : dict
        ``index`` of the row, or None; ``basis``: "estimate", "lowest upper bound", "default" or "none"; ``why``, in
        words; ``criterion``: what it was chosen by.
    estimate : dict
        What the estimate rests on: the protocol, ``queries_with_several_positives``, ``queries`` and ``trials`` that
        were looked at, ``is_sample``, the assumption, and ``why_none`` where there is none. ``labels_per_query``: how
        many labels the query of a label has, on average over the labels; ``caution``: what is known to be wrong with
        the estimate, in words, where they are few; else None.
    about : dict
        Numbers of the collection, teachers, ``num_negatives``, ``version``.

    Notes
    -----
    ECI, effective contrastive information, follows the abstract of arXiv 2603.20990 version 1: ``log(1 + n)`` times the
    harmonic mean of a signal magnitude and a safety. What the two are taken of is our choice: the mean s/p of a row,
    and 1 minus its largest s/p, cut to [0, 1] and averaged over rows. It is None where fewer than half of the rows have
    negatives and a positive score above 0.
    """

    rows: list[dict[str, Any]]
    unfit: list[dict[str, str]]
    recommended: dict[str, Any]
    estimate: dict[str, Any]
    about: dict[str, Any]

    @property
    def selection(self) -> Selection | None:
        """The recommended setting, ready for `mine` and `select`; None where none is."""
        index = self.recommended["index"]
        return None if index is None else Selection.from_dict(self.rows[index]["selection"])

    def to_dict(self) -> dict[str, Any]:
        """All of it as data for JSON, a copy."""
        names = ("about", "recommended", "estimate", "rows", "unfit")
        return {name: deepcopy(getattr(self, name)) for name in names}

    def summary(self) -> str:
        """A table of at most 100 columns, the recommendation and what it rests on."""
        return as_text(self.to_dict())

    def _repr_html_(self) -> str:
        return as_html(self.to_dict())

    def __repr__(self) -> str:
        return f"Sweep({len(self.rows)} settings)"
