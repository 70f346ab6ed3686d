"""Candidate lists of several teachers into one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

import hardmine._native as _native
from hardmine.nouns.candidates import Candidates
from hardmine.nouns.strings import StringTable
from hardmine.plumbing import checks
from hardmine.plumbing.float_mode import in_default_mode
from hardmine.plumbing.threads import thread_count
from hardmine.primitives.runs import MOST_SOURCES, several_lists

__all__ = ["METHODS", "fuse"]

METHODS = ("rrf", "round_robin", "vote", "zscore", "union")
"""How `fuse` makes one score of a document's places in several lists."""


def fuse(
    runs: Iterable[Candidates],
    *,
    method: str = "rrf",
    k: int | None = None,
    weights: Sequence[float] | None = None,
    rrf_constant: float = 60.0,
    min_votes: int = 1,
    num_threads: int | None = None,
) -> Candidates:
    """Fuse the candidate lists of several teachers over the same queries and documents.

    Scores of different teachers do not compare. Ranks do, and so do scores in units of their own spread. A ceiling
    belongs before the fusion, each under its own teacher: a fused score has no positive to be measured against.

    Parameters
    ----------
    runs : iterable of Candidates
        One per teacher, with the same queries in the same order.
    method : {"rrf", "round_robin", "vote", "zscore", "union"}
        - "rrf": sum of ``weight / (rrf_constant + rank)``, rank from 1 (Cormack et al., SIGIR 2009).
        - "round_robin": the first of each list in turn, then the second; a document already taken gives way to the
          next of its list. The score is 1 / place.
        - "vote": in how many lists the document is; weighted reciprocal ranks, as a fraction below one, settle ties.
        - "zscore": weighted mean of the scores in standard deviations of the query's list; a list that lacks the
          document counts as its lowest. Scores must be finite.
        - "union": every document once; the score is 1 / best rank.
    k : int, optional
        Documents kept per query; all by default.
    weights : sequence of float, optional
        One per run, not negative, not all zero; 1 each by default. "round_robin" and "union" have no use for them.
    rrf_constant : float
        How slowly reciprocal ranks fall; at least 0.
    min_votes : int
        Documents in fewer lists are left out.
    num_threads : int, optional
        As everywhere.

    Returns
    -------
    Candidates
        Best first, equal scores by index; scores are summed in float64 in the order of the runs, then rounded once to
        float32. ``sources`` holds the number of the run that ranks each document best, the first among equals (under
        "round_robin": the run whose turn took it). The same bytes for any number of threads.

    Raises
    ------
    TypeError, ValueError
        No runs; not Candidates; runs of different queries or with different names; a setting out of range.

    Examples
    --------
    >>> import hardmine as hm
    >>> bm25 = hm.Candidates([0, 3], [7, 5, 9], [21.0, 20.5, 3.0])
    >>> dense = hm.Candidates([0, 3], [5, 3, 7], [0.9, 0.8, 0.7])
    >>> hm.fuse([bm25, dense])[0].ids.tolist()
    [5, 7, 3, 9]
    >>> hm.fuse([bm25, dense], method="vote", min_votes=2)[0].ids.tolist()
    [5, 7]
    """
    given = several_lists(runs, most=MOST_SOURCES)
    method = checks.choice("method", method, METHODS)
    shares = _weights(weights, len(given))
    limit = 2**63 - 1 if k is None else checks.integer("k", k)
    constant = checks.real("rrf_constant", rrf_constant, minimum=0.0)
    votes = checks.integer("min_votes", min_votes, minimum=1)
    if method == "zscore":
        for number, run in enumerate(given):
            if not np.isfinite(run.scores).all():
                at = int(np.isfinite(run.scores).argmin())
                raise ValueError(f"runs[{number}]: score {run.scores[at]} at position {at}, zscore needs finite scores")
    columns: list[_native.FuseRun] = [
        {"lists": (run.offsets, run.ids), "scores": run.scores, "weight": weight}
        for run, weight in zip(given, shares, strict=True)
    ]
    fused = _native.fuse(columns, method, constant, votes, limit, thread_count(num_threads))
    return Candidates(
        fused["offsets"],
        fused["ids"],
        fused["scores"],
        sources=fused["sources"],
        query_ids=_shared_names(given, "query_ids"),
        document_ids=_shared_names(given, "document_ids"),
        metadata={"fused": method, "weights": shares, "runs": [dict(run.metadata) for run in given]},
    )


@in_default_mode
def _weights(weights: Any, length: int) -> list[float]:
    if weights is None:
        return [1.0] * length
    shares = [checks.real(f"weights[{number}]", weight, minimum=0.0) for number, weight in enumerate(weights)]
    if len(shares) != length:
        raise ValueError(f"weights: {len(shares)}, expected {length} (one per run)")
    if not any(shares):
        raise ValueError("weights: all 0, expected one above 0")
    return shares


def _shared_names(runs: list[Candidates], name: str) -> StringTable | None:
    """The names that runs carry; those without are taken to speak of the same things."""
    tables: dict[int, StringTable] = {
        number: getattr(run, name) for number, run in enumerate(runs) if getattr(run, name) is not None
    }
    if not tables:
        return None
    first, table = next(iter(tables.items()))
    for number, other in tables.items():
        if other != table:
            raise ValueError(f"runs[{number}]: other {name} than runs[{first}], expected runs over the same collection")
    return table
