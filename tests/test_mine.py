"""The pipeline: what is mined obeys the rule, equals the slow way, and every candidate is accounted for."""

import copy
import json
import pickle

import numpy as np
import pytest

import hardmine as hm
from hardmine.nouns.lists import REASONS
from tests.oracle import collection as text_oracle
from tests.texts import random_beir, write_beir

RULES = {
    "naive": hm.NoCeiling(),
    "abs": hm.Absolute(0.6),
    "margin": hm.MarginPos(0.1),
    "perc": hm.PercPos(0.95),
    "both": hm.PercPos(0.9) & hm.Absolute(0.7),
}


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    return hm.Collection.read(random_beir(tmp_path_factory.mktemp("beir") / "c"))


@pytest.fixture(scope="module")
def embeddings(collection):
    rng = np.random.default_rng(3)
    queries = rng.standard_normal((collection.num_queries, 8), dtype=np.float32)
    documents = rng.standard_normal((collection.num_documents, 8), dtype=np.float32)
    documents[collection.positives.ids] += queries[collection.positives.query_of_each]
    return queries, documents


@pytest.fixture(scope="module", params=["bm25", "dense", "dot"])
def teacher(request, embeddings):
    if request.param == "bm25":
        return hm.teachers.load("bm25")
    return hm.teachers.precomputed(*embeddings, similarity="dot" if request.param == "dot" else "cosine")


def full_scores(collection, teacher):
    """Every (query, document) score, as the teacher gives them."""
    rows, columns = np.divmod(np.arange(collection.num_queries * collection.num_documents), collection.num_documents)
    queries, documents = collection.query_texts.to_pylist(), collection.document_texts
    if isinstance(teacher, hm.teachers.LexicalTeacher):
        index = teacher.index(documents)
        flat = hm.pair_scores(index.queries(queries), index.documents, rows, columns)
    else:
        vectors = teacher.embed_queries(queries), teacher.embed_documents(documents)
        flat = hm.pair_scores(*vectors, rows, columns, similarity=teacher.similarity)
    return flat.reshape(collection.num_queries, collection.num_documents)


def ceiling_of(rule, scores):
    parts = rule.ceilings if isinstance(rule, hm.AllOf) else (rule,)
    p = float(min(scores))
    bounds = {
        "NoCeiling": lambda _: np.inf, "Absolute": lambda r: r.t, "MarginPos": lambda r: p - r.m,
        "PercPos": lambda r: p - abs(p) * (1 - r.f),
    }  # fmt: skip
    return min(np.float32(bounds[type(part).__name__](part)) for part in parts)


def by_hand(collection, teacher, rule, n, range_min=0):
    """The n best admissible documents of every query, one query at a time."""
    scores = full_scores(collection, teacher)
    groups = np.array(text_oracle.groups(collection.document_texts.to_pylist()))
    mined = []
    for query in range(collection.num_queries):
        labels = collection.positives[query]
        ceiling = ceiling_of(rule, scores[query, labels])
        taboo = np.isin(groups, groups[labels])
        lexical = isinstance(teacher, hm.teachers.LexicalTeacher)
        order = [
            d for d in np.argsort(-scores[query], kind="stable")
            if not taboo[d] and (scores[query, d] > 0 or not lexical)
        ]  # fmt: skip
        window = order[range_min:]
        mined.append([int(d) for d in window if scores[query, d] <= ceiling][:n])
    return mined


@pytest.mark.parametrize("range_min", [0, 3])
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_mining_equals_the_slow_way(collection, teacher, rule, range_min):
    selection = hm.Selection(5, ceiling=rule, range_min=range_min)
    mined = hm.mine(collection, teacher, selection, progress=False)
    assert [row.ids.tolist() for row in mined.negatives] == by_hand(collection, teacher, rule, 5, range_min)


