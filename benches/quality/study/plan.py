"""What the study compares and what it tries.

Written before this run judged anything; but the test figures of an earlier run on all collections but scifact had been
read by then, and are why values and trainings are crossed now.

Every arm has the same budget: twelve trainings are tried for it on the dev part, and the best one is trained with other
seeds and judged on the test part, once. A rule's values and the trainings are crossed; an arm without a rule has
further trainings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import hardmine as hm
from examples.recipes.students import Training

SEEDS = range(10, 16)
"""Those of an earlier run, whose tuning did not cross values and trainings, were 0 to 4."""
DEPTH = 400
"""Candidates of each query; training labels are taken out."""
STEPS = {"banking77": 200, "docstrings": 400, "cranfield": 200, "cisi": 200, "scifact": 200}
"""Of student A's trainings with share 1."""
VALUES = 2
"""Of a rule's parameter; so many times the first trainings are tried for an arm with a rule."""


class Grid(NamedTuple):
    """What is tried for every arm of a student: trainings, each a share of the steps, a rate, a temperature.

    `crossed` is tried with every value of a rule's parameter. An arm without one has as many trainings: with the
    teacher's scores in the loss the first half, each with both weights, else all.
    """

    crossed: tuple[tuple[float, float, float], ...]
    more: tuple[tuple[float, float, float], ...]
    batch: int


GRIDS = {
    "A": Grid(
        crossed=(
            (1.0, 0.003, 0.10),
            (1.0, 0.003, 0.05),
            (2.0, 0.001, 0.05),
            (1.0, 0.010, 0.05),
            (2.0, 0.003, 0.05),
            (2.0, 0.003, 0.10),
        ),
        more=(
            (0.5, 0.010, 0.10),
            (2.0, 0.001, 0.10),
            (1.0, 0.010, 0.10),
            (0.5, 0.010, 0.05),
            (0.5, 0.003, 0.10),
            (1.0, 0.001, 0.05),
        ),
        batch=64,
    ),
    "A8": Grid(
        crossed=(
            (4.0, 0.003, 0.10),
            (4.0, 0.003, 0.05),
            (4.0, 0.001, 0.10),
            (4.0, 0.001, 0.05),
            (8.0, 0.001, 0.10),
            (8.0, 0.001, 0.05),
        ),
        more=(
            (2.0, 0.003, 0.10),
            (2.0, 0.003, 0.05),
            (2.0, 0.010, 0.10),
            (4.0, 0.010, 0.10),
            (8.0, 0.0003, 0.10),
            (8.0, 0.003, 0.10),
        ),
        batch=8,
    ),
    "B": Grid(
        crossed=((0.2, 0.0001, 0.05), (0.2, 0.0003, 0.05)),
        more=((0.2, 0.0001, 0.10), (0.2, 0.00003, 0.05)),
        batch=32,
    ),
    "C": Grid(
        crossed=((0.2, 0.00003, 0.05), (0.2, 0.0001, 0.05)),
        more=((0.2, 0.00003, 0.10), (0.2, 0.00001, 0.05)),
        batch=32,
    ),
}
LENGTH = 32
"""Tokens of a text that students B and C read."""
KL_WEIGHTS = (1.0, 3.0)
"""Of the teacher's scores in the loss; where a rule has values, the second alone."""
F = (0.8, 0.95)
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
    "shifted": (lambda n, shift: hm.strategies.shifted_top_k(n, shift=shift), (30, 100)),
    "Abs": (hm.strategies.top_k_abs, (0.5, 0.6)),
    "MarginPos": (hm.strategies.top_k_margin_pos, (0.1, 0.2)),
    "PercPos": (hm.strategies.top_k_perc_pos, F),
    "SimANS": (lambda n, ab: hm.strategies.sim_ans(n, a=ab[0], b=ab[1]), ((100.0, 0.0), (30.0, -0.2))),
    "Anchored 1": (hm.strategies.anchored, (1.1, 1.4)),
    "Anchored 2": (lambda n, f: hm.strategies.anchored(n, f, weight=2.0), (1.4, 1.8)),
    "Stratified": (
        lambda n, f: hm.Selection(n, ceiling=hm.PercPos(f), draw=hm.Stratified(4, by="rank"), range_max=100),
        F,
    ),
}
WINDOWS = ((0.95, 50), (0.95, 200))
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
    "fresh, no ceiling + KL, n = 4": Arm(4, _window, ((None, 50), (None, 400)), fresh=True, kl=True),
    "fresh under PercPos + KL, n = 4": Arm(4, _window, WINDOWS, fresh=True, kl=True),
}


