"""Slow, obvious twin of `hardmine.triplets`: three loops."""

from __future__ import annotations

import math


def triplets(distances, labels, kind, margin):
    """Rows in lexicographic order; a NaN distance makes no triplet."""
    size, found = len(labels), []
    for a in range(size):
        others = [x for x in range(size) if x != a and labels[x] != -1 != labels[a] and not math.isnan(distances[a][x])]
        positives = [x for x in others if labels[x] == labels[a]]
        negatives = [x for x in others if labels[x] != labels[a]]
        if kind == "batch_hard":
            if positives and negatives:
                farthest = max(positives, key=lambda x: (distances[a][x], -x))
                nearest = min(negatives, key=lambda x: (distances[a][x], x))
                found.append([a, farthest, nearest])
            continue
        for p in positives:
            for n in negatives:
                to_p, to_n = float(distances[a][p]), float(distances[a][n])
                kinds = {
                    "all": True,
                    "hard": to_n <= to_p,
                    "semi_hard": to_p < to_n < to_p + margin,
                    "easy": to_n >= to_p + margin,
                }
                if kinds[kind]:
                    found.append([a, p, n])
    return found
