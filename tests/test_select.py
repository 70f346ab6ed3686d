"""Selection: held to the slow twin on thousands of small cases, its laws by counts, its errors by message."""

from __future__ import annotations

import itertools
import json
import pickle

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hardmine as hm
from hardmine.candidates import REASONS
from tests.oracle import draw as noise
from tests.oracle import select as oracle

CEILINGS = [
    hm.NoCeiling(), hm.Absolute(0.25), hm.MarginPos(0.25), hm.MarginPos(0.0), hm.PercPos(0.5), hm.PercPos(1.0),
    hm.PercPos(1.2), hm.Anchored(1.0, 0.5), hm.Anchored(0.75, 1.0) & hm.Absolute(0.5),
    hm.PercPos(0.9) & hm.Absolute(0.5),
]  # fmt: skip
DRAWS = [
    hm.Top(), hm.Uniform(), hm.Softmax(0.25), hm.SimANS(4.0, -0.25), hm.SimANS(0.0, 0.0), hm.Laplace(3.0),
    hm.RankPower(1.5), hm.TopThen(1, hm.Uniform()), hm.TopThen(2, hm.Softmax(1.0)), hm.TopThen(0, hm.Laplace(1.0)),
    hm.TopThen(1, hm.Top()), "popularity", "weighted", "then-weighted",
]  # fmt: skip


def small_case(rng):
    """Few queries, few documents, scores from a coarse grid so that ties at every bound are common."""
    queries, documents = int(rng.integers(0, 5)), int(rng.integers(1, 14))
    lengths = rng.integers(0, documents + 1, queries)
    ids = [rng.permutation(documents)[:length] for length in lengths]
    values = np.array([-1.0, -0.5, -0.25, -0.0, 0.0, 0.25, 0.375, 0.5, 0.75, 1.0, np.inf, -np.inf], np.float32)
    pool = values if rng.random() < 0.1 else values[:10]
    scores = [np.sort(rng.choice(pool, length))[::-1] for length in lengths]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    flat = np.concatenate([np.empty(0, np.int64), *ids]).astype(np.int64)
    columns = {}
    if rng.random() < 0.3:
        columns["ranks"] = np.concatenate(
            [np.empty(0, np.int64), *[np.cumsum(rng.integers(1, 4, length)) for length in lengths]]
        ).astype(np.int32)
    if rng.random() < 0.3:
        columns["reasons"] = {"above_ceiling": rng.integers(0, 3, queries), "nan": rng.integers(0, 2, queries)}
    columns["anchor_scores"] = rng.choice(np.array([-0.5, 0.0, 0.25, 1.0], np.float32), flat.size)
    run = hm.Candidates(offsets, flat, np.concatenate([np.empty(0, np.float32), *scores]).astype(np.float32), **columns)
    # Some queries have many positives, so that both ways of finding them are used.
    most = documents if rng.random() < 0.2 else min(3, documents)
    known = [rng.permutation(documents)[: rng.integers(1, most + 1)] for _ in range(queries)]
    positives = hm.Positives.from_lists(known, [rng.choice(values[:10], len(row)) for row in known])
    return run, positives, documents


def small_selection(rng, run, documents):
    draw = DRAWS[rng.integers(len(DRAWS))]
    if draw == "popularity":
        draw = hm.Popularity(rng.integers(0, 4, documents), float(rng.choice([0.0, 0.75, -1.0])))
    elif draw in ("weighted", "then-weighted"):
        weights = rng.normal(size=run.ids.size)
        weights[rng.random(run.ids.size) < 0.3] = -np.inf
        draw = hm.Weighted(weights) if draw == "weighted" else hm.TopThen(1, hm.Weighted(weights))
    low = int(rng.choice([0, 0, 1, 3]))
    return hm.Selection(
        int(rng.integers(1, 6)),
        ceiling=CEILINGS[rng.integers(len(CEILINGS))],
        floor=None if rng.random() < 0.6 else float(rng.choice([-0.25, 0.25, 0.5])),
        range_min=low,
        range_max=None if rng.random() < 0.5 else low + int(rng.integers(1, 8)),
        range_on=str(rng.choice(["raw", "filtered"])),
        draw=draw,
        positive_agg=str(rng.choice(["min", "mean", "max", "each"])),
        on_shortage=str(rng.choice(["keep", "keep", "drop", "fill", "error"])),
        seed=int(rng.integers(0, 2**63)),
    )


def small_extras(rng, run, documents):
    extras = {"epoch": int(rng.integers(0, 3))}
    if rng.random() < 0.4:
        extras["exclude"] = [rng.integers(0, documents, rng.integers(0, 4)) for _ in range(len(run))]
    if rng.random() < 0.4:
        extras["document_groups"] = rng.integers(0, documents, documents)
    if rng.random() < 0.3:
        extras["query_keys"] = rng.integers(0, 2**63, len(run))
    if rng.random() < 0.3:
        extras["document_keys"] = rng.integers(0, 2**64, documents, dtype=np.uint64)
    return extras


