"""The sweep: its trials, measures and bounds against slow twins."""

import dataclasses
import json

import numpy as np
import pyarrow as pa
import pytest

import hardmine as hm
from hardmine.pipeline.sweeps import anchored, bounds, trials
from hardmine.pipeline.sweeps.grid import described, parse_setting
from hardmine.pipeline.sweeps.reach import reach_of
from hardmine.primitives.draw import sample_uniform
from hardmine.primitives.shingles import near_duplicate_groups
from hardmine.report.sweep import basis
from tests.oracle import sweep as oracle
from tests.sweep_cases import RULES, K, fixtures, make, num_labels, sweep, with_labels, words

world, second = fixtures()


@pytest.mark.parametrize("protocol", trials.PROTOCOLS)
def test_the_estimate_equals_the_slow_twin(world, protocol):
    collection, run, _ = world
    found = sweep(world, protocol=protocol, unlabelled_per_positive=0.5, num_bootstrap=100)
    assert [row["rule"] for row in found.rows] == RULES
    for row in found.rows:
        selection = hm.Selection.from_dict(row["selection"])
        hits, hidden, mined, by_query = oracle.estimate(collection, run, selection, K, protocol)
        assert row["hits"] == hits
        assert row["queries_with_hits"] == sum(count > 0 for count in by_query.values())
        if protocol == "hide-one":
            assert row["exposure"] == pytest.approx(hits / hidden, rel=1e-12)
            assert row["false_negative_rate"] == pytest.approx(
                min(1, 0.5 * num_labels(collection) * hits / hidden / row["kept"]), rel=1e-12
            )
        else:
            assert row["exposure"] is None
            assert row["false_negative_rate"] == pytest.approx(hits / mined, rel=1e-12)
        assert row["false_negative_low"] <= row["false_negative_rate"] <= row["false_negative_high"]
    assert any(row["hits"] for row in found.rows)
    assert found.estimate["trials"] == len(oracle.trials(collection, run))


def test_anchored_is_estimated_with_embeddings_alone(world):
    collection, run, documents = world
    rules = ["anchored=1.1,1.0", "anchored=0.9,2.0"]
    blind = sweep(world, rules)
    assert {row["no_estimate"] for row in blind.rows} == {
        "anchor scores depend on which positives are known: give document_embeddings"
    }
    bare = collection, run.replace(anchor_scores=None), documents
    assert [each["rule"] for each in sweep(bare, rules).unfit] == rules
    for found in (
        sweep(world, rules, document_embeddings=documents),
        sweep(bare, rules, document_embeddings=documents),
    ):
        for row, before in zip(found.rows, blind.rows, strict=True):
            selection = hm.Selection.from_dict(row["selection"])
            hits, hidden, _, _ = oracle.estimate(collection, run, selection, K, embeddings=documents)
            assert (row["hits"], row["exposure"]) == (hits, pytest.approx(hits / hidden))
            assert row["kept"] == before["kept"]


@pytest.mark.parametrize("protocol", trials.PROTOCOLS)
@pytest.mark.parametrize("at_once", [anchored.AT_ONCE, 1, 300])
def test_anchor_scores_of_trials_are_those_of_each_trial_alone(world, monkeypatch, protocol, at_once):
    """Labels with the embedding of another included: there the largest cosine is not the hidden one's alone."""
    collection, run, documents = world
    monkeypatch.setattr(anchored, "AT_ONCE", at_once)
    groups, never = collection.document_groups, np.empty(0, dtype=np.int64)
    made = trials.make_trials(
        run, trials.distinct_labels(run.positives, groups, never), groups, reach=reach_of(run, run.positives),
        never=never, protocol=protocol, trials_per_query=3, seed=0, num_threads=1,
    )  # fmt: skip
    found = anchored.with_anchor_scores(made, documents, num_threads=1)
    plain = hm.anchor_scores(made.candidates, made.positives, documents)
    assert np.array_equal(found.anchor_scores, plain.anchor_scores)
    assert np.unique(found.anchor_scores).size > 10


