"""How far the work is: a bar on a terminal and plain lines elsewhere, or events for whoever asks for them."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, TypeAlias

_SECONDS_BETWEEN_LINES = 15.0
_SECONDS_BETWEEN_EVENTS = 0.1
_MANY = 1_000_000  # units from which on a bar counts in M and G


@dataclass(frozen=True)
class ProgressEvent:
    """How far one stage of the work is: what a callable given as ``progress`` is called with.

    Parameters
    ----------
    kind : {"start", "progress", "end"}
        "end" comes only where the stage has done its work: one that was interrupted or has failed has none.
    stage : str
        What is being done, such as "embedding documents".
    done, total : int
        Units of the stage: texts, queries, pairs, bytes of a file.
    elapsed : float
        Seconds since the start of the stage.

    Examples
    --------
    >>> import hardmine as hm
    >>> collection = hm.Collection.from_pairs(["red apples"], ["apples are red"], ["red cars", "green apples"])
    >>> def show(event):
    ...     print(event.kind, event.stage, event.done, event.total)
    >>> run = hm.retrieve(collection, "bm25", progress=show)
    start indexing documents 0 3
    ...
    end retrieving for queries 1 1
    """

    kind: Literal["start", "progress", "end"]
    stage: str
    done: int
    total: int
    elapsed: float

    @property
    def rate(self) -> float | None:
        """Units per second over the whole stage so far; None before any time has passed."""
        return self.done / self.elapsed if self.elapsed > 0 else None

    @property
    def remaining(self) -> float | None:
        """Seconds that are left at this rate; None before anything is done."""
        if self.done >= self.total:
            return 0.0
        return (self.total - self.done) * self.elapsed / self.done if self.done and self.elapsed > 0 else None


Listener: TypeAlias = Callable[[ProgressEvent], object]
Reporting: TypeAlias = bool | Listener
"""What ``progress=`` takes: whether to show progress on standard error, or who is told instead."""


class AlsoShown:
    """A listener beside what standard error shows."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def __call__(self, event: ProgressEvent) -> None:
        """Hand the event on."""
        self._listener(event)


def reporting(value: Any) -> Reporting:
    """`value` if it is what ``progress`` may be."""
    if isinstance(value, bool):
        return value
    if callable(value):
        listener: Listener = value
        return listener
    raise TypeError(f"progress: {type(value).__name__} {value!r}, expected True, False or a callable")


def is_shown(progress: Reporting) -> bool:
    """Whether standard error shows the work."""
    return progress is True or isinstance(progress, AlsoShown)


class Progress:
    """Counts the work of one stage; use it as a context manager.

    Parameters
    ----------
    stage : str
        What is being done, shown before the count.
    total : int
        Number of units.
    progress : bool or callable
        True shows a bar or lines on standard error; a callable gets events, at most ten a second between the first and
        the last; False does nothing.
    """

    def __init__(self, stage: str, total: int, progress: Reporting) -> None:
        self._stage, self._total, self._done = stage, total, 0
        progress = reporting(progress)
        self._listener = None if isinstance(progress, bool) else progress
        self._is_shown = is_shown(progress)
        self._bar: Any = None
        self._start = self._last_line = self._last_event = 0.0

    def update(self, count: int) -> None:
        """Record that `count` more units are done."""
        self._done += count
        now = time.monotonic()
        if self._bar is not None:
            self._on_the_bar("update", count)
        elif self._is_shown and now - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = now
            event = self._event("progress")
            say(f"{self._stage}: {event.done:,} of {event.total:,}{_pace(event)}")
        if self._listener is not None and now - self._last_event >= _SECONDS_BETWEEN_EVENTS:
            self._last_event = now
            self._listener(self._event("progress"))

    def reach(self, done: int) -> None:
        """Record that `done` units are done in all."""
        self.update(done - self._done)

    def __enter__(self) -> Progress:
        self._start = self._last_line = self._last_event = time.monotonic()
        if self._is_shown:
            self._bar = _bar(self._stage, self._total)
        if self._listener is not None:
            self._listener(self._event("start"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._on_the_bar("close")
        if kind is not None:
            return
        event = self._event("end")
        if self._is_shown:
            pace = f", {_short(event.rate)}/s" if event.rate else ""
            say(f"{self._stage}: {event.done:,} in {event.elapsed:.1f} s{pace}")
        if self._listener is not None:
            self._listener(event)

    def _event(self, kind: Literal["start", "progress", "end"]) -> ProgressEvent:
        return ProgressEvent(kind, self._stage, self._done, self._total, time.monotonic() - self._start)

    def _on_the_bar(self, action: str, *arguments: int) -> None:
        try:
            getattr(self._bar, action)(*arguments)
        except (OSError, ValueError):  # a terminal that has gone, a stream that was closed: no reason to stop the work
            self._bar = None


def say(line: str) -> None:
    """A line on standard error, where there is one that takes it."""
    if _is_open(sys.stderr):
        with suppress(OSError):  # a full disk or a reader that has gone: no reason to stop the work
            sys.stderr.write(line + "\n")
            sys.stderr.flush()


def _bar(stage: str, total: int) -> Any:
    """A bar on the terminal; None where there is no terminal, none that knows its width, or nothing that draws one."""
    if not _is_open(sys.stderr) or not sys.stderr.isatty():
        return None
    with suppress(OSError, ValueError):
        if os.get_terminal_size(sys.stderr.fileno()).columns == 0:  # a container's, for one: a bar would stay empty
            return None
    try:
        from tqdm import tqdm
    except ModuleNotFoundError:
        return None

    class Bar(tqdm):  # type: ignore[misc]
        monitor_interval = 0  # no thread of its own: processes that fork are better off without

    with suppress(OSError, ValueError):
        return Bar(
            total=total, desc=stage, leave=False, dynamic_ncols=True, unit="", unit_scale=total >= _MANY, miniters=1
        )
    return None


def _is_open(stream: Any) -> bool:
    """Whether there is a stream to write to: none where it was closed before the start, or has no console."""
    return stream is not None and not getattr(stream, "closed", False)


def _pace(event: ProgressEvent) -> str:
    left = "" if event.remaining is None else f", {_clock(event.remaining)} left"
    return (f", {_short(event.rate)}/s" if event.rate else "") + left


def _short(number: float) -> str:
    """Three digits at least: 0.123, 33.1, 1,234, 56.7M."""
    for size, letter in ((10**12, "T"), (10**9, "G"), (10**6, "M")):
        if number >= size:
            return f"{number / size:.1f}{letter}"
    if number >= 100:
        return f"{number:,.0f}"
    return f"{number:.{2 - math.floor(math.log10(number))}f}" if 0 < number < 1 else f"{number:.1f}"


def _clock(seconds: float) -> str:
    """As 0:45, 12:30 or 3:00:00."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
