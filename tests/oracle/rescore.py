"""Rescoring, slow and plain: one pair after another, then sorted."""

import numpy as np


def rescore(collection, run, score, k=None):
    """(lists of (document, score, first score) by query, scores of positives by query)."""
    queries, documents = collection.query_texts.to_pylist(), collection.document_texts.to_pylist()
    lists, positives = [], []
    for query in range(collection.num_queries):
        found = [
            (int(document), np.float32(score(queries[query], documents[document])), first)
            for document, first in zip(*run[query], strict=True)
        ]
        found = found if k is None else found[:k]
        lists.append(sorted(found, key=lambda item: (-float(item[1]), item[0])))
        positives.append([np.float32(score(queries[query], documents[d])) for d in collection.positives[query]])
    return lists, positives
