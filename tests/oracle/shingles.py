"""Twin of `hardmine.primitives.shingles`: sets of tuples of words, every pair of texts compared."""

from __future__ import annotations

import unicodedata

import numpy as np


def shingles(text, size):
    words = unicodedata.normalize("NFKC", text).casefold().split()
    if len(words) < size:
        return {tuple(words)} if words else set()
    return {tuple(words[at : at + size]) for at in range(len(words) - size + 1)}


def similarity(a, b, size):
    return jaccard(shingles(a, size), shingles(b, size))


def jaccard(a, b):
    common = len(a & b)
    union = len(a) + len(b) - common
    return np.float32(common / union) if union else np.float32(1)


def components(texts, threshold, size):
    """Group of every text, where every pair that is similar enough is linked."""
    groups = list(range(len(texts)))
    sets = [shingles(text, size) for text in texts]
    for i in range(len(texts)):
        for j in range(i):
            if groups[i] != groups[j] and jaccard(sets[i], sets[j]) >= np.float32(threshold):
                low, high = sorted((groups[i], groups[j]))
                groups = [low if group == high else group for group in groups]
    return groups
