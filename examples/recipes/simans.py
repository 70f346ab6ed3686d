"""SimANS (arXiv 2210.11773): draw negatives whose scores are near the positive's, neither the top nor just any.

Trains a projection over frozen features of the made world. Cosines: a is far above the paper's 0.5, which is meant for
inner products of tens. b = -0.2 places the peak a little below the positive's score and was chosen on this world;
b = 0 is the paper's setting for most of its collections.
"""

from __future__ import annotations

import hardmine as hm
from examples.recipes.shared import Effect, Encoder, Report, Size, World, over_seeds, trained

RULES = {
    "naive": hm.strategies.naive_top_k(4),
    "uniform": hm.Selection(4, ceiling=hm.NoCeiling(), draw=hm.Uniform(), range_max=100),
    "tuned": hm.strategies.sim_ans(4, a=100.0, b=-0.2),
    "b = 0": hm.strategies.sim_ans(4, a=100.0, b=0.0),
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
    lacks = {
        "uniform": "uniform draws from a window chosen as b was; a ceiling on either side",
        "naive": "a ceiling on naive's side: naive holds every false negative",
    }
    effects = [
        Effect(f"nDCG@10: SimANS, a = 100, {label}, over {peer}", found[name], found[base], lacks[base])
        for name, label in (("tuned", "b = -0.2 (tuned)"), ("b = 0", "b = 0"))
        for base, peer in (("uniform", "uniform draws of the same top 100"), ("naive", "naive top-n"))
    ]
    tuned = "a and b = -0.2 chosen on worlds made this way; b = 0 is the paper's"
    return Report("projection", "made world", tuned, effects, kept, (found["untrained"][0], found["tuned"][0]))
