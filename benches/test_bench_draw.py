"""P4b: uniform and weighted draws with exclusions; P4-draw: the kernel of `select`; P8-draw: two threads against one.

`HARDMINE_BENCH_SCALE` below 1 shrinks the number of rows, for a smoke run.
"""

from __future__ import annotations

import os

import numpy as np
import pytest

import hardmine as hm
import hardmine._native as _native

SCALE = float(os.environ.get("HARDMINE_BENCH_SCALE", "1"))
NUM_USERS, NUM_ITEMS, NUM_DRAWS, NUM_SEEN = max(int(1000 * SCALE), 4), 40_000, 1000, 50
NUM_QUERIES, NUM_CANDIDATES, NUM_NEGATIVES = max(int(100_000 * SCALE), 100), 100, 8
THREADS = min(2, _native.available_threads())
UNIFORM_CASE = f"{NUM_USERS} users x {NUM_DRAWS} of {NUM_ITEMS} items, {NUM_SEEN} excluded"
DRAW_CASE = f"{NUM_QUERIES} x {NUM_CANDIDATES}, n = {NUM_NEGATIVES}"


@pytest.fixture(scope="module")
def seen():
    """Items of every user as CSR: popular ones more often."""
    rng = np.random.default_rng(0)
    lists = [np.unique((rng.random(NUM_SEEN) ** 3 * NUM_ITEMS).astype(np.int64)) for _ in range(NUM_USERS)]
    offsets = np.concatenate([[0], np.cumsum([len(items) for items in lists])])
    return offsets.astype(np.int64), np.concatenate(lists)


@pytest.fixture(scope="module")
def weights():
    """Popularity to the power 0.75."""
    return (1.0 / np.arange(1, NUM_ITEMS + 1)) ** 0.75


@pytest.fixture(scope="module")
def log_weights():
    """SimANS over descending scores, as a run gives them."""
    rng = np.random.default_rng(0)
    scores = np.sort(rng.normal(0.5, 0.1, (NUM_QUERIES, NUM_CANDIDATES)).astype(np.float32), axis=1)[:, ::-1]
    return np.ascontiguousarray(-50.0 * (scores - 0.65) ** 2, dtype=np.float32)


# Without replacement


def hardmine_uniform(seen, threads=THREADS):
    return hm.sample_uniform(NUM_USERS, NUM_DRAWS, NUM_ITEMS, exclude=seen, seed=0, num_threads=threads)


def numpy_uniform(seen):
    """What is left of the items, then a choice without replacement, user after user."""
    rng = np.random.default_rng(0)
    offsets, ids = seen
    out = np.empty((NUM_USERS, NUM_DRAWS), np.int64)
    left = np.ones(NUM_ITEMS, bool)
    for user in range(NUM_USERS):
        gone = ids[offsets[user] : offsets[user + 1]]
        left[gone] = False
        out[user] = rng.choice(np.flatnonzero(left), NUM_DRAWS, replace=False)
        left[gone] = True
    return out


def numpy_keys(seen):
    """A random key for every cell, then a partial sort: no loop over users but for the memory."""
    rng = np.random.default_rng(0)
    offsets, ids = seen
    out = np.empty((NUM_USERS, NUM_DRAWS), np.int64)
    for first in range(0, NUM_USERS, 100):
        last = min(first + 100, NUM_USERS)
        keys = rng.random((last - first, NUM_ITEMS), dtype=np.float32)
        rows = np.repeat(np.arange(last - first), np.diff(offsets[first : last + 1]))
        keys[rows, ids[offsets[first] : offsets[last]]] = np.inf
        out[first:last] = np.argpartition(keys, NUM_DRAWS, axis=1)[:, :NUM_DRAWS]
    return out


@pytest.mark.benchmark(group="P4b")
@pytest.mark.parametrize("peer", [hardmine_uniform, numpy_uniform, numpy_keys], ids=lambda f: f.__name__)
def test_uniform(record, seen, peer):
    name = {"hardmine_uniform": "hardmine", "numpy_uniform": "numpy choice", "numpy_keys": "numpy argpartition"}
    drawn = record(name[peer.__name__], UNIFORM_CASE).pedantic(peer, args=(seen,), rounds=3, warmup_rounds=1)
    check(drawn, seen, distinct=True)


# With replacement


def hardmine_alias(seen, weights, threads=THREADS):
    return hm.AliasTable(weights).sample(NUM_USERS, NUM_DRAWS, exclude=seen, seed=0, num_threads=threads)


def numpy_inverse(seen, weights):
    """Inverse of the running sum, and again for those that hit an exclusion, all users at once."""
    rng = np.random.default_rng(0)
    sums = np.cumsum(weights)
    return redraw(seen, lambda size: np.searchsorted(sums, rng.random(size) * sums[-1], side="right"))


def recbole_loop(seen, weights):
    """The way of RecBole: alias table, all slots at once, then again for those that hit an exclusion, set by set."""
    rng = np.random.default_rng(0)
    threshold, alias = vose(weights)
    offsets, ids = seen
    used = [set(ids[offsets[user] : offsets[user + 1]].tolist()) for user in range(NUM_USERS)]

    def sample(size):
        place = rng.integers(0, NUM_ITEMS, size)
        return np.where(rng.random(size) < threshold[place], place, alias[place])

    users = np.repeat(np.arange(NUM_USERS), NUM_DRAWS)
    out = np.zeros(users.size, np.int64)
    check_list = np.arange(users.size)
    while len(check_list) > 0:
        out[check_list] = sample(len(check_list))
        check_list = np.array(
            [
                i
                for i, user, item in zip(check_list, users[check_list], out[check_list], strict=True)
                if item in used[user]
            ],
            dtype=np.int64,
        )
    return out.reshape(NUM_USERS, NUM_DRAWS)


