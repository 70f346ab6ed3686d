"""STAR and ADORE (arXiv 2104.08051): static hard negatives beside random ones; then fresh negatives every step.

Trains a projection over frozen features of the made world, all relevant documents labelled. ADORE's half trains the
query side alone, against documents as a model left them that has seen random negatives.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import torch

import hardmine as hm
from examples.recipes.shared import Effect, Encoder, Report, Size, World, batches, optimise, over_seeds

DEPTH, SCALE = 50, 20.0
"""How deep to search; cosines to logits."""


def star(
    world: World, model: Encoder, run: hm.Candidates, labels: hm.Positives, *, hard: bool, steps: int, seed: int
) -> Iterator[torch.Tensor]:
    """RankNet against the other queries' documents, and against one of the query's static hard negatives."""
    rule = hm.strategies.static_hard(1, depth=DEPTH)
    for step, rows in enumerate(batches(world.labels.size, 32, steps, seed)):
        documents = world.labels[rows]
        queries, positives = model(world.queries[rows]), model(world.documents[documents])
        scores = SCALE * queries @ positives.T
        mask = torch.from_numpy(world.relevant(np.tile(documents, (len(rows), 1)), rows))
        if hard:
            drawn = hm.select(run.take(rows), labels.take(rows), rule, epoch=step, query_keys=rows).ids.copy()
            own = (queries * model(world.documents[drawn])).sum(1, keepdim=True)
            scores = torch.cat([scores, SCALE * own], 1)
            mask = torch.cat([mask, torch.zeros(len(rows), 1, dtype=torch.bool)], 1)
        yield hm.losses.rank_net(scores.diagonal(), scores, mask=mask)


def adore(
    world: World, model: Encoder, documents: torch.Tensor, labels: hm.Positives, *, fresh: bool, steps: int, seed: int
) -> Iterator[torch.Tensor]:
    """Lambda-weighted pairs of what the index gives for the queries: as they are now, or as they were at the start."""
    miner = hm.DynamicMiner(documents.numpy(), labels, k=DEPTH)
    with torch.no_grad():
        first = model(world.queries)
    for rows in batches(world.labels.size, 32, steps, seed):
        vectors = model(world.queries[rows])
        lists = miner.lists(vectors if fresh else first[rows], rows).torch()
        scores = SCALE * torch.einsum("bh,bkh->bk", vectors, documents[lists.ids.clamp(min=0)])
        yield hm.losses.adore(scores, lists.relevant, mask=lists.mask, ranks=lists.ranks)


def run(size: Size) -> Report:
    """All of it."""
    kept: list[float] = []

    def one(seed: int) -> dict[str, float]:
        world = World(seed, size.topics)
        candidates, _ = world.run(world.teacher(seed), k=DEPTH)
        relevant = world.query_concepts[:, None] * World.DOCUMENTS + np.arange(World.DOCUMENTS)
        labels = hm.Positives.from_lists(relevant.tolist())
        figures = {"untrained": world.ndcg(Encoder(seed))}
        for name, hard in (("random", False), ("star", True)):
            model = Encoder(seed)
            kept[:] = optimise(model, star(world, model, candidates, labels, hard=hard, steps=size.steps, seed=seed))
            figures[name] = world.ndcg(model)
        # ADORE starts where the model has seen random negatives alone, a third of the way.
        base = Encoder(seed)
        optimise(base, star(world, base, candidates, labels, hard=False, steps=size.steps // 3, seed=seed))
        documents = base(world.documents).detach()
        for name, fresh in (("static", False), ("adore", True)):
            queries = copy.deepcopy(base)
            optimise(
                queries, adore(world, queries, documents, labels, fresh=fresh, steps=size.steps, seed=seed), rate=0.003
            )
            figures[name] = world.ndcg(base, queries)
        return figures

    found = over_seeds(size, one)
    effects = [
        Effect(
            "nDCG@10: STAR, hard and random negatives over random ones",
            found["star"],
            found["random"],
            "one more random negative in the hard one's place; a world with unlabelled relevant documents",
        ),
        Effect(
            "nDCG@10: ADORE, a search each step over the search at the start",
            found["adore"],
            found["static"],
            "the search renewed every so many steps; random negatives at as many steps",
        ),
    ]
    tuned = "steps and rates chosen on worlds made this way"
    data = "made world, all relevant documents labelled"
    return Report("projection", data, tuned, effects, kept, (found["untrained"][0], found["star"][0]))
