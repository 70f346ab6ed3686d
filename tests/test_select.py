"""Selection: held to the slow twin on thousands of small cases, then ceilings, windows and aggregates by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hardmine as hm
from hardmine.nouns.lists import REASONS
from hardmine.plumbing import container
from tests.oracle import select as oracle
from tests.select_cases import (
    assert_equals,
    assert_invariants,
    large_case,
    small_case,
    small_extras,
    small_selection,
)

PARTS, CASES_OF_A_PART = 8, 1500
"""12,000 cases in all."""


@pytest.mark.parametrize("part", range(PARTS))
def test_equals_the_twin_on_random_small_cases(part, count_cases):
    for case in range(CASES_OF_A_PART):
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
    count_cases(CASES_OF_A_PART)


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
    assert {name: counts.tolist() for name, counts in back.reasons.items()} == {
        name: counts.tolist() for name, counts in found.reasons.items()
    }


def test_a_result_saved_before_there_was_a_reason_is_read(tmp_path):
    run, positives, _ = large_case(50)
    found = hm.select(run, positives, hm.Selection(3, ceiling=hm.PercPos(0.9)))
    found.save(tmp_path / "now")
    arrays, about = container.load(tmp_path / "now", "negatives")
    lacking = {name: column for name, column in arrays.items() if name != "reasons.near_duplicate"}
    container.save(tmp_path / "lacking", "negatives", lacking, about)
    before = {name: column for name, column in arrays.items() if not name.startswith("reasons.")}
    names = [name for name in hm.REASONS if name != "near_duplicate"]
    container.save(
        tmp_path / "stacked", "negatives", before | {"reasons": np.stack([found.reasons[n] for n in names])}, about
    )
    for name in ("lacking", "stacked"):
        back = hm.Negatives.load(tmp_path / name)
        assert list(back.reasons) == list(hm.REASONS)
        for reason in hm.REASONS:
            assert back.reasons[reason].tolist() == found.reasons[reason].tolist(), reason


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
