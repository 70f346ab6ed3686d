"""Top-k selection: exact ids and scores against a stable sort, at every level, for every shape of input."""

import itertools

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import hardmine as hm
from tests.oracle import topk as oracle

BF16 = np.dtype(ml_dtypes.bfloat16)
DTYPES = [np.dtype(np.float16), BF16, np.dtype(np.float32), np.dtype(np.float64)]
THREADS = (1, 2, 3, 7)
DATA = {
    "random": lambda rng, n: rng.standard_normal(n),
    "sorted": lambda rng, n: np.sort(rng.standard_normal(n)),
    "reversed": lambda rng, n: np.sort(rng.standard_normal(n))[::-1],
    "constant": lambda _, n: np.full(n, 0.25),
    "few values": lambda rng, n: rng.integers(-2, 3, n) * np.float64(0.5) * rng.choice([-1.0, 1.0], n),
    "organ pipe": lambda _, n: np.minimum(np.arange(n), n - 1 - np.arange(n)),
    "nan mix": lambda rng, n: np.where(rng.random(n) < 0.3, rng.choice([np.nan, -np.nan], n), rng.standard_normal(n)),
    "inf mix": lambda rng, n: rng.choice([np.inf, -np.inf, 1.0, -0.0, 0.0, 1e-45, -1e-45], n),
    "maximum last": lambda rng, n: np.append(rng.standard_normal(n - 1), 9.0),
}


def check(found, scores, k, **limits):
    """Compare ids, scores, counts and ranks with the twin."""
    ids, values, counts = oracle.topk(scores, k, **limits)
    assert len(found) == len(ids)
    assert found.lengths.tolist() == [len(row) for row in ids]
    np.testing.assert_array_equal(found.ids, np.concatenate([*ids, np.empty(0, dtype=np.int64)]))
    np.testing.assert_array_equal(found.scores, np.concatenate([*values, np.empty(0, dtype=np.float32)]))
    for name in ("excluded", "nan", "above_ceiling", "below_floor"):
        expected = [count[name] for count in counts]
        assert found.reasons.get(name, np.zeros(len(ids))).tolist() == expected, name
    if any(count["above_ceiling"] for count in counts):
        expected = [np.arange(1, len(row) + 1) + count["above_ceiling"] for row, count in zip(ids, counts, strict=True)]
        np.testing.assert_array_equal(found.ranks, np.concatenate(expected))
    else:
        assert found.ranks is None


def same(a, b):
    """Whether two results are the same bytes."""
    names = ("offsets", "ids", "scores")
    return all(getattr(a, name).tobytes() == getattr(b, name).tobytes() for name in names) and all(
        (a.reasons[name] == b.reasons[name]).all() for name in {*a.reasons, *b.reasons}
    )


def make(kind, n, dtype, seed=0, rows=2):
    """Rows of one kind of data."""
    rng = np.random.default_rng([seed, n])
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return np.stack([np.asarray(DATA[kind](rng, n), dtype=np.float64) for _ in range(rows)]).astype(dtype)


# --- the matrix of widths, orders, types, k, levels and threads -------------------------------------------------------

