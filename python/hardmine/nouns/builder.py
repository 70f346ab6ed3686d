"""Growing a collection row by row, then freezing it into Arrow tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hardmine.nouns.positives import Positives
from hardmine.plumbing.extras import need

if TYPE_CHECKING:
    from pathlib import Path

    from hardmine.formats.rows import Row
    from hardmine.nouns.collection import Collection

_CHUNK = 65_536


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
        self.counts = dict.fromkeys(
            ("duplicate_judgements", "judged_not_relevant", "merged_queries", "queries_without_positives"), 0
        )

    def add_document(self, name: str, title: str, text: str, row: Row | None = None) -> int:
        """Add a document; an id that is there already is an error of `row`."""
        number = len(self.document_numbers)
        if self.document_numbers.setdefault(name, number) != number:
            message = f"document id {name!r} occurs twice"
            raise row.error(None, message, "every document once") if row else ValueError(f"corpus: {message}")
        for column, value in zip(self._documents, (name, title, text), strict=True):
            column.append(value)
        return number

    def add_query(self, name: str, text: str) -> int:
        """Add a query whose id is new."""
        number = self.query_numbers[name] = len(self.query_numbers)
        for column, value in zip(self._queries, (name, text), strict=True):
            column.append(value)
        self._positives.append({})
        return number

    def add_positive(self, query: int, document: int) -> None:
        """Label a document; a label that is there already is counted."""
        labels = self._positives[query]
        self.counts["duplicate_judgements"] += document in labels
        labels[document] = None

    def collection(
        self, source: Path | str, column_names: tuple[str, str] = ("anchor", "positive"), **options: Any
    ) -> Collection:
        """The frozen collection: queries without positives are left out and counted."""
        from hardmine.nouns.collection import Collection

        pa = need("pyarrow", what="hardmine.Collection", extra="mine")
        kept = [number for number, labels in enumerate(self._positives) if labels]
        self.counts["queries_without_positives"] = len(self._positives) - len(kept)
        ids, titles, texts = (column.finish() for column in self._documents)
        names, questions = (column.finish() for column in self._queries)
        lengths = [len(self._positives[number]) for number in kept]
        offsets = np.zeros(len(kept) + 1, dtype=np.int64)
        np.cumsum(lengths, out=offsets[1:])
        labels = [document for number in kept for document in self._positives[number]]
        return Collection(
            queries=pa.table({"id": names, "text": questions}).take(pa.array(kept, pa.int64())).combine_chunks(),
            documents=pa.table({"id": ids, "title": titles, "text": texts}),
            positives=Positives(offsets, np.array(labels, dtype=np.int64)),
            source=str(source),
            column_names=column_names,
            counts=self.counts,
            **options,
        )
