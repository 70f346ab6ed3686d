"""CET-style (after arXiv 2209.05072): who was pooled for labelling decides who has a label; learn both together.

Trains a projection over frozen features of the made world. A relevant document is labelled with a probability that
falls with its rank in an old, weak retriever; candidates come from a strong one, so that its top holds relevant
documents nobody labelled. The selection model is a line over the logarithm of the old rank.
"""

from __future__ import annotations

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
    listwise_cross_entropy,
    optimise,
    over_seeds,
)

DEPTH, TEMPERATURE = 30, 0.05


class Lists:
    """Candidates of the strong retriever, their ranks in the weak one, and who was labelled."""

    def __init__(self, world: World, seed: int) -> None:
        strong, _ = world.run(world.teacher(seed), k=DEPTH)
        queries, documents = world.teacher(seed + 1000, 1.0, (1.0, 0.3, 0.1, 0.3))
        ids = strong.ids.reshape(-1, DEPTH)
        scores = queries @ documents.T
        old = (scores[:, None, :] > np.take_along_axis(scores, ids, 1)[:, :, None]).sum(2)
        relevant = world.relevant(ids, np.arange(len(ids)))
        chance = 1 / (1 + old / 2)
        labelled = relevant & (np.random.default_rng([seed, 3]).random(ids.shape) < chance)
        kept = labelled.any(1)
        self.queries, self.ids = np.flatnonzero(kept), torch.from_numpy(ids[kept].copy())
        self.log_rank = torch.from_numpy(np.log1p(old[kept])).float()
        self.labelled, self.relevant = torch.from_numpy(labelled[kept]), torch.from_numpy(relevant[kept])


class Model(torch.nn.Module):
    """Relevance by the encoder, selection by the old rank."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.encoder, self.slope = Encoder(seed), torch.nn.Parameter(torch.zeros(()))


def losses(world: World, lists: Lists, model: Model, kind: str, *, steps: int, seed: int) -> Iterator[torch.Tensor]:
    """Softmax over the list with what is labelled as positive, or coupled with the selection, or with all labels."""
    rng = np.random.default_rng([seed, 4])
    for rows in batches(len(lists.ids), 32, steps, seed):
        ids, labelled = lists.ids[rows], lists.labelled[rows]
        if kind == "random":
            drawn = torch.from_numpy(rng.integers(0, len(world.documents), ids.shape))
            ids = torch.where(labelled, ids, drawn)
        documents = model.encoder(world.documents[ids])
        scores = torch.einsum("bh,bkh->bk", model.encoder(world.queries[lists.queries[rows]]), documents) / TEMPERATURE
        if kind == "coupled":
            yield hm.losses.coupled_estimation(scores, -model.slope * lists.log_rank[rows], labelled).total
        else:
            yield listwise_cross_entropy(scores, lists.relevant[rows] if kind == "full" else labelled)


def run(size: Size) -> Report:
    """All of it."""
    kept: list[float] = []

    def one(seed: int) -> dict[str, float]:
        world = World(seed, max(size.topics, 20))
        lists = Lists(world, seed)
        figures = {"untrained": world.ndcg(Encoder(seed))}
        for kind in ("full", "random", "naive", "coupled"):
            model = Model(seed)
            kept[:] = optimise(model, losses(world, lists, model, kind, steps=max(size.steps, 200), seed=seed))
            figures[kind] = world.ndcg(model.encoder)
        return figures

    found = over_seeds(size, one)
    effects = [
        Effect(
            "nDCG@10: random negatives over naive hard ones of the strong retriever",
            found["random"],
            found["naive"],
            "a ceiling on the hard ones",
        ),
        Effect(
            "nDCG@10: coupled estimate over naive hard negatives",
            found["coupled"],
            found["naive"],
            "random negatives: the next row; a ceiling on the same lists",
        ),
        Effect(
            "nDCG@10: coupled estimate over random negatives",
            found["coupled"],
            found["random"],
            "a mixture of random negatives and the coupled estimate",
        ),
        Effect(
            "nDCG@10: all labels over the coupled estimate (what is left)",
            found["full"],
            found["coupled"],
            "a corrected estimate given the true chance of a label",
        ),
    ]
    tuned = "temperature, steps and the chance of a label chosen on worlds made this way"
    return Report("projection", "made world", tuned, effects, kept, (found["untrained"][0], found["coupled"][0]))
