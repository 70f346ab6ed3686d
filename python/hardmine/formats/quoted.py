"""csv and tsv files with a header and quotes, as records of strings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hardmine.formats.errors import FormatError
from hardmine.formats.opening import opened
from hardmine.formats.rows import Row, shorten
from hardmine.formats.tolerance import listens, pass_over
from hardmine.plumbing.extras import need

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_BLOCK = 16 << 20
"""Bytes that are looked at together: no record is longer."""


def quoted_rows(path: Path, layout: str) -> Iterator[Row]:
    """Records of a file, every value a string; a value in quotes may go over several lines.

    Where somebody listens, a record with another number of values, or with bytes that are no UTF-8, is left out; else
    it ends the file.

    Parameters
    ----------
    path : Path
    layout : {".csv", ".tsv"}
    """
    pa = need("pyarrow", what=f"reading {layout}", extra="mine")
    names = _names(path, layout)
    wrong: list[Any] | None = [] if listens() else None
    values_are = dict.fromkeys(names, pa.large_string() if wrong is None else pa.large_binary())
    number = 0
    with opened(path) as file:
        batches = _batches(file, layout, values_are, wrong)
        while True:
            try:
                batch = next(batches, None)
            except Exception as error:  # as of the header
                raise _unreadable(path, number, error) from None
            if batch is None:
                _pass_over(path, wrong, number, is_end=True)
                return
            for values in zip(*(_strings(column) for column in batch.columns), strict=True):
                number = _pass_over(path, wrong, number) + 1
                row = Row(path, number, dict(zip(names, values, strict=True)), "row")
                broken = next((name for name, value in row.fields.items() if isinstance(value, bytes)), None)
                if broken is None:
                    yield row
                else:
                    pass_over(row.error(broken, _byte(row.fields[broken]), "UTF-8 text"))


def _pass_over(path: Path, wrong: list[Any] | None, number: int, *, is_end: bool = False) -> int:
    """Tell of the records with another number of values that stand next behind the one of this number; the last one."""
    while wrong and (is_end or wrong[0].number == number + 2):  # Arrow counts the header
        row = wrong.pop(0)
        number += 1
        came, wanted = f"{row.actual_columns} values", f"{row.expected_columns}, one for each column of the header"
        pass_over(FormatError(path, came, wanted, line=number, unit="row"))
    return number


def _strings(column: Any) -> list[Any]:
    """Values as strings; those that are no UTF-8 as they are."""
    pa = need("pyarrow", what="reading columns", extra="mine")
    try:
        found: list[Any] = column.cast(pa.large_string()).to_pylist()
    except pa.ArrowInvalid:
        return [_decoded(value) for value in column.to_pylist()]
    return found


def _decoded(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _byte(value: bytes) -> str:
    """The first byte that is no UTF-8, in words."""
    try:
        value.decode()
    except UnicodeDecodeError as error:
        return f"byte 0x{value[error.start]:02x} at position {error.start + 1}"
    raise AssertionError  # what decodes is a string by now


def _names(path: Path, layout: str) -> list[str]:
    with opened(path) as file:
        try:
            names: list[str] = _reader(file, layout, None, [] if listens() else None).schema.names
        except Exception as error:  # Arrow's words, or those of what unpacks the file
            raise _unreadable(path, 0, error) from None
    repeated = next((name for at, name in enumerate(names) if name in names[:at]), None)
    if repeated is not None:
        raise FormatError(path, f"{shorten(repeated)!r} twice in the header", "every column once", line=1)
    return names


def _batches(file: Any, layout: str, types: dict[str, Any], wrong: list[Any] | None) -> Iterator[Any]:
    yield from _reader(file, layout, types, wrong)


def _reader(file: Any, layout: str, types: dict[str, Any] | None, wrong: list[Any] | None) -> Any:
    """Batches of a file; `wrong` takes the records with another number of values, which are an error without it."""
    pa = need("pyarrow", what=f"reading {layout}", extra="mine")
    csv = need("pyarrow.csv", what=f"reading {layout}", extra="mine")

    def skip(row: Any) -> str:
        assert wrong is not None  # noqa: S101
        wrong.append(row)
        return "skip"

    return csv.open_csv(
        pa.PythonFile(file, "r"),
        read_options=csv.ReadOptions(block_size=_BLOCK, use_threads=False),
        parse_options=csv.ParseOptions(
            delimiter=_DELIMITERS[layout],
            newlines_in_values=True,
            invalid_row_handler=None if wrong is None else skip,
        ),
        convert_options=csv.ConvertOptions(
            column_types=types, strings_can_be_null=False, quoted_strings_can_be_null=False
        ),
    )


def _unreadable(path: Path, number: int, error: Exception) -> FormatError:
    came = f"unreadable after row {number} ({shorten(error) or type(error).__name__})"
    return FormatError(path, came, "a header and rows of as many values")
