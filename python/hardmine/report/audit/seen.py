"""What an audit remembers of all rows: 64-bit keys in sorted arrays, and counters of what comes often."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]
_Int64 = npt.NDArray[np.int64]
_Bools = npt.NDArray[np.bool_]


def mixed(keys: Keys, salt: int = 0) -> Keys:
    """Other keys, one for each, that have nothing to do with them or with those of another salt (splitmix64)."""
    z = keys + np.uint64((salt + 1) * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed_keys: Keys = z ^ (z >> np.uint64(31))
    return mixed_keys


def summed(keys: Keys, offsets: _Int64) -> Keys:
    """Sum of each row's keys, modulo 2^64: a key of what the row holds, in any order."""
    ends = np.zeros(keys.size + 1, np.uint64)
    np.cumsum(keys, out=ends[1:])
    total: Keys = ends[offsets[1:]] - ends[offsets[:-1]]
    return total


def among(keys: Keys, ordered: Keys) -> _Bools:
    """Which keys are among others, which are sorted."""
    if not ordered.size:
        return np.zeros(keys.size, bool)
    found: _Bools = ordered[np.minimum(np.searchsorted(ordered, keys), ordered.size - 1)] == keys
    return found


class FirstSeen:
    """The value with which each key came first: 16 bytes a key, as sorted arrays of ever larger sizes.

    Examples
    --------
    >>> import numpy as np
    >>> from hardmine.report.audit.seen import FirstSeen
    >>> seen = FirstSeen()
    >>> seen.add(np.uint64([7, 9, 7]), np.uint64([1, 2, 3]))[1].tolist()
    [False, False, True]
    >>> first, was_there = seen.add(np.uint64([9, 5]), np.uint64([4, 5]))
    >>> first.tolist(), was_there.tolist()
    ([2, 5], [True, False])
    """

    def __init__(self) -> None:
        self._levels: list[tuple[Keys, Keys]] = []

    @property
    def nbytes(self) -> int:
        """Bytes of all keys and values."""
        return sum(keys.nbytes + values.nbytes for keys, values in self._levels)

    def add(self, keys: Keys, values: Keys) -> tuple[Keys, _Bools]:
        """Remember keys; the value with which each of them came first, and whether it had come before.

        A value of 0 is no value: the first other one takes its place.
        """
        unique, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        found, known = values[first], np.zeros(unique.size, bool)
        for level, kept in self._levels:
            at = np.minimum(np.searchsorted(level, unique), level.size - 1)
            here = level[at] == unique
            open_ones = here & (kept[at] == 0)
            kept[at[open_ones]] = found[open_ones]
            found[here] = kept[at[here]]
            known |= here
        if not known.all():
            self._levels.append((unique[~known], found[~known]))
            while len(self._levels) > 1 and self._levels[-2][0].size <= 2 * self._levels[-1][0].size:
                self._levels.append(_merged(self._levels.pop(-2), self._levels.pop()))
        was_there = known[inverse] | (first[inverse] != np.arange(keys.size))
        return found[inverse], was_there


def _merged(left: tuple[Keys, Keys], right: tuple[Keys, Keys]) -> tuple[Keys, Keys]:
    """Two sorted arrays without a common key as one."""
    at = np.searchsorted(left[0], right[0]) + np.arange(right[0].size)
    is_left = np.ones(left[0].size + right[0].size, bool)
    is_left[at] = False
    keys, values = np.empty(is_left.size, np.uint64), np.empty(is_left.size, np.uint64)
    for made, one, other in ((keys, left[0], right[0]), (values, left[1], right[1])):
        made[is_left], made[at] = one, other
    return keys, values


class Often:
    """Counts of the keys that come most often, in bounded memory (Misra and Gries, merged chunk by chunk).

    A count is never too high, and too low by no more than all counts together over `capacity`; exact as long as no more
    different keys have come.

    Parameters
    ----------
    capacity : int
        Keys that are counted at a time.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self.keys = np.empty(0, np.uint64)
        self.counts = np.empty(0, np.int64)

    def add(self, keys: Keys) -> None:
        """Count keys, each as often as it is there."""
        unique, counts = np.unique(keys, return_counts=True)
        both = np.concatenate([self.keys, unique])
        self.keys, inverse = np.unique(both, return_inverse=True)
        weights = np.concatenate([self.counts, counts])
        self.counts = np.bincount(inverse, weights, self.keys.size).astype(np.int64)
        if self.keys.size > self._capacity:
            rest = self.keys.size - self._capacity
            self.counts -= np.partition(self.counts, rest - 1)[rest - 1]
            kept = self.counts > 0
            self.keys, self.counts = self.keys[kept], self.counts[kept]

    def at_least(self, count: float) -> Keys:
        """The keys that came so often, sorted."""
        found: Keys = self.keys[self.counts >= count]
        return found
