"""SimpleX (arXiv 2109.12613): CCL with a thousand negatives against CCL with ten and against MF-BPR.

Trains user and item vectors. Interactions: those of `cf-lastfm` below ``--data``, else made (users and items with
hidden tastes, popularity like 1 / rank).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

import hardmine as hm
from examples.recipes.shared import Effect, Report, Size, batches, optimise, over_seeds

DIMENSION, BATCH = 64, 1024


class Interactions(NamedTuple):
    """Pairs (user, item) to train on, and the items of each user: seen in training, and held out."""

    pairs: np.ndarray
    seen: hm.Positives
    held_out: hm.Positives
    num_items: int


def read(folder: Path) -> Interactions:
    """LightGCN's format: a line for each user, its number and then its items."""

    def lists(name: str) -> list[list[int]]:
        rows = [list(map(int, line.split())) for line in (folder / name).read_text().splitlines()]
        found: list[list[int]] = [[] for _ in range(max(row[0] for row in rows) + 1)]
        for user, *items in rows:
            found[user] = sorted(set(items))
        return found

    return interactions(lists("train.txt"), lists("test.txt"))


def interactions(seen: list[list[int]], held_out: list[list[int]]) -> Interactions:
    """Of item lists by user."""
    count = max(len(seen), len(held_out))
    seen, held_out = ([*lists, *[[]] * (count - len(lists))] for lists in (seen, held_out))
    pairs = np.array([(user, item) for user, items in enumerate(seen) for item in items])
    num_items = 1 + max(item for items in [*seen, *held_out] for item in items)
    return Interactions(pairs, hm.Positives.from_lists(seen), hm.Positives.from_lists(held_out), num_items)


def made(topics: int, seed: int) -> Interactions:
    """Users like items of their taste, popular ones more; a quarter of what they like is held out."""
    rng = np.random.default_rng(seed)
    users, items = 30 * topics, 100 * topics
    tastes, kinds = (rng.normal(size=(count, 8)) for count in (users, items))
    appeal = tastes @ kinds.T - np.log1p(rng.permutation(items)) + rng.gumbel(size=(users, items))
    liked = rng.permuted(hm.topk(appeal, 24).ids.reshape(users, 24), axis=1)
    return interactions(np.sort(liked[:, :18], 1).tolist(), np.sort(liked[:, 18:], 1).tolist())


class Factors(torch.nn.Module):
    """Matrix factorisation."""

    def __init__(self, data: Interactions, seed: int) -> None:
        super().__init__()
        noise = torch.Generator().manual_seed(seed)
        self.users = torch.nn.Parameter(0.1 * torch.randn(len(data.seen), DIMENSION, generator=noise))
        self.items = torch.nn.Parameter(0.1 * torch.randn(data.num_items, DIMENSION, generator=noise))


def losses(model: Factors, data: Interactions, kind: str, *, steps: int, seed: int) -> Iterator[torch.Tensor]:
    """CCL on cosines with that many negatives, or BPR on inner products with one."""
    count = 1 if kind == "bpr" else int(kind)
    for step, rows in enumerate(batches(len(data.pairs), BATCH, steps, seed)):
        users, items = data.pairs[rows].T
        drawn = hm.sample_uniform(len(rows), count, data.num_items, seed=seed, epoch=step, replace=True)
        if kind == "bpr":
            user, item, other = model.users[users], model.items[items], model.items[drawn]
            yield hm.losses.bpr(
                (user * item).sum(1), torch.einsum("bh,bnh->bn", user, other), user, item, other, l2=1e-4
            )
        else:
            # One product of the users with all items costs less than a thousand vectors for each user.
            cosines = functional.normalize(model.users[users]) @ functional.normalize(model.items).T
            positives = cosines.gather(1, torch.from_numpy(items[:, None]))[:, 0]
            yield hm.losses.ccl(positives, cosines.gather(1, torch.from_numpy(drawn)), margin=0.7, negative_weight=50.0)


@torch.no_grad()
def recall_and_ndcg(model: Factors, data: Interactions, *, cosine: bool) -> tuple[float, float]:
    """Recall@20 and nDCG@20 over the items that were not seen in training."""
    users, items = model.users, model.items
    if cosine:
        users, items = functional.normalize(users), functional.normalize(items)
    found = hm.topk((users @ items.T).numpy(), 20, exclude=(data.seen.offsets, data.seen.ids)).padded()[0]
    owners = np.repeat(np.arange(len(found)), np.diff(data.held_out.offsets))
    held = owners * data.num_items + data.held_out.ids
    hits = np.isin(np.arange(len(found))[:, None] * data.num_items + found, held)
    counts = np.diff(data.held_out.offsets)
    discounts = 1 / np.log2(np.arange(2, 22))
    some = counts > 0
    ideal = np.concatenate([[0], np.cumsum(discounts)])[np.minimum(counts, 20)]
    return float((hits.sum(1) / np.maximum(counts, 1))[some].mean()), float(
        ((hits @ discounts)[some] / ideal[some]).mean()
    )


def run(size: Size) -> Report:
    """All of it."""
    kept: list[float] = []
    real, size = None, size._replace(seeds=min(size.seeds, 5))
    if size.data is not None:
        real, size = read(size.data / "cf-lastfm"), size._replace(seeds=3)  # a minute for each model

    def one(seed: int) -> dict[str, float]:
        data = real or made(size.topics, seed)
        figures = {}
        for kind in ("untrained", "bpr", "10", "1000"):
            model = Factors(data, seed)
            if kind != "untrained":
                kept[:] = optimise(model, losses(model, data, kind, steps=size.steps, seed=seed))
            figures[f"recall {kind}"], figures[f"ndcg {kind}"] = recall_and_ndcg(model, data, cosine=kind != "bpr")
        return figures

    found = over_seeds(size, one)
    effects = [
        Effect(
            f"{label}: CCL with 1,000 negatives over {peer}", found[f"{metric} 1000"], found[f"{metric} {kind}"], lacks
        )
        for kind, peer, lacks in (
            ("bpr", "MF-BPR", "BPR with 1,000 negatives; training to convergence; each arm at its own best rate"),
            ("10", "CCL with 10", "training to convergence; margin and weight chosen for 10 as well"),
        )
        for metric, label in (("recall", "Recall@20"), ("ndcg", "nDCG@20"))
    ]
    if real is None:
        data, tuned = "made interactions", "margin, weight, rate and steps chosen on interactions made this way"
    else:
        data = "real: cf-lastfm; the seeds differ in training alone, users and split are the same"
        tuned = "one rate and as many steps for every arm; its validation part is not used"
    return Report("factors", data, tuned, effects, kept, (found["ndcg untrained"][0], found["ndcg 1000"][0]))
