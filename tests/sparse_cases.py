"""Sparse rows for tests, and the answers for many documents at once."""

from __future__ import annotations

import numpy as np

import hardmine as hm

KINDS = ("counts", "zipf", "signed", "cancelling", "huge", "tiny", "one term", "equal")


def make(kind, num_rows, num_terms, per_row, seed, dtype=np.float32):
    """A dense matrix [num_rows, num_terms] with some `per_row` weights a row, and empty rows."""
    rng = np.random.default_rng(seed)
    popular = 1 / np.arange(1, num_terms + 1)
    chance = np.minimum(per_row * popular / popular.sum(), 0.9)
    present = rng.random((num_rows, num_terms)) < chance
    present[rng.random(num_rows) < 0.03] = False
    weights = rng.exponential(1, present.shape) / np.sqrt(chance)
    if kind == "counts":
        weights = rng.integers(1, 3, present.shape)
    elif kind == "signed":
        weights *= rng.choice([-1, 1], present.shape)
    elif kind == "cancelling":  # sums of exactly 0 and of noise
        weights = rng.choice([-1, 1, 1 + 2.0**-20, -1 - 2.0**-22], present.shape)
    elif kind == "huge":
        most = 6e4 if dtype == np.float16 else 3e38
        weights = np.clip(weights * rng.choice([most / 3, -most / 2], present.shape), -most, most)
    elif kind == "tiny":
        weights *= 1e-7 if dtype == np.float16 else rng.choice([1e-45, 1e-30, -1e-20], present.shape)
    elif kind == "one term":
        present[:, 1:], weights = False, rng.integers(1, 4, present.shape)
    elif kind == "equal":
        weights = np.ones(present.shape)
    return np.where(present, weights, 0).astype(dtype)


def sparse(dense, spread=1):
    """The rows of a dense matrix; term t becomes ``t * spread``."""
    row, term = np.nonzero(dense)
    offsets = np.searchsorted(row, np.arange(len(dense) + 1))
    return hm.SparseRows(offsets, term * spread, dense[row, term])


def scores(queries, documents):
    """float32 [q, d] scores, and whether a term is shared: one product after the other in the order of the terms."""
    total = np.zeros((len(queries), len(documents)))
    shared = np.zeros(total.shape, bool)
    for term in range(queries.shape[1]):
        q, d = queries[:, term].astype(np.float64), documents[:, term].astype(np.float64)
        total += q[:, None] * d
        shared |= (q != 0)[:, None] & (d != 0)
    with np.errstate(over="ignore"):
        return total.astype(np.float32) + np.float32(0), shared


def best(found, shared, k, *, ceiling=None, floor=None, exclude=None, reached=None):
    """Ids and scores of the k best per query that are not below `reached`, and the counts of what was removed."""
    lists, counts = [], {"excluded": [], "above_ceiling": [], "below_floor": []}
    for q, (row, seen) in enumerate(zip(found, shared, strict=True)):
        left_out = np.isin(np.arange(row.size), [] if exclude is None else exclude[q]) & seen
        above = np.zeros_like(seen) if ceiling is None else seen & ~left_out & (row > ceiling[q])
        below = np.zeros_like(seen) if floor is None else seen & ~left_out & ~above & (row < floor[q])
        kept = np.flatnonzero(seen & ~left_out & ~above & ~below)
        order = kept[np.lexsort((kept, -row[kept]))][:k]
        order = order if reached is None else order[~(row[order] < reached[q])]
        lists.append((order.tolist(), row[order]))
        for name, removed in zip(counts, (left_out, above, below), strict=True):
            counts[name].append(int(removed.sum()))
    return lists, counts


def agree(found, wanted):
    """Candidates against `best`: ids, bits of scores, counts, ranks."""
    lists, counts = wanted
    assert [row.ids.tolist() for row in found] == [ids for ids, _ in lists]
    assert found.scores.tobytes() == np.concatenate([np.empty(0, np.float32), *(row for _, row in lists)]).tobytes()
    for name, count in counts.items():
        assert (found.reasons or {}).get(name, np.zeros(len(lists), np.int64)).tolist() == count, name
    if found.ranks is not None:
        above = np.repeat(counts["above_ceiling"], [len(ids) for ids, _ in lists])
        place = np.array([i for ids, _ in lists for i in range(len(ids))])
        assert found.ranks.tolist() == (above + place + 1).tolist()


def limits_for(found, shared, seed=0):
    """Ceilings and floors that equal scores of some documents, and exclusions."""
    rng = np.random.default_rng(seed)
    ranked = np.sort(np.where(shared, found, np.float32(0)), axis=1)
    n = found.shape[1]
    ceiling, floor = ranked[:, n - 1 - n // 50].copy(), ranked[:, n // 4].copy()
    ceiling[::3] = np.nextafter(ceiling[::3], np.float32(-np.inf))
    exclude = [rng.integers(0, n, rng.integers(0, 6)).tolist() + np.argsort(-row)[:3].tolist() for row in found]
    return {"ceiling": ceiling, "floor": floor, "exclude": exclude}
