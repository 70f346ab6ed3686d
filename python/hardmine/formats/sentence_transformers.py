"""Training files that sentence-transformers reads, in its four shapes.

The columns are those of ``sentence_transformers.util.mine_hard_negatives`` (6.x); losses read them in order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hardmine.formats.arrow import pa
from hardmine.formats.chunks import Side, lists
from hardmine.formats.layouts import FLAT
from hardmine.formats.mined_pairs import Pairs, shortest
from hardmine.formats.sentence_transformers_rows import read_rows
from hardmine.formats.training_rows import Options, RowWriter
from hardmine.nouns.arrow import flat
from hardmine.plumbing import checks
from hardmine.plumbing.ragged import offsets_of, ranges, rows_of, with_heads

if TYPE_CHECKING:
    from hardmine.nouns.collection import Collection
    from hardmine.nouns.negatives import Negatives

__all__ = ["read_rows", "row_writer"]

_Int64 = npt.NDArray[np.int64]
_Bools = npt.NDArray[np.bool_]


def row_writer(name: str, options: Options) -> RowWriter:
    """A writer of one shape."""
    return _Writer(name, options)


class _Writer(RowWriter):
    """Rows of one shape.

    What was mined is cut pair by pair straight from the texts of the collection, which saves a copy of them; chunks
    that come from elsewhere are cut by the same code from their own.
    """

    layouts = (".jsonl", ".parquet", *FLAT)

    def __init__(self, name: str, options: Options) -> None:
        super().__init__(name, options)
        shape = name.partition(":")[2]
        wanted = options.num_negatives
        if shape == "n-tuple" and wanted is not None:
            checks.n_tuple(wanted)
        self._shape, self._names, self._wanted = shape, options.names, wanted
        self._parts = options.parts and shape == "labeled-pair"
        self.fewest = {"triplet": 1, "n-tuple": wanted or 0}.get(shape, 0)
        _refuse_clash(options.names, shape, wanted or 0, scores=options.scores)
        if shape == "labeled-list" or (options.scores and shape != "labeled-pair"):
            self.layouts = (".jsonl", ".parquet")  # the others have no lists

    def start(self, chunk: pa.Table) -> None:
        if self._shape == "n-tuple" and self._wanted is None:
            self._wanted = self.fewest = int(Side(chunk, "negative").lengths.max(initial=1))
            _refuse_clash(self._names, self._shape, self._wanted, scores=self.scores)

    def _rows_of_pairs(self, pairs: Pairs) -> _Int64:
        if self._shape == "triplet":
            return pairs.length
        return _labeled(pairs) if self._shape == "labeled-pair" else np.ones(len(pairs), dtype=np.int64)

    def kept_pairs(self, pairs: Pairs) -> tuple[_Bools, _Int64, int]:
        kept = pairs.length >= self.fewest
        counts = np.where(kept, self._rows_of_pairs(pairs), 0)
        return kept, np.where(kept, np.cumsum(counts) - counts, -1), int(counts.sum())

    def of_mined(self, collection: Collection, negatives: Negatives, pairs: Pairs) -> Iterator[list[pa.Table]]:
        cut = self._cut(collection.query_texts, collection.document_texts, negatives.ids, negatives.scores)
        for some in pairs.chunks():
            yield [cut(some)]

    def kept(self, positives: _Int64, negatives: _Int64) -> _Bools:
        return positives + negatives > 0 if self._parts else super().kept(positives, negatives)

    def tables(self, chunk: pa.Table) -> list[pa.Table]:
        positives, negatives = Side(chunk, "positive"), Side(chunk, "negative")
        texts = pa.concat_arrays([positives.texts(), negatives.texts()])
        ids = len(positives) + np.arange(len(negatives), dtype=np.int64)
        if self._parts:
            return [_documents(chunk, positives, negatives, texts, self._names, scores=self.scores)]
        scores = negatives.values("scores").to_numpy(zero_copy_only=False)
        return [self._cut(flat(chunk["query"]), texts, ids, scores)(Pairs.of_sides(positives, negatives))]

    def _cut(self, queries: Any, documents: Any, ids: _Int64, scores: npt.NDArray[np.floating[Any]]) -> Any:
        cut = _Cut(queries, documents, ids, scores if self.scores else None, self._names, self._wanted or 0)
        return {
            "n-tuple": cut.n_tuple,
            "triplet": cut.triplet,
            "labeled-pair": cut.labeled_pair,
            "labeled-list": cut.labeled_list,
        }[self._shape]


def _refuse_clash(names: tuple[str, str], shape: str, num_negatives: int, *, scores: bool) -> None:
    """Raise where the query or the positive is called as a column of the shape is: one would take the other's place."""
    own = {
        "n-tuple": ["scores"] * scores,
        "triplet": ["scores"] * scores + ["negative"],
        "labeled-pair": ["score" if scores else "label"],
        "labeled-list": ["scores" if scores else "labels"],
    }[shape]
    if shape == "n-tuple":
        own += [f"negative_{number + 1}" for number in range(num_negatives)]
    taken = [name for name in names if name in own]
    if taken:
        raise ValueError(f"column_names: {taken[0]!r}, expected another than that of a column of the shape {shape}")


