"""What was mined, as pairs (a query, a positive, its negatives) and as chunks of rows."""

from __future__ import annotations

from collections.abc import Collection as Container
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hardmine.formats.arrow import compute, pa
from hardmine.formats.chunks import MOST_DOCUMENTS, MOST_ROWS, SIDES, Side, column, lists, of_columns
from hardmine.nouns.arrow import flat, holds
from hardmine.plumbing.ragged import offsets_of, ranges, rows_of

if TYPE_CHECKING:
    from hardmine.nouns.collection import Collection
    from hardmine.nouns.negatives import Negatives
    from hardmine.nouns.positives import Positives

_CHUNK = 4_096

_Int64 = npt.NDArray[np.int64]


class Pairs:
    """One entry per (query, positive) with the negatives of its row: what training rows are cut from.

    Attributes
    ----------
    row : int64 [n]
        Row of the negatives.
    is_last : bool [n]
        Whether this is the last positive of the row.
    query, positive : int64 [n]
        Numbers in the collection.
    positive_score : float32 (float64 of a chunk) [n]
        NaN where there is none.
    start, length : int64 [n]
        Where the negatives of the row begin among all negatives, and how many they are.
    """

    def __init__(self, negatives: Negatives, positives: Positives) -> None:
        per_query = negatives.positives < 0
        counts = np.where(per_query, np.diff(positives.offsets)[negatives.queries], 1)
        self.row: _Int64 = np.repeat(np.arange(len(negatives), dtype=np.int64), counts)
        within = np.arange(self.row.size) - np.repeat(np.cumsum(counts) - counts, counts)
        self.is_last = within == counts[self.row] - 1
        label = positives.offsets[negatives.queries[self.row]] + within
        single = ~per_query[self.row]
        label[single] = _label_of(negatives, positives, self.row[single])
        self.query: _Int64 = negatives.queries[self.row]
        self.positive: _Int64 = positives.ids[label]
        known = positives.scores if positives.scores is not None else np.full(positives.ids.size, np.nan, np.float32)
        self.positive_score: npt.NDArray[np.floating[Any]] = known[label]
        self.start: _Int64 = negatives.offsets[self.row]
        self.length: _Int64 = negatives.lengths[self.row]

    @classmethod
    def of_sides(cls, positives: Side, negatives: Side) -> Pairs:
        """The pairs of a chunk of rows; numbers are positions in it, those of negatives behind those of positives."""
        pairs = object.__new__(cls)
        counts, starts = positives.lengths, offsets_of(negatives.lengths)
        pairs.row = pairs.query = rows_of(offsets_of(counts))
        pairs.positive = np.arange(pairs.row.size, dtype=np.int64)
        pairs.is_last = np.diff(pairs.row, append=-1) != 0
        pairs.positive_score = positives.values("scores").to_numpy(zero_copy_only=False)
        pairs.start, pairs.length = starts[pairs.row], negatives.lengths[pairs.row]
        return pairs

    def take(self, keep: Any) -> Pairs:
        """Some of the pairs, chosen as NumPy chooses."""
        chosen = object.__new__(Pairs)
        for name, values in vars(self).items():
            setattr(chosen, name, values[keep])
        return chosen

    def chunks(self) -> Iterator[Pairs]:
        """All pairs, some thousand at a time; at least one chunk, so that an empty file has its columns."""
        for start in range(0, max(len(self), 1), _CHUNK):
            yield self.take(slice(start, start + _CHUNK))

    def members(self) -> _Int64:
        """Positions of the negatives of every pair among all negatives, pair after pair."""
        return ranges(self.start, self.length)

    def __len__(self) -> int:
        return int(self.row.size)


def _label_of(negatives: Negatives, positives: Positives, rows: _Int64) -> _Int64:
    """Position of the positive of each row among all labels."""
    queries = positives.query_of_each
    order = np.lexsort((positives.ids, queries))
    span = int(positives.ids.max(initial=0)) + 1
    keys = queries[order] * span + positives.ids[order]
    wanted = negatives.queries[rows] * span + negatives.positives[rows]
    found: _Int64 = order[np.searchsorted(keys, wanted)]
    return found


