"""Rows of a jsonl or parquet file as dictionaries, one error class for whatever is wrong with them."""

from __future__ import annotations

import codecs
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hardmine.formats.errors import FormatError
from hardmine.formats.opening import BROKEN, broken, counted, opened
from hardmine.formats.tolerance import pass_over
from hardmine.plumbing.extras import need
from hardmine.plumbing.files import absent

BLOCK = 8 << 20
"""Bytes of a file that are looked at together."""
_MAX_SHOWN = 60
_BATCH_ROWS = 8192
_KINDS = {str: "a string", bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "an object"}


class Row(NamedTuple):
    """One record and where it stands."""

    path: Path
    number: int
    fields: dict[str, Any]
    unit: str = "line"

    def error(self, field: str | None, came: str, wanted: str) -> FormatError:
        """What is wrong with this record."""
        return FormatError(self.path, came, wanted, line=self.number, field=field, unit=self.unit)

    def find(self, names: Sequence[str]) -> str | None:
        """The first of `names` that the record has."""
        return next((name for name in names if name in self.fields), None)

    def text(self, names: Sequence[str], *, default: str | None = None) -> str:
        """A string under the first of `names` that is there; missing or null gives `default` where there is one."""
        name = self.find(names)
        if name is None or self.fields[name] is None:
            if default is not None:
                return default
            if name is not None:
                raise self.error(name, "null", "a string")
            found = ", ".join(self.fields) or "no fields"
            others = f" (or {', '.join(names[1:])})" if len(names) > 1 else ""
            raise self.error(names[0], f"missing; found {shorten(found)}", f"a string under this name{others}")
        return self.string(name, self.fields[name])

    def string(self, field: str, value: Any) -> str:
        """`value` checked to be a string that UTF-8 can hold."""
        if not isinstance(value, str):
            raise self.error(field, f"{kind(value)} ({shorten(value)})", "a string")
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise self.error(field, f"half of a surrogate pair ({shorten(ascii(value))})", "Unicode text") from None
        return value

    def identifier(self, names: Sequence[str], *, default: str | None = None) -> str:
        """An id: a string, or an integer that is read as its digits."""
        name = self.find(names)
        value = None if name is None else self.fields[name]
        if name is not None and isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        return self.text(names, default=default)


def kind(value: Any) -> str:
    """What a JSON value is, in words."""
    return "null" if value is None else _KINDS.get(type(value), type(value).__name__)


