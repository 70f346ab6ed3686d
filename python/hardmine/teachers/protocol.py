"""What a teacher is: the three shapes that `retrieve` can work with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy.typing as npt

from hardmine.nouns.sparse import SparseRows
from hardmine.plumbing.progress import Reporting


@runtime_checkable
class DenseTeacher(Protocol):
    """Scores a query and a document by the similarity of two embeddings.

    Attributes
    ----------
    name : str
        What training files and runs call it.
    similarity : {"cosine", "dot"}
        How two embeddings are compared.
    fingerprint : str, mapping, or method, optional
        What a cache knows the embeddings by: a string, or JSON-able facts, that change whenever embeddings of a text
        do. Or a method that is called with "queries" or "documents" and returns one, since prompts may differ; where it
        returns None, embeddings are looked up by row and none of them is kept. Only ``cache=`` asks for it, and
        `hardmine.plan` where `needs_texts` is False.
    group_bytes : int, optional
        Bytes of texts that are embedded in one call where a cache keeps the result, so that it can be saved in between:
        what takes some seconds; 2**20 by default. The texts of a call may share batches, so this is a part of the
        fingerprint.
    needs_texts : bool, optional
        False for a teacher that reads no texts: of a collection of ids alone it is given the ids in their place.
        Absent means True.
    """

    name: str
    similarity: str

    def embed_queries(self, texts: Sequence[str], *, progress: Reporting = False) -> npt.NDArray[Any]:
        """Embeddings of queries.

        Parameters
        ----------
        texts : sequence of str
        progress : bool or callable
            Whether to show progress on standard error, or what to call with each `hardmine.ProgressEvent`.

        Returns
        -------
        floats [num_texts, dimension]
            One row per text in the order given.
        """
        ...

    def embed_documents(self, texts: Sequence[str], *, progress: Reporting = False) -> npt.NDArray[Any]:
        """Embeddings of documents.

        Parameters
        ----------
        texts : sequence of str
        progress : bool or callable
            Whether to show progress on standard error, or what to call with each `hardmine.ProgressEvent`.

        Returns
        -------
        floats [num_texts, dimension]
            One row per text in the order given.
        """
        ...


@runtime_checkable
class SparseTeacher(Protocol):
    """Scores a query and a document by the weights of the terms that they share.

    Attributes
    ----------
    name : str
        What training files and runs call it.
    similarity : {"dot", "cosine"}
        Name of the score. It is the dot product of two rows in any case: rows of a cosine come scaled to length 1.
    fingerprint : str, mapping, or method, optional
        What a cache knows the rows by; as that of `DenseTeacher`.
    group_bytes : int, optional
        As that of `DenseTeacher`.
    """

    name: str
    similarity: str

    def encode_queries(self, texts: Sequence[str], *, progress: Reporting = False) -> Any:
        """Weights of the terms of queries.

        Parameters
        ----------
        texts : sequence of str
        progress : bool or callable
            Whether to show progress on standard error, or what to call with each `hardmine.ProgressEvent`.

        Returns
        -------
        SparseRows, or what `SparseRows.of` takes
            One row per text in the order given.
        """
        ...

    def encode_documents(self, texts: Sequence[str], *, progress: Reporting = False) -> Any:
        """Weights of the terms of documents.

        Parameters
        ----------
        texts : sequence of str
        progress : bool or callable
            Whether to show progress on standard error, or what to call with each `hardmine.ProgressEvent`.

        Returns
        -------
        SparseRows, or what `SparseRows.of` takes
            One row per text in the order given, of the terms of queries.
        """
        ...


class LexicalIndex(Protocol):
    """Documents that a lexical teacher has indexed.

    Attributes
    ----------
    documents : SparseRows
        Weights of the terms of every document. One that shares no term with a query is no candidate.
    """

    documents: SparseRows

    def queries(self, texts: Sequence[str]) -> SparseRows:
        """Weights of the terms of queries, by the same numbers of terms.

        Parameters
        ----------
        texts : sequence of str

        Returns
        -------
        SparseRows
            One row per text in the order given.
        """
        ...


@runtime_checkable
class LexicalTeacher(Protocol):
    """Weighs the terms of documents and queries; the sum of the products of what they share is the score.

    Attributes
    ----------
    name : str
        What training files and runs call it.
    similarity : str
        Name of the score.
    floor : float or None
        Scores below it mean "not retrieved".
    fingerprint : str, mapping, or method, optional
        What a cache knows the scores by; as that of `DenseTeacher`, and called with "documents".
    """

    name: str
    similarity: str
    floor: float | None

    def index(self, documents: Sequence[str], *, progress: Reporting = False) -> LexicalIndex:
        """Index documents.

        Parameters
        ----------
        documents : sequence of str
        progress : bool or callable
            Whether to show progress on standard error, or what to call with each `hardmine.ProgressEvent`.

        Returns
        -------
        LexicalIndex
            Document i is that of row i.
        """
        ...


@runtime_checkable
class PairScorer(Protocol):
    """Scores a query and a document together, pair by pair: a cross-encoder, or anything that does what one does.

    Attributes
    ----------
    name : str
        What runs call it.
    similarity : str, optional
        Name of the score.
    floor : float or None
        Scores below it mean "not retrieved".
    fingerprint : str, mapping, or method, optional
        What a cache knows the scores by: a string, or JSON-able facts, that change whenever the score of a pair does;
        or a method without arguments that returns one. Only ``cache=`` asks for it.
    group_bytes : int, optional
        Bytes of texts that are scored in one call, so that what is done can be saved in between: what takes some
        seconds; 2**20 by default. The pairs of a call may share batches, so this is a part of the fingerprint.
    """

    name: str

    def score_pairs(
        self, queries: Sequence[str], documents: Sequence[str], *, progress: Reporting = False
    ) -> npt.NDArray[Any]:
        """Score of each pair (queries[i], documents[i]).

        Parameters
        ----------
        queries, documents : sequence of str
            Of one length.
        progress : bool or callable
            Whether to show progress on standard error, or what to call with each `hardmine.ProgressEvent`.

        Returns
        -------
        floats [n]
            Higher is better; in the order given.
        """
        ...


Teacher: TypeAlias = DenseTeacher | LexicalTeacher | SparseTeacher


def strings(texts: Any) -> list[str]:
    """A slice of texts as Python strings: Arrow arrays become strings only here, a window at a time."""
    if isinstance(texts, str):
        raise TypeError(f"texts: one string, {texts[:20]!r}, expected several texts")
    found: list[str] = texts.to_pylist() if hasattr(texts, "to_pylist") else list(texts)
    for text in found:
        if not isinstance(text, str):
            raise TypeError(f"texts: {type(text).__name__} among them, expected strings")
    return found
