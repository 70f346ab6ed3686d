"""Lines of text that are written: ids that no line can hold, columns joined, files packed as they are called."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hardmine.formats.errors import FormatError
from hardmine.nouns import arrow
from hardmine.plumbing.extras import need

if TYPE_CHECKING:
    import pyarrow as pa


def refuse_white_space(path: Path, column: pa.Array, separators: str) -> None:
    """Raise where an id holds what stands between the columns of a file, or begins as a file does."""
    compute = need("pyarrow.compute", what="writing runs", extra="mine")
    broken = compute.match_substring_regex(column, f"[{separators}]|^$")
    if compute.any(broken).as_py():
        name = column.filter(broken)[0].as_py()
        raise FormatError(path, f"the id {name!r}", "ids without white space, which stands between the columns")
    marked = compute.starts_with(column, "\ufeff")
    if compute.any(marked).as_py():
        name = column.filter(marked)[0].as_py()
        raise FormatError(
            path, f"the id {name!r}", "ids that do not begin with U+FEFF, the mark of the begin of a file"
        )


def joined_lines(columns: Sequence[Any], behind: Sequence[str]) -> Any:
    """A string for each row: the columns with a text behind each."""
    pa = need("pyarrow", what="writing columns", extra="mine")
    compute = need("pyarrow.compute", what="writing columns", extra="mine")
    texts = [pa.scalar(text, pa.large_string()) for text in behind]
    both = [part for pair in zip(columns, texts, strict=True) for part in pair]
    return compute.binary_join_element_wise(*both, pa.scalar("", pa.large_string()))


@contextlib.contextmanager
def line_writer(path: Path) -> Iterator[Callable[[Any], None]]:
    """A file to write lines to, whole or absent, packed as its suffix says; takes arrays of lines."""
    from hardmine.formats.layouts import packed
    from hardmine.plumbing.files import atomic_write

    pa = need("pyarrow", what="writing runs", extra="mine")
    with atomic_write(path) as file, packed(file, path) as target:

        def put(lines: Any) -> None:
            """Write strings, each with its line end."""
            target.write(arrow.bytes_of(arrow.flat(lines).cast(pa.large_string())))

        yield put
