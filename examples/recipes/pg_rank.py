"""Neural PG-RANK (arXiv 2310.04407): raise nDCG itself, by the policy gradient of sampled rankings.

Trains a projection over frozen features of the made world on judged candidate lists, from a start that InfoNCE gave.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import torch

import hardmine as hm
from examples.recipes.shared import Effect, Encoder, Report, Size, World, batches, contrast, optimise, over_seeds

SCALE = 20.0
"""Cosines to logits of the ranking policy."""


def losses(world: World, model: Encoder, lists: torch.Tensor, *, steps: int, seed: int) -> Iterator[torch.Tensor]:
    """Minus the expected nDCG of the policy, per batch of judged lists."""
    noise = torch.Generator().manual_seed(seed)
    gains = torch.from_numpy(world.relevant(lists.numpy(), np.arange(len(lists)))).float()
    for rows in batches(len(lists), 32, steps, seed):
        scores = torch.einsum("bh,bkh->bk", model(world.queries[rows]), model(world.documents[lists[rows]]))
        yield hm.losses.pg_rank(SCALE * scores, gains[rows], num_samples=16, generator=noise)


def gradient_error(seed: int, samples: int) -> float:
    """Largest difference between the sampled gradient and that of the expectation over all rankings of 4 documents."""
    noise = torch.Generator().manual_seed(seed)
    scores = torch.randn(1, 4, generator=noise, dtype=torch.float64, requires_grad=True)
    gains = torch.tensor([[1.0, 0.0, 1.0, 0.0]], dtype=torch.float64)
    rankings = torch.tensor(list(itertools.permutations(range(4))))[:, None]
    chances = hm.losses.plackett_luce_log_probability(scores, rankings).exp()
    exact = torch.autograd.grad(-(chances * hm.losses.ndcg(gains, rankings)).sum(), scores)[0]
    sampled = hm.losses.pg_rank(scores, gains, num_samples=samples, generator=noise)
    return (torch.autograd.grad(sampled, scores)[0] - exact).abs().max().item()


def run(size: Size) -> Report:
    """All of it."""
    kept: list[float] = []

    def one(seed: int) -> dict[str, float]:
        world = World(seed, size.topics)
        candidates, _ = world.run(world.teacher(seed), k=50)
        lists = torch.from_numpy(candidates.ids.reshape(-1, 50).copy())
        model = Encoder(seed)
        optimise(model, contrast(world, model, None, steps=size.steps // 3, seed=seed))
        figures = {"start": world.ndcg(model)}
        kept[:] = optimise(model, losses(world, model, lists, steps=size.steps, seed=seed), rate=0.003)
        return figures | {"trained": world.ndcg(model), "error": gradient_error(seed, 12_800), "bound": 0.01}

    found = over_seeds(size, one)
    effects = [
        Effect("nDCG@10: policy gradient over its starting point", found["trained"], found["start"]),
        Effect("gradient of 12,800 samples off the enumerated one by less than 0.01", found["bound"], found["error"]),
    ]
    return Report("projection, made world", effects, kept, (found["start"][0], found["trained"][0]))
