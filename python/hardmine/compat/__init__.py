"""Functions of other tools under their own names and signatures, one module for each tool.

A module is imported when it is asked for: each needs an extra, which the names here do not.
"""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["sentence_transformers"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return importlib.import_module(f"hardmine.compat.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
