"""Scores of several teachers side by side: their columns on every journey, and ceilings that name one."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import hardmine as hm
from hardmine.rules.ceilings import Ceiling
from tests.oracle import select as oracle
from tests.select_cases import assert_equals, assert_invariants, small_case, small_extras, small_selection

F32 = np.float32
NAMES = ("bm25", "org/model.v2", "first &  last")


def run_of_three():
    positives = hm.Positives([0, 1, 3], [9, 8, 7], F32([1, 2, 3]), teacher_scores={NAMES[0]: F32([7, 8, 9])})
    return hm.Candidates(
        [0, 2, 3], [3, 1, 2], F32([0.9, 0.5, 0.7]), positives=positives, metadata={"teacher": "ce"},
        teacher_scores={name: F32([number, -number, np.inf]) for number, name in enumerate(NAMES)},
    )  # fmt: skip


def columns(scores):
    return {name: (column.dtype.name, column.tolist()) for name, column in (scores or {}).items()}


def journeys(tmp_path):
    def saved(run):
        run.save(tmp_path / "run.hm")
        return hm.Candidates.load(tmp_path / "run.hm")

    return {
        "save": saved,
        "pickle": lambda run: pickle.loads(pickle.dumps(run)),
        "out of band": lambda run: pickle.loads(pickle.dumps(run, protocol=5)),
        "copy": copy.deepcopy,
        "replace": lambda run: run.replace(metadata={"teacher": "ce"}),
        "replace all": lambda run: run.replace(scores=run.scores),
        "take": lambda run: run.take([1, 0]).take([1, 0]),
    }


@pytest.mark.parametrize("name", ["save", "pickle", "out of band", "copy", "replace", "replace all", "take"])
def test_every_journey_keeps_them(name, tmp_path):
    run = run_of_three()
    there = journeys(tmp_path)[name](run)
    assert columns(there.teacher_scores) == columns(run.teacher_scores)
    assert list(there.teacher_scores) == list(NAMES) or name == "save"
    assert columns(there.positives.teacher_scores) == columns(run.positives.teacher_scores) != {}
    with pytest.raises(TypeError, match="frozen"):
        there.teacher_scores["more"] = there.scores
    with pytest.raises(ValueError, match="read-only"):
        there.teacher_scores[NAMES[0]][0] = 1
    assert repr(there).endswith("scores of bm25, scores of org/model.v2, scores of first &  last)") or name == "save"
    assert "scored, scores of bm25" in repr(there.positives)


def test_some_rows_have_theirs():
    taken = run_of_three().take([1, 1, 0])
    assert taken.teacher_scores[NAMES[1]].tolist() == [np.inf, np.inf, 1.0, -1.0]
    assert taken.positives.teacher_scores["bm25"].tolist() == [8.0, 9.0, 8.0, 9.0, 7.0]
    assert taken.positives.with_scores(F32([0] * 5)).teacher_scores["bm25"].tolist() == [8.0, 9.0, 8.0, 9.0, 7.0]


def test_arrow_has_a_column_of_each():
    pytest.importorskip("pyarrow")
    run = run_of_three()
    table = run.to_arrow()
    assert table.column_names[-3:] == [f"teacher_scores.{name}" for name in NAMES]
    assert columns(hm.Candidates.from_arrow(table).teacher_scores) == columns(run.teacher_scores)


def test_absent_and_empty_are_one():
    run = hm.Candidates([0, 1], [0], F32([1]), teacher_scores={})
    assert run.teacher_scores is None
    assert hm.Positives([0, 1], [0], teacher_scores={}).teacher_scores is None
    assert "scores of" not in repr(run)


def test_merge_and_fuse_leave_them_out():
    run = run_of_three()
    assert hm.merge([run]).teacher_scores is None
    assert hm.fuse([run, run]).teacher_scores is None


# Ceilings that name a teacher


def with_teachers(rng, run, positives):
    """Two more teachers with scores from a coarse grid, in no order."""
    grid = F32([-1.0, -0.5, -0.0, 0.0, 0.25, 0.5, 0.75, 1.0])
    others = {name: rng.choice(grid, run.ids.size) for name in ("a", "b")}
    of_positives = {name: rng.choice(grid, positives.ids.size) for name in ("a", "b")}
    labels = hm.Positives(positives.offsets, positives.ids, positives.scores, teacher_scores=of_positives)
    return run.replace(teacher_scores=others), labels


NAMED = [
    hm.PercPos(0.5, teacher="a"), hm.PercPos(1.0, teacher="b"), hm.MarginPos(0.25, teacher="a"),
    hm.Absolute(0.25, teacher="b"), hm.MarginPos(-0.25, teacher="b") & hm.PercPos(0.9, teacher="a"),
    hm.Absolute(0.5, teacher="a") & hm.MarginPos(0.0, teacher="a") & hm.NoCeiling(),
]  # fmt: skip


def test_equals_the_twin_on_random_small_cases(count_cases):
    seen = 0
    for case in range(1000):
        rng = np.random.default_rng([41, case])
        run, positives, documents = small_case(rng)
        run, positives = with_teachers(rng, run, positives)
        selection, extras = small_selection(rng, run, documents), small_extras(rng, run, documents)
        named = NAMED[rng.integers(len(NAMED))]
        selection = selection.replace(ceiling=named & selection.ceiling if rng.random() < 0.5 else named)
        if selection.on_shortage == "fill":
            run = run.replace(reasons=None)
        if selection.on_shortage == "error":
            selection = selection.replace(on_shortage="keep")
        rows, dropped = oracle.select(run, positives, selection, num_documents=documents, **extras)
        for threads in (1, 3):
            found = hm.select(run, positives, selection, num_documents=documents, num_threads=threads, **extras)
            assert_equals(found, rows, dropped)
        assert_invariants(found, run, positives, selection)
        seen += int(found.reasons["above_ceiling"].sum())
    assert seen > 500
    count_cases(1000)


def test_the_name_of_the_runs_own_teacher_means_its_scores():
    run = hm.Candidates([0, 3], [3, 1, 2], F32([0.9, 0.8, 0.5]), metadata={"teacher": "ce"})
    positives = hm.Positives([0, 1], [7], F32([0.9]))
    for rule in (hm.PercPos(0.9), hm.MarginPos(0.1), hm.Absolute(0.8)):
        own = hm.select(run, positives, hm.Selection(3, ceiling=rule))
        named = hm.select(
            run, positives, hm.Selection(3, ceiling=Ceiling.from_dict(rule.to_dict() | {"teacher": "ce"}))
        )
        assert named.ids.tolist() == own.ids.tolist() != []
        assert named.reasons["above_ceiling"].tolist() == own.reasons["above_ceiling"].tolist() != [0]


def test_equality_keeps_and_each_pair_has_its_own():
    run = hm.Candidates(
        [0, 3],
        [3, 1, 2],
        F32([0.9, 0.8, 0.5]),
        teacher_scores={"bm25": F32([2.0, 4.0, 3.0])},
        metadata={"teacher": "x"},
    )
    positives = hm.Positives([0, 2], [7, 8], F32([0.1, 0.2]), teacher_scores={"bm25": F32([4.0, 8.0])})
    rule = hm.Selection(3, ceiling=hm.PercPos(0.5, teacher="bm25"))
    assert hm.select(run, positives, rule)[0].ids.tolist() == [3]
    found = hm.select(run, positives, rule.replace(positive_agg="each"))
    assert [row.ids.tolist() for row in found] == [[3], [3, 1, 2]]
    assert found.reasons["above_ceiling"].tolist() == [2, 0]
    assert found.positive_scores.tolist() == F32([0.1, 0.2]).tolist()
    weights = np.array([-np.inf, 0.0, 0.0])
    drawn = hm.select(run, positives, rule.replace(positive_agg="each", draw=hm.Weighted(weights)))
    assert [row.ids.tolist() for row in drawn] == [[], [1, 2]]


def test_in_words_and_as_data():
    rule = hm.PercPos(0.9, teacher="bm25") & hm.Absolute(0.8)
    assert repr(rule) == "PercPos(f=0.9, teacher='bm25') & Absolute(t=0.8)"
    assert rule.teachers == ("bm25",)
    described = rule.to_dict()
    assert described["ceilings"][0] == {"kind": "perc-pos", "f": 0.9, "teacher": "bm25"}
    assert described["ceilings"][1] == {"kind": "abs", "t": 0.8}
    assert Ceiling.from_dict(described) == rule
    assert pickle.loads(pickle.dumps(rule)) == rule
    assert hm.PercPos(0.9, teacher="bm25") != hm.PercPos(0.9)
    assert rule.needs_positive
    assert not hm.Absolute(1.0, teacher="bm25").needs_positive


@pytest.mark.parametrize(("ceiling", "changes", "message"), [
    (hm.PercPos(teacher="x"), {}, "ceiling: names the teacher 'x', of which the candidates have no scores, "
     "expected one of 'bm25', 'ce'"),
    (hm.PercPos(teacher="x"), {"teacher_scores": None, "metadata": {}}, "expected candidates with teacher_scores, as"),
    (hm.PercPos(teacher="bm25"), {"labels": {"teacher_scores": None}}, r"positives: no teacher_scores\['bm25'\], which "
     r"the ceiling PercPos\(f=0.95\) of 'bm25' needs"),
    (hm.MarginPos(teacher="ce"), {"labels": {"scores": None}}, r"positives: no scores, which the ceiling Margin"),
    (hm.MarginPos(teacher="bm25"), {"labels": {"offsets": [0, 0]}}, "positives: query 0 has no positive, but the "
     "ceiling MarginPos"),
])  # fmt: skip
def test_what_a_ceiling_lacks_is_named(ceiling, changes, message):
    about = {"offsets": [0, 1], "scores": F32([1]), "teacher_scores": {"bm25": F32([1])}} | changes.get("labels", {})
    count = about["offsets"][-1]
    about["scores"] = None if about["scores"] is None else about["scores"][:count]
    if about["teacher_scores"]:
        about["teacher_scores"] = {"bm25": about["teacher_scores"]["bm25"][:count]}
    positives = hm.Positives(about["offsets"], [5][:count], about["scores"], teacher_scores=about["teacher_scores"])
    run = hm.Candidates([0, 1], [3], F32([1]), teacher_scores={"bm25": F32([1])}, metadata={"teacher": "ce"})
    run = run.replace(**{name: value for name, value in changes.items() if name != "labels"})
    with pytest.raises(ValueError, match=message):
        hm.select(run, positives, hm.Selection(1, ceiling=ceiling))


def test_where_there_is_one_teacher_a_name_is_refused():
    rule = hm.Selection(1, ceiling=hm.PercPos(0.9, teacher="bm25"))
    scores, positives = np.eye(2, 3, dtype=F32), hm.Positives.from_lists([[0], [1]])
    wanted = r"ceiling: PercPos\(f=0.9, teacher='bm25'\) names the teacher 'bm25', but "
    with pytest.raises(ValueError, match=wanted + "a matrix holds the scores of one"):
        hm.mine_scores(scores, positives, rule)
    with pytest.raises(ValueError, match=wanted + "scores of a batch are those of one"):
        hm.in_batch_mask(scores[:, :2], ceiling=rule.ceiling)
    with pytest.raises(ValueError, match=wanted + "lists that change"):
        hm.DynamicMiner(scores, positives, rule, k=1)
    pytest.importorskip("pyarrow")
    collection = hm.Collection.from_pairs(["a", "b"], ["c", "d"])
    with pytest.raises(ValueError, match=wanted + r"mine\(\) has the scores of one"):
        hm.mine(collection, "bm25", rule, progress=False)


@pytest.mark.parametrize("which", ["sample", "first", "each"])
def test_a_data_loader_has_them(which, tmp_path):
    pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    count, width, documents = 12, 15, 60
    ids = np.array([rng.permutation(documents)[:width] for _ in range(count)])
    scores = -np.sort(-rng.random((count, width)).astype(F32), axis=1)
    labels = [rng.permutation(documents)[:2] for _ in range(count)]
    run = hm.Candidates(np.arange(count + 1) * width, ids.ravel(), scores.ravel())
    run, positives = with_teachers(rng, run, hm.Positives.from_lists(labels, rng.random((count, 2))))
    texts = [f"q{i}" for i in range(count)], [f"d{i}" for i in range(documents)]
    rule = hm.Selection(3, ceiling=hm.PercPos(0.9, teacher="a") & hm.Absolute(0.9), draw=hm.Uniform(), seed=4)
    dataset = hm.data.NegativeDataset(texts, run, rule, positives=positives, which_positive=which)
    dataset.save(tmp_path / "set.hm")
    wanted = hm.select(run, positives, rule, epoch=2)
    assert wanted.reasons["above_ceiling"].sum() > 20
    for loader in (dataset, hm.data.NegativeDataset.load(tmp_path / "set.hm"), pickle.loads(pickle.dumps(dataset))):
        loader.set_epoch(2)
        items = loader.__getitems__(range(len(loader)))
        assert [item["negative_ids"].tolist() for item in items] == [
            wanted[item["query_id"]].ids.tolist() for item in items
        ]
    message = r"names the teacher 'a', but a loader has no ceiling of a name for each pair, expected positive_agg='min'"
    with pytest.raises(ValueError, match=message):
        hm.data.NegativeDataset(texts, run, rule.replace(positive_agg="each"), positives=positives)
