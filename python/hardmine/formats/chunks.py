"""Training rows of any format as Arrow tables of one schema, some thousand rows at a time.

Every reader of rows gives such chunks and every writer takes them, so that any format becomes any other, and whoever
looks at rows needs to know one layout only. A row is a query with its positives and its negatives:

=====================  =========================  ====================================================================
column                 type                       what it holds
=====================  =========================  ====================================================================
``query_id``           large_string               null where the format has none
``query``              large_string               its text; null in formats of ids alone
``positive_ids``       large_list<large_string>   ids of the positives
``positive_titles``    large_list<large_string>   their titles; null in formats without titles
``positives``          large_list<large_string>   their texts, without the title where there is one
``positive_scores``    large_list<double>         their scores under the teacher
``negative_ids`` ...   as above                   the same four of the negatives, in the order of the format
=====================  =========================  ====================================================================

A list is null where the format does not know such a thing; lists of one side that are not null have one length. An id
or a text inside a list may be null in a file that somebody wrote so only for texts that no corpus holds; a title or a
score may be. Rows keep the order of the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hardmine.formats.arrow import compute, pa
from hardmine.formats.errors import FormatError
from hardmine.formats.tolerance import place, until_wrong
from hardmine.nouns.arrow import flat
from hardmine.nouns.text_pairs import joined
from hardmine.plumbing.ragged import offsets_of, rows_of, with_heads

_STRING = pa.large_string()
_KINDS = {
    "ids": pa.large_list(_STRING), "titles": pa.large_list(_STRING),
    "texts": pa.large_list(_STRING), "scores": pa.large_list(pa.float64()),
}  # fmt: skip
SIDES = ("positive", "negative")

MOST_ROWS = 4_096
MOST_DOCUMENTS = 16_384
"""A chunk ends behind the row with which it reaches one of these: that bounds memory where lists are long."""

_Int64 = npt.NDArray[np.int64]


def column(side: str, kind: str) -> str:
    """The name of a column: of the "ids", "titles", "texts" or "scores" of "positive" or "negative"."""
    return f"{side}s" if kind == "texts" else f"{side}_{kind}"


SCHEMA = pa.schema(
    [("query_id", _STRING), ("query", _STRING)]
    + [(column(side, kind), type_) for side in SIDES for kind, type_ in _KINDS.items()]
)
"""The columns of every chunk."""


class Documents(NamedTuple):
    """The documents of one side of one row; what the format does not know is None."""

    ids: Sequence[str] | None = None
    titles: Sequence[str | None] | None = None
    texts: Sequence[str | None] | None = None
    scores: Sequence[float | None] | None = None

    @property
    def size(self) -> int:
        """How many they are."""
        return next((len(part) for part in self if part is not None), 0)


class Record(NamedTuple):
    """One row while a reader finds it, and the line (or row) of the file on which it begins."""

    query_id: str | None
    query: str | None
    positives: Documents
    negatives: Documents
    line: int


def tables(records: Iterable[Record]) -> Iterator[pa.Table]:
    """Chunks of rows that a reader finds one by one."""
    waiting: list[Record] = []
    documents = 0
    lost: list[FormatError] = []
    for record in until_wrong(records, lost):
        waiting.append(record)
        documents += record.positives.size + record.negatives.size
        if len(waiting) >= MOST_ROWS or documents >= MOST_DOCUMENTS:
            yield _table(waiting)
            waiting, documents = [], 0
    if waiting:
        yield _table(waiting)
    if lost:
        raise lost[0]


def _table(records: list[Record]) -> pa.Table:
    place([record.line for record in records])
    columns: dict[str, Any] = {
        "query_id": [record.query_id for record in records],
        "query": [record.query for record in records],
    }
    for number, side in enumerate(SIDES, start=2):
        for kind in _KINDS:
            columns[column(side, kind)] = [getattr(record[number], kind) for record in records]
    return pa.table({name: pa.array(columns[name], SCHEMA.field(name).type) for name in SCHEMA.names}, SCHEMA)


def of_columns(columns: dict[str, Any], rows: int) -> pa.Table:
    """A chunk from some of its columns; the others are null."""
    return pa.table(
        {field.name: columns.get(field.name, pa.nulls(rows, field.type)) for field in SCHEMA}, schema=SCHEMA
    )


def lists(values: Any, lengths: _Int64) -> pa.LargeListArray:
    """Values cut into lists of these lengths."""
    return pa.LargeListArray.from_arrays(pa.array(offsets_of(lengths)), values)


class Side:
    """The documents of one side of a chunk, end to end: what encoders work on.

    Attributes
    ----------
    lengths : int64 [rows]
        Documents of each row.
    """

    def __init__(self, chunk: pa.Table, side: str) -> None:
        self.name = side
        self._parts = {kind: flat(chunk[column(side, kind)]) for kind in _KINDS}
        counts = [compute.list_value_length(part) for part in self._parts.values()]
        self.lengths: _Int64 = compute.fill_null(compute.coalesce(*counts), 0).to_numpy().astype(np.int64)
        for kind, count in zip(_KINDS, counts, strict=True):
            found = compute.fill_null(count, pa.array(self.lengths)).to_numpy()
            if (found != self.lengths).any():
                row = int((found != self.lengths).argmax())
                came = f"{found[row]} {column(side, kind)}"
                raise ValueError(f"row {row + 1} of a chunk: {came}, expected {self.lengths[row]} as of the others")

    def __len__(self) -> int:
        return int(self.lengths.sum())

    def knows(self, kind: str) -> bool:
        """Whether any row has such a list."""
        part = self._parts[kind]
        return bool(part.null_count < len(part))

    def values(self, kind: str) -> Any:
        """All "ids", "titles", "texts" or "scores" end to end; null where they are not known."""
        part = self._parts[kind]
        values = part.flatten()
        if not part.null_count:
            return values
        there = np.repeat(part.is_valid().to_numpy(zero_copy_only=False), self.lengths)
        return values.take(pa.array(np.cumsum(there) - 1, mask=~there))

    def texts(self) -> Any:
        """Texts with the title in front, and a space between, where there is one that is not empty."""
        texts = self.values("texts")
        if not self.knows("titles"):
            return texts
        return joined(compute.fill_null(self.values("titles"), ""), texts)

    def ids(self) -> Any:
        """Ids; a document without one is named after its text."""
        return named(self.values("ids"), self.texts)

    def lists(self, values: Any) -> pa.LargeListArray:
        """Values end to end cut into the lists of the rows."""
        return lists(values, self.lengths)

    def row_of(self, positions: _Int64) -> _Int64:
        """The rows in which documents stand."""
        return rows_of(offsets_of(self.lengths))[positions]


def exploded(chunk: pa.Table) -> pa.Table:
    """The chunk with one row for each (query, positive)."""
    positives, negatives = Side(chunk, "positive"), Side(chunk, "negative")
    ones = np.ones(len(positives), dtype=np.int64)
    rows = pa.array(rows_of(offsets_of(positives.lengths)))
    columns = {name: flat(chunk[name].take(rows)) for name in ("query_id", "query")}
    for kind in _KINDS:
        if positives.knows(kind):
            columns[column("positive", kind)] = lists(positives.values(kind), ones)
        if negatives.knows(kind):
            columns[column("negative", kind)] = negatives.lists(negatives.values(kind)).take(rows)
    return of_columns(columns, ones.size)


def headed(heads: Side, tails: Side, values: Callable[[Side], Any]) -> pa.LargeListArray:
    """Lists of the one document of the first side and then all of the second."""
    order = with_heads(np.arange(len(heads)), len(heads) + np.arange(len(tails)), tails.lengths)
    return lists(pa.concat_arrays([values(heads), values(tails)]).take(pa.array(order)), tails.lengths + 1)


def named(ids: Any, texts: Callable[[], Any]) -> Any:
    """Ids; where there is none, a digest of the text stands in: equal texts, equal ids, in any order and on any day."""
    if not ids.null_count:
        return ids
    missing = ids.is_null()
    unnamed = texts().filter(missing)
    made = pa.array([None if text is None else _digest(text) for text in unnamed.to_pylist()], _STRING)
    return compute.replace_with_mask(ids, missing, made)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
