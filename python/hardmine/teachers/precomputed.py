"""Embeddings made elsewhere as a teacher."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hardmine.plumbing import arrays, checks
from hardmine.plumbing.progress import Reporting


class Precomputed:
    """A teacher that looks embeddings up by row number; made by `hardmine.teachers.precomputed`."""

    needs_texts = False

    def __init__(self, queries: Any, documents: Any, similarity: str, name: str) -> None:
        self.name = name
        self.similarity = checks.similarity(similarity)
        self._queries, self._documents = open_embeddings("queries", queries), open_embeddings("documents", documents)
        widths = self._queries.shape[1], self._documents.shape[1]
        if widths[0] != widths[1]:
            raise ValueError(f"documents: {widths[1]} dimensions, expected {widths[0]} (as the queries)")

    def embed_queries(self, texts: Sequence[str], *, progress: Reporting = False) -> npt.NDArray[Any]:  # noqa: ARG002
        """The query embeddings, after a check of their number."""
        return _counted("query embeddings", self._queries, len(texts), "queries")

    def embed_documents(self, texts: Sequence[str], *, progress: Reporting = False) -> npt.NDArray[Any]:  # noqa: ARG002
        """The document embeddings, after a check of their number."""
        return _counted("document embeddings", self._documents, len(texts), "documents")

    def fingerprint(self, _what: str) -> None:
        """None: rows are looked up, and a cache keeps none of them; runs are known by the numbers themselves."""

    def __repr__(self) -> str:
        return f"Precomputed(queries {self._queries.shape}, documents {self._documents.shape}, {self.similarity})"


def precomputed(queries: Any, documents: Any, *, similarity: str = "cosine", name: str = "precomputed") -> Precomputed:
    """Use embeddings made elsewhere as a teacher.

    Parameters
    ----------
    queries : array [num_queries, dimension] or path of a .npy file
        float16, bfloat16 or float32, row i for query i of the collection. A path is memory-mapped.
    documents : array [num_documents, dimension] or path of a .npy file
        Row i for document i of the collection.
    similarity : {"cosine", "dot"}
        How two embeddings are compared.
    name : str
        What training files and runs call this teacher.

    Returns
    -------
    DenseTeacher
        Its row counts are checked against the collection when it is used.

    Raises
    ------
    TypeError, ValueError
        Wrong dtype or shape, or a file that is no .npy file of numbers.

    Examples
    --------
    >>> import numpy as np
    >>> import hardmine as hm
    >>> hm.teachers.precomputed(np.eye(2, dtype=np.float32), np.ones((3, 2), dtype=np.float32))
    Precomputed(queries (2, 2), documents (3, 2), cosine)
    """
    return Precomputed(queries, documents, similarity, name)


def open_embeddings(name: str, value: Any) -> Any:
    """Embeddings as an array: a path of a .npy file is memory-mapped."""
    where = name
    if isinstance(value, (str, os.PathLike)):
        path = Path(value)
        where = str(path)
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file, expected the embeddings of the {name} (.npy)")
        try:
            value = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError, OSError, SyntaxError) as error:
            reason = " ".join(str(error).split())[:80]
            raise ValueError(f"{path}: unreadable ({reason}), expected a .npy file of numbers") from None
        if not isinstance(value, np.ndarray):
            raise ValueError(f"{path}: several arrays (.npz), expected one (.npy)")
    array, kind = arrays.matrix(where, value)
    if kind == "f64":
        raise TypeError(f"{where}: dtype float64, expected float32, float16 or bfloat16; convert: .astype(np.float32)")
    return value if hasattr(value, "shape") else array


def _counted(what: str, embeddings: Any, wanted: int, units: str) -> npt.NDArray[Any]:
    if embeddings.shape[0] != wanted:
        raise ValueError(f"{what}: {embeddings.shape[0]} rows, expected {wanted} (the {units} of the collection)")
    found: npt.NDArray[Any] = embeddings
    return found
