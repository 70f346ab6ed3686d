"""What a scan, or a judge, took out of a run without listing it: what fills a row may be some of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from hardmine.nouns.candidates import Candidates
from hardmine.nouns.positives import Positives
from hardmine.plumbing import ragged

LIMITS = ("above_ceiling", "below_floor", "nan")
"""Reasons of documents that nobody can name again."""
GUARDED = (*LIMITS, "excluded", "positive", "duplicate_text")

_Int64 = npt.NDArray[np.int64]
_Csr = tuple[_Int64, _Int64]


def unlisted(
    candidates: Candidates, positives: Positives, exclude: _Csr | None, *, has_groups: bool, rows: _Int64
) -> dict[str, _Int64]:
    """How many documents of each query are out of the run, for each reason, and not named by a selection's arguments.

    Parameters
    ----------
    candidates : Candidates
    positives, exclude : Positives, (offsets, ids) or None
        What the selection is given: it fills with none of these. Those that stand in a list are not what left it.
    has_groups : bool
        Whether it is given groups of texts, which name the copies of positives.
    rows : int64 [n]
        Queries to look at; the others count as 0.

    Returns
    -------
    dict of str to int64 [num_queries]
        By the names of `GUARDED` that the run counts; 0 where a selection may fill.
    """
    reasons = candidates.reasons or {}
    none = np.zeros(len(candidates), np.int64)
    left = {
        name: np.where(np.isin(np.arange(none.size), rows), reasons[name], 0) for name in GUARDED if name in reasons
    }
    positive, excluded = left.get("positive", none), left.get("excluded", none)
    copies = none if has_groups else left.get("duplicate_text", none)
    if "excluded" in left:
        left["excluded"] = _surplus(candidates, excluded, [exclude])
        if _is_judged(candidates.metadata):  # a query without a list may be one that was dropped for its labels
            left["excluded"] = np.where(candidates.lengths == 0, excluded, left["excluded"])
    if "positive" in left:
        left["positive"] = _surplus(
            candidates, np.where(positive > 0, positive + excluded, 0), [_of(positives), exclude]
        )
    if "duplicate_text" in left:
        left["duplicate_text"] = _surplus(
            candidates, np.where(copies > 0, positive + excluded + copies, 0), [_of(positives), exclude]
        )
    return left


def _is_judged(metadata: Mapping[str, Any]) -> bool:
    before = metadata.get("rescored_from")
    return "judged" in metadata or (isinstance(before, Mapping) and _is_judged(before))


def _of(positives: Positives) -> _Csr:
    return positives.offsets, positives.ids


def _surplus(candidates: Candidates, removed: _Int64, named: list[_Csr | None]) -> _Int64:
    """By how many the removed documents of each query are more than the named ones that are not in its list."""
    rows = np.flatnonzero(removed)
    if not rows.size:
        return removed
    lists: list[_Csr] = [(candidates.offsets, candidates.ids), *(each for each in named if each is not None)]
    size = 1 + max(int(ids.max(initial=-1)) for _, ids in lists)
    listed, *others = (_codes(each, rows, size) for each in lists)
    names = np.setdiff1d(np.concatenate([np.empty(0, np.int64), *others]), listed)
    surplus = removed.copy()
    surplus[rows] -= np.bincount(names // max(size, 1), minlength=rows.size)
    return np.maximum(surplus, 0)


def _codes(lists: _Csr, rows: _Int64, size: int) -> _Int64:
    """A number for each (place in `rows`, document)."""
    offsets, ids = lists
    lengths = np.diff(offsets)[rows]
    return np.repeat(np.arange(rows.size), lengths) * size + ids[ragged.ranges(offsets[:-1][rows], lengths)]


def refuse_unlisted(
    missing: Mapping[str, _Int64], queries: _Int64, offsets: _Int64, filled: npt.NDArray[np.bool_]
) -> None:
    """Raise where a filled row may have got back what left its list, see `unlisted`.

    Parameters
    ----------
    missing : mapping of str to int64 [num_queries]
    queries, offsets, filled : int64 [n], int64 [n + 1], bool
        Rows of negatives, and which of these were drawn to fill them.
    """
    if not missing or not filled.any():
        return
    queries = np.unique(np.repeat(queries, np.diff(offsets))[filled])
    for name in GUARDED:
        count = missing.get(name)
        if count is not None and count[queries].any():
            query = int(queries[count[queries].argmax()])
            way_out = _WAY_OUT.get(name, "retrieve without limits")
            raise ValueError(
                f"on_shortage: 'fill' could bring back the {int(count[query])} documents that left the list of query "
                f"{query} as {name} without being named; {way_out}, or use 'keep' or 'drop'"
            )


_WAY_OUT = {
    "positive": "give the positives that it was made with",
    "excluded": "name them all in exclude (what a judge took out is judged.exclude; a list that it emptied stays so)",
    "duplicate_text": "give document_groups",
}
