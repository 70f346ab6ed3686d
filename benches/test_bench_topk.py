"""P1, P1b: top-k selection of float32 scores. P1c: the other score types. P8-topk: two threads against one."""

import os

import faiss
import ml_dtypes
import numpy as np
import pytest
import torch

import hardmine as hm

SCALE = float(os.environ.get("HARDMINE_BENCH_SCALE", "1"))
K = 100
SHAPES = [(256, int(100_000 * SCALE)), (64, int(1_000_000 * SCALE))]
ROUNDS = {"rounds": 7, "warmup_rounds": 1, "iterations": 1}


def name_of(shape, dtype="f32"):
    return f"{shape[0]} x {shape[1]:,} {dtype}, k = {K}, random order"


@pytest.fixture(scope="module")
def matrices():
    """Score matrices made once, by shape."""
    made = {}

    def get(shape):
        if shape not in made:
            made.clear()  # one at a time
            made[shape] = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
        return made[shape]

    return get


def with_hardmine(scores):
    return hm.topk(scores, K).scores.reshape(len(scores), -1)


def with_numpy(scores):
    found = np.argpartition(scores, scores.shape[1] - K, axis=1)[:, -K:]
    return np.take_along_axis(scores, found, axis=1)


def with_torch(scores):
    return torch.topk(torch.from_numpy(scores), K).values.numpy()


def with_faiss(scores, k=K):
    """The heaps that faiss fills in its flat search, over all threads."""
    values = np.empty((len(scores), k), dtype=np.float32)
    ids = np.empty((len(scores), k), dtype=np.int64)
    heaps = faiss.float_minheap_array_t()
    heaps.k, heaps.nh = k, len(scores)
    heaps.val, heaps.ids = faiss.swig_ptr(values), faiss.swig_ptr(ids)
    heaps.heapify()
    heaps.addn(scores.shape[1], faiss.swig_ptr(scores))
    heaps.reorder()
    return values


def by_reading(scores):
    """What reading every score once costs."""
    return torch.amax(torch.from_numpy(scores), dim=1).numpy()


CONTENDERS = {
    "hardmine": with_hardmine,
    "torch": with_torch,
    "faiss heap": with_faiss,
    "reading alone": by_reading,
    "numpy": with_numpy,
}


def check(run, scores):
    """The contender finds the same scores, before anything is timed."""
    wanted = with_hardmine(scores[:4])
    if run is by_reading:
        assert (run(scores[:4]) == wanted[:, 0]).all()
    else:
        assert (-np.sort(-run(scores[:4]), axis=1) == wanted).all()


