"""The scan on a PyTorch device: int8 products discard there, survivors are rescored by the native module.

Documents become codes on the device piece by piece (`device_codes`), and are kept there where they are needed again: a
quarter of float32 embeddings. A tile of exact integer sums is reduced to the best of each group of documents; groups
that reach a query's threshold are looked at document by document, and what the bound cannot discard goes to a list of
intervals on the device, from which better thresholds are drawn as it grows. What is left at the end is rescored on the
host, the k best first, since their scores discard most of the rest; so the result is the host's to the bit.

On the device lie at a time: a tile of sums (`_TILE` of 4 bytes), a piece of embeddings while it gets its codes, the list
(`_LIST` of 24 bytes, and several times that while it is sorted): some 2 GB for large arrays, and the kept codes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

import hardmine._native as _native
from hardmine.plumbing import arrays
from hardmine.primitives.search import codes as host_codes
from hardmine.primitives.search import device_codes as codes
from hardmine.primitives.search import tiles
from hardmine.primitives.search.embeddings import row_norms

if TYPE_CHECKING:
    import numpy.typing as npt

# Sums of a tile; queries of it at most; documents that get codes together, and numbers of theirs.
_TILE = 2**27
_QUERY_TILE = 1024
_PIECE = _TILE // _QUERY_TILE
_PIECE_NUMBERS = 2**27
# Groups looked at together; some ten arrays of their documents live at a time.
_LOOKED = 2**17
# Survivors in the list, and those handed to the host at a time, and bytes of embeddings read from the device for them.
_LIST = 2**22
_HITS = 2**20
_HIT_BYTES = 2**28
# Documents that the frame is chosen from.
_SAMPLE = 2048


def checked(device: Any) -> torch.device:
    """The device that is meant."""
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError):
        raise ValueError(f"device: {device!r}, expected 'cpu' or 'cuda'") from None
    if found.type not in ("cuda", "cpu"):
        raise ValueError(f"device: {str(found)!r}, expected 'cpu' or 'cuda'")
    return found


class Documents:
    """Documents as codes on a device; `rows` are a tensor on any device, or lie on the host."""

    def __init__(
        self, rows: tiles.Rows | torch.Tensor, similarity: str, device: torch.device, threads: int, *, keep: bool = False
    ) -> None:
        self.rows, self.similarity, self.device, self.threads = rows, similarity, device, threads
        self.keep = keep
        """Whether the codes are wanted again. They are made anew each time where they take half of the free memory."""
        self._pieces: list[codes.Piece] | None = None
        frame = host_codes.choose_frame(_sample(rows, threads), similarity, threads)
        self.centre, self.rotated = frame.centre, frame.rotated

    @property
    def shape(self) -> tuple[int, int]:
        """Number of documents and dimension."""
        return int(self.rows.shape[0]), int(self.rows.shape[1])

    def pieces(self, size: int = _PIECE) -> Iterator[codes.Piece]:
        """All documents, `size` at a time."""
        if self._pieces is not None:
            yield from self._pieces
            return
        count, dimension = self.shape
        size = max(min(size, _PIECE_NUMBERS // max(dimension, 1)) // codes.GROUP, 1) * codes.GROUP
        made: list[codes.Piece] | None = [] if self.keep and self._fit() else None
        for start in range(0, count, size):
            piece = self._encode(start, min(start + size, count))
            if made is not None:
                made.append(piece)
            yield piece
        self._pieces = made

    def _fit(self) -> bool:
        if self.device.type != "cuda":
            return True
        return codes.bytes_of(self.shape) <= torch.cuda.mem_get_info(self.device)[0] // 2

    def _encode(self, start: int, stop: int) -> codes.Piece:
        cosine = self.similarity == "cosine"
        if isinstance(self.rows, torch.Tensor):
            rows = self.rows[start:stop].to(self.device)
            norms = _norms(rows, start)
        else:
            part = self.rows.slice(start, stop)
            rows, norms = _to_device(part, self.device), _vector(part.norms, self.device)
        centre = _vector(self.centre, self.device) if self.centre.size else None
        return codes.encode_documents(start, rows, norms if cosine else None, centre, rotated=self.rotated)

    def encode_queries(self, queries: tiles.Rows) -> codes.Queries:
        """Queries as codes that fit these."""
        wide = np.empty(queries.shape if self.centre.size else (0, 0), np.float32)
        offset, reach = np.zeros(queries.shape[0]), np.zeros(queries.shape[0])
        if self.centre.size:
            _native.widen_rows((queries.array, queries.kind), 0, None, wide, self.threads)
            centre = self.centre.astype(np.float64)
            offset, reach = wide @ centre, queries.norms * np.sqrt(centre @ centre)
            if self.similarity == "cosine":
                unit = np.where(queries.norms > 0, queries.norms, 1.0)
                offset, reach = offset / unit, reach / unit
        return codes.encode_queries(
            _to_device(queries, self.device),
            _vector(queries.norms, self.device) if self.similarity == "cosine" else None,
            _vector(offset, self.device),
            _vector(reach, self.device),
            rotated=self.rotated,
        )

    def read(self, ids: torch.Tensor) -> tuple[tiles.Rows, npt.NDArray[np.int64], npt.NDArray[np.int64] | None]:
        """Where the native module finds these documents: rows on the host, the places of `ids` there, and the document
        of each row, where that is not its place."""
        if not isinstance(self.rows, torch.Tensor):
            return self.rows, ids.cpu().numpy(), None
        seen, place = torch.unique(ids, return_inverse=True)
        found = _rows(self.rows[seen.to(self.rows.device)], self.threads)
        return found, place.cpu().numpy(), seen.cpu().numpy()


def scan(
    queries: tiles.Rows,
    documents: Documents,
    k: int,
    limits: tiles.Limits,
    max_memory: int,
    threads: int,
    progress: tiles.Progress | None = None,
    *,
    piece: int = _PIECE,
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
        work = _Panel(queries.slice(start, stop), documents, k, tiles.cut(limits, start, stop), threads)
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

    def __init__(
        self, queries: tiles.Rows, documents: Documents, k: int, limits: tiles.Limits, threads: int
    ) -> None:
        self.rows, self.documents, self.k, self.threads = queries, documents, k, threads
        self.device, self.count = documents.device, queries.shape[0]
        self.state = _native.SearchScan(documents.similarity, self.count, documents.shape[0], k, limits)
        self.queries = documents.encode_queries(queries)
        ceiling, floor, exclude, _ = limits
        self.limited = ceiling is not None or floor is not None
        self.floor = self._column(floor, -np.inf)
        self.bounds = self.queries.bounds(self._column(ceiling, np.inf), self.floor)
        # What the k-th best score surely reaches, but for its last rounding.
        self.theta = self.floor.clone() if k else torch.full_like(self.floor, torch.inf)
        self._refresh()
        self._clear()
        self.above, self.reached = (torch.zeros(self.count, dtype=torch.int64, device=self.device) for _ in range(2))
        self.excluded = self._by_document(exclude)

    def _column(self, values: npt.NDArray[np.float32] | None, without: float) -> torch.Tensor:
        return _vector(np.full(self.count, without) if values is None else values.astype(np.float64), self.device)

    def _by_document(self, exclude: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Excluded pairs, each once, documents rising."""
        if exclude is None:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        rows = np.repeat(np.arange(self.count), np.diff(exclude[0]))
        ids, rows = np.unique(np.stack([exclude[1], rows]), axis=1)
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
            sums[tuple(_vector(place, self.device) for place in places)] = codes.GONE
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
        seeds = torch.full((self.count,), -torch.inf, device=self.device)
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

    def _look(
        self, piece: codes.Piece, first: int, sums: torch.Tensor, row: torch.Tensor, group: torch.Tensor
    ) -> None:
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
            found = self._compact()
            if self.held > _LIST // 2:
                # Too many documents lie within the bound of each other: their scores must tell.
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

    def _learn(self) -> None:
        """Take over the thresholds that exact scores gave."""
        source = tiles.Source(self.rows, _no_rows(self.documents.shape))
        self.state.settle(source, self.threads)
        self._raise(_vector(self.state.thresholds(), self.device).double())

    def _finish(self) -> _native.Ranked:
        source = tiles.Source(self.rows, _no_rows(self.documents.shape))
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
        self.state.offer(source, tiles.Hits(0, np.zeros(self.count + 1, np.int64), none, None, above, below), self.threads)
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


