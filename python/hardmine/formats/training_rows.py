"""What every writer of training rows needs: pairs, files that are whole or absent, and where each row comes from.

A writer decides which pairs it keeps, how many rows each gives and how a chunk of pairs is cut into a table; `write`
does the rest.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from hardmine.nouns.lists import REASONS
from hardmine.plumbing.extras import need
from hardmine.plumbing.files import atomic_writes, check_target
from hardmine.plumbing.progress import Progress, Reporting
from hardmine.plumbing.ragged import offsets_of, ranges

if TYPE_CHECKING:
    import pyarrow as pa

    from hardmine.nouns.collection import Collection
    from hardmine.nouns.negatives import Negatives
    from hardmine.nouns.positives import Positives

_SUFFIXES = (".jsonl", ".parquet")
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
    positive_score : float32 [n]
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
        self.positive_score: npt.NDArray[np.float32] = known[label]
        self.start: _Int64 = negatives.offsets[self.row]
        self.length: _Int64 = negatives.lengths[self.row]

    def take(self, keep: Any) -> Pairs:
        """Some of the pairs, chosen as NumPy chooses."""
        chosen = object.__new__(Pairs)
        for name, column in vars(self).items():
            setattr(chosen, name, column[keep])
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


def check_output(path: Path, *, provenance: bool) -> None:
    """Raise what `write` would raise for this path, before any work is done."""
    if path.suffix.lower() not in _SUFFIXES:
        raise ValueError(f"{path}: suffix {path.suffix!r}, expected {' or '.join(_SUFFIXES)}")
    for target in (path, provenance_path(path)) if provenance else (path,):
        check_target(target)
    if path.suffix.lower() == ".parquet":
        need("pyarrow.parquet", what="writing parquet", extra="mine")


def check_scores(negatives: Negatives, pairs: Pairs) -> None:
    """Refuse to write scores of which some are unknown."""
    if np.isnan(negatives.scores).any() or np.isnan(pairs.positive_score).any():
        raise ValueError("scores: some are unknown (documents that filled a shortage), expected scores=False")


def provenance_path(path: Path) -> Path:
    """Name of the side file of a training file."""
    return path.with_name(f"{path.stem}.provenance{path.suffix}")


def write(
    path: Path,
    pairs: Pairs,
    kept: npt.NDArray[np.bool_],
    rows_of_each: _Int64,
    cut: Callable[[Pairs], pa.Table],
    *,
    collection: Collection,
    negatives: Negatives,
    provenance: bool,
    progress: Reporting,
) -> dict[str, int]:
    """Write training rows and the side file that says where they come from, both whole or not at all.

    Parameters
    ----------
    path : Path
        jsonl or parquet by its suffix.
    pairs : Pairs
        All that were mined.
    kept : bool [n]
        Pairs that give rows.
    rows_of_each : int64 [n]
        How many rows each pair gives where it is kept.
    cut : callable
        Gives the rows of some pairs as a table; the schema is always the same.
    collection, negatives : Collection, Negatives
        For the side file.
    provenance : bool
        Whether to write it. A side file of an earlier write is removed where no new one is: it is about other rows.
    progress : bool or callable
        As in `hardmine.Mined.write`.

    Returns
    -------
    dict
        ``rows`` written; ``pairs`` of (query, positive) that were mined, ``dropped_pairs`` of them without a row.
    """
    side_path, suffix = provenance_path(path), path.suffix.lower()
    paths, wrong = ([path, side_path], []) if provenance else ([path], [side_path])
    counts = np.where(kept, rows_of_each, 0)
    total = int(counts.sum()) + len(pairs) * provenance
    with Progress(f"writing rows of {path.name}", total, progress) as bar, atomic_writes(paths, removed=wrong) as files:
        rows = _put(files[0], suffix, (cut(some) for some in pairs.take(kept).chunks()), bar)
        if provenance:
            first_rows = np.where(kept, np.cumsum(counts) - counts, -1)
            _put(files[1], suffix, _provenance(collection, negatives, pairs, first_rows), bar)
    return {"rows": rows, "pairs": len(pairs), "dropped_pairs": int((~kept).sum())}


def lists(values: pa.Array, lengths: _Int64) -> pa.LargeListArray:
    """Values cut into lists of these lengths."""
    pa = need("pyarrow", what="writing training rows", extra="mine")
    return pa.LargeListArray.from_arrays(pa.array(offsets_of(lengths)), values)


def shortest(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """float32 scores as the float64 numbers that print with the fewest digits."""
    return scores.astype("U32").astype(np.float64)


def _provenance(collection: Collection, negatives: Negatives, pairs: Pairs, first_rows: _Int64) -> Iterator[pa.Table]:
    """One row per (query, positive) that was mined, also where it gave no training row."""
    pa = need("pyarrow", what="writing training rows", extra="mine")
    query_ids = collection.queries["id"].combine_chunks()
    document_ids = collection.documents["id"].combine_chunks()
    several = negatives.sources is not None
    teachers = [_teacher_of(run) for run in (negatives.metadata["runs"] if several else [negatives.metadata])]
    done = 0
    for some in pairs.chunks():
        members = some.members()
        scores, scored = shortest(negatives.scores[members]), shortest(some.positive_score)
        reasons = [pa.array(negatives.reasons[name][some.row]) for name in REASONS]
        by = {}
        if negatives.sources is not None:
            by["negative_teachers"] = lists(pa.array(teachers).take(pa.array(negatives.sources[members])), some.length)
        yield pa.table(
            {
                "query_id": query_ids.take(pa.array(some.query)),
                "positive_id": document_ids.take(pa.array(some.positive)),
                "positive_score": pa.array(scored, mask=np.isnan(scored)),
                "negative_ids": lists(document_ids.take(pa.array(negatives.ids[members])), some.length),
                "negative_scores": lists(pa.array(scores, mask=np.isnan(scores)), some.length),
                "negative_ranks": lists(pa.array(negatives.ranks[members]), some.length),
                **by,
                "teacher": pa.repeat(", ".join(teachers), len(some)),
                "num_found": pa.array(some.length),
                "output_row": pa.array(first_rows[done : done + len(some)]),
                "drop_reasons": pa.StructArray.from_arrays(reasons, list(REASONS)),
            }
        )
        done += len(some)


def _teacher_of(metadata: Mapping[str, Any]) -> str:
    return str(metadata.get("candidates", {}).get("teacher", ""))


def _without_infinities(table: pa.Table) -> pa.Table:
    """The table with nulls for infinite scores, which JSON has no word for."""
    pa = need("pyarrow", what="writing training rows", extra="mine")
    for number, field in enumerate(table.schema):
        column = table.column(number).combine_chunks()
        column = column.chunk(0) if isinstance(column, pa.ChunkedArray) and column.num_chunks else column
        values = column.values if pa.types.is_large_list(field.type) else column
        if not pa.types.is_floating(values.type):
            continue
        numbers = values.to_numpy(zero_copy_only=False)
        infinite = np.isinf(numbers)
        if infinite.any():
            values = pa.array(numbers, mask=infinite | np.isnan(numbers))
            is_list = pa.types.is_large_list(field.type)
            column = pa.LargeListArray.from_arrays(column.offsets, values) if is_list else values
            table = table.set_column(number, field.name, column)
    return table


def _put(file: BinaryIO, suffix: str, tables: Iterator[pa.Table], bar: Progress) -> int:
    """Write tables of one schema; equal tables give equal bytes (nothing in either layout carries a time)."""
    rows = 0
    if suffix == ".jsonl":
        encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
        for table in tables:
            rows += table.num_rows
            text = "".join(encode(row) + "\n" for row in _without_infinities(table).to_pylist())
            file.write(text.encode())
            bar.update(table.num_rows)
        return rows
    parquet = need("pyarrow.parquet", what="writing parquet", extra="mine")
    with contextlib.ExitStack() as closing:  # also after an error: an open writer would write to a closed file later
        writer = None
        for table in tables:
            rows += table.num_rows
            writer = writer or closing.enter_context(parquet.ParquetWriter(file, table.schema, compression="snappy"))
            writer.write_table(table)
            bar.update(table.num_rows)
    return rows
