"""NV-Retriever (arXiv 2407.15831): positive-aware mining, and ensembles of two teachers.

Trains bags of words from a random start on what MiniLM and BM25 mine: on banking77, where one of some 130 relevant
documents is labelled, and on cranfield, where a title has one abstract. For docstrings see the study.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np

import hardmine as hm
from examples.recipes.shared import TUNING_SEED, Effect, Report, Size, over_seeds, tuned
from examples.recipes.students import Bag, Training, judge, train
from examples.recipes.worlds import Part, World, load, one_label

N, DEPTH = 4, 1000
TEMPERATURES = (0.1, 0.2)
"""Tried with each setting of every arm."""
RATES = (0.003, 0.002, 0.005)
"""For arms without a setting of their own; the others learn at the first."""
SHIFTS = (10, 50, 150)
SHARES = (0.95, 0.85, 0.7)
"""f of PercPos."""
PAIRS = tuple(product(SHARES, (0.95, 0.7)))
"""f for MiniLM and for BM25 in an ensemble: as many as f for the one and for the other."""
TEACHERS = ("MiniLM", "BM25")
SCHEMES = ("cross_sample", "intra_sample", "intra_sample_no_dedup")
TUNED = (
    "dev part of the same collection: 6 settings an arm (f, shift or learning rate; temperature), 12 for an ensemble "
    "and 12 for the two teachers together; 100 steps for all"
)


def retrieved(part: Part) -> hm.Candidates:
    """The documents that MiniLM finds for each query, without the labelled one."""
    teacher = hm.teachers.precomputed(part.queries.vectors, part.documents.vectors)
    return hm.retrieve(part.collection, teacher, k=DEPTH, progress=False)


def arms(part: Part) -> dict[str, tuple[Sequence[Any], Callable[[Any], tuple[hm.Negatives | None, dict[str, Any]]]]]:
    """Settings of each arm's own; the negatives that one of them gives, and what else training does differently."""
    runs = {"MiniLM": retrieved(part), "BM25": hm.retrieve(part.collection, "bm25", k=DEPTH, progress=False)}

    def mined(rule: hm.Selection, teacher: str = "MiniLM") -> hm.Negatives:
        return hm.select(runs[teacher], runs[teacher].positives, rule)

    def perc_pos(teacher: str, f: float) -> hm.Negatives:
        return mined(hm.strategies.top_k_perc_pos(N, f), teacher)

    def together(scheme: str, shares: tuple[float, float]) -> hm.Negatives:
        return hm.ensemble(map(perc_pos, TEACHERS, shares), scheme=scheme, num_negatives=N)

    return {
        "naive": (RATES, lambda rate: (mined(hm.strategies.naive_top_k(N)), {"rate": rate})),
        "random": (RATES, lambda rate: (None, {"rate": rate, "random": N})),
        "shifted": (SHIFTS, lambda shift: (mined(hm.strategies.shifted_top_k(N, shift)), {})),
        **{name: (SHARES, lambda f, name=name: (perc_pos(name, f), {})) for name in TEACHERS},
        **{name: (PAIRS, lambda shares, name=name: (together(name, shares), {})) for name in SCHEMES},
    }


def compare(world: World, size: Size, names: Sequence[str]):
    """Of each arm nDCG@10 of the judged queries, its best setting on dev with the figure there; losses of one run."""
    choices, best, losses = arms(world.train), {}, []

    def trained(name: str, setting: tuple[Any, float], seed: int) -> Bag:
        negatives, other = choices[name][1](setting[0])
        ids = None if negatives is None else negatives.padded()[0]
        how = Training(size.steps(100), RATES[0], setting[1], batch=32)._replace(**other)
        model = Bag(seed)
        losses[:] = train(model, world.train, None if ids is None else lambda _: ids, how, seed)
        return model

    for name in names:
        figures: dict[Any, float] = {}

        def figure(setting: tuple[Any, float], name: str = name, figures: dict = figures) -> float:
            figures[setting] = float(judge(trained(name, setting, TUNING_SEED), world.dev).mean())
            return figures[setting]

        settings = list(product(choices[name][0], TEMPERATURES))
        best[name] = tuned(size, settings, figure), max(figures.values())

    def one(seed: int) -> dict[str, np.ndarray]:
        return {name: judge(trained(name, best[name][0], seed), world.test) for name in names}

    return over_seeds(size, one), best, losses


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


def run(size: Size) -> Report:
    """All of it."""
    effects = []
    for collection, names in (("cranfield", RULES), ("banking77", (*RULES, "BM25", *SCHEMES))):
        world = load(collection, size.data, size.cache)
        found, best, losses = compare(world, size, names)
        clusters = world.test.clusters
        for base, (what, control, could_fail) in CONTROLS.items():
            compares = f"{collection}, nDCG@10: PercPos over {what}"
            effects.append(Effect(compares, found["MiniLM"], found[base], control, f"yes: {could_fail}", clusters))
    single = max(TEACHERS, key=lambda name: best[name][1])
    for scheme in SCHEMES:
        compares = f"banking77, nDCG@10: {scheme} of MiniLM and BM25 over {single}, all under PercPos"
        control = "the teacher that is better on dev; same rule and count"
        effects.append(Effect(compares, found[scheme], found[single], control, COULD_FAIL[scheme], clusters))
    f = best["MiniLM"][0][0]
    shares = over_seeds(size, lambda seed: equally_hard(world.train, f, seed))
    compares = f"banking77, share of true negatives: PercPos {f} over a rank window of the same mean score"
    control = "a window of ranks by the same teacher, as hard on average; a seed is another draw of the labels"
    could_fail = "yes: a ceiling may do no more than to take easier documents"
    effects.append(Effect(compares, shares["PercPos"], shares["window"], control, could_fail, world.train.clusters))
    metric = float(judge(Bag(0), world.test).mean()), float(found["MiniLM"][0].mean())
    return Report("bag of words", "real: cranfield, banking77 (split by intent)", TUNED, effects, losses, metric)
