"""FSC-CLIP-style (arXiv 2410.05210): altered texts as hard negatives, without forgetting how to retrieve.

Cranfield. Copies of a title, one word of each replaced by another of the collection's, are negatives of its abstract in
a loss of their own beside the in-batch one; judged are real queries and altered copies of them. The student is a bag of
word pieces, which cannot hear order: so words are replaced and not swapped. Arms are compared where they tell true from
altered texts well: each has, of four weights, the one that retrieves best on dev among those that reach a target there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional

import hardmine as hm
from examples.recipes.shared import TUNING_SEED, Effect, Report, Size, over_seeds
from examples.recipes.students import Adam, Bag, batches, judge
from examples.recipes.worlds import LENGTH, SEED, Part, Reader, load

COPIES, STEPS, BATCH, RATE, TEMPERATURE = 2, 200, 64, 0.003, 0.05
WEIGHTS = (0.1, 0.3, 1.0, 3.0)
ARMS = {"random": (0.0, 0.0), "plain": (0.0, 0.0), "focal": (2.0, 0.02), "tokens": (2.0, 0.02)}
"""gamma and smoothing of each."""
LOCAL = 0.2  # The paper's weight of the loss on token scores beside the one on whole texts.
WORD, COMMON = re.compile(r"\w{4,}"), 40
NAMES = {
    "random": f"{COPIES} random titles in the altered texts' place",
    "plain": "cross-entropy",
    "focal": "focal + smoothing",
    "tokens": "focal + smoothing, on token scores too",
}
PAIRS = (
    ("focal", "plain", "plain with a smaller weight may retrieve as well at the same accuracy"),
    ("focal", "random", "altered texts may cost retrieval, or teach no more than random titles do"),
    (
        "tokens",
        "focal",
        "hardly: the loss on tokens has a fifth of the weight, and a bag is a sum of the same word pieces",
    ),
)


def altered(texts: Sequence[str]) -> list[str]:
    """Of every text COPIES with one word replaced by a word of another place; a text without such words stays."""
    words = [list(WORD.finditer(text)) for text in texts]
    counts = Counter(word.group().lower() for found in words for word in found)
    common = {word for word, _ in counts.most_common(COMMON)} if len(counts) > 2 * COMMON else set()
    words = [[word for word in found if word.group().lower() not in common] for found in words]
    pool = [word.group() for found in words for word in found]
    rng, copies = np.random.default_rng(SEED), []
    for text, found in zip(texts, words, strict=True):
        for _ in range(COPIES):
            word, other = (each[rng.integers(len(each))] if each else None for each in (found, pool))
            copies.append(text[: word.start()] + other + text[word.end() :] if word else text)
    return copies


class Pairs:
    """Queries [q, length], altered copies of them [q, COPIES, length], and the labelled document of each."""

    def __init__(self, part: Part, read: Reader) -> None:
        self.part, self.queries = part, Bag.inputs(part.queries)
        how = {"truncation": True, "max_length": LENGTH, "padding": "max_length", "add_special_tokens": False}
        copies = read.tokenizer(altered(part.queries.texts), **how)["input_ids"]
        self.copies = torch.tensor(copies).unflatten(0, (-1, COPIES))
        self.same = (self.copies == self.queries[:, None]).all(2)  # nothing was replaced
        # Judged queries may have several relevant documents; the first stands for them.
        own = part.labels.ids[part.labels.offsets[:-1]]
        self.documents, self.groups = Bag.inputs(part.documents)[own], torch.from_numpy(part.groups[own])


def trained(data: Pairs, arm: str, weight: float, steps: int, seed: int) -> tuple[Bag, list[float]]:
    """InfoNCE over the batch, and `weight` times the loss of a document's query among negatives of its own."""
    model, losses, rng = Bag(seed), [], np.random.default_rng([seed, 3])
    optimizer = Adam(model, RATE)
    by_text, by_token = (hm.losses.SelectiveCalibration(*ARMS[arm], heat) for heat in (TEMPERATURE, 1.0))
    for _, rows in batches(len(data.queries), BATCH, steps, seed):
        queries, hard, same = data.queries[rows], data.copies[rows], data.same[rows]
        if arm == "random":
            hard, same = data.queries[rng.integers(0, len(data.queries), same.shape)], torch.zeros_like(same)
        documents, texts = model(data.documents[rows]), torch.cat([queries[:, None], hard], dim=1)
        vectors = model(texts.flatten(0, 1)).unflatten(0, texts.shape[:2])
        scores = vectors[:, 0] @ documents.T
        repeated = (data.groups[rows][:, None] == data.groups[rows]) & ~torch.eye(rows.size, dtype=torch.bool)
        loss = hm.losses.info_nce(scores, mask=repeated, temperature=TEMPERATURE)
        own_loss = by_text(scores.diagonal(), torch.einsum("bd,bnd->bn", documents, vectors[:, 1:]), mask=same)
        if arm == "tokens":
            local = token_scores(model, data.documents[rows], texts)
            own_loss = own_loss + LOCAL * by_token(local[:, 0], local[:, 1:], mask=same)
        losses.append(optimizer.step(loss + weight * own_loss))
    return model, losses


