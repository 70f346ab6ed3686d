"""Judging in loops: which items there are, in which order, what is said of each pair, what leaves."""

import math
import unicodedata


def normalise(text):
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def shown_positive(ids, scores):
    """The positive with the best score, the lowest index among equals; None where there is none."""
    best = None
    for place, document in enumerate(ids):
        score = 0.0 if scores is None else float(scores[place])
        if best is None or score > best[0] or (score == best[0] and document < best[1]):
            best = (score, document)
    return None if best is None else best[1]


def shares(values):
    """Of each value the share of all that are lower; NaN has nothing below it."""
    return [0.0 if math.isnan(v) else sum(w < v for w in values) / len(values) for v in values]


def suspicion(pairs, anchors=None, teachers=()):
    """`pairs` are (query, document, s, p) in the order of the lists; further signals have an entry for each."""
    places, ranks = {}, []
    for query, *_ in pairs:
        places[query] = places.get(query, -1) + 1
        ranks.append(float(-places[query]))
    signals = [shares(ranks)]
    if any(not math.isnan(p) for *_, p in pairs):
        gaps = []
        for _, _, s, p in pairs:
            if s == p == 0:
                gaps.append(0.0)
            else:
                gaps.append(math.copysign(math.inf, s - p) if p == 0 else (s - p) / abs(p))
        signals.append(shares(gaps))
    if anchors is not None:
        signals.append(shares(list(anchors)))
    if teachers:
        best = []
        for at, (query, *_) in enumerate(pairs):
            here = [i for i, pair in enumerate(pairs) if pair[0] == query]
            above = (sum(c[i] > c[at] or (c[i] == c[at] and i < at) for i in here) for c in teachers)
            best.append(float(-min(above)))
        signals.append(shares(best))
    return [sum(column[i] for column in signals) / len(signals) for i in range(len(pairs))]


def outcomes(collection, pairs, verdict, *, suspicious=None, budget=None, scores=None):
    """What becomes of (query, document) pairs, and the triples that are asked about, in their order."""
    queries, documents = collection.query_texts.to_pylist(), collection.document_texts.to_pylist()
    labels = [collection.positives[q].tolist() for q in range(collection.num_queries)]
    first_with = {}
    for document in documents:
        first_with.setdefault(normalise(document), document)
    found, asked = {}, []
    order = range(len(pairs))
    if suspicious is not None:
        order = sorted(order, key=lambda i: (-suspicious[i], *pairs[i]))
    for place in order:
        query, document = pairs[place]
        text = normalise(documents[document])
        if text in {normalise(documents[d]) for d in labels[query]}:
            found[place] = "known"
            continue
        start = collection.positives.offsets[query]
        own = None if scores is None else scores[start : start + len(labels[query])]
        positive = shown_positive(labels[query], own)
        triple = queries[query], first_with[text], "" if positive is None else documents[positive]
        if triple not in asked:
            asked.append(triple)
        is_in = budget is None or asked.index(triple) < budget
        found[place] = verdict(*triple) if is_in else "not_judged"
    return [found[place] for place in range(len(pairs))], asked[:budget]
