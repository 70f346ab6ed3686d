"""Near-duplicate texts: similarity of word shingles, and groups found by MinHash and verified."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

import hardmine._native as _native
from hardmine.nouns.normal_form import normalised
from hardmine.nouns.strings import StringTable
from hardmine.plumbing import checks, ragged
from hardmine.plumbing.threads import thread_count
from hardmine.rules.values import above_zero

__all__ = ["banding", "near_duplicate_groups", "similarity"]

_BLOCK = 1 << 24
"""Bytes that are looked at together."""
_RECALL = 0.99
"""Least chance of a pair at the threshold to meet in a band."""
_MOST = 2**32 - 1


def similarity(left: Any, right: Any, *, size: int = 3, num_threads: int | None = None) -> npt.NDArray[np.float32]:
    """Jaccard similarity of the word shingles of two columns of texts, row by row.

    Texts are compared after Unicode NFKC, case folding and collapsing white space, as everywhere in hardmine. A shingle
    is a run of `size` words; a text of fewer words is one shingle of all of them. Words are what white space parts: a
    sentence in Chinese, Japanese or Thai is one word, and such texts are alike where they are equal and hardly else.

    Parameters
    ----------
    left, right : pyarrow array of strings, StringTable, or iterable of str
        Of equal length, without nulls. The bytes of Arrow's strings are not copied; rows with characters beyond ASCII
        are normalised one by one.
    size : int
        Words of a shingle, at least 1.
    num_threads : int, optional
        Threads; the result does not depend on them.

    Returns
    -------
    float32 [n]
        Number of shingles that both have over number of those that either has, rounded once: 1 for equal sets, two
        texts without words among them, and 0 for a text without words beside another.

    Raises
    ------
    TypeError, ValueError
        Not strings, or columns of different lengths.

    Notes
    -----
    Shingles are compared by 64-bit hashes: two that differ count as equal with a chance of one in 2**64.

    Examples
    --------
    >>> from hardmine.primitives.shingles import similarity
    >>> left = ["The red apple fell from the tree", "one  TWO three", ""]
    >>> similarity(left, ["the red apple fell from a tree", "one two three", "words"]).tolist()
    [0.4285714328289032, 1.0, 0.0]
    """
    size = _size(size)
    tables = _texts("left", left), _texts("right", right)
    return _native.shingle_similarity(*tables, size, thread_count(num_threads))


def near_duplicate_groups(
    texts: Any,
    threshold: float = 0.9,
    *,
    size: int = 3,
    num_permutations: int = 128,
    seed: int = 0,
    num_threads: int | None = None,
) -> npt.NDArray[np.int64]:
    """Group texts that are near-duplicates: MinHash finds pairs, their shingles verify them.

    Two texts share a group when a chain of pairs leads from one to the other, each pair as similar as `threshold` at
    least, by `similarity`. No pair is merged by its hashes alone. Words are what white space parts: near-duplicates in
    Chinese, Japanese or Thai are not found.

    Parameters
    ----------
    texts : pyarrow array of strings, StringTable, or iterable of str
        Without nulls; as in `similarity`.
    threshold : float
        Least similarity of near-duplicates, above 0, at most 1. Equality counts.
    size : int
        Words of a shingle, at least 1.
    num_permutations : int
        MinHashes of a text, at least 1. More of them miss fewer pairs, and compare fewer that are not similar.
    seed : int
        Of the permutations, 0 to 2**64 - 1.
    num_threads : int, optional
        Threads; the result does not depend on them.

    Returns
    -------
    int64 [n]
        Group of every text: the number of its first member. A text without near-duplicates is its own group; texts
        without words are one group.

    Raises
    ------
    TypeError, ValueError
        Not strings, or a setting is out of its range; the message names it.

    Notes
    -----
    `banding` cuts the MinHashes into bands, such that a pair at the threshold shares one with a chance of at least 0.99
    (pairs above it, with a higher one). Equal texts, and others with equal sets of shingles, are always found, and one
    of them stands for all afterwards. Within a band, a text is compared with at most 64 of those that share its hash
    and stand before it, so that a million copies of a form letter, or texts made for the purpose, cost time in
    proportion to their number: where more than 64 groups share one hash, some pairs may be missed.

    Working memory is 8 bytes per text and band, and about 40 bytes per text beside.

    Examples
    --------
    >>> import hardmine as hm
    >>> texts = ["the red apple fell from the old tree", "an orange", "A red apple fell from the old tree", "An orange"]
    >>> hm.near_duplicate_groups(texts, 0.7).tolist()
    [0, 1, 0, 1]
    """
    threshold = checks.real("threshold", above_zero("threshold", threshold), maximum=1.0)
    bands, rows = banding(threshold, num_permutations)
    return _native.near_duplicate_groups(
        _texts("texts", texts),
        threshold,
        size=_size(size),
        bands=bands,
        rows=rows,
        seed=checks.integer("seed", seed, maximum=2**64 - 1),
        num_threads=thread_count(num_threads),
    )


def banding(threshold: float, num_permutations: int = 128) -> tuple[int, int]:
    """How many bands of how many MinHashes `near_duplicate_groups` takes.

    Two texts of similarity s share a band with the chance ``1 - (1 - s**rows)**bands``. Of all ways to cut
    `num_permutations` into bands, this is the one of the longest bands, which compare the fewest pairs, that gives a
    pair at the threshold a chance of at least 0.99; bands of one where none does.

    Parameters
    ----------
    threshold : float
        Above 0, at most 1.
    num_permutations : int
        At least 1.

    Returns
    -------
    tuple of int
        Bands, and MinHashes in each.

    Raises
    ------
    TypeError, ValueError
        A setting is out of its range.

    Examples
    --------
    >>> from hardmine.primitives.shingles import banding
    >>> banding(0.9), banding(0.5)
    ((12, 10), (42, 3))
    """
    threshold = checks.real("threshold", above_zero("threshold", threshold), maximum=1.0)
    count = checks.integer("num_permutations", num_permutations, minimum=1, maximum=2**16)
    rows = np.arange(1, count + 1)
    missed = (1.0 - threshold**rows) ** (count // rows)
    fitting = rows[1.0 - missed >= _RECALL]
    length = int(fitting[-1]) if fitting.size else 1
    return count // length, length


def _size(size: Any) -> int:
    return checks.integer("size", size, minimum=1, maximum=_MOST)


def _texts(name: str, texts: Any) -> _native.Texts:
    """The texts as the kernel reads them: it folds ASCII itself, all others are normalised here."""
    table = StringTable.from_strings(texts, name)
    rows = _beyond_ascii(table)
    parts = [normalised(text).encode() for text in table.take(rows)]
    return {
        "offsets": table.offsets,
        "data": table.data,
        "replaced": rows,
        "other_offsets": ragged.offsets_of([len(part) for part in parts]),
        "other_data": np.frombuffer(b"".join(parts), dtype=np.uint8),
    }


def _beyond_ascii(table: StringTable) -> npt.NDArray[np.int64]:
    """Rows with a character beyond ASCII, rising."""
    first, end = (int(table.offsets[at]) for at in (0, -1))
    found = np.zeros(len(table), dtype=np.bool_)
    for start in range(first, end, _BLOCK):
        stop = min(start + _BLOCK, end)
        counts = np.concatenate([[0], np.cumsum(table.data[start:stop] >= 0x80, dtype=np.int64)])
        low = int(np.searchsorted(table.offsets, start, side="right")) - 1
        high = int(np.searchsorted(table.offsets, stop, side="left"))
        bounds = np.clip(table.offsets[low : high + 1] - start, 0, stop - start)
        found[low:high] |= np.diff(counts[bounds]) > 0
    return np.flatnonzero(found)
