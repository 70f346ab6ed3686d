"""Argument checks that name the argument, what came and what was wanted. Shared by every public function."""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hardmine.plumbing.float_mode import in_default_mode

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]

SIMILARITIES = ("cosine", "dot")
"""How two embeddings are compared."""


def integer(name: str, value: Any, *, minimum: int = 0, maximum: int = 2**63 - 1) -> int:
    """`value` as an int inside [minimum, maximum]; bools, floats and anything else raise TypeError."""
    # Asking an abstract base class takes longer than a small selection.
    if type(value) is not int and (isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral)):
        raise TypeError(f"{name}: {type(value).__name__} {value!r}, expected an integer")
    result = int(value)
    if not minimum <= result <= maximum:
        bound = f"at least {minimum}" if result < minimum else f"at most {maximum}"
        raise ValueError(f"{name}: {result}, expected {bound}")
    return result


@in_default_mode
def real(name: str, value: Any, *, minimum: float = -math.inf, maximum: float = math.inf, finite: bool = True) -> float:
    """`value` as a float inside [minimum, maximum]; NaN, and infinities unless allowed, raise ValueError."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name}: {type(value).__name__} {value!r}, expected a number")
    try:
        result = float(value)
    except OverflowError:
        raise ValueError(f"{name}: beyond the range of float64, expected a finite number") from None
    if math.isnan(result) or (finite and math.isinf(result)):
        raise ValueError(f"{name}: {result}, expected a finite number")
    if not minimum <= result <= maximum:
        bound = f"at least {minimum:g}" if result < minimum else f"at most {maximum:g}"
        raise ValueError(f"{name}: {result:g}, expected {bound}")
    return result


def boolean(name: str, value: Any) -> bool:
    """`value` as a bool; numbers raise TypeError."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name}: {type(value).__name__} {value!r}, expected True or False")
    return bool(value)


def similarity(value: Any) -> str:
    """`value` if it is one of `SIMILARITIES`."""
    return choice("similarity", value, SIMILARITIES)


def choice(name: str, value: Any, options: Sequence[str]) -> str:
    """`value` if it is one of `options`."""
    if not isinstance(value, str):
        raise TypeError(f"{name}: {type(value).__name__} {value!r}, expected one of {', '.join(map(repr, options))}")
    if value not in options:
        raise ValueError(f"{name}: {value!r}, expected one of {', '.join(map(repr, options))}")
    return value


MOST_COLUMNS = 100_000
"""Negatives of an n-tuple, each of which is a column."""


def n_tuple(num_negatives: int) -> None:
    """Refuse more negatives than a table has columns for."""
    if num_negatives > MOST_COLUMNS:
        raise ValueError(
            f"num_negatives: {num_negatives}, expected at most {MOST_COLUMNS} for an n-tuple, with a column for each"
        )


_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


def memory(name: str, value: Any, default: int) -> int:
    """A number of bytes: None for `default`, an integer, or a string such as "6GB", "500 MB" or "2GiB"."""
    if value is None:
        return default
    if isinstance(value, str):
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?", value.strip().lower())
        if found is None or found[2] not in _UNITS:
            raise ValueError(f"{name}: {value!r}, expected a number of bytes such as '6GB' or '500MiB'")
        number = float(found[1]) * _UNITS[found[2]]
        value = int(number) if math.isfinite(number) else 2**63
    return integer(name, value, minimum=1)


def as_array(name: str, value: Any) -> npt.NDArray[Any]:
    """`value` as NumPy reads it; rows that differ in length are refused."""
    return value if type(value) is np.ndarray else _read(name, value)


@in_default_mode
def _read(name: str, value: Any) -> npt.NDArray[Any]:
    try:
        return np.asarray(value)
    except ValueError:  # NumPy does not know what the argument is called
        raise ValueError(f"{name}: {type(value).__name__} of rows that differ in length, expected an array") from None


def _float32(array: npt.NDArray[Any]) -> Float32Array:
    """The nearest float32: beyond its range that is an infinity, which the callers judge."""
    return np.ascontiguousarray(array) if array.dtype == np.float32 else _nearest_float32(array)


@in_default_mode
def _nearest_float32(array: npt.NDArray[Any]) -> Float32Array:
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array, dtype=np.float32)


def int64_vector(name: str, value: Any, *, length: int | None = None) -> Int64Array:
    """A contiguous int64 vector; any integer dtype is widened, floats and bools are refused."""
    array = as_array(name, value)
    if array.ndim != 1:
        raise ValueError(f"{name}: {array.ndim} dimensions, shape {array.shape}, expected 1")
    if array.size == 0 and array.dtype == np.float64 and not isinstance(value, np.ndarray):
        array = array.astype(np.int64)  # an empty list has no type of its own
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name}: dtype {array.dtype.name}, expected integers")
    if array.dtype == np.uint64 and array.size and int(array.max()) > 2**63 - 1:
        raise ValueError(f"{name}: {int(array.max())}, expected at most {2**63 - 1}")
    if length is not None and array.shape[0] != length:
        raise ValueError(f"{name}: length {array.shape[0]}, expected {length}")
    return np.ascontiguousarray(array, dtype=np.int64)


def float32_vector(name: str, value: Any, *, length: int | None = None) -> Float32Array:
    """A contiguous float32 vector from any float array; integers and bools are refused."""
    array = as_array(name, value)
    if array.ndim != 1:
        raise ValueError(f"{name}: {array.ndim} dimensions, shape {array.shape}, expected 1")
    if array.dtype.kind != "f" and array.dtype.name != "bfloat16":
        raise TypeError(f"{name}: dtype {array.dtype.name}, expected floats")
    if length is not None and array.shape[0] != length:
        raise ValueError(f"{name}: length {array.shape[0]}, expected {length}")
    return _float32(array)


def keys(name: str, value: Any, length: int) -> npt.NDArray[np.uint64] | None:
    """Stable 64-bit noise keys of `length` rows or columns: None for the indices themselves."""
    if value is None:
        return None
    array = as_array(name, value)
    if array.ndim != 1 or array.shape[0] != length:
        raise ValueError(f"{name}: shape {array.shape}, expected ({length},)")
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name}: dtype {array.dtype.name}, expected 64-bit integers")
    return np.ascontiguousarray(array).astype(np.int64 if array.dtype.kind == "i" else np.uint64).view(np.uint64)


def per_query(name: str, value: Any, num_queries: int) -> Float32Array | None:
    """A bound per query: None, one number for all, or a float32 vector. NaN is refused."""
    if value is None:
        return None
    if isinstance(value, (str, bytes, bool, np.bool_)):
        raise TypeError(f"{name}: {type(value).__name__} {value!r}, expected None, a number or one per query")
    if isinstance(value, numbers.Real):
        return np.full(num_queries, _float32(np.asarray(real(name, value, finite=False))), dtype=np.float32)
    bounds = float32_vector(name, value, length=num_queries)
    if np.isnan(bounds).any():
        raise ValueError(f"{name}: NaN for query {int(np.isnan(bounds).argmax())}")
    return bounds