@pytest.mark.benchmark(group="P1")
@pytest.mark.parametrize("peer", CONTENDERS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_p1(record, matrices, shape, peer):
    scores = matrices(shape)
    check(CONTENDERS[peer], scores)
    rounds = {**ROUNDS, "rounds": 1, "warmup_rounds": 0} if peer == "numpy" else ROUNDS
    record(peer, name_of(shape)).pedantic(CONTENDERS[peer], (scores,), **rounds)


WIDTHS = (64, 256, 1000, 4096, 10_000, 100_000, 1_000_000)
ORDERS = ("random", "ascending", "descending", "clustered", "equal")
SINGLE = [(1, 64), (1, 1_000_000), (2, 1_000_000)]


def grid():
    """Shape, k and its name: a few million scores in every cell, and some calls with few rows."""
    shapes = [(max(1, int(4_000_000 * SCALE) // width), width) for width in WIDTHS]
    for shape in (*shapes, *SINGLE):
        seen = set()
        for k in (1, 10, 100, 1000, shape[1] // 10, shape[1] // 2):
            if k <= shape[1] // 2 and k not in seen:
                seen.add(k)
                yield shape, k


@pytest.fixture(scope="module")
def ordered():
    """Score matrices of every order, made once each."""
    made = {}

    def get(shape, order):
        if (shape, order) not in made:
            made.clear()
            made[shape, order] = in_order(shape, order)
        return made[shape, order]

    return get


def in_order(shape, order):
    rng = np.random.default_rng(0)
    if order == "equal":
        return np.full(shape, 0.5, dtype=np.float32)
    scores = rng.standard_normal(shape, dtype=np.float32)
    if order == "clustered":
        # Runs of some fifty close scores, as neighbouring documents of one topic have.
        centres = rng.standard_normal((shape[0], -(-shape[1] // 50)), dtype=np.float32)
        return np.repeat(centres, 50, axis=1)[:, : shape[1]] + np.float32(0.01) * scores
    if order != "random":
        scores.sort(axis=1)
    return np.ascontiguousarray(scores[:, ::-1]) if order == "descending" else scores


def sorted_by_numpy(scores, k):
    """Partition, then sort of the k: ids and scores, as the others give."""
    ids = np.argpartition(scores, scores.shape[1] - k, axis=1)[:, scores.shape[1] - k :]
    best = np.take_along_axis(scores, ids, axis=1)
    order = np.argsort(best, axis=1)[:, ::-1]
    return np.take_along_axis(best, order, axis=1), np.take_along_axis(ids, order, axis=1)


GRID = {
    "hardmine": lambda scores, k: hm.topk(scores, k).scores.reshape(len(scores), k),
    "torch": lambda scores, k: torch.topk(torch.from_numpy(scores), k).values.numpy(),
    "faiss heap": lambda scores, k: with_faiss(scores, k),
    "numpy": lambda scores, k: sorted_by_numpy(scores, k)[0],
}


@pytest.mark.benchmark(group="P1b")
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("shape", "k"), list(grid()), ids=str)
@pytest.mark.parametrize("peer", GRID)
def test_p1b(record, ordered, shape, k, order, peer):
    scores = ordered(shape, order)
    run = GRID[peer]
    assert (run(scores[:2], k) == -np.sort(-scores[:2], axis=1)[:, :k]).all()
    case = f"{shape[0]:,} x {shape[1]:,} f32, k = {k:,}, {order}"
    small = scores.size < 10_000
    rounds = {"rounds": 200, "warmup_rounds": 20} if small else {"rounds": 3, "warmup_rounds": 1}
    record(peer, case).pedantic(run, (scores, k), iterations=1, **rounds)


@pytest.mark.benchmark(group="P1c")
@pytest.mark.parametrize("peer", ["hardmine", "torch", "hardmine on f32"])
@pytest.mark.parametrize("dtype", ["f16", "bf16", "f64"])
def test_p1c(record, matrices, dtype, peer):
    scores = matrices(SHAPES[0])
    case = name_of(SHAPES[0], dtype=dtype)
    if peer == "hardmine on f32":
        record(peer, case).pedantic(hm.topk, (scores, K), **ROUNDS)
        return
    narrow = scores.astype({"f16": np.float16, "bf16": ml_dtypes.bfloat16, "f64": np.float64}[dtype])
    tensor = torch.from_numpy(narrow.view(np.int16)).view(torch.bfloat16) if dtype == "bf16" else None
    tensor = torch.from_numpy(narrow) if tensor is None else tensor
    expected = torch.topk(tensor, K).values.float().numpy()
    assert (hm.topk(narrow, K).scores.reshape(expected.shape) == expected).all()
    if peer == "torch":
        record(peer, case).pedantic(torch.topk, (tensor, K), **ROUNDS)
    else:
        record(peer, case).pedantic(hm.topk, (narrow, K), **ROUNDS)


@pytest.mark.benchmark(group="P8-topk")
@pytest.mark.parametrize("threads", [2, 1])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_p8(record, matrices, shape, threads):
    scores = matrices(shape)
    assert (hm.topk(scores[:4], K, num_threads=1).ids == hm.topk(scores[:4], K, num_threads=2).ids).all()
    peer = "hardmine" if threads == 2 else "hardmine, 1 thread"
    record(peer, name_of(shape)).pedantic(hm.topk, (scores, K), {"num_threads": threads}, **ROUNDS)
