"""Runs as a program: all that computes with floats, under every floating-point mode of the caller, by 1 to 3 threads.

The pool of the process is born under the mode named on the command line. The output is JSON: {kernel: {mode and
threads: digest of the result}}.
"""

import ctypes
import hashlib
import json
import platform
import sys

import numpy as np
import torch

import hardmine as hm
from hardmine.rules.spelling import parse_ceiling

ROUNDING = {"x86_64": (0x400, 0x800, 0xC00), "aarch64": (0x800000, 0x400000, 0xC00000)}
"""What fesetround takes for downward, upward, towards zero; 0 is to nearest."""
MODES = ["plain", "flush", "downward", "upward", "towards zero"]

libm = ctypes.CDLL(None)


def set_mode(mode):
    rounding = dict(zip(MODES[2:], ROUNDING[platform.machine()], strict=True))
    assert libm.fesetround(rounding.get(mode, 0)) == 0
    assert torch.set_flush_denormal(mode == "flush")


def there(mode):
    """Whether the mode that was set is in force, by what an addition and a halving give."""
    tiny, one, small = np.float32([1e-38, 1.0, 1e-9])
    halved, more = tiny / np.float32(2), one + small
    less = one - small
    return {
        "plain": halved > 0 and more == 1 and less == 1,
        "flush": halved == 0 and more == 1,
        "downward": more == 1 and less < 1,
        "upward": more > 1 and less == 1,
        "towards zero": more == 1 and less < 1,
    }[mode]


rng = np.random.default_rng(0)
ROWS, COLUMNS = 96, 4_000
normal = rng.standard_normal((ROWS, COLUMNS), dtype=np.float32)
tiny = (normal.astype(np.float64) * 1e-40).astype(np.float32)
tiniest = tiny.astype(np.float64) * 1e-275
mixed = np.where(rng.random((ROWS, COLUMNS)) < 0.5, tiny, normal)
ceilings = np.full(ROWS, 1e-41, np.float32)
floors = np.full(ROWS, -2e-40, np.float32)
queries = rng.standard_normal((ROWS, 24), dtype=np.float32)
documents = rng.standard_normal((COLUMNS, 24), dtype=np.float32)
small_documents = (documents.astype(np.float64) * 1e-39).astype(np.float32)
labels = hm.Positives(np.arange(ROWS + 1), np.arange(ROWS))
scored = hm.Positives(labels.offsets, labels.ids, np.abs(normal[:, 0]))
run = hm.topk(mixed, 300, num_threads=1)
other = hm.topk(normal, 300, num_threads=1)
anchored = hm.anchor_scores(run, labels, documents, num_threads=1)
distances = (np.abs(normal[:, :ROWS]).astype(np.float64) * 1e-39).astype(np.float32)
classes = np.arange(ROWS) % 6


def accumulated(t):
    accumulator = hm.TopKAccumulator(ROWS, 20, ceiling=ceilings, floor=floors, num_threads=t)
    second = hm.TopKAccumulator(ROWS, 20, ceiling=ceilings, floor=floors, num_threads=t)
    accumulator.update(mixed[:, :1500])
    second.update(mixed[:, 1500:], first_document=1500)
    accumulator.merge(second)
    return accumulator.finish()


def chosen(ceiling, draw, positives=scored, candidates=run):
    rule = hm.Selection(5, ceiling=ceiling, draw=draw, seed=3)
    return lambda t: hm.select(candidates, positives, rule, num_threads=t)


def rows_of_four(of):
    return [list(of[start : start + 4]) for start in range(0, 4 * ROWS, 4)]


def accepts(make):
    try:
        make()
    except ValueError:
        return np.array([False])
    return np.array([True])


def statistics(t):
    found = hm.mine(collection, "bm25", hm.Selection(2, ceiling=hm.NoCeiling()), progress=False, num_threads=t).report
    return np.array(list(found["scores"]["negatives"].values()), np.float64)


