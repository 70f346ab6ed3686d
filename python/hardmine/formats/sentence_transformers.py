"""Training files that sentence-transformers reads, in its four shapes.

The columns are those of ``sentence_transformers.util.mine_hard_negatives`` (6.x); losses read them in order.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hardmine.formats import training_rows
from hardmine.formats.training_rows import Pairs, lists, shortest
from hardmine.plumbing import checks
from hardmine.plumbing.extras import need
from hardmine.plumbing.progress import Reporting
from hardmine.plumbing.ragged import ranges, with_heads

if TYPE_CHECKING:
    import pyarrow as pa

    from hardmine.nouns.collection import Collection
    from hardmine.nouns.negatives import Negatives
    from hardmine.nouns.positives import Positives

_Int64 = npt.NDArray[np.int64]


def check_output(path: Path, shape: str, *, provenance: bool, num_negatives: int | None) -> None:
    """Raise what `write` would raise for this path and number of negatives, before any work is done."""
    if shape == "n-tuple" and num_negatives is not None:
        checks.n_tuple(num_negatives)
    training_rows.check_output(path, provenance=provenance)


def write(
    path: Path,
    shape: str,
    *,
    collection: Collection,
    negatives: Negatives,
    positives: Positives,
    scores: bool,
    provenance: bool,
    progress: Reporting,
) -> dict[str, int]:
    """Write the rows; see `hardmine.formats.training_rows.write`."""
    pairs = Pairs(negatives, positives)
    if scores:
        training_rows.check_scores(negatives, pairs)
    wanted = int(negatives.metadata["num_negatives"])
    _refuse_clash(collection.column_names, shape, wanted, scores=scores)
    cut = _Cut(collection, negatives, wanted, scores=scores)
    shapes = {
        "n-tuple": cut.n_tuple,
        "triplet": cut.triplet,
        "labeled-pair": cut.labeled_pair,
        "labeled-list": cut.labeled_list,
    }
    return training_rows.write(
        path,
        pairs,
        pairs.length >= {"n-tuple": wanted, "triplet": 1}.get(shape, 0),
        {"triplet": pairs.length, "labeled-pair": _labeled(pairs)}.get(shape, np.ones(len(pairs), dtype=np.int64)),
        shapes[shape],
        collection=collection,
        negatives=negatives,
        provenance=provenance,
        progress=progress,
    )


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


def _labeled(pairs: Pairs) -> _Int64:
    """Rows of every pair of the shape labeled-pair: the negatives of a query come once, after its last positive."""
    return 1 + np.where(pairs.is_last, pairs.length, 0)


class _Cut:
    """The four shapes as Arrow tables, a chunk of pairs at a time."""

    def __init__(self, collection: Collection, negatives: Negatives, num_negatives: int, *, scores: bool) -> None:
        self._pa = need("pyarrow", what="writing training rows", extra="mine")
        self._negatives, self._n, self._scores = negatives, num_negatives, scores
        self._queries, self._documents = collection.query_texts, collection.document_texts
        self._anchor, self._positive = collection.column_names

    def _anchors(self, queries: _Int64) -> Any:
        return self._queries.take(self._pa.array(queries))

    def _texts(self, ids: _Int64) -> Any:
        return self._documents.take(self._pa.array(ids))

    def _heads(self, pairs: Pairs) -> dict[str, Any]:
        return {self._anchor: self._anchors(pairs.query), self._positive: self._texts(pairs.positive)}

    def _targets(self, pairs: Pairs, members: _Int64, lengths: _Int64) -> npt.NDArray[Any]:
        """Scores, or else labels, of [positive, its negatives ...] per pair, end to end."""
        if self._scores:
            return shortest(with_heads(pairs.positive_score, self._negatives.scores[members], lengths))
        return with_heads(np.ones(len(pairs), np.int64), np.zeros(members.size, np.int64), lengths)

    def _score_lists(self, pairs: Pairs, members: _Int64, lengths: _Int64) -> dict[str, Any]:
        if not self._scores:
            return {}
        return {"scores": lists(self._pa.array(self._targets(pairs, members, lengths)), lengths + 1)}

    def n_tuple(self, pairs: Pairs) -> pa.Table:
        members = pairs.start[:, None] + np.arange(self._n)
        columns = self._heads(pairs)
        for number in range(self._n):
            columns[f"negative_{number + 1}"] = self._texts(self._negatives.ids[members[:, number]])
        columns |= self._score_lists(pairs, members.reshape(-1), np.full(len(pairs), self._n))
        return self._pa.table(columns)

    def triplet(self, pairs: Pairs) -> pa.Table:
        members = pairs.members()
        each = pairs.take(np.repeat(np.arange(len(pairs)), pairs.length))
        columns = self._heads(each)
        columns["negative"] = self._texts(self._negatives.ids[members])
        columns |= self._score_lists(each, members, np.ones(len(each), dtype=np.int64))
        return self._pa.table(columns)

    def labeled_list(self, pairs: Pairs) -> pa.Table:
        members = pairs.members()
        texts = self._texts(with_heads(pairs.positive, self._negatives.ids[members], pairs.length))
        targets = self._pa.array(self._targets(pairs, members, pairs.length))
        columns = {
            self._anchor: self._anchors(pairs.query),
            self._positive: lists(texts, pairs.length + 1),
            "scores" if self._scores else "labels": lists(targets, pairs.length + 1),
        }
        return self._pa.table(columns)

    def labeled_pair(self, pairs: Pairs) -> pa.Table:
        counts = _labeled(pairs)
        members = ranges(pairs.start, counts - 1)
        columns = {
            self._anchor: self._anchors(np.repeat(pairs.query, counts)),
            self._positive: self._texts(with_heads(pairs.positive, self._negatives.ids[members], counts - 1)),
            "score" if self._scores else "label": self._pa.array(self._targets(pairs, members, counts - 1)),
        }
        return self._pa.table(columns)