def assert_equals(found, rows, dropped):
    assert found.queries.tolist() == [row["query"] for row in rows]
    assert found.positives.tolist() == [row["positive"] for row in rows]
    assert np.array_equal(found.positive_scores, np.array([row["p"] for row in rows], np.float32), equal_nan=True)
    flat = [item for row in rows for item in row["found"]]
    assert found.lengths.tolist() == [len(row["found"]) for row in rows]
    assert found.ids.tolist() == [item[0] for item in flat]
    assert np.array_equal(found.scores, np.array([item[1] for item in flat], np.float32), equal_nan=True)
    assert found.ranks.tolist() == [item[2] for item in flat]
    assert found.filled.tolist() == [item[2] == 0 for item in flat]
    assert found.dropped.tolist() == dropped
    for reason in REASONS:
        assert found.reasons[reason].tolist() == [row["reasons"][reason] for row in rows], reason


def assert_invariants(found, run, positives, selection):
    seen = run.lengths[found.queries] + sum(
        (counts[found.queries] for counts in (run.reasons or {}).values()), np.zeros(len(found), np.int64)
    )
    assert np.array_equal(sum(found.reasons[reason] for reason in REASONS), seen)
    assert (found.reasons["kept"] + np.diff(np.concatenate([[0], np.cumsum(found.filled)])[found.offsets])
            == found.lengths).all()  # fmt: skip
    assert (found.lengths <= selection.num_negatives).all()
    for row, query in enumerate(found.queries):
        ids = found[row].ids
        assert len(set(ids.tolist())) == len(ids)
        assert not set(ids.tolist()) & set(positives[query].tolist())
        listed = run[query].ids.tolist()
        filled = found.filled[found.offsets[row] : found.offsets[row + 1]]
        places = [listed.index(i) for i in ids[~filled]]
        assert places == sorted(places)
        assert not set(ids[filled].tolist()) & set(listed)


@pytest.mark.parametrize("part", range(8))
def test_equals_the_twin_on_random_small_cases(part):
    for case in range(1500):
        rng = np.random.default_rng([part, case])
        run, positives, documents = small_case(rng)
        selection, extras = small_selection(rng, run, documents), small_extras(rng, run, documents)
        if selection.on_shortage == "fill":
            run = run.replace(reasons=None)
        try:
            rows, dropped = oracle.select(run, positives, selection, num_documents=documents, **extras)
        except oracle.Short as short:
            with pytest.raises(ValueError, match=f"on_shortage: {short} admissible"):
                hm.select(run, positives, selection, num_documents=documents, num_threads=1, **extras)
            continue
        found = hm.select(run, positives, selection, num_documents=documents, num_threads=1, **extras)
        assert_equals(found, rows, dropped)
        assert_invariants(found, run, positives, selection)


@pytest.mark.usefixtures("isa")
def test_levels_and_threads_give_the_same_bytes():
    for case in range(60):
        rng = np.random.default_rng([77, case])
        run, positives, documents = small_case(rng)
        selection = small_selection(rng, run, documents).replace(on_shortage="keep")
        extras = small_extras(rng, run, documents)
        rows, dropped = oracle.select(run, positives, selection, num_documents=documents, **extras)
        for threads in (1, 3):
            found = hm.select(run, positives, selection, num_documents=documents, num_threads=threads, **extras)
            assert_equals(found, rows, dropped)


def large_case(queries=3000, width=40, documents=5000, seed=0):
    rng = np.random.default_rng(seed)
    ids = np.argsort(rng.random((queries, 2 * width)), axis=1)[:, :width] * 50 + rng.integers(0, 50, (queries, width))
    scores = np.sort(rng.normal(0.5, 0.1, (queries, width)).astype(np.float32), axis=1)[:, ::-1]
    run = hm.Candidates(np.arange(queries + 1) * width, ids.ravel(), scores.ravel())
    at = rng.integers(0, 20, queries)
    positives = hm.Positives(np.arange(queries + 1), ids[np.arange(queries), at], scores[np.arange(queries), at])
    return run, positives, documents


@pytest.mark.parametrize("shortage", ["keep", "drop", "fill"])
@pytest.mark.parametrize("draw", [hm.Top(), hm.SimANS(50.0), hm.TopThen(1, hm.Uniform())], ids=lambda draw: draw.kind)
def test_many_blocks_and_threads_close_up_to_the_same_bytes(draw, shortage):
    run, positives, documents = large_case()
    selection = hm.Selection(8, ceiling=hm.PercPos(0.9), range_max=20, draw=draw, on_shortage=shortage, seed=5)
    first, *others = (
        hm.select(run, positives, selection, num_documents=documents, num_threads=threads) for threads in (1, 2, 3, 7)
    )
    assert 0 < first.num_short < len(run)
    for other in others:
        for name in ("offsets", "ids", "scores", "ranks", "queries", "positive_scores", "dropped", "filled"):
            assert getattr(first, name).tobytes() == getattr(other, name).tobytes()
        assert all(first.reasons[name].tobytes() == other.reasons[name].tobytes() for name in REASONS)


