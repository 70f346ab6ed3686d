"""Names of files; writing them so that they are either whole or absent, and several of them all or none."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, BinaryIO, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt

    _Path = str | os.PathLike[str]

_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}

_NO_HARD_LINKS = {
    errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV,
}  # fmt: skip
"""What a file system says that cannot give a file a second name."""

_SHOWN = 30
"""Letters of a file's name in that of its temporary file: a name may be as long as the file system allows."""


def compression(path: Path) -> str:
    """How a file is packed by its name: "gzip", "zstd", or "" for not at all. Letter case says nothing in a suffix."""
    return _COMPRESSIONS.get(path.suffix.lower(), "")


def suffix(path: Path) -> str:
    """The suffix that says what a file holds, in small letters: .gz or .zst may stand behind it."""
    return (path.with_suffix("") if compression(path) else path).suffix.lower()


def stem(path: Path) -> str:
    """The name of a file without the suffix that says what it holds, and without .gz or .zst behind it."""
    return (path.with_suffix("") if compression(path) else path).stem


def check_target(path: _Path, *, is_added_to: bool = False) -> None:
    """Raise where no file can be written to `path`, before any work is done.

    Parameters
    ----------
    path : path-like
    is_added_to : bool
        Whether what is there stays: lines may go into a pipe or a device, which a new file would take the place of.

    Raises
    ------
    FileNotFoundError
        The folder does not exist.
    OSError
        There is a folder, a pipe or a device in its place, its name is none that a file can have, or no file can be
        made in its folder.
    """
    parent = os.path.dirname(_followed(path)) or "."  # noqa: PTH120 - pathlib costs more than the rest of this module
    if not os.path.isdir(parent):  # noqa: PTH112
        raise FileNotFoundError(f"{os.fspath(path)}: the folder {parent} does not exist")
    if not is_added_to and not os.access(parent, os.W_OK | os.X_OK):
        raise PermissionError(f"{os.fspath(path)}: the folder {parent} cannot be written to")
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - and it says what is wrong with a name that no file can have
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(f"{os.fspath(path)}: a folder, expected a file to write")
    if not is_added_to and not stat.S_ISREG(mode):
        raise OSError(f"{os.fspath(path)}: a {_special(mode)}, expected a regular file or nothing")


def _followed(path: _Path) -> _Path:
    """What a symbolic link leads to, whether it is there or not; any other path as it is."""
    return os.path.realpath(path) if os.path.islink(path) else path  # noqa: PTH114


def _special(mode: int) -> str:
    """What a file is that is neither a regular file nor a folder."""
    return "pipe" if stat.S_ISFIFO(mode) else "socket" if stat.S_ISSOCK(mode) else "device"


def absent(path: Path, wanted: str = "file") -> OSError:
    """The error for a path that is no file to read: nothing is there, or what gives its bytes once."""
    with suppress(OSError):
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            return OSError(f"{path}: not a regular file but a {_special(mode)}, which cannot be read twice")
    return FileNotFoundError(f"{path}: no such {wanted}")


