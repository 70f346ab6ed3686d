"""Negatives that are nearly a positive of their row: word shingles, in bounded memory whatever the texts are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from hardmine.formats.arrow import compute
from hardmine.plumbing.ragged import ranges
from hardmine.report.audit.seen import Keys, among, mixed
from hardmine.report.audit.view import View

_Int64 = npt.NDArray[np.int64]
_Bools = npt.NDArray[np.bool_]
_Floats = npt.NDArray[np.float32]

Similarity = Callable[[Any, Any], _Floats]
"""How alike the texts of two columns are, pair by pair: 1 for equal ones."""

_PAIRS = 1 << 16
"""Pairs of a positive and a negative that are looked at together, one negative more or less."""
_BYTES = 16 << 20
"""Bytes of texts that are compared together, one pair more or less."""
_LONG = 4_096
"""A text of more bytes is cut into shingles once, and compared by them."""
_SIZE = 3
"""Words of a shingle."""


def near_positives(view: View, taken: _Bools, similarity: Similarity, threshold: float) -> _Bools:
    """Which negatives are nearly the text of a positive of their row, besides those that are known to be wrong.

    Parameters
    ----------
    view : View
    taken : bool [negatives]
        Negatives that are not looked at.
    similarity : callable
        Of short texts.
    threshold : float
    """
    found = np.zeros(len(view.negatives), bool)
    lengths = np.append(compute.binary_length(view.unique.texts).to_numpy(zero_copy_only=False), 0).astype(np.int64)
    shingles = _Shingles(view)
    for left, right in _pairs(view, taken):
        codes = np.stack([view.negatives.text.codes[left], view.positives.text.codes[right]])
        unique, inverse = np.unique(codes, axis=1, return_inverse=True)
        is_long = (lengths[unique] > _LONG).any(axis=0)
        alike = np.zeros(unique.shape[1], np.float32)
        short = np.flatnonzero(~is_long)
        for some in _cuts(short, lengths[unique[:, short]].sum(axis=0), _BYTES):
            alike[some] = similarity(*(view.unique.texts.take(of) for of in unique[:, some]))
        for at in np.flatnonzero(is_long).tolist():
            alike[at] = shingles.similarity(int(unique[0, at]), int(unique[1, at]), threshold)
        found[left[(alike >= np.float32(threshold))[inverse.reshape(-1)]]] = True
    return found


def _pairs(view: View, taken: _Bools) -> Iterator[tuple[_Int64, _Int64]]:
    """Places of the negatives that are looked at and of the positives of their rows, pair by pair, some at a time."""
    positives, negatives = view.positives, view.negatives
    open_ones = np.flatnonzero(negatives.text.is_known & ~taken)
    counts = positives.lengths[negatives.rows[open_ones]]
    for some in _cuts(np.arange(open_ones.size), counts, _PAIRS):
        left = np.repeat(open_ones[some], counts[some])
        right = ranges(positives.offsets[negatives.rows[open_ones[some]]], counts[some])
        known = positives.text.is_known[right]
        yield left[known], right[known]


def _cuts(items: _Int64, sizes: _Int64, most: int) -> Iterator[_Int64]:
    """Items in their order, as many at a time as are not larger together than that, or than one of them."""
    part = (np.cumsum(sizes) - sizes) // most
    yield from (some for some in np.split(items, np.flatnonzero(np.diff(part)) + 1) if some.size)


class _Shingles:
    """The shingles of texts of a chunk, each text cut once."""

    def __init__(self, view: View) -> None:
        self._unique = view.unique
        self._known: dict[int, Keys] = {}
        self._words: dict[int, int] = {}

    def similarity(self, one: int, other: int, threshold: float) -> float:
        """Jaccard similarity of the shingles of two texts by their numbers; 0 where it cannot reach the threshold.

        It is at most the smaller number of shingles over the larger one, and a text has at most as many as words.
        """
        short, long = sorted((one, other), key=self._count)
        size = self._of(long).size
        if min(self._count(short), size) < threshold * size * (1 - 1e-6):
            return 0.0
        left, right = self._of(short), self._of(long)
        both = int(among(left, right).sum())
        either = left.size + right.size - both
        return both / either if either else 1.0

    def _count(self, number: int) -> int:
        """Words of a text."""
        if number not in self._words:
            form = self._form(number)
            self._words[number] = form.count(" ") + 1 if form else 0
        return self._words[number]

    def _form(self, number: int) -> str:
        return str(self._unique.forms[int(self._unique.folded[number])].as_py())

    def _of(self, number: int) -> Keys:
        if number not in self._known:
            form = self._form(number)
            self._known[number] = np.unique(_joined(_words(form), _SIZE)) if form else np.empty(0, np.uint64)
        return self._known[number]


def _words(form: str) -> Keys:
    """A key for each word of a text as it is compared."""
    return np.fromiter((hash(word) & 0xFFFFFFFFFFFFFFFF for word in form.split(" ")), np.uint64)


def _joined(words: Keys, size: int) -> Keys:
    """A key for each run of so many words; one for all words where they are fewer."""
    size = min(size, words.size)
    keys = np.zeros(words.size - size + 1, np.uint64)
    for place in range(size):
        keys = mixed(keys + words[place : place + keys.size], place)
    return keys
