"""Exact search over embeddings, and exact scores of given pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hardmine import _checks, _native

SIMILARITIES = ("dot", "cosine")


def pair_scores(
    queries: npt.ArrayLike,
    documents: npt.ArrayLike,
    query_ids: npt.ArrayLike,
    document_ids: npt.ArrayLike,
    *,
    similarity: str = "dot",
    num_threads: int | None = None,
) -> npt.NDArray[np.float32]:
    """Exact scores of given (query, document) pairs, bit-identical to those of `search`.

    Products are taken in float64 (exact for these types), summed in 16 float64 lanes in a fixed order, and rounded once
    to float32. ``"cosine"`` first divides the float64 sum by the product of the float64 norms; it is 0 where one is 0.

    Parameters
    ----------
    queries : float16 | bfloat16 | float32 [num_queries, dimension]
    documents : float16 | bfloat16 | float32 [num_documents, dimension]
        NumPy arrays of any strides, memory maps, or torch tensors on the CPU. The two dtypes may differ. Nothing is
        copied.
    query_ids, document_ids : integers [n]
        Rows of the two matrices.
    similarity : "dot" | "cosine"
    num_threads : int, optional
        Default: ``HARDMINE_NUM_THREADS``, else every processor.

    Returns
    -------
    float32 [n]
        The same bytes for any number of threads and on every instruction set.

    Raises
    ------
    ValueError
        An id out of range, dimensions or lengths that differ, an unknown similarity; NaN or an infinity in an embedding
        that a pair names (the message gives row and column; other embeddings are not read).
    TypeError
        float64 or any other dtype; ids that are not integers.

    Examples
    --------
    >>> import numpy as np
    >>> import hardmine as hm
    >>> queries = np.array([[1.0, 0.0], [0.0, 2.0]], dtype=np.float32)
    >>> documents = np.array([[3.0, 4.0], [0.0, 1.0]], dtype=np.float32)
    >>> hm.pair_scores(queries, documents, [0, 1, 1], [0, 0, 1])
    array([3., 8., 2.], dtype=float32)
    """
    similarity = _checks.choice("similarity", similarity, SIMILARITIES)
    rows = _embeddings("queries", queries), _embeddings("documents", documents)
    query_ids = _checks.int64_vector("query_ids", query_ids)
    document_ids = _checks.int64_vector("document_ids", document_ids, length=query_ids.size)
    return _native.pair_scores(*rows, query_ids, document_ids, similarity, _checks.num_threads(num_threads))


def _embeddings(name: str, value: Any) -> tuple[npt.NDArray[Any], str]:
    array, kind = _checks.matrix(name, value)
    if kind == "f64":
        raise TypeError(f"{name}: dtype float64, expected float16, bfloat16 or float32; convert: .astype(np.float32)")
    return array, kind