@pytest.mark.parametrize("aggregate", ["min", "mean", "max", "each"])
@pytest.mark.parametrize("rule", [hm.PercPos(0.9), hm.MarginPos(0.2)], ids=str)
def test_scan_and_select_agree(collection, teacher, rule, aggregate):
    """The ceiling inside the scan gives what the whole ranking filtered afterwards gives."""
    selection = hm.Selection(4, ceiling=rule, positive_agg=aggregate)
    inside = hm.mine(collection, teacher, selection, k=None if aggregate != "each" else 200, progress=False)
    run = hm.retrieve(collection, teacher, k=collection.num_documents, exclude_positives=False, progress=False)
    after = hm.Mined.from_run(collection, run, selection, positives=collection.scored_positives(run))
    assert inside.negatives.ids.tolist() == after.negatives.ids.tolist()
    assert inside.negatives.scores.tobytes() == after.negatives.scores.tobytes()
    assert inside.negatives.ranks.tolist() == after.negatives.ranks.tolist()
    assert inside.negatives.offsets.tolist() == after.negatives.offsets.tolist()


SELECTIONS = [
    hm.Selection(4),
    hm.Selection(4, ceiling=hm.NoCeiling(), draw=hm.Softmax(0.5), range_max=20, seed=7),
    hm.Selection(3, ceiling=hm.MarginPos(0.05), draw=hm.TopThen(1, hm.Uniform()), range_min=2),
    hm.Selection(4, ceiling=hm.PercPos(0.8), positive_agg="each", floor=0.1),
    hm.Selection(6, ceiling=hm.PercPos(0.5), on_shortage="drop"),
    hm.Selection(6, ceiling=hm.PercPos(0.5), on_shortage="fill"),
    hm.Selection(4, ceiling=hm.PercPos(0.9), range_on="filtered", range_min=2, range_max=9),
]


@pytest.mark.parametrize("selection", SELECTIONS, ids=range(len(SELECTIONS)))
def test_every_row_obeys(collection, teacher, selection):
    mined = hm.mine(collection, teacher, selection, progress=False)
    negatives = mined.negatives
    groups = np.array(text_oracle.groups(collection.document_texts.to_pylist()))
    for row in range(len(negatives)):
        query = negatives.queries[row]
        labels = collection.positives[query]
        ids, scores = negatives[row]
        assert not np.isin(groups[ids], groups[labels]).any(), "a positive, or its text, among the negatives"
        assert len(set(ids.tolist())) == len(ids) <= selection.num_negatives
        own = mined.positives.scores[mined.positives.offsets[query] : mined.positives.offsets[query + 1]]
        if negatives.positives[row] >= 0:
            own = own[labels == negatives.positives[row]]
        known = ~np.isnan(scores)
        assert (scores[known] <= ceiling_of(selection.ceiling, own)).all()
    filled = np.bincount(np.repeat(np.arange(len(negatives)), negatives.lengths)[negatives.filled],
                         minlength=len(negatives))  # fmt: skip
    found = negatives.lengths - filled
    assert (found == negatives.reasons["kept"]).all()
    short = int((found < selection.num_negatives).sum()) + negatives.dropped.size
    assert mined.report["short"] == negatives.num_short == short
    assert mined.report["reasons"] == {name: int(negatives.reasons[name].sum()) for name in REASONS}


def test_reasons_add_up_to_the_corpus(collection, embeddings):
    """With every document retrieved, the reasons of a query cover the corpus."""
    teacher = hm.teachers.precomputed(*embeddings)
    selection = hm.Selection(4, ceiling=hm.PercPos(0.9), range_min=1)
    mined = hm.mine(collection, teacher, selection, k=collection.num_documents, progress=False)
    totals = sum(mined.negatives.reasons[name] for name in REASONS)
    assert set(totals.tolist()) == {collection.num_documents}
    counts = np.diff(collection.positives.offsets)
    assert np.array_equal(mined.negatives.reasons["positive"], counts)
    groups = collection.document_groups
    copies = [int(np.isin(groups, groups[collection.positives[q]]).sum()) for q in range(collection.num_queries)]
    assert np.array_equal(mined.negatives.reasons["duplicate_text"], np.array(copies) - counts)
    assert sum(copies) > counts.sum()


