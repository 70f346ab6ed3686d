"""File formats: one module per family, found by name in the registry. Nothing else knows a file layout."""

from __future__ import annotations

from hardmine.formats.errors import FormatError
from hardmine.formats.registry import READ, WRITE, check_output, read, write

__all__ = ["READ", "WRITE", "FormatError", "check_output", "read", "write"]
