"""Judging: every pair has its outcome, the most suspicious come first, faults are survived, policies add up."""

import copy
import dataclasses
import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hardmine as hm
from hardmine.nouns.lists import REASONS
from hardmine.pipeline import judge_calls
from hardmine.pipeline.judge_calls import OUTCOMES
from hardmine.pipeline.suspicion import Signals, suspicion
from tests.judge_cases import RULE, fixtures, judged, names, pairs_of, select_args
from tests.judges import Counting, verdict
from tests.oracle import judge as oracle
from tests.texts import write_beir

pytest.importorskip("pyarrow")

collection, run, mined = fixtures()


@pytest.mark.parametrize("budget", [None, 0, 1, 40])
@pytest.mark.parametrize("order", ["suspicious", "listed"])
@pytest.mark.parametrize("kind", ["run", "negatives", "mined"])
def test_outcomes_and_order_are_those_of_the_loops(collection, run, mined, kind, order, budget):
    given = {"run": run, "mined": mined, "negatives": mined.negatives}[kind]
    full = pairs_of(collection, given)
    anchors = None
    if kind != "negatives":
        table = dict(zip(zip(run.row_of_each.tolist(), run.ids.tolist(), strict=True), run.anchor_scores, strict=True))
        anchors = [float(table[q, d]) for q, d, *_ in full]
    suspicious = oracle.suspicion(full, anchors)
    judge = Counting()
    found = judged(collection, given, judge, budget=budget, order=order, batch_size=7)
    assert list(zip(found.queries.tolist(), found.documents.tolist(), strict=True)) == [pair[:2] for pair in full]
    np.testing.assert_allclose(found.suspicion, suspicious, rtol=0, atol=1e-12)
    scores = None if kind == "negatives" else run.positives.scores
    expected, asked = oracle.outcomes(
        collection,
        [pair[:2] for pair in full],
        verdict,
        suspicious=found.suspicion.tolist() if order == "suspicious" else None,
        budget=budget,
        scores=scores,
    )
    assert names(found) == expected
    assert judge.items == asked
    assert all(len(batch) == 7 for batch in judge.calls[:-1])
    counts = found.report["counts"]
    assert counts == {name: expected.count(name) for name in OUTCOMES}
    assert sum(counts.values()) == found.report["pairs"] == len(full)
    assert found.report["asked"] == len(asked)


@st.composite
def small_runs(draw):
    """Few texts, so that queries, documents and positives share theirs; lists and labels may be empty."""
    import pyarrow as pa

    query_texts = draw(st.lists(st.sampled_from(["a", "b", ""]), min_size=1, max_size=4))
    texts = draw(st.lists(st.sampled_from(["x", " X", "y", "Y y", "", "z"]), min_size=1, max_size=7))
    chosen = st.lists(st.integers(0, len(texts) - 1), unique=True, max_size=len(texts))
    labels, lists = ([draw(chosen) for _ in query_texts] for _ in range(2))
    collection = hm.Collection(
        pa.table({"id": [f"q{i}" for i in range(len(query_texts))], "text": query_texts}),
        pa.table({"id": [f"d{i}" for i in range(len(texts))], "text": texts}),
        hm.Positives.from_lists(labels),
    )
    score = st.sampled_from([-1.0, -0.0, 0.0, 0.5, 2.0])
    own = np.array([draw(score) for row in labels for _ in row], np.float32)
    scores = [sorted((draw(score) for _ in row), reverse=True) for row in lists]
    run = hm.Candidates(
        np.cumsum([0, *map(len, lists)]),
        np.array([d for row in lists for d in row], np.int64),
        np.array([s for row in scores for s in row], np.float32),
        query_ids=collection.query_ids,
        document_ids=collection.document_ids,
        positives=collection.positives.with_scores(own),
    )
    return collection, run, draw(st.sampled_from([None, 0, 1, 3]))


