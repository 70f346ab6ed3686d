"""The rows of one kind that a run wants: which of them the shards hold, and what was added."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hardmine.nouns.lists import take_rows
from hardmine.plumbing import ragged
from hardmine.plumbing.files import sync_folder
from hardmine.plumbing.threads import thread_count
from hardmine.store import fingerprint, shards
from hardmine.store.fingerprint import Keys

POLICIES = ("refuse", "reuse", "overwrite")
"""What becomes of shards that are there: see `docs/cache.md`."""


class Counts(NamedTuple):
    """What a run took from the shards, and what it added."""

    shards_reused: int
    rows_reused: int
    shards_computed: int
    rows_computed: int


class Rows:
    """The rows with some keys, of one kind and made of one set of facts.

    Parameters
    ----------
    folder : Path
        Where their shards lie; made when the first is written.
    kind : str
    facts : mapping
        What every row was made of besides what its key says.
    keys : uint8 [n, 16]
        Rows that are wanted, some of them perhaps several times.
    policy : {"refuse", "reuse", "overwrite"}
    say : callable
        Told of every shard that is thrown away.
    verify : bool
        False looks at the keys alone: for somebody who only counts.

    Raises
    ------
    ShardError
        Under "refuse": a shard is damaged or not what its place says.
    """

    def __init__(
        self,
        folder: Path,
        kind: str,
        facts: Mapping[str, Any],
        keys: Keys,
        *,
        policy: str = "refuse",
        say: Callable[[str], object] = lambda _: None,
        verify: bool = True,
    ) -> None:
        self.folder, self._kind, self._facts, self._policy, self._say = folder, kind, facts, policy, say
        self._verify = verify
        self._keys = keys
        distinct, first, number = np.unique(_comparable(keys), return_index=True, return_inverse=True)
        self._distinct, self._first, self._number = distinct, first, number.reshape(-1)
        self._shards: list[Path] = []
        self._reused = 0
        self._shard_of = np.full(distinct.size, -1, np.int32)
        self._row_of = np.zeros(distinct.size, np.int64)
        self._latest: tuple[int, dict[str, npt.NDArray[Any]]] | None = None
        for place in (folder.parent, folder):
            if os.path.lexists(place) and not place.is_dir():
                self._refuse(place, shards.ShardError(f"{place}: no folder, expected one of shards"))
        paths = sorted(folder.glob(f"*{shards.SUFFIX}")) if folder.is_dir() else []
        with ThreadPoolExecutor(thread_count(None)) as pool:  # hashing lets other threads run
            for path, found in zip(paths, pool.map(self._read, paths), strict=True):
                self._take(path, found)
        self._reused = len(self._shards)
        self._rows_reused = int((self._shard_of >= 0).sum())

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def missing(self) -> npt.NDArray[np.int64]:
        """Places, among the keys, of rows that no shard holds: rising, and of equal keys the first alone."""
        found: npt.NDArray[np.int64] = np.sort(self._first[self._shard_of < 0]).astype(np.int64)
        return found

    @property
    def held(self) -> npt.NDArray[np.int64]:
        """Places, among the keys, of rows that a shard holds: rising, those of equal keys all."""
        return np.flatnonzero(self._shard_of[self._number] >= 0)

    @property
    def num_held(self) -> int:
        """How many of the keys, equal ones among them, have a row in a shard."""
        return int((self._shard_of[self._number] >= 0).sum())

    def firsts(self, start: int, stop: int) -> npt.NDArray[np.int64]:
        """Places, rising, of the first of the keys that equal one of these."""
        found: npt.NDArray[np.int64] = np.sort(self._first[np.unique(self._number[start:stop])]).astype(np.int64)
        return found

    def part(self, start: int, stop: int) -> Rows:
        """These rows alone, all of which are held, to be read."""
        part = copy.copy(self)
        part._keys, part._number = self._keys[start:stop], self._number[start:stop]
        return part

    @property
    def counts(self) -> Counts:
        """What was taken and what was added, in distinct rows."""
        held = int((self._shard_of >= 0).sum())
        added = len(self._shards) - self._reused
        return Counts(self._reused, self._rows_reused, added, held - self._rows_reused)

    def add(self, places: npt.NDArray[np.int64], columns: Mapping[str, npt.NDArray[Any]]) -> None:
        """Write a shard with the rows at these places among the keys."""
        if not self.folder.is_dir():
            self.folder.mkdir(parents=True)
            sync_folder(self.folder.parent)
            sync_folder(self.folder.parent.parent)
        keys = np.ascontiguousarray(self._keys[places])
        path = shards.write(self.folder, self._kind, self._facts, {"keys": keys, **columns})
        number = self._number[places]
        self._shard_of[number], self._row_of[number] = len(self._shards), np.arange(places.size)
        self._shards.append(path)

    def blocks(self, name: str, rows: int) -> Iterator[npt.NDArray[Any]]:
        """A column with an entry for every row, in the order of the keys, `rows` of them at a time.

        Raises
        ------
        ShardError
            Two shards hold entries of different shape or dtype.
        """
        wanted: npt.NDArray[Any] | None = None
        for start in range(0, len(self), rows):
            block = self._values(name, self._number[start : start + rows], wanted)
            wanted = block[:0] if wanted is None else wanted
            yield block

    def at(self, name: str, places: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """A column with an entry for each of these places among the keys, of which there is at least one, all held."""
        return self._values(name, self._number[places], None)

    def _values(self, name: str, number: npt.NDArray[np.int64], wanted: npt.NDArray[Any] | None) -> npt.NDArray[Any]:
        shard_of, row_of = self._shard_of[number], self._row_of[number]
        block: npt.NDArray[Any] | None = None
        for shard in np.unique(shard_of).tolist():
            column = self._columns(shard)[f"row.{name}"]
            wanted = column[:0] if wanted is None else wanted
            if column.dtype != wanted.dtype or column.shape[1:] != wanted.shape[1:]:
                raise shards.ShardError(
                    f"{self._shards[shard]}: {name} of {column.dtype} {column.shape[1:]}, expected {wanted.dtype} "
                    f"{wanted.shape[1:]} as in others (does the fingerprint change with what it stands for?)"
                )
            if block is None:
                block = np.empty((number.size, *column.shape[1:]), column.dtype)
            here = shard_of == shard
            block[here] = column[row_of[here]]
        assert block is not None  # noqa: S101
        return block

    def column(self, name: str) -> npt.NDArray[Any]:
        """A whole column with an entry for every row, in the order of the keys, of which there is at least one."""
        return next(self.blocks(name, max(len(self), 1)))

    def lists(self, dtypes: Mapping[str, Any]) -> tuple[npt.NDArray[np.int64], dict[str, npt.NDArray[Any]]]:
        """Columns with a list for every row, in the order of the keys: offsets, and values by name."""
        shard_of, row_of = self._shard_of[self._number], self._row_of[self._number]
        lengths = np.zeros(len(self), np.int64)
        used = np.unique(shard_of).tolist()
        for shard in used:
            here = shard_of == shard
            lengths[here] = np.diff(self._columns(shard)["offsets"])[row_of[here]]
        offsets = ragged.offsets_of(lengths)
        values = {name: np.empty(int(offsets[-1]), dtype) for name, dtype in dtypes.items()}
        for shard in used:
            here = np.flatnonzero(shard_of == shard)
            columns = self._columns(shard)
            _, taken = take_rows(columns["offsets"], [columns[f"list.{name}"] for name in dtypes], row_of[here])
            into = ragged.ranges(offsets[here], lengths[here])
            for name, part in zip(dtypes, taken, strict=True):
                values[name][into] = part
        return offsets, values

    def _read(self, path: Path) -> npt.NDArray[np.bytes_] | shards.ShardError:
        """The keys of a shard, once its bytes are verified, or why it is refused; it does not stay open."""
        try:
            return _comparable(shards.read(path, self._kind, self._facts, verify=self._verify)["keys"]).copy()
        except shards.ShardError as error:
            return error

    def _take(self, path: Path, found: npt.NDArray[np.bytes_] | shards.ShardError) -> None:
        """Take what is wanted of a shard, or refuse it, or throw it away."""
        if isinstance(found, shards.ShardError):
            self._refuse(path, found)
            return
        if not self._distinct.size:
            return
        number = np.searchsorted(self._distinct, found)
        number[number == self._distinct.size] = 0
        wanted = self._distinct[number] == found
        if self._policy == "overwrite" and wanted.any():
            self._remove(path, f"{path}: {int(wanted.sum()):,} of its rows are wanted anew")
            return
        wanted &= self._shard_of[number] < 0
        if wanted.any():
            self._shard_of[number[wanted]], self._row_of[number[wanted]] = len(self._shards), np.flatnonzero(wanted)
            self._shards.append(path)

    def _refuse(self, path: Path, why: shards.ShardError) -> None:
        """Stop at what should not be there, or throw it away."""
        if self._policy == "refuse":
            raise shards.ShardError(f"{why}; remove it, or compute its rows again by cache_policy='reuse'")
        if self._verify:
            self._remove(path, str(why))

    def _remove(self, path: Path, why: str) -> None:
        try:
            path.unlink()
        except OSError as error:
            raise shards.ShardError(f"{why}; it cannot be thrown away ({error.strerror}), remove it") from None
        self._say(f"thrown away: {why}")

    def _columns(self, shard: int) -> dict[str, npt.NDArray[Any]]:
        """The columns of a shard whose bytes were verified; only the latest stays open, for there may be thousands."""
        if self._latest is None or self._latest[0] != shard:
            self._latest = shard, shards.read(self._shards[shard], self._kind, self._facts, verify=False)
        return self._latest[1]


def _comparable(keys: Keys) -> npt.NDArray[np.bytes_]:
    """The keys as strings of bytes, which sort and compare as a whole."""
    return np.ascontiguousarray(keys).view(f"S{fingerprint.SIZE}").reshape(-1)
