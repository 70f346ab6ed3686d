"""String ids by number: two arrays, so that a table can be saved, mapped and shared like any other column."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, overload

import numpy as np
import numpy.typing as npt

import hardmine._native as _native
from hardmine.nouns.frozen import Frozen
from hardmine.plumbing import checks, ragged

_BLOCK = 1 << 24
"""Bytes that are looked at together."""


def _utf8(name: str, position: int, text: object) -> bytes:
    if not isinstance(text, str):
        raise TypeError(f"{name}[{position}]: {type(text).__name__}, expected a string")
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name}[{position}]: {text!a}, expected text that UTF-8 can hold") from None


class StringTable(Frozen, Sequence[str]):
    """An immutable list of strings kept as UTF-8 bytes and offsets.

    Parameters
    ----------
    offsets : int64 [n + 1]
        Where each string starts in `data`.
    data : uint8 [offsets[-1]]
        The UTF-8 bytes of all strings.

    Raises
    ------
    TypeError, ValueError
        A dtype is wrong, the offsets do not cut `data`, or a string is no UTF-8.

    Examples
    --------
    >>> from hardmine import StringTable
    >>> table = StringTable.from_strings(["d1", "d2"])
    >>> table[1], len(table)
    ('d2', 2)
    """

    __slots__ = ("data", "offsets")
    offsets: npt.NDArray[np.int64]
    data: npt.NDArray[np.uint8]

    def __init__(self, offsets: npt.NDArray[np.int64], data: npt.NDArray[np.uint8]) -> None:
        offsets = checks.int64_vector("offsets", offsets)
        if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 1:
            raise TypeError("data: expected a uint8 vector")
        ragged.check_offsets(offsets, data.size, of="the bytes of data")
        _refuse_other_bytes(offsets, data)
        self._set("offsets", offsets)
        self._set("data", data)

    @classmethod
    def from_strings(cls, strings: Iterable[str], name: str = "strings") -> StringTable:
        """Table of the given strings; Arrow's strings never become Python objects.

        Parameters
        ----------
        strings : iterable of str, or a pyarrow array of strings without nulls
        name : str
            What an error calls them.

        Raises
        ------
        TypeError, ValueError
            Not strings, a null, or text that UTF-8 cannot hold; the message has the position.
        """
        if isinstance(strings, StringTable):
            return strings
        if hasattr(strings, "combine_chunks") or hasattr(strings, "buffers"):
            return _of_arrow(strings, name)
        if isinstance(strings, (str, bytes)) or not isinstance(strings, Iterable):
            raise TypeError(f"{name}: {type(strings).__name__}, expected an iterable of strings")
        parts = [_utf8(name, position, text) for position, text in enumerate(strings)]
        offsets, data = ragged.offsets_of([len(part) for part in parts]), b"".join(parts)
        return cls._trusted({"offsets": offsets, "data": np.frombuffer(data, dtype=np.uint8)})

    def __len__(self) -> int:
        return int(self.offsets.size - 1)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = checks.integer("row", index, minimum=-(2**63))
        if not -len(self) <= index < len(self):
            raise IndexError(f"row {index} of a table of {len(self)}")
        index %= len(self)
        return self.data[self.offsets[index] : self.offsets[index + 1]].tobytes().decode()

    def take(self, rows: npt.NDArray[np.int64]) -> list[str]:
        """The strings of some rows, in the order asked for; far quicker than one by one.

        Parameters
        ----------
        rows : int64 [n]

        Raises
        ------
        ValueError
            A row is out of range, or its bytes are no UTF-8.

        Examples
        --------
        >>> import numpy as np, hardmine as hm
        >>> hm.StringTable.from_strings(["a", "b"]).take(np.array([1, 0, 1]))
        ['b', 'a', 'b']
        """
        return _native.take_strings(self.offsets, self.data, np.ascontiguousarray(rows, dtype=np.int64))

    def rows(self, rows: npt.NDArray[np.int64]) -> StringTable:
        """The strings of some rows as a table.

        Parameters
        ----------
        rows : int64 [n]

        Raises
        ------
        ValueError
            A row is out of range.
        """
        offsets, (data,) = _native.take_rows(self.offsets, [self.data], np.ascontiguousarray(rows, dtype=np.int64), 1)
        return StringTable._trusted({"offsets": offsets, "data": data})

    def first_difference(self, other: StringTable) -> int | None:
        """The first position at which the two tables differ, None where they are equal.

        Parameters
        ----------
        other : StringTable
        """
        common = min(len(self), len(other))
        ours, theirs = np.diff(self.offsets[: common + 1]), np.diff(other.offsets[: common + 1])
        unequal = ours != theirs
        same = int(unequal.argmax()) if unequal.any() else common
        end = int(self.offsets[same])
        bytes_differ = self.data[:end] != other.data[:end]
        if bytes_differ.any():
            return int(np.searchsorted(self.offsets, int(bytes_differ.argmax()), side="right")) - 1
        return None if same == len(self) == len(other) else same

    def __iter__(self) -> Iterator[str]:
        text = self.data.tobytes()
        bounds = self.offsets.tolist()
        return (text[start:end].decode() for start, end in pairwise(bounds))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, StringTable):
            return bool(np.array_equal(self.offsets, other.offsets) and np.array_equal(self.data, other.data))
        return NotImplemented

    def __hash__(self) -> int:
        return hash((self.offsets.tobytes(), self.data.tobytes()))

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, self[:3])) + (", ..." if len(self) > 3 else "")
        return f"StringTable([{shown}], length {len(self)})"


def _refuse_other_bytes(offsets: npt.NDArray[np.int64], data: npt.NDArray[np.uint8]) -> None:
    """Raise where a string is no UTF-8: all of them decoded as one, and each beginning where a character does."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, data.size, _BLOCK):
        block = data[start : start + _BLOCK]
        try:
            decoder.decode(block.tobytes(), final=start + _BLOCK >= data.size)
        except UnicodeDecodeError as error:
            raise ValueError(f"data: no UTF-8 ({error.reason} near byte {start + error.start})") from None
    starts = offsets[offsets < data.size]
    inside = (data[starts] & 0xC0) == 0x80
    if inside.any():
        at = int(np.searchsorted(offsets, starts[inside.argmax()], side="left"))
        raise ValueError(f"offsets: string {at} begins inside a character")


def _of_arrow(strings: Any, name: str) -> StringTable:
    """The buffers of an Arrow array, shared where they begin at 0 and count in 64 bits."""
    wide = {"large_string": np.int64, "string": np.int32}.get(str(strings.type))
    if wide is None:
        raise TypeError(f"{name}: {strings.type}, expected strings")
    if hasattr(strings, "combine_chunks"):
        wide, strings = np.int64, strings.cast("large_string").combine_chunks()
        if hasattr(strings, "num_chunks"):  # newer releases keep one chunk wrapped
            if not strings.num_chunks:
                return StringTable.from_strings([])
            strings = strings.chunk(0)
    if strings.null_count:
        at = strings.is_null().to_pylist().index(True)
        raise TypeError(f"{name}[{at}]: null, expected a string")
    _, offsets, data = strings.buffers()
    if not len(strings) or offsets is None:
        return StringTable.from_strings([])
    starts = np.frombuffer(offsets, dtype=wide)[strings.offset : strings.offset + len(strings) + 1]
    first, end = int(starts[0]), int(starts[-1])
    held = np.frombuffer(data, dtype=np.uint8)[first:end] if end > first else np.empty(0, dtype=np.uint8)
    starts = (starts - first if first else starts).astype(np.int64, copy=False)
    return StringTable._trusted({"offsets": starts, "data": held})