def test_measures_equal_the_slow_twin_and_the_selection(world, second):
    collection, run, _ = world
    for row in sweep(world, second=second).rows:
        mined = hm.Mined.from_run(collection, run, hm.Selection.from_dict(row["selection"])).negatives
        assert (row["rows"], row["kept"], row["short"]) == (len(mined), mined.ids.size, mined.num_short)
        assert row["reasons"] == {name: int(count.sum()) for name, count in mined.reasons.items()}
        assert row["mean_score"] == pytest.approx(float(mined.scores.mean(dtype=np.float64)))
        hardness, eci = oracle.hardness(mined)
        assert row["hardness"] == pytest.approx(hardness)
        assert row["eci"] is None or row["eci"] == pytest.approx(eci)
        overlap, above, undecided = oracle.agreement(mined, second, 9)
        assert row["second"] == {
            "overlap": pytest.approx(overlap),
            "above_positive": pytest.approx(above),
            "undecided": pytest.approx(undecided),
        }
        assert above > 0
        assert 0 < undecided < 1


def test_what_a_rescored_second_run_never_saw_is_undecided(world):
    collection, run, _ = world
    whole, part = (hm.rescore(collection, run, words, k=k, progress=False) for k in (None, 3))
    told = sweep(world, ["naive", "naive range-min=5"], second=whole).rows
    for row, other in zip(told, sweep(world, ["naive", "naive range-min=5"], second=part).rows, strict=True):
        mined = hm.select(run, run.positives, hm.Selection.from_dict(row["selection"]))
        assert row["second"]["undecided"] == 0.0
        overlap, above = oracle.agreement(mined, part, 0)[:2]
        assert other["second"]["overlap"] == pytest.approx(overlap)
        assert other["second"]["undecided"] == pytest.approx(1 - overlap)
        # Of those that it saw alone: the oracle's share is of all, as if it had decided on each.
        assert other["second"]["above_positive"] == (None if not overlap else pytest.approx(above / overlap))
    assert other["second"]["above_positive"] is None


@pytest.mark.parametrize(("reason", "undecided"), [("below_floor", 0.5), ("nan", 1.0)])
def test_what_was_filtered_out_of_the_second_run_is_undecided(reason, undecided):
    """Of two queries one ends above its positive and one below; what a floor removed is below the last of the list."""
    collection = hm.Collection.from_ids(["a", "b"], list("0123456"), [["0"], ["0"]])
    run = hm.Candidates([0, 2, 4], [1, 2, 1, 2], [0.9, 0.8, 0.9, 0.8])
    second = hm.Candidates(
        [0, 2, 4], [3, 4, 3, 4], [0.9, 0.8, 0.9, 0.3], positives=hm.Positives.from_lists([[0], [0]], [[0.5], [0.5]]),
        query_ids=["a", "b"], document_ids=list("0123456"), metadata={"k": 9, "similarity": "cosine"},
        reasons={reason: [1, 1]},
    )  # fmt: skip
    for other, share in ((second, undecided), (second.replace(reasons={}), 0.0)):
        found = hm.sweep(collection, run, ["naive"], num_negatives=2, second=other, progress=False)
        assert found.rows[0]["second"]["undecided"] == share


def test_eci_is_there_where_most_rows_tell(world):
    rows = sweep(world).rows
    told = [row["eci"] is not None for row in rows]
    assert told == [2 * row["hardness_rows"] >= row["rows"] for row in rows]
    assert any(told)


def test_texts_of_positives_in_a_run_made_elsewhere_are_left_out_of_every_setting():
    collection, queries, documents = make()
    found = hm.search(queries, documents, 30)
    labels = collection.positives
    scores = hm.pair_scores(queries, documents, labels.query_of_each, labels.ids)
    run = found.replace(
        positives=labels.with_scores(scores),
        query_ids=collection.query_ids,
        document_ids=collection.document_ids,
        metadata={"k": 30, "similarity": "dot"},
    )
    swept = hm.sweep(collection, run, RULES, num_negatives=3, progress=False)
    for row in swept.rows:
        mined = hm.Mined.from_run(collection, run, hm.Selection.from_dict(row["selection"])).negatives
        assert row["kept"] == mined.ids.size
        assert row["reasons"]["duplicate_text"] == int(mined.reasons["duplicate_text"].sum()) > 0
        hits, hidden, _, _ = oracle.estimate(collection, run, hm.Selection.from_dict(row["selection"]), 30)
        assert row["exposure"] == pytest.approx(hits / hidden)


