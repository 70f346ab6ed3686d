"""String ids by number: two arrays, so that a table can be saved, mapped and shared like any other column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import overload

import numpy as np
import numpy.typing as npt

import hardmine._native as _native
from hardmine.plumbing import checks


def _utf8(position: int, text: object) -> bytes:
    if not isinstance(text, str):
        raise TypeError(f"strings[{position}]: {type(text).__name__}, expected a string")
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"strings[{position}]: {text!a}, expected text that UTF-8 can hold") from None


class StringTable(Sequence[str]):
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
        A dtype is wrong, or the offsets do not cut `data`.

    Examples
    --------
    >>> from hardmine import StringTable
    >>> table = StringTable.from_strings(["d1", "d2"])
    >>> table[1], len(table)
    ('d2', 2)
    """

    __slots__ = ("data", "offsets")

    def __init__(self, offsets: npt.NDArray[np.int64], data: npt.NDArray[np.uint8]) -> None:
        offsets = checks.int64_vector("offsets", offsets)
        if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 1:
            raise TypeError("data: expected a uint8 vector")
        if not offsets.size or offsets[0] != 0 or offsets[-1] != data.size:
            raise ValueError("offsets: they do not cut the data")
        if (np.diff(offsets) < 0).any():
            raise ValueError("offsets: they fall")
        self.offsets = offsets
        self.data = data

    @classmethod
    def from_strings(cls, strings: Iterable[str]) -> StringTable:
        """Table of the given strings."""
        if isinstance(strings, StringTable):
            return strings
        if isinstance(strings, (str, bytes)) or not isinstance(strings, Iterable):
            raise TypeError(f"strings: {type(strings).__name__}, expected an iterable of strings")
        parts = [_utf8(position, text) for position, text in enumerate(strings)]
        offsets = np.zeros(len(parts) + 1, dtype=np.int64)
        np.cumsum([len(part) for part in parts], out=offsets[1:])
        return cls(offsets, np.frombuffer(b"".join(parts), dtype=np.uint8))

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
