"""What is wrong between rows: repeated ones, ids with two texts, documents that come everywhere, counts that differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hardmine.formats.arrow import compute
from hardmine.report.audit.findings import EXAMPLES, Findings
from hardmine.report.audit.seen import FirstSeen, Keys, Often, among, mixed, summed
from hardmine.report.audit.view import Documents, Example, View, place_of
from hardmine.report.audit.within import wrong_negatives

_Bools = npt.NDArray[np.bool_]

_HUB_ROWS = 20
"""A document that comes in fewer rows is no hub, however few rows there are."""
_COUNTED = 65_536
"""Documents whose rows are counted at a time."""
_QUERY, _POSITIVE, _NEGATIVE = 11, 12, 13
"""Salts of keys."""


class Across:
    """What is remembered of all rows: at most 56 bytes a row, 16 a positive, 16 a document with an id.

    Parameters
    ----------
    hub_share : float
        A document that is a negative of this share of the rows is a hub.
    files : sequence of str
        Names of all files.
    """

    def __init__(self, hub_share: float, files: Sequence[str]) -> None:
        self._share, self._files = hub_share, files
        self.num_rows = 0
        self._rows, self._queries, self._query_ids, self._document_ids = (FirstSeen() for _ in range(4))
        self._repeated: list[Keys] = []
        self._pairs: list[tuple[Keys, Keys]] = []
        self._often = Often(_COUNTED)
        self._hubs: dict[int, Example] = {}
        self.lengths = Lengths()
        self._ids, self._scores = _Gaps("missing_id"), _Gaps("missing_score")

    @property
    def nbytes(self) -> int:
        """Bytes that are remembered."""
        seen = (self._rows, self._queries, self._query_ids, self._document_ids)
        lists = [*self._repeated, *(keys for pair in self._pairs for keys in pair)]
        return sum(each.nbytes for each in seen) + sum(keys.nbytes for keys in lists)

    def add(self, view: View, findings: Findings) -> None:
        """Look at a chunk of rows, after all before it."""
        self.num_rows += view.num_rows
        first, again = self._rows.add(row_keys(view), view.places)

        def before(row: int) -> str:
            file, line = place_of(int(first[row]))
            return f"the same as {view.unit} {line:,} of {self._files[file]}"

        findings.rows("duplicate_row", view, again, before)
        self._look_at_queries(view, findings)
        self._look_at_documents(view, findings)
        self._look_at_gaps(view, findings)
        self._count_hubs(view)

    def _look_at_queries(self, view: View, findings: Findings) -> None:
        has_key, ids = view.query_keys != 0, view.query_id_keys
        at = np.flatnonzero(has_key)
        at = at[np.argsort(ids[at] == 0, kind="stable")]  # an empty id is not the first that a query has
        keys = view.query_keys[at]
        first, again = self._queries.add(keys, ids[at])
        self._repeated.append(np.unique(keys[again]))
        flags = np.zeros(view.num_rows, bool)
        flags[at] = (first != ids[at]) & (first != 0) & (ids[at] != 0)
        findings.queries("query_text_with_two_ids", view, flags)
        both = (ids != 0) & view.query.is_known
        flags = np.zeros(view.num_rows, bool)
        flags[both] = self._query_ids.add(ids[both], view.query.exact[both])[0] != view.query.exact[both]
        findings.queries("query_id_with_two_texts", view, flags)
        pairs = pair_keys(view, view.positives)
        known = pairs != 0
        self._pairs.append((view.query_keys[view.positives.rows[known]], pairs[known]))

    def _look_at_documents(self, view: View, findings: Findings) -> None:
        known = [(side.ids >= 0) & side.text.is_known for side in view.sides]
        ids = np.concatenate([side.id_keys[there] for side, there in zip(view.sides, known, strict=True)])
        texts = np.concatenate([side.text.exact[there] for side, there in zip(view.sides, known, strict=True)])
        differs = self._document_ids.add(ids, texts)[0] != texts
        flags = [np.zeros(len(side), bool) for side in view.sides]
        for each, there, found in zip(flags, known, np.split(differs, [int(known[0].sum())]), strict=True):
            each[there] = found
        findings.anywhere("document_id_with_two_texts", view, flags)

    def _look_at_gaps(self, view: View, findings: Findings) -> None:
        """Ids and scores that are missing: only the end tells whether others of the kind have one."""
        positives, negatives = view.sides
        ids = {"query": view.has_query_id, "positive": positives.has_id, "negative": negatives.has_id}
        self._ids.add(view, ids)
        self._scores.add(view, {"positive": positives.has_score, "negative": negatives.has_score})
        empty = [_is_empty(side.id_strings) for side in view.sides]
        findings.anywhere("empty_id", view, empty, _is_empty(view.query_id_strings))

    def _count_hubs(self, view: View) -> None:
        negatives = view.negatives
        keys = negatives.keys
        order = np.lexsort((keys, negatives.rows))
        is_new = (np.diff(keys[order], prepend=np.uint64(0)) != 0) | (np.diff(negatives.rows[order], prepend=-1) != 0)
        at = order[is_new & (keys[order] != 0)]
        self._often.add(keys[at])
        hubs = self._often.at_least(self._hub_rows)
        kept = set(hubs.tolist())
        self._hubs = {key: place for key, place in self._hubs.items() if key in kept}
        here = at[among(keys[at], hubs)]
        for key, first in zip(*(part.tolist() for part in np.unique(keys[here], return_index=True)), strict=True):
            if key not in self._hubs:
                self._hubs[key] = view.document_place(negatives, int(here[first]))

    @property
    def _hub_rows(self) -> float:
        return max(self._share * self.num_rows, _HUB_ROWS)

    def report(self, findings: Findings) -> None:
        """Find what only the end tells."""
        self._ids.report(findings)
        self._scores.report(findings)
        hubs = self._often.at_least(self._hub_rows)
        counts = {key: int(self._often.counts[np.searchsorted(self._often.keys, key)]) for key in hubs}
        ranked = sorted(counts, key=lambda key: (-counts[key], self._hubs[int(key)]["shown"]))

        def hub(number: int) -> Example:
            place = self._hubs[int(ranked[number])]
            return {**place, "shown": f"in {counts[ranked[number]]:,} of {self.num_rows:,} rows: {place['shown']}"}

        most = max(counts.values(), default=0)
        findings.add("hub_negative", len(ranked), most, hub)
        self.lengths.report(findings)

    def positives_of_several_rows(self, *, is_scattered: bool) -> Keys:
        """Keys of the (query, positive) of queries that have several rows with different positives, sorted.

        Where records of a row are scattered, a row need not hold the positive that others have: those of all queries
        that have several rows.
        """
        repeated = np.unique(np.concatenate([np.empty(0, np.uint64), *self._repeated]))
        found = []
        for queries, pairs in self._pairs:
            kept = among(queries, repeated)
            found.append((queries[kept], pairs[kept]))
        if not any(queries.size for queries, _ in found):
            return np.empty(0, np.uint64)
        queries, pairs = (np.concatenate(part) for part in zip(*found, strict=True))
        pairs, first = np.unique(pairs, return_index=True)
        queries = queries[first]
        _, number, count = np.unique(queries, return_inverse=True, return_counts=True)
        if is_scattered:
            return pairs
        several: Keys = pairs[count[number] > 1]
        return several


class Lengths:
    """How many negatives rows have; those without any have a finding of their own."""

    def __init__(self) -> None:
        self._counts: dict[int, tuple[int, list[Example]]] = {}

    def add(self, view: View) -> None:
        """Count the rows of a chunk."""
        lengths, firsts, counts = np.unique(view.negatives.lengths, return_index=True, return_counts=True)
        for length, first, count in zip(lengths.tolist(), firsts.tolist(), counts.tolist(), strict=True):
            examples: list[Example] = []
            if length and len(self._counts.get(length, (0, []))[1]) < EXAMPLES:
                at = np.flatnonzero(view.negatives.lengths == length) if count > 1 else np.array([first])
                examples = [view.row_place(int(row), f"{length:,} negatives") for row in at[:EXAMPLES]]
            self._add(length, count, examples)

    def take(self, others: Lengths) -> None:
        """Add what others have counted."""
        for length, (count, examples) in others._counts.items():
            self._add(length, count, examples)

    def _add(self, length: int, count: int, examples: list[Example]) -> None:
        before, known = self._counts.get(length, (0, []))
        self._counts[length] = (before + count, (known + examples)[:EXAMPLES])

    def report(self, findings: Findings) -> None:
        """Find the rows with another number than most."""
        rest = {length: found for length, found in self._counts.items() if length}
        if len(rest) > 1:
            usual = max(rest, key=lambda length: (rest[length][0], length))
            others = {length: found for length, found in sorted(rest.items()) if length != usual}
            examples = [example for _, found in others.values() for example in found]
            count = sum(count for count, _ in others.values())
            findings.add("unequal_negatives", count, count, examples.__getitem__, usual=usual)


class _Gaps:
    """Places where something is missing, of queries, positives and negatives, and whether others of the kind have it.

    Parameters
    ----------
    name : str
        The check.
    """

    _KINDS = ("query", "positive", "negative")

    def __init__(self, name: str) -> None:
        self._name = name
        self._known: set[str] = set()
        self._findings = {kind: Findings() for kind in self._KINDS}
        self._rows = np.zeros(8, np.int64)  # rows by which of the three they miss, as bits

    def add(self, view: View, has: dict[str, _Bools]) -> None:
        """Look at a chunk of rows; `has` says what is there."""
        missing = np.zeros(view.num_rows, np.int64)
        for bit, kind in enumerate(self._KINDS):
            if kind not in has:
                continue
            if has[kind].any():
                self._known.add(kind)
            if kind == "query":
                self._findings[kind].queries(self._name, view, ~has[kind])
                missing |= ~has[kind]
            else:
                side = view.positives if kind == "positive" else view.negatives
                self._findings[kind].documents(self._name, view, side, ~has[kind])
                missing[side.rows[~has[kind]]] |= 1 << bit
        self._rows += np.bincount(missing, minlength=8)

    def report(self, findings: Findings) -> None:
        """Find what is missing where others have it."""
        known = [kind for kind in self._KINDS if kind in self._known]
        bits = sum(1 << self._KINDS.index(kind) for kind in known)
        rows = int(self._rows[np.arange(8) & bits != 0].sum())
        counts = [self._findings[kind].counts().get(self._name, 0) for kind in known]
        examples = [example for kind in known for example in self._findings[kind].examples(self._name)]
        findings.add(self._name, sum(counts), rows, examples.__getitem__)


def row_keys(view: View) -> Keys:
    """A key for what each row holds, whatever the order of its documents."""
    query = np.where(view.query.is_known, view.query.exact, view.query_id_keys)
    keys = mixed(query, _QUERY)
    for side, salt in zip(view.sides, (_POSITIVE, _NEGATIVE), strict=True):
        keys = keys + summed(mixed(side.exact, salt), side.offsets)
    return keys


def pair_keys(view: View, side: Documents) -> Keys:
    """A key for each document with the query of its row; 0 where one of the two is not known."""
    queries = view.query_keys[side.rows]
    keys: Keys = np.where((queries != 0) & (side.keys != 0), mixed(mixed(queries, _QUERY) + side.keys), np.uint64(0))
    return keys


def other_positives(view: View, others: Keys) -> _Bools:
    """Negatives that are a positive of the same query in another row, and that no check of their own row is about.

    Parameters
    ----------
    view : View
    others : uint64
        What `Across.positives_of_several_rows` gave.
    """
    pairs = pair_keys(view, view.negatives)
    flags = among(pairs, others) & (pairs != 0)
    found: _Bools = flags & ~np.any(list(wrong_negatives(view).values()), axis=0) if flags.any() else flags
    return found


def _is_empty(strings: Any) -> _Bools:
    found: _Bools = compute.fill_null(compute.equal(strings, ""), False).to_numpy(zero_copy_only=False)  # noqa: FBT003
    return found
