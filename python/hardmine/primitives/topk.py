"""Top-k selection over score matrices: whole, or tile by tile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import hardmine._native as _native
from hardmine.nouns.candidates import Candidates
from hardmine.plumbing import arrays, checks
from hardmine.plumbing.arrays import DTYPE_NAMES
from hardmine.plumbing.threads import one_at_a_time, share, thread_count
from hardmine.primitives.limits import Limits, scan_limits

if TYPE_CHECKING:
    import numpy.typing as npt

    from hardmine.plumbing.checks import Int64Array


def topk(
    scores: Any,
    k: int,
    *,
    ceiling: float | npt.ArrayLike | None = None,
    floor: float | npt.ArrayLike | None = None,
    exclude: Any = None,
    nan: str = "raise",
    num_threads: int | None = None,
) -> Candidates:
    """Find the k best admissible documents of every query in a score matrix.

    Ceiling, floor and exclusions act inside the scan: a query gets k documents as long as it has k admissible ones.

    Parameters
    ----------
    scores : float16, bfloat16, float32 or float64 [num_queries, num_documents]
        NumPy array (bfloat16 through ml_dtypes) or torch tensor on the CPU; any strides, read-only or memory-mapped.
        It is never copied.
    k : int
        At least 0. More than there are documents gives all of them.
    ceiling, floor : float or float [num_queries], optional
        A document is admissible if ``floor <= score <= ceiling``. Rounded once to float32; NaN is refused.
    exclude : pair (offsets, ids) or sequence of id sequences, optional
        Documents that are never admissible, per query; in any order, repeats allowed.
    nan : {"raise", "drop"}
        Stop at a NaN, wherever it lies, or pass it over and count it.
    num_threads : int, optional
        Threads to use; by default all that the process may use. Never changes the result.

    Returns
    -------
    Candidates
        Each query's documents by falling score; among equal scores (-0.0 equals 0.0) the lower index first. float64
        scores are ranked as float64; ``scores`` of the result is their rounding to float32. ``ranks`` is set where a
        ceiling removed documents. ``reasons`` counts, per query, every document that the limits removed, once, under
        the first that applies of: ``excluded``, ``nan``, ``above_ceiling``, ``below_floor``.

    Raises
    ------
    TypeError
        `scores` is of another dtype or byte order, or `k` is no integer.
    ValueError
        `scores` is not 2-d or holds NaN (the message has the first row and column), `k` is negative, a limit is NaN
        or of the wrong length, an excluded id is out of range.

    Notes
    -----
    One pass over the scores. A bound that at least k scores of the row reach is kept while scanning; for data in any
    order the cost is linear in the number of documents. The result depends on the arguments alone: not on threads,
    strides or the instruction set.

    Examples
    --------
    >>> import numpy as np
    >>> import hardmine as hm
    >>> scores = np.array([[0.1, 0.9, 0.5, 0.9]], dtype=np.float32)
    >>> hm.topk(scores, 2)[0].ids.tolist()
    [1, 3]
    >>> hm.topk(scores, 2, ceiling=0.8, exclude=[[0]])[0].ids.tolist()
    [2]
    """
    return scan(scores, k, ceiling=ceiling, floor=floor, exclude=exclude, nan=nan, num_threads=num_threads)


def scan(
    scores: Any,
    k: int,
    *,
    ceiling: float | npt.ArrayLike | None = None,
    floor: float | npt.ArrayLike | None = None,
    exclude: Any = None,
    nan: str = "raise",
    num_threads: int | None = None,
    rows: Int64Array | None = None,
) -> Candidates:
    """`topk` with limits per output row, where output row i reads matrix row ``rows[i]``: one row, several ceilings."""
    array, kind = arrays.matrix("scores", scores)
    k = checks.integer("k", k)
    num_rows = array.shape[0] if rows is None else rows.size
    limits = scan_limits(num_rows, ceiling, floor, exclude, nan)
    threads = thread_count(num_threads)
    return Candidates._from_native(
        _native.topk(array, kind, min(k, array.shape[1]), limits, rows, threads), metadata={"k": k}
    )


class TopKAccumulator:
    """The k best admissible documents of every query, over score tiles that never need to be in memory together.

    Any cut into tiles, in any order, gives the same bytes as `topk` on the whole matrix. Each (query, document) pair
    must be given once.

    Parameters
    ----------
    num_queries : int
    k : int
        At least 0.
    ceiling, floor : float or float [num_queries], optional
        As in `topk`.
    exclude : pair (offsets, ids) or sequence of id sequences, optional
        Documents that are never admissible, per query, by global index.
    nan : {"raise", "drop"}
        As in `topk`. A tile with a NaN under "raise" ends the use of the accumulator.
    num_threads : int, optional
        Threads to use; by default all that the process may use. Never changes the result.

    Raises
    ------
    TypeError, ValueError
        As in `topk`.

    Notes
    -----
    Pickles and copies: an accumulator can be sent to another process and go on there. Threads may share one: calls wait
    for each other.

    All tiles must have one dtype: float64 tiles are ranked as float64, and a mixture would have no single order. The
    state takes about 16 bytes per kept candidate.

    Examples
    --------
    >>> import numpy as np
    >>> import hardmine as hm
    >>> scores = np.array([[0.1, 0.9, 0.5, 0.9]], dtype=np.float32)
    >>> best = hm.TopKAccumulator(1, 2)
    >>> best.update(scores[:, 2:], first_document=2)
    >>> best.update(scores[:, :2])
    >>> best.finish()[0].ids.tolist()
    [1, 3]
    """

    __slots__ = ("__weakref__", "_k", "_kind", "_limits", "_lock", "_num_queries", "_num_threads", "_state")
    _lock: Any
    _kind: str | None
    _state: _native.TopKAccumulator | None

    def __init__(
        self,
        num_queries: int,
        k: int,
        *,
        ceiling: float | npt.ArrayLike | None = None,
        floor: float | npt.ArrayLike | None = None,
        exclude: Any = None,
        nan: str = "raise",
        num_threads: int | None = None,
    ) -> None:
        share(self)
        self._num_queries = checks.integer("num_queries", num_queries)
        self._k = checks.integer("k", k)
        self._limits = scan_limits(self._num_queries, ceiling, floor, exclude, nan)
        self._num_threads = thread_count(num_threads)
        self._kind = None
        self._state = None

    @one_at_a_time
    def update(self, scores_tile: Any, *, first_query: int = 0, first_document: int = 0) -> None:
        """Take in a tile of scores.

        Parameters
        ----------
        scores_tile : float16, bfloat16, float32 or float64 [tile_queries, tile_documents]
            As in `topk`: any strides, no copy. The same dtype in every call.
        first_query, first_document : int
            Query of the tile's first row, document of its first column.

        Raises
        ------
        TypeError
            The dtype is not accepted, or another than before.
        ValueError
            The tile is not 2-d, sticks out of the queries, or holds NaN (the message has query and document).
        """
        array, kind = arrays.matrix("scores_tile", scores_tile)
        first_query = checks.integer("first_query", first_query)
        first_document = checks.integer("first_document", first_document)
        state = self._of_kind("scores_tile", kind)
        state.update(array, kind, first_query, first_document, self._num_threads)

    def merge(self, other: TopKAccumulator) -> None:
        """Take in what another accumulator found for the same queries among other documents.

        Parameters
        ----------
        other : TopKAccumulator
            It stays as it is.

        Raises
        ------
        TypeError
            `other` is no accumulator, or has another score dtype.
        ValueError
            `other` has another number of queries, another k or other limits.
        """
        if not isinstance(other, TopKAccumulator):
            raise TypeError(f"other: {type(other).__name__}, expected TopKAccumulator")
        if other is self:
            raise ValueError("other: the accumulator itself, expected one of other documents")
        for name, found, wanted in (
            ("num_queries", other._num_queries, self._num_queries),
            ("k", other._k, self._k),
        ):
            if found != wanted:
                raise ValueError(f"other: {name} {found}, expected {wanted}")
        for field, ours, theirs in zip(Limits._fields, self._limits, other._limits, strict=True):
            if not _same(ours, theirs):
                name = "nan" if field == "nan_is_dropped" else field
                raise ValueError(f"other: another {name} than this accumulator's")
        first, second = sorted((self, other), key=id)  # a.merge(b) and b.merge(a) at once must not wait for ever
        with first._lock, second._lock:
            if other._state is not None and other._kind is not None:
                self._of_kind("other", other._kind).merge(other._state, self._num_threads)

    @one_at_a_time
    def finish(self) -> Candidates:
        """Return the best k of every query so far, as `topk` would; more tiles may follow."""
        state = self._state or self._new("f32")
        return Candidates._from_native(state.finish(self._num_threads), metadata={"k": self._k})

    @one_at_a_time
    def __reduce__(self) -> tuple[Any, ...]:
        kept = None if self._state is None else self._state.kept(self._num_threads)
        return _restored, (self._num_queries, self._k, self._limits, self._num_threads, self._kind, kept)

    def __repr__(self) -> str:
        dtype = f", {DTYPE_NAMES[self._kind]}" if self._kind else ""
        return f"TopKAccumulator({self._num_queries} queries, k={self._k}{dtype})"

    def _of_kind(self, name: str, kind: str) -> _native.TopKAccumulator:
        if self._kind is not None and kind != self._kind:
            raise TypeError(f"{name}: dtype {DTYPE_NAMES[kind]}, expected {DTYPE_NAMES[self._kind]} as before")
        if self._state is None:
            self._state = self._new(kind)
            self._kind = kind
        return self._state

    def _new(self, kind: str) -> _native.TopKAccumulator:
        return _native.TopKAccumulator(self._num_queries, self._k, kind, self._limits, self._num_threads)


def _restored(
    num_queries: int, k: int, limits: Limits, num_threads: int, kind: str | None, kept: Any
) -> TopKAccumulator:
    """An accumulator that goes on from what another one, perhaps of another process, held."""
    self = TopKAccumulator.__new__(TopKAccumulator)
    share(self)
    self._num_queries, self._k, self._limits, self._num_threads, self._kind = num_queries, k, limits, num_threads, kind
    self._state = None
    if kind is not None:
        self._state = _native.TopKAccumulator.restore(num_queries, k, kind, limits, kept, num_threads)
    return self


def _same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, tuple) and isinstance(theirs, tuple):
        return all(map(_same, ours, theirs))
    return bool(np.array_equal(ours, theirs)) if ours is not None and theirs is not None else ours is theirs
