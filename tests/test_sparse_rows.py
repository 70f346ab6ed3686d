"""Sparse rows: what they take, how they lie, and that they travel."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import hardmine as hm

torch = pytest.importorskip("torch")
scipy_sparse = pytest.importorskip("scipy.sparse")

F32 = np.float32


def lists(rows):
    return [
        dict(zip(row.terms.tolist(), row.weights.tolist(), strict=True)) for row in (rows[i] for i in range(len(rows)))
    ]


def test_rows_are_sorted_and_without_zeros():
    rows = hm.SparseRows([0, 3, 3, 5], [9, 2, 5, 1, 0], F32([1, 2, 0, -3, 4]))
    assert rows.offsets.tolist() == [0, 2, 2, 4]
    assert rows.terms.tolist() == [2, 9, 0, 1]
    assert rows.weights.tolist() == [2, 1, 4, -3]
    assert (rows.offsets.dtype, rows.terms.dtype) == (np.int64, np.int32)
    zeros = hm.SparseRows([0, 2], [3, 1], F32([0.0, -0.0]))
    assert (len(zeros), zeros.terms.size) == (1, 0)


def test_a_term_may_come_twice_in_no_row():
    with pytest.raises(ValueError, match="terms: 4 occurs twice in row 1"):
        hm.SparseRows([0, 1, 4], [4, 7, 4, 4], F32([1, 1, 1, 1]))
    assert len(hm.SparseRows([0, 1, 2], [4, 4], F32([1, 1]))) == 2


def test_what_lies_in_order_is_not_copied():
    terms, weights = np.array([1, 5, 0], np.int32), F32([1, 2, 3])
    rows = hm.SparseRows(np.array([0, 2, 3]), terms, weights)
    assert np.shares_memory(rows.terms, terms)
    assert np.shares_memory(rows.weights, weights)
    assert not rows.weights.flags.writeable
    with pytest.raises(AttributeError, match="frozen"):
        rows.weights = weights


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_travel_take_and_concatenate(dtype):
    rows = hm.SparseRows([0, 2, 2, 3], [1, 5, 0], np.array([1, 2, 3], dtype), 6)
    for other in (pickle.loads(pickle.dumps(rows)), copy.deepcopy(rows), hm.SparseRows.of(rows)):
        assert lists(other) == lists(rows)
        assert (other.num_terms, other.weights.dtype) == (6, dtype)
    assert lists(rows.take([2, 0, 2])) == [{0: 3.0}, {1: 1.0, 5: 2.0}, {0: 3.0}]
    assert rows.take([2]).weights.dtype == dtype
    both = hm.SparseRows.concatenate([rows, rows.take([0])])
    assert lists(both) == [*lists(rows), {1: 1.0, 5: 2.0}]
    with pytest.raises(IndexError, match="row 3 of 3"):
        rows[3]
    assert repr(rows) == f"SparseRows(3 rows, 3 weights, 6 terms, {np.dtype(dtype)})"


def test_from_columns():
    dense = np.random.default_rng(0).integers(0, 3, (7, 5)).astype(F32)
    term, row = np.nonzero(dense.T)
    found = hm.SparseRows.from_columns(np.searchsorted(term, np.arange(6)), row, dense.T[term, row], 7)
    assert lists(found) == [{t: float(w) for t, w in enumerate(weights) if w} for weights in dense]
    assert (len(found), found.num_terms) == (7, 5)


def test_scipy():
    sparse = pytest.importorskip("scipy.sparse")
    dense = np.random.default_rng(1).integers(-1, 3, (6, 8)).astype(F32)
    wanted = [{t: float(w) for t, w in enumerate(weights) if w} for weights in dense]
    for form in ("csr", "csc", "coo", "lil", "dok", "bsr", "dia"):
        assert lists(hm.SparseRows.of(sparse.coo_array(dense).asformat(form))) == wanted, form
    assert lists(hm.SparseRows.of(sparse.coo_matrix(dense))) == wanted
    twice = sparse.coo_array((F32([1, 2, 5]), ([0, 0, 1], [3, 3, 0])), shape=(2, 4))
    assert lists(hm.SparseRows.of(twice)) == [{3: 3.0}, {0: 5.0}]
    unsorted = sparse.csr_array((F32([1, 2]), np.array([3, 1]), np.array([0, 2])), shape=(1, 4))
    assert lists(hm.SparseRows.of(unsorted)) == [{3: 1.0, 1: 2.0}]
    assert unsorted.indices.tolist() == [3, 1]  # the caller's matrix is as it was
    assert np.array_equal(hm.SparseRows.of(sparse.csr_array(dense)).to_scipy().toarray(), dense)
    with pytest.raises(TypeError, match="documents weights: dtype float64, expected float16 or float32"):
        hm.SparseRows.of(sparse.csr_array(dense.astype(float)), "documents")


def test_torch():
    torch = pytest.importorskip("torch")
    dense = torch.tensor([[0.0, 1.0, 0.0], [2.0, 0.0, 3.0], [0.0, 0.0, 0.0]])
    twice = torch.sparse_coo_tensor(
        torch.tensor([[0, 0], [1, 1]]), torch.tensor([1.0, 2.0]), (1, 3), check_invariants=True
    )
    assert lists(hm.SparseRows.of(dense.to_sparse())) == [{1: 1.0}, {0: 2.0, 2: 3.0}, {}]
    assert lists(hm.SparseRows.of(twice)) == [{1: 3.0}]
    with pytest.raises(TypeError, match=r"rows: a tensor of torch.float64"):
        hm.SparseRows.of(dense.double().to_sparse())


def assert_same(one, other):
    assert one.num_terms == other.num_terms
    for column in ("offsets", "terms", "weights"):
        assert getattr(one, column).tolist() == getattr(other, column).tolist()


def test_tuples_of_lists_and_of_tensors():
    wanted = hm.SparseRows([0, 2], [0, 3], np.float32([1, 0.5]))
    tensors = torch.tensor([0, 2]), torch.tensor([0, 3]), torch.tensor([1, 0.5])
    for given in (([0, 2], [0, 3], np.float32([1, 0.5])), tensors):
        assert_same(hm.SparseRows.of(given), wanted)
    assert hm.search(tensors, wanted, 1).scores.tolist() == [1.25]
    dense = tuple(torch.ones(3, 2))
    assert hm.search(dense, np.ones((3, 2), np.float32), 1).scores.tolist() == [2.0] * 3, "embeddings, not sparse rows"


def test_the_callers_floating_point_mode_changes_nothing():
    """Weights below the normal numbers are weights, also where the caller flushes such numbers to zero."""
    weights = np.float32([1e-40, 1])
    matrix = scipy_sparse.coo_array((np.float32([5e-41, 5e-41]), ([0, 0], [1, 1])), shape=(1, 3))
    tensor = torch.tensor([[0, 1e-40, 1]]).to_sparse()
    made = (
        lambda: hm.SparseRows([0, 2], [0, 1], weights),
        lambda: hm.SparseRows.of(matrix),
        lambda: hm.SparseRows.from_columns([0, 1, 2], [0, 0], weights, 1),
        lambda: hm.SparseRows.of(tensor),
    )
    before = [make() for make in made]
    assert torch.set_flush_denormal(True)
    try:
        after = [make() for make in made]
    finally:
        torch.set_flush_denormal(False)
    for one, other in zip(before, after, strict=True):
        assert one.weights.tobytes() == other.weights.tobytes()
        assert one.terms.size == other.terms.size > 0


def test_tensors_and_matrices_of_other_shapes():
    hybrid = torch.sparse_coo_tensor([[0, 2]], torch.ones(2, 3), (3, 3), check_invariants=True)
    with pytest.raises(ValueError, match="rows: a sparse tensor of 1 dense dimensions, expected none"):
        hm.SparseRows.of(hybrid)
    with pytest.raises(TypeError, match="rows: a tensor on meta"):
        hm.SparseRows.of(torch.eye(3).to_sparse().to("meta"))
    spare = scipy_sparse.csr_array((3, 4), dtype=np.float32)
    spare.indptr, spare.indices = np.int32([0, 1, 1, 2]), np.int32([3, 0, 9, 9])
    spare.data = np.float32([1, 2, 7, 7])  # SciPy reads as far as indptr says
    assert_same(hm.SparseRows.of(spare), hm.SparseRows([0, 1, 1, 2], [3, 0], np.float32([1, 2]), 4))


def test_half_precision_is_widened_for_scipy():
    found = hm.SparseRows([0, 2], [0, 3], np.float16([0.1, 2])).to_scipy()
    assert found.dtype == np.float32
    assert found.toarray().tolist() == [[np.float16(0.1), 0, 0, 2]]
