"""Documents of a scan on a PyTorch device: where they lie, their codes there, and the rows of those rescored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

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

PIECE = 2**17
"""Documents that get codes together."""

# Most numbers of theirs.
_PIECE_NUMBERS = 2**27
# Numbers that are copied to the device at a time, by way of a buffer of their size.
_UPLOAD = 2**24
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
    if found.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device: {str(found)!r}, but PyTorch finds no such device")
    if found.type == "cuda" and found.index is None:
        return torch.device("cuda", torch.cuda.current_device())
    return found


class Documents:
    """Documents as codes on a device; `rows` are a tensor on any device, or lie on the host."""

    def __init__(
        self,
        rows: tiles.Rows | torch.Tensor,
        similarity: str,
        device: torch.device,
        threads: int,
        *,
        keep: bool = False,
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

    def pieces(self, size: int = PIECE) -> Iterator[codes.Piece]:
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
        free: int = torch.cuda.mem_get_info(self.device)[0]
        return codes.bytes_of(self.shape) <= free // 2

    def _encode(self, start: int, stop: int) -> codes.Piece:
        cosine = self.similarity == "cosine"
        if isinstance(self.rows, torch.Tensor):
            rows = self.rows[start:stop].to(self.device)
            norms = _norms(rows, start)
        else:
            part = self.rows.slice(start, stop)
            rows, norms = to_device(part, self.device), vector(part.norms, self.device)
        centre = vector(self.centre, self.device) if self.centre.size else None
        return codes.encode_documents(start, rows, norms if cosine else None, centre, rotated=self.rotated)

    def encode_queries(self, queries: tiles.Rows, embeddings: torch.Tensor) -> codes.Queries:
        """Queries as codes that fit these; `embeddings` are their rows on the device."""
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
            embeddings,
            vector(queries.norms, self.device) if self.similarity == "cosine" else None,
            vector(offset, self.device),
            vector(reach, self.device),
            rotated=self.rotated,
        )

    @property
    def are_there(self) -> bool:
        """Whether the embeddings lie on the device."""
        return isinstance(self.rows, torch.Tensor) and self.rows.device == self.device

    def products(self, queries: torch.Tensor, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """float64 scores of queries and documents on the device, pair by pair, and how far off they are at most."""
        documents: Any = self.rows
        rows, wide = documents[ids].double(), queries.double()
        score = (rows * wide).sum(1)
        norms = torch.linalg.vector_norm(rows, dim=1) * torch.linalg.vector_norm(wide, dim=1)
        # (h + 8) 2^-53 of the product of the norms for this sum, as much for that which the score is rounded from.
        error = (self.shape[1] + 16) * 2.0**-51
        if self.similarity == "dot":
            return score, norms * error
        return torch.where(norms > 0, score / norms, 0.0), torch.full_like(score, error)

    def read(self, ids: torch.Tensor) -> tuple[tiles.Rows, npt.NDArray[np.int64], npt.NDArray[np.int64] | None]:
        """Where the native module finds these documents.

        Rows on the host, the places of `ids` there, and the document of each row, where that is not its place.
        """
        if not isinstance(self.rows, torch.Tensor):
            return self.rows, ids.cpu().numpy(), None
        seen, place = torch.unique(ids, return_inverse=True)
        found = _rows(self.rows[seen.to(self.rows.device)], self.threads)
        return found, place.cpu().numpy(), seen.cpu().numpy()


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
    """Documents to choose a frame from: any will do, so one that is not finite, and refused later, is no matter."""
    if not isinstance(rows, torch.Tensor):
        return rows
    count = min(len(rows), _SAMPLE)
    places = torch.arange(count, device=rows.device) * len(rows) // max(count, 1)
    return _rows(torch.nan_to_num(rows[places], nan=0.0, posinf=0.0, neginf=0.0), threads)


def vector(values: npt.NDArray[Any], device: torch.device) -> torch.Tensor:
    """A copy: torch takes no read-only arrays."""
    return torch.from_numpy(np.array(values)).to(device)


def to_device(rows: tiles.Rows, device: torch.device) -> torch.Tensor:
    """A copy, whatever the strides, by way of a buffer that a card reads fast."""
    dtype = {"bf16": torch.int16, "f16": torch.float16, "f32": torch.float32}[rows.kind]
    array = rows.array.view(np.int16) if rows.kind == "bf16" else rows.array
    found = torch.empty(array.shape, dtype=dtype, device=device)
    step = max(min(_UPLOAD // max(array.shape[1], 1), len(array)), 1)
    space = torch.empty((step, array.shape[1]), dtype=dtype, pin_memory=device.type == "cuda")
    for start in range(0, len(array), step):
        part = array[start : start + step]
        np.copyto(space.numpy()[: len(part)], part)
        found[start : start + step].copy_(space[: len(part)])
    return found.view(torch.bfloat16) if rows.kind == "bf16" else found
