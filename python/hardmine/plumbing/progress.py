"""Progress on standard error: a bar on a terminal, a plain line otherwise."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from types import TracebackType
from typing import Any

_SECONDS_BETWEEN_LINES = 15.0


class Progress:
    """Counts work of a known size; use it as a context manager.

    Parameters
    ----------
    title : str
        What is being done, shown before the count.
    total : int
        Number of units.
    enabled : bool
        False shows nothing.
    """

    def __init__(self, title: str, total: int, *, enabled: bool) -> None:
        self._title, self._total, self._enabled = title, total, enabled
        self._done = 0
        self._start = self._last = time.monotonic()
        self._bar: Any = None
        if enabled and _is_open(sys.stderr) and sys.stderr.isatty():
            try:
                from tqdm import tqdm
            except ModuleNotFoundError:
                return
            self._bar = tqdm(total=total, desc=title, leave=False, dynamic_ncols=True)

    def update(self, count: int) -> None:
        """Record that `count` more units are done."""
        self._done += count
        if self._bar is not None:
            self._bar.update(count)
        elif self._enabled and time.monotonic() - self._last > _SECONDS_BETWEEN_LINES:
            self._last = time.monotonic()
            self._say(f"{self._title}: {self._done:,} of {self._total:,}")

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        if self._enabled and kind is None:
            self._say(f"{self._title}: {self._done:,} in {time.monotonic() - self._start:.1f} s")

    @staticmethod
    def _say(line: str) -> None:
        if _is_open(sys.stderr):
            with suppress(OSError):  # a full disk or a reader that has gone: no reason to stop the work
                sys.stderr.write(line + "\n")
                sys.stderr.flush()


def _is_open(stream: Any) -> bool:
    """Whether there is a stream to write to: none where it was closed before the start, or has no console."""
    return stream is not None and not getattr(stream, "closed", False)
