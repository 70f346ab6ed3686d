"""CET-style (after arXiv 2209.05072): who was pooled for labelling decides who has a label; learn both together.

Trains a matrix over MiniLM's query vectors on judged queries of cranfield. A relevant document counts as labelled only
if BM25 has it among its first ten, as in a pool that a lexical system made; negatives come from MiniLM, the stronger
retriever, whose top holds relevant documents that nobody labelled. The selection model is a line over the logarithm of
BM25's rank.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

import hardmine as hm
from examples.recipes.folds import Fit, QueryMap, cross_validated, judged, side_by_side
from examples.recipes.shared import Effect, Report, Size, listwise_cross_entropy, optimise
from examples.recipes.students import batches
from examples.recipes.worlds import Part, load

POOL, SCALE, BATCH, STEPS = 10, 20.0, 32, 40


class Setting(NamedTuple):
    """Of the training; as many are tried for every arm."""

    rate: float
    number: int
    """Negatives of a query."""
    ceiling: float | None = None
    """Of PercPos."""


RATES = (1e-4, 1e-3, 3e-4)
PLAIN = [Setting(rate, number) for number in (16, 48) for rate in RATES]
FILTERED = [Setting(rate, 48, ceiling) for ceiling in (0.95, 0.8) for rate in RATES]
# Last the one whose losses are reported: the weights of the coupled losses rise, so their sum need not fall.
ARMS = {"coupled": PLAIN, "naive": PLAIN, "random": PLAIN, "perc-pos": FILTERED, "all labels": PLAIN}


def pooled(part: Part) -> tuple[Part, np.ndarray]:
    """The collection with the labels of the pool, and BM25's ranks [q, documents] from 0; what it misses comes last."""
    count = len(part.documents.texts)
    run = hm.retrieve(part.collection, "bm25", k=count, exclude_positives=False, progress=False)
    ranks = np.full((len(run), count), count)
    ranks[run.row_of_each, run.ids] = np.arange(run.ids.size) - run.offsets[run.row_of_each]
    truth = part.truth
    kept = ranks[truth.query_of_each, truth.ids] < POOL
    counts = np.bincount(truth.query_of_each[kept], minlength=len(truth))
    labels = hm.Positives(np.concatenate([[0], np.cumsum(counts)]), truth.ids[kept])
    return Part(part.queries, part.documents, truth, labels=labels), ranks


class Selection(torch.nn.Module):
    """Logits of being selected: a line over the logarithm of BM25's rank, flat at the start.

    Adam moves every parameter by its rate at most; one number must move further than the entries of a matrix.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.slope, self.speed = torch.nn.Parameter(torch.zeros(())), 0.05 / rate

    def forward(self, log_ranks: torch.Tensor) -> torch.Tensor:
        """Of float [b, k]."""
        return -self.speed * self.slope * log_ranks


def lists(arm: str, setting: Setting, part: Part, rows: np.ndarray, seed: int) -> tuple[np.ndarray, ...]:
    """Of those queries that have a label: rows, positives and negatives [q, n], -1 = none, which are positives.

    Negatives are drawn, or the top of MiniLM, under a ceiling or not.
    """
    labels = part.truth if arm == "all labels" else part.labels
    rows = rows[np.diff(labels.offsets)[rows] > 0]
    labels, documents = labels.take(rows), part.documents.vectors
    number = min(setting.number, len(documents) // 2)
    if arm == "random":
        known = (labels.offsets, labels.ids)
        negatives = hm.sample_uniform(len(rows), number, len(documents), exclude=known, seed=seed)
    else:
        ceiling = hm.NoCeiling() if setting.ceiling is None else hm.PercPos(setting.ceiling)
        scores = part.queries.vectors[rows] @ documents.T
        negatives = hm.mine_scores(scores, labels, hm.Selection(number, ceiling=ceiling)).padded()[0]
    return rows, *side_by_side(labels, negatives)


def losses(
    part: Part, made: tuple[np.ndarray, ...], model: QueryMap, selection: Selection | None,
    ranks: np.ndarray, *, steps: int, seed: int,
) -> Iterator[torch.Tensor]:  # fmt: skip
    """The loss of every batch: softmax over the list against its labels, coupled with a selection or not."""
    rows, *arrays = made
    found, labelled = map(torch.from_numpy, arrays)
    ids, absent = found.clamp(min=0), found < 0
    # BM25's first has the logarithm of 1.
    log_ranks = torch.from_numpy(np.log1p(ranks[rows[:, None], ids.numpy()])).float()
    queries, documents = (torch.from_numpy(side.vectors) for side in (part.queries, part.documents))
    for _, batch in batches(len(rows), BATCH, steps, seed):
        scores = SCALE * (model(queries[rows[batch]]) @ documents.T).gather(1, ids[batch])
        if selection is None:
            yield listwise_cross_entropy(scores.masked_fill(absent[batch], -torch.inf), labelled[batch])
        else:
            chances = selection(log_ranks[batch])
            yield hm.losses.coupled_estimation(scores, chances, labelled[batch], mask=absent[batch]).total


def run(size: Size) -> Report:
    """All of it."""
    part, ranks = pooled(load("cranfield", size.data, size.cache).test)

    def fit(arm: str, setting: Setting, rows: np.ndarray, seed: int) -> Fit:
        model = QueryMap(part.queries.vectors.shape[1])
        selection = Selection(setting.rate) if arm == "coupled" else None
        made = lists(arm, setting, part, rows, seed)
        steps = losses(part, made, model, selection, ranks, steps=size.steps(STEPS), seed=seed)
        trained = torch.nn.ModuleList([model] if selection is None else [model, selection])
        return Fit(model, optimise(trained, steps, setting.rate))

    found, seen, metric = cross_validated(size, part, ARMS, fit)
    start = np.tile(judged(part, np.arange(len(part.truth))), (size.seeds, 1))
    coupled = found["coupled"]
    same = "same pooled labels, steps and number of settings"
    arms = (
        ("coupled estimate over naive hard negatives", coupled, found["naive"], f"softmax over the same lists; {same}",
         "the selection explains nothing that the softmax needs, or its weights are noise"),
        ("coupled estimate over random negatives", coupled, found["random"], f"documents at random; {same}",
         "random documents, seldom relevant, need no correction"),
        ("coupled estimate over PercPos", coupled, found["perc-pos"], f"a ceiling on the negatives; {same}",
         "leaving out what is probably relevant is worth more than weights"),
        ("coupled estimate over MiniLM untrained", coupled, start, "the start of all arms",
         "so few labels teach nothing that holds for other queries"),
        ("all labels over the coupled estimate (what is left)", found["all labels"], coupled,
         "all relevant documents labelled, MiniLM's top as negatives; same steps and number of settings",
         "nothing is lost by the pool, or so few queries teach this model nothing at all"),
    )  # fmt: skip
    effects = [
        Effect(f"nDCG@10: {compares}", a, b, control, other, part.clusters) for compares, a, b, control, other in arms
    ]
    return Report(
        "matrix over query vectors",
        f"cranfield: judged queries in five folds, three train; labels where BM25's rank is at most {POOL}",
        "a fold of queries beside the judged one, all relevant documents known",
        effects,
        seen,
        metric,
    )
