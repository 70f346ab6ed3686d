"""Which files rows of a format have: those that reading them opens, those that writing them makes."""

from __future__ import annotations

import os
from pathlib import Path

from hardmine.formats.registry import find
from hardmine.formats.side_path import provenance_path
from hardmine.formats.tolerance import tolerant
from hardmine.formats.training_rows import Options


def files_read(path: str | os.PathLike[str], format: str) -> list[Path]:  # noqa: A002
    """All files that hold something of some rows: theirs, those of their texts, the side file of where they come from.

    Parameters
    ----------
    path : path-like
    format : str
        As `read_rows` takes it.

    Raises
    ------
    FormatError, OSError
        The file does not say where its texts are.
    """
    found, path = find(format, "rows", "reads").load(), Path(path)
    others = found.others_of(path) if hasattr(found, "others_of") else iter(())
    side = provenance_path(path)
    return [path, *tolerant(others, lambda _: None), *([side] if side.exists() else [])]


def holds_scores(format: str) -> bool:  # noqa: A002
    """Whether a format of rows, one of `WRITE`, has a place for scores."""
    return bool(find(format, "rows", "writes").load().row_writer(format, Options()).has_scores)


def files_written(path: str | os.PathLike[str], format: str) -> list[Path]:  # noqa: A002
    """All files that `write_rows` would write or remove.

    Parameters
    ----------
    path : path-like
    format : str
        One of `WRITE`.
    """
    writer, path = find(format, "rows", "writes").load().row_writer(format, Options()), Path(path)
    writer.check(path)
    return [*(file.path for file in writer.files(path)), provenance_path(path)]
