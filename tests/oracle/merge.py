"""Slow, obvious twin of `hardmine.merge`: one list of everything, sorted."""

from __future__ import annotations


def merge_row(lists, above, k):
    """[(id, score, rank, shard, position)] of one query; `lists` holds (ids of the corpus, scores) per shard."""
    everything = [
        (float(score), int(document), shard, position, score)
        for shard, (ids, scores) in enumerate(lists)
        for position, (document, score) in enumerate(zip(ids, scores, strict=True))
    ]
    everything.sort(key=lambda entry: (-entry[0], entry[1]))
    removed = sum(above)
    return [
        (document, score, place + removed, shard, position)
        for place, (_, document, shard, position, score) in enumerate(everything[:k], 1)
    ]
