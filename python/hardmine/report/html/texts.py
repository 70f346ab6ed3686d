"""Ids and texts of queries and documents, as far as they are at hand, cut to what a page shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hardmine.plumbing.extras import need
from hardmine.report.html.material import TEXT_KEPT, Document, Int64s

if TYPE_CHECKING:
    from hardmine.nouns.candidates import Candidates
    from hardmine.nouns.collection import Collection


class Texts:
    """The names and texts of a collection, or the names alone that a run brings."""

    def __init__(self, collection: Collection | None, run: Candidates | None = None) -> None:
        self._tables: dict[str, Any] = {"query": None, "document": None}
        self._ids: dict[str, Any] = {"query": None, "document": None}
        if collection is not None:
            self._tables = {"query": collection.queries, "document": collection.documents}
        elif run is not None:
            self._ids = {"query": run.query_ids, "document": run.document_ids}

    def query(self, number: int) -> Document:
        """A query by its number."""
        return self._taken("query", [number])[0]

    def documents(self, numbers: Sequence[int], **columns: Any) -> list[Document]:
        """Documents by their numbers, with columns of `Document` such as ``scores``, aligned with them."""
        found = self._taken("document", numbers)
        singular = {"scores": "score", "ratios": "ratio", "ranks": "rank", "filled": "is_filled", "above": "is_above"}
        given = {singular.get(name, name): list(values) for name, values in columns.items() if values is not None}
        if not given:
            return found
        rows = zip(*given.values(), strict=True)
        return [
            Document(each.id, each.text, each.size, **dict(zip(given, row, strict=True)))
            for each, row in zip(found, rows, strict=True)
        ]

    def lengths(self, positives: Int64s, negatives: Int64s) -> dict[str, Int64s]:
        """Letters of the texts of some documents; nothing where there are no texts."""
        table = self._tables["document"]
        if table is None or "text" not in table.column_names:
            return {}
        compute = need("pyarrow.compute", what="the report", extra="mine")
        sizes = compute.utf8_length(table["text"]).to_numpy().astype(np.int64)
        if "title" in table.column_names:
            titles = compute.utf8_length(table["title"]).to_numpy().astype(np.int64)
            sizes += titles + (titles > 0)  # a space between the two
        return {"positives": sizes[positives], "negatives": sizes[negatives]}

    def _taken(self, kind: str, numbers: Sequence[int]) -> list[Document]:
        table, ids = self._tables[kind], self._ids[kind]
        if table is None:
            names = ids.take(np.asarray(numbers, dtype=np.int64)) if ids is not None else [f"#{n}" for n in numbers]
            return [Document(name) for name in names]
        rows = table.take(list(numbers)) if numbers else table.slice(0, 0)
        names = rows["id"].to_pylist()
        if "text" not in table.column_names:
            return [Document(name) for name in names]
        titles = rows["title"].to_pylist() if "title" in table.column_names else [""] * len(names)
        texts = rows["text"].to_pylist()
        return [cut(name, title, text) for name, title, text in zip(names, titles, texts, strict=True)]


def cut(name: str | None, title: str | None, text: str | None) -> Document:
    """A document with its title in front of its text, cut to what is kept."""
    whole = text if not title else title if text is None else f"{title} {text}"
    if whole is None:
        return Document(name)
    return Document(name, whole[:TEXT_KEPT], len(whole))
