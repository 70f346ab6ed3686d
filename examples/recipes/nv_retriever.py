"""NV-Retriever (arXiv 2407.15831): positive-aware mining, and ensembles of two teachers.

Trains bags of words from a random start on what MiniLM and BM25 mine: on cranfield, where a title has one abstract, on
docstrings, where a first line has one function, and on banking77, where one of some 130 relevant documents is labelled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import product, starmap
from typing import Any, NamedTuple

import numpy as np

import hardmine as hm
from examples.recipes.shared import TUNING_SEED, Effect, Report, Size, over_seeds, tuned
from examples.recipes.students import Bag, Training, judge, train
from examples.recipes.worlds import Part, World, load, one_label

N, DEPTH = 4, 1000
TEMPERATURES = (0.1, 0.2)
"""Tried with each setting of every arm."""
RATES = (0.003, 0.01)
"""Tried with each value of a rule's own parameter."""
RATES_ALONE = (0.001, 0.002, 0.003, 0.005, 0.01, 0.02)
"""For arms without a parameter, which so have as many settings as the others, and their rates among them."""
SHIFTS = (10, 50, 150)
SHARES = (0.95, 0.85, 0.7)
"""f of PercPos."""
PAIRS = tuple(product(SHARES, (0.95, 0.7)))
"""f for MiniLM and for BM25 in an ensemble: as many as f for the one and for the other."""
TEACHERS = ("MiniLM", "BM25")
SCHEMES = ("cross_sample", "intra_sample", "intra_sample_no_dedup")
TUNED = (
    "dev part of the same collection: 12 settings an arm (3 values of f or of the shift by 2 learning rates, or 6 "
    "rates where there is no such value; by 2 temperatures), 24 for an ensemble and 24 for the two teachers together; "
    "100 steps for all"
)


class Setting(NamedTuple):
    """What is tried of an arm; `own` is the value of its rule's parameter."""

    own: Any
    rate: float
    temperature: float


def settings(own: Iterable[Any] = (None,), rates: Sequence[float] = RATES) -> list[Setting]:
    """All of an arm."""
    return list(starmap(Setting, product(own, rates, TEMPERATURES)))


def retrieved(part: Part) -> hm.Candidates:
    """The documents that MiniLM finds for each query, without the labelled one."""
    teacher = hm.teachers.precomputed(part.queries.vectors, part.documents.vectors)
    return hm.retrieve(part.collection, teacher, k=DEPTH, progress=False)


def arms(part: Part) -> dict[str, tuple[list[Setting], Callable[[Any], hm.Negatives | None]]]:
    """Settings of each arm, and the negatives of a value of its own; random ones are drawn where there are none."""
    runs = {"MiniLM": retrieved(part), "BM25": hm.retrieve(part.collection, "bm25", k=DEPTH, progress=False)}

    def mined(rule: hm.Selection, teacher: str = "MiniLM") -> hm.Negatives:
        return hm.select(runs[teacher], runs[teacher].positives, rule)

    def perc_pos(teacher: str, f: float) -> hm.Negatives:
        return mined(hm.strategies.top_k_perc_pos(N, f), teacher)

    def together(scheme: str, shares: tuple[float, float]) -> hm.Negatives:
        return hm.ensemble(map(perc_pos, TEACHERS, shares), scheme=scheme, num_negatives=N)

    alone = settings(rates=RATES_ALONE)
    return {
        "naive": (alone, lambda _: mined(hm.strategies.naive_top_k(N))),
        "random": (alone, lambda _: None),
        "shifted": (settings(SHIFTS), lambda shift: mined(hm.strategies.shifted_top_k(N, shift))),
        **{name: (settings(SHARES), partial(perc_pos, name)) for name in TEACHERS},
        **{name: (settings(PAIRS), partial(together, name)) for name in SCHEMES},
    }


class Compared(NamedTuple):
    """Of each arm nDCG@10 of the judged queries, and its best setting with the figure on dev; losses of one run."""

    figures: dict[str, np.ndarray]
    best: dict[str, tuple[Setting, float]]
    losses: list[float]


def compare(world: World, size: Size, names: Sequence[str]) -> Compared:
    """Tune every arm on dev, train it with every seed, judge."""
    choices, best, losses = arms(world.train), {}, []

    def trained(name: str, setting: Setting, seed: int) -> Bag:
        negatives = choices[name][1](setting.own)
        ids = None if negatives is None else negatives.padded()[0]
        random = N if ids is None else 0
        how = Training(size.steps(100), setting.rate, setting.temperature, batch=32, random=random)
        model = Bag(seed)
        losses[:] = train(model, world.train, None if ids is None else lambda _: ids, how, seed)
        return model

    for name in names:
        figures: dict[Setting, float] = {}

        def figure(setting: Setting, name: str = name, figures: dict = figures) -> float:
            figures[setting] = float(judge(trained(name, setting, TUNING_SEED), world.dev).mean())
            return figures[setting]

        best[name] = tuned(size, choices[name][0], figure), max(figures.values())

    def one(seed: int) -> dict[str, np.ndarray]:
        return {name: judge(trained(name, best[name][0], seed), world.test) for name in names}

    return Compared(over_seeds(size, one), best, losses)


