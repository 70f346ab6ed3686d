"""Triplets and the memory bank against their PyTorch forms, at the sizes of a training step."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch

import hardmine as hm
import hardmine._native as _native

SCALE = float(os.environ.get("HARDMINE_BENCH_SCALE", "1"))
THREADS = min(2, _native.available_threads())
ROUNDS = {"rounds": 9, "iterations": 1, "warmup_rounds": 2}
MARGIN = 0.25


def torch_triplets(distances, labels, kind):
    """What a training loop writes today: a mask over all b * b * b triples."""
    same = labels[:, None] == labels[None, :]
    others = ~torch.eye(len(labels), dtype=torch.bool)
    to_p, to_n = distances[:, :, None], distances[:, None, :]
    if kind == "batch_hard":
        p = distances.masked_fill(~(same & others), -torch.inf).argmax(1)
        n = distances.masked_fill(same, torch.inf).argmin(1)
        return torch.stack([torch.arange(len(labels)), p, n], 1)
    valid = (same & others)[:, :, None] & ~same[:, None, :]
    if kind == "hard":
        valid &= to_n <= to_p
    elif kind == "semi_hard":
        valid &= (to_p < to_n) & (to_n < to_p + MARGIN)
    return valid.nonzero()


def hardmine_triplets(distances, labels, kind):
    return hm.triplets(distances, labels, kind=kind, margin=MARGIN, num_threads=THREADS)


@pytest.mark.benchmark(group="P-triplets")
@pytest.mark.parametrize("peer", ["hardmine", "torch"])
@pytest.mark.parametrize("kind", ["all", "hard", "semi_hard", "batch_hard"])
@pytest.mark.parametrize("size", [64, 256])
def test_triplets(record, peer, kind, size):
    size = max(int(size * SCALE), 16)
    rng = np.random.default_rng(0)
    # Eighths: the float32 sum with the margin is exact.
    distances = torch.from_numpy((rng.integers(0, 17, (size, size)) / 8).astype(np.float32))
    labels = torch.from_numpy(np.arange(size) // 4 if size > 16 else np.arange(size) // 2)
    assert torch.equal(hardmine_triplets(distances, labels, kind), torch_triplets(distances, labels, kind))
    run = hardmine_triplets if peer == "hardmine" else torch_triplets
    torch.set_num_threads(THREADS)
    record(peer, f"triplets, {kind}, {size} items, 4 of each label").pedantic(run, (distances, labels, kind), **ROUNDS)


def torch_hardest(bank, bank_keys, queries, keys, k):
    """The queue of MoCo's code, cut to the hardest."""
    similar = queries @ bank.T
    similar.masked_fill_(keys[:, None] == bank_keys[None, :], -torch.inf)
    return similar.topk(k)


@pytest.mark.benchmark(group="P-bank")
@pytest.mark.parametrize("peer", ["hardmine", "torch"])
@pytest.mark.parametrize(("rows", "size", "h", "k"), [(256, 65_536, 128, 64), (64, 65_536, 384, 256)])
def test_hardest_of_the_bank(record, peer, rows, size, h, k):
    rows, size = max(int(rows * SCALE), 4), max(int(size * SCALE), 2 * k)
    rng = np.random.default_rng(0)
    # Small whole numbers: every dot product is exact in float32, whatever the order of its sums.
    vectors = rng.integers(-3, 4, (size, h)).astype(np.float32)
    queries, keys = rng.integers(-3, 4, (rows, h)).astype(np.float32), rng.integers(0, size, rows)
    bank = hm.MemoryBank(size, h, similarity="dot")
    bank.push(vectors, np.arange(size))
    tensors = [torch.from_numpy(array) for array in (vectors, np.arange(size), queries, keys)]
    found = bank.hardest(queries, k, keys=keys, num_threads=THREADS)
    assert np.array_equal(found.scores.reshape(rows, k), torch_hardest(*tensors, k).values.numpy())
    torch.set_num_threads(THREADS)
    timed = record(peer, f"hardest {k} of {size} vectors of dimension {h}, {rows} queries, own key left out")
    if peer == "hardmine":
        timed.pedantic(bank.hardest, (queries, k), {"keys": keys, "num_threads": THREADS}, **ROUNDS)
    else:
        timed.pedantic(torch_hardest, (*tensors, k), **ROUNDS)
