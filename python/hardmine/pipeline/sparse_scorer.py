"""A teacher with sparse rows bound to a collection; see `scorers`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hardmine.nouns.candidates import Candidates
from hardmine.pipeline import cached, cached_sparse
from hardmine.plumbing.progress import Progress, Reporting
from hardmine.primitives.search.sparse import SparseIndex

if TYPE_CHECKING:
    from hardmine.nouns.collection import Collection

_Float32 = npt.NDArray[np.float32]
_Csr = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
_Places = npt.NDArray[np.int64]


class SparseScorer:
    """Rows of a collection under a sparse teacher, and their index."""

    document_embeddings = None
    sees_all = False

    def __init__(
        self,
        collection: Collection,
        teacher: Any,
        *,
        max_memory: int | str | None,
        num_threads: int,
        progress: Reporting,
        kept: cached.Kept | None,
    ) -> None:
        self.teacher, self.num_threads = teacher, num_threads
        self._max_memory, self._progress = max_memory, progress
        self.queries = cached_sparse.encode(kept, teacher, "queries", collection.query_texts, progress=progress)
        documents = cached_sparse.encode(kept, teacher, "documents", collection.document_texts, progress=progress)
        self._index = SparseIndex(documents, num_threads=num_threads)

    def pair_scores(self, query_ids: npt.NDArray[np.int64], document_ids: npt.NDArray[np.int64]) -> _Float32:
        """Score of each pair, float32 [n]."""
        return self._index.pair_scores(self.queries, query_ids, document_ids, num_threads=self.num_threads)

    def search_keys(self, kept: cached.Kept) -> cached.SearchKeys:  # noqa: ARG002 - the weights say all
        """See `cached_sparse.search_keys`."""
        return cached_sparse.search_keys(self.teacher, self.queries, self._index.documents)

    def scan(self, k: int, *, ceiling: _Float32 | None, exclude: _Csr, queries: _Places | None = None) -> Candidates:
        """The k best admissible documents of every query, or of these queries."""
        wanted = self.queries if queries is None else self.queries.take(queries)
        shown, done = self._progress if queries is None else False, 0
        with Progress("searching (query, document) pairs", len(wanted) * len(self._index), shown) as bar:

            def report(pairs_done: int, _: int) -> None:
                nonlocal done
                bar.update(pairs_done - done)
                done = pairs_done

            return self._index.search(
                wanted,
                k,
                ceiling=ceiling,
                exclude=exclude,
                max_memory=self._max_memory,
                num_threads=self.num_threads,
                progress=report,
            )