# Ceilings, windows, aggregates, by hand


def pick(scores, p, selection, **options):
    """Positions kept of one list of the given scores, the positive outside."""
    run = hm.Candidates([0, len(scores)], np.arange(len(scores)), np.array(scores, np.float32))
    positives = hm.Positives.from_lists([[99]], [[p]])
    return hm.select(run, positives, selection, **options)[0].ids.tolist()


def test_equality_keeps_and_the_next_float_is_above():
    bound = np.float32(0.95 * np.float64(np.float32(0.8)))
    above = np.nextafter(bound, np.float32(1))
    assert pick([above, bound], 0.8, hm.Selection(2)) == [1]
    assert pick([0.7], 0.9, hm.Selection(1, ceiling=hm.Absolute(0.7))) == [0]
    floor = hm.Selection(2, ceiling=hm.NoCeiling(), floor=0.7)
    assert pick([0.7, np.nextafter(np.float32(0.7), np.float32(0))], 0.9, floor) == [0]


def test_a_negative_positive_lowers_the_ceiling():
    # p - |p| (1 - f) = -0.2 - 0.05 * 0.2 = -0.21, where f * p would be -0.19.
    assert pick([-0.195, -0.205, -0.22], -0.2, hm.Selection(3)) == [2]
    assert pick([0.1, 0.0, -0.1], 0.0, hm.Selection(3)) == [1, 2]


def test_raw_and_filtered_windows_differ():
    scores = [0.9, 0.8, 0.7, 0.6, 0.5]
    rule = hm.Selection(2, ceiling=hm.Absolute(0.75), range_min=1)
    assert pick(scores, 1.0, rule) == [2, 3]
    assert pick(scores, 1.0, rule.replace(range_on="filtered")) == [3, 4]
    assert pick(scores, 1.0, rule.replace(range_max=3)) == [2]
    assert pick(scores, 1.0, rule.replace(range_max=3, range_on="filtered")) == [3, 4]


def test_ranks_of_the_scan_place_the_window():
    run = hm.Candidates([0, 3], [4, 5, 6], [0.6, 0.5, 0.4], ranks=[3, 4, 7])
    found = hm.select(run, hm.Positives.from_lists([[5]]), hm.Selection(3, ceiling=hm.NoCeiling(), range_max=6))
    # 4 stands at 2, the positive 5 leaves the ranking, 6 moves from 6 to 5.
    assert found[0].ids.tolist() == [4, 6]
    assert found.ranks.tolist() == [3, 6]


def test_each_pair_is_judged_by_its_own_positive_and_excludes_all():
    run = hm.Candidates([0, 4], [1, 2, 3, 4], [0.9, 0.8, 0.7, 0.6])
    positives = hm.Positives.from_lists([[2, 4]], [[1.0, 0.65]])
    found = hm.select(run, positives, hm.Selection(4, ceiling=hm.MarginPos(0.0), positive_agg="each"))
    assert found.positives.tolist() == [2, 4]
    assert [found[row].ids.tolist() for row in range(2)] == [[1, 3], []]
    assert found.reasons["positive"].tolist() == [2, 2]


def test_a_query_without_positives_is_fine_where_none_is_needed():
    run = hm.Candidates([0, 1, 2], [1, 2], [0.9, 0.8])
    positives = hm.Positives.from_lists([[7], []])
    found = hm.select(run, positives, hm.Selection(1, ceiling=hm.Absolute(0.85)))
    assert found.lengths.tolist() == [0, 1]
    assert np.isnan(found.positive_scores).all()
    assert len(hm.select(run, positives, hm.Selection(1, ceiling=hm.NoCeiling(), positive_agg="each"))) == 1


def test_metadata_says_how():
    run = hm.Candidates([0, 1], [1], [0.9], metadata={"teacher": "t"})
    found = hm.select(run, hm.Positives.from_lists([[2]], [[1.0]]), hm.Selection(1, seed=3), epoch=4)
    assert hm.Selection.from_dict(found.metadata["selection"]) == hm.Selection(1, seed=3)
    assert found.metadata["epoch"] == 4
    assert found.metadata["num_negatives"] == 1
    assert found.metadata["candidates"] == {"teacher": "t"}


def test_the_result_survives_saving(tmp_path):
    run, positives, _ = large_case(50)
    found = hm.select(run, positives, hm.Selection(3, ceiling=hm.PercPos(0.9)))
    found.save(tmp_path / "n.bin")
    back = hm.Negatives.load(tmp_path / "n.bin")
    assert np.array_equal(back.ids, found.ids)
    assert hm.Selection.from_dict(back.metadata["selection"]) == hm.Selection(3, ceiling=hm.PercPos(0.9))