def test_anchored(collection, embeddings):
    teacher = hm.teachers.precomputed(*embeddings)
    rule = hm.Anchored(1.05, 0.5)
    mined = hm.mine(collection, teacher, hm.Selection(4, ceiling=rule), k=150, progress=False)
    assert mined.candidates.anchor_scores is not None
    documents = embeddings[1].astype(np.float64) - embeddings[1].astype(np.float64).mean(0)
    documents /= np.linalg.norm(documents, axis=1, keepdims=True)
    for query, (ids, scores) in enumerate(mined.negatives):
        anchor = (documents[ids] @ documents[collection.positives[query]].T).max(axis=1)
        p = float(mined.positives.scores[mined.positives.offsets[query] : mined.positives.offsets[query + 1]].min())
        assert (scores + 0.5 * anchor <= p + 0.05 * abs(p) + 1e-6).all()
    with pytest.raises(
        ValueError, match="teacher 'bm25': has no document embeddings, which the ceiling Anchored needs"
    ):
        hm.mine(collection, "bm25", hm.Selection(4, ceiling=rule), progress=False)
    with pytest.raises(ValueError, match="has no document embeddings"):
        hm.retrieve(collection, "bm25", anchors=True, progress=False)


def test_threads_memory_and_levels_do_not_show(collection, teacher, isa):
    rule = hm.Selection(4, draw=hm.Softmax(0.3), seed=1)
    one = hm.mine(collection, teacher, rule, num_threads=1, progress=False).negatives
    memory = "700kB" if teacher.name == "bm25" else "1MB"
    other = hm.mine(collection, teacher, rule, num_threads=3, max_memory=memory, progress=False).negatives
    assert one.ids.tobytes() == other.ids.tobytes()
    assert one.scores.tobytes() == other.scores.tobytes()
    assert isa


def test_retrieve(collection, teacher, tmp_path):
    run = hm.retrieve(collection, teacher, k=7, progress=False)
    assert run.metadata["teacher"] == teacher.name
    assert (run.metadata["k"], run.metadata["similarity"]) == (7, teacher.similarity)
    assert list(run.query_ids) == collection.queries["id"].to_pylist()
    assert list(run.document_ids) == collection.documents["id"].to_pylist()
    assert run.lengths.max() == 7
    expected = by_hand(collection, teacher, hm.NoCeiling(), 7)
    assert [row.ids.tolist() for row in run] == expected
    run.save(tmp_path / "run")
    loaded = hm.Candidates.load(tmp_path / "run")
    scores = collection.scored_positives(loaded).scores
    assert scores.tobytes() == hm.mine(collection, teacher, hm.Selection(), progress=False).positives.scores.tobytes()
    everything = hm.retrieve(collection, teacher, k=200, exclude_positives=False, progress=False)
    own = hm.retrieve(collection, teacher, k=200, progress=False)
    groups = collection.document_groups
    for query, labels in enumerate(collection.positives):
        taboo = np.isin(groups, groups[labels])
        assert not taboo[own[query].ids].any()
        if teacher.name != "bm25":
            assert np.isin(np.flatnonzero(taboo), everything[query].ids).all()
    assert everything.ids.size > own.ids.size
    low = hm.retrieve(collection, teacher, k=7, ceiling=float(np.median(run.scores)), progress=False)
    assert low.scores.max() <= np.median(run.scores)


def test_a_run_of_another_collection_is_refused(collection, tmp_path):
    run = hm.retrieve(collection, "bm25", k=3, progress=False)
    other = hm.Collection.read(random_beir(tmp_path / "o", num_documents=150))
    with pytest.raises(ValueError, match="run: 200 document ids, expected 150 as in the collection"):
        other.scored_positives(run)
    with pytest.raises(ValueError, match="run: no scores of positives, expected"):
        collection.scored_positives(run.replace(positives=None))
    with pytest.raises(ValueError, match="run: has no query ids, expected a run made by hardmine retrieve"):
        collection.scored_positives(run.replace(query_ids=None))
    renamed = run.replace(query_ids=["zz", *list(run.query_ids)[1:]])
    with pytest.raises(ValueError, match=r"run: query 0 is 'zz', expected 'q0'"):
        collection.scored_positives(renamed)


