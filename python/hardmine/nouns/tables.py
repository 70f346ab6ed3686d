"""The parameters of a `Collection` from whole columns: what `builder` does row by row, for millions of rows at once."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hardmine.nouns.builder import COUNTS
from hardmine.nouns.positives import Positives
from hardmine.plumbing.extras import need
from hardmine.plumbing.ragged import offsets_of

if TYPE_CHECKING:
    import pyarrow as pa

_Int64 = npt.NDArray[np.int64]


def labels(queries: _Int64, documents: _Int64, num_queries: int, num_documents: int) -> tuple[_Int64, _Int64, int]:
    """Labels by query from pairs in any order, each once, in the order in which they came.

    Parameters
    ----------
    queries, documents : int64 [n]
    num_queries, num_documents : int

    Returns
    -------
    offsets : int64 [num_queries + 1]
    ids : int64
    num_repeated : int
        Pairs that were there before.

    Examples
    --------
    >>> import numpy as np
    >>> from hardmine.nouns.tables import labels
    >>> offsets, ids, repeated = labels(np.array([1, 0, 1, 1]), np.array([5, 2, 3, 5]), 2, 6)
    >>> offsets.tolist(), ids.tolist(), repeated
    ([0, 1, 3], [2, 5, 3], 1)
    """
    _, first = np.unique(queries * max(num_documents, 1) + documents, return_index=True)
    first.sort()
    queries, kept = queries[first], documents[first]
    order = np.argsort(queries, kind="stable")
    offsets = offsets_of(np.bincount(queries, minlength=num_queries))
    return offsets, kept[order], documents.size - kept.size


def parts(
    queries: dict[str, pa.LargeStringArray],
    documents: dict[str, pa.LargeStringArray],
    pairs: tuple[_Int64, _Int64],
    *,
    source: str | os.PathLike[str],
    column_names: tuple[str, str] = ("anchor", "positive"),
    **counts: int,
) -> dict[str, Any]:
    """The parameters of a `Collection`: queries without positives are left out and counted.

    Parameters
    ----------
    queries, documents : dict of str to pyarrow.LargeStringArray
        Columns by name.
    pairs : (int64 [n], int64 [n])
        Query and document of every label, in any order, some perhaps more than once.
    source, column_names : path-like, (str, str)
        As of a `Collection`.
    **counts : int
        What the reader met, besides what is counted here.
    """
    pa = need("pyarrow", what="hardmine.Collection", extra="mine")
    table, corpus = pa.table(queries), pa.table(documents)
    offsets, ids, repeated = labels(*pairs, table.num_rows, corpus.num_rows)
    lengths = np.diff(offsets)
    kept = np.flatnonzero(lengths)
    if kept.size < table.num_rows:
        table = table.take(pa.array(kept)).combine_chunks()
    counts = {"duplicate_judgements": repeated, "queries_without_positives": lengths.size - kept.size} | counts
    return {
        "queries": table,
        "documents": corpus,
        "positives": Positives(offsets_of(lengths[kept]), ids),
        "source": os.fspath(source),
        "column_names": column_names,
        "counts": dict.fromkeys(COUNTS, 0) | counts,
    }
