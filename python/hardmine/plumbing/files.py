"""Writing a file so that it is either whole or absent."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path` that takes its place on success and vanishes on any failure.

    The data reaches the disk before the name changes, so a crash leaves the old file or the new one, never a part.

    Parameters
    ----------
    path : path-like
        File to write. Its folder must exist.

    Yields
    ------
    binary file
        Write to it; do not close it.

    Raises
    ------
    FileNotFoundError
        The folder does not exist.
    """
    import tempfile  # this and pathlib cost more than the rest of this module, and most processes never write
    from pathlib import Path

    target = Path(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{target}: the folder {target.parent} does not exist")
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        Path(name).chmod(0o666 & ~umask)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
