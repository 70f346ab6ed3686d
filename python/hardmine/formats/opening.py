"""Files to read: unpacked by their suffix, counted where a stage shows how far reading is."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import IO, Any, cast

from hardmine.formats.errors import FormatError
from hardmine.plumbing.extras import need
from hardmine.plumbing.files import absent, compression
from hardmine.plumbing.progress import Progress, Reporting

_BUFFER = 1 << 20


def opened(path: Path) -> IO[bytes]:
    """A file to read, unpacked where its suffix says that it is packed."""
    if not path.is_file():
        raise absent(path)
    packed = compression(path)
    stored = io.BufferedReader(_Counted(path), _BUFFER)
    if packed == "gzip":
        return cast("IO[bytes]", _Gzip(stored))
    if packed == "zstd":
        pa = need("pyarrow", what="reading .zst", extra="mine")
        return io.BufferedReader(pa.CompressedInputStream(pa.PythonFile(stored, mode="r"), packed), _BUFFER)
    return stored


class _Gzip(gzip.GzipFile):
    """Closes what it reads from too."""

    def __init__(self, stored: IO[bytes]) -> None:
        super().__init__(fileobj=stored, mode="rb")
        self._stored = stored

    def close(self) -> None:
        super().close()
        self._stored.close()


class _Reading:
    """How much of the files of a stage is left to count."""

    def __init__(self, bar: Progress, left: int) -> None:
        self._bar, self._left = bar, left

    def count(self, size: int) -> None:
        """So many bytes more; a file that is looked at twice counts once."""
        size = min(size, self._left)
        self._left -= size
        self._bar.update(size)

    def end(self) -> None:
        """All is read that had to be."""
        self.count(self._left)


_READING: ContextVar[_Reading | None] = ContextVar("reading", default=None)


def counted(size: int) -> None:
    """So many bytes of a file were read: for readers that open files themselves."""
    stage = _READING.get()
    if stage is not None:
        stage.count(size)


@contextmanager
def reading(name: str, paths: Iterable[Path], progress: Reporting) -> Iterator[None]:
    """The stage in which files are read, in bytes as they lie on the disk; whatever opens them here counts them."""
    size = sum(path.stat().st_size for path in paths if path.is_file())
    with Progress(f"reading bytes of {name}", size, progress) as bar:
        stage = _Reading(bar, size)
        token = _READING.set(stage)
        try:
            yield
            stage.end()
        finally:
            _READING.reset(token)


class _Counted(io.FileIO):
    """A file whose bytes count, where a stage counts bytes."""

    def readinto(self, buffer: Any) -> int | None:
        size = super().readinto(buffer)
        counted(size or 0)
        return size


BROKEN = (EOFError, OSError, zlib.error)
"""What reading a packed file raises where the file is broken."""


def broken(path: Path, error: Exception, line: int) -> Exception:
    """The error for a packed file that is none; any other trouble with a file as it is."""
    packed = compression(path)
    if not packed or (isinstance(error, OSError) and error.errno is not None):
        return error
    return FormatError(path, f"broken {packed} data ({error})", f"a whole {packed} file", line=line)
