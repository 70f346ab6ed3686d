"""How a search will run, and what memory it will take, before it runs."""

from __future__ import annotations

import dataclasses

from hardmine.plumbing import checks
from hardmine.plumbing.threads import thread_count
from hardmine.primitives.search import codes, tiles

__all__ = ["SearchPlan", "search_plan"]

_ITEM_BYTES = {"float16": 2, "bfloat16": 2, "float32": 4}


@dataclasses.dataclass(frozen=True)
class SearchPlan:
    """What `search_plan` foresees. Sizes are in bytes.

    Attributes
    ----------
    engine : {"codes", "floats"}
        What discards documents: products of codes of one byte per number, or of float32 numbers.
    queries_at_a_time, documents_at_a_time : int
        Queries whose state is held together, and documents whose codes are.
    working : int
        Most that the search takes beyond its inputs, its result and a kept index; at most ``max_memory``.
    index : int
        What a kept `ExactIndex` takes beside the embeddings; 0 for a single search.
    result : int
        Most that the candidates take.

    Examples
    --------
    >>> import hardmine as hm
    >>> plan = hm.search_plan(1000, 1_000_000, 384, k=100, max_memory="1GB")
    >>> plan.result, plan.peak < 10**9 + plan.result
    (1208008, True)
    """

    engine: str
    queries_at_a_time: int
    documents_at_a_time: int
    working: int
    index: int
    result: int

    @property
    def peak(self) -> int:
        """Most that the process takes beyond the embeddings: the sum of the three sizes."""
        return self.working + self.index + self.result


def search_plan(
    num_queries: int,
    num_documents: int,
    dimension: int,
    k: int,
    *,
    similarity: str = "dot",
    dtype: str = "float32",
    index: bool = False,
    max_memory: int | str | None = None,
    num_threads: int | None = None,
) -> SearchPlan:
    """How `search` on the host would run on arrays of these shapes, and what memory it would take.

    Parameters
    ----------
    num_queries, num_documents, dimension, k : int
    similarity : {"dot", "cosine"}
    dtype : {"float32", "float16", "bfloat16"}
        Of both sides.
    index : bool
        Whether documents are searched through a kept `ExactIndex`.
    max_memory : int or str, optional
        As for `search`.
    num_threads : int, optional
        As for `search`: threads have buffers of their own.

    Returns
    -------
    SearchPlan

    Raises
    ------
    ValueError
        A negative number, an unknown similarity or dtype, or a `max_memory` too small: what `search` would raise.
    TypeError
        A number that is not an integer.
    """
    shape = [
        checks.integer(name, value)
        for name, value in [("num_queries", num_queries), ("num_documents", num_documents), ("dimension", dimension)]
    ]
    k = checks.integer("k", k)
    if shape[1] >= 2**32:
        raise ValueError(f"num_documents: {shape[1]}, expected fewer than 2^32; search the corpus in parts")
    if dtype not in _ITEM_BYTES:
        raise ValueError(f"dtype: {dtype!r}, expected one of {', '.join(_ITEM_BYTES)}")
    copied = checks.similarity(similarity) == "cosine" or dtype != "float32"
    budget = checks.memory("max_memory", max_memory, tiles.DEFAULT_MEMORY)
    threads = thread_count(num_threads)
    documents = shape[1], shape[2]
    kept = index and codes.can(documents)
    cut, tiling = decide(shape[0], documents, k, budget, threads, (copied, copied), kept=kept)
    held = 8 * documents[0] + codes.bytes_of(documents) if kept else 0
    result = shape[0] * min(k, documents[0]) * 12 + 8 * (shape[0] + 1)
    if cut is None:
        return SearchPlan("floats", tiling.panel, documents[0], tiling.working, held, result)
    return SearchPlan("codes", cut.panel, cut.piece, cut.working, held, result)


def decide(
    num_queries: int,
    documents: tuple[int, int],
    k: int,
    max_memory: int,
    threads: int,
    copied: tuple[bool, bool],
    *,
    kept: bool,
) -> tuple[codes.Plan | None, tiles.Tiling]:
    """The one place that decides between codes and floats: the cut for codes, or None, and the one for floats."""
    tiling = tiles.plan(num_queries, documents, k, max_memory, threads, copied)
    return codes.plan(num_queries, documents, k, max_memory, threads, tiling, kept=kept), tiling