def token_scores(model: Bag, documents: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
    """Scores [b, n] of texts [b, n, length], word piece by word piece."""
    asked, told = (tokens[..., : int((tokens > 0).sum(-1).max())] for tokens in (documents, texts))
    vectors = (functional.normalize(model.table(tokens), dim=-1) for tokens in (told, asked))
    return hm.losses.token_scores(*vectors, text_mask=told == 0, other_mask=asked == 0, scale=1 / TEMPERATURE)


@torch.no_grad()
def told_apart(model: Bag, data: Pairs) -> np.ndarray:
    """Of every query the share of its altered copies that are further from its document than it is; a tie is half."""
    documents, queries, copies = model(data.documents), model(data.queries), model(data.copies.flatten(0, 1))
    altered_scores = torch.einsum("qd,qnd->qn", documents, copies.unflatten(0, (-1, COPIES)))
    gaps = (queries * documents).sum(1)[:, None] - altered_scores
    return (gaps.masked_fill(data.same, 0.0).sign() / 2 + 0.5).mean(1).numpy()


def run(size: Size) -> Report:
    """All of it."""
    world = load("cranfield", size.data, size.cache)
    train, dev, test = (Pairs(part, Reader(size.cache)) for part in world[1:])
    kept: list[float] = []

    def figures(data: Pairs, arm: str, weight: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
        model, losses = trained(train, arm, weight, size.steps(STEPS), seed)
        if arm == "focal":
            kept[:] = losses
        return judge(model, data.part), told_apart(model, data)

    # Of every arm and weight: how it retrieves and how often it tells texts apart, on the dev titles.
    grid = size.grid(WEIGHTS)
    tried = {arm: np.mean([figures(dev, arm, weight, TUNING_SEED) for weight in grid], axis=2) for arm in ARMS}
    base = tried["random"][tried["random"][:, 0].argmax(), 1]
    gain = (max(found[:, 1].max() for found in tried.values()) - base) / 2
    chosen = {}
    for arm, found in tried.items():
        reach = found[:, 1] >= min(base + gain, found[:, 1].max()) if arm != "random" else np.ones(len(grid), bool)
        chosen[arm] = grid[np.where(reach, found[:, 0], -1.0).argmax()]
    found = over_seeds(size, lambda seed: {arm: figures(test, arm, chosen[arm], seed) for arm in ARMS})
    retrieval, accuracy = ({arm: each[:, n] for arm, each in found.items()} for n in (0, 1))
    # The target on the judged queries: as much above random texts, seed by seed, as on the dev titles.
    reach = {arm: (accuracy[arm] - accuracy["random"]).mean(1) >= gain for arm in ARMS} | {"random": np.True_}
    effects = []
    for a, b, could_fail in PAIRS:
        control, clusters = f"{NAMES[b]}, weight {chosen[b]:g} of as many tried", test.part.clusters
        counts = ", ".join(f"{reach[arm].sum()} of {size.seeds} seeds of {arm}" for arm in (a, b) if arm != "random")
        title = f"accuracy on altered texts: {NAMES[a]} over {NAMES[b]} (target reached by {counts})"
        every = f"{could_fail}; all {size.seeds} seeds are in this row, those that miss the target too"
        effects.append(Effect(title, accuracy[a], accuracy[b], control, every, clusters))
        both = reach[a] & reach[b]
        if both.sum() >= 2:  # an interval needs two
            title = f"nDCG@10 in the {both.sum()} seeds that reach the target: {NAMES[a]} over {NAMES[b]}"
            effects.append(Effect(title, retrieval[a][both], retrieval[b][both], control, could_fail, clusters))
    curves = "; ".join(
        f"{arm} "
        + ", ".join(f"{weight:g}: {y:.3f} at {x:.3f}" for weight, (y, x) in zip(grid, tried[arm], strict=True))
        for arm in ARMS
    )
    data = "real: cranfield, trained on titles, judged by the queries; one word of a text replaced"
    how = f"dev titles, {len(grid)} weights an arm; target: accuracy {gain:.3f} above random titles, half of the best"
    how += f"; nDCG@10 at accuracy there by weight: {curves}"
    metric = judge(Bag(TUNING_SEED), world.dev).mean(), tried["focal"][:, 0].max()
    return Report("bag of word pieces", data, how, effects, kept, metric)
