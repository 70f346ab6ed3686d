"""The scan over codes of one byte per number: how `search` runs on processors that multiply bytes fast.

The native module keeps what the bound of the codes cannot discard and rescores it, so the result is that of the scan of
`tiles`, to the bit. Both feed the same state: where the codes of a corpus turn out to tell its documents too badly
apart, a scan begins anew with float32 products.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

import hardmine._native as _native
from hardmine.primitives.limits import Limits
from hardmine.primitives.search import tiles

BLOCK = 64
"""Documents of a block."""
MAX_DIMENSION = 32768
"""Longest embeddings that have codes."""

# Measured: below, making the codes, or preparing the queries for them, costs more than float32 products.
_FEWEST_DOCUMENTS = 1024
_FEWEST_QUERIES = 48
# Documents rescored during the scan, of all that it passes: from here on float32 products cost less.
_LOOSE = 0.06
# That is looked at after every step, while more is left than this part of the corpus, and there are so many steps.
_EARLY = 1 / 2
_STEPS = 4
# Documents of the first step, and multiply-adds of a task of a step at most.
_FIRST_STEP = 2048
_TASK_WORK = 2 * 10**9
_QUERIES_PER_TASK = 240
# One of so many queries at a time may be scanned a second time; hardly one in a hundred is.
_AGAIN = 16


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
    again: int
    """Queries that are scanned a second time together."""
    working: int
    """Bytes of working memory."""


def choose_frame(documents: tiles.Rows, similarity: str, threads: int) -> Frame:
    """The frame that leaves the codes of these documents the smallest residuals."""
    return Frame(similarity, *_native.choose_frame(documents, similarity, threads))


def room(rows: int, dimension: int, frame: Frame) -> Codes:
    """Space for the codes of so many documents."""
    size, terms = _native.code_sizes(rows, dimension)
    return Codes(np.empty(size, np.uint8), np.empty(terms, np.float32), frame, 0, 0)


def encode(
    documents: tiles.Rows,
    frame: Frame,
    threads: int,
    first: int = 0,
    rows: int | None = None,
    space: Codes | None = None,
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


def bytes_of(documents: tuple[int, int]) -> int:
    """Bytes that the codes of so many documents of that dimension take."""
    size, terms = _native.code_sizes(*documents)
    return size + 4 * terms


def plan(
    num_queries: int,
    documents: tuple[int, int],
    k: int,
    max_memory: int,
    threads: int,
    tiling: tiles.Tiling,
    *,
    kept: bool,
) -> Plan | None:
    """The cut that keeps the working memory within `max_memory` bytes.

    None where codes do not pay: the processor or the arrays do not suit them, they would be made for too few queries,
    or the memory leaves too little for them.
    """
    if not can(documents) or not (kept or num_queries >= _FEWEST_QUERIES):
        return None
    (num_documents, dimension), k = documents, min(k, documents[0])
    # The state of a query, and while a panel finishes, its lists in two forms; where few queries are cut by documents,
    # the states of the parts too.
    parts = 2 * threads if num_queries < _QUERIES_PER_TASK else 0
    per_query = _native.SearchScan.bytes_per_query(k, num_documents) * (1 + parts) + 28 * k
    # By thread: queries as floats and codes, sums kept for a first threshold, and best ones; norms; a tile, in case
    # that the codes turn out to be of no use.
    fixed = threads * (_QUERIES_PER_TASK * (5 * dimension + 512) + 6 * (160 * 256 + 20 * k))
    fixed += 8 * (num_queries + num_documents) + 4 * tiling.document_tile * tiling.query_tile
    free = max_memory - fixed
    piece, taken = num_documents, 0
    if not kept:
        needed = num_queries * per_query + tiles.settling(k, num_documents, num_queries, threads)
        share = max(free // 2, free - needed, 0)
        one = bytes_of((BLOCK, dimension))
        piece = min(num_documents, share // one * BLOCK)
        taken = one * -(-piece // BLOCK)
    # Queries that are scanned a second time have a second state, and their rows are copied.
    second = per_query + 4 * dimension
    row = per_query + -(-second // _AGAIN)
    panel = min(tiles.panel_of(free - taken - second, row, k, num_documents, threads), max(num_queries, 1))
    enough = min(num_documents, 16 * _FEWEST_DOCUMENTS), min(num_queries, _QUERIES_PER_TASK)
    if piece < enough[0] or panel < enough[1]:
        return None
    working = fixed + taken + second + panel * row + tiles.settling(k, num_documents, panel, threads)
    return Plan(panel, piece, 1 + panel // _AGAIN, working)


def scan(
    queries: tiles.Rows,
    documents: tiles.Rows,
    k: int,
    similarity: str,
    limits: Limits,
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
        nonlocal loose, done
        part, limited = queries.slice(start, stop), limits.cut(start, stop)
        source, before = tiles.Source(part, documents), done
        state = _native.SearchScan(similarity, stop - start, num_documents, k, limited)
        for piece in () if loose else pieces():
            if loose := _feed(state, source, piece, k, threads, tick, gives_up=True):
                break
        if loose:
            # What the codes found so far is spread over the corpus: the little that it cost is spent.
            done, state = before, _native.SearchScan(similarity, stop - start, num_documents, k, limited)
            tiles.feed(state, source, similarity, tiling, threads, tick)
        elif (missed := state.settle(source, threads)).size:
            for first in range(0, missed.size, cut.again):
                some = missed[first : first + cut.again]
                rows = tiles.Rows(part.array[some], part.kind, part.norms[some])
                again = _native.SearchScan(similarity, some.size, num_documents, k, limited.pick(some))
                again.careful()
                for piece in pieces():
                    _feed(again, tiles.Source(rows, documents), piece, k, threads, lambda _: None, gives_up=False)
                again.settle(tiles.Source(rows, documents), threads)
                state.adopt(some, again)
        return state.finish(source, threads)

    return tiles.join(panel, num_queries, min(k, num_documents), cut.panel)


def _feed(
    state: _native.SearchScan,
    source: tiles.Source,
    codes: Codes,
    k: int,
    threads: int,
    tick: Callable[[int], None],
    *,
    gives_up: bool,
) -> bool:
    """Give the state the documents of `codes`: all of them, or True where it gives up since floats are faster."""
    num_queries, dimension = source.queries.shape
    work = max(min(num_queries, _QUERIES_PER_TASK) * dimension, 1)
    most = max(_TASK_WORK // work // BLOCK, 1)
    # Some documents per wanted one, or every one of them would be looked at.
    place, step = 0, min(max(_FIRST_STEP, 64 * k) // BLOCK, most)
    most = max(min(most, codes.blocks // _STEPS), 1)
    while place < codes.blocks:
        last = min(place + step, codes.blocks)
        rescored = state.update_codes(source, codes, place, last, threads)
        passed = num_queries * (min(last * BLOCK, codes.rows) - place * BLOCK)
        reached = codes.first + last * BLOCK
        if gives_up and rescored > _LOOSE * passed and reached < _EARLY * source.documents.shape[0]:
            return True
        tick(passed)
        place, step = last, min(4 * step, most)
    return False
