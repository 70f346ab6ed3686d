"""Collections of ids alone: the parameters of a `Collection` without texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from hardmine.nouns import arrow
from hardmine.nouns.positives import Positives
from hardmine.nouns.strings import StringTable
from hardmine.plumbing.extras import need
from hardmine.plumbing.ragged import offsets_of


def parts_of_ids(query_ids: Any, document_ids: Any, positives: Any) -> dict[str, Any]:
    """The parameters of a `Collection` made from ids; see `hardmine.Collection.from_ids`."""
    pa = need("pyarrow", what="hardmine.Collection", extra="mine")
    queries, documents = arrow.ids("query_ids", query_ids), arrow.ids("document_ids", document_ids)
    if not len(queries):
        raise ValueError("query_ids: none, expected at least one")
    return {
        "queries": pa.table({"id": queries}),
        "documents": pa.table({"id": documents}),
        "positives": _positives(positives, documents, len(queries)),
        "source": "ids",
    }


def _positives(value: Any, documents: Any, num_queries: int) -> Positives:
    if isinstance(value, Positives):
        found = value
    elif isinstance(value, tuple) and len(value) == 2 and all(isinstance(part, np.ndarray) for part in value):
        found = Positives(*value)
    else:
        found = _labels(value, documents)
    if len(found) != num_queries:
        raise ValueError(f"positives: {len(found)} rows, expected {num_queries} (one per query)")
    lacking = np.diff(found.offsets) == 0
    if lacking.any():
        raise ValueError(f"positives[{int(lacking.argmax())}]: empty, expected at least one id")
    return found


def _labels(rows: Any, documents: Any) -> Positives:
    """Labels given as ids of documents; an id that a query names twice counts once."""
    if isinstance(rows, (str, bytes, Mapping)) or not isinstance(rows, Iterable):
        raise TypeError(f"positives: {type(rows).__name__}, expected an entry for each query: an id or several")
    each = [list(_row(index, row)) for index, row in enumerate(rows)]
    offsets = offsets_of([len(row) for row in each])
    names = arrow.of_table(StringTable.from_strings((name for row in each for name in row), "positives"))
    found = arrow.places(names, documents)
    if (found < 0).any():
        at = int((found < 0).argmax())
        query = int(np.searchsorted(offsets, at, side="right")) - 1
        raise ValueError(f"positives[{query}]: {names[at].as_py()!r}, expected an id of document_ids")
    return Positives(offsets, found)


def _row(index: int, row: Any) -> Iterator[str]:
    if isinstance(row, (str, int, np.integer)):
        row = [row]
    if isinstance(row, (bytes, Mapping)) or not isinstance(row, Iterable):
        raise TypeError(f"positives[{index}]: {type(row).__name__}, expected an id or several")
    names = (arrow.as_id(f"positives[{index}]", place, value) for place, value in enumerate(row))
    return iter(dict.fromkeys(names))