@settings(max_examples=60)  # a tenth of a second each
@given(small_runs(), st.sampled_from(["remove", "relabel"]), st.sampled_from([None, 0, 1]))
def test_small_runs_are_those_of_the_loops(case, policy, max_false):
    collection, run, budget = case
    full = pairs_of(collection, run)
    judge = Counting()
    found = judged(collection, run, judge, budget=budget, batch_size=2, policy=policy, max_false=max_false)
    suspicious = oracle.suspicion(full)
    np.testing.assert_allclose(found.suspicion, suspicious, rtol=0, atol=1e-12)
    pairs = [pair[:2] for pair in full]
    expected, asked = oracle.outcomes(
        collection, pairs, verdict, suspicious=found.suspicion.tolist(), budget=budget, scores=run.positives.scores
    )
    assert names(found) == expected
    assert judge.items == asked
    texts = collection.document_groups
    false = {(q, int(texts[d])) for (q, d), name in zip(pairs, expected, strict=True) if name == "positive"}
    dropped = [q for q in range(len(run)) if max_false is not None and sum(p[0] == q for p in false) > max_false]
    assert found.dropped.tolist() == dropped
    stays = [(q, d) for q, d in pairs if q not in dropped and (q, int(texts[d])) not in false]
    assert list(zip(found.run.row_of_each.tolist(), found.run.ids.tolist(), strict=True)) == stays
    removed = sum(found.run.reasons.values(), np.zeros(len(run), np.int64))
    assert (removed == run.lengths - found.run.lengths).all()
    new = len({pair for pair in false if pair[0] not in dropped}) if policy == "relabel" else 0
    assert found.collection.positives.ids.size == collection.positives.ids.size + new
    assert found.run.positives.has_labels_of(found.collection.positives)


def test_there_is_something_of_everything(collection, run):
    found = judged(collection, run, budget=400)
    assert set(names(found)) == set(OUTCOMES) - {"failed"}
    # Less is asked than there are pairs to ask about: some have the same text.
    assert judged(collection, run).report["asked"] < found.report["pairs"] - found.report["counts"]["known"]


def test_signals_in_loops():
    rng = np.random.default_rng(1)
    queries = np.repeat(np.arange(12), rng.integers(1, 9, 12))
    documents = np.concatenate([rng.permutation(40)[: (queries == q).sum()] for q in range(12)])
    s, p, anchors, one, two = rng.integers(-2, 3, (5, queries.size)).astype(np.float32)
    p[queries == 3] = np.nan
    anchors[5] = np.nan
    signals = Signals(queries, s, p, anchors, {"one": one, "two": two})
    pairs = list(zip(queries.tolist(), documents.tolist(), s.tolist(), p.tolist(), strict=True))
    expected = oracle.suspicion(pairs, anchors.tolist(), [one.tolist(), two.tolist()])
    np.testing.assert_allclose(suspicion(signals), expected, rtol=0, atol=1e-12)
    bare = signals._replace(positive_scores=np.full_like(p, np.nan), anchor_scores=None, teacher_scores={})
    expected = oracle.suspicion([(*pair[:3], np.nan) for pair in pairs])
    np.testing.assert_allclose(suspicion(bare), expected, rtol=0, atol=1e-12)


def test_a_negative_positive_score_does_not_turn_the_order():
    signals = Signals(np.array([0, 1]), np.float32([-3, -1]), np.float32([-2, -2]), None, {})
    assert suspicion(signals).tolist() == [0.0, 0.25]


