"""Files of each real layout, opened as the project of each opens them: its own reader where it is installed."""

import json
import random
from types import SimpleNamespace

import pytest

import hardmine as hm
from tests.row_cases import mined

datasets = pytest.importorskip("datasets")


@pytest.fixture
def load(tmp_path):
    """A file as trainers load it."""

    def loaded(path, kind="json"):
        return datasets.load_dataset(kind, data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))

    return loaded


def tokenizer():
    """What is asked of one: words for tokens."""
    return SimpleNamespace(encode=lambda text, **_: text.split())


# FlagEmbedding: lists of texts, lists of numbers of the same lengths


def test_flag_embedding_fields(tmp_path, load):
    mined().write(tmp_path / "rows.jsonl", "flag-embedding", scores=True)
    for found in load(tmp_path / "rows.jsonl"):
        assert isinstance(found["query"], str)
        for side in ("pos", "neg"):
            assert isinstance(found[side], list)
            assert found[side]
            assert all(isinstance(text, str) for text in found[side])
            assert all(isinstance(score, float) for score in found[f"{side}_scores"])
            assert len(found[f"{side}_scores"]) == len(found[side])


@pytest.mark.parametrize("scores", [False, True])
def test_flag_embedding_itself(tmp_path, scores):
    reader = pytest.importorskip(
        "FlagEmbedding.abc.finetune.embedder.AbsDataset", reason="FlagEmbedding is not installed", exc_type=ImportError
    )
    mined().write(tmp_path / "rows.jsonl", "flag-embedding", scores=scores)
    arguments = SimpleNamespace(
        train_data=[str(tmp_path / "rows.jsonl")], cache_path=str(tmp_path / "cache"), max_example_num_per_dataset=99,
        knowledge_distillation=scores, train_group_size=3, query_instruction_for_retrieval=None,
        passage_instruction_for_retrieval=None, shuffle_ratio=0.0,
    )  # fmt: skip
    found = reader.AbsEmbedderTrainDataset(arguments, None)
    query, passages, teacher = found[0]
    assert len(found) == 3
    assert query == "which otter?"
    assert passages[0] in ("Otters live in rivers", "a dog")
    assert sorted(passages[1:]) == ["Ravens ", "Title, too a\tcat"]
    if scores:
        assert sorted(teacher[1:]) == [0.6, 0.7]


# Tevatron


@pytest.mark.parametrize("titles", [False, True])
def test_tevatron_fields(tmp_path, load, titles):
    """As the trainer puts a passage together: the title, a blank and the text where there is a title."""
    mined(titles=titles).write(tmp_path / "rows.jsonl", "tevatron")
    rows = load(tmp_path / "rows.jsonl")
    for found in rows:
        assert isinstance(found["query_id"], str)
        assert isinstance(found["query"], str)
        for passage in found["positive_passages"] + found["negative_passages"]:
            whole = passage["title"] + " " + passage["text"] if "title" in passage else passage["text"]
            assert titles or not whole.startswith(" ")
    assert random.choices(rows[2]["negative_passages"], k=3)  # which fails on an empty list


def test_tevatron_itself(tmp_path, load):
    reader = pytest.importorskip(
        "tevatron.datasets.preprocessor", reason="tevatron is not installed", exc_type=ImportError
    )
    mined().write(tmp_path / "rows.jsonl", "tevatron")
    process = reader.TrainPreProcessor(tokenizer())
    found = [process(one) for one in load(tmp_path / "rows.jsonl")]
    assert found[0]["positives"] == [["Otters", "live", "in", "rivers"], ["a", "dog"]]
    assert found[0]["negatives"] == [["Ravens"], ["Title,", "too", "a", "cat"]]


def test_tevatron_ids_as_its_trainer_finds_them(tmp_path, load):
    """By a map from id to row of the corpus, whose text alone is looked at."""
    mined().write(tmp_path / "rows.jsonl", "tevatron-ids")
    corpus = load(tmp_path / "rows.corpus.jsonl")
    places = {name: number for number, name in enumerate(corpus["docid"])}
    first = load(tmp_path / "rows.jsonl")[0]
    assert first["query_text"] == "which otter?"
    assert [corpus[places[name]]["text"] for name in first["positive_document_ids"]] == [
        "Otters live in rivers",
        "a dog",
    ]
    assert [corpus[places[name]]["text"] for name in first["negative_document_ids"]] == ["Ravens ", "Title, too a\tcat"]


# NeMo Automodel