def _norms(rows: torch.Tensor, start: int) -> torch.Tensor:
    """float64 norms; raises ValueError on the first embedding that is not finite."""
    norms = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64)
    if not bool(norms.isfinite().all()):
        row = int((~norms.isfinite()).nonzero()[0, 0])
        column = int((~rows[row].isfinite()).nonzero()[0, 0])
        value = str(float(rows[row, column])).replace("nan", "NaN")
        raise ValueError(f"documents: {value} at row {row + start}, column {column}, expected finite embeddings")
    return norms


def _rows(tensor: torch.Tensor, threads: int) -> tiles.Rows:
    """Rows of a tensor, on the host, with their norms."""
    array, kind = arrays.matrix("documents", tensor.cpu())
    return tiles.Rows(array, kind, row_norms("documents", (array, kind), threads))


def _sample(rows: tiles.Rows | torch.Tensor, threads: int) -> tiles.Rows:
    """Documents to choose a frame from: any will do, so one that is not finite, which is refused later, is no matter."""
    if not isinstance(rows, torch.Tensor):
        return rows
    count = min(len(rows), _SAMPLE)
    places = torch.arange(count, device=rows.device) * len(rows) // max(count, 1)
    return _rows(torch.nan_to_num(rows[places], nan=0.0, posinf=0.0, neginf=0.0), threads)


def _vector(values: npt.NDArray[Any], device: torch.device) -> torch.Tensor:
    """A copy: torch takes no read-only arrays."""
    return torch.from_numpy(np.array(values)).to(device)


def _to_device(rows: tiles.Rows, device: torch.device) -> torch.Tensor:
    """A copy, whatever the strides, by way of pages that a card reads fast."""
    dtype = {"bf16": torch.int16, "f16": torch.float16, "f32": torch.float32}[rows.kind]
    space = torch.empty(rows.array.shape, dtype=dtype, pin_memory=device.type == "cuda")
    np.copyto(space.numpy(), rows.array.view(np.int16) if rows.kind == "bf16" else rows.array)
    found = space.to(device)
    return found.view(torch.bfloat16) if rows.kind == "bf16" else found


def _no_rows(shape: tuple[int, int]) -> tiles.Rows:
    """Documents that are never read: every survivor was rescored when it came."""
    return tiles.Rows(np.broadcast_to(np.float32(0), shape), "f32", np.zeros(shape[0]))
