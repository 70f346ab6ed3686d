"""A ceiling that was computed elsewhere: the kernel is told who is above, and counts it where ceilings act."""

from __future__ import annotations

import numpy as np
import pytest

import hardmine as hm
from hardmine.primitives.select import choose
from tests.oracle import select as oracle
from tests.select_cases import assert_equals, assert_invariants, large_case, small_case, small_extras, small_selection

EXTRAS = {"epoch": 0, "query_keys": None, "document_keys": None, "document_groups": None, "exclude": None}


def chosen(run, positives, selection, above, threads=1, **extras):
    return choose(run, positives, selection, num_threads=threads, above=above, **{**EXTRAS, **extras})


def test_equals_the_twin_on_random_small_cases(count_cases):
    for case in range(2000):
        rng = np.random.default_rng([31, case])
        run, positives, documents = small_case(rng)
        selection, extras = small_selection(rng, run, documents), small_extras(rng, run, documents)
        if selection.on_shortage in ("error", "fill"):
            selection = selection.replace(on_shortage="keep")
        above = rng.random(run.ids.size) < rng.choice([0.1, 0.5, 1.0])
        rows, dropped = oracle.select(run, positives, selection, num_documents=documents, above=above, **extras)
        found = chosen(run, positives, selection, above, num_documents=documents, **extras)
        assert_equals(found, rows, dropped)
        assert_invariants(found, run, positives, selection)
    count_cases(2000)


def test_none_above_is_as_without_the_column_for_any_number_of_threads():
    run, positives, documents = large_case(500)
    selection = hm.Selection(8, ceiling=hm.PercPos(0.9), range_min=2, floor=0.3, draw=hm.Uniform(), seed=5)
    plain = chosen(run, positives, selection, None, num_documents=documents)
    some = np.random.default_rng(1).random(run.ids.size) < 0.5
    first, second = (chosen(run, positives, selection, some, threads, num_documents=documents) for threads in (1, 3))
    none = chosen(run, positives, selection, np.zeros(run.ids.size, bool), num_documents=documents)
    assert none.ids.tobytes() == plain.ids.tobytes() != first.ids.tobytes() == second.ids.tobytes()
    assert none.reasons["above_ceiling"].tolist() == plain.reasons["above_ceiling"].tolist()
    assert (first.reasons["above_ceiling"] > plain.reasons["above_ceiling"]).all()


def test_it_acts_after_the_window_and_before_the_floor():
    run = hm.Candidates([0, 5], np.arange(5), np.float32([0.9, 0.8, 0.7, 0.6, 0.1]))
    rule = hm.Selection(5, ceiling=hm.NoCeiling(), floor=0.5, range_min=1)
    told = chosen(run, hm.Positives.from_lists([[9]]), rule, np.array([True, True, False, False, True]),
                  num_documents=None)  # fmt: skip
    assert told[0].ids.tolist() == [2, 3]
    reasons = {name: int(count[0]) for name, count in told.reasons.items() if count[0]}
    assert reasons == {"outside_window": 1, "above_ceiling": 2, "kept": 2}


def test_a_column_of_another_length_is_named():
    run, positives, documents = large_case(3)
    with pytest.raises(ValueError, match="above: length 7, expected 120"):
        chosen(run, positives, hm.Selection(), np.zeros(7, bool), num_documents=documents)