def test_a_run_of_another_collection_is_refused_with_positives_of_its_own_too():
    """Ids are compared wherever they are at hand; without ids, what the numbers contradict."""
    pytest.importorskip("torch")
    one = hm.Collection.from_pairs(["red", "green"], ["red apple", "green pear"], ["sky", "sea", "red car"])
    other = hm.Collection.from_pairs(["one", "two"], ["one cat", "two dogs"], {"p": "one", "q": "two", "r": "mouse"})
    assert (one.num_queries, one.num_documents) == (other.num_queries, other.num_documents)
    run = hm.retrieve(one, "bm25", progress=False)
    rule = hm.Selection(1, ceiling=hm.NoCeiling())
    nameless = run.replace(query_ids=None, document_ids=None)
    longer = hm.Candidates([0, 1, 2, 3], [0, 1, 2], [0.5, 0.5, 0.5])
    cases = [
        (run, "run: document 0 is '0', expected 'p' as in the collection"),
        (run.replace(document_ids=None, query_ids=["x", "1"]), "run: query 0 is 'x', expected '0' as in the coll"),
        (run.replace(query_ids=None), "run: document 0 is '0', expected 'p' as in the collection"),
        (longer, "run: 3 queries, expected 2 as in the collection"),
        (hm.Candidates([0, 1, 1], [5], [0.5]), "run: document 5, expected below 5 as in the collection"),
    ]
    positives = other.positives.with_scores([0.9, 0.9])
    for given, message in cases:
        for make in (hm.Mined.from_run, hm.data.NegativeDataset):
            with pytest.raises(ValueError, match=message):
                make(other, given, rule, positives=positives)
    assert len(hm.Mined.from_run(other, nameless, rule, positives=positives).negatives) == 2
    assert len(hm.data.NegativeDataset(other, nameless, rule, positives=positives)) == 2
    assert len(hm.Mined.from_run(one, run, rule, positives=one.positives.with_scores([0.9, 0.9])).negatives) == 2


def test_what_is_no_run_is_refused_by_its_type(collection):
    pytest.importorskip("torch")
    rule = hm.Selection(1, ceiling=hm.NoCeiling())
    run = hm.retrieve(collection, "bm25", k=3, progress=False)
    for call in (
        lambda: hm.Mined.from_run(collection, None, rule),
        lambda: hm.Mined.from_runs(collection, [(None, rule)]),
        lambda: collection.scored_positives(None),
        lambda: hm.data.NegativeDataset(collection, None, rule),
    ):
        with pytest.raises(TypeError, match="(run|candidates): NoneType, expected Candidates"):
            call()
    for call in (lambda: hm.Mined.from_run(None, run, rule), lambda: hm.Mined.from_runs(None, [(run, rule)])):
        with pytest.raises(TypeError, match="collection: NoneType, expected a Collection"):
            call()
    with pytest.raises(TypeError, match=r"runs\[0\]: Candidates, expected a pair \(Candidates, Selection\)"):
        hm.Mined.from_runs(collection, [run])
    with pytest.raises(TypeError, match="runs: Candidates, expected a sequence of pairs"):
        hm.Mined.from_runs(collection, run)
    with pytest.raises(ValueError, match="runs: none, expected at least one"):
        hm.Mined.from_runs(collection, [])
    with pytest.raises(TypeError, match="selection: float, expected a Selection"):
        hm.Mined.from_runs(collection, [(run, 0.95)])


