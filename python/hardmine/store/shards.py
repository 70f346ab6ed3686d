"""One shard: a file of rows with the facts that they were made of and a checksum over everything.

The file has the safetensors layout (see `plumbing.container`). Its metadata are ``layout`` (the number below),
``facts`` and ``checksum``; its arrays are ``keys`` (uint8 [rows, 16]), ``row.NAME`` with an entry for every row, and,
where rows hold lists, ``offsets`` (int64 [rows + 1]) and ``list.NAME``.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hardmine.plumbing import container, ragged
from hardmine.plumbing.files import sync_folder
from hardmine.store import fingerprint

LAYOUT = 2
"""Raised when a shard or what its rows mean changes: shards of another number are never read."""
SUFFIX = ".shard"

Columns = Mapping[str, npt.NDArray[Any]]
_LONGEST = 60


class ShardError(ValueError):
    """A shard that is damaged, or not what its place says; the message begins with its path."""


def write(folder: Path, kind: str, facts: Mapping[str, Any], columns: Columns) -> Path:
    """Write a shard, whole or not at all, and return its path once it would survive a loss of power.

    Its name is a digest of its keys: two runs that write the same rows write the same file.
    """
    path = folder / (fingerprint.of_matrix(columns["keys"])[:16] + SUFFIX)
    about = {"layout": LAYOUT, "facts": dict(facts), "checksum": checksum(kind, LAYOUT, facts, columns)}
    container.save(path, _holds(kind), columns, about)
    sync_folder(folder)
    return path


def read(path: Path, kind: str, facts: Mapping[str, Any], *, verify: bool = True) -> dict[str, npt.NDArray[Any]]:
    """Map the columns of a shard.

    Parameters
    ----------
    path : Path
    kind : str
        What its rows are.
    facts : mapping
        What they must have been made of.
    verify : bool
        Compare all bytes with the checksum; without it a damaged shard may pass.

    Raises
    ------
    ShardError
        It is no file, truncated, malformed, of another layout, made of something else, or a byte of it has changed.
    OSError
        It cannot be read.
    """
    if os.path.lexists(path) and not path.is_file():  # a pipe would be waited for
        found = "a folder" if path.is_dir() else "a link to nothing" if path.is_symlink() else "a device or a pipe"
        raise ShardError(f"{path}: {found}, expected a file")
    try:
        columns, about = container.load(path, _holds(kind))
    except ValueError as error:
        raise ShardError(str(error)) from None
    if about.get("layout") != LAYOUT:
        raise ShardError(f"{path}: layout {about.get('layout')!r}, expected {LAYOUT} (made by another release)")
    stated = about.get("facts")
    if not isinstance(stated, dict) or json.dumps(stated, sort_keys=True) != json.dumps(facts, sort_keys=True):
        raise ShardError(f"{path}: {_difference(stated, facts)}")
    if verify and checksum(kind, LAYOUT, facts, columns) != about.get("checksum"):
        raise ShardError(f"{path}: damaged (its bytes do not match its checksum)")
    try:
        _check(columns)
    except (KeyError, ValueError, AttributeError) as error:
        raise ShardError(f"{path}: malformed shard ({error})") from None
    return columns


def _holds(kind: str) -> str:
    return f"shard of {kind}"


def checksum(kind: str, layout: int, facts: Mapping[str, Any], columns: Columns) -> str:
    """Digest of all that a shard says, in memory: whatever changes in the file changes one of the two or is no JSON."""
    names = sorted(columns)
    shapes = [[name, columns[name].dtype.newbyteorder("<").str, list(columns[name].shape)] for name in names]
    state = hashlib.blake2b(json.dumps([kind, layout, facts, shapes], sort_keys=True).encode(), digest_size=32)
    for name in names:
        state.update(fingerprint.bytes_of(columns[name]))
    return state.hexdigest()


def _check(columns: Columns) -> None:
    """Raise where the columns are not those of one set of rows."""
    keys = columns["keys"]
    if keys.dtype != np.uint8 or keys.ndim != 2 or keys.shape[1] != fingerprint.SIZE:
        raise ValueError("keys")
    offsets = columns.get("offsets")
    if offsets is not None:
        if offsets.dtype != np.int64 or offsets.shape != (len(keys) + 1,):
            raise ValueError("offsets")
        ragged.check_offsets(offsets, int(offsets[-1]))
    for name, column in columns.items():
        wanted = len(keys) if name.startswith("row.") else None
        if name.startswith("list."):
            wanted = None if offsets is None else int(offsets[-1])
        if name not in ("keys", "offsets") and (not column.ndim or len(column) != wanted):
            raise ValueError(name)


def _difference(found: Any, facts: Mapping[str, Any]) -> str:
    """What a shard was made of, and what was wanted."""
    found = found if isinstance(found, dict) else {}
    for name in sorted({*facts, *found}):
        one, other = found.get(name), facts.get(name)
        if isinstance(one, dict) and isinstance(other, dict) and one != other:
            return _difference(one, other)
        if one != other:
            return f"made with {name} {_shown(one)}, expected {_shown(other)}"
    return "made with other settings"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