def true_share(negatives: hm.Negatives, part: Part) -> np.ndarray:
    """Of each query the share of its negatives that do not answer it."""
    ids = negatives.padded()[0]
    return 1 - part.relevant(ids, negatives.queries).sum(1) / np.maximum((ids >= 0).sum(1), 1)


def equally_hard(part: Part, f: float, seed: int) -> dict[str, np.ndarray]:
    """`true_share` of PercPos and of a window of ranks with the same mean score, interpolated between two of them."""
    part = Part(part.queries, part.documents, part.truth, labels=one_label(part.truth, seed))
    run = retrieved(part)
    mined = hm.select(run, run.positives, hm.strategies.top_k_perc_pos(N, f))
    by_rank = run.padded()[1][:, : run.lengths.min()].mean(0, dtype=np.float64)
    hardness = np.convolve(by_rank, np.full(N, 1 / N), "valid")  # of the window that begins at each rank
    place = np.interp(-mined.scores.mean(dtype=np.float64), -hardness, np.arange(hardness.size))
    shifts = int(np.floor(place)), int(np.ceil(place))
    windows = [hm.select(run, run.positives, hm.strategies.shifted_top_k(N, shift)) for shift in shifts]
    low, high = (true_share(window, part) for window in windows)
    return {"PercPos": true_share(mined, part), "window": low + (place - shifts[0]) * (high - low)}


RULES = ("naive", "random", "shifted", "MiniLM")
ALL = (*RULES, "BM25", *SCHEMES)
COLLECTIONS = {"cranfield": RULES, "docstrings": ALL, "banking77": ALL}
CONTROLS = {
    "naive": ("naive top 4", "the same teacher and count without a ceiling", "where no relevant document is hidden"),
    "random": ("4 random documents a query", "as many documents, shared by the batch alike", "where ease suffices"),
    "shifted": ("shifted top 4", "the same teacher and count, the shift tuned", "where ranks tell what scores tell"),
}
COULD_FAIL = {
    "cross_sample": "yes: the worse teacher may cost what variety gains",
    "intra_sample": "yes: the worse teacher may cost what variety gains",
    "intra_sample_no_dedup": "yes: a batch holds each document once here, so what both chose leaves a row with fewer",
}


def over_controls(name: str, found: Compared, clusters: np.ndarray) -> list[Effect]:
    """PercPos against other negatives of one teacher, and the ensembles that were trained against PercPos."""
    effects = []
    for base, (what, control, could_fail) in CONTROLS.items():
        compares = f"{name}, nDCG@10: PercPos over {what}"
        sides = found.figures["MiniLM"], found.figures[base]
        effects.append(Effect(compares, *sides, control, f"yes: {could_fail}", clusters))
    for scheme in [each for each in COULD_FAIL if each in found.figures]:
        single = max(TEACHERS, key=lambda teacher: found.best[teacher][1])
        compares = f"{name}, nDCG@10: {scheme} of MiniLM and BM25 over {single}, all under PercPos"
        control = "the teacher that is better on dev; same rule and count"
        sides = found.figures[scheme], found.figures[single]
        effects.append(Effect(compares, *sides, control, COULD_FAIL[scheme], clusters))
    return effects


def at_equal_hardness(part: Part, size: Size, f: float) -> Effect:
    """What PercPos mines for training queries against a window of ranks; nothing is trained."""
    shares = over_seeds(size, lambda seed: equally_hard(part, f, seed))
    compares = f"banking77, share of true negatives of the training queries: PercPos {f} over a rank window"
    control = "untrained: ranks by the same teacher, of the same mean score; a seed is another draw of the labels"
    could_fail = "yes: a ceiling may do no more than to take easier documents"
    return Effect(compares, shares["PercPos"], shares["window"], control, could_fail, part.clusters)


def run(size: Size) -> Report:
    """All of it."""
    effects = []
    for collection, names in COLLECTIONS.items():
        world = load(collection, size.data, size.cache)
        found = compare(world, size, names)
        effects += over_controls(collection, found, world.test.clusters)
    effects.append(at_equal_hardness(world.train, size, found.best["MiniLM"][0].own))
    metric = float(judge(Bag(0), world.test).mean()), float(found.figures["MiniLM"][0].mean())
    data = "real: cranfield, docstrings (split by package), banking77 (split by intent)"
    return Report("bag of words", data, TUNED, effects, found.losses, metric)
