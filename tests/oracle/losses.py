"""Slow, obvious twins of `hardmine.losses`: loops over NumPy float64 arrays, one term at a time."""

import itertools
import math

import numpy as np


def exp(x):
    return 0.0 if x == -math.inf else math.exp(x)


def cosine(a, b):
    na, nb = math.sqrt(sum(x * x for x in a)), math.sqrt(sum(x * x for x in b))
    return 0.0 if na == 0 or nb == 0 else sum(x * y for x, y in zip(a, b, strict=True)) / (na * nb)


def kept(mask, i, j):
    return mask is None or not mask[i][j]


def mean(values):
    values = list(values)
    return sum(values) / len(values) if values else 0.0


def info_nce_rows(scores, hard=None, *, t, mask=None, hard_mask=None, weights=None, hard_weights=None, columns=None):
    rows = []
    for i in range(len(scores)):
        own = i if columns is None else int(columns[i])
        p = exp(scores[i][own] / t)
        total = p
        for j in range(len(scores[i])):
            if j != own and kept(mask, i, j):
                total += (1.0 if weights is None else weights[i][j]) * exp(scores[i][j] / t)
        if hard is not None:
            for k in range(len(hard[i])):
                if kept(hard_mask, i, k):
                    total += (1.0 if hard_weights is None else hard_weights[i][k]) * exp(hard[i][k] / t)
        rows.append(-math.log(p / total))
    return rows


def info_nce(*args, **kwargs):
    return mean(info_nce_rows(*args, **kwargs))


def debiased(positives, negatives, *, t, tau, beta=0.0, mask=None):
    rows = []
    for i, p in enumerate(positives):
        terms = [exp(s / t) for j, s in enumerate(negatives[i]) if kept(mask, i, j)]
        n, pos = len(terms), math.exp(p / t)
        if n == 0:
            rows.append(0.0)
            continue
        importance = [x**beta for x in terms]
        total = sum(a * x for a, x in zip(importance, terms, strict=True)) / mean(importance)
        g = max((total - tau * n * pos) / (1.0 - tau), n * math.exp(-1.0 / t))
        rows.append(-math.log(pos / (pos + g)))
    return mean(rows)


def selective_calibration(positives, negatives, *, gamma, beta, t, mask=None):
    rows = []
    for i, p in enumerate(positives):
        entries = [p] + [s for j, s in enumerate(negatives[i]) if kept(mask, i, j) and s != -math.inf]
        if len(entries) == 1:
            continue
        total = sum(exp(s / t) for s in entries)
        loss = 0.0
        for k, s in enumerate(entries):
            q = exp(s / t) / total
            y = beta / len(entries) + (1.0 - beta if k == 0 else 0.0)
            loss -= y * (1.0 - q) ** gamma * math.log(q)
        rows.append(loss)
    return mean(rows)


def token_scores(texts, others, *, scale, attention_of=None, text_mask=None, other_mask=None):
    """`attention_of` gives other (texts, others) to take the attention from: it is constant in the gradient."""
    a_texts, a_others = (texts, others) if attention_of is None else attention_of
    out = np.full(texts.shape[:2], -np.inf)
    for b, n in np.ndindex(*out.shape):
        total = 0.0
        for t in range(texts.shape[2]):
            if text_mask is not None and text_mask[b][n][t]:
                continue
            seen = [p for p in range(others.shape[1]) if kept(other_mask, b, p)]
            products = [float(a_texts[b, n, t] @ a_others[b, p]) for p in seen]
            low, high = min(products), max(products)
            scaled = [(x - low) / (high - low) if high > low else 1.0 for x in products]
            met = sum(a / sum(scaled) * others[b, p] for a, p in zip(scaled, seen, strict=True))
            total += math.exp(scale * cosine(texts[b, n, t], met))
        if total > 0:
            out[b, n] = math.log(total)
    return out


def gist_mask(guide, own, *, margin, relative):
    mask = np.zeros(guide.shape, dtype=bool)
    for i, j in np.ndindex(*guide.shape):
        mask[i, j] = guide[i, j] > own[i] - (abs(own[i]) * margin if relative else margin)
    return mask