class Untouched:
    """A teacher that must not be asked for anything."""

    name, similarity = "untouched", "dot"

    def embed_queries(self, *_, **__):
        raise AssertionError("work before the arguments were looked at")

    embed_documents = embed_queries


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda c, t: hm.mine(c, t, hm.Selection(), epoch=-1), ValueError, "epoch: -1, expected at least 0"),
    (lambda c, t: hm.mine(c, t, hm.Selection(), epoch=1.0), TypeError, "epoch: float 1.0, expected an integer"),
    (lambda c, t: hm.mine(c, t, hm.Selection(), k=0), ValueError, "k: 0, expected at least 1"),
    (lambda c, t: hm.mine(c, t, hm.Selection(), num_threads=0), ValueError, "num_threads: 0, expected at least 1"),
    (lambda c, t: hm.mine(c, t, hm.Selection(), max_memory="x"), ValueError, "max_memory: 'x', expected a number"),
    (lambda c, t: hm.mine(c, t, hm.Selection(), progress="no"), TypeError, "progress: str 'no', expected True"),
    (lambda c, t: hm.mine(c, t, hm.Selection(draw=hm.Popularity(np.ones(3)))), ValueError,
     "counts: length 3, expected 200"),
    (lambda c, t: hm.mine(c, t, hm.Selection(draw=hm.TopThen(1, hm.Popularity(np.ones(3))))), ValueError,
     "counts: length 3, expected 200"),
    (lambda c, t: hm.retrieve(c, t, max_memory=-1), ValueError, "max_memory: -1, expected at least 1"),
    (lambda c, t: hm.retrieve(c, t, progress="no"), TypeError, "progress: str 'no', expected True, False or a call"),
    (lambda c, t: hm.retrieve(c, t, anchors="no"), TypeError, "anchors: str 'no', expected True or False"),
    (lambda c, t: hm.retrieve(c, t, exclude_positives="no"), TypeError, "exclude_positives: str 'no', expected True"),
])  # fmt: skip
def test_arguments_are_looked_at_before_the_teacher(collection, call, error, message):
    with pytest.raises(error, match=message):
        call(collection, Untouched())


def test_the_settings_of_an_ensemble_are_looked_at_before_the_selections(collection, monkeypatch):
    run = hm.retrieve(collection, "bm25", k=3, progress=False)
    runs = [(run, hm.Selection(1, ceiling=hm.NoCeiling()))]
    monkeypatch.setattr("hardmine.pipeline.mined.select", lambda *_, **__: pytest.fail("work before the settings"))
    for settings, message in (
        ({"scheme": "mean"}, "scheme: 'mean', expected one of"),
        ({"scheme": "joint"}, "num_negatives: missing"),
        ({"temperature": float("nan")}, "temperature: nan, expected a finite number"),
        ({"seed": -1}, "seed: -1, expected at least 0"),
        ({"epoch": -1}, "epoch: -1, expected at least 0"),
    ):
        with pytest.raises(ValueError, match=message):
            hm.Mined.from_runs(collection, runs, **settings)


def test_anchors_are_refused_before_the_index_is_built(collection, monkeypatch):
    teacher = hm.teachers.load("bm25")
    monkeypatch.setattr(type(teacher), "index", lambda *_, **__: pytest.fail("an index was built"))
    with pytest.raises(ValueError, match="teacher 'bm25': has no document embeddings"):
        hm.mine(collection, teacher, hm.strategies.anchored(1), progress=False)


def test_identical_ids(tmp_path):
    corpus = [("a", "", "cat dog"), ("b", "", "cat"), ("c", "", "cat cat")]
    folder = write_beir(tmp_path / "c", corpus, [("a", "cat")], train=[("a", "b", 1)])
    rule = hm.Selection(4, ceiling=hm.NoCeiling())
    assert hm.mine(hm.Collection.read(folder), "bm25", rule, progress=False).negatives.ids.tolist() == [2, 0]
    ignoring = hm.mine(hm.Collection.read(folder, ignore_identical_ids=True), "bm25", rule, progress=False)
    assert ignoring.negatives.ids.tolist() == [2]
    assert ignoring.report["reasons"]["excluded"] == 1


