"""`in_batch_mask` against its slow twin, on arrays and tensors, and what it refuses."""

import math

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import hardmine as hm
from hardmine.primitives.batch import mask as module
from hardmine.primitives.batch import mask_on_device
from tests.oracle import in_batch as oracle

CEILINGS = {
    "perc": (hm.PercPos(0.95), [("perc", 0.95)]),
    "margin": (hm.MarginPos(0.25), [("margin", 0.25)]),
    "abs": (hm.Absolute(0.5), [("abs", 0.5)]),
    "both": (hm.PercPos(0.9) & hm.Absolute(0.75), [("perc", 0.9), ("abs", 0.75)]),
    "none": (None, []),
}
DTYPES = {
    "f16": (np.float16, torch.float16),
    "bf16": (ml_dtypes.bfloat16, torch.bfloat16),
    "f32": (np.float32, torch.float32),
    "f64": (np.float64, torch.float64),
}
SCORES = np.array([[0.8, 0.79, 0.2], [0.1, 0.9, 0.3], [0.4, 0.0, 0.7]], dtype=np.float32)


def on_device(scores, **arguments):
    """The path of other devices, on a CPU tensor: it asks for nothing that only one kind of device has."""
    tensor = torch.from_numpy(scores)
    rules = (arguments.pop(name, None) for name in ("ids", "groups", "clusters", "query_ids", "positives"))
    ceiling = arguments.pop("ceiling", hm.PercPos(0.95))
    more = (arguments.pop(name, None) for name in ("positive_columns", "positive_scores"))
    checked = module._Rules(tuple(tensor.shape), ceiling, *rules, *more)
    keep, drop = arguments.pop("keep_positive", False), arguments.pop("nan", "raise") == "drop"
    assert not arguments
    return mask_on_device.in_batch_mask(
        tensor,
        checked.native_ceiling,
        checked.native_labels,
        needs_positive=checked.needs_positive,
        keep_positive=keep,
        drop_nan=drop,
    ).numpy()


@st.composite
def batches(draw):
    """Scores with ties, labels with many equals, positives anywhere."""
    rows, width = draw(st.integers(1, 7)), draw(st.integers(1, 9))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    name = draw(st.sampled_from(sorted(DTYPES)))
    scores = (rng.integers(-8, 9, (rows, width)) / 8).astype(DTYPES[name][0])
    columns = rng.integers(0, width, rows)
    labels = {key: rng.integers(-1, 4, width) for key in draw(st.sets(st.sampled_from(["ids", "groups", "clusters"])))}
    queries = rng.integers(-1, 3, rows) if draw(st.booleans()) else None
    positives = None
    if queries is not None and "ids" in labels and draw(st.booleans()):
        positives = [sorted(set(rng.integers(0, 5, rng.integers(0, 3)).tolist())) for _ in range(3)]
    p = (rng.integers(-8, 9, rows) / 8).astype(np.float32) if draw(st.booleans()) else None
    if draw(st.booleans()):
        spoiled = rng.random((rows, width)) < 0.1
        if p is None:
            spoiled[np.arange(rows), columns] = False
        scores[spoiled] = np.nan
    return scores, columns, labels, queries, positives, p, draw(st.booleans()), draw(st.sampled_from(sorted(CEILINGS)))


