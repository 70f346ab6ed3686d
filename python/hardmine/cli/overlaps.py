"""No command writes over what it reads, nor one of its outputs over another."""

from __future__ import annotations

import argparse
from pathlib import Path

from hardmine.cli.options import UsageError

_WRITTEN = {
    "output": "--output",
    "target": "OUT",
    "verdicts": "--verdicts",
    "output_collection": "--output-collection",
    "report": "--report",
    "fix": "--fix",
    "log_json": "--log-json",
}
"""How the paths that commands write to are spelled; all other paths of theirs are read, or are folders of a cache."""


def refuse_overlaps(options: argparse.Namespace) -> None:
    """Raise where a path that is written is also read, or written twice: links to it are it.

    Raises
    ------
    UsageError
        Before anything is read.
    """
    read: set[Path] = set()
    written: dict[Path, str] = {}
    for name, value in vars(options).items():
        if name not in _WRITTEN:
            paths = value if isinstance(value, list) else [value]
            read.update(path.resolve() for path in paths if isinstance(path, Path))
    for name, spelled in _WRITTEN.items():
        path = getattr(options, name, None)
        if not isinstance(path, Path):
            continue
        place = path.resolve()
        if place in read:
            raise UsageError(f"{spelled} {path}: the command reads it, expected another path")
        if place in written:
            raise UsageError(f"{spelled} {path}: the file of {written[place]}, expected another")
        written[place] = spelled