WIDE = (191, 192, 193, 255, 256, 257, 300, 511, 512, 640, 1000, 1024, 1025, 2048, 2500, 4096, 4999, 5000)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("kind", DATA)
def test_every_width(kind, dtype):
    threads = itertools.cycle(THREADS)
    for n in (*range(1, 131), *WIDE):
        scores = make(kind, n, dtype)
        ks = sorted({0, 1, 2, n // 2, n - 1, n, n + 1})
        # Every k at some widths, two of them at the others: the product would take minutes and find nothing more.
        for k in ks if n % 16 in (0, 1) or n in WIDE else (ks[n % len(ks)], ks[(n + 3) % len(ks)]):
            nan = "drop" if kind == "nan mix" else "raise"
            check(hm.topk(scores, k, nan=nan, num_threads=next(threads)), scores, k)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_threads_over_many_and_long_rows(dtype, threads):
    many = make("random", 97, dtype, rows=300)
    check(hm.topk(many, 5, num_threads=threads), many, 5)
    # Long enough to be split over threads inside a row.
    for kind in ("random", "sorted", "few values", "nan mix"):
        long = make(kind, 300_007, dtype, rows=1)
        check(hm.topk(long, 37, nan="drop", num_threads=threads), long, 37)


@pytest.mark.parametrize("threads", THREADS)
def test_long_rows_that_are_gathered_and_split(threads):
    scores = np.asfortranarray(make("nan mix", 600_000, np.float16, rows=3))
    check(hm.topk(scores, 20, nan="drop", num_threads=threads), scores, 20)
    scores = np.nan_to_num(scores, nan=0.0)
    scores[[2, 1], [5, 599_999]] = np.nan
    with pytest.raises(ValueError, match="NaN at row 1, column 599999;"):
        hm.topk(scores, 20, num_threads=threads)


@pytest.mark.usefixtures("isa")
def test_ties_at_the_cut_go_to_the_lower_index():
    # More equal scores than any buffer holds, with the k-th place in their middle and across block borders.
    for n, k in ((100_000, 10), (100_000, 5000), (70_001, 70_000)):
        scores = np.zeros((1, n), dtype=np.float32)
        scores[0, n // 2 : n // 2 + k // 2] = 1.0
        scores[0, ::3] *= np.float32(-1.0)
        check(hm.topk(scores, k, num_threads=1), scores, k)
        check(hm.topk(scores[:, ::-1], k), scores[:, ::-1], k)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("shape", ["rising blocks", "falling blocks", "saw", "late cluster", "infinities"])
def test_orders_made_against_the_bound(shape):
    n = 400_000
    rng = np.random.default_rng(1)
    index = np.arange(n)
    scores = {
        "rising blocks": index // 64 + rng.random(n),
        "falling blocks": -(index // 64) + rng.random(n),
        "saw": index % 1009 + index / n,
        "late cluster": np.where(index > n - 3000, 10.0, 0.0) + rng.random(n),
        "infinities": np.where(rng.random(n) < 0.5, np.inf, -np.inf),
    }[shape][None].astype(np.float32)
    for k in (1, 100, 3000):
        check(hm.topk(scores, k), scores, k)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("dtype", DTYPES[:2], ids=str)
def test_all_16_bit_values(dtype):
    rng = np.random.default_rng(3)
    scores = np.stack([np.arange(2**16), rng.permutation(2**16)]).astype(np.uint16).view(dtype)
    for k in (10, 5000, 2**16):
        check(hm.topk(scores, k, nan="drop"), scores, k)
    bounds = {"ceiling": np.float32([1.0, -0.0]), "floor": np.float32([-1.0, -3e-39])}
    check(hm.topk(scores, 2**16, nan="drop", **bounds), scores, 2**16, **bounds)
    # Each value on its own reaches, exceeds or misses a bound as float32 arithmetic says.
    few = scores[:, ::97]
    for bound in np.float32([0.0, -0.0, 1e-8, -1e-8, 65504, 65519, 65521, -70000, 3.4e38, np.inf, -np.inf, 1e-41]):
        check(hm.topk(few, 700, nan="drop", ceiling=bound), few, 700, ceiling=bound)
        check(hm.topk(few, 700, nan="drop", floor=bound), few, 700, floor=bound)


@pytest.mark.usefixtures("isa")
def test_float64_is_ranked_as_float64():
    scores = np.array([[1.0, 1.0 + 2e-16, 1.0 + 4e-16, 1e-300, -1e-300, 1e300, -1e300]])
    found = hm.topk(scores, 7)
    assert found.ids.tolist() == [5, 2, 1, 0, 3, 4, 6]
    assert found.scores.tolist() == [np.inf, 1.0, 1.0, 1.0, 0.0, 0.0, -np.inf]
    # A ceiling of float32 is compared with the float64 score, unrounded.
    check(hm.topk(scores, 7, ceiling=1.0, floor=0.0), scores, 7, ceiling=1.0, floor=0.0)
    assert hm.topk(scores, 7, ceiling=1.0, floor=0.0).ids.tolist() == [0, 3]


# --- memory layouts ---------------------------------------------------------------------------------------------------


def layouts(scores):
    """The same matrix in every layout."""
    rows, columns = scores.shape
    wide = np.zeros((rows * 2, columns * 3 + 1), dtype=scores.dtype)
    wide[::2, 1::3] = scores
    packed = np.zeros((rows, columns), dtype=np.dtype([("flag", "u1"), ("score", scores.dtype)]))
    packed["score"] = scores
    odd = np.zeros(scores.nbytes + 1, dtype=np.uint8)
    odd[1:] = scores.view(np.uint16 if scores.dtype == BF16 else scores.dtype).reshape(-1).view(np.uint8)
    frozen = scores.copy()
    frozen.flags.writeable = False
    yield "fortran", np.asfortranarray(scores)
    yield "sliced", wide[::2, 1::3]
    yield "rows apart", wide[::2, : columns * 3].reshape(rows, -1)[:, 1::3]
    yield "negative", np.ascontiguousarray(scores[::-1, ::-1])[::-1, ::-1]
    yield "negative rows", np.ascontiguousarray(scores[::-1])[::-1]
    yield "field of a packed record", packed["score"]
    yield "misaligned", odd[1:].view(scores.dtype).reshape(rows, columns)
    yield "read-only", frozen


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_layouts_give_the_same_bytes(dtype):
    for kind, (rows, columns) in itertools.product(("random", "few values", "nan mix"), ((1, 7), (5, 300), (70, 4500))):
        scores = make(kind, columns, dtype, rows=rows)
        exclude = [np.arange(row % 5) * 3 % columns for row in range(rows)]
        limits = {"nan": "drop", "ceiling": 1.0, "exclude": exclude}
        expected = hm.topk(scores, 9, **limits)
        check(expected, scores, 9, ceiling=1.0, exclude=exclude)
        for name, view in layouts(scores):
            assert same(hm.topk(view, 9, num_threads=2, **limits), expected), name


def test_zero_strides():
    row = make("random", 5000, np.float32, rows=1)
    repeated = np.broadcast_to(row, (40, 5000))
    check(hm.topk(repeated, 7), repeated, 7)
    flat = np.broadcast_to(np.float32([[1.0], [2.0]]), (2, 5000))
    check(hm.topk(flat, 7), flat, 7)
    # More columns than 24 bits, and more cells than 31 bits, in four bytes of memory.
    giant = np.broadcast_to(np.float32(1.5), (1, 2**24 + 1))
    assert hm.topk(giant, 3).ids.tolist() == [0, 1, 2]
    giant = np.broadcast_to(np.float16(1.5), (1, 2**31 + 5))
    found = hm.topk(giant[:, 2**31 - 5 :], 20)
    assert found.ids.tolist() == list(range(10))


def test_memory_maps(tmp_path):
    scores = make("random", 3001, np.float32, rows=4)
    np.save(tmp_path / "scores.npy", scores)
    mapped = np.load(tmp_path / "scores.npy", mmap_mode="r")
    assert same(hm.topk(mapped, 10), hm.topk(scores, 10))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_torch_tensors(dtype):
    tensor = torch.randn(6, 500, generator=torch.Generator().manual_seed(0)).to(dtype)
    expected = tensor.double().numpy()
    check(hm.topk(tensor, 10), expected, 10)
    check(hm.topk(tensor.T, 3), expected.T, 3)
    check(hm.topk(tensor[:, ::7].requires_grad_(), 3), expected[:, ::7], 3)


def test_a_matrix_is_not_copied():
    import resource

    scores = np.zeros((2, 20_000_000), dtype=np.float32)
    scores[:, ::1000] = 1.0
    hm.topk(scores, 5)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    fortran = np.lib.stride_tricks.as_strided(scores.reshape(-1), (2, 20_000_000), (4, 8))
    assert hm.topk(fortran, 5).ids.tolist() == [0, 500, 1000, 1500, 2000, *range(5)]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000  # KiB; the matrix takes 156,250


@pytest.mark.usefixtures("isa")
def test_a_sample_that_misleads():
    # Every tenth score, which is what is looked at for a bound, is higher than the rest.
    scores = make("random", 40_960, np.float32, rows=2)
    scores[:, ::10] += 0.5
    check(hm.topk(scores, 20_480, num_threads=1), scores, 20_480)
    one = make("random", 16_384 * 20, np.float32, rows=1)
    one[:, ::20] += 2.0
    for threads in THREADS:
        check(hm.topk(one, 40_000, num_threads=threads), one, 40_000)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("kind", ["random", "sorted", "constant", "few values", "nan mix", "inf mix", "organ pipe"])
def test_a_dense_row_is_cut_for_threads(kind, dtype):
    scores = make(kind, 262_151, dtype, rows=1)
    for k in (20_000, 100_000, 262_150, 262_151):
        for threads in THREADS:
            check(hm.topk(scores, k, nan="drop", num_threads=threads), scores, k)


# --- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("kind", ["random", "sorted", "few values", "nan mix", "inf mix"])
def test_limits_count_exactly(kind, dtype):
    for n, k in ((1, 1), (63, 5), (64, 64), (130, 20), (1000, 3), (1000, 700), (9000, 50)):
        scores = make(kind, n, dtype, rows=4)
        rng = np.random.default_rng(n)
        ceiling = np.float32([0.5, np.inf, -0.0, -2.0])
        floor = np.float32([-0.5, 0.0, -np.inf, -1.0])  # the last is above its ceiling: nothing is admissible
        exclude = [rng.integers(0, n, size) for size in (0, 3, 40, n)]
        for limits in (
            {"ceiling": ceiling},
            {"floor": floor},
            {"ceiling": ceiling, "floor": floor},
            {"exclude": exclude},
            {"ceiling": ceiling, "floor": floor, "exclude": exclude},
        ):
            check(hm.topk(scores, k, nan="drop", **limits), scores, k, **limits)


@pytest.mark.usefixtures("isa")
def test_limits_on_a_split_row():
    scores = make("nan mix", 500_000, np.float32, rows=1)
    best = np.argsort(-np.nan_to_num(scores[0], nan=-9.0), kind="stable")
    limits = {"ceiling": 2.5, "floor": -1.0, "exclude": [best[5000:5100]]}
    for threads in THREADS:
        check(hm.topk(scores, 100, nan="drop", num_threads=threads, **limits), scores, 100, **limits)


@pytest.mark.usefixtures("isa")
def test_exclusions_do_not_inflate_k():
    scores = make("random", 20_000, np.float32, rows=3)
    best = np.argsort(-scores, axis=1)
    for size in (1, 100, 1000):
        exclude = [row[:size] for row in best]
        check(hm.topk(scores, 10, exclude=exclude), scores, 10, exclude=exclude)


def test_exclusions_come_in_every_form():
    scores = make("random", 50, np.float32)
    lists = [[3, 1, 3], []]
    expected = hm.topk(scores, 50, exclude=lists)
    assert expected.lengths.tolist() == [48, 50]
    pair = (np.array([0, 3, 3]), np.array([3, 1, 3]))
    assert same(hm.topk(scores, 50, exclude=pair), expected)
    assert same(hm.topk(scores, 50, exclude=hm.Positives.from_lists([[3, 1], []])), expected)


@pytest.mark.usefixtures("isa")
def test_one_matrix_row_under_several_ceilings():
    from hardmine.primitives.topk import scan

    scores = make("random", 3000, np.float32, rows=3)
    rows = np.array([2, 0, 0, 2, 1])
    ceiling = np.float32([1.0, 0.0, 2.0, -1.0, 0.5])
    exclude = [[1], [], [5, 6], [2], []]
    for view in (scores, np.asfortranarray(scores)):
        found = scan(view, 20, ceiling=ceiling, exclude=exclude, rows=rows)
        check(found, scores[rows], 20, ceiling=ceiling, exclude=exclude)
    with pytest.raises(ValueError, match=r"rows: id 3 of row 1 is outside 0\.\.3"):
        scan(scores, 2, rows=np.array([0, 3]))


@given(
    scores=hnp.arrays(
        st.sampled_from([np.float16, np.float32, np.float64]),
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=40),
        elements=st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.0, np.inf, -np.inf, np.nan, 1e-7, 0.5]),
    ),
    k=st.integers(0, 45),
    ceiling=st.none() | st.sampled_from([0.0, -0.0, 1.0, 0.75, np.inf, -np.inf]),
    floor=st.none() | st.sampled_from([0.0, -1.0, 0.75, np.inf, -np.inf]),
    data=st.data(),
)
def test_small_cases_with_any_limits(scores, k, ceiling, floor, data):
    rows, columns = scores.shape
    ids = st.lists(st.integers(0, columns - 1), max_size=8) if columns else st.just([])
    exclude = data.draw(st.none() | st.lists(ids, min_size=rows, max_size=rows))
    limits = {"ceiling": ceiling, "floor": floor, "exclude": exclude}
    found = hm.topk(scores, k, nan="drop", **limits)
    check(found, scores, k, **limits)
    for row in range(rows):
        removed = sum(int(counts[row]) for counts in found.reasons.values())
        assert found.lengths[row] == min(k, columns - removed)


# --- NaN --------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_first_nan_is_named(dtype, order):
    for k, threads in itertools.product((0, 1, 50, 5000), (1, 2)):
        scores = make("random", 5000, dtype, rows=60).copy(order=order)
        scores[[51, 40, 40, 59], [0, 4999, 77, 3]] = -np.nan
        with pytest.raises(ValueError, match="scores: NaN at row 40, column 77;"):
            hm.topk(scores, k, num_threads=threads)
        with pytest.raises(ValueError, match="NaN at row 40, column 77;"):
            hm.topk(scores, k, num_threads=threads, ceiling=-1.0, exclude=[[77]] * 60)


@pytest.mark.usefixtures("isa")
def test_nan_in_a_split_row_and_in_its_tail():
    for column in (0, 63, 64, 299_999, 300_000):
        scores = make("sorted", 300_001, np.float32, rows=1)
        scores[0, column] = np.nan
        with pytest.raises(ValueError, match=f"NaN at row 0, column {column};"):
            hm.topk(scores, 10, num_threads=2)


def test_all_nan():
    found = hm.topk(np.full((2, 70), np.nan, dtype=np.float32), 5, nan="drop")
    assert found.lengths.tolist() == [0, 0]
    assert found.reasons["nan"].tolist() == [70, 70]


# --- bad input --------------------------------------------------------------------------------------------------------


def test_empty_shapes():
    for shape in ((0, 0), (0, 5), (3, 0)):
        found = hm.topk(np.empty(shape, dtype=np.float32), 4, ceiling=1.0)
        assert len(found) == shape[0]
        assert found.ids.size == 0
    assert hm.topk(np.ones((2, 3)), np.int64(2)).lengths.tolist() == [2, 2]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"k": -1}, ValueError, "k: -1, expected at least 0"),
        ({"k": True}, TypeError, "k: bool True, expected an integer"),
        ({"k": 2.0}, TypeError, "k: float 2.0, expected an integer"),
        ({"scores": np.float32(1)}, ValueError, "scores: 0 dimensions"),
        ({"scores": np.array(1.0)}, ValueError, "scores: 0 dimensions"),
        ({"scores": np.ones(3)}, ValueError, "scores: 1 dimensions"),
        ({"scores": np.ones((1, 2, 3))}, ValueError, "scores: 3 dimensions"),
        ({"scores": np.ones((2, 3), dtype=">f4")}, TypeError, "scores: dtype float32 with swapped byte order"),
        ({"scores": np.ones((2, 3), dtype=np.int64)}, TypeError, "scores: dtype int64, expected one of float16, bf"),
        ({"scores": np.ones((2, 3), dtype=bool)}, TypeError, "scores: dtype bool"),
        ({"scores": np.ones((2, 3), dtype=complex)}, TypeError, "scores: dtype complex128"),
        ({"scores": np.ones((2, 3), dtype=object)}, TypeError, "scores: dtype object"),
        ({"scores": np.full((2, 3), "a")}, TypeError, "scores: dtype str"),
        ({"scores": "text"}, TypeError, "scores: str, expected an array"),
        ({"ceiling": np.nan}, ValueError, "ceiling: nan, expected a finite number"),
        ({"ceiling": np.float32([0.0, np.nan])}, ValueError, "ceiling: NaN for query 1"),
        ({"floor": np.float32([0.0])}, ValueError, "floor: length 1, expected 2"),
        ({"ceiling": np.array([1, 2])}, TypeError, "ceiling: dtype int64, expected floats"),
        ({"exclude": [[0], [3]]}, ValueError, r"exclude: id 3 of row 1 is outside 0\.\.3"),
        ({"exclude": [[-1], []]}, ValueError, r"exclude: id -1 of row 0 is outside 0\.\.3"),
        ({"exclude": [[0]]}, ValueError, "exclude: 1 rows, expected 2"),
        ({"exclude": (np.array([0, 2, 1]), np.array([0]))}, ValueError, "exclude: offsets fall from 2 to 1 at row 1"),
        ({"nan": "skip"}, ValueError, "nan: 'skip', expected one of 'raise', 'drop'"),
        ({"num_threads": 0}, ValueError, "num_threads: 0, expected at least 1"),
    ],
)
def test_bad_arguments_are_named(arguments, error, message):
    scores = arguments.pop("scores", np.ones((2, 3), dtype=np.float32))
    with pytest.raises(error, match=message):
        hm.topk(scores, arguments.pop("k", 1), **arguments)


