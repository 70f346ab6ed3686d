"""Strings out of files of records, a column at a time: Arrow parses whole blocks, single lines are looked at on error.

Whatever Arrow refuses, or could read otherwise than `json.loads` does, is read again line by line: the result and the
words of an error are those of the reader of lines, always.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hardmine.formats.errors import FormatError
from hardmine.formats.opening import counted
from hardmine.formats.rows import Row, blocks, json_rows, table_rows
from hardmine.nouns import arrow
from hardmine.plumbing.extras import need
from hardmine.plumbing.files import absent

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_BRACKETS = 500
"""Opening brackets in a line that cannot be nested too deeply for `json.loads`."""
_MOST_DIGITS = 4_000
"""Digits of a number that `int` takes (its limit is 4,300)."""
_DIGITS = re.compile(rb"[0-9]{%d}" % _MOST_DIGITS)
_INFINITY = re.compile(rb"Inf\s*[,\]}]")
"""A word that Arrow takes for a number and `json.loads` does not, where a number may stand."""
_SPLIT = 1 << 20
"""Bytes that one thread parses."""
_ROWS = 65_536


class Field(NamedTuple):
    """A string of each record.

    Parameters
    ----------
    names : tuple of str
        The first that the record has is read.
    is_id : bool
        An id may be an integer too, which is read as its digits.
    default : str, optional
        In the place of null or nothing. Fields with a default have one name.
    """

    names: tuple[str, ...]
    is_id: bool = False
    default: str | None = None

    def of(self, row: Row) -> str:
        """The string of one record."""
        if not self.is_id:
            return row.text(self.names, default=self.default)
        return row.identifier(self.names)


def records(path: Path, layout: str, fields: Sequence[Field], what: str) -> list[pa.LargeStringArray]:
    """Columns of a file of records of which each has an id.

    Parameters
    ----------
    path : Path
    layout : {"jsonl", "parquet"}
    fields : sequence of Field
        In the order in which a record's are looked at; one is the id.
    what : str
        What a record is; for the message about an id that comes twice.

    Returns
    -------
    list of pyarrow.LargeStringArray
        One for each field; empty where the file has no records.

    Raises
    ------
    FormatError
        The first thing that is wrong with the file, as by reading line by line.
    """
    try:
        found = in_bulk(path, layout, fields)
        identifiers = next(column for field, column in zip(fields, found, strict=True) if field.is_id)
        if arrow.first_repeat(identifiers) is None:
            return found
    except FormatError:
        pass  # an id that comes twice may stand before it
    return by_line(path, layout, fields, what)


def by_line(path: Path, layout: str, fields: Sequence[Field], what: str) -> list[pa.LargeStringArray]:
    """The same as `records`, one record after another."""
    at = next(number for number, field in enumerate(fields) if field.is_id)
    grown = [arrow.GrowingStrings() for _ in fields]
    seen: set[str] = set()
    names = {name for field in fields for name in field.names}
    waiting: list[list[str]] = []
    for row in table_rows(path, layout, names.__contains__):
        values = [field.of(row) for field in fields]
        if values[at] in seen:
            raise row.error(None, f"{what} id {values[at]!r} occurs twice", f"every {what} once")
        seen.add(values[at])
        waiting.append(values)
        if len(waiting) >= _ROWS:
            _add(grown, waiting)
    _add(grown, waiting)
    return [column.finish() for column in grown]


def _add(grown: Sequence[arrow.GrowingStrings], waiting: list[list[str]]) -> None:
    for column, strings in zip(grown, zip(*waiting, strict=True), strict=False):
        column.add_strings(list(strings))
    waiting.clear()


def in_bulk(path: Path, layout: str, fields: Sequence[Field]) -> list[pa.LargeStringArray]:
    """Columns of a file, whatever their ids; `FormatError` at the first block that holds something wrong."""
    grown = [arrow.GrowingStrings() for _ in fields]
    parts = _parquet_parts(path, fields) if layout == "parquet" else _json_parts(path, fields)
    for part in parts:
        for column, strings in zip(grown, part, strict=True):
            column.add(strings)
    need("pyarrow", what="reading records", extra="mine").default_memory_pool().release_unused()
    return [column.finish() for column in grown]


def _json_parts(path: Path, fields: Sequence[Field]) -> Iterator[list[pa.LargeStringArray]]:
    for block, line in blocks(path):
        yield of_block(path, block, line, fields)


def of_block(path: Path, block: bytes, line: int, fields: Sequence[Field]) -> list[pa.LargeStringArray]:
    """Columns of whole lines of a jsonl file, the first of which has this number; `FormatError` as of the file."""
    found = _parsed(block, fields)
    return _columns_of(json_rows(path, block, line), fields) if found is None else found


def _columns_of(rows: Iterable[Row], fields: Sequence[Field]) -> list[pa.LargeStringArray]:
    pa = need("pyarrow", what="reading jsonl", extra="mine")
    values = [[field.of(row) for field in fields] for row in rows]
    return [pa.array([value[at] for value in values], pa.large_string()) for at in range(len(fields))]


def _parsed(block: bytes, fields: Sequence[Field]) -> list[pa.LargeStringArray] | None:
    """The columns of whole lines, None where Arrow's word on them does not count."""
    pa = need("pyarrow", what="reading jsonl", extra="mine")
    reader = need("pyarrow.json", what="reading jsonl", extra="mine")
    found = _plain_lines(block)
    if found is None:
        return None
    starts, lasts = found
    if not starts.size:
        return [pa.array([], pa.large_string()) for _ in fields]
    columns = _named(fields, block, block[starts[0] : lasts[0] + 1])
    if columns is None:
        return None
    longest = int((lasts - starts).max())
    size = _SPLIT if 4 * longest < _SPLIT else len(block) + 1
    try:
        table = reader.read_json(
            pa.BufferReader(block),
            read_options=reader.ReadOptions(block_size=size),
            parse_options=reader.ParseOptions(explicit_schema=pa.schema(columns), unexpected_field_behavior="ignore"),
        )
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # the reader of lines says what is wrong, if anything is
        return None
    if table.num_rows != starts.size:
        return None
    return _filled(table, columns, fields)