def shorten(value: Any) -> str:
    """`value` on one line, cut to a readable length."""
    text = " ".join(str(value).split())
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 3] + "..."


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines of a UTF-8 file, plain or packed (by its suffix), without their line ends."""
    with opened(path) as file:
        yield from _decoded(path, file, 1, first_line="utf-8-sig")


def decoded(path: Path, block: bytes, first: int) -> Iterator[tuple[int, str]]:
    """Numbered lines of a block of a file whose first line has this number."""
    return _decoded(path, io.BytesIO(block), first, first_line="utf-8")  # `blocks` has taken the mark


def _decoded(path: Path, file: Iterable[bytes], first: int, *, first_line: str) -> Iterator[tuple[int, str]]:
    number = first - 1
    try:
        for number, raw in enumerate(file, start=first):
            try:
                text = raw.decode(first_line if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                byte = raw[error.start]
                came = f"byte 0x{byte:02x} at position {error.start + 1}"
                pass_over(FormatError(path, came, "UTF-8 text", line=number))
                continue
            yield number, text.rstrip("\r\n")
    except BROKEN as error:
        raise broken(path, error, number + 1) from None


def blocks(path: Path) -> Iterator[tuple[bytes, int]]:
    """Whole lines of a file, some million bytes at a time, and the number of the first of them.

    Without the mark that a file may begin with. What is wrong with a packed file is raised as `lines` raises it.
    """
    number = 1
    with opened(path) as file:
        while True:
            try:
                block = file.read(BLOCK)
                if block and not block.endswith(b"\n"):
                    block += file.readline()
            except BROKEN as error:
                raise broken(path, error, number) from None
            if not block:
                return
            if number > 1 or block != codecs.BOM_UTF8:
                yield (block.removeprefix(codecs.BOM_UTF8) if number == 1 else block), number
            number += int(np.count_nonzero(np.frombuffer(block, np.uint8) == ord("\n")))  # far quicker than bytes.count


def json_rows(path: Path, block: bytes | None = None, first: int = 1) -> Iterator[Row]:
    """Records of a jsonl file, or of a block of its lines; blank lines are passed over."""
    found = lines(path) if block is None else decoded(path, block, first)
    for number, line in found:
        if not line or line.isspace():
            continue
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError) as error:
            reason = str(error).partition(":")[0] if isinstance(error, ValueError) else "nested too deeply"
            pass_over(FormatError(path, f"{shorten(line)!r} ({reason})", "one JSON object per line", line=number))
            continue
        if not isinstance(fields, dict):
            pass_over(FormatError(path, f"{kind(fields)} ({shorten(line)})", "one JSON object per line", line=number))
            continue
        yield Row(path, number, fields)


class Batch(NamedTuple):
    """Some rows of a parquet file.

    Attributes
    ----------
    before : int
        Rows of the file before them.
    names : list of str
        All columns of the file.
    rows : pyarrow.RecordBatch
        The columns that are read.
    """

    before: int
    names: list[str]
    rows: Any


def parquet_batches(path: Path, is_read: Callable[[str], bool] | None, size: int) -> Iterator[Batch]:
    """Batches of a parquet file, counted where a stage counts bytes; `is_read` says which columns, None for all."""
    parquet = need("pyarrow.parquet", what="reading parquet", extra="mine")
    if not path.is_file():
        raise absent(path)
    number, length = 0, path.stat().st_size
    try:
        file = parquet.ParquetFile(path)
    except Exception as error:  # Arrow raises all sorts for a broken file
        raise unreadable(path, 0, error) from None
    with file:
        names = file.schema_arrow.names
        batches = file.iter_batches(size, columns=is_read and [name for name in names if is_read(name)])
        while True:
            try:
                batch = next(batches, None)
            except Exception as error:  # a page may be broken where the footer is not
                raise unreadable(path, number, error) from None
            if batch is None:
                return
            counted(length * batch.num_rows // max(file.metadata.num_rows, 1))
            yield Batch(number, names, batch)
            number += batch.num_rows


def parquet_rows(path: Path, is_read: Callable[[str], bool], batch_rows: int | None = None) -> Iterator[Row]:
    """Records of a parquet file, read in batches; a column that is not read is null, whatever it holds."""
    for batch in parquet_batches(path, is_read, batch_rows or _BATCH_ROWS):
        columns = {name: _values(path, batch.before, name, batch.rows) for name in batch.names if is_read(name)}
        for row in range(batch.rows.num_rows):
            fields = dict.fromkeys(batch.names) | {name: values[row] for name, values in columns.items()}
            yield Row(path, batch.before + row + 1, fields, "row")


def _values(path: Path, number: int, name: str, batch: Any) -> list[Any]:
    """A column as Python values; dates out of range, unknown time zones and bytes that are no text raise all sorts."""
    try:
        values: list[Any] = batch.column(name).to_pylist()
    except Exception as error:  # bytes that are no UTF-8, dates out of range
        raise unreadable(path, number, error, name) from None
    return values


def unreadable(path: Path, number: int, error: Exception, field: str | None = None) -> FormatError:
    """The error for what Arrow cannot read of a parquet file."""
    came = f"unreadable after row {number} ({shorten(error) or type(error).__name__})"
    return FormatError(path, came, "a parquet file" if field is None else "strings", field=field)


def table_rows(path: Path, format: str, is_read: Callable[[str], bool]) -> Iterator[Row]:  # noqa: A002
    """Records of a jsonl or parquet file; `is_read` says which columns of a table the caller looks at."""
    return parquet_rows(path, is_read) if format == "parquet" else json_rows(path)