def test_automodel_as_its_dataset_finds_it(tmp_path):
    """The corpus as a folder that `load_dataset` takes, with its texts under "train"."""
    mined().write(tmp_path / "rows.json", "automodel", scores=True)
    document = json.loads((tmp_path / "rows.json").read_text(encoding="utf-8"))
    (place,) = document["corpus"]
    folder = tmp_path / place["path"]
    about = json.loads((folder / "merlin_metadata.json").read_text())
    assert about == {"class": "TextQADataset", "corpus_id": "rows"}
    corpus = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))["train"]
    places = {str(name): number for number, name in enumerate(corpus["id"])}
    for found in document["data"]:
        assert {"question_id", "question", "corpus_id", "pos_doc", "neg_doc"} <= set(found)
        assert found["corpus_id"] == about["corpus_id"]
        assert found["pos_doc"]
        assert found["neg_doc"]
        assert all(isinstance(corpus[places[one["id"]]]["text"], str) for one in found["pos_doc"] + found["neg_doc"])


# PyLate


def test_pylate_itself(tmp_path, load):
    reader = pytest.importorskip("pylate.utils.processing", reason="pylate is not installed", exc_type=ImportError)
    mined().write(tmp_path / "rows.jsonl", "pylate")
    process = reader.KDProcessing(
        queries=load(tmp_path / "rows.queries.jsonl"), documents=load(tmp_path / "rows.documents.jsonl"), n_ways=2
    )
    found = process.map(dict(load(tmp_path / "rows.jsonl")[0]))
    assert found["query"] == "which otter?"
    assert found["documents"] == ["Otters live in rivers", "Ravens "]
    assert found["scores"] == [0.9, 0.7]


# sentence-transformers


def test_resolve_ids_takes_rows_of_ids():
    """Tables by id of PyLate's format, rows of "ids": the columns that losses read, in their order."""
    util = pytest.importorskip("sentence_transformers.util")
    if not hasattr(util, "resolve_ids"):
        pytest.skip("this sentence-transformers has no resolve_ids")
    before = mined()
    tables = before.to_dataset("pylate")
    rows = before.to_dataset("ids", scores=True).filter(lambda found: len(found["negative_ids"]) == 2)
    rows.set_transform(
        util.resolve_ids(
            {"query_id": tables["queries"], "positive_id": tables["documents"], "negative_ids": tables["documents"]}
        )
    )
    first = rows[0]
    assert list(first) == ["query", "positive", "negative_1", "negative_2", "scores"]
    assert list(first.values()) == [
        "which otter?",
        "Otters live in rivers",
        "Ravens ",
        "Title, too a\tcat",
        [0.9, 0.7, 0.6],
    ]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".csv.gz"])
def test_datasets_reads_flat_files(tmp_path, suffix):
    mined().write(tmp_path / f"rows{suffix}", "sentence-transformers:triplet")
    found = datasets.load_dataset(
        "csv", data_files=str(tmp_path / f"rows{suffix}"), split="train", cache_dir=str(tmp_path / "cache"),
        sep="\t" if suffix == ".tsv" else ",", keep_default_na=False,
    )  # fmt: skip
    assert found.to_list() == mined().to_dataset("sentence-transformers:triplet").to_list()


@pytest.mark.parametrize(("name", "suffix"), [
    ("flag-embedding", ".jsonl.gz"), ("tevatron", ".parquet"), ("sentence-transformers:labeled-list", ".parquet"),
    ("ids", ".jsonl.gz"),
])  # fmt: skip
def test_datasets_reads_packed_files_and_tables(tmp_path, load, name, suffix):
    mined().write(tmp_path / f"rows{suffix}", name)
    found = load(tmp_path / f"rows{suffix}", "parquet" if suffix == ".parquet" else "json")
    assert found.to_list() == mined().to_dataset(name).to_list()


def test_the_trainer_takes_them():
    """The columns reach the loss of sentence-transformers as its collator makes them."""
    collator = pytest.importorskip("sentence_transformers.sentence_transformer.data_collator")
    rows = mined().to_dataset("sentence-transformers:n-tuple", scores=True)
    seen = []
    make = collator.SentenceTransformerDataCollator(
        preprocess_fn=lambda texts, **_: seen.append(texts) or {"n": len(texts)}
    )
    batch = make([rows[at] for at in range(3)])
    assert seen[0][0] == "which otter?"
    assert len(seen) == 4
    assert batch["label"].shape == (3, 3)


def test_rows_of_others_are_read(tmp_path):
    """A dataset that `datasets` wrote as jsonl, and one as parquet."""
    rows = [{"query": "q", "pos": ["p"], "neg": ["n", "m"], "prompt": "find", "type": "normal", "id": 7}]
    made = datasets.Dataset.from_list(rows)
    made.to_json(tmp_path / "rows.jsonl")
    (chunk,) = hm.formats.read_rows(tmp_path / "rows.jsonl", "flag-embedding")
    assert chunk["negatives"].to_pylist() == [["n", "m"]]
    made = datasets.Dataset.from_list([{"query_id": 1, "positive_id": 2, "negative_ids": [3, 4]}])
    made.to_parquet(tmp_path / "rows.parquet")
    (chunk,) = hm.formats.read_rows(tmp_path / "rows.parquet", "ids")
    assert chunk["negative_ids"].to_pylist() == [["3", "4"]]
