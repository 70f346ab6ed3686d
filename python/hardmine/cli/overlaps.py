"""No command writes over what it reads, nor one of its outputs over another."""

from __future__ import annotations

import argparse
from pathlib import Path

from hardmine.cli.options import UsageError
from hardmine.formats.side_path import provenance_path

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


_WITH_SIDE_FILE = ("output", "target", "fix")
"""Where training rows may be written: their side file is written too, or removed."""


def refuse_overlaps(options: argparse.Namespace) -> None:
    """Raise where a path that is written is also read, or written twice: links to it are it.

    The side file of training rows is read where they are reported on, and written or removed where they are written.

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
    if getattr(options, "source", None) is not None and hasattr(options, "examples"):  # hardmine report
        read.add(provenance_path(options.source).resolve())
    sides: dict[Path, str] = {}
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
        if name in _WITH_SIDE_FILE and path.name:
            side = provenance_path(path)
            sides[side.resolve()] = spelled
            if side.resolve() in read and not hasattr(options, "examples"):
                raise UsageError(f"{spelled} {path}: its side file {side} is read, expected another path")
    for place, spelled in written.items():
        if place in sides:
            path = getattr(options, next(name for name, each in _WRITTEN.items() if each == spelled))
            raise UsageError(f"{spelled} {path}: the side file of {sides[place]}, expected another")
