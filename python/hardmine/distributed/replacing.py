"""A folder whose files are replaced together: what was there stays until all that comes in its place is whole."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hardmine.plumbing.files import atomic_write

MANIFEST = "manifest.json"
_BUILDING, _MARK, _BEFORE = ".unfinished-", "unfinished.json", "before"


@contextmanager
def replacing(folder: Path, kind: dict[str, Any]) -> Iterator[tuple[Path, Callable[[dict[str, Any]], dict[str, Any]]]]:
    """A new folder inside to write files into, and what takes them out of it, by a manifest, over those of before.

    Parameters
    ----------
    folder : Path
        Holds nothing, or what was written so before.
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
        The folder holds others' files, or another run writes into it. Nothing is changed then, or where the block
        raises.
    """
    refuse_others(folder, kind)
    building = folder / f"{_BUILDING}{secrets.token_hex(4)}"
    building.mkdir()
    try:
        _write(building / _MARK, {**kind, "host": socket.gethostname(), "pid": os.getpid(), "names": []})
        yield building, lambda entries: _moved(folder, building, kind, entries)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def refuse_others(folder: Path, kind: dict[str, Any]) -> None:
    """Raise where a folder holds what was not written so, or another run writes into it."""
    _own(folder, kind, but=None)


def _moved(folder: Path, building: Path, kind: dict[str, Any], entries: dict[str, Any]) -> dict[str, Any]:
    """The files of a folder inside in the place of those of before."""
    new = sorted(path.name for path in building.iterdir() if path.name != _MARK)
    named = {file["name"] for file in entries["files"]}
    manifest = {**kind, **entries, "beside": [name for name in new if name not in named]}
    old = _own(folder, kind, but=building)
    # From here on to the manifest there is nothing whole: the mark says what a run that is killed leaves.
    names = sorted({*new, *(path.name for path in old)})
    _write(building / _MARK, {**kind, "host": socket.gethostname(), "pid": os.getpid(), "names": names})
    aside = building / _BEFORE
    aside.mkdir()
    gone, come = list[str](), list[str]()
    try:
        for path in sorted(old, key=lambda path: path.name != MANIFEST):
            gone.append(path.name)
            path.replace(aside / path.name)
        for name in new:
            come.append(name)
            (building / name).replace(folder / name)
        _write(folder / MANIFEST, manifest)
    except BaseException:
        for name in come:
            _remove(folder / name)
        for name in reversed(gone):
            if (aside / name).exists():
                (aside / name).replace(folder / name)
        raise
    return manifest


def _own(folder: Path, kind: dict[str, Any], *, but: Path | None) -> list[Path]:
    """What was written so before, and what runs left that were killed."""
    own = set(_named(folder / MANIFEST, kind))
    if own:
        own.add(MANIFEST)
    for path in folder.glob(f"{_BUILDING}*"):
        about = _read(path / _MARK, kind)
        if path == but or about is None:
            continue
        if _runs(about):
            which = f"process {about['pid']}, or one that was killed had its number: then remove {path.name}"
            raise ValueError(f"folder: {folder}: another run writes into it ({which})")
        own |= {path.name, *_plain(about.get("names"))}
    others = [path for path in sorted(folder.iterdir()) if path.name not in own and path != but]
    if others:
        raise ValueError(f"folder: {folder}: holds other files ({others[0].name!r}), expected an empty folder")
    return [path for name in sorted(own) if os.path.lexists(path := folder / name)]


def _named(manifest: Path, kind: dict[str, Any]) -> list[str]:
    """All that a manifest names."""
    about = _read(manifest, kind)
    if about is None:
        return []
    files = about.get("files")
    names = [file.get("name") for file in files if isinstance(file, dict)] if isinstance(files, list) else []
    return [MANIFEST, *_plain(names), *_plain(about.get("beside"))]


def _plain(names: Any) -> list[str]:
    """Names of files in the folder itself, out of what a file says."""
    given = names if isinstance(names, list) else []
    return [name for name in given if isinstance(name, str) and Path(name).name == name != ".."]


def _read(path: Path, kind: dict[str, Any]) -> dict[str, Any] | None:
    try:
        about = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return about if isinstance(about, dict) and about.get("hardmine") == kind["hardmine"] else None


def _runs(about: dict[str, Any]) -> bool:
    """Whether the process of a mark may still run. Those of other machines are taken for dead: nobody knows."""
    pid = about.get("pid")
    if about.get("host") != socket.gethostname() or not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _write(path: Path, about: dict[str, Any]) -> None:
    with atomic_write(path) as file:
        file.write(json.dumps(about, indent=1).encode() + b"\n")
