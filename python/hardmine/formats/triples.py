"""The triples of MS MARCO: a query, a positive and a negative a line, between tabs, without header and quotes.

``qidpidtriples`` has ids, ``triples.train.small`` has texts. https://microsoft.github.io/msmarco/
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hardmine.formats import delimited
from hardmine.formats.arrow import pa
from hardmine.formats.chunks import MOST_ROWS, lists, of_columns
from hardmine.formats.delimited import Layout
from hardmine.formats.errors import FormatError
from hardmine.formats.tolerance import place
from hardmine.nouns.arrow import flat

_LAYOUTS = {
    "msmarco-triples:ids": Layout({"query": "id", "positive": "id", "negative": "id"}),
    "msmarco-triples:texts": Layout({"query": "text", "positive": "text", "negative": "text"}),
}
_COLUMNS = {
    "msmarco-triples:ids": ("query_id", "positive_ids", "negative_ids"),
    "msmarco-triples:texts": ("query", "positives", "negatives"),
}


def read_rows(path: Path, name: str) -> Iterator[pa.Table]:
    """One row for each line."""
    is_empty = True
    for table in delimited.tables(path, _LAYOUTS[name]):
        for start in range(0, table.num_rows, MOST_ROWS):
            part = table.slice(start, MOST_ROWS)
            is_empty = False
            place(part["line"])
            yield _chunk(part, _COLUMNS[name])
    if is_empty:
        raise FormatError(path, "no rows", "at least one")


def _chunk(table: pa.Table, names: tuple[str, str, str]) -> pa.Table:
    query, positive, negative = (_strings(table[name]) for name in ("query", "positive", "negative"))
    ones = np.ones(table.num_rows, dtype=np.int64)
    columns = {names[0]: query, names[1]: lists(positive, ones), names[2]: lists(negative, ones)}
    return of_columns(columns, table.num_rows)


def _strings(column: Any) -> pa.LargeStringArray:
    return flat(column.cast(pa.string()).cast(pa.large_string()))