def check_scores(negatives: Negatives, pairs: Pairs) -> None:
    """Refuse to write scores of which some are unknown."""
    if np.isnan(negatives.scores).any() or np.isnan(pairs.positive_score).any():
        raise ValueError("scores: some are unknown (documents that filled a shortage), expected scores=False")


def shortest(scores: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    """Scores as the float64 numbers that print with the fewest digits."""
    return scores.astype("U32").astype(np.float64)


def chunks_of(
    collection: Collection, negatives: Negatives, pairs: Pairs, takes: Container[str]
) -> Iterator[tuple[Pairs, pa.Table]]:
    """What was mined as chunks of rows, one row for each of the negatives, with the pairs that each chunk holds.

    Parameters
    ----------
    collection, negatives : Collection, Negatives
    pairs : Pairs
        All pairs of the rows that are wanted.
    takes : container of str
        What is wanted of documents, among "ids", "titles", "texts" and "scores". Where titles are not, the texts begin
        with them; a collection without a single title has null for them.
    """
    firsts = np.flatnonzero(np.diff(pairs.row, prepend=-1))
    counts = np.diff(firsts, append=len(pairs))
    make = _Maker(collection, negatives, takes)
    bounds = np.append(firsts, len(pairs))
    for start, stop in _cuts(counts + pairs.length[firsts]):
        some = pairs.take(slice(int(bounds[start]), int(bounds[stop])))
        yield some, make(some, counts[start:stop])


def _cuts(documents: _Int64) -> Iterator[tuple[int, int]]:
    """Where chunks begin and end, by the documents of each row."""
    ends, start = offsets_of(documents), 0
    while start < documents.size:
        stop = int(np.searchsorted(ends, ends[start] + MOST_DOCUMENTS))
        stop = min(max(stop, start + 1), start + MOST_ROWS, documents.size)
        yield start, stop
        start = stop


def has_titles(collection: Collection) -> bool:
    """Whether any document has a title that is not empty."""
    longest = compute.max(compute.binary_length(collection.documents["title"])).as_py()
    return bool(longest)


class _Maker:
    """Columns of chunks from those of a collection."""

    def __init__(self, collection: Collection, negatives: Negatives, takes: Container[str]) -> None:
        self._negatives, self._takes = negatives, takes
        self._queries = collection.queries
        self._columns: dict[str, Any] = {}
        if "ids" in takes:
            self._columns["ids"] = flat(collection.documents["id"])
        if "texts" in takes:
            self._columns["texts"] = collection.document_texts
            if "titles" in takes and has_titles(collection):
                for kind in ("title", "text"):
                    self._columns[f"{kind}s"] = flat(collection.documents[kind])

    def __call__(self, pairs: Pairs, counts: _Int64) -> pa.Table:
        firsts = offsets_of(counts)[:-1]
        queries = self._queries.take(pa.array(pairs.query[firsts]))
        columns: dict[str, Any] = {"query_id": queries["id"]}
        if holds(queries, "text"):
            columns["query"] = queries["text"]
        lengths = pairs.length[firsts]
        members = ranges(pairs.start[firsts], lengths)
        found = (
            (pairs.positive, pairs.positive_score, counts),
            (self._negatives.ids[members], self._negatives.scores[members], lengths),
        )
        for side, (documents, scores, sizes) in zip(SIDES, found, strict=True):
            for kind, source in self._columns.items():
                columns[column(side, kind)] = lists(flat(source.take(pa.array(documents))), sizes)
            if "scores" in self._takes:
                numbers = shortest(scores)
                columns[column(side, "scores")] = lists(pa.array(numbers, mask=np.isnan(numbers)), sizes)
        return of_columns(columns, counts.size)