@pytest.mark.parametrize("unsure", ["keep", "remove"])
@pytest.mark.parametrize("max_false", [None, 2, 0])
def test_removed_from_a_run_is_as_excluded(collection, run, max_false, unsure):
    run = run.replace(ranks=np.arange(1, run.ids.size + 1) - run.offsets[:-1][run.row_of_each])
    found = judged(collection, run, max_false=max_false, unsure=unsure)
    bad = {"positive"} if unsure == "keep" else {"positive", "unsure"}
    flagged = np.array([name in bad for name in names(found)])
    assert (found.flagged == flagged).all()
    assert (found.flags == flagged).all()  # every candidate is a pair here
    texts = collection.document_groups[found.documents]
    false = [set() for _ in range(collection.num_queries)]
    for query, text, name in zip(found.queries, texts, names(found), strict=True):
        if name == "positive":
            false[query].add(text)
    dropped = [q for q, each in enumerate(false) if max_false is not None and len(each) > max_false]
    assert found.dropped.tolist() == dropped
    gone = flagged | np.isin(found.queries, dropped)
    assert found.report["removed"] == gone.sum()
    assert found.report["dropped_queries"] == len(dropped)
    assert found.run.ids.tolist() == found.documents[~gone].tolist()
    offsets, ids = found.exclude
    excluded = set(zip(np.repeat(np.arange(len(run)), np.diff(offsets)).tolist(), ids.tolist(), strict=True))
    groups = collection.document_groups
    expected = {
        (int(query), int(document))
        for query, of in zip(found.queries[flagged], found.documents[flagged], strict=True)
        for document in np.flatnonzero(groups == groups[of])
    }
    assert excluded == expected | {
        (int(query), int(document))
        for query, document in zip(found.queries, found.documents, strict=True)
        if query in dropped
    }
    assert len(excluded) == ids.size
    if dropped:
        return  # labelled documents of a dropped query count as excluded too
    one = hm.select(found.run, found.run.positives, RULE, **select_args(collection))
    two = hm.select(run, run.positives, RULE, exclude=found.exclude, **select_args(collection))
    for name in ("offsets", "ids", "scores", "ranks"):
        assert np.array_equal(getattr(one, name), getattr(two, name)), name
    for name in REASONS:
        assert np.array_equal(one.reasons[name], two.reasons[name]), name
    assert one.reasons["excluded"].sum() == flagged.sum() > 0


def test_removed_from_negatives(collection, mined):
    found = judged(collection, mined, unsure="remove", max_false=1)
    stays = ~(found.flags | np.isin(mined.negatives.queries[mined.negatives.row_of_each], found.dropped))
    assert found.negatives.ids.tolist() == mined.negatives.ids[stays].tolist()
    assert found.negatives.ranks.tolist() == mined.negatives.ranks[stays].tolist()
    rows = ~np.isin(mined.negatives.queries, found.dropped)
    assert found.negatives.queries.tolist() == mined.negatives.queries[rows].tolist()
    assert found.negatives.dropped.tolist() == found.dropped.tolist() != []
    before, after = mined.negatives.reasons, found.negatives.reasons
    total = sum(before.values())[rows]
    assert (sum(after.values()) == total).all()
    assert (after["kept"] == np.diff(found.negatives.offsets)).all()
    assert (after["excluded"] - before["excluded"][rows] == before["kept"][rows] - after["kept"]).all()
    assert found.mined.negatives is found.negatives
    assert found.mined.report["negatives"] == found.negatives.ids.size
    assert found.negatives.metadata["judged"]["policy"] == "remove"


def test_a_choice_from_what_is_left_fills_the_rows(collection, run):
    """The recipe of the page: judge what was chosen, choose again without it, until nothing new comes."""
    kept, exclude = {}, None
    for _ in range(20):
        chosen = hm.select(run, run.positives, RULE, exclude=exclude, **select_args(collection))
        found = judged(collection, chosen, unsure="remove", max_false=None)
        kept.setdefault("asked", []).append(found.report["asked"])
        new = [set(found.exclude[1][slice(*found.exclude[0][q : q + 2])].tolist()) for q in range(len(run))]
        old = [set()] * len(run) if exclude is None else [set(row) for row in exclude]
        if all(a <= b for a, b in zip(new, old, strict=True)):
            break
        exclude = [sorted(a | b) for a, b in zip(new, old, strict=True)]
    assert not found.flags.any()
    assert chosen.num_short < len(run)


