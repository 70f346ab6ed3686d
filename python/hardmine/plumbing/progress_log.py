"""Progress for machines: a file of events, one JSON object per line."""

from __future__ import annotations

import json
import os
import stat
import time
from datetime import datetime, timezone
from types import TracebackType
from typing import TYPE_CHECKING

from hardmine.plumbing.files import check_target
from hardmine.plumbing.progress import ProgressEvent, say

if TYPE_CHECKING:
    from pathlib import Path

_SECONDS_BETWEEN_LINES = 1.0
_BEGINNING = b'{"time": "'


class ProgressLog:
    """Appends what it is called with to a file: give it as ``progress``, and close it in the end.

    A line holds ``time`` (UTC, ISO 8601), ``event`` ("start", "progress" or "end"), ``stage``, ``done``, ``total``,
    ``rate`` (units per second), ``remaining`` and ``elapsed`` (seconds); what is not known yet is null. Between the
    first and the last line of a stage there is at most one a second. A stage without an "end" did not finish.

    The file is added to, never cut: it is the record of all runs, those that were killed too, and may be watched while
    it grows. Every line is one write, so that several processes may share a file. Once it is open nothing about the
    file stops the work: lines that cannot be written are lost, which is said once on standard error.

    Parameters
    ----------
    path : Path

    Raises
    ------
    OSError
        The file cannot be opened.
    ValueError
        It is there and holds something else than such lines.
    """

    def __init__(self, path: Path) -> None:
        check_target(path, is_added_to=True)
        is_torn = _refuse_other(path)
        # Never waits: a pipe without a reader is refused here, one whose reader is slow loses lines.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        self._path, self._descriptor = path, os.open(path, flags, 0o666)
        self._last = -_SECONDS_BETWEEN_LINES
        self._has_failed, self._is_torn = False, is_torn

    def __call__(self, event: ProgressEvent) -> None:
        """Write the event, or pass over it if the last line is less than a second old."""
        now = time.monotonic()
        if event.kind == "progress" and now - self._last < _SECONDS_BETWEEN_LINES:
            return
        self._last = now
        at = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        fields = {
            "time": at,
            "event": event.kind,
            "stage": event.stage,
            "done": event.done,
            "total": event.total,
            "rate": _rounded(event.rate),
            "remaining": _rounded(event.remaining),
            "elapsed": _rounded(event.elapsed),
        }
        self._write((json.dumps(fields, allow_nan=False) + "\n").encode())

    def close(self) -> None:
        """Close the file; more events are lost."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            try:
                os.close(descriptor)
            except OSError as error:  # a file system that says only now that it is full
                self._complain(error)

    def _write(self, line: bytes) -> None:
        line = b"\n" * self._is_torn + line
        try:
            self._is_torn = os.write(self._descriptor, line) < len(line)  # the next one starts on a line of its own
        except OSError as error:
            self._complain(error)

    def _complain(self, error: OSError) -> None:
        if not self._has_failed:
            self._has_failed = True
            say(f"{self._path}: {error.strerror or error}; the log of the progress has gaps")

    def __enter__(self) -> ProgressLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _refuse_other(path: Path) -> bool:
    """Whether the last line was cut off. Raises where it is no such log: nobody wants lines behind their corpus."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return False
        with path.open("rb") as file:
            beginning = file.read(len(_BEGINNING))
            file.seek(max(file.seek(0, os.SEEK_END) - 1, 0))
            end = file.read(1)
    except FileNotFoundError:
        return False
    if not _BEGINNING.startswith(beginning):  # a line may have been cut off by a full disk
        raise ValueError(f"{path}: holds something else, expected a log of progress or a new file")
    return end not in (b"", b"\n")
