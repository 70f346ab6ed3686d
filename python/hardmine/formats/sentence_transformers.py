"""Training files that sentence-transformers reads, in its four shapes, and a side file that says where rows come from.

The columns are those of ``sentence_transformers.util.mine_hard_negatives`` (6.x); losses read them in order.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hardmine.nouns.lists import REASONS
from hardmine.plumbing.extras import need
from hardmine.plumbing.files import atomic_write

if TYPE_CHECKING:
    import pyarrow as pa

    from hardmine.nouns.collection import Collection
    from hardmine.nouns.negatives import Negatives
    from hardmine.nouns.positives import Positives

SHAPES = ("triplet", "n-tuple", "labeled-pair", "labeled-list")
_SUFFIXES = (".jsonl", ".parquet")
_CHUNK = 4_096

_Int64 = npt.NDArray[np.int64]


class _Pairs:
    """One entry per (query, positive) with the negatives of its row: what the shapes are cut from."""

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
        self.positive_score: npt.NDArray[np.float32] = known[label]
        self.start: _Int64 = negatives.offsets[self.row]
        self.length: _Int64 = negatives.lengths[self.row]

    def take(self, keep: Any) -> _Pairs:
        chosen = object.__new__(_Pairs)
        for name, column in vars(self).items():
            setattr(chosen, name, column[keep])
        return chosen

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


def check_output(path: Path) -> None:
    """Raise what `write` would raise for this path, before any work is done."""
    if path.suffix not in _SUFFIXES:
        raise ValueError(f"{path}: suffix {path.suffix!r}, expected {' or '.join(_SUFFIXES)}")
    if path.is_dir():
        raise IsADirectoryError(f"{path}: a folder, expected a file to write")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: the folder {path.parent} does not exist")
    if path.suffix == ".parquet":
        need("pyarrow.parquet", what="writing parquet", extra="mine")


def provenance_path(path: Path) -> Path:
    """Name of the side file of a training file."""
    return path.with_name(f"{path.stem}.provenance{path.suffix}")


def write(
    path: Path,
    shape: str,
    *,
    collection: Collection,
    negatives: Negatives,
    positives: Positives,
    scores: bool,
    provenance: bool,
) -> dict[str, int]:
    """Write the rows, whole or not at all.

    Returns
    -------
    dict
        ``rows`` written; ``pairs`` of (query, positive) that were mined, ``dropped_pairs`` of them without a row.
    """
    pairs = _Pairs(negatives, positives)
    if scores and (np.isnan(negatives.scores).any() or np.isnan(pairs.positive_score).any()):
        raise ValueError("scores: some are unknown (documents that filled a shortage), expected scores=False")
    wanted = int(negatives.metadata["num_negatives"])
    kept = pairs.length >= wanted if shape == "n-tuple" else pairs.length >= (shape == "triplet")
    cut = _Cut(collection, negatives, wanted, scores=scores)
    chunks = {
        "n-tuple": cut.n_tuple,
        "triplet": cut.triplet,
        "labeled-pair": cut.labeled_pair,
        "labeled-list": cut.labeled_list,
    }[shape]
    chosen = pairs.take(kept)
    with contextlib.ExitStack() as files:
        if provenance:
            side = files.enter_context(atomic_write(provenance_path(path)))
            first_rows = _first_rows(shape, pairs, kept)
            _put(side, path.suffix, _provenance(collection, negatives, pairs, first_rows))
        file = files.enter_context(atomic_write(path))
        rows = _put(file, path.suffix, _each_chunk(chosen, chunks))
    return {"rows": rows, "pairs": len(pairs), "dropped_pairs": int((~kept).sum())}


def _each_chunk(pairs: _Pairs, cut: Callable[[_Pairs], pa.Table]) -> Iterator[pa.Table]:
    for start in range(0, max(len(pairs), 1), _CHUNK):
        yield cut(pairs.take(slice(start, start + _CHUNK)))


def _rows_of(shape: str, pairs: _Pairs) -> _Int64:
    """Training rows of every pair, were it kept."""
    if shape == "triplet":
        return pairs.length
    if shape == "labeled-pair":
        return 1 + np.where(pairs.is_last, pairs.length, 0)
    return np.ones(len(pairs), dtype=np.int64)


def _first_rows(shape: str, pairs: _Pairs, kept: npt.NDArray[np.bool_]) -> _Int64:
    """First training row of every pair, -1 for none."""
    counts = np.where(kept, _rows_of(shape, pairs), 0)
    return np.where(kept, np.cumsum(counts) - counts, -1)


class _Cut:
    """The four shapes as Arrow tables, a chunk of pairs at a time."""

    def __init__(self, collection: Collection, negatives: Negatives, num_negatives: int, *, scores: bool) -> None:
        self._pa = need("pyarrow", what="writing training rows", extra="mine")
        self._negatives, self._n, self._scores = negatives, num_negatives, scores
        self._queries, self._documents = collection.query_texts, collection.document_texts
        self._anchor, self._positive = collection.column_names

    def _heads(self, pairs: _Pairs) -> dict[str, Any]:
        anchors = self._queries.take(self._pa.array(pairs.query))
        return {self._anchor: anchors, self._positive: self._documents.take(self._pa.array(pairs.positive))}

    def _texts(self, ids: _Int64) -> Any:
        return self._documents.take(self._pa.array(ids))

    def _lists(self, values: Any, lengths: _Int64) -> Any:
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return self._pa.LargeListArray.from_arrays(self._pa.array(offsets), values)

    def _score_lists(self, pairs: _Pairs, members: _Int64, lengths: _Int64) -> Any:
        """[positive, its negatives ...] per entry; `members` are positions among the negatives."""
        found = _with_head(pairs.positive_score, self._negatives.scores[members], lengths)
        return self._lists(self._pa.array(_shortest(found)), lengths + 1)

    def n_tuple(self, pairs: _Pairs) -> pa.Table:
        members = pairs.start[:, None] + np.arange(self._n)
        columns = self._heads(pairs)
        for number in range(self._n):
            columns[f"negative_{number + 1}"] = self._texts(self._negatives.ids[members[:, number]])
        if self._scores:
            columns["scores"] = self._score_lists(pairs, members.reshape(-1), np.full(len(pairs), self._n))
        return self._pa.table(columns)

    def triplet(self, pairs: _Pairs) -> pa.Table:
        members = _ranges(pairs.start, pairs.length)
        each = pairs.take(np.repeat(np.arange(len(pairs)), pairs.length))
        columns = self._heads(each)
        columns["negative"] = self._texts(self._negatives.ids[members])
        if self._scores:
            columns["scores"] = self._score_lists(each, members, np.ones(len(each), dtype=np.int64))
        return self._pa.table(columns)

    def labeled_list(self, pairs: _Pairs) -> pa.Table:
        members = _ranges(pairs.start, pairs.length)
        ids = _with_head(pairs.positive, self._negatives.ids[members], pairs.length)
        anchors = self._queries.take(self._pa.array(pairs.query))
        columns = {self._anchor: anchors, self._positive: self._lists(self._texts(ids), pairs.length + 1)}
        if self._scores:
            columns["scores"] = self._score_lists(pairs, members, pairs.length)
        else:
            labels = _with_head(np.ones(len(pairs), np.int64), np.zeros(members.size, np.int64), pairs.length)
            columns["labels"] = self._lists(self._pa.array(labels), pairs.length + 1)
        return self._pa.table(columns)

    def labeled_pair(self, pairs: _Pairs) -> pa.Table:
        """Every positive of a query, then its negatives once."""
        counts = _rows_of("labeled-pair", pairs)
        members = _ranges(pairs.start, counts - 1)
        columns = {
            self._anchor: self._queries.take(self._pa.array(np.repeat(pairs.query, counts))),
            self._positive: self._texts(_with_head(pairs.positive, self._negatives.ids[members], counts - 1)),
        }
        if self._scores:
            found = _with_head(pairs.positive_score, self._negatives.scores[members], counts - 1)
            columns["score"] = self._pa.array(_shortest(found))
        else:
            labels = _with_head(np.ones(len(pairs), np.int64), np.zeros(members.size, np.int64), counts - 1)
            columns["label"] = self._pa.array(labels)
        return self._pa.table(columns)


def _provenance(collection: Collection, negatives: Negatives, pairs: _Pairs, first_rows: _Int64) -> Iterator[pa.Table]:
    """One row per (query, positive) that was mined, also where it gave no training row."""
    pa = need("pyarrow", what="writing training rows", extra="mine")
    query_ids = collection.queries["id"].combine_chunks()
    document_ids = collection.documents["id"].combine_chunks()
    several = negatives.sources is not None
    teachers = [_teacher_of(run) for run in (negatives.metadata["runs"] if several else [negatives.metadata])]
    for start in range(0, max(len(pairs), 1), _CHUNK):
        some = pairs.take(slice(start, start + _CHUNK))
        members = _ranges(some.start, some.length)
        offsets = pa.array(np.concatenate([[0], np.cumsum(some.length)]).astype(np.int64))
        scores = _shortest(negatives.scores[members])
        scored = _shortest(some.positive_score)

        def lists(values: Any, offsets: Any = offsets) -> Any:
            return pa.LargeListArray.from_arrays(offsets, values)

        reasons = [pa.array(negatives.reasons[name][some.row]) for name in REASONS]
        given_by = pa.array(negatives.sources[members]) if negatives.sources is not None else None
        by = {"negative_teachers": lists(pa.array(teachers).take(given_by))} if several else {}
        yield pa.table(
            {
                "query_id": query_ids.take(pa.array(some.query)),
                "positive_id": document_ids.take(pa.array(some.positive)),
                "positive_score": pa.array(scored, mask=np.isnan(scored)),
                "negative_ids": lists(document_ids.take(pa.array(negatives.ids[members]))),
                "negative_scores": lists(pa.array(scores, mask=np.isnan(scores))),
                "negative_ranks": lists(pa.array(negatives.ranks[members])),
                **by,
                "teacher": pa.array([", ".join(teachers)] * len(some), pa.string()),
                "num_found": pa.array(some.length),
                "output_row": pa.array(first_rows[start : start + _CHUNK]),
                "drop_reasons": pa.StructArray.from_arrays(reasons, list(REASONS)),
            }
        )


def _teacher_of(metadata: Mapping[str, Any]) -> str:
    return str(metadata.get("candidates", {}).get("teacher", ""))


def _put(file: Any, suffix: str, tables: Iterator[pa.Table]) -> int:
    """Write tables of one schema; equal tables give equal bytes (nothing in either layout carries a time)."""
    rows = 0
    if suffix == ".jsonl":
        encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
        for table in tables:
            rows += table.num_rows
            text = "".join(encode(row) + "\n" for row in table.to_pylist())
            file.write(text.encode())
        return rows
    parquet = need("pyarrow.parquet", what="writing parquet", extra="mine")
    with contextlib.ExitStack() as closing:  # also after an error: an open writer would write to a closed file later
        writer = None
        for table in tables:
            rows += table.num_rows
            writer = writer or closing.enter_context(parquet.ParquetWriter(file, table.schema, compression="snappy"))
            writer.write_table(table)
    return rows


def _ranges(starts: _Int64, lengths: _Int64) -> _Int64:
    """start, start + 1 ... of every range, one after the other."""
    ends = np.cumsum(lengths)
    found: _Int64 = np.arange(int(lengths.sum()), dtype=np.int64) + np.repeat(starts - (ends - lengths), lengths)
    return found


def _with_head(heads: npt.NDArray[Any], tails: npt.NDArray[Any], lengths: _Int64) -> npt.NDArray[Any]:
    """[head, its tails ...] of every entry, one after the other."""
    result = np.empty(heads.size + tails.size, dtype=heads.dtype)
    at = np.cumsum(lengths + 1) - (lengths + 1)
    is_head = np.zeros(result.size, dtype=bool)
    is_head[at] = True
    result[is_head] = heads
    result[~is_head] = tails
    return result


def _shortest(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """float32 scores as the float64 numbers that print with the fewest digits."""
    return scores.astype("U32").astype(np.float64)
