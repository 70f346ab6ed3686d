"""Tables for knowledge distillation as PyLate and LightOn write them: rows of ids and scores, queries, documents.

The first document of a row is the positive. Without the tables of texts beside them, rows are read as ids alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hardmine.formats import fields
from hardmine.formats.arrow import compute, pa
from hardmine.formats.chunks import Documents, Record, Side, column, exploded, headed, lists, of_columns, tables
from hardmine.formats.corpora import CorpusTable, QueryTable, Strings, beside, found_beside, resolved
from hardmine.formats.id_rows import query_ids
from hardmine.formats.layouts import check_layout
from hardmine.formats.records import rows_of
from hardmine.formats.rows import Row, parquet_batches, unreadable
from hardmine.formats.tolerance import each, place
from hardmine.formats.training_rows import File, Options, RowWriter
from hardmine.plumbing.files import suffix
from hardmine.plumbing.ragged import offsets_of

_BATCH_ROWS = 64
"""Rows of a table that are looked at together; LightOn's have 2,048 documents each."""

_TABLES = {
    "queries": (("query_id",), ("text", "query")),
    "documents": (("document_id",), ("text", "document")),
}
"""Names of ids and texts; the first of each is written."""


def read_rows(path: Path, name: str) -> Iterator[pa.Table]:  # noqa: ARG001
    """Rows of a file, or of a folder that holds the three tables as files of these names or in folders of them."""
    rows, others = _files(path)
    texts = {part: Strings.read(file, *_TABLES[part]) for part, file in others.items()}
    for file in rows:
        check_layout(file, _Writer.layouts)
        found = _in_bulk(file) if suffix(file) == ".parquet" else tables(each(_record, rows_of(file)))
        yield from resolved(file, found, texts.get("documents"), texts.get("queries"))


def others_of(path: Path) -> Iterator[Path]:
    """The files that reading the rows opens too; of a folder, all that it opens."""
    rows, others = _files(path)
    yield from (*(rows if path.is_dir() else ()), *others.values())


def _files(path: Path) -> tuple[list[Path], dict[str, Path]]:
    """The files of the rows, and those of the texts that are there."""
    if not path.is_dir():
        beside_it = {part: found_beside(path, part) for part in _TABLES}
        return [path], {part: file for part, file in beside_it.items() if file is not None}
    found = {part: _inside(path, part) for part in ("train", *_TABLES)}
    if not found["train"]:
        raise FileNotFoundError(f"{path}: no train.parquet or train.jsonl, expected in a folder of such tables")
    for part in _TABLES:
        if len(found[part]) > 1:
            raise FileNotFoundError(f"{path / part}: {len(found[part])} files, expected one")
    return found["train"], {part: found[part][0] for part in _TABLES if found[part]}


def _inside(folder: Path, part: str) -> list[Path]:
    """The files of one table: one of its name, or all in a folder of its name."""
    candidates = [folder / f"{part}{layout}" for layout in (".parquet", ".jsonl", ".jsonl.gz", ".jsonl.zst")]
    plain = [path for path in candidates if path.is_file()]
    return plain[:1] or sorted(path for path in (folder / part).glob("*") if path.is_file() and path.name[0] != ".")


def _in_bulk(path: Path) -> Iterator[pa.Table]:
    """Rows of a parquet file, whose lists may be thousands long: no Python objects where they are what they should be.

    A batch that is something else is read row by row, which says what is wrong with it or unpacks its texts.
    """
    for batch in parquet_batches(path, None, _BATCH_ROWS):
        try:
            batch.rows.validate(full=True)
        except Exception as error:  # offsets that point outside, bytes that are no UTF-8
            raise unreadable(path, batch.before, error) from None
        made = _chunk(batch.rows)
        if made is not None:
            place(range(batch.before + 1, batch.before + 1 + len(batch.rows)))
            yield made
        else:
            found = enumerate(batch.rows.to_pylist(), start=batch.before + 1)
            yield from tables(each(_record, (Row(path, number, row, "row") for number, row in found)))


def _chunk(batch: pa.RecordBatch) -> pa.Table | None:
    """A batch as a chunk; None where it is not lists of ids and as many numbers, all there."""
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    names, ids, scores = (columns.get(name) for name in ("query_id", "document_ids", "scores"))
    if len(columns) != len(batch.columns) or names is None or ids is None or not _is_id(names.type) or names.null_count:
        return None
    if not _is_list(ids.type, _is_id) or ids.null_count or not len(batch):
        return None
    lengths = compute.list_value_length(ids).to_numpy().astype(np.int64)
    sides: dict[str, Any] = {"ids": ids.flatten().cast(pa.large_string())}
    if scores is not None:
        if not _is_list(scores.type, _is_number) or scores.null_count:
            return None
        if (compute.list_value_length(scores).to_numpy() != lengths).any():
            return None
        sides["scores"] = scores.flatten().cast(pa.float64())
    if sides["ids"].null_count or lengths.min() < 1 or compute.any(compute.equal(sides["ids"], "")).as_py():
        return None
    is_first = np.zeros(int(lengths.sum()), dtype=bool)
    is_first[offsets_of(lengths)[:-1]] = True
    found: dict[str, Any] = {"query_id": names.cast(pa.large_string())}
    for kind, values in sides.items():
        found[column("positive", kind)] = lists(values.filter(pa.array(is_first)), np.ones_like(lengths))
        found[column("negative", kind)] = lists(values.filter(pa.array(~is_first)), lengths - 1)
    return of_columns(found, len(batch))


def _is_id(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _is_list(kind: pa.DataType, holds: Callable[[pa.DataType], bool]) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind)) and holds(kind.value_type)


def _record(row: Row) -> Record:
    name, ids = fields.list_of(fields.spelled(row, "document_ids"), ("document_ids",), "ids", needed=True)
    documents = fields.identifiers(row, name, ids or [])
    if "" in documents:
        raise row.error(f"{name}[{documents.index('')}]", "empty", "an id")
    scores = fields.numbers(fields.spelled(row, "scores"), "scores", len(documents), "document_ids")
    return Record(
        row.identifier(("query_id",)),
        None,
        Documents(documents[:1], scores=scores and scores[:1]),
        Documents(documents[1:], scores=scores and scores[1:]),
        row.number,
    )


def row_writer(name: str, options: Options) -> RowWriter:
    """A writer of the three tables."""
    return _Writer(name, options)


class _Writer(RowWriter):
    """Scores are what these tables are for: they are always written."""

    takes = frozenset({"ids", "texts"})
    per_positive = True
    parts = ("train", *_TABLES)

    def __init__(self, name: str, options: Options) -> None:
        super().__init__(name, options._replace(scores=True))
        self._documents, self._queries = CorpusTable("document_id", "text"), QueryTable("query_id", "text")

    def files(self, path: Path) -> list[File]:
        return [File(path), *(File(beside(path, part)) for part in _TABLES)]

    def tables(self, chunk: pa.Table) -> list[pa.Table]:
        each = exploded(chunk)
        positives, negatives = Side(each, "positive"), Side(each, "negative")
        columns: dict[str, Any] = {
            "query_id": query_ids(each),
            "document_ids": headed(positives, negatives, lambda side: side.ids()),
            "scores": headed(positives, negatives, lambda side: side.values("scores")),
        }
        return [pa.table(columns), self._queries(chunk), self._documents(chunk)]