HIDDEN = ("banking77",)
"""Where queries that train have relevant documents that are not labelled."""
COMMON = (
    "untrained",
    "in-batch",
    "random, n = 1",
    "random, n = 4",
    "naive, n = 1",
    "naive, n = 4",
    "PercPos, n = 1",
    "PercPos, n = 4",
    "Anchored 1, n = 4",
    "PercPos of BM25, n = 4",
    "ensemble, n = 4",
    "fresh under PercPos, n = 4",
    "in-batch, masked",
    "random, masked, n = 4",
    "in-batch + KL",
    "random + KL, n = 4",
    "naive + KL, n = 4",
    "PercPos + KL, n = 4",
    "fresh, no ceiling + KL, n = 4",
)
"""What student A is tried with on every collection; all arms on banking77, where a training takes two seconds."""
FEW = ("untrained", "in-batch", "random, n = 4", "naive, n = 4", "PercPos, n = 4", "PercPos + KL, n = 4")
"""What students B and C are trained with, whose trainings take half a minute and more."""


SMALL = (
    "untrained",
    "in-batch",
    "random, n = 4",
    "naive, n = 4",
    "PercPos, n = 4",
    "fresh under PercPos, n = 4",
    "in-batch + KL",
    "random + KL, n = 4",
    "PercPos + KL, n = 4",
    "fresh, no ceiling + KL, n = 4",
)
"""What student A is trained with in batches of 8."""


def worlds(student: str) -> tuple[str, ...]:
    """Those that a student is trained on.

    Small batches on two whose dev part asks what the test asks; C, a minute and more a training, where false negatives
    are known.
    """
    return {"A8": ("banking77", "scifact"), "C": HIDDEN}.get(student, tuple(STEPS))


def arms(world: str, student: str = "A") -> tuple[str, ...]:
    """Those that are compared on a world."""
    if student != "A":
        return SMALL if student == "A8" else FEW
    return tuple(ARMS) if world in HIDDEN else COMMON


def shared(arm: str, student: str = "A") -> range:
    """Of an arm's settings those whose trainings every arm has."""
    grid = GRIDS[student]
    own = ARMS[arm]
    return range(len(grid.crossed) if len(own.values) == 1 and not own.kl else len(grid.crossed + grid.more))


class Setting(NamedTuple):
    """One of those that are tried for an arm: the value of its rule's parameter, and how it is trained."""

    value: Any
    training: Training

    def show(self) -> str:
        """The value, steps, rate, temperature and weight of the teacher's scores, as text."""
        how = self.training
        value = "" if self.value is None else f"{self.value}; "
        weight = f", {how.kl:g}" if how.kl else ""
        return f"{value}{how.steps}, {how.rate:g}, {how.temperature:g}{weight}"

    def stated(self) -> dict[str, Any]:
        """As a record says it: a number alone would be another setting under another plan."""
        how = self.training
        value = list(self.value) if isinstance(self.value, tuple) else self.value
        return {"value": value, "steps": how.steps, "rate": how.rate, "temperature": how.temperature, "kl": how.kl}


def settings(arm: Arm, world: str, student: str = "A") -> list[Setting]:
    """All that are tried, the same number for every arm of a student."""
    grid = GRIDS[student]
    if len(arm.values) > 1:
        tried = [(value, each, KL_WEIGHTS[-1]) for value in arm.values for each in grid.crossed]
    elif arm.kl:
        half = (grid.crossed + grid.more)[: VALUES * len(grid.crossed) // len(KL_WEIGHTS)]
        tried = [(arm.values[0], each, weight) for each in half for weight in KL_WEIGHTS]
    else:
        tried = [(arm.values[0], each, 0.0) for each in grid.crossed + grid.more]
    found = []
    for value, (share, rate, temperature), weight in tried:
        kl = weight if arm.kl else 0.0
        mask = value if arm.masked else None
        steps = round(share * STEPS[world])
        found.append(
            Setting(value, Training(steps, rate, temperature, batch=grid.batch, random=arm.random, kl=kl, mask=mask))
        )
    return found
