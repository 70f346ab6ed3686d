"""Runs as a program: every public kernel under every floating-point mode of the caller, by 1, 2 and 3 threads.

The pool of the process is born under the mode named on the command line. Prints {kernel: {mode and threads: digest}}.
"""

import ctypes
import hashlib
import json
import platform
import sys

import numpy as np
import torch

import hardmine as hm

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


KERNELS = {
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
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