def test_relabelled_run_is_that_of_the_new_labels(collection, run):
    found = judged(collection, run, policy="relabel", max_false=None)
    labels = [collection.positives[q].tolist() for q in range(len(run))]
    new, seen = [], set()
    for place, name in enumerate(names(found)):
        query, document = int(found.queries[place]), int(found.documents[place])
        text = query, int(collection.document_groups[document])
        if name == "positive" and text not in seen:
            seen.add(text)
            new.append((query, document))
            labels[query].append(document)
    assert [found.collection.positives[q].tolist() for q in range(len(run))] == labels
    assert found.report["relabelled"] == len(new) > 10
    assert found.report["removed"] > len(new)  # others have their texts
    assert found.run.positives.has_labels_of(found.collection.positives)
    scores = dict(zip(zip(run.row_of_each.tolist(), run.ids.tolist(), strict=True), run.scores, strict=True))
    for place, (query, document) in enumerate(
        zip(found.run.positives.query_of_each.tolist(), found.run.positives.ids.tolist(), strict=True)
    ):
        if (query, document) in new:
            assert found.run.positives.scores[place] == scores[query, document]
    rule = hm.Selection(4, ceiling=hm.PercPos(0.5))
    one = hm.Mined.from_run(found.collection, found.run, rule)
    two = hm.Mined.from_run(found.collection, run.replace(positives=found.run.positives), rule)
    assert one.negatives.ids.tolist() == two.negatives.ids.tolist()
    for name in REASONS:
        assert np.array_equal(one.negatives.reasons[name], two.negatives.reasons[name]), name
    assert collection.positives.ids.size < found.collection.positives.ids.size  # the one given is as it was


def test_relabelled_mined_can_be_written(collection, mined, tmp_path):
    found = judged(collection, mined, policy="relabel")
    found.mined.write(tmp_path / "rows.jsonl", "flag-embedding")
    texts, asked = collection.document_texts.to_pylist(), collection.query_texts.to_pylist()
    new = {
        (asked[q], texts[d])
        for q, d, name in zip(found.queries, found.documents, names(found), strict=True)
        if name == "positive" and q not in found.dropped
    }
    lines = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert {(line["query"], text) for line in lines for text in line["pos"]} >= new != set()
    assert hm.Mined.from_run(found.collection, found.mined.candidates, RULE).negatives.ids.size
    before, after = mined.negatives.reasons, found.negatives.reasons
    rows = ~np.isin(mined.negatives.queries, found.dropped)
    assert (sum(after.values()) == sum(before.values())[rows]).all()
    assert after["positive"].sum() > before["positive"][rows].sum()


@pytest.mark.parametrize("policy", ["remove", "relabel"])
def test_copies_that_were_not_chosen_leave_the_candidates_too(collection, run, mined, policy):
    found = judged(collection, mined, policy=policy, max_false=None)
    groups = collection.document_groups
    bad = set(zip(found.queries[found.flagged], groups[found.documents[found.flagged]], strict=True))
    rows = run.row_of_each
    stays = [pair not in bad for pair in zip(rows, groups[run.ids], strict=True)]
    assert found.mined.candidates.ids.tolist() == run.ids[stays].tolist()
    assert run.ids.size - sum(stays) > found.flagged.sum()
    chosen = hm.Mined.from_run(found.collection, found.mined.candidates, RULE).negatives
    assert not bad & set(zip(chosen.queries[chosen.row_of_each], groups[chosen.ids], strict=True))


def test_flags_change_nothing(collection, mined):
    found = judged(collection, mined, policy="flag", max_false=1)
    assert found.negatives is mined.negatives
    assert found.mined is mined
    assert found.collection is collection
    assert found.flags.sum() > 0
    assert found.dropped.size > 0
    assert found.report["removed"] == found.report["relabelled"] == 0


