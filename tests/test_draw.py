"""Draws: the laws by enumeration and by counts, the twin's exact results, and independence of everything but keys."""

from __future__ import annotations

import itertools
import math
import time
from collections import Counter
from decimal import Decimal, localcontext

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hardmine as hm
import hardmine._native as _native
from tests.oracle import draw as oracle

INF = math.inf

CRITICAL = {
    1: 10.828, 2: 13.816, 3: 16.266, 4: 18.467, 5: 20.515, 6: 22.458, 7: 24.322, 8: 26.124, 9: 27.877, 11: 31.264,
    14: 36.123, 19: 43.82, 29: 58.301, 39: 72.055, 41: 74.745, 49: 85.351, 55: 93.168, 63: 103.442, 99: 148.23,
    119: 172.418,
}  # fmt: skip
"""Chi-square quantiles at 0.999 by degrees of freedom."""


def assert_counts_follow(counts, expected):
    """Chi-square on counts at alpha 0.001; outcomes of probability zero must not occur at all."""
    counts, expected = np.asarray(counts, float), np.asarray(expected, float)
    assert counts.sum() == pytest.approx(expected.sum())
    assert (counts[expected == 0] == 0).all()
    kept = expected > 0
    assert (expected[kept] > 5).all(), "too few for a chi-square"
    statistic = ((counts[kept] - expected[kept]) ** 2 / expected[kept]).sum()
    assert statistic < CRITICAL[kept.sum() - 1]


def count(rows, outcomes):
    """How often each outcome stands in a row."""
    found = Counter(map(tuple, rows.tolist()))
    assert set(found) <= set(outcomes)
    return [found[outcome] for outcome in outcomes]


# Noise


