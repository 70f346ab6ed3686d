"""Exact search over sparse rows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from hardmine.nouns.candidates import Candidates
from hardmine.nouns.sparse import SparseRows


class SparseIndex:
    """Sparse documents, indexed once and searched many times, exactly.

    The score of a (query, document) pair is the sum of the products of their weights, over the terms that both have in
    rising order, in float64, rounded once to float32. A document that shares no term with the query is not a candidate:
    it is never listed, lists may be shorter than `k`, and the counts of removed documents leave it out.

    Parameters
    ----------
    documents : SparseRows, or what `SparseRows.of` takes
        Kept by reference: do not change the arrays while the index is in use.
    num_threads : int, optional
        Default of every search, and what builds the index.

    Raises
    ------
    TypeError, ValueError
        What `SparseRows.of` raises.
    """

    def __init__(self, documents: Any, *, num_threads: int | None = None) -> None:
        raise NotImplementedError

    @property
    def documents(self) -> SparseRows:
        """The rows that are indexed."""
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError

    def search(
        self,
        queries: Any,
        k: int,
        *,
        ceiling: float | npt.ArrayLike | None = None,
        floor: float | npt.ArrayLike | None = None,
        exclude: Any = None,
        max_memory: int | str | None = None,
        num_threads: int | None = None,
        progress: bool | Callable[[int, int], object] | None = None,
    ) -> Candidates:
        """The k best admissible documents that share a term with the query, for every query; see `hardmine.search`."""
        raise NotImplementedError

    def pair_scores(
        self, queries: Any, query_ids: npt.ArrayLike, document_ids: npt.ArrayLike, *, num_threads: int | None = None
    ) -> npt.NDArray[np.float32]:
        """Scores of given pairs, bit-identical to those of `search`; 0 where they share no term."""
        raise NotImplementedError

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one memory-mappable file (safetensors layout, no pickle), whole or not at all."""
        raise NotImplementedError

    @classmethod
    def load(cls, path: str | os.PathLike[str], mmap: bool = True) -> SparseIndex:  # noqa: FBT001, FBT002
        """Open a file written by `save`."""
        raise NotImplementedError

    @classmethod
    def merge(cls, indices: Iterable[SparseIndex]) -> SparseIndex:
        """One index over the documents of several, in their order."""
        raise NotImplementedError
