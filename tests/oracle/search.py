"""Slow, obvious twin of `hardmine.search` and `hardmine.pair_scores`: every score of every pair, in NumPy."""

from __future__ import annotations

import numpy as np


def lane_sum(products):
    """Sum float64 [..., n] over the last axis in the order of the contract: 16 lanes, then pairwise."""
    n = products.shape[-1]
    lanes = np.zeros((*products.shape[:-1], 16))
    for start in range(0, n, 16):
        block = products[..., start : start + 16]
        lanes[..., : block.shape[-1]] += block
    for width in (8, 4, 2, 1):
        lanes[..., :width] += lanes[..., width : 2 * width]
    return lanes[..., 0]


def score_matrix(queries, documents, similarity="dot"):
    """float32 [q, d]."""
    q, d = np.asarray(queries).astype(np.float64), np.asarray(documents).astype(np.float64)
    dots = np.stack([lane_sum(row[None, :] * d) for row in q]) if len(q) else np.zeros((0, len(d)))
    if similarity == "cosine":
        norms = np.sqrt(lane_sum(q * q))[:, None] * np.sqrt(lane_sum(d * d))[None, :]
        dots = np.divide(dots, norms, out=np.zeros_like(dots), where=norms > 0)
    with np.errstate(over="ignore", under="ignore"):
        return dots.astype(np.float32)


def search(queries, documents, k, similarity="dot", ceiling=None, floor=None, exclude=None, reached=None):
    """(ids per query, scores per query, counts per query as a dict); of the k best, those not below `reached`."""
    scores = score_matrix(queries, documents, similarity)
    ids, values, counts = [], [], []
    for query, row in enumerate(scores):
        top = np.inf if ceiling is None else np.broadcast_to(np.float32(ceiling), len(scores))[query]
        low = -np.inf if floor is None else np.broadcast_to(np.float32(floor), len(scores))[query]
        excluded = set() if exclude is None else {int(i) for i in exclude[query]}
        kept, count = [], {"excluded": 0, "above_ceiling": 0, "below_floor": 0}
        for document, score in enumerate(row):
            if document in excluded:
                count["excluded"] += 1
            elif score > top:
                count["above_ceiling"] += 1
            elif score < low:
                count["below_floor"] += 1
            else:
                kept.append((-score, document))
        kept.sort()
        least = -np.inf if reached is None else reached[query]
        best = [document for _, document in kept[:k] if not row[document] < least]
        ids.append(best)
        values.append([row[document] for document in best])
        counts.append(count)
    return ids, values, counts
