"""SimANS (arXiv 2210.11773): draw negatives whose scores are near the positive's, neither the top nor just any.

Trains a projection over frozen features of the made world. Cosines: a is far above the paper's 0.5, which is meant for
inner products of tens, and b places the peak a little below the positive's score.
"""

from __future__ import annotations

import hardmine as hm
from examples.recipes.shared import Effect, Encoder, Report, Size, World, over_seeds, trained

RULES = {
    "naive": hm.strategies.naive_top_k(4),
    "uniform": hm.Selection(4, ceiling=hm.NoCeiling(), draw=hm.Uniform(), range_max=100),
    "simans": hm.strategies.sim_ans(4, a=100.0, b=-0.2),
}


def run(size: Size) -> Report:
    """All of it."""
    kept: list[float] = []

    def one(seed: int) -> dict[str, float]:
        world = World(seed, size.topics)
        candidates, positives = world.run(world.teacher(seed))
        figures = {"untrained": world.ndcg(Encoder(seed))}
        for name, rule in RULES.items():

            def draw(epoch: int, rule: hm.Selection = rule) -> hm.Negatives:
                return hm.select(candidates, positives, rule, epoch=epoch)

            model, kept[:] = trained(world, draw, steps=size.steps, seed=seed)
            figures[name] = world.ndcg(model)
        return figures

    found = over_seeds(size, one)
    effects = [
        Effect("nDCG@10: ambiguous draws over uniform draws of the same top 100", found["simans"], found["uniform"]),
        Effect("nDCG@10: ambiguous draws over naive top-n", found["simans"], found["naive"]),
    ]
    return Report("projection, made world", effects, kept, (found["untrained"][0], found["simans"][0]))
