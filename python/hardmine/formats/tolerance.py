"""Reading on past what is wrong with a file, and where its rows stand: for whoever looks a whole file over.

Readers stop at the first thing that is wrong, which is right for whoever trains on a file. Where somebody listens they
leave out the record instead, say why, and go on; what concerns the whole file (no JSON document, broken packed data, no
such column) still ends it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from hardmine.formats.errors import FormatError

if TYPE_CHECKING:
    import pyarrow as pa

_T = TypeVar("_T")
_Found = TypeVar("_Found")
_Int64 = npt.NDArray[np.int64]


class _Listener:
    """Who hears of records that are left out, and of the lines on which the rows of the chunk at hand stand."""

    def __init__(self, hear: Callable[[FormatError], None]) -> None:
        self.hear = hear
        self.lines: _Int64 | None = None


_LISTENER: ContextVar[_Listener | None] = ContextVar("listener", default=None)


def tolerant(records: Iterable[_T], hear: Callable[[FormatError], None]) -> Iterator[_T]:
    """What a reader gives; records that are wrong are left out.

    Parameters
    ----------
    records : iterable
        Of a reader that has not begun.
    hear : callable
        Is called with the `FormatError` of every record that is left out.

    Raises
    ------
    FormatError, OSError
        What makes the rest of the file unreadable.
    """
    return (record for record, _ in _heard(records, _Listener(hear)))


def listening(chunks: Iterable[pa.Table], hear: Callable[[FormatError], None]) -> Iterator[tuple[pa.Table, _Int64]]:
    """The chunks of a reader of rows with the 1-based line (or row) of every row; wrong records are left out.

    Parameters
    ----------
    chunks : iterable of pyarrow.Table
        What `hardmine.formats.read_rows` gives, unread.
    hear : callable
        As in `tolerant`.

    Raises
    ------
    FormatError, OSError
        As in `tolerant`.

    Notes
    -----
    Readers that look at no single records do not say where rows stand: they are numbered as they come.
    """
    done = 0
    for chunk, lines in _heard(chunks, _Listener(hear)):
        yield chunk, np.arange(done + 1, done + 1 + chunk.num_rows) if lines is None else lines
        done += chunk.num_rows


def _heard(records: Iterable[_T], listener: _Listener) -> Iterator[tuple[_T, _Int64 | None]]:
    waiting = iter(records)
    while True:
        listener.lines = None
        token = _LISTENER.set(listener)  # for as long as the reader is at work and no longer
        try:
            record = next(waiting)
        except StopIteration:
            return
        finally:
            _LISTENER.reset(token)
        yield record, listener.lines


def listens() -> bool:
    """Whether somebody hears of records that are left out."""
    return _LISTENER.get() is not None


def pass_over(error: FormatError) -> None:
    """Tell whoever listens that a record is left out; raise where nobody does."""
    listener = _LISTENER.get()
    if listener is None:
        raise error from None
    listener.hear(error)


def each(make: Callable[[_T], _Found], records: Iterable[_T]) -> Iterator[_Found]:
    """What is made of every record; one that is wrong is passed over."""
    for record in records:
        try:
            found = make(record)
        except FormatError as error:
            pass_over(error)
            continue
        yield found


def until_wrong(records: Iterable[_T], lost: list[FormatError]) -> Iterator[_T]:
    """The records before the one that ends a file; where somebody listens, the error is left for the caller to raise.

    Parameters
    ----------
    records : iterable
    lost : list
        Takes the error: to be raised once the records before it are used.
    """
    try:
        yield from records
    except FormatError as error:
        if _LISTENER.get() is None:
            raise
        lost.append(error)


def place(lines: Any) -> None:
    """Say on which lines the rows of the chunk stand that comes next."""
    listener = _LISTENER.get()
    if listener is not None:
        listener.lines = np.asarray(lines, dtype=np.int64)


def line_of(row: int) -> int | None:
    """The line of a row of the chunk at hand, where that is known."""
    listener = _LISTENER.get()
    return None if listener is None or listener.lines is None else int(listener.lines[row])


def leave_out(kept: npt.NDArray[np.bool_]) -> None:
    """Say which rows of the chunk at hand are still in it."""
    listener = _LISTENER.get()
    if listener is not None and listener.lines is not None:
        listener.lines = listener.lines[kept]
