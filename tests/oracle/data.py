"""The slow twins of the data room: items straight from `select` on the whole run, and a collator made of loops."""

import numpy as np

import hardmine as hm
from tests.oracle import draw as noise


def items(run, positives, selection, *, epoch, exclude, groups, which, num_documents, query_keys=None):
    """(query, positive, negative ids, their scores) of every item, from one call on the whole run."""
    chosen = hm.select(
        run, positives, selection, epoch=epoch, exclude=exclude, document_groups=groups,
        num_documents=num_documents, query_keys=query_keys, num_threads=1,
    )  # fmt: skip
    assert not chosen.dropped.size
    rows = {}
    for row in range(len(chosen)):
        key = (int(chosen.queries[row]), int(chosen.positives[row]))
        rows[key] = (chosen[row].ids.tolist(), chosen[row].scores.tolist())
    found = []
    for query in range(len(positives)):
        shown = positives[query].tolist()
        if which == "sample":
            shown = [
                sampled(positives[query], selection.seed, epoch, query if query_keys is None else query_keys[query])
            ]
        elif which == "first":
            shown = shown[:1]
        for positive in shown:
            key = (query, positive if selection.positive_agg == "each" else -1)
            found.append((query, positive, *rows[key]))
    return found


def sampled(positives, seed, epoch, key):
    """The positive of largest noise."""
    if len(positives) == 1:
        return int(positives[0])
    gumbel = noise.noise(seed, epoch, int(key), np.asarray(positives, np.uint64), noise.POSITIVES)
    return int(positives[int(gumbel.argmax())])


def collate(items, width):
    """Documents in the order of their first appearance, and the tables over them, as plain lists."""
    documents = []
    for item in items:
        if item["positive_id"] not in documents:
            documents.append(item["positive_id"])
    for item in items:
        for document in item["negative_ids"][:width].tolist():
            if document not in documents:
                documents.append(document)
    groups, texts = {}, {}
    for item in items:
        groups[item["positive_id"]], texts[item["positive_id"]] = item["positive_group"], item["positive"]
        groups.update(zip(item["negative_ids"].tolist(), item["negative_groups"].tolist(), strict=True))
        texts.update(zip(item["negative_ids"].tolist(), item["negatives"], strict=True))
    index, mask, scores, banned = [], [], [], []
    for item in items:
        own = item["negative_ids"][:width].tolist()
        spare = width - len(own)
        index.append([documents.index(document) for document in own] + [0] * spare)
        mask.append([True] * len(own) + [False] * spare)
        scores.append([item["positive_score"], *item["negative_scores"][:width].tolist()] + [-np.inf] * spare)
        banned.append([d in item["excluded_ids"].tolist() or groups[d] == item["positive_group"] for d in documents])
    return {
        "texts": [texts[d] for d in documents],
        "positive_index": [documents.index(item["positive_id"]) for item in items],
        "negative_index": index,
        "negative_mask": mask,
        "not_negative": banned,
        "query_ids": [item["query_id"] for item in items],
        "document_ids": documents,
        "document_groups": [groups[d] for d in documents],
        "teacher_scores": scores,
    }
