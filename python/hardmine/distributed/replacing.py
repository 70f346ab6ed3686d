"""A folder that is replaced whole: what comes is written beside it, and two renames put it in the place of what was."""

from __future__ import annotations

import errno
import itertools
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from hardmine.plumbing.files import atomic_write, leftovers

fcntl: ModuleType | None
try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None

MANIFEST = "manifest.json"
_ROWS, _BEFORE, _LOCK = "rows", "before", "lock"
_TAKEN = {errno.ENOTEMPTY, errno.EEXIST}
"""How a rename ends where another run has put its folder there first."""


@contextmanager
def replacing(folder: Path, kind: dict[str, Any]) -> Iterator[tuple[Path, Callable[[dict[str, Any]], dict[str, Any]]]]:
    """A new folder to write files into, and what puts it, with a manifest, in the place of another.

    Parameters
    ----------
    folder : Path
        Holds nothing, or what was written so before; made where it is not there.
    kind : dict
        What the manifest says of itself: files under another are others'.

    Yields
    ------
    Path, callable
        The callable takes the manifest's other entries, of which ``files`` name files, and gives all of them: what else
        was written, side files and folders, is named ``beside``.

    Raises
    ------
    ValueError
        The folder holds others' files, or is a mount point, a link that leads nowhere or around the current directory.

    Notes
    -----
    Whatever is raised, the folder is the one of before or the new one. Files that no manifest names are never removed,
    nor from folders inside: those that came in between go on in the new folder. Of runs at the same time each is whole,
    and the last one stays. What a killed run left lies beside the folder, ``.NAME.unfinished-...``, and the next run
    clears it away; where it was killed between the two renames, or interrupted there and again while the folder of
    before came back, that puts it back first.
    """
    folder = Path(os.path.realpath(folder))
    refuse_others(folder, kind)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _clear(folder, kind)
    held, lock = _held(folder)
    try:
        rows = held / _ROWS
        rows.mkdir()
        with suppress(FileNotFoundError):  # not there, or another run is replacing it
            shutil.copymode(folder, rows)
        yield rows, lambda entries: _put(folder, held, kind, entries)
    finally:
        try:
            _discard(folder, held, kind)
        finally:
            os.close(lock)


def refuse_others(folder: Path, kind: dict[str, Any]) -> None:
    """Raise where a folder holds what was not written so."""
    folder = Path(os.path.realpath(folder))
    if folder.is_symlink():  # to itself
        raise ValueError(f"folder: {folder}: is a link that leads nowhere, expected a folder")
    with suppress(FileNotFoundError):  # as above
        if folder.is_mount():
            raise ValueError(f"folder: {folder}: is a mount point, expected a folder inside")
    if folder.exists() and _stands_in(folder):
        raise ValueError(f"folder: {folder}: this process stands in it, expected one that can be replaced")
    while True:
        before = _identity(folder)
        own = _named(folder, kind)
        others = [name for name in sorted(_files(folder)) if not _is_own(name, own)]
        if not others:
            return
        if _identity(folder) == before:  # else another run has put its folder there meanwhile
            raise ValueError(f"folder: {folder}: holds other files ({others[0]!r}), expected an empty folder")


def _stands_in(folder: Path) -> bool:
    """Whether the current directory is the folder or inside."""
    try:
        return Path.cwd().is_relative_to(folder)
    except OSError:
        return False


def _identity(folder: Path) -> tuple[int, ...]:
    """What tells a folder from another one that comes to stand in its place."""
    try:
        about = folder.stat()
    except OSError:
        return ()
    return about.st_dev, about.st_ino


def _files(folder: Path) -> Iterator[str]:
    """The files below a folder by their paths from there, with slashes; folders that hold nothing end in one."""
    for root, inside, names in os.walk(folder):
        at = Path(root).relative_to(folder)
        links = [name for name in inside if (Path(root) / name).is_symlink()]
        yield from ((at / name).as_posix() for name in [*names, *links])
        if not names and not inside and root != str(folder):
            yield f"{at.as_posix()}/"


