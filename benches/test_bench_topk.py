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


def name_of(shape, order="random", dtype="f32"):
    return f"{shape[0]} x {shape[1]:,} {dtype}, k = {K}, {order} order"


@pytest.fixture(scope="module")
def matrices():
    """Score matrices made once, by shape and order."""
    made = {}

    def get(shape, order="random"):
        if (shape, order) not in made:
            scores = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
            if order == "ascending":
                scores.sort(axis=1)
            elif order == "descending":
                scores = np.ascontiguousarray(np.sort(scores, axis=1)[:, ::-1])
            made.clear()  # one at a time
            made[shape, order] = scores
        return made[shape, order]

    return get


def with_hardmine(scores):
    return hm.topk(scores, K).scores.reshape(len(scores), -1)


def with_numpy(scores):
    found = np.argpartition(scores, scores.shape[1] - K, axis=1)[:, -K:]
    return np.take_along_axis(scores, found, axis=1)


def with_torch(scores):
    return torch.topk(torch.from_numpy(scores), K).values.numpy()


def with_faiss(scores):
    """The heaps that faiss fills in its flat search, over all threads."""
    values = np.empty((len(scores), K), dtype=np.float32)
    ids = np.empty((len(scores), K), dtype=np.int64)
    heaps = faiss.float_minheap_array_t()
    heaps.k, heaps.nh = K, len(scores)
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


@pytest.mark.benchmark(group="P1b")
@pytest.mark.parametrize("peer", ["hardmine", "torch", "faiss heap"])
@pytest.mark.parametrize("order", ["ascending", "descending"])
def test_p1b(record, matrices, order, peer):
    scores = matrices(SHAPES[0], order)
    check(CONTENDERS[peer], scores)
    record(peer, name_of(SHAPES[0], order)).pedantic(CONTENDERS[peer], (scores,), **ROUNDS)


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
