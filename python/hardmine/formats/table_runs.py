"""Runs as tables: parquet, Arrow files and .npz with ``query_id``, ``document_id``, ``score`` and ``rank``."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hardmine.formats.array_runs import open_arrays
from hardmine.formats.errors import FormatError
from hardmine.formats.rows import shorten
from hardmine.formats.run_parts import Asked, Facts, candidates
from hardmine.formats.run_tables import chunks
from hardmine.nouns import arrow
from hardmine.plumbing.extras import need
from hardmine.plumbing.files import absent, atomic_write, check_target

if TYPE_CHECKING:
    import pyarrow as pa

    from hardmine.nouns.candidates import Candidates
    from hardmine.nouns.collection import Collection

_ROWS = 1 << 18
_QUERY = ("query_id", "query-id", "qid")
_DOCUMENT = ("document_id", "corpus-id", "corpus_id", "doc_id", "docid", "pid")


def read_run(path: Path, *, format: str, asked: Asked) -> Candidates:  # noqa: A002
    """Read a run of columns: ids are strings or integers; without ``score`` the score is minus the ``rank``."""

    def tables() -> Iterable[pa.Table]:
        first = 1
        for table in batches(path, format, lambda name: name in {*_QUERY, *_DOCUMENT, "score", "rank"}):
            yield _read(path, table, first)
            first += table.num_rows

    return candidates(path, tables, asked, format=format, facts=Facts(), unit="row")


def batches(
    path: Path,
    format: str,  # noqa: A002
    is_read: Callable[[str], bool],
    rows: int = _ROWS,
) -> Iterator[pa.Table]:
    """Some columns of a parquet, Arrow or .npz file, a number of rows at a time."""
    pa = need("pyarrow", what="reading runs", extra="mine")
    if not path.is_file():
        raise absent(path)
    if format == "npz":
        yield _npz(path, is_read)
        return
    try:
        with contextlib.ExitStack() as closing:
            for batch in _opened(path, format, is_read, rows, closing):
                batch.validate(full=True)
                yield pa.table(batch).select([name for name in batch.schema.names if is_read(name)])
    except FormatError:
        raise
    except Exception as error:  # Arrow raises all sorts for a broken file, OSError and ValueError among them
        came = f"unreadable ({shorten(error) or type(error).__name__})"
        raise FormatError(path, came, f"{'an Arrow' if format == 'arrow' else 'a parquet'} file of strings") from None


def _opened(
    path: Path,
    format: str,  # noqa: A002
    is_read: Callable[[str], bool],
    rows: int,
    closing: contextlib.ExitStack,
) -> Iterator[Any]:
    if format == "arrow":
        ipc = need("pyarrow.ipc", what="reading runs", extra="mine")
        pa = need("pyarrow", what="reading runs", extra="mine")
        source = closing.enter_context(pa.memory_map(str(path)))
        try:
            file = closing.enter_context(ipc.open_file(source))
            yield from (file.get_batch(number) for number in range(file.num_record_batches))
        except pa.ArrowInvalid:  # the stream layout, which datasets writes
            source.seek(0)
            yield from closing.enter_context(ipc.open_stream(source))
        return
    parquet = need("pyarrow.parquet", what="reading runs", extra="mine")
    file = closing.enter_context(parquet.ParquetFile(path))
    names = [name for name in file.schema_arrow.names if is_read(name)]
    yield from file.iter_batches(rows, columns=names)


def _npz(path: Path, is_read: Callable[[str], bool]) -> pa.Table:
    pa = need("pyarrow", what="reading runs", extra="mine")
    with open_arrays(path) as arrays:
        found = {name: arrays(name) for name in arrays.names if is_read(name)}
    sizes = {name: array.shape for name, array in found.items()}
    if any(len(shape) != 1 for shape in sizes.values()) or len(set(sizes.values())) > 1:
        raise FormatError(path, f"shapes {sizes}", "vectors of one length")
    return pa.table({name: pa.array(array) for name, array in found.items()})


def _read(path: Path, table: pa.Table, first: int) -> pa.Table:
    pa = need("pyarrow", what="reading runs", extra="mine")
    columns = {
        kind: as_codes(path, table, names, first) for kind, names in (("query", _QUERY), ("document", _DOCUMENT))
    }
    name = next((name for name in ("score", "rank") if name in table.column_names), None)
    if name is None:
        raise FormatError(path, f"missing; found {', '.join(table.column_names)}", "numbers (or rank)", field="score")
    numbers = as_scores(path, arrow.flat(table[name]), name, lambda at: first + at)
    columns["score"] = pa.array(-numbers if name == "rank" else numbers)
    return pa.table(columns | {"line": pa.array(np.arange(first, first + table.num_rows))})


def as_codes(path: Path, table: pa.Table, names: tuple[str, ...], first: int) -> Any:
    """The ids under the first of some names, dictionary-encoded: integers become strings once for each that differs."""
    pa = need("pyarrow", what="reading runs", extra="mine")
    name = next((name for name in names if name in table.column_names), None)
    if name is None:
        found = ", ".join(table.column_names) or "no columns"
        raise FormatError(path, f"missing; found {shorten(found)}", "ids under this name", field=names[0])
    return (
        encoded(path, arrow.flat(table[name]), name, lambda at: first + at)
        if table.num_rows
        else pa.array([], pa.string())
    )


def encoded(path: Path, column: Any, name: str, row_of: Callable[[int], int]) -> pa.DictionaryArray:
    """Ids as a dictionary-encoded column of strings; refuses other types, nulls and empty ones."""
    pa = need("pyarrow", what="reading runs", extra="mine")
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    is_string = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    if not is_string and not pa.types.is_integer(column.type):
        raise FormatError(path, f"{column.type}", "strings or integers", field=name)
    if column.null_count:
        at = int(column.is_null().to_numpy(zero_copy_only=False).argmax())
        raise FormatError(path, "null", "an id", line=row_of(at), field=name, unit="row")
    codes = column.dictionary_encode()
    if is_string:
        compute = need("pyarrow.compute", what="reading runs", extra="mine")
        empty = compute.index(codes.dictionary, pa.scalar("", codes.dictionary.type)).as_py()
        if empty >= 0:
            at = int((codes.indices.to_numpy() == empty).argmax())
            raise FormatError(path, "empty", "an id", line=row_of(at), field=name, unit="row")
    return pa.DictionaryArray.from_arrays(codes.indices, codes.dictionary.cast(pa.string()))


def as_scores(path: Path, column: Any, name: str, row_of: Callable[[int], int]) -> Any:
    """A column of numbers as float64; refuses other types, nulls and NaN."""
    pa = need("pyarrow", what="reading runs", extra="mine")
    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        raise FormatError(path, f"{column.type}", "numbers", field=name)
    numbers = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)  # large integers are rounded
    bad = np.isnan(numbers)
    if bad.any():
        at = int(bad.argmax())
        came = "null" if column[at].as_py() is None else "nan"
        raise FormatError(path, came, "a number", line=row_of(at), field=name, unit="row")
    return numbers


def write_run(path: Path, run: Candidates, *, format: str, collection: Collection | None) -> None:  # noqa: A002
    """Write a run of columns."""
    check_target(path)
    parts = chunks(run, collection)
    if format == "npz":
        _write_npz(path, list(parts))
        return
    with atomic_write(path) as file, contextlib.ExitStack() as closing:
        writer: Any = None
        for chunk in parts:
            if writer is None and format == "arrow":
                ipc = need("pyarrow.ipc", what="writing runs", extra="mine")
                writer = closing.enter_context(ipc.new_file(file, chunk.schema))
            elif writer is None:
                parquet = need("pyarrow.parquet", what="writing runs", extra="mine")
                writer = closing.enter_context(parquet.ParquetWriter(file, chunk.schema))
            writer.write_table(chunk)


def _write_npz(path: Path, parts: list[pa.Table]) -> None:
    pa = need("pyarrow", what="writing runs", extra="mine")
    table = pa.concat_tables(parts)
    arrays = {name: np.asarray(table[name].to_numpy()) for name in ("score", "rank")}
    for name in ("query_id", "document_id"):
        strings = table[name].to_pylist()
        arrays[name] = np.array(strings, dtype=np.str_) if strings else np.empty(0, "U1")
        if any(text.endswith("\0") for text in strings):
            raise FormatError(path, "an id that ends in a zero character", "ids that NumPy can hold")
    with atomic_write(path) as file:
        ordered: dict[str, Any] = {name: arrays[name] for name in ("query_id", "document_id", "score", "rank")}
        np.savez(file, **ordered)
