"""Neural PG-RANK (arXiv 2310.04407): raise nDCG itself, by the policy gradient of sampled rankings.

Trains a projection over frozen features of the made world on judged candidate lists, from a start that InfoNCE gave;
beside it listwise cross-entropy from the same start, on the same lists and steps.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import torch

import hardmine as hm
from examples.recipes.shared import (
    Effect,
    Encoder,
    Report,
    Size,
    World,
    batches,
    contrast,
    listwise_cross_entropy,
    optimise,
    over_seeds,
)

SCALE = 20.0
"""Cosines to logits of the ranking policy."""


def losses(
    world: World, model: Encoder, lists: torch.Tensor, kind: str, *, steps: int, seed: int
) -> Iterator[torch.Tensor]:
    """Minus the expected nDCG of the policy, or cross-entropy, per batch of judged lists."""
    noise = torch.Generator().manual_seed(seed)
    relevant = torch.from_numpy(world.relevant(lists.numpy(), np.arange(len(lists))))
    for rows in batches(len(lists), 32, steps, seed):
        scores = torch.einsum("bh,bkh->bk", model(world.queries[rows]), model(world.documents[lists[rows]]))
        if kind == "policy":
            yield hm.losses.pg_rank(SCALE * scores, relevant[rows].float(), num_samples=16, generator=noise)
        else:
            yield listwise_cross_entropy(SCALE * scores, relevant[rows])


def run(size: Size) -> Report:
    """All of it."""
    kept: list[float] = []

    def one(seed: int) -> dict[str, float]:
        world = World(seed, size.topics)
        candidates, _ = world.run(world.teacher(seed), k=50)
        lists = torch.from_numpy(candidates.ids.reshape(-1, 50).copy())
        start = Encoder(seed)
        optimise(start, contrast(world, start, None, steps=size.steps // 3, seed=seed))
        figures = {"start": world.ndcg(start)}
        for kind in ("cross-entropy", "policy"):
            model = copy.deepcopy(start)
            kept[:] = optimise(model, losses(world, model, lists, kind, steps=size.steps, seed=seed), rate=0.003)
            figures[kind] = world.ndcg(model)
        return figures

    found = over_seeds(size, one)
    effects = [
        Effect(
            "nDCG@10: policy gradient over its starting point",
            found["policy"],
            found["start"],
            "another loss on the judged lists, which the start has not seen: the next row",
        ),
        Effect(
            "nDCG@10: policy gradient over listwise cross-entropy, same start, lists, steps and rate",
            found["policy"],
            found["cross-entropy"],
            "each loss at its own best rate and scale",
        ),
    ]
    tuned = "scale, rate and steps chosen for the policy gradient on worlds made this way"
    data = "made world, all relevant documents judged"
    return Report("projection", data, tuned, effects, kept, (found["start"][0], found["policy"][0]))
