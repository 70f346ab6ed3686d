"""Where the rows of an audit come from: files of any format of rows, or what was mined; gone through more than once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hardmine.formats.access import format_of_rows, read_rows
from hardmine.formats.errors import FormatError
from hardmine.formats.mined_pairs import Pairs, chunks_of
from hardmine.formats.registry import names_of
from hardmine.formats.tolerance import listening
from hardmine.plumbing import checks
from hardmine.plumbing.extras import is_a
from hardmine.plumbing.files import absent, suffix
from hardmine.report.audit.view import View

_TABLES = (".parquet", ".csv", ".tsv")
_EVERYTHING = frozenset({"ids", "titles", "texts", "scores"})

Hear = Callable[[FormatError, bool], None]
"""Is told what is wrong with a record, and whether the rest of its file is lost with it."""


class Source(NamedTuple):
    """The rows of one file, or of one mining.

    Attributes
    ----------
    name : str
        What findings call it.
    format : str
    path : Path, optional
        None of rows that are no file.
    mined : Mined, optional
    """

    name: str
    format: str
    path: Path | None = None
    mined: Any = None

    def views(self, file_number: int, hear: Hear) -> Iterator[View]:
        """Its rows, chunk by chunk; it is the source of this number.

        Raises
        ------
        FormatError, OSError
            Not one row or broken record could be looked at.
        """
        if self.path is None:
            yield from _views_of_mined(self.mined, self.name, file_number)
            return
        unit = "row" if suffix(self.path) in _TABLES or self.path.is_dir() else "line"
        heard = 0

        def count(error: FormatError) -> None:
            nonlocal heard
            heard += 1
            hear(error, False)  # noqa: FBT003

        done = 0
        chunks = listening(read_rows(self.path, self.format), count)
        while True:
            try:
                found = next(chunks, None)
            except FormatError as error:
                if not done and not heard:
                    raise
                hear(error, True)  # noqa: FBT003
                return
            if found is None:
                return
            yield View(*found, self.name, unit, file_number)
            done += found[0].num_rows


def _views_of_mined(mined: Any, name: str, file_number: int) -> Iterator[View]:
    takes = _EVERYTHING if mined.collection.has_texts else _EVERYTHING - {"texts", "titles"}
    done = 0
    pairs = Pairs(mined.negatives, mined.positives)
    for _, chunk in chunks_of(mined.collection, mined.negatives, pairs, takes):
        lines = np.arange(done + 1, done + 1 + chunk.num_rows)
        yield View(chunk, lines, name, "row", file_number)
        done += chunk.num_rows


def sources(rows: Any, format: str | None) -> list[Source]:  # noqa: A002
    """What an audit is asked to look at.

    Raises
    ------
    TypeError, ValueError, FormatError, OSError
        No path, no file, or one whose format is not known.
    """
    if format is not None:
        checks.choice("format", format, names_of("rows", "reads"))
    found = list(rows) if isinstance(rows, Sequence) and not isinstance(rows, (str, bytes)) else [rows]
    if not found:
        raise ValueError("rows: none, expected at least one path")
    return [_source(place, each, format) for place, each in enumerate(found)]


def _source(place: int, given: Any, format: str | None) -> Source:  # noqa: A002
    if is_a(given, "hardmine.pipeline.mined", "Mined"):
        return Source(f"mined[{place}]" if place else "mined", "mined", mined=given)
    if not isinstance(given, (str, os.PathLike)):
        raise TypeError(f"rows: {type(given).__name__}, expected paths or Mined")
    path = Path(os.fspath(given))
    if not path.exists():
        raise absent(path, "file or folder")
    return Source(str(path), format or format_of_rows(path), path)


def files_of(found: Sequence[Source]) -> tuple[str, list[Path]]:
    """What a stage of reading calls the files, and these."""
    paths = [source.path for source in found if source.path is not None]
    name = paths[0].name if len(paths) == 1 else f"{len(paths)} files"
    return name, paths
