"""The tiled scan behind `search`: float32 matrix products in, exact candidates out.

Queries are cut into panels whose state fits the memory budget. Per panel the documents pass once, tile by tile; every
tile of scores is written by BLAS into one reused buffer and filtered by the native module while it is still in cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

import hardmine._native as _native
from hardmine.primitives.limits import Limits

if TYPE_CHECKING:
    from typing import TypeAlias

    Progress: TypeAlias = Callable[[int, int], object]

DEFAULT_MEMORY = 256 * 10**6
"""Working memory of a search without ``max_memory``, in bytes."""

# Measured: from some 1,000 x 2,000 on, BLAS runs at its full rate, and a tile of 16 MB still lies in the last cache.
_QUERY_TILE = 1024
_DOCUMENT_TILE = 4096
# Multiply-adds of one product, so that Ctrl-C, noticed between products, waits a fraction of a second at most.
_TILE_WORK = 4 * 10**9


class Rows(NamedTuple):
    """Embeddings as the native module takes them, and their float64 norms."""

    array: npt.NDArray[Any]
    kind: str
    norms: npt.NDArray[np.float64]

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and dimension."""
        return self.array.shape[0], self.array.shape[1]

    def slice(self, start: int, stop: int) -> Rows:
        """Rows `start` to `stop`."""
        return Rows(self.array[start:stop], self.kind, self.norms[start:stop])


class Source(NamedTuple):
    """What the native module rescores from."""

    queries: Rows
    documents: Rows


class Hits(NamedTuple):
    """What a filter elsewhere left of a tile: the fields of the core's `Hits`."""

    first_query: int
    offsets: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    documents: npt.NDArray[np.int64] | None
    above: npt.NDArray[np.int64]
    below: npt.NDArray[np.int64]


class Tiling(NamedTuple):
    """How the work is cut. Never changes a byte of the result."""

    panel: int
    """Queries whose state is held at a time."""
    query_tile: int
    document_tile: int
    shuffle: int | None = None
    """Seed of a shuffled order of tiles, for tests."""
    working: int = 0
    """Bytes of working memory."""


def needs_copy(rows: Rows, similarity: str) -> bool:
    """Whether BLAS cannot read the embeddings as they lie."""
    if similarity == "cosine" or rows.kind != "f32":
        return True
    (row_stride, item_stride), aligned = rows.array.strides, rows.array.flags.aligned
    return not (aligned and item_stride == 4 and row_stride >= 4 * rows.shape[1] and row_stride % 4 == 0)