@pytest.mark.parametrize("k", [None, 6])
@pytest.mark.parametrize("protocol", trials.PROTOCOLS)
def test_a_hidden_label_of_a_rescored_run_is_there_if_the_first_teacher_found_it(world, protocol, k):
    collection, run, _ = world
    rescored = hm.rescore(collection, run, words, k=k, progress=False)
    rules = ["naive", "naive range-min=2", "abs=3.0", "perc-pos=0.9", "perc-pos=0.8@precomputed", "abs=2.0@words"]
    different = 0
    for row in sweep((collection, rescored, None), rules, protocol=protocol).rows:
        selection = hm.Selection.from_dict(row["selection"])
        hits, hidden, _, _ = oracle.estimate(collection, rescored, selection, k or K, protocol, first="precomputed")
        assert row["hits"] == hits
        if protocol == "hide-one":
            assert row["exposure"] == pytest.approx(hits / hidden)
        if not selection.ceiling.teachers:
            different += hits != oracle.estimate(collection, rescored, selection, k or K, protocol)[0]
    assert different


def test_a_label_whom_the_first_teacher_did_not_score_has_no_place(world):
    """Where it stands among the candidates cannot be told: no estimate is better than a wrong one."""
    collection, run, _ = world
    unscored = hm.rescore(collection, run.replace(positives=None), words, progress=False)
    why = sweep((collection, unscored, None), ["naive"]).estimate["why_none"]
    assert why == "the run was rescored, and lacks the scores that its first teacher (precomputed) gave the positives"
    once = hm.rescore(collection, run, words, k=9, progress=False)

    def others(queries, documents):
        return [-score for score in words(queries, documents)]

    for k, is_told in ((None, True), (5, False)):
        found = sweep((collection, hm.rescore(collection, once, others, k=k, progress=False), None), ["naive"])
        assert (found.estimate["why_none"] is None) == is_told
    assert found.estimate["why_none"].startswith("the run was rescored more than once, with fewer candidates")
    judged = run.replace(teacher_scores={"other": run.scores})
    row = sweep((collection, judged, None), ["abs=2.0@other"]).rows[0]
    assert row["no_estimate"] == "the run has no scores of the positives under 'other', by which hidden ones are judged"


@pytest.mark.parametrize(("similarity", "exposure"), [("score", 1.0), ("logit", 1.0), ("dot", 1.0), ("bm25", 0.5)])
def test_only_words_that_are_not_shared_keep_a_label_from_a_short_list(similarity, exposure):
    """The second label of each query scores less than all candidates, and less than 0; no list is full."""
    labels = [[10 * query, 10 * query + 1] for query in range(40)]
    collection = hm.Collection.from_ids(map(str, range(40)), map(str, range(400)), hm.Positives.from_lists(labels))
    ids = np.concatenate([10 * query + np.arange(2, 5) for query in range(40)])
    scores = np.tile([3, 2, 1] if similarity == "bm25" else [-1, -2, -3], 40).astype(np.float32)
    under = np.tile([2.5, 0] if similarity == "bm25" else [-0.5, -5], 40).astype(np.float32)
    run = hm.Candidates(
        np.arange(41) * 3, ids, scores, query_ids=collection.query_ids, document_ids=collection.document_ids,
        positives=collection.positives.with_scores(under), metadata={"k": 9, "similarity": similarity},
    )  # fmt: skip
    assert hm.sweep(collection, run, ["naive"], progress=False).rows[0]["exposure"] == exposure
    # Another teacher, who thinks the world of both labels, has no say in that.
    labelled = hm.Positives.from_lists(labels)
    rescored = run.replace(
        teacher_scores={"first": scores}, metadata={
            "teacher": "second", "first_teacher": "first", "k": 9, "similarity": "score",
            "rescored_from": {"teacher": "first", **run.metadata},
        },
        positives=hm.Positives(
            labelled.offsets, labelled.ids, np.full(80, 9, dtype=np.float32), teacher_scores={"first": under}
        ),
    )  # fmt: skip
    assert hm.sweep(collection, rescored, ["naive"], progress=False).rows[0]["exposure"] == exposure
    floored = run.replace(reasons={"below_floor": np.full(40, 2)})
    assert hm.sweep(collection, floored, ["naive"], progress=False).rows[0]["exposure"] == 0.5