# Draws


CHI_SQUARE = {4: 18.467, 9: 27.877, 19: 43.82}
"""0.999 quantiles by degrees of freedom."""


def assert_law(selection, scores, p, law, documents=None, **columns):
    """Unordered pairs drawn over many query keys follow `law`, a log-weight per candidate."""
    rows, width = 20_000, len(scores)
    ids = np.tile(np.arange(width) if documents is None else documents, rows)
    run = hm.Candidates(np.arange(rows + 1) * width, ids, np.tile(np.float32(scores), rows))
    positives = hm.Positives(np.arange(rows + 1), np.full(rows, 99), np.full(rows, p, np.float32))
    found = hm.select(run, positives, selection, **columns).ids.reshape(rows, 2)
    weights = np.exp(np.array(law, float))
    counts, expected = [], []
    for pair in itertools.combinations(range(width), 2):
        i, j = weights[list(pair)] / weights.sum()
        expected.append(rows * i * j * (1 / (1 - i) + 1 / (1 - j)))
        counts.append(int((found == [ids[pair[0]], ids[pair[1]]]).all(1).sum()))
    counts, expected = np.array(counts), np.array(expected)
    assert counts.sum() == rows
    assert ((counts - expected) ** 2 / expected).sum() < CHI_SQUARE[len(counts) - 1]


SCORES = [0.9, 0.7, 0.6, 0.5, 0.1]


