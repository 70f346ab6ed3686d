"""In-batch masks against their PyTorch form: PercPos and equal documents, score matrices of a training step."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch

import hardmine as hm
import hardmine._native as _native

SCALE = float(os.environ.get("HARDMINE_BENCH_SCALE", "1"))
THREADS = min(2, _native.available_threads())
ROUNDS = {"rounds": 9, "iterations": 1, "warmup_rounds": 2}


def torch_mask(scores, ids):
    """What a training loop writes today."""
    p = scores.diagonal()
    bound = p - p.abs() * (1 - 0.95)
    return (scores > bound[:, None]) | (ids[: len(p), None] == ids[None, :])


def hardmine_mask(scores, ids):
    return hm.in_batch_mask(scores, ids=ids, num_threads=THREADS)


@pytest.mark.benchmark(group="P-mask")
@pytest.mark.parametrize("peer", ["hardmine", "torch"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=lambda dtype: str(dtype).split(".")[1])
@pytest.mark.parametrize(("rows", "columns"), [(256, 2048), (4096, 4096)])
def test_in_batch_mask(record, peer, dtype, rows, columns):
    rows, columns = max(int(rows * SCALE), 8), max(int(columns * SCALE), 16)
    rng = np.random.default_rng(0)
    # Eighths: a product with 0.95 rounds to no tie, so the float32 and the float64 form of the bound agree.
    scores = torch.from_numpy((rng.integers(-8, 9, (rows, columns)) / 8).astype(np.float32)).to(dtype)
    ids = torch.from_numpy(rng.integers(0, columns // 2, columns))
    assert torch.equal(hardmine_mask(scores, ids), torch_mask(scores, ids))
    run = hardmine_mask if peer == "hardmine" else torch_mask
    torch.set_num_threads(THREADS)
    case = f"in_batch_mask, {rows} x {columns} {str(dtype).split('.')[1]}, PercPos and ids"
    record(peer, case).pedantic(run, (scores, ids), **ROUNDS)
