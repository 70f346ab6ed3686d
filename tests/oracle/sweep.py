"""Slow twin of the trials and measures of a sweep: loops over queries, lists rebuilt one by one."""

import math

import numpy as np

import hardmine as hm


def trials(collection, run, protocol="hide-one"):
    """(query, known positives, hidden positives) of every turn; every label of a query has one."""
    groups = collection.document_groups
    found = []
    for query in range(len(run)):
        labels, seen = [], set()
        for document in run.positives[query].tolist():
            if groups[document] not in seen:
                seen.add(groups[document])
                labels.append(document)
        if len(labels) < 2:
            continue
        for turn in labels:
            others = [document for document in labels if document != turn]
            found.append((query, others, [turn]) if protocol == "hide-one" else (query, [turn], others))
    return found


def trial_list(collection, run, query, k, first=None):
    """The candidates of a query, and every labelled positive that `first`, or the run's own teacher, finds."""
    groups = collection.document_groups
    ranking = run[query]
    score_of = dict(zip(ranking.ids.tolist(), ranking.scores.tolist(), strict=True))
    span = slice(run.positives.offsets[query], run.positives.offsets[query + 1])
    labels, seen = {}, set()
    for document, score in zip(run.positives.ids[span].tolist(), run.positives.scores[span].tolist(), strict=True):
        if groups[document] not in seen:
            seen.add(groups[document])
            labels[document] = score
    found = score_of
    first_of_label = labels
    if first is not None:
        lists = slice(run.offsets[query], run.offsets[query + 1])
        found = dict(zip(ranking.ids.tolist(), run.teacher_scores[first][lists].tolist(), strict=True))
        of_labels = run.positives.teacher_scores[first][span].tolist()
        first_of_label = dict(zip(run.positives.ids[span].tolist(), of_labels, strict=True))
    worst = min(((score, -document) for document, score in found.items()), default=(-math.inf, 0))
    texts = {groups[document] for document in labels}
    listed = {document: score for document, score in score_of.items() if groups[document] not in texts}
    for document, score in labels.items():
        if (first_of_label[document], -document) > worst or len(score_of) < k:
            listed[document] = score
    return sorted(listed.items(), key=lambda item: (-item[1], item[0])), labels, {**found, **first_of_label}


def estimate(collection, run, selection, k, protocol="hide-one", embeddings=None, first=None, **of_select):
    """Hidden positives mined, hidden positives, and negatives mined, summed over all turns; hits of every query."""
    hits = hidden_count = mined_count = 0
    of_query = {}
    for query, known, hidden in trials(collection, run, protocol):
        listed, labels, under_first = trial_list(collection, run, query, k, first)
        documents = [document for document, _ in listed]

        def by_first(wanted, scores=under_first):
            return {} if first is None else {first: np.array([scores[each] for each in wanted], dtype=np.float32)}

        candidates = hm.Candidates(
            [0, len(listed)],
            documents,
            np.array([score for _, score in listed], dtype=np.float32),
            teacher_scores=by_first(documents),
            metadata={"teacher": run.metadata.get("teacher")},
        )
        scores = np.array([labels[document] for document in known], dtype=np.float32)
        positives = hm.Positives([0, len(known)], known, scores, teacher_scores=by_first(known))
        if embeddings is not None:
            candidates = hm.anchor_scores(candidates, positives, embeddings)
        mined = hm.select(candidates, positives, selection, query_keys=[query], **of_select).ids.tolist()
        found = len(set(mined) & set(hidden))
        hits += found
        hidden_count += len(hidden)
        mined_count += len(mined)
        of_query[query] = of_query.get(query, 0) + found
    return hits, hidden_count, mined_count, of_query


def hardness(negatives):
    """Mean s/p, ECI, by loops."""
    ratios, signal, safety, capacity = [], [], [], []
    for row in range(len(negatives)):
        p, scores = float(negatives.positive_scores[row]), negatives[row].scores.tolist()
        if not scores or not p > 0:
            continue
        ratios += [s / p for s in scores]
        cut = [min(max(s / p, 0.0), 1.0) for s in scores]
        signal.append(sum(cut) / len(cut))
        safety.append(1 - max(cut))
        capacity.append(math.log(1 + len(cut)))
    mean = sum(ratios) / len(ratios)
    h, s = sum(signal) / len(signal), sum(safety) / len(safety)
    eci = sum(capacity) / len(capacity) * (2 * h * s / (h + s) if h + s else 0.0)
    return mean, eci


def agreement(negatives, second, k):
    """Shares: found by the second run, above the lowest positive among the decided, undecided."""
    found = above = undecided = 0
    for row in range(len(negatives)):
        query = int(negatives.queries[row])
        bar = min(second.positives.scores[second.positives.offsets[query] : second.positives.offsets[query + 1]])
        listed = dict(zip(second[query].ids.tolist(), second[query].scores.tolist(), strict=True))
        for document in negatives[row].ids.tolist():
            if document in listed:
                found += 1
                above += listed[document] >= bar
            elif len(listed) == k and min(listed.values()) >= bar:
                undecided += 1
    total = negatives.ids.size
    return found / total, above / (total - undecided), undecided / total