def test_report(collection):
    mined = hm.mine(collection, "bm25", hm.Selection(4), progress=False)
    stats = mined.report["scores"]["negatives"]
    assert stats["count"] == mined.negatives.ids.size
    assert stats["mean"] == pytest.approx(mined.negatives.scores.astype(np.float64).mean())
    assert stats["median"] == pytest.approx(np.median(mined.negatives.scores))
    assert "above the ceiling" in mined.summary()
    assert repr(mined).startswith("Mined(Negatives(40 rows")
    with pytest.raises(TypeError):
        mined.report["rows"] = 3
    assert json.loads(json.dumps(mined.report, allow_nan=False)) == mined.report == dict(mined.report)
    for copied in (pickle.loads(pickle.dumps(mined)), copy.deepcopy(mined)):
        assert copied.report == mined.report
        for mapping in (copied.report, copied.report["scores"], copied.negatives.metadata, copied.collection.counts):
            json.dumps(mapping, allow_nan=False)
            with pytest.raises(TypeError, match="frozen"):
                mapping["rows"] = 3
            for change, *arguments in (("clear",), ("popitem",), ("update", {"rows": 3}), ("pop", "rows")):
                with pytest.raises(TypeError, match="frozen"):
                    getattr(mapping, change)(*arguments)


@pytest.mark.parametrize(("scores", "statistics"), [
    ([1.0, 2.0, 4.0], {"mean": 7 / 3, "min": 1.0, "25%": 1.5, "median": 2.0, "75%": 3.0, "max": 4.0}),
    ([-np.inf, 2.0, 4.0], {"mean": None, "std": None, "min": None, "25%": None, "median": 2.0, "75%": 3.0, "max": 4}),
    ([1.0, 2.0, np.inf], {"mean": None, "std": None, "min": 1.0, "25%": 1.5, "median": 2.0, "75%": None, "max": None}),
    ([-np.inf, np.inf], {"mean": None, "std": None, "min": None, "25%": None, "median": None, "max": None}),
    ([np.inf], {"count": 1, "mean": None, "std": None, "min": None, "median": None, "max": None}),
    ([3e38, -3e38], {"mean": 0.0, "min": pytest.approx(-3e38), "median": 0.0, "max": pytest.approx(3e38)}),
])  # fmt: skip
def test_statistics_of_infinite_scores(scores, statistics):
    """Right where they are finite, None where not, and no warning."""
    collection = hm.Collection.from_pairs(["q"], ["p"], [f"n{i}" for i in range(len(scores))])
    order = np.argsort(scores)[::-1]
    run = hm.Candidates([0, len(scores)], order, np.float32(scores)[order])
    rule = hm.Selection(len(scores), ceiling=hm.NoCeiling())
    mined = hm.Mined.from_run(collection, run, rule, positives=collection.positives)
    found = mined.report["scores"]["negatives"]
    assert {name: found[name] for name in statistics} == pytest.approx(statistics)
    json.dumps(mined.report, allow_nan=False)
    line = next(line for line in mined.summary().splitlines() if line.startswith("negatives"))
    assert line.split().count("-") == list(found.values()).count(None)


def test_bad_arguments(collection, embeddings):
    with pytest.raises(TypeError, match="collection: str, expected a Collection"):
        hm.mine("here", "bm25", hm.Selection())
    with pytest.raises(TypeError, match="selection: float, expected a Selection"):
        hm.mine(collection, "bm25", 0.95)
    with pytest.raises(TypeError, match="teacher: object, expected a name or what hm.teachers.load gives"):
        hm.retrieve(collection, object())
    with pytest.raises(ValueError, match="k: -1, expected at least 0"):
        hm.retrieve(collection, "bm25", k=-1)
    queries, documents = embeddings
    with pytest.raises(ValueError, match="query embeddings: 39 rows, expected 40"):
        hm.retrieve(collection, hm.teachers.precomputed(queries[:-1], documents), progress=False)
    broken = documents.copy()
    broken[collection.positives.ids[0], 2] = np.nan
    with pytest.raises(ValueError, match=r"documents.*NaN.*|NaN.*documents"):
        hm.mine(collection, hm.teachers.precomputed(queries, broken), hm.Selection(), progress=False)
    bare = hm.Collection(collection.queries.slice(0, 2), collection.documents, hm.Positives.from_lists([[0], []]))
    with pytest.raises(ValueError, match="query 1 has no positive, expected one under a rule that needs its score"):
        hm.mine(bare, "bm25", hm.Selection(), progress=False)
