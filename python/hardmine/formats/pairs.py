"""jsonl and parquet files of (query, positive[, more positives]), with an optional corpus file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hardmine.formats.corpora import beside
from hardmine.formats.errors import FormatError
from hardmine.formats.layouts import check_layout, sink
from hardmine.formats.quoted import quoted_rows
from hardmine.formats.registry import recognise
from hardmine.formats.rows import Row, kind, shorten, table_rows
from hardmine.nouns.builder import PairsBuilder
from hardmine.nouns.collection import Collection
from hardmine.plumbing.extras import need
from hardmine.plumbing.files import atomic_writes

QUERY = ("query", "anchor", "question", "query_text")
POSITIVE = ("positive", "positives", "pos", "answer", "document", "passage")
POSITIVE_ID = ("positive_id", "positive_ids", "positive_document_ids", "document_id")
QUERY_ID = ("query_id", "qid", "_id", "id")
DOCUMENT_ID = ("_id", "id", "docid", "document_id", "corpus_id")
DOCUMENT_TEXT = ("text", "document", "passage", "contents", "content")
LAYOUTS = ("jsonl", "parquet", "csv", "tsv")
_FIELDS_OF_PAIRS = {*QUERY, *POSITIVE_ID, *QUERY_ID}
_FIELDS_OF_CORPUS = {*DOCUMENT_ID, "title", *DOCUMENT_TEXT}
_CHUNK = 16_384
_NUMBERED = re.compile(r"positive_\d+")


def read_collection(path: Path, *, format: str, corpus: Path | None = None, **options: Any) -> Collection:  # noqa: A002
    """Read a file of pairs.

    Parameters
    ----------
    path : Path
        jsonl, parquet, csv or tsv (these two with a header); every row has a query (`QUERY`) and at least one positive:
        a string or a list of strings under a name of `POSITIVE` or ``positive_1``, ``positive_2`` ..., or ids of
        `corpus` under a name of `POSITIVE_ID`.
    format : {"jsonl", "parquet", "csv", "tsv"}
        Layout of `path`.
    corpus : Path, optional
        The same layouts (by its suffix) with a text (`DOCUMENT_TEXT`), optional title and id. Positives whose text is
        not in it are added to it. Without it the corpus is the positives of all queries.
    **options
        Handed on to the collection.
    """
    pairs = PairsBuilder()
    if corpus is not None:
        _read_corpus(pairs, corpus)
    names = None
    for row in _rows(path, format, _is_field_of_pairs, texts=QUERY):
        field, documents = _positives(pairs, row, corpus)
        name = row.identifier(QUERY_ID) if row.find(QUERY_ID) else None
        text = row.text(QUERY)
        if name is not None and pairs.is_another_query(name, text):
            raise row.error(None, f"query id {name!r} has another text in an earlier row", "one text per query id")
        query = pairs.query(name, text)
        for document in documents:
            pairs.add_positive(query, document)
        names = names or (row.find(QUERY) or QUERY[0], "positive" if field in ("", *POSITIVE_ID) else field)
    if names is None:
        raise FormatError(path, "no rows", "at least one (query, positive)")
    return Collection(**pairs.parts(path, names), **options)


def _rows(path: Path, layout: str, is_read: Callable[[str], bool], *, texts: Sequence[str]) -> Iterator[Row]:
    """Records in any layout; an empty value of a csv file is none, but for the texts, which may be empty."""
    if layout not in ("csv", "tsv"):
        return table_rows(path, layout, is_read)
    rows = quoted_rows(path, f".{layout}")
    return (
        row._replace(fields={name: value if name in texts else value or None for name, value in row.fields.items()})
        for row in rows
    )


def is_positive(name: str) -> bool:
    """Whether a field of this name holds positives."""
    return name in POSITIVE or _NUMBERED.fullmatch(name) is not None


def _is_field_of_pairs(name: str) -> bool:
    return name in _FIELDS_OF_PAIRS or is_positive(name)


def _read_corpus(pairs: PairsBuilder, path: Path) -> None:
    layout = recognise(path)
    if layout not in LAYOUTS:
        raise ValueError(
            f"{path}: suffix {path.suffix!r}, expected a corpus in .jsonl, .jsonl.gz, .parquet, .csv or .tsv"
        )
    for row in _rows(path, layout, _FIELDS_OF_CORPUS.__contains__, texts=DOCUMENT_TEXT):
        name = row.identifier(DOCUMENT_ID, default=str(row.number - 1))
        title, text = row.text(("title",), default=""), row.text(DOCUMENT_TEXT)
        if name in pairs.document_numbers:
            raise row.error(None, f"document id {name!r} occurs twice", "every document once")
        pairs.add_to_corpus(name, title, text)
    if not pairs.document_numbers:
        raise FormatError(path, "no documents", "at least one")


def _positives(pairs: PairsBuilder, row: Row, corpus: Path | None) -> tuple[str, list[int]]:
    fields = [name for name in row.fields if is_positive(name)]
    texts = [(field, text) for field in fields for text in _strings(row, field)]
    if texts:
        return fields[0], [pairs.positive(text) for _, text in texts]
    by_id = row.find(POSITIVE_ID)
    if by_id is None or (fields and row.fields[by_id] is None):
        row.text(POSITIVE)  # says what is missing, or that it is null
        raise row.error(fields[0], "no positive", "at least one")
    if corpus is None:
        raise row.error(by_id, "ids of documents", "a corpus file that holds them (corpus)")
    found = []
    for name in _strings(row, by_id, ids=True):
        if name not in pairs.document_numbers:
            raise row.error(by_id, repr(shorten(name)), f"an id of {corpus.name}")
        found.append(pairs.document_numbers[name])
    if not found:
        raise row.error(by_id, "no positive", "at least one")
    return by_id, found


def _strings(row: Row, field: str, *, ids: bool = False) -> list[str]:
    value = row.fields[field]
    values = value if isinstance(value, list) else [] if value is None else [value]
    if ids:
        values = [str(v) if isinstance(v, int) and not isinstance(v, bool) else v for v in values]
    for item in values:
        if not isinstance(item, str):
            raise row.error(field, f"{kind(item)} ({shorten(item)})", "a string or a list of strings")
    return [row.string(field, item) for item in values]


def write_collection(path: Path, collection: Collection, *, format: str) -> None:  # noqa: A002
    """Write a row for each (query, positive), and the corpus beside it: ``pairs.jsonl`` and ``pairs.corpus.jsonl``.

    The names are those that `read_collection` knows: ``corpus=`` of the second gives the collection again.
    """
    pa = need("pyarrow", what="writing pairs", extra="mine")
    check_layout(path, (f".{format}",))
    labels = collection.positives
    queries = collection.queries.take(pa.array(labels.query_of_each))
    rows = {"query_id": queries["id"], "query": collection.query_texts.take(pa.array(labels.query_of_each))}
    rows["positive_id"] = collection.documents["id"].take(pa.array(labels.ids))
    names = ("id", "title", "text")
    tables = {
        path: pa.table(rows),
        beside(path, "corpus"): pa.table({f"_{n}" if n == "id" else n: collection.documents[n] for n in names}),
    }
    with atomic_writes(list(tables)) as files:
        for file, (target, table) in zip(files, tables.items(), strict=True):
            with sink(file, target) as put:
                for start in range(0, max(table.num_rows, 1), _CHUNK):
                    put(table.slice(start, _CHUNK))
