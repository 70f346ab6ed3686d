"""A memory bank: the last embeddings of a training run, and the hardest of them for new queries."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from hardmine.nouns.candidates import Candidates
from hardmine.plumbing import arrays, checks
from hardmine.plumbing.arrays import widen
from hardmine.plumbing.checks import Float32Array, Int64Array
from hardmine.plumbing.threads import one_at_a_time, share, thread_count
from hardmine.primitives.search import tiles
from hardmine.primitives.search.changing_codes import ChangingCodes
from hardmine.primitives.search.embeddings import checked, row_norms
from hardmine.primitives.search.index import ExactIndex

__all__ = ["MemoryBank"]

_NONE = -1


class MemoryBank:
    """MoCo's queue of keys, in main memory: `push` what was encoded, ask for the `hardest`.

    Parameters
    ----------
    size : int
        Vectors at most; a push into a full bank overwrites the oldest.
    h : int
        Dimension.
    similarity : {"cosine", "dot"}
        What makes a vector hard.

    Notes
    -----
    Momentum Contrast, arXiv 1911.05722; picking the hardest of the bank instead of all of it: arXiv 2501.16360. The
    vectors are kept as float32. Threads may share a bank: calls wait for each other.

    The bank holds no gradients: take the vectors of the ids found into the graph of the
    query.

    Examples
    --------
    >>> import numpy as np
    >>> import hardmine as hm
    >>> bank = hm.MemoryBank(3, 2)
    >>> bank.push(np.array([[1, 0], [0, 1], [0.5, 0.5], [1, 0.5]], np.float32), keys=[10, 11, 12, 13])
    >>> bank
    MemoryBank(3 of 3 vectors of dimension 2, cosine)
    >>> found = bank.hardest(np.array([[0, 1]], np.float32), 2, keys=[11])  # 11: its own text
    >>> bank.keys[found.ids].tolist()
    [12, 13]
    >>> bank.vectors[found.ids].tolist()
    [[0.5, 0.5], [1.0, 0.5]]
    """

    _lock: Any

    def __init__(self, size: int, h: int, *, similarity: str = "cosine") -> None:
        size, h = checks.integer("size", size, minimum=1), checks.integer("h", h, minimum=1)
        share(self)
        self._similarity = checks.similarity(similarity)
        self._vectors: Float32Array = np.zeros((size, h), np.float32)
        self._keys: Int64Array = np.full(size, _NONE, np.int64)
        self._norms = np.zeros(size, np.float64)
        self._pushed = 0
        self._coded = ChangingCodes(size, h, self._similarity)

    @one_at_a_time
    def push(self, vectors: Any, keys: Any = None) -> None:
        """Add vectors, the last one being the newest.

        Parameters
        ----------
        vectors : float16 | bfloat16 | float32 [n, h]
            NumPy array or torch tensor; copied. Of more than `size` vectors the last `size` are kept.
        keys : int64 [n], optional
            Which text each one is of (a document id, a text group): see `hardest`. -1, the default, is none.

        Raises
        ------
        TypeError, ValueError
            Wrong dtype, dimension or length; NaN or infinities; a key below -1. The bank is left as it was.
        """
        tensor = arrays.tensor(vectors)
        array, kind = checked("vectors", vectors if tensor is None else tensor.cpu())
        if array.shape[1] != self.h:
            raise ValueError(f"vectors: dimension {array.shape[1]}, expected {self.h}")
        labels = _keys_of(keys, int(array.shape[0]))
        norms = row_norms("vectors", (array, kind), thread_count(None))  # refuses what is not finite
        size, end = self.size, self._pushed + labels.size
        kept = min(labels.size, size)
        slots = np.arange(end - kept, end) % size
        self._vectors[slots] = widen(array[labels.size - kept :], kind)
        self._keys[slots] = labels[labels.size - kept :]
        self._norms[slots] = norms[labels.size - kept :]
        self._pushed = end
        self._coded.changed(slots)

    @one_at_a_time
    def hardest(
        self,
        queries: Any,
        k: int,
        *,
        keys: Any = None,
        ceiling: Any = None,
        floor: Any = None,
        num_threads: int | None = None,
    ) -> Candidates:
        """The k most similar vectors of the bank for each query, exactly.

        Parameters
        ----------
        queries : float16 | bfloat16 | float32 [q, h]
            NumPy array or torch tensor.
        k : int
            At least 1; fewer come back where the bank has fewer admissible ones.
        keys : int64 [q], optional
            Vectors that were pushed with the query's own key are left out: they are its positive, or an older encoding
            of it. -1 is none.
        ceiling, floor : float or float32 [q], optional
            Only vectors up to this similarity (false negatives stand above), and from this one up. For a rule on the
            positive's similarity p give ``ceiling=0.95 * p``.
        num_threads : int, optional
            The result does not depend on it.

        Returns
        -------
        Candidates
            ``ids`` are slots: places in `vectors` and `keys`, valid until the next push. Best first, ties to the lower
            slot.

        Raises
        ------
        TypeError, ValueError
            Wrong dtype, dimension or length; NaN or infinities; the bank is empty.
        """
        if not len(self):
            raise ValueError("hardest: the bank is empty; push vectors first")
        tensor = arrays.tensor(queries)
        queries = queries if tensor is None else tensor.cpu()
        length = int(checked("queries", queries)[0].shape[0])
        held = slice(0, len(self))
        rows = tiles.Rows(self._vectors[held], "f32", self._norms[held])
        kept = self._coded.of(rows, thread_count(num_threads))
        return ExactIndex._of(rows, self._similarity, kept).search(
            queries,
            k,
            ceiling=ceiling,
            floor=floor,
            exclude=None if keys is None else self._same(_keys_of(keys, length)),
            num_threads=num_threads,
        )

    def _same(self, keys: Int64Array) -> tuple[Int64Array, Int64Array]:
        """Slots that hold each key, ascending, as (offsets, slots)."""
        order = np.argsort(self.keys, kind="stable")
        in_order = self.keys[order]
        start, end = np.searchsorted(in_order, keys, "left"), np.searchsorted(in_order, keys, "right")
        counts = np.where(keys == _NONE, 0, end - start)
        offsets = np.concatenate([[0], np.cumsum(counts)])
        places = np.arange(offsets[-1]) - np.repeat(offsets[:-1] - start, counts)
        return offsets, order[places]

    @property
    def size(self) -> int:
        """Vectors at most."""
        return int(self._vectors.shape[0])

    @property
    def h(self) -> int:
        """Dimension."""
        return int(self._vectors.shape[1])

    @property
    def vectors(self) -> Float32Array:
        """What the bank holds, float32 [len, h]: a view that the next push changes. Not to be written to."""
        return _read_only(self._vectors[: len(self)])

    @property
    def keys(self) -> Int64Array:
        """Key of each vector, int64 [len], -1 where none was given: a view as `vectors` is."""
        return _read_only(self._keys[: len(self)])

    @one_at_a_time
    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint needs: copies of the vectors and keys, and how many were ever pushed."""
        return {"vectors": self.vectors.copy(), "keys": self.keys.copy(), "pushed": self._pushed}

    @one_at_a_time
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up what `state_dict` of a bank of the same size gave.

        Parameters
        ----------
        state : mapping
            ``vectors``, ``keys`` and ``pushed``; copied.

        Raises
        ------
        TypeError, ValueError
            The state does not fit this bank, which is left as it was.
        """
        missing = {"vectors", "keys", "pushed"} - set(state)
        if missing:
            raise ValueError(f"state: no {min(missing)!r}, expected what state_dict gives")
        pushed = checks.integer("pushed", state["pushed"])
        array, kind = checked("vectors", state["vectors"])
        held = min(pushed, self.size)
        if array.shape != (held, self.h):
            raise ValueError(f"vectors: shape {array.shape}, expected {(held, self.h)} after {pushed} pushes")
        keys = _keys_of(state["keys"], held)
        norms = row_norms("vectors", (array, kind), thread_count(None))
        self._vectors[:held], self._keys[:held], self._norms[:held] = widen(array, kind), keys, norms
        self._pushed = pushed
        self._coded = ChangingCodes(self.size, self.h, self._similarity)

    @one_at_a_time
    def __getstate__(self) -> dict[str, Any]:
        # Copies: they are written to the pickle when the lock is free again.
        return copy.deepcopy({name: value for name, value in vars(self).items() if name != "_lock"})

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        share(self)

    def __len__(self) -> int:
        return min(self._pushed, self.size)

    def __repr__(self) -> str:
        return f"MemoryBank({len(self)} of {self.size} vectors of dimension {self.h}, {self._similarity})"


def _keys_of(keys: Any, length: int) -> Int64Array:
    if keys is None:
        return np.full(length, _NONE, np.int64)
    array = arrays.host(keys)
    if arrays.is_text(array):
        raise TypeError("keys: strings, expected integers")
    return arrays.labels("keys", array, length)


def _read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view
