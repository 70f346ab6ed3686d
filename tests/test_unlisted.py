"""What left a list before the selection, by a scan or by a judge, never comes back to fill a row."""

import numpy as np
import pytest

import hardmine as hm

pytest.importorskip("pyarrow")
FILL = hm.Selection(4, ceiling=hm.NoCeiling(), on_shortage="fill")
NAMES = ["red", "green", "blue"]


@pytest.fixture
def collection():
    documents = [f"{a} {b} {i}" for i, (a, b) in enumerate((a, b) for a in NAMES for b in ("car", "sun", "owl"))]
    return hm.Collection.from_pairs([f"{name} owl" for name in NAMES], [f"{name} an owl" for name in NAMES], documents)


@pytest.fixture
def run(collection):
    return hm.retrieve(collection, "bm25", k=3, progress=False)


def says_positive(query, document=None):
    def judge(queries, documents, _):
        found = [q == query and document in (None, d) for q, d in zip(queries, documents, strict=True)]
        return ["positive" if each else "negative" for each in found]

    return judge


def lengths(_, documents):
    return [float(len(each)) for each in documents]


@pytest.mark.parametrize("policy", ["remove", "relabel"])
def test_what_was_judged_positive_does_not_come_back(collection, run, policy):
    assert hm.Mined.from_run(collection, run, FILL).negatives.filled.any()
    judged = hm.judge(collection, run, says_positive("red owl"), policy=policy, progress=False)
    message = r"on_shortage: 'fill' could bring back the 3 documents .* of query 0 as excluded .* 'keep' or 'drop'"
    if policy == "relabel":  # the labels name them
        filled = hm.Mined.from_run(judged.collection, judged.run, FILL).negatives
        assert not set(filled[0].ids.tolist()) & set(judged.documents[judged.queries == 0].tolist())
        with pytest.raises(ValueError, match="of query 0 as positive"):
            hm.select(judged.run, collection.positives, FILL, num_documents=collection.num_documents)
        return
    with pytest.raises(ValueError, match=message):
        hm.Mined.from_run(collection, judged.run, FILL)
    with pytest.raises(ValueError, match=message):
        hm.Mined.from_runs(collection, [(judged.run, FILL)])
    dataset = hm.data.NegativeDataset(collection, judged.run, FILL)
    with pytest.raises(ValueError, match=message):
        dataset.__getitems__([0, 1, 2])
    kept = hm.Mined.from_run(collection, judged.run, FILL.replace(on_shortage="keep")).negatives
    assert kept.lengths.tolist() == [0, 3, 3]


def test_named_in_exclude_the_others_may_fill(collection, run):
    one = int(run.ids[0])
    text = collection.document_texts.to_pylist()[one]
    judged = hm.judge(collection, run, says_positive("red owl", text), progress=False)
    options = {"document_groups": collection.document_groups, "num_documents": collection.num_documents}
    with pytest.raises(ValueError, match="the 1 documents .* as excluded"):
        hm.select(judged.run, judged.run.positives, FILL, **options)
    chosen = hm.select(judged.run, judged.run.positives, FILL, exclude=judged.exclude, **options)
    assert chosen.lengths.tolist() == [4, 4, 4]
    assert one not in chosen[0].ids.tolist()
    dataset = hm.data.NegativeDataset(collection, judged.run, FILL, exclude=judged.exclude)
    assert text not in str(dataset.__getitems__([0]))


def test_dropped_queries_are_not_filled_even_if_all_is_named(collection, run):
    judged = hm.judge(collection, run, says_positive("green owl"), max_false=2, progress=False)
    assert judged.dropped.tolist() == [1]
    for given in (
        judged.run,
        hm.rescore(collection, judged.run, lengths, progress=False),
    ):
        with pytest.raises(ValueError, match="of query 1 as excluded"):
            hm.select(
                given, collection.positives, FILL, exclude=judged.exclude, num_documents=collection.num_documents,
                document_groups=collection.document_groups,
            )  # fmt: skip


def test_what_a_scan_left_out():
    run = hm.topk(np.array([[9, 8, 7, 6, 5, 4]], np.float32), 2, exclude=[[1, 2]])
    labels = hm.Positives([0, 1], [0])
    with pytest.raises(ValueError, match="the 2 documents .* as excluded"):
        hm.select(run, labels, FILL.replace(num_negatives=2), num_documents=6)
    with pytest.raises(ValueError, match="the 1 documents .* as excluded"):  # one that is in the list names nothing
        hm.select(run, labels, FILL.replace(num_negatives=2), num_documents=6, exclude=[[1, 3]])
    found = hm.select(run, labels, FILL.replace(num_negatives=2), num_documents=6, exclude=[[1, 2]])
    assert not {1, 2} & set(found.ids.tolist())


def test_copies_need_their_groups():
    texts = ["red an owl", "red car", "red sun"]
    with_copies = hm.Collection.from_pairs(["red owl"], ["red  an owl"], texts)
    run = hm.retrieve(with_copies, "bm25", k=2, progress=False)
    assert run.reasons["duplicate_text"].sum() == 1
    rule = FILL.replace(num_negatives=3)
    with pytest.raises(ValueError, match="as duplicate_text .* give document_groups"):
        hm.select(run, run.positives, rule, num_documents=4)
    assert hm.Mined.from_run(with_copies, run, rule).negatives.ids.size == 2


def test_documents_with_the_id_of_their_query_are_named(tmp_path):
    from tests.texts import write_beir

    ids = [f"x{i}" for i in range(6)]
    beir = write_beir(
        tmp_path / "c", [(x, "", f"word {x}") for x in ids], [(x, f"word {x}") for x in ids[:2]],
        train=[("x0", "x3", 1), ("x1", "x4", 1)],
    )  # fmt: skip
    collection = hm.Collection.read(beir, ignore_identical_ids=True)
    run = hm.retrieve(collection, "bm25", k=2, progress=False)
    assert run.reasons["excluded"].tolist() == [1, 1]
    filled = hm.Mined.from_run(collection, run, FILL).negatives
    assert filled.filled.any()
    assert not [q for q, d in zip(filled.row_of_each, filled.ids, strict=True) if q == d]
