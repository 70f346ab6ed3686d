"""The scan on a PyTorch device: the same filter in tensor operations, survivors rescored by the native module.

The device does what `_tiles` does on the host, with the same bound: a tile of float32 scores, the interval of every
score, a lower bound of each query's k-th best, and the few documents that it cannot discard. Their embeddings come to
the host and are rescored at once, so the result is the host's to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

import hardmine._native as _native
from hardmine.plumbing import arrays
from hardmine.primitives.search import tiles
from hardmine.primitives.search.embeddings import row_norms

if TYPE_CHECKING:
    import numpy.typing as npt

# Scores per tile on the device; some six arrays of this size live at a time.
_TILE = 2**25
_QUERY_TILE = 1024
# Survivors handed to the host at a time: in a corpus of equal scores, everything survives.
_HITS = 2**22


def scan(
    queries: tiles.Rows,
    documents: Any,
    k: int,
    similarity: str,
    limits: tiles.Limits,
    max_memory: int,
    threads: int,
    progress: tiles.Progress | None = None,
    *,
    device: Any,
    tile: int = _TILE,
    query_tile: int = _QUERY_TILE,
) -> _native.Ranked:
    """Exact candidates of all queries; `documents` is a tensor on any device, or a NumPy array or bfloat16 pattern."""
    try:
        device = torch.device(device)
    except (RuntimeError, TypeError):
        raise ValueError(f"device: {device!r}, expected 'cpu' or 'cuda'") from None
    if device.type not in ("cuda", "cpu"):
        raise ValueError(f"device: {str(device)!r}, expected 'cpu' or 'cuda'")
    num_documents, k = len(documents), min(k, len(documents))
    per_query = _native.SearchScan.bytes_per_query(k, num_documents) + 28 * k + 8 * queries.shape[1]
    panel = max(min(max_memory // per_query, len(queries.array)), 1)
    done, total = 0, len(queries.array) * num_documents

    def tick(pairs: int) -> None:
        nonlocal done
        done += pairs
        if progress is not None:
            progress(done, total)

    def one(start: int, stop: int) -> _native.Ranked:
        part = queries.slice(start, stop)
        work = _Panel(part, documents, k, similarity, tiles.cut(limits, start, stop), threads, device)
        return work.run(tile, query_tile, tick)

    with _full_precision(device), torch.no_grad():
        return tiles.join(one, len(queries.array), k, panel)


class _Bound(NamedTuple):
    scale: torch.Tensor
    slack: torch.Tensor
    ceiling: torch.Tensor
    floor: torch.Tensor


class _Panel:
    """One block of queries against all documents."""

    def __init__(
        self,
        queries: tiles.Rows,
        documents: Any,
        k: int,
        similarity: str,
        limits: tiles.Limits,
        threads: int,
        device: torch.device,
    ) -> None:
        self.queries, self.documents, self.k, self.similarity = queries, documents, k, similarity
        self.limits, self.threads, self.device = limits, threads, device
        count, self.dimension = queries.shape
        self.state = _native.SearchScan(similarity, count, len(documents), k, limits)
        scale, slack, _ = _native.search_bound(similarity, self.dimension, queries.norms, np.empty(0))
        ceiling, floor, exclude, _ = limits
        self.limited = ceiling is not None or floor is not None
        everywhere = [
            scale,
            slack,
            np.full(count, np.inf, np.float32) if ceiling is None else ceiling,
            np.full(count, -np.inf, np.float32) if floor is None else floor,
        ]
        self.bound = _Bound(*(self._column(values) for values in everywhere))
        # The k best lower ends of each query so far; the last of them is a proven bound of its k-th best score.
        self.best = torch.full((count, k), -torch.inf, device=device)
        self.left = self._prepare(_to_device(queries.array, queries.kind, device), queries.norms)
        if exclude is not None:
            rows = np.repeat(np.arange(count), np.diff(exclude[0]))
            self.excluded = torch.from_numpy(rows).to(device), torch.from_numpy(exclude[1]).to(device)

    def _column(self, values: npt.NDArray[np.float32]) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.device)[:, None]

    def _prepare(self, rows: torch.Tensor, norms: npt.NDArray[np.float64] | torch.Tensor) -> torch.Tensor:
        if self.similarity == "dot":
            return rows.float()
        norms = torch.as_tensor(norms).to(self.device)[:, None]
        return (rows.double() / torch.where(norms > 0, norms, 1.0)).float()

    def run(self, tile: int, query_tile: int, tick: Callable[[int], None]) -> _native.Ranked:
        count = len(self.left)
        query_tile = max(min(query_tile, count), 1)
        for start in range(0, len(self.documents), max(tile // query_tile, 1)):
            part = self.documents[start : start + max(tile // query_tile, 1)]
            rows = part.to(self.device) if isinstance(part, torch.Tensor) else _to_device(*_kind(part), self.device)
            norms = _norms(rows, start)
            right = self._prepare(rows, norms)
            _, _, factor = _native.search_bound(self.similarity, self.dimension, np.empty(0), norms.cpu().numpy())
            for first in range(0, count, query_tile):
                self._tile(slice(first, min(first + query_tile, count)), start, rows, right, self._column(factor).T)
                tick(len(self.left[first : first + query_tile]) * len(rows))
        source = tiles.Source(self.queries, _no_rows(len(self.documents), self.dimension))
        return self.state.finish(source, self.threads)

    def _tile(
        self, rows: slice, start: int, embeddings: torch.Tensor, right: torch.Tensor, factor: torch.Tensor
    ) -> None:
        ceiling, floor = self.bound.ceiling[rows], self.bound.floor[rows]
        approx = self.left[rows] @ right.T
        # A value that is not finite says nothing: NaN makes every comparison below leave it in.
        approx.masked_fill_(~approx.isfinite(), torch.nan)
        if self.limits[2] is not None:
            row, document = self.excluded
            here = (row >= rows.start) & (row < rows.stop) & (document >= start) & (document < start + len(right))
            approx[row[here] - rows.start, document[here] - start] = torch.nan
        width = self.bound.scale[rows] * factor + self.bound.slack[rows]
        low, high = approx - width, approx + width
        unsure, above = torch.zeros((), dtype=torch.bool, device=self.device), None
        counts = torch.zeros((2, len(approx)), dtype=torch.int64, device=self.device)
        sure = low.masked_fill(low.isnan(), -torch.inf)
        if self.limited:
            above, may_be_above = low > ceiling, ~(high <= ceiling)
            below = (high < floor) & ~may_be_above
            unsure = (may_be_above & ~above) | (~(high < floor) & ~(low >= floor))
            counts = torch.stack([above.sum(1), below.sum(1)])
            sure.masked_fill_(unsure | above | below, -torch.inf)
        theta = torch.full_like(floor, torch.inf)
        if self.k:
            found = sure.topk(min(self.k, sure.shape[1]), dim=1, sorted=False).values
            self.best[rows] = torch.cat([self.best[rows], found], dim=1).topk(self.k, dim=1).values
            theta = torch.maximum(self.best[rows, -1:], floor)
        listed = ~(high < theta) | unsure
        if above is not None:
            listed &= ~above
        self._offer(rows, start, embeddings, listed, counts.cpu().numpy())

    def _offer(
        self,
        rows: slice,
        start: int,
        embeddings: torch.Tensor,
        listed: torch.Tensor,
        counts: npt.NDArray[np.int64],
    ) -> None:
        """Hand the survivors of a tile to the host, in portions that its memory holds."""
        ends = np.cumsum(listed.sum(1).cpu().numpy())
        first = 0
        while first < len(ends):
            before = ends[first - 1] if first else 0
            last = max(int(np.searchsorted(ends, before + _HITS, side="right")), first + 1)
            row, column = listed[first:last].nonzero(as_tuple=True)
            seen, place = torch.unique(column, return_inverse=True)
            array, kind = arrays.matrix("documents", embeddings[seen].cpu())
            found = tiles.Rows(array, kind, row_norms("documents", (array, kind), self.threads))
            offsets = np.zeros(last - first + 1, np.int64)
            np.cumsum(np.bincount(row.cpu().numpy(), minlength=last - first), out=offsets[1:])
            above, below = counts[:, first:last]
            documents = (seen + start).cpu().numpy()
            hits = tiles.Hits(rows.start + first, offsets, place.cpu().numpy(), documents, above, below)
            self.state.offer(tiles.Source(self.queries, found), hits, self.threads)
            first = last


def _norms(rows: torch.Tensor, start: int) -> torch.Tensor:
    """float64 norms; raises ValueError on the first embedding that is not finite."""
    norms = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64)
    if not bool(norms.isfinite().all()):
        row = int((~norms.isfinite()).nonzero()[0, 0])
        column = int((~rows[row].isfinite()).nonzero()[0, 0])
        value = str(float(rows[row, column])).replace("nan", "NaN")
        raise ValueError(f"documents: {value} at row {row + start}, column {column}, expected finite embeddings")
    return norms


def _kind(array: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], str]:
    return array, {"uint16": "bf16", "float16": "f16", "float32": "f32"}[array.dtype.name]


def _to_device(array: npt.NDArray[Any], kind: str, device: torch.device) -> torch.Tensor:
    """Copied, because torch takes neither read-only nor negatively strided arrays."""
    if kind == "bf16":
        return torch.from_numpy(array.astype(np.uint16).view(np.int16)).view(torch.bfloat16).to(device)
    return torch.from_numpy(np.array(array)).to(device)


def _no_rows(count: int, dimension: int) -> tiles.Rows:
    """Documents that are never read: every survivor was rescored when it came."""
    return tiles.Rows(np.broadcast_to(np.float32(0), (count, dimension)), "f32", np.zeros(count))


@contextmanager
def _full_precision(device: torch.device) -> Iterator[None]:
    """float32 products in float32: no TF32, no bfloat16, no autocast. Settings of the process are restored."""
    # PyTorch refuses to read the old setting where the new ones (2.9 and later) disagree with it, so never mix them.
    backends = [torch.backends.cuda.matmul, getattr(torch.backends.mkldnn, "matmul", None)]
    backends = [backend for backend in backends if hasattr(backend, "fp32_precision")]
    before = [backend.fp32_precision for backend in backends] or torch.get_float32_matmul_precision()
    if not backends:
        torch.set_float32_matmul_precision("highest")
    for backend in backends:
        backend.fp32_precision = "ieee"
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        if not backends:
            torch.set_float32_matmul_precision(before)
        for backend, precision in zip(backends, before, strict=False):
            backend.fp32_precision = precision