def gist_embed(q, p, n, gq, gp, gn, *, t, margin, relative, queries=True, positives=True):
    rows = []
    for i in range(len(q)):
        own = cosine(gq[i], gp[i])
        threshold = own - (abs(own) * margin if relative else margin)
        target = total = math.exp(cosine(q[i], p[i]) / t)
        blocks = [(q, p, gq, gp, True)]
        blocks += [(q, q, gq, gq, True)] if queries else []
        blocks += [(p, p, gp, gp, True)] if positives else []
        blocks += [(q, n, gq, gn, False)] if n is not None else []
        for left, right, guide_left, guide_right, paired in blocks:
            for j in range(len(right)):
                if not (paired and j == i) and not cosine(guide_left[i], guide_right[j]) > threshold:
                    total += math.exp(cosine(left[i], right[j]) / t)
        rows.append(-math.log(target / total))
    return mean(rows)


def rank_net(positives, negatives, *, mask=None, weights=None):
    return mean(
        (1.0 if weights is None else weights[i][j]) * math.log(1.0 + exp(-(p - negatives[i][j])))
        for i, p in enumerate(positives)
        for j in range(len(negatives[i]))
        if kept(mask, i, j)
    )


def adore(scores, relevant, *, cut, ranks=None, mask=None):
    rows = []
    for q in range(len(scores)):
        losses = []
        for i, j in itertools.product(range(len(scores[q])), repeat=2):
            if not (kept(mask, q, i) and kept(mask, q, j) and relevant[q][i] and not relevant[q][j]):
                continue
            ri, rj = (i + 1, j + 1) if ranks is None else (ranks[q][i], ranks[q][j])
            wi, wj = (1.0 / r if r <= cut else 0.0 for r in (ri, rj))
            losses.append(math.log(1.0 + math.exp(-(scores[q][i] - scores[q][j]))) * abs(wi - wj))
        if losses:
            rows.append(mean(losses))
    return mean(rows)


def ccl(positives, negatives, *, margin, weight, mask=None):
    rows = []
    for i, p in enumerate(positives):
        above = [max(0.0, s - margin) for j, s in enumerate(negatives[i]) if kept(mask, i, j)]
        rows.append(max(0.0, 1.0 - p) + (sum(above) if weight is None else weight * mean(above)))
    return mean(rows)


def ndcg(gains, ranking, cutoff):
    def dcg(order):
        return sum(gains[item] / math.log2(place + 2) for place, item in enumerate(order[:cutoff]))

    best = dcg(sorted(range(len(gains)), key=lambda item: -gains[item]))
    return dcg(ranking) / best if best > 0 else 0.0


def plackett_luce(scores, ranking, depth=None):
    chance = 1.0
    for place in range(len(ranking) if depth is None else min(depth, len(ranking))):
        chance *= math.exp(scores[ranking[place]]) / sum(math.exp(scores[item]) for item in ranking[place:])
    return chance


def expected_loss(scores, gains, cutoff):
    """Minus the expected nDCG, by every permutation."""
    return -mean(
        sum(plackett_luce(s, order) * ndcg(g, order, cutoff) for order in itertools.permutations(range(len(s))))
        for s, g in zip(scores, gains, strict=True)
    )


def bidirectional_margin(scores, same, *, alpha, beta):
    b, total = len(scores), 0.0
    for i, j in itertools.product(range(b), repeat=2):
        d = scores[i][j] - scores[i][i] if same[i][j] and i != j else 0.0
        total += max(0.0, d + alpha) + max(0.0, -d - beta)
    return total / (b * b)


def cluster_ns(scores, centroids, same, *, t, weight, alpha, beta, bonus, masked):
    hard = None if centroids is None else [
        [c + (t * bonus if i == j else 0.0) for j, c in enumerate(row)] for i, row in enumerate(centroids)
    ]  # fmt: skip
    contrast = info_nce(scores, hard, t=t, mask=same if masked else None)
    return contrast + weight * bidirectional_margin(scores, same, alpha=alpha, beta=beta)


def moco(positives, query_bank, key_bank, *, t, hardest=None, query_mask=None, key_mask=None):
    rows = []
    for i, p in enumerate(positives):
        loss = 0.0
        for bank, mask in ((query_bank, query_mask), (key_bank, key_mask)):
            chosen = sorted((s for j, s in enumerate(bank[i]) if kept(mask, i, j)), reverse=True)[:hardest]
            total = math.exp(p / t) + sum(math.exp(s / t) for s in chosen)
            loss -= math.log(math.exp(p / t) / total)
        rows.append(loss)
    return mean(rows)


