"""Slow, obvious twin of `hardmine.DynamicMiner`: one query at a time, whole numbers for embeddings."""

from __future__ import annotations

import numpy as np


def ranking(vector, documents, banned):
    """Documents, best first, ties to the lower one, without the banned."""
    scores = [float(np.dot(vector.astype(float), document.astype(float))) for document in documents]
    order = sorted(range(len(documents)), key=lambda d: (-scores[d], d))
    return [d for d in order if d not in banned], scores


def lists(vectors, queries, documents, positives, exclude, k):
    """Per query: [(document, score, rank, relevant)]."""
    found = []
    for vector, query in zip(vectors, queries, strict=True):
        order, scores = ranking(vector, documents, exclude[query])
        top = order[:k]
        rows = [(d, scores[d], rank, d in positives[query]) for rank, d in enumerate(top, start=1)]
        missing = [d for d in positives[query] if d not in top and d not in exclude[query]]
        rows += [(d, scores[d], k + at, True) for at, d in enumerate(missing, start=1)]
        found.append(rows)
    return found


def hardest(vector, sample, documents, n):
    """The n most similar of a sample."""
    scores = {d: float(np.dot(vector.astype(float), documents[d].astype(float))) for d in sample}
    return sorted(sample, key=lambda d: (-scores[d], d))[:n]
