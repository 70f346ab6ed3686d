"""Training rows of any format as a collection: positives are labelled, negatives are documents of the corpus."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hardmine.formats.chunks import SIDES, Side
from hardmine.formats.errors import FormatError
from hardmine.formats.rows import shorten
from hardmine.nouns.builder import PairsBuilder
from hardmine.nouns.collection import Collection

if TYPE_CHECKING:
    import pyarrow as pa


def read_collection(path: Path, chunks: Iterable[pa.Table], **options: Any) -> Collection:
    """The queries and documents of rows.

    Parameters
    ----------
    path : Path
        For messages.
    chunks : iterable of pyarrow.Table
        Rows of the schema `hardmine.formats.chunks.SCHEMA`.
    **options
        Handed on to the collection.

    Notes
    -----
    A document with an id is the document of that id wherever it comes; without one, equal texts are one document. Rows
    of one query (by its id, or without one by its text) share their positives.
    """
    builder = PairsBuilder()
    texts: dict[str, tuple[str, str]] = {}
    number = 0
    for chunk in chunks:
        sides = [_documents(Side(chunk, side)) for side in SIDES]
        for name, text in zip(chunk["query_id"].to_pylist(), chunk["query"].to_pylist(), strict=True):
            number += 1
            if text is None:
                raise _error(path, number, "no text of the query", "one")
            if name is not None and builder.is_another_query(name, text):
                raise _error(path, number, f"query id {name!r} has another text in an earlier row", "one text per id")
            query = builder.query(name, text)
            for side, documents in zip(SIDES, sides, strict=True):
                for document in next(documents):
                    found = _document(path, number, builder, texts, *document)
                    if side == "positive":
                        builder.add_positive(query, found)
    if not number:
        raise FormatError(path, "no rows", "at least one")
    collection = Collection(**builder.parts(path), **options)
    if not len(collection.positives):
        raise FormatError(path, "no positives", "at least one")
    return collection


def _documents(side: Side) -> Any:
    """The documents of each row as (id, title, text)."""
    columns = zip(*(side.values(kind).to_pylist() for kind in ("ids", "titles", "texts")), strict=True)
    return ([next(columns) for _ in range(length)] for length in side.lengths.tolist())


def _document(
    path: Path,
    number: int,
    builder: PairsBuilder,
    texts: dict[str, tuple[str, str]],
    name: str | None,
    title: str | None,
    text: str | None,
) -> int:
    if text is None:
        raise _error(path, number, f"no text of document {shorten(name)!r}", "one")
    if name is None:
        return builder.positive(f"{title} {text}" if title else text)
    found = builder.document_numbers.get(name)
    if found is None:
        builder.add_to_corpus(name, title or "", text)
        texts[name] = (title or "", text)
        return builder.document_numbers[name]
    if texts.get(name, (title or "", text)) != (title or "", text):
        came = f"document id {shorten(name)!r} has another text in an earlier row"
        raise _error(path, number, came, "one text per id")
    return found


def _error(path: Path, number: int, came: str, wanted: str) -> FormatError:
    return FormatError(path, came, wanted, line=number, unit="row")