def _put(folder: Path, held: Path, kind: dict[str, Any], entries: dict[str, Any]) -> dict[str, Any]:
    """The new folder in the place of the one of before."""
    rows = held / _ROWS
    for path in leftovers(rows):  # of tasks whose process died
        path.unlink(missing_ok=True)
    named = {file["name"] for file in entries["files"]}
    beside = sorted(name for name in _files(rows) if name not in named)
    manifest = {**kind, **entries, "beside": beside}
    with atomic_write(rows / MANIFEST) as file:
        file.write(json.dumps(manifest, indent=1).encode() + b"\n")
    refuse_others(folder, kind)
    for number in itertools.count():
        with suppress(FileNotFoundError):
            folder.rename(held / f"{_BEFORE}{number}")
        try:
            rows.rename(folder)
            break
        except OSError as error:
            if error.errno not in _TAKEN:
                raise
    return manifest


def _held(folder: Path) -> tuple[Path, int]:
    """A folder of this run beside the one to be replaced, and a lock that the system drops with this process."""
    while True:
        held = folder.with_name(f".{folder.name}.unfinished-{secrets.token_hex(4)}")
        held.mkdir()
        try:
            lock = os.open(held / _LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:
            continue  # cleared away already as a dead run's
        except BaseException:
            held.rmdir()
            raise
        # Another run may have taken the lock before, and have cleared this away as a dead one's.
        if _lock(lock) and (held / _LOCK).exists():
            return held, lock
        os.close(lock)


def _lock(descriptor: int) -> bool:
    """Whether a file is locked now: not where another process holds it; on file systems without locks it is."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _clear(folder: Path, kind: dict[str, Any]) -> None:
    """What killed runs left beside a folder goes; the folder of before comes back where one has left none."""
    if fcntl is None:
        return  # nobody can tell the dead from those at work
    named = re.compile(re.escape(f".{folder.name}.unfinished-") + "[0-9a-f]{8}")
    for held in [path for path in folder.parent.iterdir() if named.fullmatch(path.name)]:
        try:
            lock = os.open(held / _LOCK, os.O_RDWR)
        except OSError:
            with suppress(OSError):
                held.rmdir()  # of a run killed before it had a lock, or after: there is nothing in it
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue  # at work, or nobody can tell
        else:
            _discard(folder, held, kind)
        finally:
            os.close(lock)


def _discard(folder: Path, held: Path, kind: dict[str, Any]) -> None:
    """A run's own folder goes, but for what is nobody's to remove."""
    for before in sorted(held.glob(f"{_BEFORE}*"), reverse=True):  # the last one first
        with suppress(OSError):
            if not folder.exists():
                before.rename(folder)
            else:
                _empty(folder, before, kind)
    if any(held.glob(f"{_BEFORE}*")):
        return
    shutil.rmtree(held / _ROWS, ignore_errors=True)
    if (held / _ROWS).exists():  # somebody still writes there: the next run clears it away
        return
    with suppress(OSError):
        (held / _LOCK).unlink(missing_ok=True)
        held.rmdir()


def _empty(folder: Path, before: Path, kind: dict[str, Any]) -> None:
    """The replaced folder goes: what its manifest names is removed, what came in between moves to the new one."""
    own = _named(before, kind)
    # The manifest last: as long as anything that it names is there, folders too, it says whose that is.
    for name in list(_files(before)):
        path, there = before / name, folder / name
        if name == MANIFEST or (name.endswith("/") and _is_own(name, own)):
            continue
        if name in own:
            path.unlink(missing_ok=True)
        elif not os.path.lexists(there):
            there.parent.mkdir(parents=True, exist_ok=True)
            path.rename(there)
    for root, _, _ in os.walk(before, topdown=False):
        with suppress(OSError):
            Path(root).rmdir()
    if {path.name for path in before.iterdir()} == {MANIFEST} <= own:
        (before / MANIFEST).unlink()
        before.rmdir()


def _is_own(name: str, own: set[str]) -> bool:
    """Whether a manifest names a file, or a folder's files: one that holds nothing may have held them."""
    return name in own or (name.endswith("/") and any(each.startswith(name) for each in own))


def _named(folder: Path, kind: dict[str, Any]) -> set[str]:
    """All that the manifest of a folder names, itself among them, as `_files` names it; nothing by others' manifests.

    What is in the folder is looked up among them: none is a path that leads anywhere.
    """
    try:
        about = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError, RecursionError):
        return set()
    if not isinstance(about, dict) or about.get("hardmine") != kind["hardmine"]:
        return set()
    files, beside = about.get("files"), about.get("beside")
    names = [file.get("name") for file in files if isinstance(file, dict)] if isinstance(files, list) else []
    names += beside if isinstance(beside, list) else []
    return {MANIFEST, *(name for name in names if isinstance(name, str))}
