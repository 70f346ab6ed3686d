"""Obvious forms of `hm.ensemble`, a row at a time."""

from __future__ import annotations

import math


def in_turn(lists, wanted, *, dedup):
    """(document, teacher) of one row, given each teacher's list: turn by turn."""
    taken = []
    places = [0] * len(lists)
    while len(taken) < wanted and any(place < len(of) for place, of in zip(places, lists, strict=True)):
        for teacher, of in enumerate(lists):
            while dedup and places[teacher] < len(of) and of[places[teacher]] in [document for document, _ in taken]:
                places[teacher] += 1
            if places[teacher] < len(of) and len(taken) < wanted:
                taken.append((of[places[teacher]], teacher))
                places[teacher] += 1
    return taken


def mixture(lists, scores, temperature):
    """Weight of each document of one row: the sum over teachers of its share of the teacher's softmax."""
    weights = {}
    for of, given in zip(lists, scores, strict=True):
        top = max(given, default=0.0)
        if temperature == math.inf:
            shares = [1.0] * len(of)
        else:
            raw = [math.exp((score - top) / temperature) for score in given]
            shares = [value / sum(raw) for value in raw]
        for document, share in zip(of, shares, strict=True):
            weights[document] = weights.get(document, 0.0) + share
    return weights
