"""Codes of vectors that are overwritten now and then: made anew for what changed and for nothing else."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

import hardmine._native as _native
from hardmine.primitives.search import codes, tiles


class ChangingCodes:
    """The codes of up to `size` vectors of dimension `h`."""

    def __init__(self, size: int, h: int, similarity: str) -> None:
        self._similarity, self._size, self._h = similarity, size, h
        self._space: codes.Codes | None = None
        self._stale = np.ones(-(-size // codes.BLOCK), bool)
        self._since = 0

    def changed(self, slots: npt.NDArray[np.int64]) -> None:
        """Note that these slots hold other vectors."""
        self._stale[slots // codes.BLOCK] = True
        self._since += slots.size

    def of(self, rows: tiles.Rows, threads: int) -> codes.Codes | None:
        """The codes of the vectors held; None where there are none."""
        held = rows.shape[0]
        if not codes.can(rows.shape):
            return None
        # A frame fits the vectors that it was chosen for: after as many new ones it is time for another.
        if self._space is None or self._since >= self._size:
            frame = codes.choose_frame(rows, self._similarity, threads)
            self._space = codes.room(self._size, self._h, frame) if self._space is None else self._space
            self._space, self._since = self._space._replace(frame=frame), 0
            self._stale[:] = True
        stale = self._stale[: -(-held // codes.BLOCK)]
        edges = np.flatnonzero(np.diff(np.concatenate([[False], stale, [False]])))
        for first, last in edges.reshape(-1, 2).tolist():
            start, space = first * codes.BLOCK, self._from(self._space, first)
            codes.encode(rows, space.frame, threads, start, min(last * codes.BLOCK, held) - start, space)
        stale[:] = False
        size, terms = _native.code_sizes(held, self._h)
        return self._space._replace(data=self._space.data[:size], terms=self._space.terms[:terms], rows=held)

    def _from(self, space: codes.Codes, block: int) -> codes.Codes:
        size, terms = _native.code_sizes(block * codes.BLOCK, self._h)
        return space._replace(data=space.data[size:], terms=space.terms[terms:])
