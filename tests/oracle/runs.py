"""Runs the slow way: candidates as triples to ranked lists."""

import numpy as np


def lists(triples, queries=None, documents=None):
    """Ids and scores of each query, best first, equal scores by lower index; names numbered as they appear."""
    queries = list(dict.fromkeys(q for q, _, _ in triples)) if queries is None else queries
    documents = list(dict.fromkeys(d for _, d, _ in triples)) if documents is None else documents
    found = []
    for query in queries:
        own = [(-np.float32(score), documents.index(d)) for q, d, score in triples if q == query]
        found.append([(d, -score) for score, d in sorted(own)])
    return queries, documents, found