def _documents(
    chunk: pa.Table, positives: Side, negatives: Side, texts: Any, names: tuple[str, str], *, scores: bool
) -> pa.Table:
    """Labeled pairs of rows that may lack a positive: those of `_Cut.labeled_pair` where none does."""
    rows = np.concatenate([rows_of(offsets_of(side.lengths)) for side in (positives, negatives)])
    order = np.argsort(rows, kind="stable")
    columns = {names[0]: flat(chunk["query"]).take(pa.array(rows[order])), names[1]: texts.take(pa.array(order))}
    if scores:
        known = [side.values("scores").to_numpy(zero_copy_only=False) for side in (positives, negatives)]
        columns["score"] = pa.array(shortest(np.concatenate(known)[order]))
    else:
        columns["label"] = pa.array((order < len(positives)).astype(np.int64))
    return pa.table(columns)


def _labeled(pairs: Pairs) -> _Int64:
    """Rows of every pair of the shape labeled-pair: the negatives of a query come once, after its last positive."""
    return 1 + np.where(pairs.is_last, pairs.length, 0)


class _Cut:
    """The four shapes as Arrow tables, a chunk of pairs at a time.

    Parameters
    ----------
    queries, documents : arrays of strings
        What the numbers of pairs are numbers of.
    ids, scores : int64 [n], floats [n] or None
        Documents of the negatives to which the pairs point, and their scores where they are wanted.
    names : (str, str)
        Columns of the query and the positive.
    num_negatives : int
        Of an n-tuple.
    """

    def __init__(
        self,
        queries: Any,
        documents: Any,
        ids: _Int64,
        scores: npt.NDArray[np.floating[Any]] | None,
        names: tuple[str, str],
        num_negatives: int,
    ) -> None:
        self._ids, self._n, self._scores = ids, num_negatives, scores
        self._queries, self._documents = queries, documents
        self._anchor, self._positive = names

    def _anchors(self, queries: _Int64) -> Any:
        return self._queries.take(pa.array(queries))

    def _texts(self, ids: _Int64) -> Any:
        return self._documents.take(pa.array(ids))

    def _heads(self, pairs: Pairs) -> dict[str, Any]:
        return {self._anchor: self._anchors(pairs.query), self._positive: self._texts(pairs.positive)}

    def _targets(self, pairs: Pairs, members: _Int64, lengths: _Int64) -> npt.NDArray[Any]:
        """Scores, or else labels, of [positive, its negatives ...] per pair, end to end."""
        if self._scores is not None:
            return shortest(with_heads(pairs.positive_score, self._scores[members], lengths))
        return with_heads(np.ones(len(pairs), np.int64), np.zeros(members.size, np.int64), lengths)

    def _score_lists(self, pairs: Pairs, members: _Int64, lengths: _Int64) -> dict[str, Any]:
        if self._scores is None:
            return {}
        return {"scores": lists(pa.array(self._targets(pairs, members, lengths)), lengths + 1)}

    def n_tuple(self, pairs: Pairs) -> pa.Table:
        members = pairs.start[:, None] + np.arange(self._n)
        columns = self._heads(pairs)
        for number in range(self._n):
            columns[f"negative_{number + 1}"] = self._texts(self._ids[members[:, number]])
        columns |= self._score_lists(pairs, members.reshape(-1), np.full(len(pairs), self._n))
        return pa.table(columns)

    def triplet(self, pairs: Pairs) -> pa.Table:
        members = pairs.members()
        each = pairs.take(np.repeat(np.arange(len(pairs)), pairs.length))
        columns = self._heads(each)
        columns["negative"] = self._texts(self._ids[members])
        columns |= self._score_lists(each, members, np.ones(len(each), dtype=np.int64))
        return pa.table(columns)

    def labeled_list(self, pairs: Pairs) -> pa.Table:
        members = pairs.members()
        texts = self._texts(with_heads(pairs.positive, self._ids[members], pairs.length))
        targets = pa.array(self._targets(pairs, members, pairs.length))
        columns = {
            self._anchor: self._anchors(pairs.query),
            self._positive: lists(texts, pairs.length + 1),
            "scores" if self._scores is not None else "labels": lists(targets, pairs.length + 1),
        }
        return pa.table(columns)

    def labeled_pair(self, pairs: Pairs) -> pa.Table:
        counts = _labeled(pairs)
        members = ranges(pairs.start, counts - 1)
        columns = {
            self._anchor: self._anchors(np.repeat(pairs.query, counts)),
            self._positive: self._texts(with_heads(pairs.positive, self._ids[members], counts - 1)),
            "score" if self._scores is not None else "label": pa.array(self._targets(pairs, members, counts - 1)),
        }
        return pa.table(columns)