def test_trials_leave_out_what_has_the_id_of_the_query():
    rng = np.random.default_rng(0)
    names = [f"x{i}" for i in range(120)]
    labels = [[f"x{60 + query}", f"x{(query + 7) % 60}"] for query in range(60)]
    documents = rng.normal(size=(120, 8)).astype(np.float32)
    documents[60:] = documents[:60] + 0.2 * documents[60:]
    teacher = hm.teachers.precomputed(documents[:60], documents)  # a query is its own best document, then its label
    collection, without = (
        hm.Collection.from_ids(names[:60], names, labels, ignore_identical_ids=flag) for flag in (True, False)
    )
    rows = [
        hm.sweep(collection, hm.retrieve(of, teacher, k=20, progress=False), ["naive"], num_negatives=1, progress=False)
        for of in (collection, without)
    ]
    assert rows[0].rows[0]["hits"] == rows[1].rows[0]["hits"] > 0
    assert rows[1].rows[0]["reasons"]["excluded"] == 60


def test_the_bootstrap_draws_whole_queries():
    rng = np.random.default_rng(1)
    hits, sizes = rng.integers(0, 4, (40, 3)), rng.integers(4, 9, (40, 3))
    low, high = bounds.bootstrap(hits, sizes, num_bootstrap=200, confidence=0.9, seed=5, num_threads=1)
    drawn = sample_uniform(200, 40, 40, seed=5, replace=True)
    shares = np.array([[hits[row, s].sum() / sizes[row, s].sum() for s in range(3)] for row in drawn])
    assert np.allclose(low, np.percentile(shares, 5, axis=0))
    assert np.allclose(high, np.percentile(shares, 95, axis=0))


def test_pieces_of_the_bootstrap_make_no_difference(monkeypatch):
    rng = np.random.default_rng(1)
    hits, sizes = rng.integers(0, 4, (40, 3)), rng.integers(4, 9, (40, 1))
    options = {"num_bootstrap": 50, "confidence": 0.95, "seed": 0, "num_threads": 1}
    whole = bounds.bootstrap(hits, sizes, **options)
    monkeypatch.setattr(bounds, "_AT_ONCE", 280)
    assert all(np.array_equal(a, b) for a, b in zip(whole, bounds.bootstrap(hits, sizes, **options), strict=True))


def test_few_hits_give_a_bound_and_not_a_point():
    assert bounds.wilson(0.0, 30, 0.95) == pytest.approx(1.959964**2 / (30 + 1.959964**2), rel=1e-6)
    assert bounds.widened(0.1, 0.2, 0.3, 3.0) == (0.0, pytest.approx(0.4))
    assert bounds.effective_number(np.array([3, 3, 3])) == pytest.approx(3)
    assert bounds.effective_number(np.array([8, 1, 1])) == pytest.approx(100 / 66)


def test_a_setting_without_hits_has_an_upper_bound(world):
    row = sweep(world, ["margin-pos=5", "naive"]).rows[0]
    assert (row["hits"], row["interval"], row["exposure_low"]) == (0, "upper bound", 0.0)
    assert 0 < row["exposure_high"] < 1


