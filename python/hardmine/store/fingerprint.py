"""Digests that say what a stored row was made of: BLAKE2b of 16 bytes, so that two contents never share one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from hardmine.nouns.strings import StringTable

SIZE = 16
"""Bytes of a digest."""
MOST_FACTS = 65_536
"""Bytes of facts, as JSON, that a shard's header carries."""
MOST_LEVELS = 64
"""Levels of facts inside facts: a reader of a header must not run out of stack."""

Keys: TypeAlias = npt.NDArray[np.uint8]
"""Digests of rows, uint8 [num_rows, SIZE]."""
_BLOCK = 1 << 24


def of_facts(facts: Mapping[str, Any]) -> str:
    """Hexadecimal digest of JSON-able facts; the order of their names means nothing."""
    return hashlib.blake2b(spelt(facts).encode(), digest_size=SIZE).hexdigest()


def spelt(facts: Mapping[str, Any]) -> str:
    """Facts in the one spelling that they are hashed and compared in.

    Raises
    ------
    TypeError, ValueError
        They are none that JSON can hold, longer than `MOST_FACTS` or deeper than `MOST_LEVELS`.
    """
    try:
        text = json.dumps(facts, sort_keys=True, allow_nan=False, separators=(",", ":"))
    except RecursionError:
        text = None
    if text is None or _is_deep(facts):
        raise ValueError(
            f"fingerprint: nested deeper than {MOST_LEVELS} levels, expected fewer (give a digest instead)"
        )
    if len(text) > MOST_FACTS:
        raise ValueError(f"fingerprint: {len(text):,} bytes, expected at most {MOST_FACTS:,} (give a digest instead)")
    return text


def _is_deep(facts: Any) -> bool:
    level = [facts]
    for _ in range(MOST_LEVELS):
        values = (each.values() if isinstance(each, Mapping) else each for each in level)
        level = [inner for each in values for inner in each if isinstance(inner, (Mapping, list, tuple))]
    return bool(level)


def of_texts(texts: Any) -> Keys:
    """Digest of every text; Arrow's strings never become Python objects.

    Parameters
    ----------
    texts : pyarrow array of strings, or iterable of str
    """
    table = StringTable.from_strings(texts, "texts")
    return of_rows(len(table), (table.offsets, table.data))


def of_all_texts(texts: Any) -> str:
    """Hexadecimal digest of texts and their order, all in one."""
    table = StringTable.from_strings(texts, "texts")
    state = hashlib.blake2b(bytes_of(np.array([len(table)], np.int64)), digest_size=SIZE)
    state.update(bytes_of(np.diff(table.offsets)))
    state.update(bytes_of(table.data[table.offsets[0] : table.offsets[-1]]))
    return state.hexdigest()


def lengths_of(texts: Any) -> npt.NDArray[np.int64]:
    """Bytes of every text in UTF-8, int64 [n]."""
    return np.diff(StringTable.from_strings(texts, "texts").offsets)


def of_rows(count: int, *columns: Any) -> Keys:
    """Digest of every row of some columns.

    Parameters
    ----------
    count : int
        Number of rows.
    *columns : array [count, ...], or (offsets, values)
        The second form has a length of its own in every row.
    """
    parts = []
    for column in columns:
        if isinstance(column, tuple):
            offsets, values = column
            starts = offsets * values.itemsize
            parts.append((bytes_of(values), starts.tolist(), np.diff(starts).astype("<i8").tobytes()))
        else:
            width = column.nbytes // max(count, 1)
            parts.append((bytes_of(column), range(0, width * count + 1, width) if width else [0] * (count + 1), b""))
    digests = []
    # A digest is a call of its own for every row; it costs a millionth of what made the row.
    for row in range(count):
        state = hashlib.blake2b(digest_size=SIZE)
        for data, starts, lengths in parts:
            state.update(lengths[8 * row : 8 * row + 8])
            state.update(data[starts[row] : starts[row + 1]])
        digests.append(state.digest())
    return np.ndarray((count, SIZE), np.uint8, bytearray().join(digests))


def of_matrix(matrix: npt.NDArray[Any]) -> str:
    """Hexadecimal digest of a matrix: its dtype, shape and numbers, however they lie in memory."""
    state = Running(matrix.dtype, matrix.shape)
    step = max(1, _BLOCK // max(matrix[:1].nbytes, 1))
    for start in range(0, len(matrix), step):
        state.add(matrix[start : start + step])
    return state.digest()


class Running:
    """The digest of a matrix that passes by in blocks of rows."""

    def __init__(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
        about = json.dumps([dtype.newbyteorder("<").str, list(shape)])
        self._state = hashlib.blake2b(about.encode(), digest_size=SIZE)

    def add(self, rows: npt.NDArray[Any]) -> None:
        """The next rows."""
        self._state.update(bytes_of(rows))

    def digest(self) -> str:
        """Hexadecimal digest of what has passed."""
        return self._state.hexdigest()


def bytes_of(array: npt.NDArray[Any]) -> memoryview:
    """The numbers of an array, row by row, as they lie in a file: little-endian."""
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return little.reshape(-1).view(np.uint8).data
