"""Near-duplicates on the way from texts to rows: mine, stored runs, ensembles, the command line, who refuses them."""

import json
from itertools import combinations

import numpy as np
import pytest

import hardmine as hm
from hardmine.cli.main import main
from hardmine.pipeline.near import near_groups
from tests.oracle import shingles as oracle
from tests.texts import write_beir

ANIMALS = ["cat", "dog", "horse", "mouse", "otter", "raven"]
RULE = hm.Selection(4, ceiling=hm.NoCeiling(), near_duplicates=0.6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Of every animal a positive and four negatives, each in two copies but for the last word."""
    rng = np.random.default_rng(8)
    documents, queries, labels = [], [], []
    for number, animal in enumerate(ANIMALS):
        labels.append((f"q{number}", f"d{len(documents)}", 1))
        queries.append((f"q{number}", f"{animal} life"))
        for _ in range(5):
            text = " ".join([animal, *(f"word{at}" for at in rng.integers(0, 10**6, 12))])
            documents += [(f"d{len(documents) + copy}", "", f"{text} {copy}") for copy in range(2)]
    return write_beir(tmp_path_factory.mktemp("near") / "c", documents, queries, train=labels)


@pytest.fixture(scope="module")
def collection(folder):
    return hm.Collection.read(folder)


@pytest.fixture(scope="module")
def embeddings(collection):
    rng = np.random.default_rng(3)
    documents = rng.standard_normal((collection.num_documents, 16), dtype=np.float32)
    documents[1::2] = documents[::2] + 0.1 * documents[1::2]
    return rng.standard_normal((collection.num_queries, 16), dtype=np.float32), documents


def assert_apart(negatives, positives, resembles):
    for row, query in enumerate(negatives.queries):
        ids = negatives[row].ids.tolist()
        assert len(ids) == 4
        for at, document in enumerate(ids):
            assert not any(resembles(document, other) for other in [*ids[:at], *positives[query]])


def test_mined_rows_hold_no_near_copies(collection):
    texts = collection.document_texts.to_pylist()
    mined = hm.mine(collection, "bm25", RULE, progress=False)

    def resembles(a, b):
        return oracle.similarity(texts[a], texts[b], 3) >= 0.6

    assert_apart(mined.negatives, mined.positives, resembles)
    plain = hm.mine(collection, "bm25", RULE.replace(near_duplicates=None), progress=False)
    assert any(resembles(*pair) for row in plain.negatives for pair in combinations(row.ids, 2))
    assert mined.report["reasons"]["near_duplicate"] == 4 * len(ANIMALS)
    assert "near-duplicates" in mined.summary()
    assert "near-duplicates" not in plain.summary()
    assert mined.report["selection"]["near_duplicates"] == 0.6


def test_a_stored_run_gives_the_same_and_groups_are_made_once(collection):
    mined = hm.mine(collection, "bm25", RULE, progress=False)
    again = hm.Mined.from_run(collection, mined.candidates, RULE)
    assert again.negatives.ids.tobytes() == mined.negatives.ids.tobytes()
    assert near_groups(collection, RULE, None) is near_groups(collection, RULE.replace(seed=1), 1)
    assert near_groups(collection, RULE.replace(near_duplicates=0.9), None) is not near_groups(collection, RULE, None)
    assert near_groups(collection, RULE.replace(near_duplicates=None), None) is None


def test_a_dense_teacher_gives_its_embeddings(collection, embeddings):
    rule = RULE.replace(near_duplicates=None, near_cosine=0.9)
    teacher = hm.teachers.precomputed(*embeddings)
    mined = hm.mine(collection, teacher, rule, progress=False)

    def resembles(a, b):
        return hm.pair_scores(embeddings[1], embeddings[1], [a], [b], similarity="cosine")[0] >= np.float32(0.9)

    assert_apart(mined.negatives, mined.positives, resembles)
    assert mined.report["reasons"]["near_duplicate"] > 0
    again = hm.Mined.from_run(collection, mined.candidates, rule, document_embeddings=embeddings[1])
    assert again.negatives.ids.tobytes() == mined.negatives.ids.tobytes()
    both = hm.Mined.from_runs(
        collection, [(mined.candidates, rule), (mined.candidates, RULE)], document_embeddings=embeddings[1],
    )  # fmt: skip
    assert both.report["reasons"]["near_duplicate"] > 0


def test_the_command_line_does_the_same_and_the_side_file_counts(collection, folder, embeddings, tmp_path, capsys):
    np.save(tmp_path / "q.npy", embeddings[0])
    np.save(tmp_path / "d.npy", embeddings[1])
    rows = ["--rule", "naive", "--num-negatives", "4", "--near-duplicates", "0.6"]
    assert main(["mine", str(folder), "--teacher", "bm25", *rows, "--output", str(tmp_path / "a.jsonl"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    wanted = hm.mine(collection, "bm25", RULE, progress=False)
    wanted.write(tmp_path / "b.jsonl")
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    side = [json.loads(line) for line in (tmp_path / "a.provenance.jsonl").read_text().splitlines()]
    counted = sum(row["drop_reasons"]["near_duplicate"] for row in side)
    assert counted == report["reasons"]["near_duplicate"] > 0

    teacher = f"precomputed:{tmp_path / 'q.npy'},{tmp_path / 'd.npy'}"
    rows = ["--rule", "naive", "--num-negatives", "4", "--near-cosine", "0.9", "--output"]
    assert main(["retrieve", str(folder), "--teacher", teacher, "--output", str(tmp_path / "run")]) == 0
    assert main(["mine", str(folder), "--teacher", teacher, *rows, str(tmp_path / "c.jsonl")]) == 0
    given = ["--document-embeddings", str(tmp_path / "d.npy")]
    assert main(["select", str(folder), str(tmp_path / "run"), *rows, str(tmp_path / "e.jsonl"), *given]) == 0
    assert (tmp_path / "c.jsonl").read_bytes() == (tmp_path / "e.jsonl").read_bytes()
    capsys.readouterr()
    for lacking, message in (
        ([*rows, str(tmp_path / "f.jsonl")], "--near-cosine: expected --document-embeddings NPY beside it"),
        (["--output", str(tmp_path / "f.jsonl"), *given], "--document-embeddings: expected --near-cosine C beside it"),
        ([*rows, str(tmp_path / "f.jsonl"), "--document-embeddings", "no.npy"], "no.npy: no such file"),
    ):
        assert main(["select", str(folder), str(tmp_path / "run"), *lacking]) == 2
        assert message in capsys.readouterr().err


def test_who_knows_no_near_duplicates_refuses_them(collection, embeddings):
    run = hm.retrieve(collection, "bm25", progress=False)
    cosine = RULE.replace(near_duplicates=None, near_cosine=0.9)
    with pytest.raises(ValueError, match="teacher 'bm25': has no document embeddings, which near_cosine needs"):
        hm.mine(collection, "bm25", cosine, progress=False)
    with pytest.raises(ValueError, match="document_embeddings: missing, which the selection needs for near_cosine"):
        hm.Mined.from_run(collection, run, cosine)
    with pytest.raises(ValueError, match="document_embeddings: length 3, expected 60"):
        hm.Mined.from_run(collection, run, cosine, document_embeddings=embeddings[1][:3])
    alone = hm.Collection.from_ids(["q"], ["a", "b"], ["a"])
    with pytest.raises(ValueError, match="collection: ids without texts, but the selection keeps near-duplicates"):
        hm.mine(alone, hm.teachers.precomputed(*(rows[:n] for rows, n in zip(embeddings, (1, 2), strict=True))), RULE)
    with pytest.raises(ValueError, match="selection: near_cosine, but lists that change cannot keep"):
        hm.DynamicMiner(embeddings[1], collection.positives, cosine, k=3)


def test_batches_of_a_dataset_refuse_them(collection):
    pytest.importorskip("torch")
    run = hm.retrieve(collection, "bm25", progress=False)
    with pytest.raises(ValueError, match="selection: near_duplicates, but what selects batch by batch cannot keep"):
        hm.data.NegativeDataset(collection, run, RULE)
