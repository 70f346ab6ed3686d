"""Ctrl-C while the command line still loads: one line, as later.

Importing this is enough, and comes before the imports that take their time. Other programs are left alone.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from types import TracebackType

LINE = "hardmine: interrupted; nothing was left half-written\n"
CODE = 130
"""What a shell gives a command that Ctrl-C ended."""


def _is_command() -> bool:
    """Whether this process was started as ``hardmine`` or as ``python -m hardmine.cli``."""
    name = os.path.basename(sys.argv[0]) if getattr(sys, "argv", None) else ""  # noqa: PTH119 - pathlib takes longer
    words = sys.orig_argv
    return name.partition(".")[0] == "hardmine" or ("-m", "hardmine.cli") in zip(words, words[1:], strict=False)  # noqa: RUF007


def _hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.write(LINE)
    raise SystemExit(CODE)


if _is_command():
    sys.excepthook = _hook