def test_philox_of_the_twin_gives_the_published_answers():
    assert oracle.philox((0,) * 4, (0,) * 2) == (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)
    ones = 0xFFFFFFFF
    assert oracle.philox((ones,) * 4, (ones,) * 2) == (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)
    pi = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344)
    assert oracle.philox(pi, (0xA4093822, 0x299F31D0)) == (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("size", [0, 1, 3, 7, 8, 9, 15, 16, 17, 100, 255, 256, 257, 1000])
def test_noise_equals_the_twin_to_the_bit(size):
    columns = np.arange(size, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    for seed, epoch, row in [(0, 0, 0), (2**64 - 1, 2**63 - 1, 2**64 - 1), (7, 3, 2**33 + 5)]:
        found = _native.gumbel_noise(seed, epoch, row, columns)
        assert found.tobytes() == oracle.noise(seed, epoch, row, columns).tobytes()


def test_noise_is_as_close_to_the_logarithm_as_stated():
    words = np.concatenate(
        [
            np.array([0, 1 << 12, 2**64 - 1, 2**63, 2**63 - 1, 2**64 - 4097], np.uint64),
            oracle.bits((1, 2), 3, np.arange(2000)),
            oracle.bits((1, 2), 4, np.arange(500)) >> np.uint64(40),
            ~(oracle.bits((1, 2), 5, np.arange(500)) >> np.uint64(40)),
        ]
    )
    with localcontext() as context:
        context.prec = 50
        for u, found in zip(oracle.unit(words).tolist(), oracle.gumbel(words).tolist(), strict=True):
            exact = -((-Decimal(u).ln()).ln())
            assert abs(Decimal(found) - exact) <= Decimal("2.3e-16") * (1 + max(1, abs(exact)))


def test_a_million_values_are_gumbel():
    noise = np.sort(_native.gumbel_noise(1, 0, 0, np.arange(1_000_000, dtype=np.uint64)))
    law = np.exp(-np.exp(-noise))
    steps = np.arange(noise.size + 1) / noise.size
    distance = max((steps[1:] - law).max(), (law - steps[:-1]).max())
    assert distance < 1.9495 / math.sqrt(noise.size)  # Kolmogorov's quantile at 0.999


# Drawing columns


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("width", [0, 1, 2, 7, 31, 32, 33, 64, 100, 130, 257])
def test_draws_equal_the_twin(width, replace):
    rng = np.random.default_rng(width)
    weights = rng.normal(0, 3, (6, width)) * rng.choice([0.0, 1.0, 50.0], (6, 1))
    weights[rng.random(weights.shape) < 0.15] = -INF
    for n in [0, 1, 2, 8, 13, 25, 49, width // 3, width, width + 1]:
        expected = oracle.draw(weights, n, seed=5, epoch=2, replace=replace)
        found = hm.draw(weights, n, seed=5, epoch=2, replace=replace)
        assert found.dtype == np.int64
        np.testing.assert_array_equal(found, expected)


@pytest.mark.usefixtures("isa")
def test_wide_keys_equal_the_twin():
    """Keys above 2^32, alone and among narrow ones: the common rounds of a row hold for narrow ones only."""
    rng = np.random.default_rng(8)
    weights = rng.normal(size=(20, 70))
    for share in (1.0, 0.1):
        keys = rng.integers(0, 2**32, 70, dtype=np.uint64)
        keys[rng.random(70) < share] |= np.uint64(2**63 + 2**32)
        expected = oracle.draw(weights, 9, seed=5, column_keys=keys)
        np.testing.assert_array_equal(hm.draw(weights, 9, seed=5, column_keys=keys), expected)


def test_close_calls_are_decided_in_full():
    """Of some thousand rows, a few have neighbours that float32 noise puts in the wrong order."""
    weights = np.linspace(0, 2, 64)[None].repeat(4000, axis=0)
    np.testing.assert_array_equal(hm.draw(weights, 8, seed=1), oracle.draw(weights, 8, seed=1))


@given(
    st.lists(st.one_of(st.floats(-1e3, 1e3), st.just(-INF), st.sampled_from([-1e300, 1e300, 0.0, -0.0])), max_size=80),
    st.integers(0, 20),
    st.integers(0, 2**64 - 1),
    st.booleans(),
)
def test_any_log_weights(weights, n, seed, replace):
    weights = np.array([weights])
    expected = oracle.draw(weights, n, seed=seed, replace=replace)
    np.testing.assert_array_equal(hm.draw(weights, n, seed=seed, replace=replace), expected)


@pytest.mark.usefixtures("isa")
def test_columns_of_one_key_tie_and_the_lower_wins():
    keys = np.zeros(100, np.uint64)
    for n in [1, 5, 16, 30, 99]:
        np.testing.assert_array_equal(hm.draw(np.zeros((2, 100)), n, seed=0, column_keys=keys), [range(n)] * 2)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_sets_follow_the_exact_law(n):
    weights = [5.0, 1.0, 0.5, 2.0, 0.0, 1.5]
    law = Counter()
    for order, probability in oracle.sequential(weights, n).items():
        law[tuple(sorted(order))] += probability
    rows = 100_000
    with np.errstate(divide="ignore"):
        log_weights = np.broadcast_to(np.log(weights), (rows, 6))
    outcomes = list(itertools.combinations(range(6), n))
    drawn = count(hm.draw(log_weights, n, seed=11 + n), outcomes)
    possible = [o for o in outcomes if law[o] > 0]
    expected = {o: law[o] * rows for o in outcomes}
    assert all(c == 0 for c, o in zip(drawn, outcomes, strict=True) if o not in possible)
    statistic = sum((c - expected[o]) ** 2 / expected[o] for c, o in zip(drawn, outcomes, strict=True) if expected[o])
    assert statistic < CRITICAL[len(possible) - 1]


def test_the_prefilter_leaves_the_law_alone():
    weights = np.full(64, 0.25)
    weights[:4] = [8.0, 4.0, 2.0, 1.0]
    rows = 60_000
    drawn = hm.draw(np.broadcast_to(np.log(weights), (rows, 64)), 1, seed=4)[:, 0]
    assert_counts_follow(np.bincount(drawn, minlength=64), weights / weights.sum() * rows)


def test_draws_with_replacement_are_independent():
    weights = np.array([5.0, 1.0, 2.0])
    rows = 50_000
    drawn = hm.draw(np.broadcast_to(np.log(weights), (rows, 3)), 4, seed=3, replace=True)
    share = weights / weights.sum()
    pairs = list(itertools.product(range(3), repeat=2))
    for first, second in itertools.combinations(range(4), 2):
        expected = [share[i] * share[j] * rows for i, j in pairs]
        assert_counts_follow(count(drawn[:, [first, second]], pairs), expected)


def test_minus_infinity_is_never_drawn():
    weights = np.zeros((500, 40), np.float32)
    weights[:, ::2] = -INF
    for replace in (False, True):
        drawn = hm.draw(weights, 25, seed=1, replace=replace)
        assert (drawn[drawn >= 0] % 2 == 1).all()
        assert ((drawn == -1).sum(axis=1) == (0 if replace else 5)).all()
        nothing = hm.draw(np.full((2, 5), -INF), 2, seed=1, replace=replace)
        np.testing.assert_array_equal(nothing, [[-1, -1], [-1, -1]])


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("threads", [1, 2, 3, 7])
@pytest.mark.parametrize("replace", [False, True])
def test_threads_levels_and_order_of_rows_change_nothing(threads, replace):
    weights = np.random.default_rng(0).normal(size=(3000, 60)).astype(np.float32)
    whole = hm.draw(weights, 5, seed=9, replace=replace, num_threads=1)
    again = hm.draw(weights, 5, seed=9, replace=replace, num_threads=threads)
    assert whole.tobytes() == again.tobytes()
    order = np.random.default_rng(1).permutation(3000)
    shuffled = hm.draw(weights[order], 5, seed=9, replace=replace, row_keys=order, num_threads=threads)
    np.testing.assert_array_equal(shuffled, whole[order])


@pytest.mark.parametrize("replace", [False, True])
def test_shards_of_rows_and_orders_of_columns_change_nothing(replace):
    weights = np.random.default_rng(0).normal(size=(200, 50))
    row_keys = np.random.default_rng(1).integers(-(2**63), 2**63 - 1, 200)
    column_keys = np.random.default_rng(2).integers(0, 2**63, 50).astype(np.uint64)
    options = {"seed": 1, "epoch": 6, "replace": replace}
    whole = hm.draw(weights, 7, row_keys=row_keys, column_keys=column_keys, **options)
    parts = [hm.draw(weights[s], 7, row_keys=row_keys[s], column_keys=column_keys, **options)
             for s in (slice(0, 1), slice(1, 90), slice(90, 200))]  # fmt: skip
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    order = np.random.default_rng(3).permutation(50)
    moved = hm.draw(weights[:, order], 7, row_keys=row_keys, column_keys=column_keys[order], **options)
    back = order[moved] if replace else np.sort(order[moved], axis=1)
    np.testing.assert_array_equal(back, whole)


def test_every_dtype_and_layout():
    base = np.random.default_rng(0).normal(size=(40, 30)).astype(ml_dtypes.bfloat16)
    expected = hm.draw(base.astype(np.float64), 6, seed=2)
    packed = np.zeros((40, 30), dtype=[("pad", "u1"), ("weight", "<f4")])
    packed["weight"] = base.astype(np.float32)
    views = [
        base,
        base.astype(np.float32),
        np.asfortranarray(base.astype(np.float32)),
        np.repeat(base.astype(np.float32), 2, axis=1)[:, ::2],
        base.astype(np.float32)[::-1, ::-1].copy()[::-1, ::-1],
        packed["weight"],
    ]
    for view in views:
        np.testing.assert_array_equal(hm.draw(view, 6, seed=2), expected)
    half = base.astype(np.float16)
    np.testing.assert_array_equal(hm.draw(half, 6, seed=2), hm.draw(half.astype(np.float64), 6, seed=2))
    giant = np.broadcast_to(np.float32(0), (3, 1_000_000))
    np.testing.assert_array_equal(hm.draw(giant, 20, seed=2), oracle.draw(giant, 20, seed=2))


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("replace", [False, True])
def test_equal_weights_are_drawn_alike_whatever_their_size(replace):
    """float64 has no room for the noise beside them, and it decides all the same: as between weights of 0."""
    for columns, n in ((2, 1), (9, 4), (300, 7)):
        expected = hm.draw(np.zeros((400, columns)), n, seed=1, replace=replace)
        for size in (1e9, 1e14, -1e15, 1e17, -1e300, np.finfo(np.float64).max, np.finfo(np.float64).min):
            weights = np.full((400, columns), size)
            found = hm.draw(weights, n, seed=1, replace=replace)
            np.testing.assert_array_equal(found, expected)
            np.testing.assert_array_equal(found[:40], oracle.draw(weights[:40], n, seed=1, replace=replace))
    # Those that are left once the heaviest is gone.
    weights = np.full((2_000, 3), -1e18)
    weights[:, 1] = 0
    second = hm.draw(weights, 2, seed=2)
    assert (second == 1).any(axis=1).all()
    assert 900 < (second == 0).any(axis=1).sum() < 1100


def test_seed_and_epoch_matter():
    weights = np.zeros((50, 50))
    draws = [hm.draw(weights, 5, seed=s, epoch=e) for s, e in [(0, 0), (1, 0), (0, 1), (2**64 - 1, 0), (0, 2**63 - 1)]]
    for one, other in itertools.combinations(draws, 2):
        assert (one == other).all(axis=1).mean() < 0.1


@pytest.mark.usefixtures("isa")
def test_pinned_first_draws():
    assert hm.draw(np.zeros((2, 20)), 5, seed=0).tolist() == PINNED_DRAW
    assert hm.draw(np.zeros((2, 20)), 5, seed=0, epoch=1, replace=True).tolist() == PINNED_REPLACE
    assert hm.sample_uniform(2, 6, 1000, seed=0).tolist() == PINNED_UNIFORM
    assert hm.sample_uniform(1, 3, 2**40, seed=0).tolist() == PINNED_WIDE
    assert hm.sample_uniform(1, 6, 8, exclude=[[3]], seed=0).tolist() == PINNED_DENSE
    table = hm.AliasTable(np.arange(50))
    assert table.sample(2, 6, seed=0).tolist() == PINNED_ALIAS
    assert table.sample(1, 6, seed=0, replace=False).tolist() == PINNED_DISTINCT


PINNED_DRAW = [[0, 1, 8, 9, 11], [2, 4, 6, 11, 13]]
PINNED_REPLACE = [[3, 15, 15, 15, 13], [18, 7, 15, 14, 4]]
PINNED_UNIFORM = [[858, 15, 239, 725, 557, 646], [265, 542, 429, 850, 47, 454]]
PINNED_WIDE = [[17038436059, 797735116861, 710867187086]]
PINNED_DENSE = [[0, 6, 1, 2, 4, 5]]
PINNED_ALIAS = [[44, 24, 34, 48, 46, 38], [31, 28, 49, 22, 49, 39]]
PINNED_DISTINCT = [[34, 25, 45, 31, 22, 29]]


def test_bad_log_weights():
    weights = np.zeros((4, 90), np.float32)
    weights[2, 70] = np.nan
    weights[3, 1] = INF
    with pytest.raises(ValueError, match="log_weights: NaN at row 2, column 70"):
        hm.draw(weights, 1, seed=0)
    weights[2, 70] = 0
    with pytest.raises(ValueError, match="log_weights: inf at row 3, column 1, expected a finite number or -inf"):
        hm.draw(weights, 1, seed=0)
    with pytest.raises(TypeError, match="log_weights: dtype int64, expected one of float16"):
        hm.draw(np.zeros((2, 2), int), 1, seed=0)
    with pytest.raises(ValueError, match="log_weights: 1 dimensions"):
        hm.draw(np.zeros(3), 1, seed=0)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n": -1}, ValueError, "n: -1, expected at least 0"),
        ({"n": 1.0}, TypeError, "n: float 1.0, expected an integer"),
        ({"n": True}, TypeError, "n: bool True, expected an integer"),
        ({"seed": -1}, ValueError, "seed: -1, expected at least 0"),
        ({"seed": 2**64}, ValueError, "seed: 18446744073709551616, expected at most"),
        ({"epoch": 2**63}, ValueError, "epoch: 9223372036854775808, expected at most"),
        ({"replace": 1}, TypeError, "replace: int 1, expected True or False"),
        ({"row_keys": [1]}, ValueError, r"row_keys: shape \(1,\), expected \(2,\)"),
        ({"row_keys": [1.0, 2.0]}, TypeError, "row_keys: dtype float64"),
        ({"num_threads": 0}, ValueError, "num_threads: 0, expected at least 1"),
    ],
)
def test_bad_parameters(options, error, message):
    options = {"n": 1, "seed": 0, **options}
    n = options.pop("n")
    table = hm.AliasTable([1.0, 2.0])
    calls = [
        lambda: hm.draw(np.zeros((2, 3)), n, **options),
        lambda: hm.sample_uniform(2, n, 3, **options),
        lambda: table.sample(2, n, **options),
    ]
    for call in calls:
        with pytest.raises(error, match=message):
            call()


def test_bad_column_keys_and_sizes():
    with pytest.raises(ValueError, match=r"column_keys: shape \(2,\), expected \(3,\)"):
        hm.draw(np.zeros((2, 3)), 1, seed=0, column_keys=[1, 2])
    with pytest.raises(MemoryError):
        hm.draw(np.zeros((4, 3)), 2**62, seed=0)
    with pytest.raises(MemoryError):
        hm.sample_uniform(2**40, 2**20, 5, seed=0)
    assert hm.draw(np.zeros((0, 3)), 2, seed=0).shape == (0, 2)
    assert hm.draw(np.zeros((3, 0)), 2, seed=0).tolist() == [[-1, -1]] * 3
    assert hm.draw(np.zeros((3, 2)), 0, seed=0).shape == (3, 0)


# Uniform draws


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize(
    ("num_items", "n", "gone"),
    [(40, 5, 3), (40, 30, 0), (40, 30, 8), (10, 10, 0), (10, 12, 4), (1, 1, 0), (5, 2, 5), (1000, 100, 401),
     (2**32 - 1, 20, 3), (2**32, 20, 3), (2**40, 20, 5), (3 * 2**30, 500, 2), (0, 2, 0), (7, 0, 2)],
)  # fmt: skip
def test_uniform_draws_equal_the_twin(num_items, n, gone, replace):
    rng = np.random.default_rng(7)
    exclude = [rng.permutation(min(num_items, 1000))[:gone].tolist() * 2 for _ in range(5)]
    expected = oracle.sample_uniform(5, n, num_items, exclude=exclude, seed=3, epoch=1, replace=replace)
    found = hm.sample_uniform(5, n, num_items, exclude=exclude, seed=3, epoch=1, replace=replace)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("n", [2, 6])
def test_ordered_pairs_are_uniform(n):
    """Both ways of drawing: by rejection, and from the list of what is left."""
    rows = 56 * 1000
    drawn = hm.sample_uniform(rows, n, 10, exclude=[[2, 9]] * rows, seed=n)
    left = [0, 1, 3, 4, 5, 6, 7, 8]
    pairs = list(itertools.permutations(left, 2))
    for columns in ([0, 1], [n - 1, 0]):
        assert_counts_follow(count(drawn[:, columns], pairs), [1000] * 56)


@pytest.mark.parametrize("num_items", [3, 5, 3 * 2**30])
def test_no_item_is_favoured(num_items):
    """3 * 2**30 of 2**32 words: without refusals, two thirds of the draws would fall into the wrong places."""
    drawn = hm.sample_uniform(1000, 300, num_items, seed=8, replace=True).ravel()
    if num_items > 5:
        counts = np.bincount(drawn % 3, minlength=3)
        assert_counts_follow(counts, [drawn.size / 3] * 3)
        counts = np.bincount(drawn * 4 // num_items, minlength=4)
    else:
        counts = np.bincount(drawn, minlength=num_items)
    assert_counts_follow(counts, [drawn.size / counts.size] * counts.size)


def test_uniform_draws_are_distinct_and_never_excluded():
    rng = np.random.default_rng(0)
    exclude = [rng.integers(0, 500, rng.integers(0, 400)).tolist() for _ in range(300)]
    drawn = hm.sample_uniform(300, 200, 500, exclude=exclude, seed=0)
    for row, gone in zip(drawn, exclude, strict=True):
        items = row[row >= 0].tolist()
        assert not set(items) & set(gone)
        assert len(set(items)) == len(items) == min(200, 500 - len(set(gone)))
        assert (row[len(items) :] == -1).all()


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_uniform_and_alias_draws_depend_on_keys_alone(threads):
    rng = np.random.default_rng(0)
    exclude = [rng.integers(0, 300, 20).tolist() for _ in range(400)]
    keys = rng.integers(0, 2**63, 400)
    table = hm.AliasTable(rng.random(300))
    order = rng.permutation(400)
    moved = [exclude[i] for i in order]
    options = {"seed": 4, "epoch": 1}
    for replace in (False, True):
        options["replace"] = replace
        whole = hm.sample_uniform(400, 90, 300, exclude=exclude, row_keys=keys, num_threads=1, **options)
        again = hm.sample_uniform(400, 90, 300, exclude=moved, row_keys=keys[order], num_threads=threads, **options)
        np.testing.assert_array_equal(again, whole[order])
        whole = table.sample(400, 90, exclude=exclude, row_keys=keys, num_threads=1, **options)
        moved = [exclude[i][::-1] for i in order]
        again = table.sample(400, 90, exclude=moved, row_keys=keys[order], num_threads=threads, **options)
        np.testing.assert_array_equal(again, whole[order])


def test_bad_exclusions():
    table = hm.AliasTable([1.0, 1.0, 1.0])
    for call in (
        lambda e: hm.sample_uniform(2, 1, 3, exclude=e, seed=0),
        lambda e: table.sample(2, 1, exclude=e, seed=0),
    ):
        with pytest.raises(ValueError, match=r"exclude: id 3 of row 1 is outside 0\.\.3"):
            call([[0], [1, 3]])
        with pytest.raises(ValueError, match=r"exclude: id -1 of row 0 is outside 0\.\.3"):
            call([[-1], []])
        with pytest.raises(ValueError, match="exclude: 1 rows, expected 2"):
            call([[0]])
        with pytest.raises(ValueError, match=r"exclude: offsets have length 2, expected 3 \(rows \+ 1\)"):
            call((np.array([0, 1]), np.array([0])))


# Numbers at the ends of their types

MASKS = {
    "float16": [np.finfo(np.float16).min, np.finfo(np.float16).max, 6e-8, -6e-8],
    "bfloat16": [ml_dtypes.finfo(ml_dtypes.bfloat16).min, ml_dtypes.finfo(ml_dtypes.bfloat16).max, -1e-40],
    "float32": [np.finfo(np.float32).min, np.finfo(np.float32).max, np.float32(1e-45), np.finfo(np.float16).min],
    "float64": [
        np.finfo(np.float64).min, np.finfo(np.float64).max, 5e-324, np.finfo(np.float32).min,
        np.nextafter(float(np.finfo(np.float32).min), -INF), -1e39, 1e39, -3.4028235677973366e38,
    ],
}  # fmt: skip
"""What stands in for "never" or "always" in a row of ordinary log-weights."""


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize(("dtype", "mask"), [(dtype, mask) for dtype, masks in MASKS.items() for mask in masks])
def test_masked_columns_equal_the_twin(dtype, mask, count_cases):
    """Unmasked columns about as many as are drawn, widths about those of vectors, -inf and the other end among them."""
    rng = np.random.default_rng(3)
    for width in (1, 16, 17, 31, 64, 111, 112, 113, 300):
        for free in {0, 1, 5, 16, 49} & set(range(width)):
            weights = np.full((2, width), mask, np.float64)
            for row, order in zip(weights, rng.permuted(np.tile(np.arange(width), (2, 1)), axis=1), strict=True):
                row[order[:free]] = rng.normal(size=free)
                row[order[free : free + width // 5]] = [-INF, -float(mask), mask][rng.integers(3)]
            weights = weights.astype(dtype)
            for n in {1, free, free + 1, free + 3, width // 3, width - 1} - {0}:
                for replace in (False, True)[: 1 + (n <= 6)]:  # the twin takes every arrival of every column
                    expected = oracle.draw(weights.astype(np.float64), n, seed=width, replace=replace)
                    found = hm.draw(weights, n, seed=width, replace=replace)
                    np.testing.assert_array_equal(found, expected, err_msg=f"{n} of {width}, {free} free")
                    count_cases(len(found))


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("mask", [np.finfo(np.float32).min, np.finfo(np.float64).min, np.finfo(np.float16).min])
def test_masked_candidates_are_drawn_last(mask):
    nobody = hm.Positives([0, 0], np.empty(0, np.int64))
    for size, free, n in itertools.product((20, 100, 113), (0, 5, 16), (1, 5, 6, 19)):
        run = hm.Candidates([0, size], np.arange(size) * 3, np.linspace(1, 0, size))
        weights = np.full(size, float(mask))
        weights[np.arange(free) * 7 % size] = 0.0
        rule = hm.Selection(n, ceiling=hm.NoCeiling(), draw=hm.Weighted(weights), seed=size)
        gumbel = oracle.noise(size, 0, 0, np.arange(size) * 3, oracle.SELECT)
        wanted = sorted(oracle.largest(weights, gumbel, n))
        assert hm.select(run, nobody, rule).ids.tolist() == [3 * at for at in wanted]


def test_more_columns_than_numbers():
    """A zero-stride giant; a row beyond 32 bits has columns that could not be told apart."""
    giant = np.broadcast_to(np.float32(0), (1, 2**32))
    with pytest.raises(ValueError, match="log_weights: 4294967296 in a row, expected at most 4294967295"):
        hm.draw(giant, 1, seed=0)
    with pytest.raises(ValueError, match="n: 4294967296 in a row, expected at most 4294967295"):
        hm.draw(np.zeros((1, 2)), 2**32, seed=0, replace=True)


# Weights of any size


def test_light_items_beside_heavy_ones_are_items():
    table = hm.AliasTable([1e-200, 1e200])
    assert table.sample(1, 2, seed=0, replace=False).tolist() == [[1, 0]]
    assert table.sample(1, 3, seed=0, exclude=[[1]]).tolist() == [[0, 0, 0]]
    assert set(table.sample(1, 1000, seed=0)[0].tolist()) == {1}


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e-18, 1.0, 1e100])
def test_what_heavy_items_leave_follows_its_weights(scale):
    """The law among the rest, whatever its share: tried again, or added up by itself."""
    rest = np.array([3.0, 1.0, 0.5, 2.0, 0.0, 4.0])
    weights = np.concatenate([rest * scale, [1e200, 5e199]])
    table = hm.AliasTable(weights)
    rows = 3000
    for replace in (True, False):
        drawn = table.sample(rows, 1 if not replace else 4, seed=1, exclude=[[7, 6]] * rows, replace=replace).ravel()
        assert_counts_follow(np.bincount(drawn, minlength=6), rest / rest.sum() * drawn.size)
    heavy = table.sample(rows, 4, seed=1).ravel() - 6
    assert_counts_follow(np.bincount(heavy, minlength=2), np.array([2, 1]) / 3 * heavy.size)


@pytest.mark.parametrize("left", [0.9, 0.26, 0.24, 0.05, 1e-3, 1e-9, 1e-14])
@pytest.mark.parametrize("n", [1, 50])
def test_the_law_is_the_same_on_both_sides_of_every_bound(left, n):
    """Of 2,000 items all but four are excluded together with a heavy one, which leaves a share of the weight."""
    weights = np.full(2000, 1e-6)
    weights[:4] = [8.0, 4.0, 2.0, 2.0]
    weights[4] = weights[:4].sum() * (1 - left) / left
    rows = 12_000 // n
    exclude = np.arange(rows + 1), np.full(rows, 4)
    drawn = hm.AliasTable(weights).sample(rows, n, seed=5, exclude=exclude).ravel()
    expected = np.append(np.delete(weights, 4)[:4], np.delete(weights, 4)[4:].sum())
    counts = np.bincount(np.minimum(drawn, 5), minlength=6)
    assert counts[4] == 0
    statistic = ((counts[:4] - expected[:4] / expected.sum() * drawn.size) ** 2 / (
        expected[:4] / expected.sum() * drawn.size
    )).sum()  # fmt: skip
    assert statistic < CRITICAL[3]
    assert counts[5] < 0.01 * drawn.size


def test_chosen_ids_take_no_longer_than_others():
    """Exclusions that a table with a well-known hash puts into one slot; in processor time, by more than any noise."""
    inverse = pow(0x9E3779B97F4A7C15, -1, 2**64)
    products = np.arange(120_000, dtype=np.uint64) * np.uint64(inverse)
    chosen = products[products < 2**62][:25_000].astype(np.int64)
    others = np.random.default_rng(0).permutation(2**20)[: chosen.size].astype(np.int64)
    took = {}
    for name, ids in (("chosen", chosen), ("others", others)):
        offsets = np.array([0, ids.size])
        least = INF
        for _ in range(3):
            start = time.process_time()
            hm.sample_uniform(1, 4, 2**62, exclude=(offsets, ids), seed=0, num_threads=1)
            assert _native.first_repeat(offsets, ids, 1) is None
            least = min(least, time.process_time() - start)
        took[name] = least
    assert took["chosen"] < 30 * took["others"] + 0.02, took
