"""Teachers that weigh terms bound to a collection, searched through one index; see `scorers`."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hardmine.nouns.candidates import Candidates
from hardmine.nouns.sparse import SparseRows
from hardmine.pipeline import cached, cached_sparse
from hardmine.plumbing.progress import Progress, Reporting
from hardmine.primitives.search.sparse import SparseIndex, pair_scores

if TYPE_CHECKING:
    from hardmine.nouns.collection import Collection

_Float32 = npt.NDArray[np.float32]
_Csr = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
_Places = npt.NDArray[np.int64]


class IndexScorer:
    """Rows of queries, and an index of those of documents."""

    document_embeddings = None
    sees_all = False
    takes_many = False
    floor: float | None = None

    def __init__(
        self,
        teacher: Any,
        queries: SparseRows,
        documents: SparseRows,
        *,
        max_memory: int | str | None,
        num_threads: int,
        progress: Reporting,
    ) -> None:
        self.teacher, self.num_threads = teacher, num_threads
        self.max_memory, self._progress = max_memory, progress
        self.queries, self.documents = queries, documents

    @cached_property
    def _index(self) -> SparseIndex:
        # Made by the first search: where shards are searched elsewhere, nobody needs one of all documents.
        return SparseIndex(self.documents, num_threads=self.num_threads)

    def pair_scores(self, query_ids: npt.NDArray[np.int64], document_ids: npt.NDArray[np.int64]) -> _Float32:
        """Score of each pair, float32 [n]."""
        return pair_scores(self.queries, self.documents, query_ids, document_ids, self.num_threads)

    def scan(self, k: int, *, ceiling: _Float32 | None, exclude: _Csr, queries: _Places | None = None) -> Candidates:
        """The k best admissible documents of every query, or of these queries."""
        wanted = self.queries if queries is None else self.queries.take(queries)
        shown = self._progress if queries is None else False
        with Progress("retrieving for queries", len(wanted), shown) as bar:
            per_query = max(len(self._index), 1)
            return self._index.search(
                wanted,
                k,
                ceiling=ceiling,
                floor=self.floor,
                exclude=exclude,
                max_memory=self.max_memory,
                progress=lambda done, _: bar.reach(done // per_query),
            )


class LexicalScorer(IndexScorer):
    """Index of a collection under a lexical teacher, or of a span of its documents, which count from 0 then."""

    def __init__(
        self,
        collection: Collection,
        teacher: Any,
        *,
        max_memory: int | str | None,
        num_threads: int,
        progress: Reporting,
        kept: cached.Kept | None,  # noqa: ARG002 - an index is made faster than it is read
        span: cached.Span | None = None,
    ) -> None:
        self._collection, self.floor, self._span = collection, teacher.floor, span
        # The weight of a term depends on all documents, those outside the span too.
        index = teacher.index(collection.document_texts, progress=progress)
        documents = index.documents if span is None else index.documents.take(np.arange(*span))
        rows = index.queries(collection.query_texts), documents
        super().__init__(teacher, *rows, max_memory=max_memory, num_threads=num_threads, progress=progress)

    def search_keys(self, kept: cached.Kept) -> cached.SearchKeys:
        """See `cached.text_keys`."""
        about, column = cached.text_keys(kept, self.teacher, self._collection)
        return about if self._span is None else {**about, "span": list(self._span)}, column


class SparseScorer(IndexScorer):
    """Rows of a collection under a sparse teacher, or of a span of its documents, which count from 0 then."""

    def __init__(
        self,
        collection: Collection,
        teacher: Any,
        *,
        max_memory: int | str | None,
        num_threads: int,
        progress: Reporting,
        kept: cached.Kept | None,
        span: cached.Span | None = None,
    ) -> None:
        queries = cached_sparse.encode(kept, teacher, "queries", collection.query_texts, progress=progress)
        documents = cached_sparse.encode(
            kept, teacher, "documents", collection.document_texts, progress=progress, span=span
        )
        super().__init__(teacher, queries, documents, max_memory=max_memory, num_threads=num_threads, progress=progress)

    def search_keys(self, kept: cached.Kept) -> cached.SearchKeys:  # noqa: ARG002 - the weights say all
        """See `cached_sparse.search_keys`."""
        return cached_sparse.search_keys(self.teacher, self.queries, self.documents)
