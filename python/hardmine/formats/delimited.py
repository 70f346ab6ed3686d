"""Text files with columns: Arrow splits whole blocks of lines, single lines are looked at on error.

A `Layout` says what a line holds. No quoting rules: a quotation mark is a letter like any other.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hardmine.formats.errors import FormatError
from hardmine.formats.rows import blocks, decoded, shorten
from hardmine.formats.tolerance import each
from hardmine.plumbing.extras import need

if TYPE_CHECKING:
    import pyarrow as pa

_BLANKS = re.compile(r"[ \t]+")
_FEW = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}


@dataclass(frozen=True)
class Layout:
    """What the lines of a file hold.

    Parameters
    ----------
    columns : dict of str to {"id", "text", "number", "score", "rank", "any"}
        Their names, for messages, and what stands there: an id (never empty), a text, a finite number, a number that
        is not NaN, an integer of at least 0, or what nobody reads.
    by : {"tab", "blanks"}
        What is between the columns: one tab, or any blanks and tabs (then also before and behind).
    """

    columns: dict[str, str]
    by: str = "tab"

    @property
    def wanted(self) -> str:
        """What a line is expected to hold, in words."""
        count = len(self.columns)
        between = "tabs" if self.by == "tab" else "blanks"
        return f"{_FEW.get(count, str(count))} columns separated by {between}: {', '.join(self.columns)}"

    def split(self, line: str) -> list[str]:
        """The cells of a line."""
        return line.split("\t") if self.by == "tab" else _BLANKS.split(line.strip(" \t"))


def tables(path: Path, layout: Layout, *, is_header: Callable[[str], bool] | None = None) -> Iterator[pa.Table]:
    """The lines of a file as tables of the columns that are read, some hundred thousand lines each.

    Ids are dictionary-encoded strings, texts strings, numbers and scores float64, ranks int64; the column ``line`` has
    the number of each line. Blank lines are passed over.

    Parameters
    ----------
    path : Path
    layout : Layout
    is_header : callable, optional
        Given the first line that is not blank; the line is passed over where it says yes, and refused where it says no.

    Raises
    ------
    FormatError
        The first line that holds something else.
    """
    waits = is_header is not None
    for block, number in blocks(path):
        if waits and block.strip():
            assert is_header is not None  # noqa: S101
            waits = False
            start, line = next((start, line) for start, line in decoded(path, block, number) if line.strip())
            if not is_header(line):
                wanted = f"the line {', '.join(layout.columns)}"
                raise FormatError(path, f"no header ({shorten(line)!r})", wanted, line=start)
            for _ in range(start - number + 1):
                block = block.partition(b"\n")[2]
            number = start + 1
        table = _in_bulk(block, number, layout)
        yield _by_line(path, block, number, layout) if table is None else table


def _in_bulk(block: bytes, number: int, layout: Layout) -> pa.Table | None:
    """The columns of whole lines, None where Arrow's word on them does not count."""
    pa = need("pyarrow", what="reading columns", extra="mine")
    csv = need("pyarrow.csv", what="reading columns", extra="mine")
    compute = need("pyarrow.compute", what="reading columns", extra="mine")
    if b"\r" in block:
        block = block.replace(b"\r\n", b"\n")
    if b"\r" in block or b"\0" in block or not block.strip():
        return None
    if layout.by == "blanks":
        block = _with_single_blanks(block)
    # Which line is which can be said of lines that are all there.
    if block.startswith(b"\n") or b"\n\n" in block:
        return None
    types = _types()
    read = [name for name, kind in layout.columns.items() if kind != "any"]
    try:
        table = csv.read_csv(
            pa.BufferReader(block),
            read_options=csv.ReadOptions(column_names=list(layout.columns), block_size=max(1 << 20, len(block) // 4)),
            parse_options=csv.ParseOptions(
                delimiter="\t" if layout.by == "tab" else " ", quote_char=False, double_quote=False,
                escape_char=False, ignore_empty_lines=False,
            ),
            convert_options=csv.ConvertOptions(
                column_types={name: types[kind] for name, kind in layout.columns.items()}, include_columns=read,
                null_values=[], strings_can_be_null=False, check_utf8=True,
            ),
        )  # fmt: skip
    except (pa.ArrowInvalid, pa.ArrowKeyError):
        return None
    if "any" in layout.columns.values() and not block.isascii():
        try:
            str(block, "utf-8")
        except UnicodeDecodeError:
            return None
    if table.num_rows != block.count(b"\n") + (not block.endswith(b"\n")):
        return None
    for name in read:
        kind, column = layout.columns[name], table[name]
        if kind == "number" and not compute.all(compute.is_finite(column)).as_py():
            return None
        if kind == "score" and compute.any(compute.is_nan(column)).as_py():
            return None
        if kind == "rank" and compute.any(compute.less(column, 0)).as_py():
            return None
        if kind == "id" and any(
            compute.any(compute.equal(chunk.dictionary, "")).as_py() for chunk in column.chunks if len(chunk)
        ):
            return None
    return table.append_column("line", pa.array(np.arange(number, number + table.num_rows)))


def _types() -> dict[str, Any]:
    pa = need("pyarrow", what="reading columns", extra="mine")
    return {
        "id": pa.dictionary(pa.int32(), pa.string()), "text": pa.string(), "any": pa.string(), "number": pa.float64(),
        "score": pa.float64(), "rank": pa.int64(),
    }  # fmt: skip


def _with_single_blanks(block: bytes) -> bytes:
    """The same lines with one blank between two columns and none around them."""
    if b"\t" in block:
        block = block.replace(b"\t", b" ")
    while b"  " in block:
        block = block.replace(b"  ", b" ")
    return block.replace(b"\n ", b"\n").replace(b" \n", b"\n").strip(b" ")


def _by_line(path: Path, block: bytes, number: int, layout: Layout) -> pa.Table:
    """The same columns, one line after another: says what is wrong with which."""
    pa = need("pyarrow", what="reading columns", extra="mine")
    read = [(at, name, kind) for at, (name, kind) in enumerate(layout.columns.items()) if kind != "any"]

    def values_of(numbered: tuple[int, str]) -> tuple[int, list[Any]]:
        at_line, line = numbered
        cells = layout.split(line)
        if len(cells) != len(layout.columns):
            came = f"{len(cells)} column{'s' * (len(cells) != 1)} ({shorten(line)!r})"
            raise FormatError(path, came, layout.wanted, line=at_line)
        return at_line, [_value(path, at_line, name, kind, cells[at]) for at, name, kind in read]

    found = list(each(values_of, (line for line in decoded(path, block, number) if line[1].strip())))
    numbers = [at_line for at_line, _ in found]
    types = _types() | {"id": pa.string()}
    columns = {
        name: pa.array([values[at] for _, values in found], types[kind]) for at, (_, name, kind) in enumerate(read)
    }
    columns |= {name: columns[name].dictionary_encode() for _, name, kind in read if kind == "id"}
    return pa.table(columns | {"line": pa.array(numbers, pa.int64())})


def _value(path: Path, line: int, name: str, kind: str, cell: str) -> Any:
    if kind == "text":
        return cell
    if kind == "id":
        if not cell:
            raise FormatError(path, "empty", "an id", line=line, field=name)
        return cell
    number = number_of(cell)
    if kind == "rank":
        if number is None or not number.is_integer() or not 0 <= number < 2**63:
            raise FormatError(path, repr(shorten(cell)), "an integer of at least 0", line=line, field=name)
        return int(number)
    if number is None or math.isnan(number) or (kind == "number" and math.isinf(number)):
        wanted = "a finite number" if kind == "number" else "a number"
        raise FormatError(path, repr(shorten(cell)), wanted, line=line, field=name)
    return number


def number_of(text: str) -> float | None:
    """The number that a text spells; None for any other text."""
    try:
        return float(text)
    except ValueError:
        return None
