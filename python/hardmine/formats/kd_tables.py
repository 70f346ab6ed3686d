"""Tables of scores for distillation, as PyLate reads them and LightOn publishes them: a row for each query.

Columns ``query_id``, ``document_ids`` (a list) and ``scores`` (a list of the same length); lists are sometimes stored
as text. The first document is a positive; a query with several has a row for each. https://lightonai.github.io/pylate/documentation/training/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from hardmine.formats import fields
from hardmine.formats.errors import FormatError
from hardmine.formats.mined_pairs import shortest
from hardmine.formats.rows import Row, kind
from hardmine.formats.run_parts import Asked, Facts, candidates
from hardmine.formats.run_tables import Names
from hardmine.formats.table_runs import as_codes, as_scores, batches, encoded
from hardmine.nouns import arrow
from hardmine.plumbing.extras import need
from hardmine.plumbing.files import atomic_write, check_target, suffix
from hardmine.plumbing.ragged import offsets_of, ranges, rows_of, with_heads

if TYPE_CHECKING:
    import pyarrow as pa

    from hardmine.nouns.candidates import Candidates
    from hardmine.nouns.collection import Collection
    from hardmine.nouns.positives import Positives

_QUERY, _DOCUMENTS, _SCORES = ("query_id",), "document_ids", "scores"
_COLUMNS = {*_QUERY, _DOCUMENTS, _SCORES}
_LAYOUTS = (".parquet", ".jsonl", ".arrow")
"""Suffixes of these tables."""
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
    _, values = fields.value_of(row, (name,), "a list", needed=True)
    if not isinstance(values, list):
        raise row.error(name, kind(values), "a list")
    if name == _DOCUMENTS:
        return fields.identifiers(row, name, values)
    return [fields.number(row, f"{name}[{place}]", value) for place, value in enumerate(values)]


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

    def row_of(at: int) -> int:
        return int(rows[at]) + first

    return pa.table(
        {
            "query": queries.take(pa.array(rows)),
            "document": encoded(path, documents, _DOCUMENTS, row_of),
            "score": pa.array(as_scores(path, scores, _SCORES, row_of)),
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
    if pa.types.is_null(values.type):
        values = values.cast(pa.string() if name == _DOCUMENTS else pa.float64())
    return compute.list_value_length(column).to_numpy().astype(np.int64), values


def write_run(path: Path, run: Candidates, *, format: str, collection: Collection | None) -> None:  # noqa: A002, ARG001
    """Write a table of scores; queries without candidates are left out.

    Notes
    -----
    Where the run knows the scores of positives, a query has a row for each of its positives, which stands first in it.
    """
    from hardmine.formats.layouts import check_layout, sink

    pa = need("pyarrow", what="writing runs", extra="mine")
    check_target(path)
    check_layout(path, _LAYOUTS)
    names = Names(run, collection)
    known = _scored_positives(path, run, names)
    if suffix(path) == ".jsonl" and not np.isfinite(run.scores).all():
        raise FormatError(path, "an infinite score", "finite ones, or .parquet: JSON has no word for it", field=_SCORES)
    with atomic_write(path) as file, sink(file, path) as put:
        for start in range(0, max(len(run), 1), _QUERIES):
            rows = np.arange(start, min(start + _QUERIES, len(run)))
            rows = rows[run.lengths[rows] > 0]
            part = run.take(rows)
            lists = _Lists(rows, part.offsets, part.ids, part.scores) if known is None else _with_positives(rows, part)
            put(
                pa.table(
                    {
                        "query_id": names.of("query", lists.queries),
                        "document_ids": pa.LargeListArray.from_arrays(lists.offsets, names.of("document", lists.ids)),
                        "scores": pa.LargeListArray.from_arrays(lists.offsets, pa.array(shortest(lists.scores))),
                    }
                )
            )


def _scored_positives(path: Path, run: Candidates, names: Names) -> Positives | None:
    """The positives of a run, None where no query that is written has scored ones; raises where only some have."""
    known = run.positives
    if known is None or known.scores is None:
        return None
    rows = np.flatnonzero(run.lengths)
    lacking = rows[np.diff(known.offsets)[rows] == 0]
    if lacking.size and lacking.size < rows.size:
        query = names.of("query", lacking[:1])[0].as_py()
        raise FormatError(path, f"a query without a scored positive ({query!r})", "one for each query, or for none")
    return None if lacking.size else known


class _Lists(NamedTuple):
    """The rows of a table: queries by number, and where the list of each begins."""

    queries: Any
    offsets: Any
    ids: Any
    scores: Any


def _with_positives(queries: Any, run: Candidates) -> _Lists:
    """A row for each positive of each query of some: the positive, then all candidates that are no positives of it."""
    known = cast("Positives", run.positives)
    width = int(max(run.ids.max(initial=0), known.ids.max(initial=0))) + 1
    others = ~np.isin(run.row_of_each * width + run.ids, known.query_of_each * width + known.ids)
    counts = np.bincount(run.row_of_each[others], minlength=len(run))
    lengths = counts[known.query_of_each]
    tails = np.flatnonzero(others)[ranges(offsets_of(counts)[known.query_of_each], lengths)]
    return _Lists(
        queries[known.query_of_each],
        offsets_of(lengths + 1),
        with_heads(known.ids, run.ids[tails], lengths),
        with_heads(cast("Any", known.scores), run.scores[tails], lengths),
    )