@pytest.mark.parametrize(
    ("draw", "law"),
    [
        (hm.Uniform(), [0] * 5),
        (hm.Softmax(0.5), [s / 0.5 for s in SCORES]),
        (hm.SimANS(4.0, 0.1), [-4 * (s - 0.6 - 0.1) ** 2 for s in SCORES]),
        (hm.Laplace(3.0), [-3 * abs(s - 0.6) for s in SCORES]),
        (hm.RankPower(1.0), [-np.log(rank) for rank in range(1, 6)]),
        (hm.Popularity([8, 1, 4, 2, 2], 0.75), [0.75 * np.log(c) for c in [8, 1, 4, 2, 2]]),
        (hm.Weighted(np.tile([0.0, 1.0, -1.0, 0.5, 0.2], 20_000)), [0.0, 1.0, -1.0, 0.5, 0.2]),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_draws_follow_their_law(draw, law):
    assert_law(hm.Selection(2, ceiling=hm.NoCeiling(), draw=draw, seed=11), SCORES, 0.6, law)


def test_top_then_keeps_the_first_and_draws_the_rest_uniformly():
    rows = 20_000
    run = hm.Candidates(
        np.arange(rows + 1) * 6, np.tile(np.arange(6), rows), np.tile(np.float32([6, 5, 4, 3, 2, 1]), rows)
    )
    none = hm.Positives(np.zeros(rows + 1, int), [])
    found = hm.select(run, none, hm.Selection(2, ceiling=hm.NoCeiling(), draw=hm.TopThen(1, hm.Uniform()), seed=2))
    ids = found.ids.reshape(rows, 2)
    assert (ids[:, 0] == 0).all()
    counts = np.bincount(ids[:, 1], minlength=6)[1:]
    assert ((counts - rows / 5) ** 2 / (rows / 5)).sum() < CHI_SQUARE[4]


def test_filled_documents_are_uniform_and_never_forbidden():
    rows = 20_000
    run = hm.Candidates(np.arange(rows + 1), np.zeros(rows, int), np.ones(rows, np.float32))
    positives = hm.Positives(np.arange(rows + 1), np.full(rows, 3), np.ones(rows, np.float32))
    rule = hm.Selection(2, on_shortage="fill", seed=9)
    found = hm.select(run, positives, rule, num_documents=7, exclude=(np.arange(rows + 1), np.full(rows, 5)))
    pairs = found.ids.reshape(rows, 2)
    counts = [int((pairs == pair).all(1).sum()) for pair in itertools.combinations([1, 2, 4, 6], 2)]
    assert sum(counts) == rows
    assert ((np.array(counts) - rows / 6) ** 2 / (rows / 6)).sum() < 20.515
    assert np.isnan(found.scores).all()
    assert found.filled.all()
    assert found.num_short == rows


def test_epochs_seeds_and_keys():
    run, positives, _ = large_case(200)
    rule = hm.Selection(3, ceiling=hm.NoCeiling(), draw=hm.Uniform(), seed=1)
    base = hm.select(run, positives, rule)
    assert np.array_equal(base.ids, hm.select(run, positives, rule).ids)
    assert not np.array_equal(base.ids, hm.select(run, positives, rule, epoch=1).ids)
    assert not np.array_equal(base.ids, hm.select(run, positives, rule.replace(seed=2)).ids)
    assert np.array_equal(base.ids, hm.select(run, positives, rule, query_keys=np.arange(200)).ids)


def test_keys_make_draws_independent_of_order_and_sharding():
    run, positives, documents = large_case(120)
    rule = hm.Selection(3, ceiling=hm.NoCeiling(), draw=hm.SimANS(20.0), seed=1)
    rng = np.random.default_rng(0)
    keys = rng.integers(0, 2**64, 120, dtype=np.uint64)
    whole = hm.select(run, positives, rule, query_keys=keys)
    order = rng.permutation(120)
    for part in (order[:50], order[50:]):
        shard = hm.Candidates(
            np.arange(part.size + 1) * 40,
            run.ids.reshape(120, 40)[part].ravel(),
            run.scores.reshape(120, 40)[part].ravel(),
        )
        known = hm.Positives(np.arange(part.size + 1), positives.ids[part], positives.scores[part])
        found = hm.select(shard, known, rule, query_keys=keys[part])
        for row, query in enumerate(part):
            assert np.array_equal(found[row].ids, whole[query].ids)
    # Renumbered documents with their old numbers as keys are the same draws.
    renumber = rng.permutation(documents)
    old = np.empty(documents, np.int64)
    old[renumber] = np.arange(documents)
    moved = hm.Candidates(run.offsets, renumber[run.ids], run.scores)
    known = hm.Positives(positives.offsets, renumber[positives.ids], positives.scores)
    found = hm.select(moved, known, rule, query_keys=keys, document_keys=old)
    assert np.array_equal(found.ids, renumber[whole.ids])


def test_minus_infinity_is_never_drawn():
    run = hm.Candidates([0, 4], [0, 1, 2, 3], [0.4, 0.3, 0.2, 0.1])
    none = hm.Positives.from_lists([[]])
    rule = hm.Selection(3, ceiling=hm.NoCeiling(), draw=hm.Weighted([-np.inf, 0.0, -np.inf, -800.0]))
    for epoch in range(50):
        found = hm.select(run, none, rule, epoch=epoch)
        assert found[0].ids.tolist() == [1, 3]
        assert found.reasons["not_drawn"].tolist() == [2]


def test_top_then_flattens():
    run, positives, _ = large_case(100)
    nested = hm.Selection(5, ceiling=hm.NoCeiling(), draw=hm.TopThen(1, hm.TopThen(1, hm.Uniform())))
    flat = nested.replace(draw=hm.TopThen(2, hm.Uniform()))
    assert np.array_equal(hm.select(run, positives, nested).ids, hm.select(run, positives, flat).ids)


def test_first_draws_are_pinned():
    run = hm.Candidates([0, 6, 12], np.tile(np.arange(6), 2), np.tile(np.float32([6, 5, 4, 3, 2, 1]), 2))
    none = hm.Positives.from_lists([[], []])
    rule = hm.Selection(3, ceiling=hm.NoCeiling(), draw=hm.Softmax(2.0), seed=2024)
    found = [hm.select(run, none, rule, epoch=epoch).ids.tolist() for epoch in range(2)]
    gumbel = [noise.noise(2024, epoch, query, np.arange(6), noise.SELECT) for epoch in range(2) for query in range(2)]
    keys = [row + np.array([6, 5, 4, 3, 2, 1]) / 2.0 for row in gumbel]
    expected = [sorted(np.argsort(-row)[:3].tolist()) for row in keys]
    assert found == [expected[0] + expected[1], expected[2] + expected[3]]
    assert found == PINNED


PINNED = [[0, 2, 3, 1, 2, 4], [0, 2, 3, 0, 3, 4]]
"""These change only with a release that says so."""


# Anchor scores


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
def test_anchor_scores_equal_the_twin(dtype):
    rng = np.random.default_rng(0)
    embeddings = (rng.normal(size=(60, 37)) + 0.5).astype(dtype)
    embeddings[7] = embeddings[3]
    lengths = rng.integers(0, 20, 40)
    ids = np.concatenate([rng.permutation(60)[:length] for length in lengths])
    run = hm.Candidates(np.concatenate([[0], np.cumsum(lengths)]), ids, np.zeros(ids.size, np.float32))
    positives = hm.Positives.from_lists([rng.permutation(60)[: rng.integers(0, 4)] for _ in range(40)])
    expected = oracle.anchor_scores(run, positives, embeddings)
    found = [hm.anchor_scores(run, positives, embeddings, num_threads=t).anchor_scores for t in (1, 2, 7)]
    assert np.allclose(found[0], expected, atol=1e-6, rtol=0)
    views = [np.asfortranarray(embeddings), np.repeat(embeddings, 2, axis=0)[::2]]
    found += [hm.anchor_scores(run, positives, view).anchor_scores for view in views]
    assert all(other.tobytes() == found[0].tobytes() for other in found)


def test_anchor_scores_are_the_same_bytes_at_every_level(monkeypatch):
    rng = np.random.default_rng(1)
    embeddings = rng.normal(size=(3000, 50)).astype(np.float32)
    run = hm.Candidates([0, 500], rng.permutation(3000)[:500], np.zeros(500, np.float32))
    positives = hm.Positives.from_lists([[5, 9]])
    found = set()
    for level in hm._native.isa_levels():
        monkeypatch.setenv("HARDMINE_ISA", level)
        found.add(hm.anchor_scores(run, positives, embeddings).anchor_scores.tobytes())
    assert len(found) == 1


def test_anchor_scores_refuse_bad_embeddings():
    run, positives = hm.Candidates([0, 1], [1], [0.5]), hm.Positives.from_lists([[0]])
    embeddings = np.ones((3, 2), np.float32)
    embeddings[2, 1] = np.inf
    with pytest.raises(ValueError, match="document_embeddings: inf at row 2, column 1"):
        hm.anchor_scores(run, positives, embeddings)
    with pytest.raises(ValueError, match=r"candidates: id 1 of row 0 is outside 0\.\.1"):
        hm.anchor_scores(run, positives, embeddings[:1])
    with pytest.raises(ValueError, match="positives: 2 queries, expected 1"):
        hm.anchor_scores(run, hm.Positives.from_lists([[0], [1]]), embeddings)
    with pytest.raises(TypeError, match="candidates: list, expected Candidates"):
        hm.anchor_scores([], positives, embeddings)


# Bad input


RUN = hm.Candidates([0, 2, 4], [0, 1, 2, 3], [0.9, 0.8, 0.7, 0.6])
SCORED = hm.Positives.from_lists([[8], [9]], [[1.0], [1.0]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"positives": hm.Positives.from_lists([[8], []], [[1.0], []])}, "positives: query 1 has no positive"),
        ({"positives": hm.Positives.from_lists([[8], [9]])}, "positives: no scores"),
        ({"positives": hm.Positives.from_lists([[8]], [[1.0]])}, "positives: 1 queries, expected 2"),
        ({"selection": hm.Selection(ceiling=hm.Anchored())}, "anchor_scores: missing"),
        ({"selection": hm.Selection(3, on_shortage="error")}, "on_shortage: query 0 has 2 admissible .* wanted 3"),
        ({"selection": hm.Selection(on_shortage="fill")}, "num_documents: missing"),
        ({"selection": hm.Selection(draw=hm.Weighted([0.0]))}, "log_weights: length 1, expected 4"),
        ({"selection": hm.Selection(draw=hm.Popularity([1, 2]))}, r"candidates: id 2 of row 1 is outside 0\.\.2"),
        ({"document_groups": [0, 1, 2, 3]}, r"positives: id 8 of row 0 is outside 0\.\.4"),
        ({"document_keys": [1, 2]}, r"candidates: id 2 of row 1 is outside 0\.\.2"),
        ({"document_keys": [1] * 10, "document_groups": [1] * 9}, "document_keys: length 10, expected 9"),
        ({"query_keys": [1]}, r"query_keys: shape \(1,\), expected \(2,\)"),
        ({"epoch": -1}, "epoch: -1, expected at least 0"),
        ({"exclude": [[1]]}, "exclude: 1 rows, expected 2"),
        ({"exclude": [[1], [-1]]}, "exclude: id -1 of row 1"),
        ({"num_threads": 0}, "num_threads: 0"),
    ],
)
def test_bad_input_is_named(options, message):
    arguments = {"positives": SCORED, "selection": hm.Selection(ceiling=hm.PercPos(1.0)), **options}
    with pytest.raises(ValueError, match=message):
        hm.select(RUN, arguments.pop("positives"), arguments.pop("selection"), **arguments)