def _plain_lines(block: bytes) -> tuple[Any, Any] | None:
    """First and last byte of each line that is not empty; None where a line may not be one object.

    An object that goes on in the next line has a comma or a bracket between the two, so that lines which all begin and
    end with braces are whole objects, one or more: counting them then tells.
    """
    if b"\0" in block or _has_infinity(block) or _has_long_number(block):
        return None
    if not block.isascii():
        try:
            str(block, "utf-8")
        except UnicodeDecodeError:
            return None
    bytes_ = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(bytes_ == ord("\n"))
    if not block.endswith(b"\n"):
        ends = np.append(ends, len(block))
    starts = np.append(0, ends[:-1] + 1)
    lasts = ends - 1
    lasts -= bytes_[lasts] == ord("\r")
    is_filled = lasts >= starts
    starts, lasts = starts[is_filled], lasts[is_filled]
    if (bytes_[starts] != ord("{")).any() or (bytes_[lasts] != ord("}")).any():
        return None
    if _may_be_deep(bytes_, starts):
        return None
    return starts, lasts


def _has_infinity(block: bytes) -> bool:
    """Whether the word may stand for a number somewhere, as it does not between other words."""
    return any(
        block[max(0, found.start() - 80) : found.start()].rstrip(b" \t\r\n-")[-1:] in (b":", b",", b"[", b"")
        for found in _INFINITY.finditer(block)
    )


def _has_long_number(block: bytes) -> bool:
    """Whether there are more digits in a row than `int` takes: so many cover many of the bytes that are looked at."""
    step = 64
    sample = np.frombuffer(block, np.uint8)[::step]
    others = np.flatnonzero((sample < ord("0")) | (sample > ord("9")))
    if others.size and np.diff(others, prepend=-1, append=sample.size).max() < _MOST_DIGITS // step:
        return False
    return _DIGITS.search(block) is not None


def _may_be_deep(bytes_: Any, starts: Any) -> bool:
    """Whether a line may be nested too deeply: it has very many opening brackets."""
    brackets = np.flatnonzero((bytes_ | 32) == ord("{"))  # which takes [ along
    if brackets.size - starts.size <= _MOST_BRACKETS:
        return False
    return bool(np.diff(np.searchsorted(brackets, np.append(starts, bytes_.size))).max(initial=0) > _MOST_BRACKETS)


def _named(fields: Sequence[Field], block: bytes, first: bytes) -> list[Any] | None:
    """The column of each field by the first record of a block; None where that does not tell them."""
    pa = need("pyarrow", what="reading jsonl", extra="mine")
    try:
        record = json.loads(first)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict):
        return None
    columns: list[Any] = []
    for field in fields:
        name = field.names[0] if field.default is not None else next((n for n in field.names if n in record), None)
        if name is None:
            return None
        before = field.names[: field.names.index(name)]
        # A name that goes before, in whatever record, would be read in place of this one. Only its quotes, and the
        # escapes of its letters, make a name of a word.
        if before and (b"\\u00" in block or any(f'"{other}"'.encode() in block for other in before)):
            return None
        is_integer = field.is_id and type(record.get(name)) is int
        columns.append(pa.field(name, pa.int64() if is_integer else pa.large_string()))
    return columns if len({column.name for column in columns}) == len(columns) else None


def _filled(table: pa.Table, columns: Sequence[Any], fields: Sequence[Field]) -> list[pa.LargeStringArray] | None:
    """The strings of a table that has been read, defaults in their gaps; None where a string is missing."""
    compute = need("pyarrow.compute", what="reading records", extra="mine")
    found = []
    for column, field in zip(columns, fields, strict=True):
        if column is None:
            if field.default is None:
                return None
            found.append(arrow.constant(field.default, table.num_rows))
            continue
        strings = arrow.flat(table[column.name])
        if strings.null_count:
            if field.default is None:
                return None
            strings = compute.fill_null(strings, field.default)
        found.append(arrow.digits(strings))
    return found


def _parquet_parts(path: Path, fields: Sequence[Field]) -> Iterator[list[pa.LargeStringArray]]:
    pa = need("pyarrow", what="reading parquet", extra="mine")
    parquet = need("pyarrow.parquet", what="reading parquet", extra="mine")
    if not path.is_file():
        raise absent(path)
    refused = FormatError(path, "no table of strings", "strings")
    size = path.stat().st_size
    try:
        with parquet.ParquetFile(path) as file:
            columns = [_column_in(file.schema_arrow, field) for field in fields]
            names = [column.name for column in columns if column is not None]
            for batch in file.iter_batches(_ROWS, columns=names):
                batch.validate(full=True)
                counted(size * len(batch) // max(file.metadata.num_rows, 1))
                part = _filled(pa.table(batch), columns, fields)
                if part is None:
                    raise refused
                yield part
    except FormatError:
        raise
    except Exception:  # whatever Arrow makes of a broken file; the reader of rows has the words
        raise refused from None


def _column_in(schema: pa.Schema, field: Field) -> Any:
    pa = need("pyarrow", what="reading parquet", extra="mine")
    name = next((name for name in field.names if name in schema.names), None)
    if name is None:
        return None
    column = schema.field(name)  # raises where there are two of this name
    is_string = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    if not (is_string or (field.is_id and pa.types.is_integer(column.type))):
        raise ValueError(name)
    return column