def plan(
    num_queries: int, documents: tuple[int, int], k: int, max_memory: int, threads: int, copied: tuple[bool, bool]
) -> Tiling:
    """The tiling that keeps the working memory within `max_memory` bytes; `copied` are the sides that are widened."""
    num_documents, dimension = documents
    query_tile, document_tile = max(min(num_queries, _QUERY_TILE), 1), max(min(num_documents, _DOCUMENT_TILE), 1)
    k = min(k, num_documents)
    # The state of a query, and while a panel finishes, its lists in two forms.
    row = _native.SearchScan.bytes_per_query(k, num_documents) + 28 * k + 4 * dimension * copied[0]
    # Norms, and the bounds made of them.
    free = max_memory - 8 * (num_queries + num_documents)
    while query_tile * document_tile * dimension > _TILE_WORK and document_tile > 1:
        document_tile = -(-document_tile // 2)

    def tile_bytes() -> int:
        return document_tile * (4 * query_tile + 4 * dimension * copied[1] + 8)

    while tile_bytes() > free // 2 and query_tile * document_tile > 1:
        if document_tile > 2 * query_tile:
            document_tile = -(-document_tile // 2)
        else:
            query_tile = -(-query_tile // 2)
            document_tile = -(-document_tile // 2)
    panel = panel_of(free - tile_bytes(), row, k, num_documents, threads)
    if panel < 1:
        needed = max_memory - free + 2 * tile_bytes() + row + settling(k, num_documents, 1, threads)
        raise ValueError(f"max_memory: {max_memory} bytes, expected at least {needed} for these arrays")
    panel = min(panel, max(num_queries, 1))
    working = tile_bytes() + panel * row + settling(k, num_documents, panel, threads) + max_memory - free
    return Tiling(panel, min(query_tile, panel), document_tile, working=working)


settling = _native.SearchScan.settling_bytes


def panel_of(free: int, row: int, k: int, num_documents: int, threads: int) -> int:
    """Most queries of `row` bytes each that `free` bytes hold, with what settling them takes, which has a limit."""
    limit = settling(k, num_documents, 2**40, threads)
    return max(free // (row + settling(k, num_documents, 1, threads)), (free - limit) // row)


def scan(
    queries: Rows,
    documents: Rows,
    k: int,
    similarity: str,
    limits: Limits,
    tiling: Tiling,
    threads: int,
    progress: Progress | None = None,
) -> _native.Ranked:
    """Exact candidates of all queries."""
    done, total = 0, queries.shape[0] * documents.shape[0]

    def tick(pairs: int) -> None:
        nonlocal done
        done += pairs
        if progress is not None:
            progress(done, total)

    def panel(start: int, stop: int) -> _native.Ranked:
        part = queries.slice(start, stop)
        return _scan_panel(part, documents, k, similarity, limits.cut(start, stop), tiling, threads, tick)

    return join(panel, queries.shape[0], min(k, documents.shape[0]), tiling.panel)


def join(panel: Callable[[int, int], _native.Ranked], num_queries: int, k: int, size: int) -> _native.Ranked:
    """The results of all panels in one, without ever holding them twice."""
    if num_queries <= size:
        return panel(0, num_queries)
    ids, scores = np.empty(num_queries * k, np.int64), np.empty(num_queries * k, np.float32)
    offsets, counts = np.zeros(num_queries + 1, np.int64), np.zeros((4, num_queries), np.int64)
    end = 0
    for start in range(0, num_queries, size):
        stop = min(start + size, num_queries)
        found = panel(start, stop)
        offsets[start + 1 : stop + 1] = found["offsets"][1:] + end
        size_found = found["ids"].size
        ids[end : end + size_found], scores[end : end + size_found] = found["ids"], found["scores"]
        counts[:, start:stop] = found["above_ceiling"], found["below_floor"], found["nan"], found["excluded"]
        end += size_found
    # The arrays are referenced here alone; pages that were never written are given back.
    ids.resize(end, refcheck=False)
    scores.resize(end, refcheck=False)
    above_ceiling, below_floor, nan, excluded = counts
    return {
        "offsets": offsets,
        "ids": ids,
        "scores": scores,
        "above_ceiling": above_ceiling,
        "below_floor": below_floor,
        "nan": nan,
        "excluded": excluded,
    }


def _scan_panel(
    queries: Rows,
    documents: Rows,
    k: int,
    similarity: str,
    limits: Limits,
    tiling: Tiling,
    threads: int,
    tick: Callable[[int], None],
) -> _native.Ranked:
    state = _native.SearchScan(similarity, queries.shape[0], documents.shape[0], k, limits)
    source = Source(queries, documents)
    feed(state, source, similarity, tiling, threads, tick)
    return state.finish(source, threads)


def feed(
    state: _native.SearchScan,
    source: Source,
    similarity: str,
    tiling: Tiling,
    threads: int,
    tick: Callable[[int], None],
) -> None:
    """Give the state all documents."""
    queries, documents = source
    (num_queries, dimension), num_documents = queries.shape, documents.shape[0]
    left = _float32(queries, similarity, 0, num_queries, None, threads)
    copied = needs_copy(documents, similarity)
    space = np.empty((min(tiling.document_tile, num_documents), dimension), np.float32) if copied else None
    query_tile = min(tiling.query_tile, num_queries)
    buffer = np.empty(query_tile * min(tiling.document_tile, num_documents), np.float32)
    right, held = np.empty((0, dimension), np.float32), -1
    for first_query, first_document in _tiles(num_queries, num_documents, tiling):
        if held != first_document:
            stop = min(first_document + tiling.document_tile, num_documents)
            right, held = _float32(documents, similarity, first_document, stop, space, threads), first_document
        rows = left[first_query : first_query + query_tile]
        tile = buffer[: len(rows) * len(right)].reshape(len(rows), len(right))
        with np.errstate(all="ignore"):  # what overflows is rescored
            np.matmul(rows, right.T, out=tile)
        state.update(source, tile, first_query, first_document, threads)
        tick(tile.size)


def _tiles(num_queries: int, num_documents: int, tiling: Tiling) -> Iterator[tuple[int, int]]:
    tiles = (
        (first_query, first_document)
        for first_document in range(0, num_documents, tiling.document_tile)
        for first_query in range(0, num_queries, tiling.query_tile)
    )
    if tiling.shuffle is None:
        return tiles
    shuffled = list(tiles)
    import random  # for tests alone

    random.Random(tiling.shuffle).shuffle(shuffled)  # noqa: S311
    return iter(shuffled)


def _float32(
    rows: Rows, similarity: str, start: int, stop: int, space: npt.NDArray[np.float32] | None, threads: int
) -> npt.NDArray[np.float32]:
    """Rows `start` to `stop` as BLAS takes them; normalised for the cosine. Written into `space` where one is given."""
    if not needs_copy(rows, similarity):
        return rows.array[start:stop]
    out = np.empty((stop - start, rows.shape[1]), np.float32) if space is None else space[: stop - start]
    _native.widen_rows((rows.array, rows.kind), start, rows.norms if similarity == "cosine" else None, out, threads)
    return out
