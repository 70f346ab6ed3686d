"""SimANS (arXiv 2210.11773): draw negatives whose scores are near the positive's, neither the top nor just any.

Trains bags of words from a random start on banking77, where one of some 130 relevant documents is labelled; MiniLM
mines. Its scores are cosines: a is far above the paper's 0.5, which is meant for inner products of tens. The paper
draws from the top 100 and sets b = 0 for most of its collections.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

import numpy as np

import hardmine as hm
from examples.recipes.shared import TUNING_SEED, Effect, Report, Size, over_seeds, tuned
from examples.recipes.students import Bag, Training, judge, train
from examples.recipes.worlds import load

N = 4
TEMPERATURES = (0.1, 0.2)
"""Tried with each setting of every arm."""
TUNED = (
    "dev part of banking77 (other intents): 8 settings an arm, 4 of its own (pool with a and b, pool, f, learning "
    "rate) by 2 temperatures; 100 steps for all"
)


class Arm(NamedTuple):
    """Settings of its own, and the rule that one of them makes."""

    settings: tuple[Any, ...]
    rule: Callable[[Any], hm.Selection]


def drawn(pool: int, f: float | None = None) -> hm.Selection:
    """Evenly among the first documents, or among the first that PercPos leaves."""
    if f is None:
        return hm.strategies.static_hard(N, pool)
    return hm.Selection(N, ceiling=hm.PercPos(f), range_on="filtered", range_max=pool, draw=hm.Uniform())


ARMS = {
    "SimANS": Arm(
        ((100, 30.0, -0.3), (100, 100.0, -0.2), (400, 30.0, -0.3), (400, 100.0, -0.2)),
        lambda setting: hm.strategies.sim_ans(N, a=setting[1], b=setting[2], depth=setting[0]),
    ),
    "b = 0": Arm(
        tuple(product((100, 400), (30.0, 300.0))),
        lambda setting: hm.strategies.sim_ans(N, a=setting[1], b=0.0, depth=setting[0]),
    ),
    "uniform": Arm((100, 50, 200, 400), drawn),
    "PercPos": Arm((0.95, 0.9, 0.8, 0.7), lambda f: hm.strategies.top_k_perc_pos(N, f)),
    "PercPos, drawn": Arm(tuple(product((50, 200), (0.95, 0.8))), lambda setting: drawn(*setting)),
}
RATES = (0.003, 0.002, 0.005, 0.008)
"""For the arm that draws evenly from the pool that SimANS chose; all others learn at the first."""
CONTROLS = {
    "same pool": (
        "uniform draws from the same pool",
        "the pool that dev chose for SimANS, learning rate tuned instead of a and b, drawn afresh alike",
        "weights that say no more than the pool does",
    ),
    "uniform": (
        "uniform draws from a tuned pool",
        "pool on dev, drawn afresh alike",
        "a deeper pool that does what the weights do",
    ),
    "PercPos": ("PercPos, top 4", "same teacher and count, f on dev", "a ceiling that does what the weights do"),
    "PercPos, drawn": (
        "uniform draws under PercPos",
        "f and pool on dev, drawn afresh alike",
        "a ceiling that does what the weights do, fresh draws on either side",
    ),
}


def run(size: Size) -> Report:
    """All of it."""
    world = load("banking77", size.data, size.cache)
    part, losses = world.train, []
    teacher = hm.teachers.precomputed(part.queries.vectors, part.documents.vectors)
    candidates = hm.retrieve(part.collection, teacher, k=1000, progress=False)

    def trained(rule: hm.Selection, temperature: float, rate: float, seed: int) -> Bag:
        def draw(epoch: int) -> np.ndarray:
            return hm.select(candidates, candidates.positives, rule.replace(seed=seed), epoch=epoch).padded()[0]

        model, how = Bag(seed), Training(size.steps(100), rate, temperature, batch=32)
        losses[:] = train(model, part, draw, how, seed)
        return model

    def on_dev(*setting: Any) -> float:
        return float(judge(trained(*setting, TUNING_SEED), world.dev).mean())

    chosen = {}
    for name, arm in ARMS.items():
        settings = [(arm.rule(own), temperature, RATES[0]) for own, temperature in product(arm.settings, TEMPERATURES)]
        chosen[name] = tuned(size, settings, lambda setting: on_dev(*setting))
    pool = drawn(chosen["SimANS"][0].range_max)
    settings = [(pool, temperature, rate) for rate, temperature in product(RATES, TEMPERATURES)]
    chosen["same pool"] = tuned(size, settings, lambda setting: on_dev(*setting))

    found = over_seeds(
        size, lambda seed: {name: judge(trained(*setting, seed), world.test) for name, setting in chosen.items()}
    )
    effects = [
        Effect(
            f"nDCG@10: {label} over {what}",
            found[name],
            found[base],
            control,
            f"yes: {could_fail}",
            world.test.clusters,
        )
        for name, label in (("SimANS", "SimANS"), ("b = 0", "SimANS with b = 0"))
        for base, (what, control, could_fail) in CONTROLS.items()
        if (name, base) != ("b = 0", "same pool")  # that pool was not chosen for it
    ]
    before = float(judge(Bag(0), world.test).mean())
    metric = (before, float(found["SimANS"][0].mean()))
    return Report("bag of words", "real: banking77 (split by intent)", TUNED, effects, losses, metric)
