"""The four shapes of sentence-transformers, read.

Columns are told by their order, as losses tell them: the query, the positive, negatives. Rows that follow each other
and share their query (and positive) are one row of a chunk where the shape spreads it over several.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from hardmine.formats import fields
from hardmine.formats.arrow import pa
from hardmine.formats.chunks import Documents, Record, tables
from hardmine.formats.layouts import FLAT, check_layout
from hardmine.formats.quoted import quoted_rows
from hardmine.formats.records import rows_of
from hardmine.formats.rows import Row, kind, shorten
from hardmine.formats.tolerance import each
from hardmine.plumbing.files import suffix

TARGETS = ("label", "labels", "score", "scores")
"""Columns that trainers read as targets, whatever their place."""


def read_rows(path: Path, name: str) -> Iterator[pa.Table]:
    """Rows of a file of the named shape."""
    layout = suffix(path)
    check_layout(path, (".jsonl", ".parquet", *FLAT))
    rows = quoted_rows(path, layout) if layout in FLAT else rows_of(path)
    yield from tables(_SHAPES[name.partition(":")[2]](rows))


_FIRST_AND_REST = slice(1), slice(1, None)


class _Columns(NamedTuple):
    """The columns of a file by their order in its first record."""

    anchor: str
    positive: str
    negatives: tuple[str, ...]

    @classmethod
    def of(cls, rows: Iterator[Row], wanted: str, fits: Callable[[int], bool]) -> tuple[_Columns, Iterator[Row]]:
        """The columns, and all records; of no records there are no columns."""
        row = next(rows, None)
        if row is None:
            return cls("", "", ()), rows
        names = [name for name in row.fields if name not in TARGETS]
        if not fits(len(names)):
            raise row.error(None, f"columns {shorten(', '.join(names)) or '(none)'}", wanted)
        return cls(names[0], names[1], tuple(names[2:])), itertools.chain([row], rows)


def _triplets(rows: Iterator[Row]) -> Iterator[Record]:
    wanted = "three: the query, the positive, the negative"
    columns, rows = _Columns.of(rows, wanted, lambda count: count == 3)

    def triplet(row: Row) -> tuple[int, tuple[str, str], str, list[float | None]]:
        key = row.text((columns.anchor,)), row.text((columns.positive,))
        scores = fields.numbers(row, "scores", 2, "the positive and the negative") or [None, None]
        return row.number, key, row.text(columns.negatives), scores

    group = _Group()
    for line, key, negative, scores in each(triplet, rows):
        yield from group.turn(key, line)
        group.query = key[0]
        if not group.positives:
            group.positives.append((key[1], scores[0]))
        group.negatives.append((negative, scores[1]))
    yield from group.turn(None, 0)


def _n_tuples(rows: Iterator[Row]) -> Iterator[Record]:
    wanted = "at least two: the query, the positive, negatives"
    columns, rows = _Columns.of(rows, wanted, lambda count: count > 1)

    def record(row: Row) -> Record:
        negatives = [row.text((name,)) for name in columns.negatives]
        scores = fields.numbers(row, "scores", 1 + len(negatives), "the positive and the negatives")
        positive = Documents(texts=[row.text((columns.positive,))], scores=scores and scores[:1])
        others = Documents(texts=negatives, scores=scores and scores[1:])
        return Record(None, row.text((columns.anchor,)), positive, others, row.number)

    yield from each(record, rows)


def _labeled_pairs(rows: Iterator[Row]) -> Iterator[Record]:
    columns, rows = _two(rows)

    def pair(row: Row) -> tuple[int, str, str, bool]:
        query, text = row.text((columns.anchor,)), row.text((columns.positive,))
        return row.number, query, text, _label(row, "label", row.fields.get("label"))

    group = _Group()
    for line, query, text, label in each(pair, rows):
        yield from group.turn(query, line)
        group.query = query
        (group.positives if label else group.negatives).append((text, None))
    yield from group.turn(None, 0)


def _labeled_lists(rows: Iterator[Row]) -> Iterator[Record]:
    columns, rows = _two(rows)

    def record(row: Row) -> Record:
        name, values = fields.list_of(row, (columns.positive,), "strings", needed=True)
        texts = fields.texts(row, name, values or [])
        scores = fields.numbers(row, "scores", len(texts), name)
        query = row.text((columns.anchor,))
        if scores is not None:  # the positive stands first
            first, rest = (Documents(texts=texts[side], scores=scores[side]) for side in _FIRST_AND_REST)
            return Record(None, query, first, rest, row.number)
        name, values = fields.list_of(row, ("labels",), "labels, or scores", needed=True)
        if len(values or []) != len(texts):
            raise row.error(name, f"{len(values or [])} labels", f"{len(texts)}, one for each of {columns.positive}")
        labels = [_label(row, f"labels[{at}]", value) for at, value in enumerate(values or [])]
        sides = ([text for text, label in zip(texts, labels, strict=True) if label == side] for side in (True, False))
        positives, negatives = (Documents(texts=side) for side in sides)
        return Record(None, query, positives, negatives, row.number)

    yield from each(record, rows)


def _two(rows: Iterator[Row]) -> tuple[_Columns, Iterator[Row]]:
    return _Columns.of(rows, "two, the query and the document, and a target", lambda count: count == 2)


def _label(row: Row, name: str, value: object) -> bool:
    """A label of 0 or 1; in a file of strings as its digit."""
    if value is None and "score" in row.fields and name == "label":
        raise row.error("score", "a score", "a label of 0 or 1: a score does not say which documents are positive")
    if isinstance(value, (int, float)) and value in (0, 1):
        return bool(value)
    if isinstance(value, str) and value in ("0", "1"):
        return value == "1"
    came = "missing or null" if value is None else f"{kind(value)} ({shorten(value)})"
    raise row.error(name, came, "0 or 1")


class _Group:
    """A row that is spread over several."""

    def __init__(self) -> None:
        self._key: object = None
        self._line = 0
        self.query = ""
        self.positives: list[tuple[str, float | None]] = []
        self.negatives: list[tuple[str, float | None]] = []

    def turn(self, key: object, line: int) -> Iterator[Record]:
        """The row that ends where another begins, on this line."""
        if key == self._key:
            return
        if self._key is not None:
            yield Record(None, self.query, _documents(self.positives), _documents(self.negatives), self._line)
        self._key, self._line, self.positives, self.negatives = key, line, [], []


def _documents(found: list[tuple[str, float | None]]) -> Documents:
    scores = [score for _, score in found]
    return Documents(texts=[text for text, _ in found], scores=None if set(scores) <= {None} else scores)


_SHAPES = {
    "triplet": _triplets, "n-tuple": _n_tuples, "labeled-pair": _labeled_pairs, "labeled-list": _labeled_lists,
}  # fmt: skip