double = normal[0].astype(np.float64) / 3
falling = -np.sort(-double)
rising = np.array([1, 2], np.uint32).view(np.float32)
smallest = 1.5e-45
tiny_items = list(np.abs(tiny[0, : 4 * ROWS]))
lists = hm.Candidates([0, COLUMNS], np.arange(COLUMNS), falling)
miner = hm.DynamicMiner(
    small_documents, hm.Positives.from_lists(np.argsort(documents[:, 0])[: 9 * ROWS].reshape(ROWS, 9)), k=20
)
collection = hm.Collection.from_pairs(
    ["red apples", "green pears and red"],
    ["red apples are apples", "green pears are pears"],
    ["red cars", "green leaves", "red and green", "a b c d red red"],
)

IN_PYTHON = {
    "candidates of float64": lambda _: hm.Candidates([0, COLUMNS], np.arange(COLUMNS), falling),
    "candidates of a list": lambda _: hm.Candidates([0, 2], [0, 1], [0.5, rising[0]]),
    "candidates that rise": lambda _: accepts(lambda: hm.Candidates([0, 2], [0, 1], rising)),
    "candidates of a rectangle": lambda _: hm.Candidates.from_padded([np.arange(COLUMNS)], [falling]),
    "anchor scores of float64": lambda _: lists.replace(anchor_scores=double).anchor_scores,
    "padded": lambda _: hm.Candidates([0, 0, 1], [0], [1.0]).padded(fill_score=1e-40)[1],
    "positives of float64": lambda _: hm.Positives([0, COLUMNS], np.arange(COLUMNS), double * 1e-40),
    "positives of lists": lambda _: hm.Positives.from_lists(rows_of_four(range(4 * ROWS)), rows_of_four(tiny_items)),
    "positives with other scores": lambda _: labels.with_scores(double[:ROWS]).scores,
    "topk under the smallest ceiling": lambda t: hm.topk(tiny, 20, ceiling=smallest, num_threads=t),
    "mine_scores of float64": lambda t: (
        hm.mine_scores(
            normal / np.float64(3), labels, hm.Selection(5, ceiling=hm.MarginPos(0.0)), num_threads=t
        ).positive_scores
    ),
    "a sharpness below 0": lambda _: accepts(lambda: hm.Laplace(-5e-324)),
    "a spelled number": lambda _: np.array([parse_ceiling("abs=1e23").t, parse_ceiling("abs=0.1").t]),
    "popularity of float32": lambda t: chosen(hm.NoCeiling(), hm.Popularity(np.abs(tiny[0]), 0.75))(t),
    "popularity below 0": lambda _: accepts(lambda: hm.Popularity([-5e-324])),
    "alias table of float32": lambda t: hm.AliasTable(np.abs(mixed[0])).sample(
        3, 3_000, seed=1, replace=False, num_threads=t
    ),
    "tiny weights of a fusion": lambda t: accepts(lambda: hm.fuse([run, other], weights=[5e-324, 0.0], num_threads=t)),
    "dynamic lists": lambda _: miner.lists(queries, np.arange(ROWS)).ids,
    "dynamic samples": lambda _: miner.dns(queries, np.arange(ROWS), num_samples=50, num_negatives=9),
    "bm25": lambda t: hm.retrieve(collection, "bm25", k=5, progress=False, num_threads=t),
    "statistics of a report": statistics,
}
"""What Python computes itself: conversions, comparisons, parameters near 0."""

