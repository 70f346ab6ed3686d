"""Slow, obvious twin of `hardmine.DynamicMiner`: one query after another, every document scored."""

from __future__ import annotations

import numpy as np

import hardmine as hm
from tests.oracle import draw as noise
from tests.oracle import search as slow_search
from tests.oracle import select as slow_select


def ranking(scores, exclude):
    return sorted((d for d in range(len(scores)) if d not in exclude), key=lambda d: (-scores[d], d))


def lists(vectors, query_ids, documents, positives, k, similarity, exclude):
    """Per query the entries (document, score, rank, relevant)."""
    found = []
    for scores, query in zip(slow_search.score_matrix(vectors, documents, similarity), query_ids, strict=True):
        own = {int(d) for d in positives[query]}
        top = ranking(scores, set(exclude[query]) - own)[:k]
        entries = [(d, scores[d], rank, d in own) for rank, d in enumerate(top, start=1)]
        for d in ranking(scores, set()):
            if d in own and d not in top:
                entries.append((d, scores[d], len(entries) + 1, True))
        found.append(entries)
    return found


def negatives(vectors, query_ids, documents, positives, k, similarity, exclude, selection, epoch):
    """Rows and dropped queries as `tests.oracle.select` gives them, each query by itself under its own key."""
    rows, dropped = [], []
    for scores, query in zip(slow_search.score_matrix(vectors, documents, similarity), query_ids, strict=True):
        own = positives[query].tolist()
        top = ranking(scores, set(exclude[query]) - set(own))[:k]
        run = hm.Candidates([0, len(top)], top, scores[top])
        labels = hm.Positives([0, len(own)], own, scores[own])
        part, short = slow_select.select(
            run, labels, selection, epoch=epoch, query_keys=[query], exclude=[exclude[query]],
            num_documents=len(documents),
        )  # fmt: skip
        rows += [{**row, "query": int(query)} for row in part]
        dropped += [int(query)] * len(short)
    return rows, dropped


def dns(vectors, query_ids, documents, positives, similarity, exclude, num_samples, num_negatives, seed, epoch):
    barred = [set(exclude[query]) | {int(d) for d in positives[query]} for query in query_ids]
    drawn = noise.sample_uniform(
        len(query_ids), num_samples, len(documents), exclude=barred, seed=seed, epoch=epoch, row_keys=query_ids,
        domain=noise.DYNAMIC,
    )  # fmt: skip
    out = []
    for scores, row in zip(slow_search.score_matrix(vectors, documents, similarity), drawn, strict=True):
        hardest = sorted((int(d) for d in row if d >= 0), key=lambda d: (-scores[d], d))[:num_negatives]
        out.append(hardest + [-1] * (num_negatives - len(hardest)))
    return np.array(out, np.int64).reshape(len(query_ids), num_negatives)