@given(batches())
def test_equals_the_twin_at_every_level_and_on_a_device(batch):
    scores, columns, labels, queries, positives, p, keep, rule = batch
    ceiling, terms = CEILINGS[rule]
    expected = oracle.in_batch_mask(
        scores.astype(np.float64), terms, labels=list(labels.values()), queries=queries, positives=positives,
        ids=labels.get("ids"), columns=columns, p=p, keep=keep,
    )  # fmt: skip
    arguments = {
        "ceiling": ceiling,
        **labels,
        "query_ids": queries,
        "positives": None if positives is None else hm.Positives.from_lists(positives),
        "positive_columns": columns,
        "positive_scores": p,
        "keep_positive": keep,
        "nan": "drop",
    }
    with pytest.MonkeyPatch.context() as patch:
        for level in hm._native.isa_levels():
            patch.setenv("HARDMINE_ISA", level)
            for threads in (1, 2):
                found = hm.in_batch_mask(scores, **arguments, num_threads=threads)
                assert found.dtype == bool
                np.testing.assert_array_equal(found, expected)
        if scores.dtype != ml_dtypes.bfloat16:
            np.testing.assert_array_equal(on_device(scores, **arguments), expected)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_value_of_the_16_bit_types_and_their_neighbours_in_the_wider(dtype):
    """All 65,536 patterns against ceilings between them; a column per value, a positive that scores 0.3."""
    kind = DTYPES[dtype][0]
    values = np.arange(2**16, dtype=np.uint16)
    half = values.view(np.float16 if dtype != "bf16" else ml_dtypes.bfloat16)
    with np.errstate(invalid="ignore"):
        row = half.astype(kind)
        wide = row.astype(np.float64)
    for bound in (0.0, -0.0, 0.3, -0.3, 1e-7, 70000.0, -70000.0, 3.3e38):
        found = hm.in_batch_mask(
            row[None], ceiling=hm.Absolute(bound), positive_columns=[0x3C00], nan="drop", keep_positive=True
        )
        expected = ~(wide <= float(np.float32(bound)))
        expected[0x3C00] = False
        np.testing.assert_array_equal(found[0], expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_tensors_in_tensors_out(dtype):
    numpy_type, torch_type = DTYPES[dtype]
    tensor = torch.tensor(SCORES, requires_grad=True).to(torch_type)
    mask = hm.in_batch_mask(tensor)
    assert isinstance(mask, torch.Tensor)
    assert mask.dtype is torch.bool
    np.testing.assert_array_equal(mask.numpy(), hm.in_batch_mask(SCORES.astype(numpy_type)))
    assert torch.isfinite(
        tensor.masked_fill(hm.in_batch_mask(tensor, keep_positive=True), -torch.inf).logsumexp(1)
    ).all()


@pytest.mark.parametrize("view", ["transposed", "reversed", "sliced", "broadcast"])
def test_any_strides(view):
    rng = np.random.default_rng(0)
    base = rng.random((40, 40)).astype(np.float32)
    scores = {
        "transposed": base.T,
        "reversed": base[::-1, ::-1],
        "sliced": base[3:30:2, 1:40:2],
        "broadcast": np.broadcast_to(base[:1], (20, 40)),
    }[view]
    np.testing.assert_array_equal(hm.in_batch_mask(scores), hm.in_batch_mask(scores.copy()))


def test_strings_name_documents_as_well_as_numbers():
    found = hm.in_batch_mask(SCORES, ceiling=None, ids=["d1", "d2", "d1"], query_ids=np.array(["q1", "q2", "q2"]))
    expected = hm.in_batch_mask(SCORES, ceiling=None, ids=[4, 9, 4], query_ids=torch.tensor([0, 1, 1]))
    np.testing.assert_array_equal(found, expected)
    assert expected.tolist() == [[True, False, True], [False, True, True], [True, True, True]]


def test_empty_batches_keep_their_shape():
    for shape in ((0, 0), (0, 5)):
        assert hm.in_batch_mask(np.empty(shape, np.float32)).shape == shape


def test_a_large_batch_is_cut_into_tasks():
    rng = np.random.default_rng(1)
    scores, groups = rng.random((700, 1100)).astype(np.float32), rng.integers(0, 300, 1100)
    p = scores[np.arange(700), np.arange(700)]
    bound = (p.astype(np.float64) - np.abs(p.astype(np.float64)) * (1 - 0.95)).astype(np.float32)
    expected = (scores > bound[:, None]) | (groups[:700, None] == groups[None])
    for threads in (1, 2, 3, 7):
        np.testing.assert_array_equal(hm.in_batch_mask(scores, groups=groups, num_threads=threads), expected)


KNOWN = hm.Positives.from_lists([[1], [2]])
SPOILED = SCORES.copy()
SPOILED[2, 2] = math.nan
BAD = [
    ({"scores": SCORES[0]}, ValueError, r"scores: 1 dimensions, shape \(3,\), expected 2"),
    ({"scores": SCORES.astype(int)}, TypeError, "scores: dtype int64, expected one of float16"),
    ({"scores": SCORES[:, :2]}, ValueError, "scores: 3 rows, 2 columns; without positive_columns"),
    ({"scores": SPOILED, "ceiling": None}, ValueError, "scores: NaN at row 2, column 2; clean it"),
    ({"scores": SPOILED, "nan": "drop"}, ValueError, r"scores: NaN for the positive of row 2 \(column 2\)"),
    ({"nan": "ignore"}, ValueError, "nan: 'ignore', expected one of 'raise', 'drop'"),
    ({"ceiling": 0.95}, TypeError, "ceiling: float, expected a ceiling such as PercPos"),
    ({"ceiling": hm.Anchored()}, ValueError, "ceiling: Anchored needs anchor scores"),
    ({"ids": [1, 2]}, ValueError, "ids: length 2, expected 3"),
    ({"ids": ["a", "b"]}, ValueError, r"ids: shape \(2,\), expected \(3,\)"),
    ({"groups": [0.5, 1.0, 2.0]}, TypeError, "groups: dtype float64, expected integers"),
    ({"clusters": [0, -2, 1]}, ValueError, r"clusters: -2, expected at least -1 \(-1: none\)"),
    ({"query_ids": [0, 1]}, ValueError, "query_ids: length 2, expected 3"),
    ({"positives": KNOWN}, ValueError, "positives: given without query_ids and ids"),
    ({"positives": [[1]]}, TypeError, "positives: list, expected Positives"),
    ({"positives": KNOWN, "ids": ["a"] * 3, "query_ids": [0, 1, 1]}, TypeError, "given with ids or query_ids of"),
    ({"positives": KNOWN, "ids": [1, 2, 3], "query_ids": [0, 1, 2]}, ValueError, "query_ids: id 2 of row 2 is outside"),
    ({"positive_columns": [0, 1, 3]}, ValueError, r"positive_columns: id 3 of row 2 is outside 0\.\.3"),
    ({"positive_columns": [0, -1, 2]}, ValueError, r"positive_columns: id -1 of row 1 is outside 0\.\.3"),
    ({"positive_scores": [0.1, 0.2]}, ValueError, "positive_scores: length 2, expected 3"),
    ({"positive_scores": [0.1, math.inf, 0.2]}, ValueError, "positive_scores: inf for row 1, expected a finite number"),
    ({"keep_positive": 1}, TypeError, "keep_positive: int 1, expected True or False"),
    ({"num_threads": 0}, ValueError, "num_threads: 0, expected at least 1"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "kind", "message"), BAD)
def test_bad_input_is_named(arguments, kind, message):
    arguments = {"scores": SCORES, **arguments}
    with pytest.raises(kind, match=message):
        hm.in_batch_mask(arguments.pop("scores"), **arguments)


@pytest.mark.parametrize("arguments", [
    {"positive_columns": [0, 1, 3]},
    {"positives": KNOWN, "ids": [1, 2, 3], "query_ids": [0, 1, 2]},
])  # fmt: skip
def test_the_device_path_refuses_with_the_same_words(arguments):
    with pytest.raises(ValueError, match="outside") as host:
        hm.in_batch_mask(SCORES, **arguments)
    with pytest.raises(ValueError, match="outside") as device:
        on_device(SCORES, **arguments)
    assert str(host.value) == str(device.value)
    for spoiled in ({"nan": "drop"}, {}):
        with pytest.raises(ValueError, match="scores") as host:
            hm.in_batch_mask(SPOILED, **spoiled)
        with pytest.raises(ValueError, match="scores") as device:
            on_device(SPOILED, **spoiled)
        assert str(host.value) == str(device.value)
