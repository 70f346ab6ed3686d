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
        Effect(
            "nDCG@10: shifted by 10 over naive top-k",
            found["shifted"],
            found["naive"],
            "no hard negatives; other shifts",
        ),
        Effect(
            "nDCG@10: PercPos 0.95 over shifted",
            found["perc_pos"],
            found["shifted"],
            "no hard negatives; Abs and MarginPos; other shifts",
        ),
        Effect(
            "share of false negatives: half of naive's over PercPos",
            half,
            found["false perc_pos"],
            "rules at equal hardness: a lower score alone means fewer",
        ),
    ]
    for scheme in SCHEMES:
        effects += [
            Effect(
                f"nDCG@10: {scheme} of two teachers, each under PercPos, over naive top-k of one",
                found[scheme],
                found["naive"],
                "two differences at once, the rule and the second teacher: the next row has the rule on both sides",
            ),
            Effect(
                f"nDCG@10: {scheme} of two teachers over one teacher, both under PercPos",
                found[scheme],
                found["perc_pos"],
                "one teacher as good as both together; teachers that differ in kind",
            ),
        ]
    tuned = "the rules are the paper's; world, teachers' noise, steps and rate chosen on worlds made this way"
    return Report("projection", "made world", tuned, effects, kept, (found["untrained"][0], found["perc_pos"][0]))
