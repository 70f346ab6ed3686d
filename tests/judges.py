"""Judges for the tests: what they say depends on the three texts alone."""

import hashlib


def verdict(query, document, positive):
    """A verdict by a digest: one in four positive, one in four unsure."""
    digest = hashlib.blake2b(f"{query}\n{document}\n{positive}".encode(), digest_size=1).digest()[0]
    return ("negative", "negative", "positive", "unsure")[digest % 4]


class Counting:
    """Judges by `verdict`, and remembers every call; `trouble` may raise or spoil the verdicts of a call."""

    name = "counting"
    fingerprint = "digest, version 1"

    def __init__(self, trouble=None):
        self.calls, self.trouble = [], trouble

    def __call__(self, queries, documents, positives):
        batch = list(zip(queries, documents, positives, strict=True))
        self.calls.append(batch)
        found = [verdict(*item) for item in batch]
        return found if self.trouble is None else self.trouble(len(self.calls), batch, found)

    @property
    def items(self):
        return [item for batch in self.calls for item in batch]
