"""Splits of the fine-tuning example: who shares an answer stays together, and what leaks is dropped and counted."""

import numpy as np
import pyarrow as pa
import pytest

import hardmine as hm
from hardmine.nouns.normal_form import normalised_all
from tests.fine_tune_cases import a_world, leaky
from tests.texts import write_beir

pytest.importorskip("scipy")  # comes with sentence-transformers

from examples import clean_split


def test_what_leaks_is_dropped_and_counted(tmp_path):
    folder = leaky(tmp_path / "world")
    split = clean_split.as_given(*(hm.Collection.read(folder, split=part) for part in ("train", "test")))
    assert split.dropped == 3
    assert split.test.query_texts.to_pylist() == ["plums?"]
    assert list(split.train.document_ids) == ["a", "b", "c", "a2", "c2", "e"], "without what answers the test"
    assert list(split.test.document_ids) == ["a", "b", "c", "a2", "c2", "d", "e"]
    assert "1 test (3 leaky ones dropped)" in str(split)


@pytest.mark.parametrize(
    ("queries", "documents", "message"),
    [
        ((["Plums ?"], ["x"]), None, "a query of the test is among the queries"),
        ((["other"], ["x"]), ["BLUE  plums"], "an answer to a query of the test is among the documents"),
        ((["other"], ["x"]), ["plums  ?"], "a query of the test is among the documents"),
        ((["Blue plums"], ["x"]), None, "an answer to a query of the test is among the queries"),
    ],
)
def test_a_leak_is_refused(queries, documents, message):
    test = hm.Collection.from_pairs(["plums ?"], ["blue plums"])
    with pytest.raises(AssertionError, match=message):
        clean_split.refuse_leaks(hm.Collection.from_pairs(*queries, documents), test)


def test_a_query_with_the_text_of_a_document_may_leak(tmp_path):
    """One asks what a training query is answered by, one is answered by what asks in training, one asks what nobody is
    answered by: that document would be a negative."""
    corpus = [("a", "", "red apples"), ("b", "", "Apples?"), ("c", "", "what  are plums?"), ("d", "", "blue plums")]
    queries = [("q", "apples?"), ("t1", "RED apples"), ("t2", "what are pears?"), ("t3", "What are plums?")]
    labels = [("t1", "d", 1), ("t2", "b", 1), ("t3", "d", 1)]
    folder = write_beir(tmp_path / "world", corpus, queries, train=[("q", "a", 1)], test=labels)
    split = clean_split.as_given(*(hm.Collection.read(folder, split=part) for part in ("train", "test")))
    assert split.dropped == 2
    assert split.test.query_texts.to_pylist() == ["What are plums?"]
    assert list(split.train.document_ids) == ["a", "b"]


def test_a_query_and_those_that_its_text_answers_stay_together():
    asked = [f"first {at}" for at in range(20)] + [f"second {at}" for at in range(20)]
    told = [f"second {at}" for at in range(20)] + [f"third {at}" for at in range(20)]
    split = clean_split.by_groups(hm.Collection.from_pairs(asked, told), share=0.5)
    sides = [sorted(text.split()[1] for text in side.query_texts.to_pylist()) for side in split[:2]]
    assert [side[0::2] for side in sides] == [side[1::2] for side in sides]
    assert [len(side) for side in sides] == [20, 20]


@pytest.mark.parametrize("positives", [1, 2, 4])
def test_groups_stay_together_and_the_audit_finds_no_leak(tmp_path, positives):
    collection = hm.Collection.read(a_world(tmp_path / "world", positives))
    labels = [str(at // 3) for at in range(collection.num_queries)]
    split = clean_split.by_groups(collection, labels)
    of_test = {int(name[1:]) for name in split.test.query_ids}
    for step in (positives, 3):
        sides = [{at in of_test for at in range(start, min(start + step, 40))} for start in range(0, 40, step)]
        assert all(len(side) == 1 for side in sides), "who shares an answer or a label is on one side"
    assert split.train.num_queries + split.test.num_queries == 40
    assert split.dropped == 0
    split.test.write(tmp_path / "test", "beir")
    leaks = {"leaked_query", "leaked_positive", "evaluation_positive_in_negatives"}
    for side, wanted in ((split.train, set()), (collection, leaks)):
        mined = hm.mine(side, "bm25", hm.strategies.naive_top_k(2), progress=False)
        mined.write(tmp_path / "train.jsonl")
        found = hm.audit(tmp_path / "train.jsonl", against=tmp_path / "test").to_dict()["findings"]
        assert {each["check"] for each in found if each["count"]} & leaks == wanted


def test_few_labels(tmp_path):
    train = hm.Collection.read(a_world(tmp_path / "world", 4))
    few = clean_split.with_few_labels(train, 1)
    assert np.diff(few.positives.offsets).tolist() == [1] * few.num_queries
    assert all(set(few.positives[at].tolist()) <= set(train.positives[at].tolist()) for at in range(few.num_queries))
    assert len(np.unique(few.positives.ids)) > 20, "drawn, not the first"
    everything = clean_split.with_few_labels(train, 9)
    assert everything.positives.ids.tolist() == train.positives.ids.tolist()


def test_texts_are_compared_as_an_audit_compares_them():
    odd = ["Two  Words", " Stra\u00dfe\u2003", "\ufb01ne\nprint", "\u00c5", "A\u030a", ""]
    assert clean_split._texts(pa.array(odd)) == normalised_all(pa.array(odd)).to_pylist()
