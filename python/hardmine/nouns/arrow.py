"""Strings in Arrow: flat columns, ids and where they stand, without a Python object per row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import hardmine._native as _native
from hardmine.nouns.strings import StringTable
from hardmine.plumbing.extras import need
from hardmine.plumbing.threads import thread_count

if TYPE_CHECKING:
    import pyarrow as pa

_WHAT = "hardmine.Collection"


def flat(column: Any) -> Any:
    """A column as one array: as it is where it is one already."""
    pa = need("pyarrow", what=_WHAT, extra="mine")
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
        if isinstance(column, pa.ChunkedArray):  # newer releases keep one chunk wrapped
            column = column.chunk(0) if column.num_chunks else pa.array([], column.type)
    return column


def large_strings(name: str, table: pa.Table, column: str) -> pa.LargeStringArray:
    """A column of strings without nulls, flat, with 64-bit offsets; the bytes are shared where they lie in a piece."""
    pa = need("pyarrow", what=_WHAT, extra="mine")
    found = table[column]
    if not (pa.types.is_string(found.type) or pa.types.is_large_string(found.type)):
        raise TypeError(f"{name}: column {column!r} of type {found.type}, expected strings")
    if found.null_count:
        raise ValueError(f"{name}: column {column!r} holds {found.null_count} nulls, expected none")
    return flat(found.cast(pa.large_string()))


def constant(text: str, count: int) -> pa.LargeStringArray:
    """The same string `count` times."""
    pa = need("pyarrow", what=_WHAT, extra="mine")
    return pa.repeat(pa.scalar(text, pa.large_string()), count)


def digits(numbers: Any) -> pa.LargeStringArray:
    """Integers as the strings of their digits."""
    pa = need("pyarrow", what=_WHAT, extra="mine")
    return flat(pa.array(numbers) if isinstance(numbers, np.ndarray) else numbers).cast(pa.large_string())


def ids(name: str, values: Any) -> pa.LargeStringArray:
    """Ids as strings: strings stay what they are, integers become their digits.

    Parameters
    ----------
    name : str
        What an error calls them.
    values : iterable of str or int, array of integers, pyarrow array of strings or integers, StringTable

    Raises
    ------
    TypeError, ValueError
        Another type, a null, text that UTF-8 cannot hold, or an id that comes twice.
    """
    found = _ids(name, values)
    repeated = first_repeat(found)
    if repeated is not None:
        raise ValueError(f"{name}: {found[repeated].as_py()!r} occurs twice, expected every id once")
    return found


def _ids(name: str, values: Any) -> pa.LargeStringArray:
    pa = need("pyarrow", what=_WHAT, extra="mine")
    if isinstance(values, (pa.Array, pa.ChunkedArray)):
        if pa.types.is_integer(values.type) and not values.null_count:
            return digits(values)
        return large_strings(name, pa.table({"id": values}), "id")
    if isinstance(values, np.ndarray) and values.dtype.kind in "iu":
        if values.ndim != 1:
            raise ValueError(f"{name}: {values.ndim} dimensions, shape {values.shape}, expected 1")
        return digits(values)
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise TypeError(f"{name}: {type(values).__name__}, expected an iterable of ids, strings or integers")
    if not isinstance(values, StringTable):
        values = StringTable.from_strings((as_id(name, at, value) for at, value in enumerate(values)), name)
    return of_table(values)


def as_id(name: str, place: Any, value: Any) -> str:
    """One id as a string."""
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return str(int(value))
    if not isinstance(value, str):
        raise TypeError(f"{name}[{place}]: {type(value).__name__}, expected a string or an integer")
    return value


def of_table(table: StringTable) -> pa.LargeStringArray:
    """The strings of a table in Arrow, which share its bytes."""
    pa = need("pyarrow", what=_WHAT, extra="mine")
    buffers = [None, pa.py_buffer(table.offsets), pa.py_buffer(table.data)]
    return pa.Array.from_buffers(pa.large_string(), len(table), buffers)


def first_repeat(strings: pa.LargeStringArray) -> int | None:
    """The first position at which a string stands that stood before, None where all differ.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from hardmine.nouns.arrow import first_repeat
    >>> first_repeat(pa.array(["a", "b", "a", "b"], pa.large_string())), first_repeat(pa.array(["a"]))
    (2, None)
    """
    compute = need("pyarrow.compute", what=_WHAT, extra="mine")
    if compute.count_distinct(strings).as_py() == len(strings):
        return None
    codes = codes_of(strings)[0]
    return int((codes != np.arange(codes.size)).argmax())


def codes_of(strings: Any, num_threads: int | None = None) -> tuple[npt.NDArray[np.int64], pa.LargeStringArray]:
    """Number of every string among the different ones, which are numbered as they appear; and these themselves.

    Strings without nulls, of any type of text. The bytes of the different ones are shared where they stand together at
    the beginning.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from hardmine.nouns.arrow import codes_of
    >>> codes, unique = codes_of(pa.array(["b", "a", "b", "c"], pa.large_string()))
    >>> codes.tolist(), unique.to_pylist()
    ([0, 1, 0, 2], ['b', 'a', 'c'])
    """
    pa = need("pyarrow", what=_WHAT, extra="mine")
    strings = flat(strings).cast(pa.large_string())
    table = StringTable.from_strings(strings)
    codes, first = _native.text_codes(table.offsets, table.data, thread_count(num_threads))
    is_head = not first.size or int(first[-1]) == first.size - 1
    return codes, strings.slice(0, first.size) if is_head else strings.take(pa.array(first))


def places(wanted: Any, among: Any) -> npt.NDArray[np.int64]:
    """Where each of some strings stands among others, -1 where it does not; of equal ones the first.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from hardmine.nouns.arrow import places
    >>> places(pa.array(["b", "x"]), pa.array(["a", "b"])).tolist()
    [1, -1]
    """
    pa = need("pyarrow", what=_WHAT, extra="mine")
    compute = need("pyarrow.compute", what=_WHAT, extra="mine")
    if isinstance(wanted, pa.ChunkedArray) and pa.types.is_dictionary(wanted.type):
        wanted = flat(wanted.unify_dictionaries())
        there: npt.NDArray[np.int64] = places(wanted.dictionary, among)[wanted.indices.to_numpy()]
        return there
    found = compute.index_in(flat(wanted).cast(pa.large_string()), value_set=flat(among))
    numbers: npt.NDArray[np.int64] = compute.fill_null(found, -1).to_numpy().astype(np.int64, copy=False)
    return numbers


def holds(table: pa.Table, column: str) -> bool:
    """Whether a table has a column of a name."""
    return column in table.column_names


class GrowingStrings:
    """Strings on their way into one array: their bytes grow in place, so that there is never a second copy of them."""

    def __init__(self) -> None:
        self._pa = need("pyarrow", what=_WHAT, extra="mine")
        self._data = bytearray()
        self._lengths: list[npt.NDArray[np.uint32]] = []

    def add(self, strings: pa.LargeStringArray) -> None:
        """Add strings without nulls."""
        _, offsets, data = strings.buffers()
        if not len(strings):
            return
        bounds = np.frombuffer(offsets, np.int64)[strings.offset : strings.offset + len(strings) + 1]
        self._lengths.append(np.diff(bounds).astype(np.uint32))
        if data is not None:
            self._data += memoryview(data)[int(bounds[0]) : int(bounds[-1])]

    def add_strings(self, strings: list[str]) -> None:
        """Add strings that UTF-8 can hold."""
        self.add(self._pa.array(strings, self._pa.large_string()))

    def finish(self) -> pa.LargeStringArray:
        """All strings as one Arrow array."""
        count = sum(lengths.size for lengths in self._lengths)
        offsets = np.zeros(count + 1, np.int64)
        start = 1
        for lengths in self._lengths:
            np.cumsum(lengths, dtype=np.int64, out=offsets[start : start + lengths.size])
            offsets[start : start + lengths.size] += offsets[start - 1]
            start += lengths.size
        buffers = [None, self._pa.py_buffer(offsets), self._pa.py_buffer(self._data)]
        return self._pa.Array.from_buffers(self._pa.large_string(), count, buffers)


def bytes_of(strings: Any) -> memoryview:
    """The bytes of all strings, end to end."""
    return StringTable.from_strings(flat(strings)).data.data
