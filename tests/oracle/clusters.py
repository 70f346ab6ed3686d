"""Obvious forms of spherical k-means and of ClusterNS's online form, a vector at a time."""

from __future__ import annotations

import math


def cosine(one, two):
    lengths = math.sqrt(sum(x * x for x in one)) * math.sqrt(sum(x * x for x in two))
    return sum(x * y for x, y in zip(one, two, strict=True)) / lengths if lengths else 0.0


def assign(vectors, centroids):
    """Most similar centroid of each vector, the lower one among equals, and its cosine."""
    found = []
    for vector in vectors:
        similar = [cosine(vector, centroid) for centroid in centroids]
        found.append((similar.index(max(similar)), max(similar)))
    return found


def unit(vector):
    length = math.sqrt(sum(x * x for x in vector))
    return [x / length for x in vector] if length else list(vector)


def kmeans(vectors, chosen, iterations):
    """Assignments, centroids and rounds from given first vectors."""
    centroids = [unit(vectors[i]) for i in chosen]
    before = None
    for done in range(1, iterations + 1):
        pairs = assign(vectors, centroids)
        clusters = [cluster for cluster, _ in pairs]
        for empty in range(len(centroids)):
            if empty not in clusters:
                order = sorted(range(len(vectors)), key=lambda i: pairs[i][1])
                clusters[next(i for i in order if clusters.count(clusters[i]) > 1)] = empty
        if clusters == before:
            return clusters, centroids, done
        before = clusters
        for number in range(len(centroids)):
            members = [unit(v) for v, cluster in zip(vectors, clusters, strict=True) if cluster == number]
            total = [sum(column) for column in zip(*members, strict=True)] if members else [0.0]
            if any(total):
                centroids[number] = unit(total)
    return before, centroids, iterations


def farthest(vectors, first, count):
    """ClusterNS's first centroids: always the vector least similar to the last one chosen."""
    chosen = [first]
    while len(chosen) < count:
        free = [i for i in range(len(vectors)) if i not in chosen]
        chosen.append(min(free, key=lambda i: cosine(vectors[i], vectors[chosen[-1]])))
    return chosen
