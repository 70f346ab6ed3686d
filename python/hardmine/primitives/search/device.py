"""The scan on a PyTorch device: int8 products discard there, survivors are rescored by the native module.

Documents become codes on the device piece by piece (`device_codes`), and are kept there where they are needed again: a
quarter of float32 embeddings. A tile of exact integer sums is reduced to the best of each group of documents; groups
that reach a query's threshold are looked at document by document, and what the bound cannot discard goes to a list of
intervals on the device, from which better thresholds are drawn as it grows. What is left at the end is compared by
float64 products, where the embeddings lie on the device, and rescored on the host, the k best first, since their scores
discard most of the rest; so the result is the host's to the bit.

On the device lie at a time: a tile of sums (`_QUERY_TILE` times `PIECE` of 4 bytes), a piece of embeddings while it
gets its codes, the list (`_LIST` of 24 bytes, and several times that while it is sorted), and the kept codes, a byte
per number and 9 per document. The host waits for the device twice per tile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

import hardmine._native as _native
from hardmine.plumbing import ragged
from hardmine.primitives.limits import Limits
from hardmine.primitives.search import device_codes as codes
from hardmine.primitives.search import tiles
from hardmine.primitives.search.device_documents import PIECE, Documents, to_device, vector

if TYPE_CHECKING:
    import numpy.typing as npt

# Queries of a tile of sums.
_QUERY_TILE = 1024
# Groups looked at together; some ten arrays of their documents live at a time.
_LOOKED = 2**17
# Survivors in the list, and numbers of theirs that are multiplied in float64 at a time.
_LIST = 2**22
_NUMBERS = 2**23
# Survivors handed to the host at a time, and bytes of embeddings read from the device for them.
_HITS = 2**20
_HIT_BYTES = 2**28


def scan(
    queries: tiles.Rows,
    documents: Documents,
    k: int,
    limits: Limits,
    max_memory: int,
    threads: int,
    progress: tiles.Progress | None = None,
    *,
    piece: int = PIECE,
    query_tile: int = _QUERY_TILE,
) -> _native.Ranked:
    """Exact candidates of all queries."""
    (count, dimension), num_documents = queries.shape, documents.shape[0]
    k = min(k, num_documents)
    # The state of a query, while a panel finishes its lists in two forms, and its row in float64.
    per_query = _native.SearchScan.bytes_per_query(k, num_documents) + 28 * k + 24 * dimension
    panel = max(min(max_memory // per_query, _LIST // (8 * max(k, 1)), count), 1)
    documents.keep |= panel < count
    done, total = 0, count * num_documents

    def tick(pairs: int) -> None:
        nonlocal done
        done += pairs
        if progress is not None:
            progress(done, total)

    def one(start: int, stop: int) -> _native.Ranked:
        work = _Panel(queries.slice(start, stop), documents, k, limits.cut(start, stop), threads)
        return work.run(piece, query_tile, tick)

    with torch.autocast(documents.device.type, enabled=False), torch.no_grad():
        return tiles.join(one, count, k, panel)


class _Survivors(NamedTuple):
    """Documents that may be among the best; a document whose side of a bound is not sure has infinite ends."""

    query: torch.Tensor
    document: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor

    @classmethod
    def none(cls, device: torch.device) -> _Survivors:
        types = torch.int64, torch.int64, torch.float32, torch.float32
        return cls(*(torch.empty(0, dtype=dtype, device=device) for dtype in types))

    @classmethod
    def joined(cls, parts: list[_Survivors]) -> _Survivors:
        return cls(*(torch.cat(columns) for columns in zip(*parts, strict=True)))

    def take(self, where: torch.Tensor | slice) -> _Survivors:
        return _Survivors(*(column[where] for column in self))

    def reaching(self, keep: torch.Tensor) -> torch.Tensor:
        """Which of them a threshold of each query does not discard."""
        return ~(self.high < keep[self.query, 0])


class _Panel:
    """One block of queries against all documents."""

    def __init__(self, queries: tiles.Rows, documents: Documents, k: int, limits: Limits, threads: int) -> None:
        self.rows, self.documents, self.k, self.threads = queries, documents, k, threads
        self.device, self.count = documents.device, queries.shape[0]
        self.state = _native.SearchScan(documents.similarity, self.count, documents.shape[0], k, limits)
        self.embeddings = to_device(queries, self.device)
        self.queries = documents.encode_queries(queries, self.embeddings)
        ceiling, floor, exclude = limits.ceiling, limits.floor, limits.exclude
        self.limited = ceiling is not None or floor is not None
        self.floor = self._column(floor, -np.inf)
        self.bounds = self.queries.bounds(self._column(ceiling, np.inf), self.floor)
        # What the k-th best score surely reaches, but for its last rounding.
        reached = self._column(limits.reached, -np.inf).nan_to_num(-torch.inf, torch.inf, -torch.inf)
        self.theta = torch.maximum(self.floor, reached) if k else torch.full_like(self.floor, torch.inf)
        self._refresh()
        self._clear()
        self.above, self.reached = (torch.zeros(self.count, dtype=torch.int64, device=self.device) for _ in range(2))
        self.excluded = self._by_document(exclude)

    def _column(self, values: npt.NDArray[np.float32] | None, without: float) -> torch.Tensor:
        return vector(np.full(self.count, without) if values is None else values.astype(np.float64), self.device)

    def _by_document(self, exclude: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Excluded pairs, each once, documents rising."""
        if exclude is None:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        # Both fit one integer: there are fewer than 2^32 documents, and fewer queries in a panel than the list holds.
        ids, rows = np.divmod(np.unique(exclude[1] * self.count + ragged.rows_of(exclude[0])), self.count)
        return rows, ids

    def _clear(self) -> None:
        self.list = [_Survivors.none(self.device)]
        self.held, self.sorted = 0, 0

    def run(self, size: int, query_tile: int, tick: Callable[[int], None]) -> _native.Ranked:
        query_tile = -(-query_tile // codes.ROWS) * codes.ROWS
        for piece in self.documents.pieces(size):
            for first in range(0, self.count, query_tile):
                last = min(first + query_tile, self.count)
                self._tile(piece, slice(first, last))
                tick((last - first) * piece.rows)
            if self.held >= 2 * self.sorted:
                self._compact()
        return self._finish()

    def _tile(self, piece: codes.Piece, rows: slice) -> None:
        """All documents of a piece for some queries."""
        group, columns, depth = piece.codes.values.shape
        left = self.queries.codes[rows.start : -(-rows.stop // codes.ROWS) * codes.ROWS]
        sums = codes.product(left, piece.codes.values.view(-1, depth))[: rows.stop - rows.start]
        sums[:, piece.rows :] = codes.GONE
        row, ids = self.excluded
        here = slice(*np.searchsorted(ids, [piece.first, piece.first + piece.rows]))
        row, ids = row[here], ids[here]
        mine = (row >= rows.start) & (row < rows.stop)
        if mine.any():
            places = (row[mine] - rows.start, ids[mine] - piece.first)
            sums[tuple(vector(place, self.device) for place in places)] = codes.GONE
        sums = sums.view(-1, group, columns)
        best = sums.amax(1)
        low, high = self.queries.ends(rows, best, piece.codes.scale, piece.residual, piece.length)
        if not piece.first:
            self._seed(rows, best, low, high)
        row_of, group_of = (~(high < self.bar[rows])).nonzero(as_tuple=True)
        del best, low, high
        for start in range(0, len(row_of), _LOOKED):
            part = slice(start, start + _LOOKED)
            self._look(piece, rows.start, sums, row_of[part], group_of[part])

    def _seed(self, rows: slice, best: torch.Tensor, low: torch.Tensor, high: torch.Tensor) -> None:
        """A first threshold: the best of k groups are k documents."""
        if not 0 < self.k <= best.shape[1]:
            return
        sure = (best > codes.GONE) & ~low.isnan()
        if self.limited:
            sure &= (high <= self.bounds.within[rows]) & (low >= self.bounds.reached[rows])
        seeds = torch.full((self.count,), -torch.inf, dtype=torch.float32, device=self.device)
        seeds[rows] = low.masked_fill(~sure, -torch.inf).topk(self.k, dim=1, sorted=False).values.amin(1)
        self._raise(self.queries.lower(seeds))

    def _raise(self, score: torch.Tensor) -> None:
        """Take note of scores that the k-th best surely reach."""
        torch.maximum(self.theta, score, out=self.theta)
        self._refresh()

    def _refresh(self) -> None:
        """What upper ends are compared with: of a document, and of a group, where its limits may matter too."""
        self.keep = self.bar = self.queries.keeps(self.theta)
        if self.limited:
            below = self.bounds.below.masked_fill((self.floor == -torch.inf)[:, None], torch.inf)
            self.bar = torch.minimum(torch.minimum(self.keep, self.bounds.within), below)

    def _look(self, piece: codes.Piece, first: int, sums: torch.Tensor, row: torch.Tensor, group: torch.Tensor) -> None:
        """The documents of some groups, one by one."""
        query, values = row + first, sums[row, :, group]
        scale, residual, length = (
            piece.codes.scale[group][:, None], piece.codes.residual[:, group].T, piece.codes.length[:, group].T
        )  # fmt: skip
        low, high = self.queries.ends(query, values, scale, residual, length)
        there = values > codes.GONE
        listed = ~(high < self.keep[query]) & there
        if self.limited:
            above, within, below, reached = (bound[query] for bound in self.bounds)
            is_above, may_be_above = low > above, ~(high <= within)
            is_below = (high < below) & ~may_be_above
            unsure = (may_be_above & ~is_above) | (~(high < below) & ~(low >= reached))
            listed = (listed | (unsure & there)) & ~is_above & ~is_below
            self.above.index_add_(0, query, (is_above & there).sum(1))
            self.reached.index_add_(0, query, (there & ~is_above & ~is_below).sum(1))
            low.masked_fill_(unsure, -torch.inf)
            high.masked_fill_(unsure, torch.inf)
        at, member = listed.nonzero(as_tuple=True)
        low, high = low[at, member], high[at, member]
        low.masked_fill_(low.isnan(), -torch.inf)
        high.masked_fill_(high.isnan(), torch.inf)
        document = member * piece.codes.values.shape[1] + group[at] + piece.first
        self.list.append(_Survivors(query[at], document, low, high))
        self.held += len(at)
        if self.held > _LIST:
            self._compact()
            if self.held > _LIST // 2:
                self._narrow()
            if self.held > _LIST // 2:
                # Too many documents lie within the bound of each other: their scores must tell.
                found = self._compact()
                self._clear()
                self._offer(found)
                self._learn()

    def _compact(self) -> _Survivors:
        """Draw thresholds from the list, and keep of it what reaches them: by query, the best lower ends first."""
        found = _Survivors.joined(self.list)
        found = found.take(found.reaching(self.keep))
        found = found.take(found.low.argsort(descending=True, stable=True))
        found = found.take(found.query.argsort(stable=True))
        if self.k and len(found.query):
            counts = found.query.bincount(minlength=self.count)
            last = (counts.cumsum(0) - counts + self.k - 1).clamp_(max=len(found.query) - 1)
            self._raise(self.queries.lower(torch.where(counts >= self.k, found.low[last], -torch.inf)))
            found = found.take(found.reaching(self.keep))
        self.list, self.held = [found], len(found.query)
        self.sorted = self.held
        return found

    def _narrow(self) -> None:
        """Take ends from float64 products where the embeddings lie on the device: what codes cannot tell, they can."""
        found, step = self._compact(), max(_NUMBERS // max(self.documents.shape[1], 1), 1)
        if not self.documents.are_there:
            return
        for start in range(0, self.held, step):
            part = found.take(slice(start, start + step))
            score, error = self.documents.products(self.embeddings[part.query], part.document)
            low, high = self.queries.around(part.query, score, error)
            sure = part.low > -torch.inf
            torch.where(sure, torch.maximum(part.low, low), part.low, out=found.low[start : start + step])
            torch.where(sure, torch.minimum(part.high, high), part.high, out=found.high[start : start + step])
        self._compact()

    def _learn(self) -> None:
        """Take over the thresholds that exact scores gave."""
        source = tiles.Source(self.rows, _no_rows(self.documents.shape))
        self.state.settle(source, self.threads)
        self._raise(vector(self.state.thresholds(), self.device).double())

    def _finish(self) -> _native.Ranked:
        source = tiles.Source(self.rows, _no_rows(self.documents.shape))
        self._narrow()
        found = self._compact()
        counts = found.query.bincount(minlength=self.count)
        place = torch.arange(len(found.query), device=self.device) - (counts.cumsum(0) - counts)[found.query]
        self._offer(found.take(place < self.k))
        self._learn()
        self._offer(found.take((place >= self.k) & found.reaching(self.keep)))
        above = self.above.cpu().numpy()
        below = np.zeros(self.count, np.int64)
        if self.limited:
            floors = (self.floor > -torch.inf).cpu().numpy()
            allowed = self.documents.shape[0] - np.bincount(self.excluded[0], minlength=self.count)
            below[floors] = (allowed - above - self.reached.cpu().numpy())[floors]
        none = np.empty(0, np.int64)
        self.state.offer(
            source, tiles.Hits(0, np.zeros(self.count + 1, np.int64), none, None, above, below), self.threads
        )
        return self.state.finish(source, self.threads)

    def _offer(self, found: _Survivors) -> None:
        """Hand survivors, ordered by query, to the host, in portions that its memory holds."""
        row_bytes = 4 * max(self.documents.shape[1], 1) if isinstance(self.documents.rows, torch.Tensor) else 1
        size = max(min(_HITS, _HIT_BYTES // row_bytes), 1)
        for start in range(0, len(found.query), size):
            part = found.take(slice(start, start + size))
            documents, rows, ids = self.documents.read(part.document)
            query = part.query.cpu().numpy()
            first, count = int(query[0]), int(query[-1]) - int(query[0]) + 1
            offsets = np.zeros(count + 1, np.int64)
            np.cumsum(np.bincount(query - first, minlength=count), out=offsets[1:])
            none = np.zeros(count, np.int64)
            hits = tiles.Hits(first, offsets, rows, ids, none, none)
            self.state.offer(tiles.Source(self.rows, documents), hits, self.threads)


def _no_rows(shape: tuple[int, int]) -> tiles.Rows:
    """Documents that are never read: every survivor was rescored when it came."""
    return tiles.Rows(np.broadcast_to(np.float32(0), shape), "f32", np.zeros(shape[0]))
