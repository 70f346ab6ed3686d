"""`triplets` against its slow twin, on arrays and tensors."""

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import hardmine as hm
from hardmine.primitives.batch.triplets import KINDS
from tests.oracle import triplets as oracle

DTYPES = {
    "f16": (np.float16, torch.float16),
    "bf16": (ml_dtypes.bfloat16, torch.bfloat16),
    "f32": (np.float32, torch.float32),
    "f64": (np.float64, torch.float64),
}


@st.composite
def batches(draw):
    """Distances with ties, infinities and NaN; labels with singletons and none."""
    size = draw(st.integers(0, 9) | st.integers(60, 70))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    distances = rng.integers(0, 9, (size, size)) / 8
    if draw(st.booleans()):
        distances[rng.random((size, size)) < 0.1] = np.inf
    if draw(st.booleans()):
        distances[rng.random((size, size)) < 0.1] = np.nan
    labels = rng.integers(-1, draw(st.integers(1, max(size // 2, 1))), size)
    name = draw(st.sampled_from(sorted(DTYPES)))
    return distances.astype(DTYPES[name][0]), labels, name


@given(batches(), st.sampled_from(KINDS), st.sampled_from([0.0, 0.25, 0.3, 5.0]))
def test_equals_the_twin_at_every_level_and_as_a_tensor(batch, kind, margin):
    distances, labels, name = batch
    expected = oracle.triplets(distances.astype(np.float64), labels, kind, margin)
    options = {"kind": kind, "margin": margin, "nan": "drop"}
    with pytest.MonkeyPatch.context() as patch:
        for level in hm._native.isa_levels():
            patch.setenv("HARDMINE_ISA", level)
            for threads in (1, 2):
                found = hm.triplets(distances, labels, num_threads=threads, **options)
                assert found.tolist() == expected
    assert found.dtype == np.int64
    assert found.shape == (len(expected), 3)
    tensor = torch.from_numpy(distances.astype(np.float64)).to(DTYPES[name][1]).requires_grad_()
    from_tensor = hm.triplets(tensor, torch.from_numpy(labels), **options)
    assert isinstance(from_tensor, torch.Tensor)
    assert from_tensor.tolist() == expected


@given(batches(), st.sampled_from([0.0, 0.25, 5.0]))
def test_every_triplet_is_of_one_kind(batch, margin):
    distances, labels, _ = batch
    finite = np.nan_to_num(distances.astype(np.float32), posinf=9.0)
    kinds = {
        kind: set(map(tuple, hm.triplets(finite, labels, kind=kind, margin=margin).tolist()))
        for kind in ("hard", "semi_hard", "easy", "all")
    }
    both = kinds["hard"] & kinds["easy"]
    assert all(margin == 0 and finite[a, p] == finite[a, n] for a, p, n in both)
    assert not kinds["semi_hard"] & (kinds["hard"] | kinds["easy"])
    assert kinds["hard"] | kinds["semi_hard"] | kinds["easy"] == kinds["all"]


def test_strides_and_labels_of_strings():
    rng = np.random.default_rng(0)
    wide = rng.random((12, 24)).astype(np.float32)
    square = wide[::-1, ::2]
    names = np.array(["a", "b", "c"])[rng.integers(0, 3, 12)]
    numbers = np.unique(names, return_inverse=True)[1]
    expected = oracle.triplets(square, numbers, "hard", 0.0)
    assert hm.triplets(square, names.tolist()).tolist() == expected
    assert hm.triplets(np.asfortranarray(square), numbers).tolist() == expected


def test_only_the_diagonal_may_be_nan():
    distances = np.ones((3, 3), np.float32)
    np.fill_diagonal(distances, np.nan)
    assert hm.triplets(distances, [0, 0, 1]).tolist() == [[0, 1, 2], [1, 0, 2]]
    distances[2, 1] = np.nan
    with pytest.raises(ValueError, match="distances: NaN at row 2, column 1"):
        hm.triplets(distances, [0, 0, 1])


def test_subnormals_flushed_to_zero_by_the_caller():
    distances = np.zeros((3, 3), np.float32)
    torch.set_flush_denormal(True)  # where the processor can
    try:
        assert hm.triplets(distances, [0, 0, 1], kind="semi_hard").tolist() == []
        assert len(hm.triplets(distances, [0, 0, 1], kind="hard")) == 2
    finally:
        torch.set_flush_denormal(False)
