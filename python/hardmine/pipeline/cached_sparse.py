"""Sparse rows through a store, by text as embeddings are; see `cached`."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hardmine.nouns.sparse import SparseRows
from hardmine.pipeline import cached
from hardmine.plumbing.progress import Reporting
from hardmine.store import fingerprint
from hardmine.store.rows import Rows
from hardmine.store.shards import ShardError

KIND = "sparse-rows"
"""Folder of their shards, and what a user is told."""
_OPEN = -1
"""The size of an open vocabulary, in a shard."""


def encode(
    kept: cached.Kept | None,
    teacher: Any,
    what: str,
    texts: Any,
    *,
    progress: Reporting,
    span: cached.Span | None = None,
) -> SparseRows:
    """Rows of ``"queries"`` or ``"documents"`` in memory, those that the store holds among them.

    A span of them is as in `cached.embed`.
    """
    rows = cached.embedding_rows(kept, what, texts, KIND) if kept is not None and len(texts) else None
    call = getattr(teacher, f"encode_{what}")
    if rows is None or kept is None:
        texts = texts if span is None else texts[slice(*span)]
        found = checked(teacher, call(texts, progress=progress), len(texts))
        # A teacher may hand out the same buffers again, for the documents.
        return found.take(np.arange(len(found))) if what == "queries" else found
    keep_rows(
        kept, teacher, what, texts, rows, cached.one_by_one(teacher, what, columns_of), progress=progress, span=span
    )
    if span is not None and span[0] == span[1]:
        return checked(teacher, call(texts[:1], progress=False), 1).take([])  # their vocabulary
    return assembled(rows if span is None else rows.part(*span))


def columns_of(teacher: Any, what: str, texts: Any) -> cached.Columns:
    """What a store keeps of the rows of a group of texts."""
    found = checked(teacher, getattr(teacher, f"encode_{what}")(texts, progress=False), len(texts))
    return {
        "lengths": np.diff(found.offsets),
        "list.term": np.array(found.terms),  # copies: a teacher may hand out the same buffers again
        "list.weight": np.array(found.weights, np.float32),
        "row.vocabulary": np.full(len(found), _OPEN if found.num_terms is None else found.num_terms, np.int64),
    }


def keep_rows(
    kept: cached.Kept,
    teacher: Any,
    what: str,
    texts: Any,
    rows: Rows,
    made: cached.Made,
    *,
    progress: Reporting,
    span: cached.Span | None = None,
    lengths: npt.NDArray[np.int64] | None = None,
) -> None:
    """Keep the rows that a store lacks, all of one vocabulary; see `cached.keep_missing`."""
    size: int | None = None

    def check(columns: cached.Columns) -> None:
        nonlocal size
        for vocabulary in columns["row.vocabulary"][:1].tolist():
            size = vocabulary if size is None else size
            if vocabulary != size:
                raise ValueError(
                    f"teacher {teacher.name!r}: rows of {_named(vocabulary)}, expected {_named(size)} as for the texts "
                    "before"
                )

    cached.keep_missing(kept, rows, KIND, what, texts, made, check, progress=progress, span=span, lengths=lengths)


def checked(teacher: Any, found: Any, count: int) -> SparseRows:
    """What a teacher gave for some texts."""
    name = f"teacher {teacher.name!r}"
    rows = SparseRows.of(found, name)
    if len(rows) != count:
        raise ValueError(f"{name}: {len(rows)} rows, expected {count}")
    return rows


def assembled(rows: Rows) -> SparseRows:
    """All rows, in their order.

    Raises
    ------
    ShardError
        Two shards hold rows of different vocabularies.
    """
    sizes = np.unique(rows.column("vocabulary")).tolist()
    if len(sizes) > 1:
        raise ShardError(
            f"{rows.folder}: rows of {_named(sizes[0])} and of {_named(sizes[1])}, expected one vocabulary (does the "
            "fingerprint change with what it stands for?)"
        )
    offsets, lists = rows.lists({"term": np.int32, "weight": np.float32})
    return SparseRows(offsets, lists["term"], lists["weight"], None if sizes[0] == _OPEN else sizes[0])


def search_keys(teacher: Any, queries: SparseRows, documents: SparseRows) -> cached.SearchKeys:
    """Candidates of sparse rows are known by the weights alone, whatever these were made of."""
    columns: list[npt.NDArray[Any]] = [documents.offsets, documents.terms, documents.weights]
    about = {"similarity": teacher.similarity, "documents": [fingerprint.of_matrix(column) for column in columns]}
    of_queries = [(queries.offsets, column) for column in (queries.terms, queries.weights)]
    return {"scores": KIND, **about}, fingerprint.of_rows(len(queries), *of_queries)


def _named(size: int) -> str:
    return "an open vocabulary" if size == _OPEN else f"{size} terms"
