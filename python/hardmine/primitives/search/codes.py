"""The scan over codes of one byte per number: how `search` runs on processors that multiply bytes fast.

The native module keeps what the bound of the codes cannot discard and rescores it, so the result is that of the scan of
`tiles`, to the bit. Both feed the same state: where the codes of a corpus tell its documents too badly apart, a scan goes
on with float32 products from the document that it has reached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

import hardmine._native as _native
from hardmine.primitives.search import tiles

BLOCK = 64
"""Documents of a block."""
MAX_DIMENSION = 32768
"""Longest embeddings that have codes."""

# Measured: below, making the codes, or preparing the queries for them, costs more than float32 products.
_FEWEST_DOCUMENTS = 1024
_FEWEST_QUERIES = 48
# Documents rescored during the scan, of all that it passes: from here on float32 products cost less.
_LOOSE = 0.1
# Documents of the first step, after which that is looked at first, and multiply-adds of a task of a step at most.
_FIRST_STEP = 2048
_TASK_WORK = 2 * 10**9
_QUERIES_PER_TASK = 240


class Frame(NamedTuple):
    """How embeddings are moved and turned before they get codes: the fields of the core's `Frame`."""

    similarity: str
    centre: npt.NDArray[np.float32]
    rotated: bool


class Codes(NamedTuple):
    """Documents as codes: the fields of the core's `Coded`."""

    data: npt.NDArray[np.uint8]
    terms: npt.NDArray[np.float32]
    frame: Frame
    first: int
    """Document of the first row."""
    rows: int

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return -(-self.rows // BLOCK)


class Plan(NamedTuple):
    """How the work is cut. Never changes a byte of the result."""

    panel: int
    """Queries whose state is held at a time."""
    piece: int
    """Documents that have codes at a time; all of them where the codes are kept."""


def choose_frame(documents: tiles.Rows, similarity: str, threads: int) -> Frame:
    """The frame that leaves the codes of these documents the smallest residuals."""
    return Frame(similarity, *_native.choose_frame(documents, similarity, threads))


def room(rows: int, dimension: int, frame: Frame) -> Codes:
    """Space for the codes of so many documents."""
    size, terms = _native.code_sizes(rows, dimension)
    return Codes(np.empty(size, np.uint8), np.empty(terms, np.float32), frame, 0, 0)


def encode(
    documents: tiles.Rows, frame: Frame, threads: int, first: int = 0, rows: int | None = None, space: Codes | None = None
) -> Codes:
    """The codes of some documents, written into `space` where one is given."""
    rows = documents.shape[0] if rows is None else rows
    space = room(rows, documents.shape[1], frame) if space is None else space
    size, terms = _native.code_sizes(rows, documents.shape[1])
    found = Codes(space.data[:size], space.terms[:terms], frame, first, rows)
    _native.encode_rows(documents, first, rows, frame, found.data, found.terms, threads)
    return found


def can(documents: tuple[int, int]) -> bool:
    """Whether documents of this number and dimension have codes, and this processor multiplies bytes fast."""
    return 0 < documents[1] <= MAX_DIMENSION and documents[0] >= _FEWEST_DOCUMENTS and _native.has_fast_codes()


def pays(num_queries: int, documents: tuple[int, int]) -> bool:
    """Whether codes that are made for one search alone pay."""
    return num_queries >= _FEWEST_QUERIES and can(documents)


def bytes_per_document(dimension: int) -> float:
    """Bytes that the codes of a document take."""
    size, terms = _native.code_sizes(BLOCK, dimension)
    return (size + 4 * terms) / BLOCK


def plan(
    num_queries: int, documents: tuple[int, int], k: int, max_memory: int, threads: int, *, kept: bool
) -> Plan | None:
    """The cut that keeps the working memory within `max_memory` bytes; None where that leaves too little for codes."""
    (num_documents, dimension), k = documents, min(k, documents[0])
    state = _native.SearchScan.bytes_per_query(k, num_documents)
    # The state of a query, while a panel finishes its lists in two forms, and where few queries are cut by documents the
    # states of the parts.
    per_query = state * (1 + 2 * threads * (num_queries < _QUERIES_PER_TASK)) + 28 * k
    # Queries as floats and codes, and best ones for a first threshold, by thread.
    scratch = threads * (_QUERIES_PER_TASK * (5 * dimension + 256) + 6 * 32 * k)
    free = max_memory - 8 * (num_queries + num_documents) - scratch
    piece = num_documents
    if not kept:
        share = max(free // 2, free - num_queries * per_query)
        piece = min(num_documents, int(share / bytes_per_document(dimension)) // BLOCK * BLOCK)
        free -= int(piece * bytes_per_document(dimension))
    panel = min(free // per_query, max(num_queries, 1))
    enough = min(num_documents, 16 * _FEWEST_DOCUMENTS), min(num_queries, _QUERIES_PER_TASK)
    return None if piece < enough[0] or panel < enough[1] else Plan(panel, piece)


def scan(
    queries: tiles.Rows,
    documents: tiles.Rows,
    k: int,
    similarity: str,
    limits: tiles.Limits,
    cut: Plan,
    tiling: tiles.Tiling,
    threads: int,
    progress: tiles.Progress | None = None,
    *,
    codes: Codes | None = None,
) -> _native.Ranked:
    """Exact candidates of all queries, from `codes` of all documents or from codes made piece after piece."""
    (num_queries, _), num_documents = queries.shape, documents.shape[0]
    frame = choose_frame(documents, similarity, threads) if codes is None else codes.frame
    done, total = 0, num_queries * num_documents
    loose = False
    space: Codes | None = None

    def tick(pairs: int) -> None:
        nonlocal done
        done += pairs
        if progress is not None:
            progress(done, total)

    def pieces() -> Iterator[Codes]:
        nonlocal space
        if codes is not None:
            yield codes
            return
        for first in range(0, num_documents, cut.piece):
            found = encode(documents, frame, threads, first, min(cut.piece, num_documents - first), space)
            space = found if space is None else space
            yield found

    def panel(start: int, stop: int) -> _native.Ranked:
        nonlocal loose
        part = queries.slice(start, stop)
        state = _native.SearchScan(similarity, stop - start, num_documents, k, tiles.cut(limits, start, stop))
        source, reached = tiles.Source(part, documents), 0
        if not loose:
            for piece in pieces():
                reached, loose = _feed(state, source, piece, threads, tick)
                if loose:
                    break
        if reached < num_documents:
            tiles.feed(state, source, similarity, reached, tiling, threads, tick)
        return state.finish(source, threads)

    return tiles.join(panel, num_queries, min(k, num_documents), cut.panel)


def _feed(
    state: _native.SearchScan, source: tiles.Source, codes: Codes, threads: int, tick: Callable[[int], None]
) -> tuple[int, bool]:
    """Give the state the documents of `codes`: the document reached, and whether the rest is better done otherwise."""
    num_queries, dimension = source.queries.shape
    work = max(min(num_queries, _QUERIES_PER_TASK) * dimension, 1)
    most = max(_TASK_WORK // work // BLOCK, 1)
    block, step = 0, min(_FIRST_STEP // BLOCK, most)
    while block < codes.blocks:
        last = min(block + step, codes.blocks)
        rescored = state.update_codes(source, codes, block, last, threads)
        passed = min(last * BLOCK, codes.rows) - block * BLOCK
        tick(num_queries * passed)
        block, step = last, min(4 * step, most)
        if rescored > _LOOSE * num_queries * passed:
            return codes.first + min(block * BLOCK, codes.rows), True
    return codes.first + codes.rows, False
