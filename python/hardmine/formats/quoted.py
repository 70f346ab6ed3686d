"""csv and tsv files with a header and quotes, as records of strings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hardmine.formats.errors import FormatError
from hardmine.formats.opening import opened
from hardmine.formats.rows import Row, shorten
from hardmine.plumbing.extras import need

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_BLOCK = 16 << 20
"""Bytes that are looked at together: no record is longer."""


def quoted_rows(path: Path, layout: str) -> Iterator[Row]:
    """Records of a file, every value a string; a value in quotes may go over several lines.

    Parameters
    ----------
    path : Path
    layout : {".csv", ".tsv"}
    """
    pa = need("pyarrow", what=f"reading {layout}", extra="mine")
    names = _names(path, layout)
    strings = dict.fromkeys(names, pa.large_string())
    number = 0
    with opened(path) as file:
        batches = _batches(file, layout, strings)
        while True:
            try:
                batch = next(batches, None)
            except Exception as error:  # as of the header
                raise _unreadable(path, number, error) from None
            if batch is None:
                return
            for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                number += 1
                yield Row(path, number, dict(zip(names, values, strict=True)), "row")


def _names(path: Path, layout: str) -> list[str]:
    with opened(path) as file:
        try:
            names: list[str] = _reader(file, layout, None).schema.names
        except Exception as error:  # Arrow's words, or those of what unpacks the file
            raise _unreadable(path, 0, error) from None
    repeated = next((name for at, name in enumerate(names) if name in names[:at]), None)
    if repeated is not None:
        raise FormatError(path, f"{shorten(repeated)!r} twice in the header", "every column once", line=1)
    return names


def _batches(file: Any, layout: str, types: dict[str, Any]) -> Iterator[Any]:
    yield from _reader(file, layout, types)


def _reader(file: Any, layout: str, types: dict[str, Any] | None) -> Any:
    pa = need("pyarrow", what=f"reading {layout}", extra="mine")
    csv = need("pyarrow.csv", what=f"reading {layout}", extra="mine")
    return csv.open_csv(
        pa.PythonFile(file, "r"),
        read_options=csv.ReadOptions(block_size=_BLOCK, use_threads=False),
        parse_options=csv.ParseOptions(delimiter=_DELIMITERS[layout], newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types=types, strings_can_be_null=False, quoted_strings_can_be_null=False
        ),
    )


def _unreadable(path: Path, number: int, error: Exception) -> FormatError:
    came = f"unreadable after row {number} ({shorten(error) or type(error).__name__})"
    return FormatError(path, came, "a header and rows of as many values")
