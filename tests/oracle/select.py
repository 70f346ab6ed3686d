"""Selection, slow and plain: one candidate after another, every test in words, everything counted."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

import hardmine as hm
from hardmine.nouns.lists import REASONS
from tests.oracle import draw as noise
from tests.oracle.search import score_matrix


class Short(Exception):  # noqa: N818
    """A row ran short under on_shortage="error"."""


def bound(ceiling, p):
    """The bound on the score (for Anchored: on score + weight c), in float64."""
    match ceiling:
        case hm.Absolute(t=t):
            return t
        case hm.MarginPos(m=m):
            return p - m
        case hm.PercPos(f=f):
            return p - abs(p) * (1.0 - f)
        case hm.Anchored(f=f):
            return p + (f - 1.0) * abs(p)


def parts(ceiling):
    if isinstance(ceiling, hm.AllOf):
        return [part for inner in ceiling.ceilings for part in parts(inner)]
    return [] if isinstance(ceiling, hm.NoCeiling) else [ceiling]


def is_above(ceiling, score, anchor, p, under=None):
    """`under` gives the scores of candidate and positive under a teacher that a rule names."""
    own = score, p
    for part in parts(ceiling):
        teacher = getattr(part, "teacher", None)
        score, p = own if teacher is None else under(teacher)
        if isinstance(part, hm.Anchored):
            if float(score) + part.weight * float(anchor) > bound(part, p):
                return True
        elif score > np.float32(bound(part, p)):
            return True
    return False


def aggregate(scores, how):
    values = [float(score) for score in scores]
    if not values:
        return math.nan
    if how == "min":
        return min(values)
    if how == "max":
        return max(values)
    total = values[0]
    for value in values[1:]:
        total += value
    return total / len(values)


def ln_any(x):
    if x == 0:
        return -math.inf
    return float(noise.ln(np.array([float(x)]))[0])


def log_weight(draw, *, score, p, rank, document, position):
    s = float(score)
    match draw:
        case hm.Uniform():
            return 0.0
        case hm.Softmax(temperature=t):
            return s / t
        case hm.SimANS(a=a, b=b):
            distance = s - p - b
            return -a * (distance * distance) if a else 0.0
        case hm.Laplace(tau=tau):
            return -tau * abs(s - p) if tau else 0.0
        case hm.RankPower(alpha=alpha):
            return -alpha * ln_any(rank)
        case hm.Popularity(counts=counts, alpha=alpha):
            return alpha * ln_any(counts[document]) if counts[document] else -math.inf
        case hm.Weighted(log_weights=weights):
            return float(weights[position])


def choose(draw, survivors, n, *, p, seed, epoch, query_key, document_keys):
    """Positions of the chosen among the survivors, in order. Survivors: (position, document, score, rank)."""
    if isinstance(draw, hm.Top):
        return list(range(len(survivors)))[:n]
    if isinstance(draw, hm.TopThen):
        top = list(range(len(survivors)))[: min(n, draw.n_top)]
        rest = survivors[len(top) :]
        chosen = choose(
            draw.draw, rest, n - len(top), p=p, seed=seed, epoch=epoch, query_key=query_key, document_keys=document_keys
        )
        return top + [len(top) + index for index in chosen]
    if isinstance(draw, hm.Among):
        return choose(
            draw.draw, survivors[: draw.pool], n, p=p, seed=seed, epoch=epoch, query_key=query_key,
            document_keys=document_keys,
        )  # fmt: skip
    if not survivors or not n:
        return []
    if isinstance(draw, hm.Stratified):
        return strata(draw, survivors, n, seed=seed, epoch=epoch, query_key=query_key, document_keys=document_keys)
    return sorted(
        sequence(draw, survivors, n, p=p, seed=seed, epoch=epoch, query_key=query_key, document_keys=document_keys)
    )


def sequence(draw, survivors, n, *, p, seed, epoch, query_key, document_keys):
    """The first n survivors in the order in which the law draws them."""
    documents = [document for _, document, _, _ in survivors]
    keys = documents if document_keys is None else [int(document_keys[document]) for document in documents]
    gumbel = noise.noise(seed, epoch, query_key, np.array(keys, np.uint64), noise.SELECT)
    weights = [
        log_weight(draw, score=score, p=p, rank=rank, document=document, position=position)
        for position, document, score, rank in survivors
    ]
    return noise.largest(np.array(weights), gumbel, n)


def strata(draw, survivors, n, *, seed, epoch, query_key, document_keys):
    """A uniform draw of its share inside each bin."""
    chosen = []
    for members, share in shares_of(draw, survivors, n, seed=seed, epoch=epoch, query_key=query_key):
        inside = [survivors[i] for i in members]
        drawn = choose(
            hm.Uniform(), inside, share, p=0.0, seed=seed, epoch=epoch, query_key=query_key,
            document_keys=document_keys,
        )  # fmt: skip
        chosen += [members[i] for i in drawn]
    return sorted(chosen)


def shares_of(draw, survivors, n, *, seed, epoch, query_key):
    """(members, share) of every bin, the hardest first: cards dealt in rounds, one to a bin."""
    bins = {}
    for index, survivor in enumerate(survivors):
        bins.setdefault(bin_of(draw, survivor, survivors), []).append(index)
    shares = dict.fromkeys(bins, 0)
    left = min(n, len(survivors))
    while left:
        giving = [number for number in bins if shares[number] < len(bins[number])]
        if left < len(giving):
            words = noise.bits(noise.stream_key(seed, epoch, noise.SELECT, 1), query_key, np.array(giving, np.uint64))
            giving = [giving[i] for i in sorted(range(len(giving)), key=lambda i: -int(words[i]))[:left]]
        for number in giving:
            shares[number] += 1
        left -= len(giving)
    return [(members, shares[number]) for number, members in bins.items()]


def flat(draw):
    """(certain, pool behind them, law): what a draw of draws comes to; no pool is all."""
    if isinstance(draw, hm.TopThen):
        top, pool, law = flat(draw.draw)
        return draw.n_top + top, pool, law
    if isinstance(draw, hm.Among):
        top, pool, law = flat(draw.draw)
        if isinstance(law, hm.Top):
            return draw.pool, 0, hm.Uniform()
        top = min(top, draw.pool)
        return top, draw.pool - top if pool is None else min(draw.pool - top, pool), law
    return 0, None, draw


def apart(draw, survivors, n, resembles, *, p, seed, epoch, query_key, document_keys):
    """Indices of the chosen, in order, and of those passed over: met one by one, none that resembles a chosen one."""
    top, pool, law = flat(draw)
    if pool is not None:
        survivors = survivors[: top + pool]
    chosen, passed, met = [], [], 0

    def offer(index):
        is_near = any(resembles(survivors[index][1], survivors[other][1]) for other in chosen)
        (passed if is_near else chosen).append(index)

    while met < len(survivors) and len(chosen) < (n if isinstance(law, hm.Top) else min(top, n)):
        offer(met)
        met += 1
    rest = survivors[met:]
    if isinstance(law, hm.Top) or not rest or len(chosen) == n:
        return sorted(chosen), passed
    noisy = {"seed": seed, "epoch": epoch, "query_key": query_key}
    if isinstance(law, hm.Stratified):
        left = []
        for members, share in shares_of(law, rest, n - len(chosen), **noisy):
            inside = [rest[i] for i in members]
            order = sequence(hm.Uniform(), inside, len(inside), p=0.0, document_keys=document_keys, **noisy)
            goal = len(chosen) + share
            for i in order:
                if len(chosen) < goal:
                    offer(met + members[i])
                else:
                    left.append(met + members[i])
    else:
        left = [met + i for i in sequence(law, rest, len(rest), p=p, document_keys=document_keys, **noisy)]
    for index in left:
        if len(chosen) < n:
            offer(index)
    return sorted(chosen), passed


def bin_of(draw, survivor, survivors):
    """Number of the survivor's bin, counted from the hardest down."""
    if draw.by == "rank":
        first, last = survivors[0][3], survivors[-1][3]
        return (survivor[3] - first) * draw.bins // (last - first + 1)
    high, score, low = (Fraction(float(each[2])) for each in (survivors[0], survivor, survivors[-1]))
    if high == low:
        return 0
    return min((high - score) * draw.bins // (high - low), draw.bins - 1)


def fill(found, known, excluded, documents, count, resembles, *, seed, epoch, query_key):
    """Floyd's sampling over the documents that are left; in rounds where some resemble others."""
    taken = []
    for arrival in range(64):
        left = [document for document in range(documents) if document not in excluded]
        missing = min(count - len(taken), len(left))
        if not missing:
            break
        key = noise.stream_key(seed, epoch, noise.FILL, arrival)
        drawn = set()
        for step, last in enumerate(range(len(left) - missing, len(left))):
            word = int(noise.bits(key, query_key, np.array([step], np.uint64))[0])
            pick = word * (last + 1) >> 64
            drawn.add(last if pick in drawn else pick)
        for document in sorted(left[index] for index in drawn):
            others = [*known, *taken, *(item[0] for item in found)]
            if not any(resembles(document, other) for other in others):
                taken.append(document)
            excluded = excluded | {document}
    return found + [(document, math.nan, 0) for document in sorted(taken)]


def near(selection, near_groups, embeddings):
    """Whether two documents are near-duplicates."""

    def resembles(a, b):
        if near_groups is not None and near_groups[a] == near_groups[b]:
            return True
        if selection.near_cosine is None:
            return False
        return score_matrix(embeddings[[a]], embeddings[[b]], "cosine")[0, 0] >= np.float32(selection.near_cosine)

    return resembles


def select(
    candidates,
    positives,
    selection,
    *,
    epoch=0,
    query_keys=None,
    document_keys=None,
    document_groups=None,
    exclude=None,
    num_documents=None,
    near_groups=None,
    document_embeddings=None,
    lists_by_pair=False,
    above=None,
):
    """(rows, dropped queries); a row is a dict of what Negatives hold."""
    rows, dropped = [], []
    resembles = near(selection, near_groups, document_embeddings)
    keeps_apart = near_groups is not None or selection.near_cosine is not None
    pairs = [(query, None) for query in range(len(positives))]
    if selection.positive_agg == "each":
        pairs = [(int(query), i) for i, query in enumerate(positives.query_of_each)]
    for row, (query, pair) in enumerate(pairs):
        known = {int(document) for document in positives[query]}
        named = set() if exclude is None else {int(document) for document in exclude[query]}
        twins = set()
        if document_groups is not None:
            groups = {document_groups[document] for document in known}
            twins = {document for document, group in enumerate(document_groups) if group in groups}
        span = slice(positives.offsets[query], positives.offsets[query + 1])
        p = math.nan
        if positives.scores is not None:
            p = float(positives.scores[pair]) if pair is not None else aggregate(
                positives.scores[span], selection.positive_agg
            )  # fmt: skip
        which = row if lists_by_pair else query
        start, end = candidates.offsets[which : which + 2]
        reasons = dict.fromkeys(REASONS, 0)
        for name, counts in (candidates.reasons or {}).items():
            reasons[name] += int(counts[which])
        survivors, removed = [], 0
        for index, position in enumerate(range(start, end)):
            document, score = int(candidates.ids[position]), candidates.scores[position]

            def under(teacher, position=position, span=span, pair=pair):
                scores = (positives.teacher_scores or {}).get(teacher)
                of_positive = math.nan if scores is None else (
                    float(scores[pair]) if pair is not None else aggregate(scores[span], selection.positive_agg)
                )  # fmt: skip
                return candidates.teacher_scores[teacher][position], of_positive

            anchor = math.nan if candidates.anchor_scores is None else candidates.anchor_scores[position]
            place = (index if candidates.ranks is None else int(candidates.ranks[position]) - 1) - removed
            raw = selection.range_on == "raw"
            if document in known:
                reasons["positive"] += 1
                removed += 1
            elif document in named:
                reasons["excluded"] += 1
                removed += 1
            elif document in twins:
                reasons["duplicate_text"] += 1
                removed += 1
            elif any(resembles(document, other) for other in known):
                reasons["near_duplicate"] += 1
                removed += 1
            elif raw and not _inside(place, selection):
                reasons["outside_window"] += 1
            elif (above is not None and above[position]) or is_above(selection.ceiling, score, anchor, p, under):
                reasons["above_ceiling"] += 1
            elif selection.floor is not None and score < np.float32(selection.floor):
                reasons["below_floor"] += 1
            else:
                survivors.append((position, document, score, place + 1))
        if selection.range_on == "filtered":
            inside = [s for i, s in enumerate(survivors) if _inside(i, selection)]
            reasons["outside_window"] += len(survivors) - len(inside)
            survivors = inside
        n = selection.num_negatives
        query_key = query if query_keys is None else int(query_keys[query]) % 2**64
        noisy = {"seed": selection.seed, "epoch": epoch, "query_key": query_key}
        if keeps_apart:
            chosen, passed = apart(
                selection.draw, survivors, n, resembles, p=p, document_keys=document_keys, **noisy
            )  # fmt: skip
        else:
            chosen, passed = choose(selection.draw, survivors, n, p=p, document_keys=document_keys, **noisy), []
        reasons["near_duplicate"] += len(passed)
        found = [(survivors[i][1], survivors[i][2], survivors[i][3]) for i in chosen]
        reasons["kept"] = len(found)
        reasons["not_drawn"] = len(survivors) - len(found) - len(passed)
        if len(found) < n:
            if selection.on_shortage == "drop":
                dropped.append(query)
                continue
            if selection.on_shortage == "error":
                raise Short(f"query {query} has {len(found)}")
            if selection.on_shortage == "fill":
                listed = {int(document) for document in candidates.ids[start:end]}
                found = fill(
                    found, known, known | named | twins | listed, num_documents, n - len(found), resembles, **noisy
                )
        rows.append(
            {
                "query": query,
                "positive": -1 if pair is None else int(positives.ids[pair]),
                "p": p,
                "found": found,
                "reasons": reasons,
            }
        )
    return rows, dropped


def _inside(place, selection):
    return place >= selection.range_min and (selection.range_max is None or place < selection.range_max)


def anchor_scores(candidates, positives, embeddings):
    """Centred cosines in plain float64."""
    centred = np.asarray(embeddings, np.float64) - np.asarray(embeddings, np.float64).mean(0)
    norms = np.sqrt((centred**2).sum(1))
    out = []
    for query in range(len(candidates)):
        for document in candidates[query].ids:
            best = None
            for positive in positives[query]:
                product = norms[document] * norms[positive]
                c = 0.0 if product == 0 else float(centred[document] @ centred[positive]) / product
                best = c if best is None else max(best, c)
            out.append(0.0 if best is None else best)
    return np.array(out)
