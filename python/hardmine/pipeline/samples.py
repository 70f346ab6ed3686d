"""How fast this machine is, by samples of the work that is ahead."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np

from hardmine.nouns.sparse import SparseRows
from hardmine.primitives.search.index import search
from hardmine.primitives.search.sparse import SparseIndex

TILE = 256, 20_000
"""Queries and documents of the measured search, at most."""
_SECONDS = 1.0  # a sample of texts grows until it takes about as long
_FEWEST_TEXTS, _MOST_TEXTS = 8, 2_048
MOST_ROWS = 2_048
"""Sparse rows of a measured search, at most."""
_INDEXED = 2_000


def indexed(
    teacher: Any, documents: Any, queries: Any, k: int, threads: int
) -> tuple[int, int, float | None, float | None]:
    """Bytes of an index of all documents, by a sample; terms of its longest query; documents and pairs per second."""
    some, asked = spread(documents, _INDEXED), spread(queries, TILE[0]).to_pylist()
    tracemalloc.start()
    try:
        index = teacher.index(some)
        search_index = SparseIndex(index.documents, num_threads=threads)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    begun = time.perf_counter()
    index = teacher.index(some)
    search_index = SparseIndex(index.documents, num_threads=threads)
    rate = len(some) / since(begun) if len(some) else None
    begun = time.perf_counter()
    weighed = index.queries(asked)
    search_index.search(weighed, k, num_threads=threads)
    pairs = len(asked) * len(some) / since(begun) if len(some) and asked else None
    longest = int(np.diff(weighed.offsets).max(initial=0))
    return int(held * len(documents) / max(len(some), 1)), longest, rate, pairs


def embedded(embed: Callable[[Any], Any], texts: Any) -> tuple[Any, float | None]:
    """Embeddings of a sample, and texts per second."""
    sample = embed(spread(texts, _FEWEST_TEXTS))  # what is made once is made here
    count, rate = _FEWEST_TEXTS, None
    while len(texts):
        some = spread(texts, count)
        begun = time.perf_counter()
        sample = embed(some)
        seconds = since(begun)
        rate = len(some) / seconds
        if seconds >= _SECONDS / 2 or len(some) == len(texts) or count >= _MOST_TEXTS:
            break
        count = min(_MOST_TEXTS, max(2 * count, int(rate * _SECONDS)))
    return sample, rate


def searched(
    num_queries: int, num_documents: int, dimension: int, k: int, similarity: str, threads: int
) -> float | None:
    """Pairs per second of a search over a tile of random numbers."""
    rng = np.random.default_rng(0)
    shape = min(num_queries, TILE[0]), min(num_documents, TILE[1])
    if not shape[0] * shape[1] * dimension:
        return None
    queries, documents = (rng.standard_normal((rows, dimension), dtype=np.float32) for rows in shape)
    search(queries, documents, min(k, 1), similarity=similarity, num_threads=threads)
    begun = time.perf_counter()
    search(queries, documents, k, similarity=similarity, num_threads=threads)
    return shape[0] * shape[1] / since(begun)


def searched_sparse(queries: SparseRows, documents: SparseRows, k: int, threads: int) -> tuple[int, float | None]:
    """Bytes of an index of some documents, and pairs per second of a search in it."""
    index = SparseIndex(documents, num_threads=threads)
    if not len(queries) * len(documents):
        return index.nbytes, None
    index.search(queries.take(np.zeros(1, np.int64)), min(k, 1))
    begun = time.perf_counter()
    index.search(queries, k)
    return index.nbytes, len(queries) * len(documents) / since(begun)


def spread(texts: Any, count: int) -> Any:
    """So many texts, spread evenly over all."""
    count = min(count, len(texts))
    return texts.take(np.arange(count, dtype=np.int64) * len(texts) // max(count, 1))


def since(begun: float) -> float:
    """Seconds since then, never none."""
    return max(time.perf_counter() - begun, 1e-9)
