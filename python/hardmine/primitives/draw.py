"""Draws that depend on keys alone: never on the order or number of rows, on threads, shards or the machine.

The noise of a cell comes from the counter-based generator Philox4x32-10 (Salmon et al., SC 2011), keyed by (seed,
epoch, domain, row key, column key). Every public function that draws has a domain of its own: `Domain` in
rust/core/src/draw/noise.rs is the table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import hardmine._native as _native
from hardmine.plumbing import arrays, checks, ragged
from hardmine.plumbing.float_mode import in_default_mode
from hardmine.plumbing.threads import thread_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    Int64Array = npt.NDArray[np.int64]
    Exclude = tuple[Int64Array, Int64Array] | Sequence[Sequence[int]] | None

_MAX_SEED = 2**64 - 1


def draw(
    log_weights: Any,
    n: int,
    *,
    seed: int,
    epoch: int = 0,
    replace: bool = False,
    row_keys: Any = None,
    column_keys: Any = None,
    num_threads: int | None = None,
) -> Int64Array:
    """Draw `n` columns of every row, in proportion to the exponentials of its log-weights.

    Without replacement the columns of a row follow the law of `n` successive draws, each in proportion to the weights
    that are left (Plackett-Luce): they are the `n` largest of log-weight + Gumbel noise (Yellott 1977; Kool, van Hoof
    and Welling, ICML 2019). With replacement the `n` draws of a row are independent.

    Parameters
    ----------
    log_weights : array of float16, bfloat16, float32 or float64, shape (num_rows, num_columns)
        Any strides, read without a copy. -inf is never drawn. Weights need not add up to anything.
    n : int
        Draws for each row.
    seed : int
        0 to 2**64 - 1.
    epoch : int
        0 to 2**63 - 1. Another epoch, other draws.
    replace : bool
        Whether a column may be drawn more than once.
    row_keys : array of integers, shape (num_rows,), optional
        Stable 64-bit keys of the rows; their indices by default. With keys, a row gets the same draws
        wherever it stands.
    column_keys : array of integers, shape (num_columns,), optional
        The same for columns. Columns should have distinct keys: equal keys share their noise.
    num_threads : int, optional
        Threads to use; changes nothing in the result.

    Returns
    -------
    int64 array, shape (num_rows, n)
        Column indices. Without replacement ascending, with replacement in the order of the draws. -1 fills the end of a
        row that has fewer than `n` columns to give (with replacement: none).

    Raises
    ------
    ValueError
        A log-weight is NaN or +inf (the message names row and column), or a parameter is out of its range.
    TypeError
        `log_weights` has another dtype, or a parameter another type.

    Notes
    -----
    Everything happens in the log domain in float64, so weights of any size keep their ratios. Equal sums of log-weight
    and noise, next to impossible with distinct column keys, go to the lower column.

    Examples
    --------
    >>> import numpy as np
    >>> import hardmine as hm
    >>> log_weights = np.log([[0.7, 0.2, 0.1, 0.0]], where=[[True, True, True, False]], out=np.full((1, 4), -np.inf))
    >>> hm.draw(log_weights, 2, seed=0)
    array([[0, 1]])
    >>> hm.draw(log_weights, 4, seed=0)
    array([[ 0,  1,  2, -1]])
    """
    return draw_as(
        "draw", log_weights, n, seed=seed, epoch=epoch, replace=replace, row_keys=row_keys, column_keys=column_keys,
        num_threads=num_threads,
    )  # fmt: skip


def draw_as(
    domain: str,
    log_weights: Any,
    n: int,
    *,
    seed: int,
    epoch: int,
    replace: bool = False,
    row_keys: Any = None,
    column_keys: Any = None,
    num_threads: int | None = None,
) -> Int64Array:
    """As `draw`, in the domain of noise that belongs to the function that asks."""
    array, kind = arrays.matrix("log_weights", log_weights)
    rows, columns = array.shape
    drawn = _native.draw_rows(
        array,
        kind,
        checks.integer("n", n),
        noise=_noise(domain, seed, epoch),
        replace=_boolean("replace", replace),
        row_keys=checks.keys("row_keys", row_keys, rows),
        column_keys=checks.keys("column_keys", column_keys, columns),
        num_threads=thread_count(num_threads),
    )
    return drawn.reshape(rows, n)


def draw_from_lists(
    domain: str,
    offsets: Int64Array,
    keys: Int64Array,
    n: int,
    *,
    seed: int,
    epoch: int,
    log_weights: npt.NDArray[np.float64] | None = None,
    row_keys: npt.NDArray[np.uint64] | None = None,
    num_threads: int | None = None,
) -> _native.DrawnLists:
    """Draw at most `n` entries of every list without replacement; positions rise and are among all entries.

    The entries of a list have keys, and log-weights beside them: all alike without any.
    """
    return _native.draw_lists(
        {"offsets": offsets, "keys": keys, "log_weights": log_weights, "row_keys": row_keys},
        n,
        noise=_noise(domain, seed, epoch),
        num_threads=thread_count(num_threads),
    )


def sample_uniform(
    num_rows: int,
    n: int,
    num_items: int,
    *,
    exclude: Exclude = None,
    seed: int,
    epoch: int = 0,
    replace: bool = False,
    row_keys: Any = None,
    num_threads: int | None = None,
) -> Int64Array:
    """Draw `n` of `num_items` items for every row, each alike, except those that the row excludes.

    Parameters
    ----------
    num_rows : int
        Number of rows (queries, users).
    n : int
        Draws for each row.
    num_items : int
        Items are 0 to num_items - 1.
    exclude : (offsets, ids) or sequence of id sequences, optional
        Items that a row never gets, one list for each row, in any order, repeats allowed.
    seed, epoch : int
        As in `draw`.
    replace : bool
        Whether a row may get an item more than once.
    row_keys : array of integers, shape (num_rows,), optional
        Stable 64-bit keys of the rows; their indices by default.
    num_threads : int, optional
        Threads to use; changes nothing in the result.

    Returns
    -------
    int64 array, shape (num_rows, n)
        Items in the order of the draws, so every column by itself is a uniform draw too. -1 fills the end of a row
        that has fewer than `n` items left (with replacement: none).

    Raises
    ------
    ValueError
        An excluded id is not an item, offsets do not fit, or a parameter is out of its range.
    TypeError
        A parameter has another type.

    Notes
    -----
    Integers are made of random words without bias (Lemire 2019). The work is proportional to `n` and the number of
    exclusions of a row, not to `num_items`.

    Examples
    --------
    >>> import hardmine as hm
    >>> drawn = hm.sample_uniform(2, 3, 5, exclude=[[0, 1], [4]], seed=0)
    >>> sorted(drawn[0].tolist())
    [2, 3, 4]
    >>> hm.sample_uniform(1, 4, 5, exclude=[[0, 1, 2]], seed=0)[0, 2:]
    array([-1, -1])
    """
    return sample_uniform_as(
        "uniform", num_rows, n, num_items, exclude=exclude, seed=seed, epoch=epoch, replace=replace, row_keys=row_keys,
        num_threads=num_threads,
    )  # fmt: skip


def sample_uniform_as(
    domain: str,
    num_rows: int,
    n: int,
    num_items: int,
    *,
    exclude: Exclude = None,
    seed: int,
    epoch: int = 0,
    replace: bool = False,
    row_keys: Any = None,
    num_threads: int | None = None,
) -> Int64Array:
    """As `sample_uniform`, in the domain of noise that belongs to the function that asks."""
    items = checks.integer("num_items", num_items)
    request = _request(domain, num_rows, n, exclude, seed, epoch, replace, row_keys)
    return _native.sample_uniform(items, request, thread_count(num_threads)).reshape(num_rows, n)


class AliasTable:
    """A table that draws items in proportion to their weights, each in constant time (Vose 1991).

    Parameters
    ----------
    weights : array of floats or integers, shape (num_items,)
        Finite, not negative, not all zero; they need not add up to one. An item of weight zero is never drawn.

    Raises
    ------
    ValueError
        A weight is negative, NaN or infinite (the message names its index), or none is above zero.

    Examples
    --------
    Popularity to the power 0.75, as in word2vec:

    >>> import numpy as np
    >>> import hardmine as hm
    >>> counts = np.array([100, 10, 1, 0])
    >>> table = hm.AliasTable(counts**0.75)
    >>> table.sample(2, 5, exclude=[[0], [0, 1]], seed=0)[1]
    array([2, 2, 2, 2, 2])
    """

    __slots__ = ("_num_items", "_table")

    @in_default_mode
    def __init__(self, weights: Any) -> None:
        array = np.asarray(weights)
        if array.ndim != 1:
            raise ValueError(f"weights: {array.ndim} dimensions, shape {array.shape}, expected 1")
        if array.dtype.kind not in "fiu" and array.dtype.name != "bfloat16":
            raise TypeError(f"weights: dtype {array.dtype.name}, expected floats or integers")
        self._table = _native.AliasTable(np.ascontiguousarray(array, dtype=np.float64))
        self._num_items = int(array.shape[0])

    def __len__(self) -> int:
        return self._num_items

    def __repr__(self) -> str:
        return f"AliasTable({self._num_items} items)"

    def sample(
        self,
        num_rows: int,
        n: int,
        *,
        exclude: Exclude = None,
        seed: int,
        epoch: int = 0,
        replace: bool = True,
        row_keys: Any = None,
        num_threads: int | None = None,
    ) -> Int64Array:
        """Draw `n` items for every row.

        Parameters
        ----------
        num_rows : int
            Number of rows.
        n : int
            Draws for each row.
        exclude : (offsets, ids) or sequence of id sequences, optional
            Items that a row never gets, one list for each row, in any order, repeats allowed.
        seed, epoch : int
            As in `draw`.
        replace : bool
            Whether a row may get an item more than once. Without replacement every row looks at every item.
        row_keys : array of integers, shape (num_rows,), optional
            Stable 64-bit keys of the rows; their indices by default.
        num_threads : int, optional
            Threads to use; changes nothing in the result.

        Returns
        -------
        int64 array, shape (num_rows, n)
            Items in the order of the draws. -1 fills the end of a row that has fewer items of positive weight left than
            `n` (with replacement: none).

        Raises
        ------
        ValueError
            An excluded id is not an item, offsets do not fit, or a parameter is out of its range.
        TypeError
            A parameter has another type.
        """
        request = _request("alias", num_rows, n, exclude, seed, epoch, replace, row_keys)
        return self._table.sample(request, thread_count(num_threads)).reshape(num_rows, n)


def _noise(domain: str, seed: int, epoch: int) -> _native.Noise:
    return {
        "domain": domain,
        "seed": checks.integer("seed", seed, maximum=_MAX_SEED),
        "epoch": checks.integer("epoch", epoch),
    }


def _request(
    domain: str, num_rows: int, n: int, exclude: Exclude, seed: int, epoch: int, replace: Any, row_keys: Any
) -> _native.Request:
    rows = checks.integer("num_rows", num_rows)
    return {
        "rows": rows,
        "n": checks.integer("n", n),
        "replace": _boolean("replace", replace),
        "exclude": ragged.csr("exclude", exclude, rows),
        "noise": _noise(domain, seed, epoch),
        "row_keys": checks.keys("row_keys", row_keys, rows),
    }


def _boolean(name: str, value: Any) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name}: {type(value).__name__} {value!r}, expected True or False")
    return bool(value)