def test_a_bound_depends_on_its_row_alone(world):
    # What else is tried may have hits that come in other clusters, or none: it says nothing of this row.
    alone = sweep(world, ["margin-pos=5"]).rows[0]
    among = sweep(world, [*RULES, "margin-pos=5"]).rows[-1]
    assert alone.pop("index") != among.pop("index")
    assert {k: v for k, v in among.items() if k != "on_frontier"} == {
        k: v for k, v in alone.items() if k != "on_frontier"
    }
    labels = trials.distinct_labels(world[1].positives, world[0].document_groups, np.empty(0, dtype=np.int64))
    counts = np.bincount(labels.rows)
    counts = counts[counts >= 2]
    ratio = counts.sum() / labels.ids.size
    bound = bounds.wilson(0.0, counts.sum() ** 2 / (counts**2).sum(), 0.95)
    assert alone["exposure_high"] == pytest.approx(bounds.widened(0.0, 0.0, bound, ratio)[1])


def test_bounds_hold_where_queries_are_hit_as_a_whole():
    """Eight of a hundred queries have all labels mined, the others none: one trial tells no more than its query."""
    held, rng = 0, np.random.default_rng(2)
    for _ in range(200):
        sizes = np.full(40, 4)
        hits = np.where(rng.random(40) < 0.08, 4, 0)
        held += bounds.wilson(hits.sum() / sizes.sum(), bounds.effective_number(sizes), 0.95) >= 0.08
    assert held >= 190


@pytest.mark.parametrize("protocol", trials.PROTOCOLS)
def test_where_everything_comes_back_there_is_a_lower_bound(protocol):
    """No query misses: drawn again they would never miss, which is no proof that others would not."""
    labels = [[10 * query, 10 * query + 1] for query in range(40)]
    collection = hm.Collection.from_ids(map(str, range(40)), map(str, range(400)), hm.Positives.from_lists(labels))
    ids = np.concatenate([10 * query + np.arange(2, 10) for query in range(40)])
    run = hm.Candidates(
        np.arange(41) * 8, ids, np.tile(np.linspace(0.8, 0.1, 8, dtype=np.float32), 40),
        query_ids=collection.query_ids, document_ids=collection.document_ids,
        positives=collection.positives.with_scores(np.full(80, 0.9, dtype=np.float32)), metadata={"k": 8},
    )  # fmt: skip
    row = hm.sweep(collection, run, ["naive"], num_negatives=1, protocol=protocol, progress=False).rows[0]
    names = ("exposure", "exposure_high", "exposure_low")
    if protocol == "keep-one":
        names = ("false_negative_rate", "false_negative_high", "false_negative_low")
    share, high, low = (row[name] for name in names)
    assert (share, high, row["interval"]) == (1.0, 1.0, "lower bound")
    assert low == pytest.approx(1 - bounds.widened(0, 0, bounds.wilson(0.0, 40, 0.95), 1.0)[1])


def test_an_interval_holds_its_estimate(world):
    for seed in range(5):
        for row in sweep(world, num_bootstrap=100, confidence=0.01, seed=seed).rows:
            assert row["false_negative_low"] <= row["false_negative_rate"] <= row["false_negative_high"]


def test_exposures_do_not_depend_on_the_assumption_but_their_intervals_do(world):
    few, many = (sweep(world, ["naive"], unlabelled_per_positive=u).rows[0] for u in (0.5, 1.0))
    assert few["exposure"] == many["exposure"]
    assert 2 * few["false_negative_rate"] == pytest.approx(many["false_negative_rate"])
    assert few["exposure_high"] > many["exposure_high"]