KERNELS = {
    **IN_PYTHON,
    "topk": lambda t: hm.topk(tiny, 20, num_threads=t),
    "topk between bounds": lambda t: hm.topk(mixed, 20, ceiling=ceilings, floor=floors, num_threads=t),
    "topk of most": lambda t: hm.topk(tiny[:4], 3_900, ceiling=ceilings[:4], num_threads=t),
    "topk float64": lambda t: hm.topk(tiniest, 20, num_threads=t),
    "accumulator": accumulated,
    "search": lambda t: hm.search(queries, small_documents, 10, num_threads=t),
    "search under a ceiling": lambda t: hm.search(
        queries, small_documents, 10, ceiling=ceilings, floor=floors, num_threads=t
    ),
    "search by cosine": lambda t: hm.search(queries, small_documents, 10, similarity="cosine", num_threads=t),
    "pair_scores": lambda t: hm.pair_scores(
        queries, documents, np.arange(COLUMNS) % ROWS, np.arange(COLUMNS), num_threads=t
    ),
    "pair_scores by cosine": lambda t: hm.pair_scores(
        queries, small_documents, np.arange(COLUMNS) % ROWS, np.arange(COLUMNS), similarity="cosine", num_threads=t
    ),
    "select": chosen(hm.PercPos(0.95), hm.Top()),
    "select, softmax": chosen(hm.MarginPos(0.05), hm.Softmax(0.7)),
    "select, SimANS": chosen(hm.NoCeiling(), hm.SimANS(0.5, 0.1)),
    "select, Laplace": chosen(hm.Absolute(0.7), hm.Laplace(3.0)),
    "select, rank": chosen(hm.NoCeiling(), hm.RankPower(0.3)),
    "select, popularity": chosen(hm.NoCeiling(), hm.Popularity(np.arange(1, COLUMNS + 1), 0.75)),
    "select, weighted": chosen(hm.NoCeiling(), hm.Weighted(run.scores.astype(np.float64))),
    "select, anchored": chosen(hm.Anchored(), hm.Top(), candidates=anchored),
    "mine_scores": lambda t: hm.mine_scores(
        mixed, labels, hm.Selection(5, ceiling=hm.PercPos(0.95), draw=hm.Softmax(0.7)), num_threads=t
    ),
    "draw": lambda t: hm.draw(mixed, 7, seed=1, num_threads=t),
    "draw with replacement": lambda t: hm.draw(mixed, 7, seed=1, replace=True, num_threads=t),
    "sample_uniform": lambda t: hm.sample_uniform(3_000, 50, 100_000, seed=1, num_threads=t),
    "alias table": lambda t: hm.AliasTable(np.abs(mixed[0]).astype(np.float64)).sample(3_000, 9, seed=1, num_threads=t),
    "in_batch_mask": lambda t: hm.in_batch_mask(mixed[:, :ROWS], ceiling=hm.PercPos(0.95), num_threads=t),
    "in_batch_mask of tiny scores": lambda t: hm.in_batch_mask(tiny, ceiling=hm.PercPos(0.3), num_threads=t),
    "triplets": lambda t: hm.triplets(distances, classes, kind="hard", num_threads=t),
    "semi-hard triplets": lambda t: hm.triplets(
        np.abs(normal[:, :ROWS]), classes, kind="semi_hard", margin=0.2, num_threads=t
    ),
    "anchor_scores": lambda t: hm.anchor_scores(run, labels, documents, num_threads=t),
    "anchor_scores of tiny documents": lambda t: hm.anchor_scores(run, labels, small_documents, num_threads=t),
    **{
        f"fuse by {method}": (lambda t, method=method: hm.fuse([run, other], method=method, num_threads=t))
        for method in ("rrf", "round_robin", "vote", "zscore", "union")
    },
}


def digest(result):
    parts = [result] if isinstance(result, np.ndarray) else [result.offsets, result.ids, result.scores]
    for counts in (getattr(result, "reasons", None) or {}).values():
        parts.append(counts)
    joined = b"".join(np.ascontiguousarray(part).tobytes() for part in parts)
    return hashlib.sha256(joined).hexdigest()[:16]


def main(birth):
    set_mode(birth)
    assert there(birth)
    hm.topk(np.zeros((4096, 64), np.float32), 3, num_threads=3)  # the pool is born
    set_mode("plain")
    found = {name: {} for name in KERNELS}
    for name, kernel in KERNELS.items():
        for mode in MODES:
            for threads in (1, 2, 3):
                set_mode(mode)
                result = kernel(threads)
                kept = there(mode)
                set_mode("plain")
                assert kept, f"{name} left another mode than {mode}"
                found[name][f"{mode}, {threads} threads"] = digest(result)
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
