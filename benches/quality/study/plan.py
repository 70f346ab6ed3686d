"""What the study compares and what it tries. Written before what was judged was read.

Every arm has the same budget: the same six trainings are tried for it on the dev part, with the values of its rule's
parameter in turn, and the best one is trained with five other seeds and judged on the test part, once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import hardmine as hm
from examples.recipes.students import Training

SEEDS = range(5)
DEPTH = 400
"""Candidates of each query; training labels are taken out."""
STEPS = {"banking77": 200, "docstrings": 400, "cranfield": 200, "cisi": 200}
"""Of the middle training."""
TRAININGS = (
    (1.0, 0.003, 0.05),
    (1.0, 0.003, 0.10),
    (1.0, 0.010, 0.05),
    (2.0, 0.003, 0.05),
    (2.0, 0.001, 0.05),
    (0.5, 0.010, 0.10),
)
"""Share of the steps, rate, temperature."""
F = (0.8, 0.95, 0.9)
"""Of PercPos, wherever it is."""


class Arm(NamedTuple):
    """What is beside the positives of a batch.

    `rule` makes a selection of a number of negatives and a value of its parameter; `teachers` retrieve for it. `fresh`
    draws anew every epoch. `truth` keeps the hidden relevant documents out: no one could. `masked` leaves out of the
    batch's documents those above the share f of the positive's score under the teacher, `kl` lets the teacher's scores
    of them into the loss.
    """

    n: int = 0
    rule: Callable[[int, Any], hm.Selection] | None = None
    values: tuple[Any, ...] = (None,)
    teachers: tuple[str, ...] = ("dense",)
    fresh: bool = False
    random: int = 0
    kl: bool = False
    masked: bool = False
    truth: bool = False


def _window(n: int, value: tuple[float | None, int]) -> hm.Selection:
    f, depth = value
    ceiling = hm.NoCeiling() if f is None else hm.PercPos(f)
    return hm.Selection(n, ceiling=ceiling, draw=hm.Uniform(), range_max=depth, range_on="filtered")


RULES: dict[str, tuple[Callable[[int, Any], hm.Selection], tuple[Any, ...]]] = {
    "naive": (lambda n, _: hm.strategies.naive_top_k(n), (None,)),
    "shifted": (lambda n, shift: hm.strategies.shifted_top_k(n, shift=shift), (10, 30, 100)),
    "Abs": (hm.strategies.top_k_abs, (0.5, 0.6, 0.7)),
    "MarginPos": (hm.strategies.top_k_margin_pos, (0.05, 0.1, 0.2)),
    "PercPos": (hm.strategies.top_k_perc_pos, F),
    "SimANS": (lambda n, ab: hm.strategies.sim_ans(n, a=ab[0], b=ab[1]), ((100.0, 0.0), (100.0, -0.1), (30.0, -0.2))),
    "Anchored 1": (hm.strategies.anchored, (1.1, 1.25, 1.4)),
    "Anchored 2": (lambda n, f: hm.strategies.anchored(n, f, weight=2.0), (1.4, 1.6, 1.8)),
    "Stratified": (
        lambda n, f: hm.Selection(n, ceiling=hm.PercPos(f), draw=hm.Stratified(4, by="rank"), range_max=100),
        F,
    ),
}
WINDOWS = ((0.95, 50), (0.8, 50), (0.95, 200))
ARMS: dict[str, Arm] = {
    "untrained": Arm(),
    "in-batch": Arm(),
    "random, n = 1": Arm(random=1),
    "random, n = 4": Arm(random=4),
    **{f"{name}, n = {n}": Arm(n, rule, values) for n in (1, 4) for name, (rule, values) in RULES.items()},
    "PercPos 2 + 2 random": Arm(2, *RULES["PercPos"], random=2),
    "PercPos of BM25, n = 4": Arm(4, *RULES["PercPos"], teachers=("lexical",)),
    "ensemble, n = 4": Arm(4, *RULES["PercPos"], teachers=("dense", "lexical")),
    "fresh under PercPos, n = 1": Arm(1, _window, WINDOWS, fresh=True),
    "fresh under PercPos, n = 4": Arm(4, _window, WINDOWS, fresh=True),
    "oracle, n = 4": Arm(4, *RULES["naive"], truth=True),
    "in-batch, masked": Arm(values=F, masked=True),
    "random, masked, n = 4": Arm(values=F, random=4, masked=True),
    "PercPos, masked, n = 4": Arm(4, *RULES["PercPos"], masked=True),
    "random, masked + KL, n = 4": Arm(values=F, random=4, masked=True, kl=True),
    "in-batch + KL": Arm(kl=True),
    "random + KL, n = 4": Arm(random=4, kl=True),
    "naive + KL, n = 4": Arm(4, *RULES["naive"], kl=True),
    "PercPos + KL, n = 4": Arm(4, *RULES["PercPos"], kl=True),
    "fresh, no ceiling + KL, n = 4": Arm(4, _window, ((None, 50), (None, 200), (None, 400)), fresh=True, kl=True),
    "fresh under PercPos + KL, n = 4": Arm(4, _window, WINDOWS, fresh=True, kl=True),
}


ONE_NEGATIVE = ("naive", "PercPos", "Anchored 1")
"""Of the rules with one negative, those that are tried beyond banking77: the others would have taken an hour more."""


HIDDEN = ("banking77",)
"""Where queries that train have relevant documents that are not labelled."""


def arms(world: str) -> tuple[str, ...]:
    """Those that are compared on a world. Where each query that trains has one answer, the oracle is the naive arm."""
    if world in HIDDEN:
        return tuple(ARMS)
    left_out = {f"{name}, n = 1" for name in RULES if name not in ONE_NEGATIVE} | {"oracle, n = 4"}
    return tuple(name for name in ARMS if name not in left_out)


class Setting(NamedTuple):
    """One of the six that are tried for an arm: the value of its rule's parameter, and how it is trained."""

    value: Any
    training: Training


def settings(arm: Arm, steps: int) -> list[Setting]:
    """All that are tried: the trainings, with so many steps in the middle one.

    The weight of the teacher's scores, where they are in the loss, is 1 and 3 in turn.
    """
    found = []
    for number, (share, rate, temperature) in enumerate(TRAININGS):
        kl = (1.0, 3.0)[number % 2] if arm.kl else 0.0
        value = arm.values[number % len(arm.values)]
        mask = value if arm.masked else None
        training = Training(round(share * steps), rate, temperature, random=arm.random, kl=kl, mask=mask)
        found.append(Setting(value, training))
    return found
