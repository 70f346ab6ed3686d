"""R2anker-style (arXiv 2206.08063): negatives drawn from the joint distribution of several retrievers.

Trains a projection over frozen features of the made world. The dense retriever hears meaning at every level; the
lexical one hears the style most of all, as word matching does.
"""

from __future__ import annotations

import hardmine as hm
from examples.recipes.shared import Effect, Encoder, Report, Size, World, over_seeds, trained

RETRIEVERS = {"dense": (1.0, 0.8, 0.4, 0.0), "lexical": (0.5, 0.3, 0.3, 1.0)}


def run(size: Size) -> Report:
    """All of it."""
    kept: list[float] = []
    rule = hm.Selection(4, ceiling=hm.PercPos(0.95), draw=hm.Softmax(0.1), range_max=50)
    lists = rule.replace(num_negatives=50, draw=hm.Top())

    def one(seed: int) -> dict[str, float]:
        world = World(seed, size.topics)
        runs = {name: world.run(world.teacher(seed, 0.2, hears)) for name, hears in RETRIEVERS.items()}
        whole = [hm.select(*found, lists) for found in runs.values()]
        draws = {name: lambda epoch, found=found: hm.select(*found, rule, epoch=epoch) for name, found in runs.items()}
        draws["joint"] = lambda epoch: hm.ensemble(
            whole, scheme="joint", num_negatives=4, temperature=0.1, seed=seed, epoch=epoch
        )
        figures = {"untrained": world.ndcg(Encoder(seed))}
        for name, draw in draws.items():
            model, kept[:] = trained(world, draw, steps=size.steps, seed=seed)
            figures[name] = world.ndcg(model)
        return figures

    found = over_seeds(size, one)
    missing = "a union of the two lists without the joint weights"
    effects = [
        Effect(f"nDCG@10: joint draw over {name} alone", found["joint"], found[name], missing) for name in RETRIEVERS
    ]
    tuned = "what each retriever hears, temperature and steps chosen on worlds made this way"
    return Report("projection", "made world", tuned, effects, kept, (found["untrained"][0], found["joint"][0]))
