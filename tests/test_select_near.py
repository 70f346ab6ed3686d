"""Selection without near-duplicates: held to the twin on thousands of small cases, then by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hardmine as hm
from hardmine.nouns.lists import REASONS
from tests.oracle import select as oracle
from tests.select_cases import assert_equals, assert_invariants, large_case, small_case, small_extras, small_selection

KINDS = ("groups", "cosine", "both")


def near_case(rng, kind):
    """A small case of a selection with many near-duplicates in it."""
    run, positives, documents = small_case(rng)
    selection, extras = small_selection(rng, run, documents), small_extras(rng, run, documents)
    if kind != "cosine":
        extras["near_groups"] = rng.integers(0, rng.integers(1, documents + 1), documents)
        selection = selection.replace(near_duplicates=0.9)
    if kind != "groups":
        # Few directions on a coarse grid, the zero vector among them: many cosines are equal to a bound.
        extras["document_embeddings"] = rng.integers(-2, 3, (documents, 2)).astype(rng.choice(["f4", "f2"]))
        selection = selection.replace(near_cosine=float(rng.choice([0.5, 0.8, 1.0, 0.9486833])))
    if selection.on_shortage == "fill":
        run = run.replace(reasons=None)
    return run, positives, documents, selection, extras


@pytest.mark.parametrize("kind", KINDS)
def test_equals_the_twin_on_random_small_cases(kind, count_cases):
    for case in range(700):
        rng = np.random.default_rng([KINDS.index(kind), 7, case])
        run, positives, documents, selection, extras = near_case(rng, kind)
        try:
            rows, dropped = oracle.select(run, positives, selection, num_documents=documents, **extras)
        except oracle.Short as short:
            with pytest.raises(ValueError, match=f"on_shortage: {short} admissible"):
                hm.select(run, positives, selection, num_documents=documents, num_threads=1, **extras)
            continue
        for threads in (1, 3):
            found = hm.select(run, positives, selection, num_documents=documents, num_threads=threads, **extras)
            assert_equals(found, rows, dropped)
        assert_invariants(found, run, positives, selection)
    count_cases(700)


@given(st.integers(0, 2**32 - 1), st.sampled_from(KINDS))
def test_no_two_of_a_row_resemble_each_other_nor_a_positive(seed, kind):
    rng = np.random.default_rng([9, seed])
    run, positives, documents, selection, extras = near_case(rng, kind)
    if selection.on_shortage == "error":
        selection = selection.replace(on_shortage="keep")
    found = hm.select(run, positives, selection, num_documents=documents, **extras)
    resembles = oracle.near(selection, extras.get("near_groups"), extras.get("document_embeddings"))
    for row, query in enumerate(found.queries):
        together = [*found[row].ids]
        for at, document in enumerate(together):
            assert not any(resembles(document, other) for other in [*together[:at], *positives[query]])


@pytest.mark.usefixtures("isa")
def test_levels_give_the_same_bytes():
    rng = np.random.default_rng(3)
    run, positives, documents = large_case(200)
    embeddings = rng.normal(size=(documents, 40)).astype(np.float16)
    embeddings[1::2] = embeddings[::2] + rng.normal(0, 0.3, (documents // 2, 40)).astype(np.float16)
    rule = hm.Selection(6, ceiling=hm.NoCeiling(), draw=hm.Softmax(0.1), near_cosine=0.3, on_shortage="fill", seed=2)
    extras = {"num_documents": documents, "document_embeddings": embeddings}
    found = hm.select(run, positives, rule, **extras)
    rows, dropped = oracle.select(run, positives, rule, **extras)
    assert_equals(found, rows, dropped)
    assert found.reasons["near_duplicate"].sum() > 5


def test_off_is_as_before_and_groups_of_one_change_nothing():
    run, positives, documents = large_case(300)
    for draw in (hm.Top(), hm.Softmax(0.05), hm.TopThen(2, hm.Uniform()), hm.Stratified(3), hm.Among(9, hm.Uniform())):
        for shortage in ("keep", "fill", "drop"):
            rule = hm.Selection(7, ceiling=hm.PercPos(0.9), draw=draw, on_shortage=shortage, seed=5)
            plain = hm.select(run, positives, rule, num_documents=documents)
            near = rule.replace(near_duplicates=0.9)
            alone = hm.select(run, positives, near, num_documents=documents, near_groups=np.arange(documents))
            unasked = hm.select(run, positives, rule, num_documents=documents, near_groups=np.zeros(documents, int))
            assert unasked.ids.tobytes() == plain.ids.tobytes()
            for name in ("offsets", "ids", "scores", "ranks", "queries", "dropped", "filled"):
                assert getattr(plain, name).tobytes() == getattr(alone, name).tobytes(), (draw, shortage, name)
            assert all(plain.reasons[name].tobytes() == alone.reasons[name].tobytes() for name in REASONS)


# By hand


def chosen(groups, rule, scores=None, positives=((99,),), **options):
    """Ids and reasons of one list 0, 1, 2, ..., the positive of a group of its own."""
    size = len(groups)
    scores = np.linspace(0.9, 0.1, size, dtype=np.float32) if scores is None else np.float32(scores)
    run = hm.Candidates([0, size], np.arange(size), scores)
    groups = np.concatenate([groups, np.arange(1000, 1100 - size)])
    labels = hm.Positives.from_lists(list(map(list, positives)), [[1.0] * len(row) for row in positives])
    found = hm.select(run, labels, rule, near_groups=groups, **options)
    return found[0].ids.tolist(), {name: int(count[0]) for name, count in found.reasons.items() if count[0]}


PLAIN = hm.Selection(2, ceiling=hm.NoCeiling(), near_duplicates=0.9)


def test_the_next_takes_the_place_of_one_that_is_passed_over():
    assert chosen([7, 7, 7, 8, 9], PLAIN) == ([0, 3], {"near_duplicate": 2, "not_drawn": 1, "kept": 2})


def test_what_nobody_came_to_is_not_drawn_even_where_it_is_a_near_duplicate():
    assert chosen([7, 8, 7, 8], PLAIN) == ([0, 1], {"not_drawn": 2, "kept": 2})


def test_near_duplicates_of_a_positive_leave_the_ranking_before_the_window():
    rule = PLAIN.replace(range_min=1)
    found = chosen([7, 1, 2, 3], rule, positives=((0,),))
    assert found == ([2, 3], {"positive": 1, "outside_window": 1, "kept": 2})
    found = chosen([7, 7, 2, 3, 4], rule, positives=((0,),))
    assert found == ([3, 4], {"positive": 1, "near_duplicate": 1, "outside_window": 1, "kept": 2})


def test_exact_duplicates_are_counted_as_such():
    groups = np.concatenate([[5, 5, 5], np.arange(10, 107)])
    found = chosen([7, 7, 7], PLAIN, positives=((0,),), document_groups=groups)
    assert found == ([], {"positive": 1, "duplicate_text": 2})


def test_a_pool_holds_its_first_candidates_whether_they_are_passed_over_or_not():
    assert chosen([7, 7, 8, 9], PLAIN.replace(draw=hm.Among(2, hm.Top())))[0] == [0]
    assert chosen([7, 7, 8, 9], PLAIN.replace(draw=hm.Among(3, hm.Top())))[0] == [0, 2]


def test_bins_give_their_shares_and_then_what_others_lack():
    # Two bins of the ranks 1 to 3 and 4 to 6: the second holds one group alone.
    ids, reasons = chosen([1, 2, 3, 7, 7, 7], PLAIN.replace(num_negatives=4, draw=hm.Stratified(2, "rank")))
    assert ids[:3] == [0, 1, 2]
    assert len(ids) == 4
    assert reasons == {"near_duplicate": 2, "kept": 4}


def test_draws_meet_the_candidates_in_their_own_order():
    counts = np.zeros(4)
    for seed in range(400):
        ids, _ = chosen([7, 7, 7, 8], PLAIN.replace(num_negatives=1, draw=hm.Uniform(), seed=seed))
        counts[ids[0]] += 1
    # One of a group is drawn as often as if it stood alone: the first of four to be met, each alike.
    assert (np.abs(counts - 100) < 40).all()


def test_fill_brings_none_back():
    rule = hm.Selection(5, ceiling=hm.NoCeiling(), on_shortage="fill", near_duplicates=0.9)
    run = hm.Candidates([0, 2], [1, 2], [0.9, 0.8])
    # 0 is the positive; 4 is near it, 5 near the first negative, 6 and 7 near each other; 2 is passed over.
    groups = [10, 11, 11, 13, 10, 11, 16, 16]
    found = hm.select(run, hm.Positives.from_lists([[0]]), rule, near_groups=groups, num_documents=8)
    assert found.lengths.tolist() == [3]
    assert found[0].ids.tolist() in ([1, 3, 6], [1, 3, 7])
    assert found.filled.tolist() == [False, True, True]
    assert found.reasons["near_duplicate"].tolist() == [1]


def test_the_cosine_is_that_of_pair_scores_and_equality_counts():
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(3, 100)).astype(np.float32)
    run = hm.Candidates([0, 2], [1, 2], [0.9, 0.8])
    positives = hm.Positives.from_lists([[0]])
    cosine = hm.pair_scores(embeddings, embeddings, [0], [1], similarity="cosine")[0]
    rule = hm.Selection(2, ceiling=hm.NoCeiling(), near_cosine=float(cosine))
    if cosine <= 0:
        embeddings[1] *= -1
        rule = rule.replace(near_cosine=float(-cosine))
    found = hm.select(run, positives, rule, document_embeddings=embeddings)
    assert found.reasons["near_duplicate"].tolist() == [1]
    above = rule.replace(near_cosine=float(np.nextafter(np.float32(rule.near_cosine), np.float32(1))))
    assert hm.select(run, positives, above, document_embeddings=embeddings).lengths.tolist() == [2]


# Bad input

RUN = hm.Candidates([0, 2], [0, 1], [0.9, 0.8])
LABELS = hm.Positives.from_lists([[2]], [[1.0]])
THREE = np.eye(3, dtype=np.float32)


@pytest.mark.parametrize(
    ("rule", "options", "message"),
    [
        ({"near_duplicates": 0.9}, {}, r"near_groups: missing, .* near_duplicate_groups\(texts, 0.9\)"),
        ({"near_cosine": 0.9}, {}, "document_embeddings: missing"),
        ({}, {"near_groups": [0, -1, 2]}, "near_groups: -1 at position 1, expected at least 0"),
        ({"near_duplicates": 0.9}, {"near_groups": [0, 1]}, "near_groups: length 2, expected at least 3: "),
        (
            {"near_duplicates": 0.9},
            {"near_groups": [0, 1, 2], "num_documents": 4},
            "near_groups: length 3, expected 4 as num_documents says",
        ),
        (
            {"near_cosine": 0.9},
            {"document_embeddings": THREE[:2]},
            "document_embeddings: length 2, expected at least 3: ",
        ),
        (
            {"near_cosine": 0.9, "near_duplicates": 0.9},
            {"document_embeddings": THREE, "near_groups": [0, 1, 2, 3]},
            "document_embeddings: length 3, expected 4 as near_groups says",
        ),
        (
            {"near_cosine": 0.9},
            {"document_embeddings": THREE * [[1], [np.nan], [1]]},
            "document_embeddings: NaN at row 1, column 0, expected finite embeddings",
        ),
        ({"near_cosine": 0.9}, {"document_embeddings": THREE[0]}, "document_embeddings: "),
    ],
)
def test_bad_input_is_named(rule, options, message):
    if "document_embeddings" in options:
        options = {**options, "document_embeddings": options["document_embeddings"].astype(np.float32)}
    with pytest.raises(ValueError, match=message):
        hm.select(RUN, LABELS, hm.Selection(2, ceiling=hm.NoCeiling(), **rule), **options)


@pytest.mark.parametrize("name", ["near_duplicates", "near_cosine"])
def test_a_bound_is_above_zero_and_at_most_one(name):
    for value, message in ((0, "0, expected above 0"), (1.1, "1.1, expected at most 1"), (float("nan"), "nan")):
        with pytest.raises(ValueError, match=f"{name}: {message}"):
            hm.Selection(**{name: value})
    with pytest.raises(TypeError, match=f"{name}: str"):
        hm.Selection(**{name: "high"})
    rule = hm.Selection(**{name: 0.9})
    assert hm.Selection.from_dict(rule.to_dict()) == rule
    assert rule.tells_apart
    assert not hm.Selection().tells_apart


def test_who_cannot_keep_them_out_says_so():
    rule = hm.Selection(near_duplicates=0.9)
    with pytest.raises(ValueError, match="selection: near_duplicates, but mine_scores cannot keep"):
        hm.mine_scores(np.eye(3, dtype=np.float32), hm.Positives.from_lists([[0], [1], [2]]), rule)


def test_what_is_too_short_for_the_documents_is_named():
    run = hm.Candidates([0, 3], [0, 1, 2], [3.0, 2.0, 1.0])
    labels = hm.Positives([0, 1], [3], [4.0])
    wanted = "length 2, expected at least 4: candidates and positives name documents up to 3$"
    with pytest.raises(ValueError, match=f"^near_groups: {wanted}"):
        hm.select(run, labels, PLAIN, near_groups=[0, 1])
    rule = hm.Selection(2, ceiling=hm.NoCeiling(), near_cosine=0.9)
    with pytest.raises(ValueError, match=f"^document_embeddings: {wanted}"):
        hm.select(run, labels, rule, document_embeddings=np.eye(2, dtype=np.float32))
    with pytest.raises(ValueError, match=r"^candidates: id 2 of row 0 is outside 0\.\.2"):
        hm.select(run, labels, rule.replace(near_cosine=None), document_groups=[0, 1])