@pytest.mark.parametrize("agg", ["min", "mean", "max", "each"])
@pytest.mark.parametrize("draw", [hm.SimANS(), hm.Laplace(), hm.TopThen(1, hm.SimANS())])
def test_draws_that_need_a_positive_say_so(agg, draw):
    rule = hm.Selection(ceiling=hm.NoCeiling(), draw=draw, positive_agg=agg)
    with pytest.raises(ValueError, match="positives: query 1 has no positive"):
        hm.select(RUN, hm.Positives.from_lists([[8], []], [[1.0], []]), rule)


def test_ranks_and_anchor_scores_are_checked():
    rule = hm.Selection(ceiling=hm.NoCeiling())
    for ranks in ([1, 2, 4, 4], [1, 2, 0, 3], [1, 2, 5, 3]):
        with pytest.raises(ValueError, match="candidates: ranks of query 1 do not rise"):
            hm.select(RUN.replace(ranks=ranks), SCORED, rule)
    anchored = RUN.replace(anchor_scores=np.float32([0, 0, np.nan, 0]))
    with pytest.raises(ValueError, match="anchor_scores: NaN for query 1"):
        hm.select(anchored, SCORED, hm.Selection(ceiling=hm.Anchored()))


def test_fill_refuses_what_the_scan_hid():
    run = RUN.replace(reasons={"above_ceiling": [0, 3]})
    rule = hm.Selection(3, on_shortage="fill", ceiling=hm.NoCeiling())
    with pytest.raises(ValueError, match="on_shortage: 'fill' could bring back the 3 documents .* query 1"):
        hm.select(run, SCORED, rule, num_documents=20)
    assert hm.select(run, SCORED, rule.replace(num_negatives=2), num_documents=20).lengths.tolist() == [2, 2]