def redraw(seen, sample):
    """Draw all slots, then again those whose item the user has seen."""
    offsets, ids = seen
    taken = np.zeros((NUM_USERS, NUM_ITEMS), bool)
    taken[np.repeat(np.arange(NUM_USERS), np.diff(offsets)), ids] = True
    users = np.repeat(np.arange(NUM_USERS), NUM_DRAWS)
    out = sample(users.size)
    again = np.flatnonzero(taken[users, out])
    while again.size:
        out[again] = sample(again.size)
        again = again[taken[users[again], out[again]]]
    return out.reshape(NUM_USERS, NUM_DRAWS)


def vose(weights):
    """An alias table in plain Python."""
    share = (weights / weights.sum() * len(weights)).tolist()
    threshold, alias = np.ones(len(share)), np.arange(len(share))
    small = [i for i, s in enumerate(share) if s < 1]
    large = [i for i, s in enumerate(share) if s >= 1]
    while small and large:
        low, high = small.pop(), large[-1]
        threshold[low], alias[low] = share[low], high
        share[high] -= 1 - share[low]
        if share[high] < 1:
            small.append(large.pop())
    return threshold, alias


@pytest.mark.benchmark(group="P4b")
@pytest.mark.parametrize("peer", [hardmine_alias, numpy_inverse, recbole_loop], ids=lambda f: f.__name__)
def test_alias(record, seen, weights, peer):
    name = {"hardmine_alias": "hardmine", "numpy_inverse": "numpy searchsorted", "recbole_loop": "RecBole-style loop"}
    case = f"weighted, table included: {NUM_USERS} x {NUM_DRAWS} of {NUM_ITEMS}"
    drawn = record(name[peer.__name__], case).pedantic(peer, args=(seen, weights), rounds=3, warmup_rounds=1)
    check(drawn, seen, distinct=False)
    popular = (drawn < 100).mean()
    offsets, ids = seen
    left = np.ones((NUM_USERS, NUM_ITEMS), bool)
    left[np.repeat(np.arange(NUM_USERS), np.diff(offsets)), ids] = False
    expected = ((left[:, :100] * weights[:100]).sum(1) / (left * weights).sum(1)).mean()
    assert abs(popular - expected) < 0.02


def check(drawn, seen, *, distinct):
    """Every item is one that the user has not seen."""
    assert drawn.shape == (NUM_USERS, NUM_DRAWS)
    offsets, ids = seen
    for user in range(0, NUM_USERS, max(NUM_USERS // 20, 1)):
        assert not np.isin(drawn[user], ids[offsets[user] : offsets[user + 1]]).any()
        assert not distinct or np.unique(drawn[user]).size == NUM_DRAWS


# The kernel under select


def hardmine_draw(log_weights, threads=THREADS):
    return hm.draw(log_weights, NUM_NEGATIVES, seed=0, num_threads=threads)


def numpy_gumbel(log_weights):
    rng = np.random.default_rng(0)
    keys = log_weights + rng.gumbel(size=log_weights.shape)
    return np.argpartition(-keys, NUM_NEGATIVES, axis=1)[:, :NUM_NEGATIVES]


def torch_multinomial(log_weights):
    import torch

    weights = torch.from_numpy(log_weights).exp()
    return torch.multinomial(weights, NUM_NEGATIVES, replacement=False).numpy()


@pytest.mark.benchmark(group="P4-draw")
@pytest.mark.parametrize("peer", [hardmine_draw, numpy_gumbel, torch_multinomial], ids=lambda f: f.__name__)
def test_draw(record, log_weights, peer):
    name = {"hardmine_draw": "hardmine", "numpy_gumbel": "numpy gumbel", "torch_multinomial": "torch.multinomial"}
    drawn = record(name[peer.__name__], DRAW_CASE).pedantic(peer, args=(log_weights,), rounds=7, warmup_rounds=1)
    shares = np.bincount(drawn.ravel(), minlength=NUM_CANDIDATES) / drawn.size
    expected = np.bincount(hardmine_draw(log_weights).ravel(), minlength=NUM_CANDIDATES) / drawn.size
    assert np.abs(shares - expected).max() < 0.01


@pytest.mark.benchmark(group="P8-draw")
@pytest.mark.parametrize("threads", [THREADS, 1], ids=["all", "one"])
@pytest.mark.parametrize("work", ["draw", "uniform", "alias"])
def test_threads(record, seen, weights, log_weights, work, threads):
    peer = record("hardmine" if threads > 1 else "hardmine, 1 thread", f"{work}, 2 threads against 1")
    if work == "draw":
        peer.pedantic(hardmine_draw, args=(log_weights, threads), rounds=7, warmup_rounds=1)
    elif work == "uniform":
        peer.pedantic(hardmine_uniform, args=(seen, threads), rounds=7, warmup_rounds=1)
    else:
        peer.pedantic(hardmine_alias, args=(seen, weights, threads), rounds=7, warmup_rounds=1)
