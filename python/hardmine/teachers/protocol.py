"""What a teacher is: the two shapes that `retrieve` can work with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt


@runtime_checkable
class DenseTeacher(Protocol):
    """Scores a query and a document by the similarity of two embeddings.

    Attributes
    ----------
    name : str
        What training files and runs call it.
    similarity : {"cosine", "dot"}
        How two embeddings are compared.
    needs_texts : bool, optional
        False for a teacher that reads no texts: of a collection of ids alone it is given the ids in their place.
        Absent means True.
    """

    name: str
    similarity: str

    def embed_queries(self, texts: Sequence[str], *, progress: bool = False) -> npt.NDArray[Any]:
        """Embeddings of queries.

        Parameters
        ----------
        texts : sequence of str
        progress : bool
            Show progress on standard error.

        Returns
        -------
        floats [num_texts, dimension]
            One row per text in the order given.
        """
        ...

    def embed_documents(self, texts: Sequence[str], *, progress: bool = False) -> npt.NDArray[Any]:
        """Embeddings of documents.

        Parameters
        ----------
        texts : sequence of str
        progress : bool
            Show progress on standard error.

        Returns
        -------
        floats [num_texts, dimension]
            One row per text in the order given.
        """
        ...


class LexicalIndex(Protocol):
    """Documents that a lexical teacher has indexed."""

    def scores(self, queries: Sequence[str]) -> npt.NDArray[np.float32]:
        """Score of every document for each query.

        Parameters
        ----------
        queries : sequence of str

        Returns
        -------
        float32 [num_queries, num_documents]
        """
        ...

    def pair_scores(
        self, queries: Sequence[str], query_ids: npt.NDArray[np.int64], document_ids: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """Score of each pair (query_ids[i], document_ids[i]).

        Parameters
        ----------
        queries : sequence of str
        query_ids, document_ids : int64 [n]
            Places in `queries` and among the documents of the index.

        Returns
        -------
        float32 [n]
            The same bits as in `scores`.
        """
        ...


@runtime_checkable
class LexicalTeacher(Protocol):
    """Scores a query against all documents of an index at once.

    Attributes
    ----------
    name : str
        What training files and runs call it.
    similarity : str
        Name of the score.
    floor : float or None
        Scores below it mean "not retrieved": for BM25 the smallest positive number, because a document that shares no
        term with the query is no candidate.
    """

    name: str
    similarity: str
    floor: float | None

    def index(self, documents: Sequence[str], *, progress: bool = False) -> LexicalIndex:
        """Index documents.

        Parameters
        ----------
        documents : sequence of str
        progress : bool
            Show progress on standard error.

        Returns
        -------
        LexicalIndex
            Document i is that of row i.
        """
        ...


Teacher: TypeAlias = DenseTeacher | LexicalTeacher


def strings(texts: Any) -> list[str]:
    """A slice of texts as Python strings: Arrow arrays become strings only here, a window at a time."""
    found: list[str] = texts.to_pylist() if hasattr(texts, "to_pylist") else list(texts)
    return found
