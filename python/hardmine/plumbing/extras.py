"""Importing what an extra brings, with one clear line where it is missing."""

from __future__ import annotations

import importlib
import sys
from typing import Any


def need(module: str, *, what: str, extra: str) -> Any:
    """Import `module`, or say which extra brings it.

    Raises
    ------
    ModuleNotFoundError
        The package is not installed; the message names the install command.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.split(".")[0]
        if error.name is not None and error.name.split(".")[0] != package:
            raise  # the package is there and misses something of its own
        command = f"pip install 'hardmine[{extra}]'"
        raise ModuleNotFoundError(f"{what} needs {package}: {command}", name=error.name) from None


def is_a(value: Any, module: str, kind: str) -> bool:
    """Whether `value` is of a class of a module that is imported where it is used: whoever has one has imported it."""
    known = sys.modules.get(module)
    return known is not None and isinstance(value, getattr(known, kind))