# --- long lists of what is kept are sorted and cut in steps ----------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=str)
def test_lists_longer_than_a_step(dtype):
    """Runs in order that end where a step does; more kept scores than are cut at once, few of them distinct."""
    step = 1 << 16
    rng = np.random.default_rng(0)
    runs = np.concatenate([np.arange(step)[::-1], np.arange(step)[::-1] + 7, np.arange(9)[::-1]]).astype(dtype)[None]
    for k in (runs.size, runs.size - 1, step, step + 1):
        check(hm.topk(runs, k, floor=-1.0), runs, k, floor=-1.0)
        check(hm.topk(runs, k), runs, k)
    kept = 879 * 1024 + 1  # where a digit of the documents ends
    for scores in (rng.standard_normal((1, 2_400_000)), rng.integers(0, 3, (1, 2_400_000)), np.zeros((1, 2_400_000))):
        scores = scores.astype(dtype)
        check(hm.topk(scores, kept, floor=-9.0), scores, kept, floor=-9.0)
        best = hm.TopKAccumulator(1, kept)
        for start in (1_200_000, 0):
            best.update(scores[:, start : start + 1_200_000], first_document=start)
        check(best.finish(), scores, kept)


# --- the ends of the range ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_masks_and_the_ends_of_the_range(dtype):
    """Rows that a mask value fills but for a few, and thresholds and limits at the ends of the range of the type."""
    rng = np.random.default_rng(0)
    info = ml_dtypes.finfo(dtype)
    least, most, tiny = float(info.min), float(info.max), float(info.smallest_subnormal)
    ends = np.array([least, most, -np.inf, np.inf, tiny, -tiny, 0.0, -0.0, float(info.tiny), 1.0])
    bounds = [np.float32(x) for x in (-np.inf, -3.4028235e38, -65504, -1e-45, -0.0, 1e-45, 65504, 3.4028235e38, np.inf)]
    for n, free, k in ((20, 5, 6), (100, 5, 6), (300, 5, 50), (500, 99, 100), (5000, 5, 700), (9000, 8000, 8100)):
        rows = [np.full(n, fill) for fill in (least, most, -np.inf, np.inf, -tiny)]
        for row in rows:
            row[rng.permutation(n)[:free]] = rng.choice(ends, free)
        rows.append(rng.choice(ends, n))
        scores = np.stack(rows).astype(dtype)
        for layout in (scores, np.asfortranarray(scores)):
            check(hm.topk(layout, k), layout, k)
        for ceiling, floor in zip(bounds, bounds[::-1], strict=True):
            limits = {"ceiling": ceiling, "floor": np.float32(-np.inf) if k % 4 else floor}
            check(hm.topk(scores, k, **limits), scores, k, **limits)
            check(hm.topk(scores, k, floor=floor), scores, k, floor=floor)
    long = rng.choice(ends, (1, 300_000)).astype(dtype)
    for k, threads in ((10, 2), (20_000, 1), (20_000, 2), (150_000, 2), (300_000, 1)):
        check(hm.topk(long, k, num_threads=threads), long, k)