def sar_pu_weight(f, e):
    return 1.0 - f * (1.0 - e) / (1.0 - f * e)


def sar_pu_risk(logits, labelled, propensity, *, floor, mask=None):
    losses = []
    for i, j in np.ndindex(*logits.shape):
        if not kept(mask, i, j):
            continue
        z, e = logits[i, j], max(propensity[i, j], floor)
        as_positive, as_negative = math.log(1.0 + math.exp(-z)), math.log(1.0 + math.exp(z))
        s = 1.0 if labelled[i, j] else 0.0
        losses.append(s / e * as_positive + ((1.0 - s) + s * (1.0 - 1.0 / e)) * as_negative)
    return mean(losses)


def coupled(relevance, selection, labelled, *, reference, clip, mask=None, weights_of=None):
    """Relevance and selection loss; `weights_of` gives other scores to take the (constant) weights from."""

    def softmax(scores, i):
        items = [j for j in range(len(scores[i])) if kept(mask, i, j)]
        total = sum(math.exp(scores[i][j]) for j in items)
        return {j: math.exp(scores[i][j]) / total for j in items}

    w_relevance, w_selection = (relevance, selection) if weights_of is None else weights_of
    found = []
    for own, other in ((relevance, w_selection), (selection, w_relevance)):
        rows = []
        for i in range(len(own)):
            r, g = softmax(own, i), softmax(other, i)
            top = (max(g.values()) if reference == "max" else g[0]) if g else 0.0
            weight = {j: min(max(top / g[j], 1.0 / clip), clip) for j in g}
            rows.append(-sum(weight[j] * math.log(r[j]) for j in r if labelled[i][j]))
        found.append(mean(rows))
    return found


def triplet(distances, triplets, *, margin=None, positive_only=False):
    gaps = [distances[a][p] - distances[a][n] for a, p, n in triplets]
    losses = [math.log(1.0 + math.exp(g)) if margin is None else max(0.0, g + margin) for g in gaps]
    return mean(x for x in losses if x > 0 or not positive_only)


def margin_mse(p, s, t, u, *, mask=None):
    return mean(
        ((p[i] - s[i][j]) - (t[i] - u[i][j])) ** 2 for i in range(len(p)) for j in range(len(s[i])) if kept(mask, i, j)
    )


def listwise_kl(scores, teacher, *, t, teacher_t, mask=None):
    rows = []
    for i in range(len(scores)):
        items = [j for j in range(len(scores[i])) if kept(mask, i, j)]
        a = [exp(teacher[i][j] / teacher_t) for j in items]
        b = [exp(scores[i][j] / t) for j in items]
        rows.append(sum(x / sum(a) * math.log(x / sum(a) / (y / sum(b))) for x, y in zip(a, b, strict=True) if x > 0))
    return mean(rows)


def norm_ratio(larger, smaller):
    return mean(math.exp(1.0 - np.linalg.norm(x) / np.linalg.norm(y)) for x, y in zip(larger, smaller, strict=True))


def distances(x, *, squared=False):
    return np.array([[np.sum((a - b) ** 2) if squared else np.linalg.norm(a - b) for b in x] for a in x])


def mean_pair_cosine(x):
    return mean(cosine(x[i], x[j]) for i in range(len(x)) for j in range(len(x)) if i != j)


def effective_rank(x):
    values = np.sqrt(np.clip(np.linalg.eigvalsh(x.T @ x), 0.0, None))
    shares = [v / values.sum() for v in values if v > 1e-12]
    return math.exp(-sum(s * math.log(s) for s in shares))


def numerical_gradient(function, arrays, index, step=1e-6):
    """Central differences of a scalar function in one of its arrays."""
    found = np.zeros_like(arrays[index])
    for place in np.ndindex(*found.shape):
        ends = []
        for sign in (1.0, -1.0):
            moved = [a.copy() for a in arrays]
            moved[index][place] += sign * step
            ends.append(function(*moved))
        found[place] = (ends[0] - ends[1]) / (2.0 * step)
    return found
