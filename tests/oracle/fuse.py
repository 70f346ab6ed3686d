"""Slow, obvious twin of `hardmine.fuse`: dictionaries, one query at a time."""

from __future__ import annotations

import math

import numpy as np


def fuse_row(lists, method, weights, constant=60.0, min_votes=1):
    """[(id, float32 score, source)] of one query; `lists` holds (ids, scores) per teacher."""
    places = [{} for _ in lists]
    for place, (ids, _) in zip(places, lists, strict=True):
        for rank, document in enumerate(ids, 1):
            place.setdefault(int(document), rank)
    votes = {d: sum(d in place for place in places) for place in places for d in place}
    documents = sorted(d for d, count in votes.items() if count >= min_votes)

    def source(d):
        return min((place[d], t) for t, place in enumerate(places) if d in place)[1]

    if method == "round_robin":
        return _in_turn(lists, set(documents))
    scored = []
    for d in documents:
        if method == "rrf":
            score = sum(w / (constant + place[d]) for w, place in zip(weights, places, strict=True) if d in place)
        elif method == "vote":
            ties = sum(w / (60.0 + place[d]) for w, place in zip(weights, places, strict=True) if d in place)
            score = votes[d] + ties / (1.0 + sum(weights))
        elif method == "union":
            score = 1.0 / min(place[d] for place in places if d in place)
        else:
            score = sum(
                w * _z(scores, place.get(d)) for w, place, (_, scores) in zip(weights, places, lists, strict=True)
            )
            score /= sum(weights)
        scored.append((d, np.float32(score), source(d)))
    return sorted(scored, key=lambda entry: (-entry[1], entry[0]))


def _z(scores, rank):
    """Standard score of the document at `rank`, of the last one where there is none."""
    values = [float(s) for s in scores]
    if not values:
        return 0.0
    mean = sum(values) / len(values)
    deviation = math.sqrt(sum((v - mean) * (v - mean) for v in values) / len(values))
    value = values[-1] if rank is None else values[rank - 1]
    return (value - mean) / deviation if deviation > 0 else 0.0


def _in_turn(lists, allowed):
    queues = [[int(d) for d in ids if int(d) in allowed] for ids, _ in lists]
    taken = []
    while len(taken) < len(allowed):
        for source, queue in enumerate(queues):
            done = {d for d, _ in taken}
            fresh = [d for d in queue if d not in done]
            if fresh:
                taken.append((fresh[0], source))
    return [(d, np.float32(1.0 / place), source) for place, (d, source) in enumerate(taken, 1)]
