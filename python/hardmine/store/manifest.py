"""The folder that `cache=` names: whose it is, who works in it, and what the last run found there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hardmine.plumbing.files import atomic_write, leftovers, sync_folder
from hardmine.store import fingerprint, shards
from hardmine.store.fingerprint import Keys
from hardmine.store.lock import locked
from hardmine.store.rows import Rows

MANIFEST = "hardmine-cache.json"
LAST_RUN = "last-run.json"
_LOCK = "lock"
_LONGEST = 4_096


class Store:
    """A cache folder that this process holds, or only looks at.

    Made by `opened` and `looked_at`.
    """

    def __init__(
        self, folder: Path, policy: str, say: Callable[[str], object], *, writes: bool, alone: bool = False
    ) -> None:
        self.folder = folder
        self._policy, self._say, self._writes, self._alone = policy, say, writes, alone
        self._stages: dict[str, Rows] = {}

    def rows(self, stage: str, kind: str, facts: Mapping[str, Any], keys: Keys) -> Rows:
        """The rows of one kind that one stage of a run wants.

        Parameters
        ----------
        stage : str
            What the counts of the run call it.
        kind : str
            What the rows are; a folder has its name.
        facts : mapping
            What all of them were made of.
        keys : uint8 [n, 16]
            What each was made of besides.
        """
        folder = self.folder / kind / fingerprint.of_facts(facts)
        if not self._writes:
            return Rows(folder, kind, facts, keys, policy="reuse", verify=False)
        if self._alone:
            _sweep(folder)
        found = Rows(folder, kind, facts, keys, policy=self._policy, say=self._say)
        self._stages[stage] = found
        return found

    def report(self) -> dict[str, dict[str, int]]:
        """By stage, shards and rows that were reused and that were computed."""
        return {stage: rows.counts._asdict() for stage, rows in self._stages.items()}


@contextmanager
def opened(path: str | os.PathLike[str], policy: str, say: Callable[[str], object]) -> Iterator[Store]:
    """Hold a cache folder, waiting for another run that holds it; made where it is not there.

    Parameters
    ----------
    path : path-like
    policy : {"refuse", "reuse", "overwrite"}
    say : callable
        Told in one line of whatever a user should know.

    Raises
    ------
    ValueError
        The folder holds other files, or is a cache of another release.
    OSError
        There is a file in its place, or it cannot be made or written to.
    """
    folder = Path(path)
    _check(folder)
    if not folder.is_dir():
        folder.mkdir(parents=True)
        sync_folder(folder.parent)
    with locked(folder / _LOCK, say) as held:
        _check(folder)  # somebody else may have made it meanwhile
        if not (folder / MANIFEST).is_file():
            _write(folder / MANIFEST, {"hardmine": "cache", "layout": shards.LAYOUT})
            sync_folder(folder)
        if held:
            _sweep(folder)
        store = Store(folder, policy, say, writes=True, alone=held)
        yield store
        try:
            _write(folder / LAST_RUN, store.report())
        except OSError as error:  # what the run has found is worth more than its counts
            say(f"cache {folder}: {LAST_RUN} is not written ({error.strerror or error})")


def looked_at(path: str | os.PathLike[str]) -> Store:
    """A cache folder to count in, empty where there is none: nothing is made, changed or waited for.

    Raises
    ------
    ValueError
        As in `opened`.
    """
    folder = Path(path)
    _check(folder)
    return Store(folder, "reuse", lambda _: None, writes=False)


def _check(folder: Path) -> None:
    """Raise where a folder is not a cache and could not become one."""
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"cache: {folder}: a file, expected a folder")
    manifest = folder / MANIFEST
    if not manifest.is_file():
        others = sorted(each.name for each in folder.iterdir()) if folder.is_dir() else []
        others = [name for name in others if name != _LOCK and not name.startswith(f".{MANIFEST}")]
        if others:
            raise ValueError(f"cache: {folder}: holds other files ({others[0]!r}), expected a cache or an empty folder")
        return
    with manifest.open("rb") as file:
        text = file.read(_LONGEST)
    try:
        about = json.loads(text)
        layout = about["layout"] if about["hardmine"] == "cache" else None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(f"{manifest}: malformed, expected the manifest of a cache") from None
    if layout != shards.LAYOUT:
        raise ValueError(f"{manifest}: layout {layout!r}, expected {shards.LAYOUT}; give another folder")


def _sweep(folder: Path) -> None:
    """Remove what a killed run was writing; nobody else writes here while the lock is held."""
    for part in leftovers(folder):
        part.unlink(missing_ok=True)


def _write(path: Path, content: Mapping[str, Any]) -> None:
    with atomic_write(path) as file:
        file.write((json.dumps(content, indent=1, sort_keys=True) + "\n").encode())
