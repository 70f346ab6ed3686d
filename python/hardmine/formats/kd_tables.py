"""Tables of scores for distillation, as PyLate reads them and LightOn publishes them: a row for each query.

Columns ``query_id``, ``document_ids`` (a list) and ``scores`` (a list of the same length); lists are sometimes stored
as text. The first document is a positive; a query with several has a row for each. https://lightonai.github.io/pylate/documentation/training/
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hardmine.formats import fields
from hardmine.formats.errors import FormatError
from hardmine.formats.rows import Row, kind, shorten
from hardmine.formats.run_parts import Asked, Facts, Names, candidates
from hardmine.formats.table_runs import as_codes, batches, encoded
from hardmine.nouns import arrow
from hardmine.plumbing.extras import need
from hardmine.plumbing.files import atomic_write, check_target, suffix
from hardmine.plumbing.ragged import offsets_of, rows_of, with_heads

if TYPE_CHECKING:
    import pyarrow as pa

    from hardmine.nouns.candidates import Candidates
    from hardmine.nouns.collection import Collection

_QUERY, _DOCUMENTS, _SCORES = ("query_id",), "document_ids", "scores"
_COLUMNS = {*_QUERY, _DOCUMENTS, _SCORES}
_QUERIES = 512
"""Rows that are looked at together: with 2,048 documents each, a million candidates."""


def read_run(path: Path, *, format: str, asked: Asked) -> Candidates:  # noqa: A002
    """Read a table of scores, some hundred queries at a time.

    Notes
    -----
    Without a collection the first document of each row is a positive of its query, with its score. Rows of one query
    may share documents, each with one score; a query whose list is empty has no candidates.
    """

    def tables() -> Iterable[pa.Table]:
        first = 1
        for table in _tables(path):
            for start in range(0, table.num_rows, _QUERIES):
                part = table.slice(start, _QUERIES)
                yield _flat(path, part, first)
                first += part.num_rows

    return candidates(path, tables, asked, format=format, facts=Facts(first_is_positive=True), unit="row")


def _tables(path: Path) -> Iterator[pa.Table]:
    if suffix(path) != ".jsonl":
        layout = "arrow" if suffix(path) in (".arrow", ".feather") else "parquet"
        yield from batches(path, layout, _COLUMNS.__contains__, _QUERIES)
        return
    from hardmine.formats.rows import json_rows

    pa = need("pyarrow", what="reading runs", extra="mine")
    schema = pa.schema(
        [("query_id", pa.string()), (_DOCUMENTS, pa.list_(pa.string())), (_SCORES, pa.list_(pa.float64()))]
    )
    waiting: list[dict[str, Any]] = []
    for row in json_rows(path):
        waiting.append({"query_id": row.identifier(_QUERY), **_lists(row)})
        if len(waiting) >= _QUERIES:
            yield pa.Table.from_pylist(waiting, schema)
            waiting = []
    if waiting:
        yield pa.Table.from_pylist(waiting, schema)


def _lists(row: Row) -> dict[str, list[Any]]:
    """The ids and the scores of a record, whether they are lists or texts that spell such."""
    return {_DOCUMENTS: _values(row, _DOCUMENTS), _SCORES: _values(row, _SCORES)}


def _values(row: Row, name: str) -> list[Any]:
    row = fields.spelled(row, name)
    values = row.fields.get(name)
    if not isinstance(values, list):
        raise row.error(name, kind(values), "a list")
    if name == _DOCUMENTS:
        return fields.identifiers(row, name, values)
    numbers = [fields.number(row, f"{name}[{place}]", value) for place, value in enumerate(values)]
    return [math.nan if number is None else number for number in numbers]  # refused with those that are none


def _flat(path: Path, table: pa.Table, first: int) -> pa.Table:
    """One row for each candidate of some queries."""
    pa = need("pyarrow", what="reading runs", extra="mine")
    for name in (_DOCUMENTS, _SCORES):
        if name not in table.column_names:
            raise FormatError(path, f"missing; found {', '.join(table.column_names)}", "a list", field=name)
    queries = as_codes(path, table, _QUERY, first)
    lengths, documents = _list(path, table, _DOCUMENTS, first)
    score_lengths, scores = _list(path, table, _SCORES, first)
    if (lengths != score_lengths).any():
        at = int((lengths != score_lengths).argmax())
        came = f"{int(score_lengths[at])} scores"
        raise FormatError(
            path, came, f"{int(lengths[at])}, one for each document", line=first + at, field=_SCORES, unit="row"
        )
    rows = rows_of(offsets_of(lengths))
    numbers = _numbers(path, scores, rows, first)
    return pa.table(
        {
            "query": queries.take(pa.array(rows)),
            "document": encoded(path, documents, _DOCUMENTS, lambda at: int(rows[at]) + first),
            "score": pa.array(numbers),
            "is_first": pa.array(np.diff(rows, prepend=-1) != 0),
            "line": pa.array(rows + first),
        }
    )


def _list(path: Path, table: pa.Table, name: str, first: int) -> tuple[Any, Any]:
    """Lengths and values of a column of lists, or of texts that spell lists."""
    pa = need("pyarrow", what="reading runs", extra="mine")
    compute = need("pyarrow.compute", what="reading runs", extra="mine")
    column = arrow.flat(table[name])
    if column.null_count:
        at = int(column.is_null().to_numpy(zero_copy_only=False).argmax())
        raise FormatError(path, "null", "a list", line=first + at, field=name, unit="row")
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        texts = enumerate(column.to_pylist(), start=first)
        found = [_values(Row(path, number, {name: text}, "row"), name) for number, text in texts]
        column = pa.array(found, pa.list_(pa.string() if name == _DOCUMENTS else pa.float64()))
    if not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type)):
        raise FormatError(path, f"{column.type}", "lists", field=name)
    values = column.flatten()
    if pa.types.is_null(values.type) and not len(values):
        values = values.cast(pa.string() if name == _DOCUMENTS else pa.float64())
    return compute.list_value_length(column).to_numpy().astype(np.int64), values


def _numbers(path: Path, values: Any, rows: Any, first: int) -> Any:
    """Scores as float64, none of them NaN."""
    pa = need("pyarrow", what="reading runs", extra="mine")
    if pa.types.is_null(values.type):
        values = values.cast(pa.float64())
    try:
        numbers = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise FormatError(path, f"{shorten(error)}", "lists of numbers", field=_SCORES) from None
    if np.isnan(numbers).any():
        row = int(rows[int(np.isnan(numbers).argmax())])
        raise FormatError(path, "nan or null", "a number", line=first + row, field=_SCORES, unit="row")
    return numbers


def write_run(path: Path, run: Candidates, *, format: str, collection: Collection | None) -> None:  # noqa: A002, ARG001
    """Write a table of scores, the positive first where its score is known; queries without candidates are left out."""
    from hardmine.formats.layouts import check_layout, sink

    pa = need("pyarrow", what="writing runs", extra="mine")
    check_target(path)
    check_layout(path, (".parquet", ".jsonl"))
    names = Names(run, collection)
    if suffix(path) == ".jsonl" and not np.isfinite(run.scores).all():
        raise FormatError(path, "an infinite score", "finite ones, or .parquet: JSON has no word for it", field=_SCORES)
    with atomic_write(path) as file, sink(file, path) as put:
        for start in range(0, max(len(run), 1), _QUERIES):
            rows = np.arange(start, min(start + _QUERIES, len(run)))
            rows = rows[run.lengths[rows] > 0]
            offsets, ids, scores = _with_positives(run.take(rows))
            put(
                pa.table(
                    {
                        "query_id": names.of("query", rows),
                        "document_ids": pa.LargeListArray.from_arrays(offsets, names.of("document", ids)),
                        "scores": pa.LargeListArray.from_arrays(offsets, pa.array(scores.astype("U32").astype(float))),
                    }
                )
            )


def _with_positives(run: Candidates) -> tuple[Any, Any, Any]:
    """Lists that begin with the first positive of their query, where the run knows the scores of positives."""
    known = run.positives
    if known is None or known.scores is None or (np.diff(known.offsets) == 0).any():
        return run.offsets, run.ids, run.scores
    heads = known.offsets[:-1]
    others = run.ids != np.repeat(known.ids[heads], run.lengths)
    lengths = np.bincount(run.row_of_each[others], minlength=len(run))
    ids = with_heads(known.ids[heads], run.ids[others], lengths)
    return offsets_of(lengths + 1), ids, with_heads(known.scores[heads], run.scores[others], lengths)