@pytest.mark.parametrize(("num_labels", "is_warned"), [(2, True), (5, True), (7, False)])
def test_few_labels_of_a_query_are_a_caution(num_labels, is_warned):
    found = sweep(with_labels(num_labels), ["naive", "perc-pos=0.9"], max_short=1.0, max_false_negatives=1.0)
    assert found.estimate["labels_per_query"] == pytest.approx(num_labels, abs=0.3)
    caution = found.estimate["caution"]
    assert (caution is not None) == is_warned
    assert found.recommended["basis"] == "estimate"
    if is_warned:
        assert "too high under positive_agg 'min' and too low under 'max'" in caution
        assert caution in found.recommended["why"]
        assert " ".join(found.summary().split()).count("Caution: a hidden label is one of only") == 1
        assert found._repr_html_().count("Caution:") == 1
        without = {"estimate": found.estimate, "recommended": {"why": "another reason"}}
        assert basis(without).endswith(caution)
        assert caution not in basis(found.to_dict())
        assert caution in sweep(with_labels(num_labels), ["naive"], max_false_negatives=0.0).recommended["why"]
        assert sweep(with_labels(num_labels), ["naive"], protocol="keep-one").estimate["caution"] is None
    else:
        assert "Caution" not in found.summary() + found.recommended["why"]
        for agg, warns in (("mean", False), ("max", True)):
            other = sweep(with_labels(num_labels), ["naive", "perc-pos=0.9"], positive_agg=agg)
            assert (other.estimate["caution"] is not None) == warns
        assert sweep(with_labels(num_labels), ["naive"], positive_agg="max").estimate["caution"] is None


def test_the_caution_says_what_is_so():
    """Of four relevant documents of a query chance labels two: where the estimate errs, and to which side."""
    rng = np.random.default_rng(0)
    scores = np.hstack([rng.normal(0.6, 0.12, (400, 4)), rng.normal(0.35, 0.12, (400, 50))]).astype(np.float32)
    labels = hm.Positives.from_lists([[54 * query, 54 * query + 1] for query in range(400)])
    collection = hm.Collection.from_ids(map(str, range(400)), map(str, range(400 * 54)), labels)
    order = np.argsort(-scores[:, 2:], axis=1, kind="stable")
    run = hm.Candidates(
        np.arange(401) * 52, (order + 2 + 54 * np.arange(400)[:, None]).ravel(),
        np.take_along_axis(scores[:, 2:], order, 1).ravel(), query_ids=collection.query_ids,
        document_ids=collection.document_ids, positives=labels.with_scores(scores[:, :2].ravel()),
        metadata={"k": 52, "similarity": "cosine"},
    )  # fmt: skip
    for rule, agg, is_high in (
        ("perc-pos=0.95", "min", True),
        ("perc-pos=0.95", "max", False),
        ("naive", "min", False),
    ):
        found = hm.sweep(collection, run, [rule], num_negatives=2, positive_agg=agg, progress=False)
        mined = hm.select(run, run.positives, hm.Selection.from_dict(found.rows[0]["selection"]))
        truth = np.isin(mined.ids % 54, (2, 3)).mean()
        assert (found.rows[0]["false_negative_rate"] > truth) == is_high
        assert found.estimate["caution"] is not None


def test_hidden_labels_are_chosen_by_the_seed_and_weigh_what_they_stand_for(world):
    collection, run, _ = world
    never = np.empty(0, dtype=np.int64)
    labels = trials.distinct_labels(run.positives, collection.document_groups, never)
    options = {"reach": reach_of(run, run.positives), "never": never, "protocol": "hide-one", "num_threads": 1}
    made = [
        trials.make_trials(run, labels, collection.document_groups, trials_per_query=2, seed=seed, **options)
        for seed in (0, 0, 1)
    ]
    assert np.array_equal(made[0].hidden_keys, made[1].hidden_keys)
    assert not np.array_equal(made[0].hidden_keys, made[2].hidden_keys)
    counts = np.bincount(labels.rows, minlength=len(run))
    of_query = np.bincount(made[0].queries, weights=made[0].weights, minlength=len(run))
    assert np.array_equal(of_query, np.where(counts >= 2, counts, 0) * trials.UNIT)
    assert np.bincount(made[0].queries).max() == 2
    per_query = np.bincount(made[0].queries, weights=made[0].hidden)
    assert per_query.max() == 2


def test_a_large_run_is_sampled(world, monkeypatch):
    whole = sweep(world)
    monkeypatch.setattr(trials, "MOST_QUERIES", 35)
    found = sweep(world)
    assert (found.estimate["queries"], found.estimate["is_sample"]) == (35, True)
    assert found.estimate["queries_with_several_positives"] == whole.estimate["queries"] > 35
    assert not whole.estimate["is_sample"]
    for some, all_ in zip(found.rows, whole.rows, strict=True):
        assert some["exposure"] == pytest.approx(all_["exposure"], abs=0.15)
        assert some["kept"] == all_["kept"]


