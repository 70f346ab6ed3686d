"""Formats with a record for each query and everything inside it: one line of a table each.

What differs between them is what fields are called and how the documents of a side are written (`sides.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from hardmine.formats import fields
from hardmine.formats.arrow import pa
from hardmine.formats.chunks import Record, Side, exploded, named, tables
from hardmine.formats.json_stream import array_rows
from hardmine.formats.layouts import check_layout
from hardmine.formats.rows import Row, json_rows, parquet_rows
from hardmine.formats.sides import Messages, Passages, Texts, Way, content, conversations
from hardmine.formats.tolerance import each
from hardmine.formats.training_rows import Options, RowWriter
from hardmine.nouns.arrow import flat
from hardmine.plumbing.files import suffix


class Codec(NamedTuple):
    """How the records of a format are written.

    Parameters
    ----------
    query : tuple of str
        Names of the query's text; the first is written.
    positives, negatives : Way
        How the documents are written.
    query_id : str
        Name of the query's id; empty for none.
    empty : tuple of str
        Lists that readers ask for and that we know nothing of: written empty.
    messages : bool
        Whether a query is a conversation.
    per_positive : bool
        Whether a record has one positive alone.
    layouts : tuple of str
        Suffixes of its files.
    """

    query: tuple[str, ...]
    positives: Way
    negatives: Way
    query_id: str = ""
    empty: tuple[str, ...] = ()
    messages: bool = False
    per_positive: bool = False
    layouts: tuple[str, ...] = (".jsonl", ".parquet")


_TEVATRON: dict[str, Any] = {"id": "docid", "title": "title", "text": "text", "scores": "score"}
_DPR: dict[str, Any] = {
    "id": "passage_id", "title": "title", "text": "text", "scores": "score", "always_titled": True
}  # fmt: skip

_BATCH_ROWS = 256
"""Rows of a table that are Python objects at the same time: each may hold thousands of texts."""

CODECS = {
    "flag-embedding": Codec(("query",), Texts("pos", "pos_scores"), Texts("neg", "neg_scores"), layouts=(".jsonl",)),
    "tevatron": Codec(
        ("query",), Passages("positive_passages", **_TEVATRON), Passages("negative_passages", **_TEVATRON),
        query_id="query_id",
    ),
    "llama-index": Codec(("query",), Texts("relevant_passages"), Texts("hard_negatives"), layouts=(".jsonl",)),
    "ms-swift": Codec(
        ("messages",), Messages("positive_messages"), Messages("negative_messages"),
        messages=True, per_positive=True, layouts=(".jsonl",),
    ),
    "dpr": Codec(
        ("question",), Passages("positive_ctxs", **_DPR),
        Passages("hard_negative_ctxs", also=("negative_ctxs",), **_DPR), empty=("answers",), layouts=(".json",),
    ),
}  # fmt: skip
"""Every format of this kind."""


def read_rows(path: Path, name: str) -> Iterator[pa.Table]:
    """Rows of a file of the named format."""
    codec = CODECS[name]
    check_layout(path, codec.layouts)
    yield from tables(each(partial(record_of, codec), rows_of(path)))


def rows_of(path: Path) -> Iterator[Row]:
    """The records of a file in any layout."""
    layout = suffix(path)
    if layout == ".json":
        return array_rows(path)
    return parquet_rows(path, lambda _: True, _BATCH_ROWS) if layout == ".parquet" else json_rows(path)


def record_of(codec: Codec, row: Row) -> Record:
    """One record as a row."""
    query_id = row.identifier((codec.query_id,)) if codec.query_id else None
    if codec.messages:
        name, value = fields.value_of(row, codec.query, "a list of messages", needed=True)
        query = content(row, name, value)
    else:
        query = row.text(codec.query)
    positives = codec.positives.decode(row, needed=True)
    if codec.per_positive and positives.size > 1:
        raise row.error(codec.positives.field, f"{positives.size} items", "one")
    return Record(query_id, query, positives, codec.negatives.decode(row, needed=False), row.number)


def row_writer(name: str, options: Options) -> RowWriter:
    """A writer of the named format."""
    return CodecWriter(name, CODECS[name], options)


class CodecWriter(RowWriter):
    """Rows as a codec says."""

    def __init__(self, name: str, codec: Codec, options: Options) -> None:
        self.takes = codec.positives.takes | codec.negatives.takes
        self.has_scores = bool(codec.positives.scores)
        super().__init__(name, options)
        self.codec, self.layouts, self.per_positive = codec, codec.layouts, codec.per_positive
        self._titles = False

    def start(self, chunk: pa.Table) -> None:
        """Whether there are titles: readers look for them in every row once one has them."""
        self._titles = any(Side(chunk, side).knows("titles") for side in ("positive", "negative"))

    def tables(self, chunk: pa.Table) -> list[pa.Table]:
        """The records of a chunk."""
        return [pa.table(self.columns(exploded(chunk) if self.per_positive else chunk))]

    def columns(self, chunk: pa.Table) -> dict[str, Any]:
        """The columns of the records."""
        codec, query = self.codec, flat(chunk["query"])
        columns: dict[str, Any] = {}
        if codec.query_id:
            columns[codec.query_id] = named(flat(chunk["query_id"]), lambda: query)
        columns[codec.query[0]] = conversations(query) if codec.messages else query
        for name in codec.empty:
            columns[name] = pa.array([[]] * len(chunk), pa.large_list(pa.large_string()))
        for way, side in ((codec.positives, "positive"), (codec.negatives, "negative")):
            columns |= way.encode(Side(chunk, side), titles=self._titles, scores=self.scores)
        return columns