def test_rows_per_positive_and_filled_documents(collection, run):
    """A pair that stands in several rows is judged once and leaves them all; filled documents count nowhere."""
    rule = hm.Selection(40, positive_agg="each", on_shortage="fill", ceiling=hm.NoCeiling())
    mined = hm.Mined.from_run(collection, run, rule)
    assert mined.negatives.filled.any()
    judge = Counting()
    found = judged(collection, mined, judge, policy="relabel", max_false=None)
    rows = mined.negatives.queries[mined.negatives.row_of_each]
    table = dict(zip(zip(found.queries.tolist(), found.documents.tolist(), strict=True), names(found), strict=True))
    flags = [table[pair] == "positive" for pair in zip(rows.tolist(), mined.negatives.ids.tolist(), strict=True)]
    assert found.flags.tolist() == flags
    assert found.negatives.ids.tolist() == mined.negatives.ids[~found.flags].tolist()
    after = found.negatives.reasons
    assert (sum(after.values()) == sum(mined.negatives.reasons.values())).all()
    unfilled = np.bincount(found.negatives.row_of_each[~found.negatives.filled], minlength=len(found.negatives))
    assert (after["kept"] == unfilled).all()
    assert np.isfinite(found.mined.positives.scores).all()
    assert len(set(judge.items)) == len(judge.items)


def test_several_teachers_keep_their_sources(collection, run):
    mined = hm.Mined.from_runs(collection, [(run, RULE), (run, RULE)], scheme="cross_sample", num_negatives=4)
    found = judged(collection, mined)
    stays = ~(found.flags | np.isin(mined.negatives.queries[mined.negatives.row_of_each], found.dropped))
    assert found.negatives.sources.tolist() == mined.negatives.sources[stays].tolist()
    assert sum(found.mined.report["sources"]) == found.negatives.ids.size
    assert found.mined.report["teacher"] == mined.report["teacher"]


def test_further_teachers_go_along(collection, run):
    """Their best place is a signal; their scores of what becomes a positive are known too."""
    rescored = hm.rescore(
        collection,
        run,
        lambda queries, documents: [float(len(q) * len(d) % 17) for q, d in zip(queries, documents, strict=True)],
        progress=False,
    )
    found = judged(collection, rescored, policy="relabel", max_false=None)
    full = pairs_of(collection, rescored)
    (name,) = rescored.teacher_scores
    expected = oracle.suspicion(full, rescored.anchor_scores.tolist(), [rescored.teacher_scores[name].tolist()])
    np.testing.assert_allclose(found.suspicion, expected, rtol=0, atol=1e-12)
    table = dict(
        zip(
            zip(rescored.row_of_each.tolist(), rescored.ids.tolist(), strict=True),
            rescored.teacher_scores[name].tolist(),
            strict=True,
        )
    )
    stays = ~found.flags
    assert found.run.teacher_scores[name].tolist() == rescored.teacher_scores[name][stays].tolist()
    labels = found.run.positives
    assert found.report["relabelled"] > 0
    for query, document, score in zip(
        labels.query_of_each.tolist(), labels.ids.tolist(), labels.teacher_scores[name].tolist(), strict=True
    ):
        if document not in collection.positives[query]:
            assert score == table[query, document]
    assert hm.Mined.from_run(found.collection, found.run, hm.Selection(2, ceiling=hm.PercPos(0.9))).negatives.ids.size


def test_the_best_positive_is_shown(tmp_path):
    folder = write_beir(
        tmp_path / "c",
        [(f"d{i}", "", f"text {i}") for i in range(5)],
        [("q", "query"), ("r", "other")],
        train=[("q", "d3", 1), ("q", "d1", 1), ("q", "d2", 1), ("r", "d0", 1)],
    )
    collection = hm.Collection.read(folder)
    labels = collection.positives
    for scores, expected in (({1: 0.5, 2: 0.7, 3: 0.7}, 2), ({1: 0.9, 2: 0.7, 3: 0.7}, 1), (None, 1)):
        positives = None
        if scores is not None:
            positives = labels.with_scores(np.float32([scores.get(i, 0.1) for i in labels.ids.tolist()]))
        ids = {"query_ids": collection.query_ids, "document_ids": collection.document_ids}
        run = hm.Candidates([0, 1, 1], [4], [0.5], positives=positives, **ids)
        judge = Counting()
        found = judged(collection, run, judge)
        assert judge.items == [("query", "text 4", f"text {expected}")]
        assert found.positives.tolist() == [expected]