@contextmanager
def atomic_write(path: _Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path` that takes its place on success and vanishes on any failure.

    The data reaches the disk before the name changes, so a crash leaves the old file or the new one, never a part.

    Parameters
    ----------
    path : path-like
        File to write. Its folder must exist. A symbolic link stays: the file that it leads to is written.

    Yields
    ------
    binary file
        Write to it; do not close it.

    Raises
    ------
    OSError
        The folder does not exist, something else than a file stands in its place, or the disk is full; the message
        names the file.
    """
    with atomic_writes([path]) as (file,):
        yield file


@contextmanager
def atomic_writes(paths: Sequence[_Path], *, removed: Sequence[_Path] = ()) -> Iterator[list[BinaryIO]]:
    """Write several files, all or none of them; see `atomic_write`.

    Nothing changes its name before all data are on the disk. Where a later change of names fails, those before it are
    undone. What ends the process between two of them (SIGKILL, a loss of power) can leave some files new and some old,
    and beside them, hidden, what was there before: ``.NAME.*.old``, which `leftovers` finds, or, on a file system
    without hard links, ``.NAME.*.moved``, which may then be the only copy.

    Parameters
    ----------
    paths : sequence of path-like
        Files to write; the first is the one that an error without a name of its own is about.
    removed : sequence of path-like
        Files that the new ones make wrong: they vanish together with the old ones.

    Yields
    ------
    list of binary files
        One for each path, in the same order.
    """
    from pathlib import Path

    names = [Path(path) for path in paths]
    targets = [Path(_followed(name)) for name in names]
    parts: list[Path] = []
    files: list[BinaryIO] = []
    try:
        for name, target in zip(names, targets, strict=True):
            check_target(name)
            parts.append(_temporary(target))
            files.append(parts[-1].open("wb"))
        yield files
        for file in files:
            file.flush()
            os.fsync(file.fileno())
            file.close()
        _take_places(parts, targets, [Path(path) for path in removed])
    except OSError as error:
        # A full disk has no name, and that of a temporary file says nothing to whoever asked for another.
        known = {None: names[0]} | {str(part): name for part, name in zip(parts, names, strict=False)}
        if error.errno is None or error.filename not in known:
            raise
        raise OSError(error.errno, error.strerror, str(known[error.filename])) from error
    finally:
        for file in files:
            with suppress(OSError):  # what could not be written still cannot
                file.close()
        for part in parts:
            part.unlink(missing_ok=True)


def save_array(file: BinaryIO, array: npt.NDArray[Any]) -> None:
    """Write an array as .npy, and raise where the disk is full.

    NumPy writes to a real file past the buffer of Python, and does not see that the last bytes failed to arrive.
    """
    import numpy as np

    np.lib.format.write_array(cast("BinaryIO", _Raising(file)), array, allow_pickle=False)


class _Raising:
    """A file as NumPy sees one that is none of the operating system: every byte goes through `write`."""

    def __init__(self, file: BinaryIO) -> None:
        self.write = file.write


def sync_folder(path: _Path) -> None:
    """Make the names in a folder survive a loss of power, where the platform can."""
    if os.name == "nt":  # folders cannot be opened there
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:  # a file system that knows no such thing
        pass
    finally:
        os.close(descriptor)


def leftovers(folder: Path) -> Iterator[Path]:
    """What processes that were killed while they wrote have left in a folder, and nobody needs.

    Half-written files, and second names of files that were there before. Not what `atomic_writes` has moved where
    files cannot have two names: it may be the only one.
    """
    yield from folder.glob(".*.part")
    yield from folder.glob(".*.[0-9]*.old")


def _temporary(target: Path) -> Path:
    """An empty file beside `target` with the rights of a new one."""
    import tempfile  # costs more than the rest of this module, and most processes never write
    from pathlib import Path

    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name[:_SHOWN]}.", suffix=".part", dir=target.parent)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from None
    umask = os.umask(0)
    os.umask(umask)
    os.close(descriptor)
    part = Path(name)
    part.chmod(0o666 & ~umask)
    return part


def _take_places(parts: list[Path], targets: list[Path], removed: list[Path]) -> None:
    """Give every file its name: all of them, or none."""
    if len(parts) + len(removed) == 1:
        parts[0].replace(targets[0])
        return
    old = {target: parts[0].with_suffix(f".{number}.old") for number, target in enumerate((*targets, *removed))}
    try:
        for target in old:
            if target.is_file() or target.is_symlink():
                _keep(old, target)
        for part, target in zip(parts, targets, strict=True):
            part.replace(target)
        for target in removed:
            if _is_there(old[target]):
                target.unlink(missing_ok=True)
    except BaseException:
        for part, target in zip(parts, targets, strict=True):
            if not part.exists() and not _is_there(old[target]):  # its place had been free
                target.unlink(missing_ok=True)
        for target, kept in old.items():
            if _is_there(kept):
                kept.replace(target)
        raise
    finally:
        for kept in old.values():
            kept.unlink(missing_ok=True)


def _keep(old: dict[Path, Path], target: Path) -> None:
    """Give a file a second name, or, where no file can have two, another one that no sweep takes for a leftover."""
    try:
        os.link(target, old[target], follow_symlinks=False)
    except NotImplementedError:  # a platform without hard links
        pass
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
    else:
        return
    # From here to its new file the target has no name, which is worth it only where there is no other way.
    old[target] = old[target].with_suffix(".moved")
    target.replace(old[target])


def _is_there(path: Path) -> bool:
    return os.path.lexists(path)
