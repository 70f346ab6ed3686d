"""NV-Retriever (arXiv 2407.15831): positive-aware mining, and ensembles of two teachers.

Trains a projection over frozen features of the made world; the teachers are two noisy views of the truth.
"""

from __future__ import annotations

import hardmine as hm
from examples.recipes.shared import Effect, Encoder, Report, Size, World, over_seeds, trained

RULES = {
    "naive": hm.strategies.naive_top_k(4),
    "shifted": hm.strategies.shifted_top_k(4, shift=10),
    "perc_pos": hm.strategies.top_k_perc_pos(4, 0.95),
}
SCHEMES = ("cross_sample", "intra_sample", "intra_sample_no_dedup")


def run(size: Size) -> Report:
    """All of it."""
    kept: list[float] = []

    def one(seed: int) -> dict[str, float]:
        world = World(seed, size.topics)
        runs = [world.run(world.teacher(10 * seed + number)) for number in (0, 1)]
        figures = {"untrained": world.ndcg(Encoder(seed))}
        for name, rule in RULES.items():
            found = [hm.select(*each, rule) for each in runs]
            model, losses = trained(world, lambda _, found=found: found[0], steps=size.steps, seed=seed)
            figures[name], figures[f"false {name}"] = world.ndcg(model), world.false_negatives(found[0])
        kept[:] = losses
        for scheme in SCHEMES:
            together = hm.ensemble(found, scheme=scheme, num_negatives=4, seed=seed)
            model, _ = trained(world, lambda _, together=together: together, steps=size.steps, seed=seed)
            figures[scheme] = world.ndcg(model)
        return figures

    found = over_seeds(size, one)
    half = [share / 2 for share in found["false naive"]]
    effects = [
        Effect("nDCG@10: shifted by 10 over naive top-k", found["shifted"], found["naive"]),
        Effect("nDCG@10: PercPos 0.95 over shifted", found["perc_pos"], found["shifted"]),
        Effect("false negatives: PercPos below half of naive's", half, found["false perc_pos"]),
        *(Effect(f"nDCG@10: {s} of two teachers over naive top-k", found[s], found["naive"]) for s in SCHEMES),
    ]
    return Report("projection, made world", effects, kept, (found["untrained"][0], found["perc_pos"][0]))