def test_ids_alone_and_queries_without_positives():
    positives = hm.Positives.from_lists([[0], [1]])
    collection = hm.Collection.from_ids(["a", "b"], ["x", "y", "z"], positives)
    run = hm.Candidates([0, 1, 2], [2, 2], [0.5, 0.5])

    def judge(*texts):
        return [str({"a z x": "positive"}.get(" ".join(item), "negative")) for item in zip(*texts, strict=True)]

    with pytest.raises(ValueError, match="judge 'judge': reads texts, but the collection holds ids alone"):
        judged(collection, run, judge)
    judge.needs_texts = False
    assert names(judged(collection, run, judge)) == ["positive", "negative"]
    texts = hm.Collection.from_pairs(["a", "b"], ["x", "y"], ["z"])
    bare = hm.Collection(texts.queries, texts.documents, hm.Positives.from_lists([[0], []]))
    counting = Counting()
    found = judged(bare, run, counting, order="listed")
    assert [item[2] for item in counting.items] == [bare.document_texts[0].as_py(), ""]
    assert found.positives.tolist() == [0, -1]
    assert found.to_arrow()["positive_id"].to_pylist()[1] is None


def test_an_empty_run(collection):
    empty = hm.Candidates(np.zeros(collection.num_queries + 1, np.int64), [], np.float32([]))
    judge = Counting()
    found = judged(collection, empty, judge)
    assert judge.calls == []
    assert found.report["pairs"] == 0
    assert "Judged(0 pairs: none)" in repr(found)
    assert found.summary()


