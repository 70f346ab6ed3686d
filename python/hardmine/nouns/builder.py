"""Growing a collection row by row, then freezing it into Arrow tables.

What a builder gives are the parameters of `Collection` by name: a collection is made from them, and knows its builder,
not the other way round.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from hardmine.nouns.positives import Positives
from hardmine.plumbing.extras import need
from hardmine.plumbing.ragged import offsets_of

COUNTS = ("duplicate_judgements", "judged_not_relevant", "merged_queries", "queries_without_positives")
"""What a reader counts; see `Collection.counts`."""
_CHUNK = 65_536
_MAX_SHOWN = 60


class Column:
    """Strings on their way into Arrow: Python objects live for one chunk only."""

    def __init__(self) -> None:
        self._pa = need("pyarrow", what="hardmine.Collection", extra="mine")
        self._chunks: list[Any] = []
        self._recent: list[str] = []

    def append(self, text: str) -> None:
        """Add one string."""
        self._recent.append(text)
        if len(self._recent) >= _CHUNK:
            self._flush()

    def _flush(self) -> None:
        self._chunks.append(self._pa.array(self._recent, self._pa.large_string()))
        self._recent = []

    def finish(self) -> Any:
        """All strings as one Arrow array."""
        self._flush()
        return self._pa.concat_arrays(self._chunks)


class Builder:
    """Documents, queries and positives while a reader finds them."""

    def __init__(self) -> None:
        self.document_numbers: dict[str, int] = {}
        self.query_numbers: dict[str, int] = {}
        self._documents = (Column(), Column(), Column())
        self._queries = (Column(), Column())
        self._positives: list[dict[int, None]] = []
        self.counts = dict.fromkeys(COUNTS, 0)

    def add_document(self, name: str, title: str, text: str) -> int:
        """Add a document whose id is new (a reader looks first, and knows the line)."""
        number = len(self.document_numbers)
        if self.document_numbers.setdefault(name, number) != number:
            raise ValueError(f"corpus: document id {name!r} occurs twice, expected every document once")
        for column, value in zip(self._documents, (name, title, text), strict=True):
            column.append(value)
        return number

    def add_query(self, name: str, text: str) -> int:
        """Add a query whose id is new (a reader looks first, and knows the line)."""
        number = len(self.query_numbers)
        if self.query_numbers.setdefault(name, number) != number:
            raise ValueError(f"queries: query id {name!r} occurs twice, expected every query once")
        for column, value in zip(self._queries, (name, text), strict=True):
            column.append(value)
        self._positives.append({})
        return number

    def add_positive(self, query: int, document: int) -> None:
        """Label a document; a label that is there already is counted."""
        labels = self._positives[query]
        self.counts["duplicate_judgements"] += document in labels
        labels[document] = None

    def parts(
        self, source: str | os.PathLike[str], column_names: tuple[str, str] = ("anchor", "positive")
    ) -> dict[str, Any]:
        """The parameters of a `Collection`: queries without positives are left out and counted."""
        pa = need("pyarrow", what="hardmine.Collection", extra="mine")
        kept = [number for number, labels in enumerate(self._positives) if labels]
        self.counts["queries_without_positives"] = len(self._positives) - len(kept)
        ids, titles, texts = (column.finish() for column in self._documents)
        names, questions = (column.finish() for column in self._queries)
        labels = [document for number in kept for document in self._positives[number]]
        offsets = offsets_of([len(self._positives[number]) for number in kept])
        return {
            "queries": pa.table({"id": names, "text": questions}).take(pa.array(kept, pa.int64())).combine_chunks(),
            "documents": pa.table({"id": ids, "title": titles, "text": texts}),
            "positives": Positives(offsets, np.array(labels, dtype=np.int64)),
            "source": os.fspath(source),
            "column_names": column_names,
            "counts": self.counts,
        }


class PairsBuilder(Builder):
    """Builder of a collection whose queries and positives come as texts.

    Equal texts are one document, and one query unless their ids differ.
    """

    def __init__(self) -> None:
        super().__init__()
        self._document_by_text: dict[str, int] = {}
        self._query_by_text: dict[str, int] = {}
        self._text_of_query: dict[str, str] = {}
        self._has_corpus = False

    def add_to_corpus(self, name: str, title: str, text: str) -> None:
        """Add a document of a corpus that was there before the pairs."""
        self._has_corpus = True
        number = self.add_document(name, title, text)
        self._document_by_text.setdefault(f"{title} {text}" if title else text, number)

    def positive(self, text: str) -> int:
        """The document with this text, added to the corpus when it is not there."""
        found = self._document_by_text.get(text)
        if found is None:
            number = len(self.document_numbers)
            name = _free(f"positive-{number}" if self._has_corpus else str(number), self.document_numbers)
            found = self._document_by_text[text] = self.add_document(name, "", text)
        return found

    def is_another_query(self, name: str, text: str) -> bool:
        """Whether the id came before with another text, or was given to a query without one."""
        return self._text_of_query.get(name, text) != text

    def query(self, name: str | None, text: str) -> int:
        """The query with this id, or without one that with this text: rows that share it share their positives."""
        found = self.query_numbers.get(name) if name else self._query_by_text.get(text)
        if found is not None:
            self.counts["merged_queries"] += 1
            return found
        name = name or _free(str(len(self.query_numbers)), self._text_of_query)
        self._text_of_query[name] = text
        found = self.add_query(name, text)
        self._query_by_text.setdefault(text, found)
        return found


def _free(name: str, taken: Mapping[str, Any]) -> str:
    while name in taken:
        name += "+"
    return name


def parts_of_texts(
    queries: Iterable[str],
    positives: Iterable[str | Iterable[str]],
    corpus: Iterable[str] | Mapping[str, str] | None,
) -> dict[str, Any]:
    """The parameters of a `Collection` made from texts; see `hardmine.Collection.from_pairs`."""
    builder = PairsBuilder()
    if corpus is not None:
        _iterable("corpus", corpus)
    named = corpus.items() if isinstance(corpus, Mapping) else enumerate(corpus or ())
    for name, text in named:
        builder.add_to_corpus(str(name), "", _checked("corpus", name, text))
    for index, (query, labels) in enumerate(_together(queries, positives)):
        number = builder.query(None, _checked("queries", index, query))
        if not isinstance(labels, str):
            _iterable(f"positives[{index}]", labels)
        texts = [labels] if isinstance(labels, str) else list(labels)
        if not texts:
            raise ValueError(f"positives[{index}]: empty, expected at least one text")
        for text in texts:
            builder.add_positive(number, builder.positive(_checked("positives", index, text)))
    return builder.parts("pairs")


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
        raise ValueError(
            f"{argument}[{place!r}]: {ascii(text)[:_MAX_SHOWN]}, expected text that UTF-8 can hold"
        ) from None
    return text


def _iterable(argument: str, value: Any) -> None:
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise TypeError(f"{argument}: {type(value).__name__}, expected an iterable of strings")