def test_the_estimate_is_free_of_bias_and_its_interval_holds_the_truth():
    """Labels split by chance: some that the sweep knows, the others are the truth it must foresee."""
    collection, queries, documents = make(3, num_queries=80, num_documents=200)
    best = np.argsort(-(queries @ documents.T), axis=1, kind="stable")
    errors, held = [], []
    for split in range(12):
        rng = np.random.default_rng(split)
        known, unknown = [], []
        for query in range(80):
            relevant = best[query, [0, 2, 3, 5, 8, 13, 20, 30]]
            is_known = rng.random(8) < 0.5
            is_known[rng.integers(8)] |= not is_known.any()
            known.append(relevant[is_known].tolist())
            unknown.append(relevant[~is_known].tolist())
        part = dataclasses.replace(
            collection,
            documents=pa.table({"id": [f"d{i}" for i in range(200)], "text": [str(i) for i in range(200)]}),
            positives=hm.Positives.from_lists(known),
        )
        run = hm.retrieve(part, hm.teachers.precomputed(queries, documents, similarity="dot"), k=40, progress=False)
        ratio = sum(map(len, unknown)) / sum(map(len, known))
        rules = ["naive", "naive range-min=4", "margin-pos=0.5", "perc-pos=0.9"]
        for row in hm.sweep(part, run, rules, unlabelled_per_positive=ratio, progress=False).rows:
            mined = hm.select(run, run.positives, hm.Selection.from_dict(row["selection"]))
            false = sum(len(set(mined[q].ids.tolist()) & set(unknown[q])) for q in range(80))
            truth = false / mined.ids.size
            errors.append(row["false_negative_rate"] - truth)
            held.append(row["false_negative_low"] <= truth <= row["false_negative_high"])
    assert abs(np.mean(errors)) < 0.02
    assert np.mean(held) >= 0.9


def test_threads_and_calls_change_nothing(world, second):
    first = json.dumps(sweep(world, second=second, num_threads=1).to_dict(), allow_nan=False)
    assert first == json.dumps(sweep(world, second=second, num_threads=2).to_dict(), allow_nan=False)
    assert first != json.dumps(sweep(world, second=second, seed=1).to_dict(), allow_nan=False)


def test_the_default_grid_names_what_does_not_serve(world):
    found = sweep(world, None)
    assert len(found.rows) == 41
    assert not found.unfit
    assert len({row["rule"] for row in found.rows}) == 41
    collection, run, documents = world
    bare = sweep((collection, run.replace(anchor_scores=None, positives=None), documents), None)
    assert [row["rule"] for row in bare.rows][:2] == ["naive", "naive range-min=5"]
    assert {each["rule"].split("=")[0] for each in bare.unfit} == {"margin-pos", "perc-pos", "anchored"}
    assert bare.estimate["why_none"] == "the run holds no scores of the positives"
    assert all(row["false_negative_rate"] is None for row in bare.rows)


def test_bounds_that_are_scores_have_the_scale_of_the_run(world):
    collection, run, _ = world
    large = run.replace(scores=run.scores * 100, positives=run.positives.with_scores(run.positives.scores * 100))
    rules = [row["rule"] for row in sweep((collection, large, None), None, num_bootstrap=100).rows]
    assert "abs=280.0" in rules
    assert "margin-pos=20.0" in rules
    cosine = run.replace(metadata={**run.metadata, "similarity": "cosine"})
    assert "abs=0.7" in [row["rule"] for row in sweep((collection, cosine, None), None, num_bootstrap=100).rows]