def test_tables(collection, run, tmp_path):
    found = judged(collection, run, budget=40)
    found.write(tmp_path / "verdicts.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "verdicts.jsonl").read_text().splitlines()]
    assert [row["outcome"] for row in rows] == names(found)
    assert [row["flagged"] for row in rows] == found.flagged.tolist()
    ids = collection.document_ids
    assert [row["document_id"] for row in rows] == [ids[d] for d in found.documents.tolist()]
    assert [row["query_id"] for row in rows] == [collection.query_ids[q] for q in found.queries.tolist()]
    assert [row["positive_id"] for row in rows] == [ids[d] for d in found.positives.tolist()]
    found.write(tmp_path / "verdicts.csv")
    with pytest.raises(ValueError, match="suffix '.txt', expected .jsonl"):
        found.write(tmp_path / "verdicts.txt")
    json.dumps(found.to_dict(), allow_nan=False)
    summary = found.summary()
    for text in ("counting", "beyond the budget", "40 items", "policy      remove:"):
        assert text in summary
    again = pickle.loads(pickle.dumps(found))
    assert again.outcomes.tolist() == copy.deepcopy(found).outcomes.tolist() == found.outcomes.tolist()


def test_the_run_that_is_left_survives_a_file(collection, run, tmp_path):
    found = judged(collection, run)
    found.run.save(tmp_path / "run.hm")
    loaded = hm.Candidates.load(tmp_path / "run.hm")
    assert loaded.ids.tolist() == found.run.ids.tolist()
    assert loaded.metadata["judged"]["counts"] == found.report["counts"]
    assert loaded.anchor_scores.tolist() == found.run.anchor_scores.tolist()


def test_progress_counts_items(collection, run):
    events = []
    judged(collection, run, progress=events.append, budget=30)
    assert [(e.kind, e.stage, e.done, e.total) for e in events if e.kind != "progress"] == [
        ("start", "judging items", 0, 30),
        ("end", "judging items", 30, 30),
    ]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"policy": "delete"}, ValueError, "policy: 'delete', expected one of 'remove', 'relabel', 'flag'"),
        ({"max_false": -1}, ValueError, "max_false: -1, expected at least 0"),
        ({"max_false": 2.0}, TypeError, "max_false: float 2.0, expected an integer"),
        ({"budget": -1}, ValueError, "budget: -1, expected at least 0"),
        ({"order": "random"}, ValueError, "order: 'random', expected one of 'suspicious', 'listed'"),
        ({"unsure": "drop"}, ValueError, "unsure: 'drop', expected one of 'keep', 'remove'"),
        ({"batch_size": 0}, ValueError, "batch_size: 0, expected at least 1"),
        ({"max_retries": True}, TypeError, "max_retries: bool True, expected an integer"),
        ({"on_error": "skip"}, ValueError, "on_error: 'skip', expected one of 'raise', 'unsure'"),
        ({"sleep": 3}, TypeError, "sleep: int 3, expected a callable"),
        ({"seed": -1}, ValueError, "seed: -1, expected at least 0"),
        ({"progress": "yes"}, TypeError, "progress: str 'yes', expected True, False or a callable"),
        ({"cache": 3}, TypeError, "cache: int 3, expected the path of a folder"),
        ({"cache_policy": "x"}, ValueError, "cache_policy: 'x', expected one of 'refuse'"),
        ({"judge": "gpt"}, TypeError, "judge: str 'gpt', expected a callable"),
        ({"given": [[1]]}, TypeError, "negatives_or_run: list, expected Negatives, Candidates or Mined"),
        ({"collection": 3}, TypeError, "collection: int, expected a Collection"),
        ({"judge": lambda *_: [], "cache": "c"}, TypeError, "judge '<lambda>': fingerprint None, by which a cache"),
    ],
)
def test_bad_input(collection, run, options, error, message):
    options = dict(options)
    parts = [options.pop(name, value) for name, value in (
        ("collection", collection), ("given", run), ("judge", Counting())
    )]  # fmt: skip
    with pytest.raises(error, match=message):
        hm.judge(*parts, **{"progress": False, **options})


def test_what_is_of_another_collection(collection, run, mined):
    other = hm.Collection.from_pairs(["a"], ["b"], ["c"])
    with pytest.raises(ValueError, match="negatives_or_run: mined from 25 queries, but the collection has 1"):
        judged(other, mined.negatives)
    renamed = dataclasses.replace(
        collection,
        documents=collection.documents.set_column(0, "id", [[f"x{i}" for i in range(collection.num_documents)]]),
    )
    with pytest.raises(ValueError, match="negatives_or_run: mined from a collection with other ids"):
        judged(renamed, mined.negatives)
    with pytest.raises(ValueError, match="run: 25 query ids, expected 1 as in the collection"):
        judged(other, run)
    relabelled = judged(collection, mined, policy="relabel").collection
    with pytest.raises(ValueError, match="negatives_or_run: mined with other labels than the collection's"):
        judged(relabelled, mined)


def test_a_fingerprint_that_json_cannot_hold(collection, run, tmp_path):
    judge = Counting()
    judge.fingerprint = {"model": object()}
    with pytest.raises(TypeError, match="judge 'counting': fingerprint: .*not JSON serializable"):
        judged(collection, run, judge, cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
    assert judge_calls.MOST_IN_A_ROW == 32  # as the documentation says


def test_negatives_for_positives_that_are_none_here(collection, run):
    each = hm.Mined.from_run(collection, run, RULE.replace(positive_agg="each")).negatives
    assert judged(collection, each, policy="flag").report["pairs"] > 0
    labels = collection.positives
    other = dataclasses.replace(
        collection, positives=hm.Positives(labels.offsets, (labels.ids + 1) % collection.num_documents)
    )
    with pytest.raises(
        ValueError, match="negatives_or_run: row [0-9]+: its positive is none of its query in the collection"
    ):
        judged(other, each)