def test_wrong_types_are_named():
    for arguments, message in [
        (([], SCORED, hm.Selection()), "candidates: list, expected Candidates"),
        ((RUN, [[1]], hm.Selection()), "positives: list, expected Positives"),
        ((RUN, SCORED, hm.PercPos()), "selection: PercPos, expected Selection"),
    ]:
        with pytest.raises(TypeError, match=message):
            hm.select(*arguments)


# Value objects


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: hm.Absolute(float("nan")), "t: nan, expected a finite number"),
        (lambda: hm.MarginPos(-0.1), "m: -0.1, expected at least 0"),
        (lambda: hm.MarginPos(float("nan")), "m: nan"),
        (lambda: hm.PercPos(float("inf")), "f: inf"),
        (lambda: hm.PercPos(-1), "f: -1, expected at least 0"),
        (lambda: hm.Anchored(1.0, -1.0), "weight: -1, expected at least 0"),
        (lambda: hm.Softmax(0), "temperature: 0, expected above 0"),
        (lambda: hm.Softmax(float("nan")), "temperature: nan"),
        (lambda: hm.SimANS(-1.0), "a: -1, expected at least 0"),
        (lambda: hm.Laplace(-1.0), "tau: -1"),
        (lambda: hm.RankPower(-1.0), "alpha: -1"),
        (lambda: hm.Popularity([1, -1]), "counts: -1 at position 1"),
        (lambda: hm.Popularity([[1]]), "counts: 2 dimensions"),
        (lambda: hm.Weighted([0.0, float("nan")]), "log_weights: nan at position 1"),
        (lambda: hm.Weighted([float("inf")]), "log_weights: inf at position 0"),
        (lambda: hm.TopThen(-1, hm.Top()), "n_top: -1"),
        (lambda: hm.Selection(0), "num_negatives: 0, expected at least 1"),
        (lambda: hm.Selection(floor=float("nan")), "floor: nan"),
        (lambda: hm.Selection(range_min=3, range_max=3), "range_max: 3, expected above range_min"),
        (lambda: hm.Selection(range_on="ranks"), "range_on: 'ranks', expected one of 'raw', 'filtered'"),
        (lambda: hm.Selection(positive_agg="sum"), "positive_agg: 'sum'"),
        (lambda: hm.Selection(on_shortage="pad"), "on_shortage: 'pad'"),
        (lambda: hm.Selection(seed=2**64), "seed: 18446744073709551616, expected at most"),
        (lambda: hm.Selection(seed=-1), "seed: -1"),
        (lambda: hm.Selection.from_dict({"n": 3}), "selection: unknown parameter 'n'"),
        (lambda: hm.Selection.from_dict({"ceiling": {"kind": "x"}}), "ceiling: unknown kind 'x', expected one of abs"),
        (lambda: hm.Selection.from_dict({"draw": {"kind": "softmax", "T": 1}}), "draw softmax: unknown parameter 'T'"),
        (lambda: hm.Selection.from_dict({"draw": {"kind": "weighted"}}), "weighted: .*log_weights"),
        (lambda: hm.Selection.from_dict({"draw": hm.Popularity([1]).to_dict()}), "counts is a fingerprint"),
    ],
)
def test_bad_parameters_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: hm.PercPos("0.9"), "f: str '0.9', expected a number"),
        (lambda: hm.PercPos(True), "f: bool"),
        (lambda: hm.Selection(2.0), "num_negatives: float"),
        (lambda: hm.Selection(True), "num_negatives: bool"),
        (lambda: hm.Selection(ceiling=0.95), "ceiling: float, expected a ceiling"),
        (lambda: hm.Selection(draw="top"), "draw: str, expected a draw"),
        (lambda: hm.TopThen(1, "top"), "draw: str"),
        (lambda: hm.Weighted(["a"]), "log_weights: dtype"),
        (lambda: hm.AllOf((1,)), "ceilings: int"),
        (lambda: hm.Selection().replace(n=3), "n: not a parameter of Selection"),
        (lambda: hm.PercPos(0.9) & 0.7, "unsupported operand"),
    ],
)
def test_wrong_parameter_types_are_named(make, message):
    with pytest.raises(TypeError, match=message):
        make()


