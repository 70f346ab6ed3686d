"""File formats: one module per family, found by name in the registry. Nothing else knows a file layout."""

from __future__ import annotations

from hardmine.formats.access import (
    check_output,
    format_of_rows,
    read,
    read_rows,
    read_run,
    to_dataset,
    write,
    write_collection,
    write_rows,
    write_run,
)
from hardmine.formats.errors import FormatError
from hardmine.formats.registry import FORMATS, READ, WRITE, Format, names_of

__all__ = [
    "FORMATS",
    "READ",
    "WRITE",
    "Format",
    "FormatError",
    "check_output",
    "format_of_rows",
    "names_of",
    "read",
    "read_rows",
    "read_run",
    "to_dataset",
    "write",
    "write_collection",
    "write_rows",
    "write_run",
]
