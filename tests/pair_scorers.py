"""Scorers of pairs for the tests: the score of a pair comes from its texts, and what was asked is counted."""

import hashlib

import numpy as np


class Counting:
    """As real models do, it gives a pair other last bits with other pairs in its call."""

    name = "counting"
    similarity = "made up"

    def __init__(self, *, weights=0, name="counting", group_bytes=200, special=None):
        self.weights, self.name, self.group_bytes = weights, name, group_bytes
        self.special = special or {}
        self.calls = []

    def fingerprint(self):
        return {"counting": self.weights}

    def score_pairs(self, queries, documents, *, progress=False):
        assert progress is False
        assert isinstance(queries, list)
        assert isinstance(documents, list)
        pairs = list(zip(queries, documents, strict=True))
        self.calls.append(pairs)
        call = number("".join(q + d for q, d in pairs))
        scores = [self.special.get(pair, self.score(*pair) + np.float32(1e-5) * call) for pair in pairs]
        return np.array(scores, np.float32)

    def score(self, query, document):
        """Without what the call adds: from a coarse grid, so that there are ties."""
        return np.float32(int(8 * number(f"{self.weights}{query}|{document}")) / 8 - 1)


def number(text):
    digest = hashlib.blake2b(text.encode(), digest_size=2).digest()
    return np.float32(int.from_bytes(digest, "big") / 2**15)
