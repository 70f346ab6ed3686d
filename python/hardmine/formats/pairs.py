"""jsonl and parquet files of (query, positive[, more positives]), with an optional corpus file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hardmine.formats.errors import FormatError
from hardmine.formats.rows import Row, format_of, kind, shorten, table_rows
from hardmine.nouns.builder import Builder

if TYPE_CHECKING:
    from hardmine.nouns.collection import Collection

QUERY = ("query", "anchor", "question", "query_text")
POSITIVE = ("positive", "positives", "pos", "answer", "document", "passage")
POSITIVE_ID = ("positive_id", "positive_ids", "positive_document_ids", "document_id")
QUERY_ID = ("query_id", "qid", "_id", "id")
DOCUMENT_ID = ("_id", "id", "docid", "document_id", "corpus_id")
DOCUMENT_TEXT = ("text", "document", "passage", "contents", "content")
_NUMBERED = re.compile(r"positive_\d+")


class _Pairs:
    """Builder of a collection whose positives come as texts or as ids of a corpus."""

    def __init__(self) -> None:
        self.builder = Builder()
        self._by_text: dict[str, int] = {}
        self._query_by_text: dict[str, int] = {}
        self._text_of_query: dict[str, str] = {}
        self.has_corpus = False

    def add_document(self, name: str, title: str, text: str, row: Row | None = None) -> None:
        self.has_corpus = True
        number = self.builder.add_document(name, title, text, row)
        self._by_text.setdefault(f"{title} {text}" if title else text, number)

    def positive(self, text: str) -> int:
        """The document with this text, added to the corpus when it is not there."""
        found = self._by_text.get(text)
        if found is None:
            numbers = self.builder.document_numbers
            name = _free(f"positive-{len(numbers)}" if self.has_corpus else str(len(numbers)), numbers)
            found = self._by_text[text] = self.builder.add_document(name, "", text)
        return found

    def query(self, name: str | None, text: str, row: Row | None = None) -> int:
        """The query with this text: rows that share it share their positives."""
        if name is not None and self._text_of_query.setdefault(name, text) != text and row is not None:
            raise row.error(None, f"query id {name!r} has another text in an earlier row", "one text per query id")
        found = self._query_by_text.get(text)
        if found is not None:
            self.builder.counts["merged_queries"] += 1
            return found
        name = name or _free(str(len(self.builder.query_numbers)), self.builder.query_numbers)
        found = self._query_by_text[text] = self.builder.add_query(name, text)
        return found


def _free(name: str, taken: Mapping[str, int]) -> str:
    while name in taken:
        name += "+"
    return name


def read(path: Path, *, format: str, corpus: Path | None = None, **options: Any) -> Collection:  # noqa: A002
    """Read a file of pairs.

    Parameters
    ----------
    path : Path
        jsonl or parquet; every row has a query (`QUERY`) and at least one positive: a string or a list of strings under
        a name of `POSITIVE` or ``positive_1``, ``positive_2`` ..., or ids of `corpus` under a name of `POSITIVE_ID`.
    format : {"jsonl", "parquet"}
        Layout of `path`.
    corpus : Path, optional
        jsonl or parquet (by its suffix) with a text (`DOCUMENT_TEXT`), optional title and id. Positives whose text is
        not in it are added to it. Without it the corpus is the positives of all queries.
    **options
        Handed on to the collection.
    """
    pairs = _Pairs()
    if corpus is not None:
        _read_corpus(pairs, corpus)
    names = None
    for row in table_rows(path, format):
        field, documents = _positives(pairs, row, corpus)
        name = row.identifier(QUERY_ID) if row.find(QUERY_ID) else None
        query = pairs.query(name, row.text(QUERY), row)
        for document in documents:
            pairs.builder.add_positive(query, document)
        names = names or (row.find(QUERY) or QUERY[0], "positive" if field in ("", *POSITIVE_ID) else field)
    if names is None:
        raise FormatError(path, "no rows", "at least one (query, positive)")
    return pairs.builder.collection(path, names, **options)


def _read_corpus(pairs: _Pairs, path: Path) -> None:
    layout = format_of(path)
    if layout is None:
        raise ValueError(f"{path}: suffix {path.suffix!r}, expected a corpus in .jsonl, .jsonl.gz or .parquet")
    for row in table_rows(path, layout):
        name = row.identifier(DOCUMENT_ID, default=str(row.number - 1))
        pairs.add_document(name, row.text(("title",), default=""), row.text(DOCUMENT_TEXT), row)
    if not pairs.has_corpus:
        raise FormatError(path, "no documents", "at least one")


def _positives(pairs: _Pairs, row: Row, corpus: Path | None) -> tuple[str, list[int]]:
    fields = [name for name in row.fields if name in POSITIVE or _NUMBERED.fullmatch(name)]
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
        if name not in pairs.builder.document_numbers:
            raise row.error(by_id, repr(shorten(name)), f"an id of {corpus.name}")
        found.append(pairs.builder.document_numbers[name])
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


def from_pairs(
    queries: Iterable[str],
    positives: Iterable[str | Iterable[str]],
    corpus: Iterable[str] | Mapping[str, str] | None,
    **options: Any,
) -> Collection:
    """See `hardmine.Collection.from_pairs`."""
    pairs = _Pairs()
    if corpus is not None:
        _iterable("corpus", corpus)
    named = corpus.items() if isinstance(corpus, Mapping) else enumerate(corpus or ())
    for name, text in named:
        pairs.add_document(str(name), "", _checked("corpus", name, text))
    for index, (query, labels) in enumerate(_together(queries, positives)):
        number = pairs.query(None, _checked("queries", index, query))
        if not isinstance(labels, str):
            _iterable(f"positives[{index}]", labels)
        texts = [labels] if isinstance(labels, str) else list(labels)
        if not texts:
            raise ValueError(f"positives[{index}]: empty, expected at least one text")
        for text in texts:
            pairs.builder.add_positive(number, pairs.positive(_checked("positives", index, text)))
    return pairs.builder.collection("pairs", **options)


def _together(
    queries: Iterable[str], positives: Iterable[str | Iterable[str]]
) -> Iterator[tuple[str, str | Iterable[str]]]:
    _iterable("queries", queries)
    _iterable("positives", positives)
    first, second = list(queries), list(positives)
    if len(first) != len(second):
        raise ValueError(f"positives: {len(second)} rows, expected {len(first)} (one per query)")
    if not first:
        raise ValueError("queries: none, expected at least one")
    return zip(first, second, strict=True)


def _checked(argument: str, place: Any, text: Any) -> str:
    if not isinstance(text, str):
        raise TypeError(f"{argument}[{place!r}]: {type(text).__name__}, expected a string")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{argument}[{place!r}]: {shorten(ascii(text))}, expected text that UTF-8 can hold") from None
    return text


def _iterable(argument: str, value: Any) -> None:
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise TypeError(f"{argument}: {type(value).__name__}, expected an iterable of strings")
