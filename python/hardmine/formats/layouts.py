"""Tables into files: jsonl, one JSON document, csv, tsv, packed by what stands behind the suffix; parquet, Arrow."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import numpy as np

from hardmine.plumbing.extras import need
from hardmine.plumbing.files import compression, suffix

if TYPE_CHECKING:
    import pyarrow as pa

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_TABLES = (".parquet", ".arrow")
"""Layouts that Arrow reads from wherever in the file it likes, so that no file of them is packed as a whole."""
FLAT = tuple(_DELIMITERS)
"""Layouts without lists."""


class _Kept:
    """A file that whoever is done with it leaves open."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self.write, self.flush = file.write, file.flush

    def close(self) -> None:
        self.flush()


class Sink(Protocol):
    """Where tables of one schema go."""

    def __call__(self, table: pa.Table) -> None:
        """Write one table."""


@contextlib.contextmanager
def sink(
    file: BinaryIO,
    path: Path,
    frame: tuple[str, str] = ("[\n", "\n]\n"),
    is_bare: bool = False,  # noqa: FBT001, FBT002
) -> Iterator[Sink]:
    """Write tables to a file in the layout that its path names; equal tables give equal bytes.

    Parameters
    ----------
    file : binary file
        Where the bytes go.
    path : Path
        Its name: .jsonl, .json, .csv or .tsv, perhaps with .gz or .zst behind it, .parquet or .arrow.
    frame : (str, str)
        What stands before and behind the rows of a .json file.
    is_bare : bool
        Whether a line of a .jsonl file is the value of the one column, without its name.
    """
    layout = suffix(path)
    with contextlib.ExitStack() as closing:  # also after an error: an open writer would write to a closed file later
        if layout in _TABLES:
            yield _whole(file, layout, closing)
            return
        target = closing.enter_context(packed(file, path))
        if layout in _DELIMITERS:
            yield _csv(target, _DELIMITERS[layout])
        elif layout == ".json":
            target.write(frame[0].encode())
            yield _array(target)
            target.write(frame[1].encode())
        else:
            yield _jsonl(target, is_bare=is_bare)


@contextlib.contextmanager
def packed(file: BinaryIO, path: Path) -> Iterator[Any]:
    """What to write the bytes of a file to: itself, or a stream that packs them as the name of the file says."""
    how = compression(path)
    if not how:
        yield file
        return
    pa = need("pyarrow", what=f"writing {path.suffix}", extra="mine")
    with pa.CompressedOutputStream(pa.PythonFile(_Kept(file), "w"), how) as target:
        yield target


def check_layout(path: Path, layouts: tuple[str, ...]) -> None:
    """Raise where a path has another suffix than one of these, or a packed one that packs already."""
    found = suffix(path)
    if found not in layouts:
        *most, last = layouts
        raise ValueError(f"{path}: suffix {found!r}, expected {', '.join(most)}{' or ' * bool(most)}{last}")
    if found in _TABLES and compression(path):
        why = "packed inside" if found == ".parquet" else "not packed"
        raise ValueError(f"{path}: suffix {path.suffix!r}, expected {found} alone, which is {why}")
    if found == ".parquet":
        need("pyarrow.parquet", what="writing parquet", extra="mine")


def _whole(file: BinaryIO, layout: str, closing: contextlib.ExitStack) -> Sink:
    """A parquet or Arrow file, whose columns are those of the first table."""
    parquet = need("pyarrow.parquet", what="writing parquet", extra="mine")
    ipc = need("pyarrow.ipc", what="writing Arrow files", extra="mine")
    writer: Any = None

    def put(table: pa.Table) -> None:
        nonlocal writer
        if writer is None:
            made = (
                parquet.ParquetWriter(file, table.schema, compression="snappy")
                if layout == ".parquet"
                else ipc.new_file(file, table.schema)
            )
            writer = closing.enter_context(made)
        writer.write_table(table)

    return put


def _jsonl(file: Any, *, is_bare: bool) -> Sink:
    def put(table: pa.Table) -> None:
        found = without_infinities(table)
        rows = found.column(0).to_pylist() if is_bare else found.to_pylist()
        file.write("".join(_encode(row) + "\n" for row in rows).encode())

    return put


def _array(file: Any) -> Sink:
    """The rows of one JSON array, without its brackets."""
    between = ""

    def put(table: pa.Table) -> None:
        nonlocal between
        if table.num_rows:
            file.write((between + ",\n".join(map(_encode, without_infinities(table).to_pylist()))).encode())
            between = ",\n"

    return put


def _csv(file: Any, delimiter: str) -> Sink:
    csv = need("pyarrow.csv", what="writing csv", extra="mine")
    is_first = True

    def put(table: pa.Table) -> None:
        nonlocal is_first
        csv.write_csv(table, file, csv.WriteOptions(include_header=is_first, delimiter=delimiter))
        is_first = False

    return put


def without_infinities(table: pa.Table) -> pa.Table:
    """The table with nulls for scores that are no finite numbers, which JSON has no word for."""
    pa = need("pyarrow", what="reading and writing training rows", extra="mine")
    for number, field in enumerate(table.schema):
        finite = _finite(pa, table.column(number), field.type)
        if finite is not None:
            table = table.set_column(number, field.name, finite)
    return table


def _finite(pa: Any, column: Any, kind: Any) -> Any:
    """A column whose infinities are null, however deep they lie; None where there are none."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
        column = column.chunk(0) if isinstance(column, pa.ChunkedArray) and column.num_chunks else column
        if isinstance(column, pa.ChunkedArray):
            return None
    if pa.types.is_large_list(kind):
        values = _finite(pa, column.values, kind.value_type)
        return None if values is None else pa.LargeListArray.from_arrays(column.offsets, values)
    if pa.types.is_struct(kind):
        parts = [column.field(index) for index in range(kind.num_fields)]
        finite = [_finite(pa, part, part.type) for part in parts]
        if all(part is None for part in finite):
            return None
        chosen = [old if new is None else new for old, new in zip(parts, finite, strict=True)]
        return pa.StructArray.from_arrays(chosen, [kind.field(index).name for index in range(kind.num_fields)])
    if not pa.types.is_floating(kind):
        return None
    numbers = column.to_numpy(zero_copy_only=False)
    unspeakable = ~np.isfinite(numbers)
    return pa.array(numbers, mask=unspeakable) if unspeakable.sum() > column.null_count else None