VALUES = [*CEILINGS, *(draw for draw in DRAWS if not isinstance(draw, str))]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_compare_print_and_travel(value):
    base = hm.selection.Ceiling if isinstance(value, hm.selection.Ceiling) else hm.selection.Draw
    assert base.from_dict(json.loads(json.dumps(value.to_dict()))) == value
    assert hash(base.from_dict(value.to_dict())) == hash(value)
    assert pickle.loads(pickle.dumps(value)) == value
    assert eval(repr(value), vars(hm)) == value
    with pytest.raises(AttributeError):
        value.kind = "other"


def test_values_with_arrays_compare_and_are_frozen():
    counts = np.array([1, 2, 3])
    draw = hm.Popularity(counts)
    counts[0] = 9
    assert draw == hm.Popularity([1, 2, 3])
    assert draw != hm.Popularity([9, 2, 3])
    assert hash(draw) == hash(hm.Popularity([1, 2, 3]))
    assert draw != hm.Weighted([1, 2, 3])
    with pytest.raises(ValueError, match="read-only"):
        draw.counts[0] = 5
    assert pickle.loads(pickle.dumps(draw)) == draw
    assert hm.selection.Draw.from_dict({"kind": "popularity", "counts": [1, 2, 3]}) == draw
    assert json.dumps(hm.Selection(draw=draw).to_dict())


def test_ceilings_combine_flat_and_without_none():
    a, b, c = hm.Absolute(0.5), hm.PercPos(0.9), hm.MarginPos(0.1)
    assert a & b & c == hm.AllOf((a, b, c))
    assert a & (b & c) == a & b & c
    assert hm.NoCeiling() & a == a & hm.NoCeiling() == a
    assert hm.NoCeiling() & hm.NoCeiling() == hm.NoCeiling()
    assert repr(a & b) == "Absolute(t=0.5) & PercPos(f=0.9)"


STRATEGIES = {
    "naive_top_k": (hm.NoCeiling(), 0, None, "raw", hm.Top()),
    "shifted_top_k": (hm.NoCeiling(), 10, None, "raw", hm.Top()),
    "top_k_abs": (hm.Absolute(0.7), 0, None, "raw", hm.Top()),
    "top_k_margin_pos": (hm.MarginPos(0.05), 0, None, "raw", hm.Top()),
    "top_k_perc_pos": (hm.PercPos(0.95), 0, None, "raw", hm.Top()),
    "sampled_top_k": (hm.PercPos(0.95), 0, 10, "filtered", hm.Softmax(1.0)),
    "top1_sampled_top_k": (hm.PercPos(0.95), 0, 10, "filtered", hm.TopThen(1, hm.Softmax(1.0))),
    "sim_ans": (hm.NoCeiling(), 0, 100, "raw", hm.SimANS(0.5, 0.0)),
    "laplace": (hm.NoCeiling(), 0, 200, "raw", hm.Laplace(3.0)),
    "static_hard": (hm.NoCeiling(), 0, 200, "raw", hm.Uniform()),
    "anchored": (hm.Anchored(1.1, 1.0), 0, None, "raw", hm.Top()),
}


@pytest.mark.parametrize("name", STRATEGIES)
def test_strategies_are_their_recipes(name):
    rule = getattr(hm.strategies, name)(7, seed=3, positive_agg="max")
    assert (rule.ceiling, rule.range_min, rule.range_max, rule.range_on, rule.draw) == STRATEGIES[name]
    assert (rule.num_negatives, rule.seed, rule.positive_agg) == (7, 3, "max")
    assert set(STRATEGIES) == set(hm.strategies.__all__)


# Properties


@given(st.integers(0, 2**32 - 1))
def test_any_case_equals_the_twin(seed):
    rng = np.random.default_rng([5, seed])
    run, positives, documents = small_case(rng)
    selection = small_selection(rng, run, documents).replace(on_shortage="keep")
    extras = small_extras(rng, run, documents)
    rows, dropped = oracle.select(run, positives, selection, num_documents=documents, **extras)
    found = hm.select(run, positives, selection, num_documents=documents, **extras)
    assert_equals(found, rows, dropped)
    assert_invariants(found, run, positives, selection)


@given(
    st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=1, max_size=40),
    st.floats(-(2.0**100), 2.0**100, width=32),
    st.floats(0, 2),
)
def test_perc_pos_is_a_prefix_cut(scores, p, f):
    scores = np.sort(np.float32(scores))[::-1]
    kept = pick(scores, p, hm.Selection(40, ceiling=hm.PercPos(f)))
    bound = np.float32(np.float64(np.float32(p)) - abs(np.float64(np.float32(p))) * (1.0 - f))
    assert kept == np.flatnonzero(scores <= bound).tolist()