def test_a_setting_is_text_and_text_is_a_setting():
    for text in ("perc-pos=0.9 & abs=0.7 range-min=2 range-max=9 draw=softmax=0.5", "naive", "anchored=1.1,1.0"):
        assert described(parse_setting(text, 4)) == text
    assert described(hm.strategies.top1_sampled_top_k()).endswith(
        "draw=TopThen(n_top=1, draw=Softmax(temperature=1.0))"
    )
    assert described(hm.Selection(positive_agg="mean", floor=0.25)) == "perc-pos=0.95 floor=0.25 positive-agg=mean"


def test_values_of_every_kind_are_settings(world):
    grid = [hm.Selection(2, ceiling=hm.NoCeiling(), on_shortage="error"), hm.MarginPos(1), "abs=2"]
    found = sweep(world, grid, positive_agg="mean")
    rules = [row["rule"] for row in found.rows]
    assert rules == ["naive num-negatives=2 on-shortage=error", "margin-pos=1.0 positive-agg=mean", "abs=2.0"]
    assert [row["selection"]["num_negatives"] for row in found.rows] == [2, 3, 3]


def test_what_is_recommended_is_what_was_given(world):
    """The sweep keeps short rows to count them; the selection to mine with does what its owner wants of them."""
    grid = [hm.Selection(15, ceiling=hm.NoCeiling(), range_min=3, on_shortage="drop")]
    found = sweep(world, grid, max_short=1.0)
    assert found.selection == grid[0]
    assert found.rows[0]["short"] == found.rows[0]["rows"] == len(world[1])


def test_settings_that_differ_read_differently(world):
    uniform = hm.Selection(3, ceiling=hm.NoCeiling(), draw=hm.Uniform())
    grid = [
        *(hm.Selection(n, ceiling=hm.NoCeiling(), near_duplicates=bound) for n in (3, 2) for bound in (None, 0.5, 0.7)),
        hm.Selection(3, ceiling=hm.NoCeiling(), near_cosine=0.9), uniform, uniform.replace(seed=1),
        uniform.replace(on_shortage="drop"),
    ]  # fmt: skip
    rules = [row["rule"] for row in sweep(world, grid, document_embeddings=world[2]).rows]
    assert len(set(rules)) == len(grid)
    assert rules[4] == "naive near-duplicates=0.5 num-negatives=2"


def test_near_duplicates_are_kept_out_in_the_sweep_as_in_mining(world):
    collection, run, documents = world
    rules = hm.Selection(3, ceiling=hm.NoCeiling(), near_duplicates=0.6), hm.Selection(3, near_cosine=0.9)
    found = sweep(world, rules, document_embeddings=documents)
    for row, rule in zip(found.rows, rules, strict=True):
        mined = hm.Mined.from_run(collection, run, rule, document_embeddings=documents).negatives
        assert (row["kept"], row["reasons"]["near_duplicate"]) == (
            mined.ids.size,
            int(mined.reasons["near_duplicate"].sum()),
        )
        assert row["reasons"]["near_duplicate"] > 0
        assert row["no_estimate"] is None
    assert [each["reason"].split(",")[0] for each in sweep(world, rules).unfit] == ["document_embeddings: missing"]
    # A hidden label that is a near-duplicate of a known one is no negative: the trials know of near-duplicates too.
    near = {"near_groups": near_duplicate_groups(collection.document_texts, 0.6)}, {"document_embeddings": documents}
    for row, rule, known in zip(found.rows, rules, near, strict=True):
        hits, hidden, _, _ = oracle.estimate(collection, run, rule, K, **known)
        assert row["exposure"] == pytest.approx(hits / hidden)
    assert found.rows[0]["hits"] != sweep(world, ["naive"]).rows[0]["hits"]


def test_settings_that_no_trial_can_follow_say_so(world):
    _, run, _ = world
    grid = [hm.Selection(2, positive_agg="each"), hm.Selection(2, draw=hm.Weighted(np.zeros(run.ids.size)))]
    each, weighted = sweep(world, grid).rows
    assert each["no_estimate"] == "one row for each pair has no hidden positive of its own"
    assert weighted["no_estimate"].startswith("its weights are aligned with the run")
    assert each["kept"] > 0
    assert weighted["kept"] > 0
