"""Sparse teachers: by hand in plain torch, against sentence-transformers, batches and pieces, what is refused."""

import json
import shutil

import numpy as np
import pytest

import hardmine as hm
from tests.models import tiny_bert

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
peers = pytest.importorskip("sentence_transformers")

from hardmine.teachers import _sparse_rows, splade  # noqa: E402
from tests.sparse_teacher_cases import SHORT, by_hand, dense, largest, without_a_query_model  # noqa: E402

CLOSE = {"rtol": 1e-5, "atol": 2e-6}
SPECIAL = range(5)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_bert(tmp_path_factory.mktemp("tiny"), masked=True)


@pytest.fixture(scope="module")
def teacher(tiny):
    return hm.teachers.sparse(tiny)


@pytest.fixture
def encoder(tiny):
    return peers.SparseEncoder(str(tiny), device="cpu")


def saved(encoder, folder, **changes):
    """The folder of a SparseEncoder, with another value in the configuration of its pooling."""
    encoder.save_pretrained(str(folder))
    path = folder / "1_SpladePooling" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return folder


def test_by_hand(teacher, tiny):
    found = teacher.encode_documents(SHORT)
    expected = by_hand(tiny, SHORT)
    np.testing.assert_allclose(dense(found), expected, **CLOSE)
    assert 0.2 < (expected > 0).mean() < 0.8, "weights on both sides of 0"
    assert (found.num_terms, found.weights.dtype, found.weights.min() > 0) == (16, np.float32, True)
    assert (teacher.similarity, teacher.dtype, teacher.recipe.max_length) == ("dot", "float32", 32)
    assert isinstance(teacher, hm.teachers.SparseTeacher)
    assert not isinstance(teacher, hm.teachers.DenseTeacher)


def test_equals_sentence_transformers(teacher, encoder):
    expected = encoder.encode_document(SHORT).to_dense().numpy()
    np.testing.assert_allclose(dense(teacher.encode_documents(SHORT)), expected, **CLOSE)


def test_special_tokens(tiny):
    found = hm.teachers.sparse(tiny, special_tokens=False).encode_documents(SHORT)
    np.testing.assert_allclose(dense(found), by_hand(tiny, SHORT, without=SPECIAL), **CLOSE)
    assert by_hand(tiny, SHORT)[:, :5].any()


@pytest.mark.parametrize("rows", [1, 3, 10**6])
def test_pieces_do_not_show(teacher, rows, monkeypatch):
    expected = dense(teacher.encode_documents(SHORT))
    monkeypatch.setitem(splade._PIECE_BYTES, "cpu", 4 * rows)
    np.testing.assert_allclose(dense(teacher.encode_documents(SHORT)), expected, **CLOSE)


@pytest.mark.parametrize("rows", [1, 2 * 32 * 16, 10**6])
def test_a_model_that_does_something_behind_its_last_layer(tiny, rows, monkeypatch):
    plain = transformers.BertForMaskedLM.forward

    def scaled(self, **inputs):
        found = plain(self, **inputs)
        found.logits = found.logits * 2 - 1
        return found

    monkeypatch.setattr(transformers.BertForMaskedLM, "forward", scaled)
    monkeypatch.setitem(splade._PIECE_BYTES, "cpu", 4 * rows)
    found = hm.teachers.sparse(tiny).encode_documents(SHORT)
    np.testing.assert_allclose(dense(found), by_hand(tiny, SHORT), **CLOSE)


def test_order_batches_and_windows_do_not_show(teacher, tiny, monkeypatch):
    expected = teacher.encode_documents(SHORT)
    again = teacher.encode_documents(SHORT)
    assert all(np.array_equal(getattr(again, c), getattr(expected, c)) for c in ("offsets", "terms", "weights"))
    expected = dense(expected)
    np.testing.assert_allclose(dense(teacher.encode_documents(SHORT[::-1]))[::-1], expected, **CLOSE)
    for tokens in (1, 40):
        other = hm.teachers.sparse(tiny, batch_tokens=tokens)
        np.testing.assert_allclose(dense(other.encode_documents(SHORT)), expected, **CLOSE)
    monkeypatch.setattr("hardmine.teachers._encoder.WINDOW", 3)
    np.testing.assert_allclose(dense(teacher.encode_documents(SHORT)), expected, **CLOSE)
    assert len(teacher.encode_documents([])) == 0


def test_the_largest_weights_by_hand():
    rng = np.random.default_rng(0)
    matrix = rng.integers(-3, 4, (40, 12)).astype(np.float32)  # many ties
    matrix[7] = 0
    rows, terms = np.nonzero(matrix)
    for most in (1, 3, 12, None):
        found = _sparse_rows.pruned(_sparse_rows.Weights(rows, terms, matrix[rows, terms]), most)
        kept = np.zeros_like(matrix)
        kept[found.rows, found.terms] = found.weights
        assert kept.tolist() == [largest(row, most or 12) for row in matrix.tolist()]


def test_so_many_terms_of_each_side(tiny, teacher):
    pruned = hm.teachers.sparse(tiny, max_query_terms=2, max_document_terms=5)
    whole = dense(teacher.encode_documents(SHORT)).tolist()
    for encode, most in ((pruned.encode_queries, 2), (pruned.encode_documents, 5)):
        assert dense(encode(SHORT)).tolist() == [largest(row, most) for row in whole]


def test_rows_of_a_cosine_have_length_one(tiny, teacher):
    found = dense(hm.teachers.sparse(tiny, similarity="cosine").encode_queries(SHORT))
    plain = dense(teacher.encode_queries(SHORT)).astype(np.float64)
    expected = plain / np.linalg.norm(plain, axis=1, keepdims=True)
    assert np.array_equal(found, expected.astype(np.float32))


def test_prompts_and_length(tiny):
    given = hm.teachers.sparse(tiny, query_prompt="query : ", document_prompt="doc : ", max_length=6)
    for encode, prompt in ((given.encode_queries, "query : "), (given.encode_documents, "doc : ")):
        expected = by_hand(tiny, [prompt + text for text in SHORT], max_length=6)
        np.testing.assert_allclose(dense(encode(SHORT)), expected, **CLOSE)


def test_the_models_own_configuration(encoder, tiny, tmp_path):
    encoder.max_active_dims, encoder.prompts = 4, {"query": "query : ", "document": "doc : "}
    encoder.similarity_fn_name = "cosine"
    folder = saved(encoder, tmp_path, activation_function="log1p_relu")
    path = folder / "config_sentence_transformers.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"max_active_dims": 4}))  # version 5 leaves it out
    found = hm.teachers.sparse(folder)
    assert found.similarity == "cosine"
    expected = by_hand(tiny, [f"query : {text}" for text in SHORT], twice=True)
    expected = np.array([largest(row, 4) for row in expected.tolist()])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(dense(found.encode_queries(SHORT)), expected, **CLOSE)
    given = hm.teachers.sparse(folder, similarity="dot", query_prompt="", max_query_terms=16, name="mine")
    assert (given.similarity, given.name) == ("dot", "mine")
    np.testing.assert_allclose(dense(given.encode_queries(SHORT)), by_hand(tiny, SHORT, twice=True), **CLOSE)


@pytest.mark.parametrize(("prompts", "default"), [
    ({"x": "query : "}, "x"), ({"query": "query : ", "x": "doc : "}, "x"), ({"passage": "doc : "}, None),
    ({"query": "", "document": "doc : "}, None), ({"query": "query : ", "document": ""}, "query"),
])  # fmt: skip
def test_prompts_of_a_folder_are_those_of_its_object(tiny, tmp_path, prompts, default):
    """An empty prompt of a side is one: sentence-transformers saves it, and takes no default in its place."""
    made = peers.SparseEncoder(str(tiny), device="cpu", prompts=prompts, default_prompt_name=default)
    made.save_pretrained(str(tmp_path))
    read, found = peers.SparseEncoder(str(tmp_path), device="cpu"), hm.teachers.sparse(tmp_path)
    np.testing.assert_allclose(dense(found.encode_queries(SHORT)), read.encode_query(SHORT).to_dense(), **CLOSE)
    np.testing.assert_allclose(dense(found.encode_documents(SHORT)), read.encode_document(SHORT).to_dense(), **CLOSE)


def test_a_text_without_tokens_has_no_weights(tiny, tmp_path):
    """A tokenizer that adds nothing to a text makes no token of an empty one; what stands for it is padding."""
    shutil.copytree(tiny, tmp_path / "bare")
    for name, change in (
        ("tokenizer.json", {"post_processor": None}),
        ("tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"}),  # BERT's own brings a processor
    ):
        path = tmp_path / "bare" / name
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
    found = hm.teachers.sparse(tmp_path / "bare").encode_documents(["", "a b", ""])
    lengths = np.diff(found.offsets).tolist()
    assert (lengths[0], lengths[2], lengths[1] > 0) == (0, 0, True)


def test_bfloat16_is_close(tiny, teacher):
    half = hm.teachers.sparse(tiny, dtype="bfloat16")
    found = half.encode_documents(SHORT)
    assert (half.dtype, found.weights.dtype) == ("bfloat16", np.float32)
    np.testing.assert_allclose(dense(found), dense(teacher.encode_documents(SHORT)), atol=0.1)
    assert hm.teachers.sparse(tiny, dtype="auto").dtype_choice is not None


# Objects of sentence-transformers


def test_an_object_gives_what_it_gives(encoder):
    found = hm.teachers.sparse(encoder)
    assert isinstance(found, hm.teachers.SparseTeacher)
    expected = encoder.encode_query(SHORT).to_dense().numpy()
    assert np.array_equal(dense(found.encode_queries(SHORT)), expected)
    pruned = hm.teachers.sparse(encoder, max_query_terms=2, batch_size=2, query_prompt="query : ", name="mine")
    expected = encoder.encode_query(SHORT, prompt="query : ", batch_size=2).to_dense().numpy()
    assert dense(pruned.encode_queries(SHORT)).tolist() == [largest(row, 2) for row in expected.tolist()]
    assert pruned.name == "mine"
    assert len(found.encode_documents([])) == 0


def test_windows_of_an_object_do_not_show(encoder, monkeypatch):
    found = hm.teachers.sparse(encoder)
    expected = dense(found.encode_documents(SHORT))
    monkeypatch.setattr("hardmine.teachers.sparse_encoder._WINDOW", 2)
    np.testing.assert_allclose(dense(found.encode_documents(SHORT)), expected, **CLOSE)


def test_queries_without_a_model(tiny):
    found = hm.teachers.sparse(without_a_query_model(tiny))
    queries = dense(found.encode_queries(["a b a", "h"]))
    expected = np.zeros((2, 16))
    expected[[0, 0, 1], [5, 6, 12]] = np.array([6, 7, 13]) / 8  # the terms that occur, each once
    assert np.array_equal(queries, expected)
    np.testing.assert_allclose(dense(found.encode_documents(SHORT)), by_hand(tiny, SHORT), **CLOSE)
    assert found.fingerprint("queries") == found.fingerprint("documents"), "the model is one, the side stands beside it"


# Who they say they are


def changed(before, after):
    return {name for name in before if before[name] != after[name]}


def test_a_model_is_known_by_its_numbers(tiny, teacher):
    facts = teacher.fingerprint("documents")
    teacher.encode_documents(["a"])
    assert teacher.fingerprint("documents") == facts
    options = {
        "max_document_terms": 3, "special_tokens": False, "document_prompt": "doc : ", "max_length": 9,
        "batch_tokens": 99, "similarity": "cosine",
    }  # fmt: skip
    names = {"max_document_terms": "max_terms", "document_prompt": "prompt"}
    for name, value in options.items():
        other = hm.teachers.sparse(tiny, **{name: value}).fingerprint("documents")
        assert changed(facts, other) == {names.get(name, name)}
    asked = hm.teachers.sparse(tiny, query_prompt="query : ", max_query_terms=3)
    assert asked.fingerprint("documents") == facts
    assert changed(facts, asked.fingerprint("queries")) == {"prompt", "max_terms"}
    other = hm.teachers.sparse(tiny)
    with torch.no_grad():
        next(other._model.parameters())[5, 3] += 1e-3
    assert changed(facts, other.fingerprint("documents")) == {"weights"}


def test_an_object_is_known_by_its_numbers(encoder):
    facts = hm.teachers.sparse(encoder).fingerprint("documents")
    hm.teachers.sparse(encoder).encode_documents(["a"])
    assert hm.teachers.sparse(encoder).fingerprint("documents") == facts, "what use leaves in it means nothing"
    for name, value in {"batch_size": 3, "max_document_terms": 3, "document_prompt": "x"}.items():
        other = hm.teachers.sparse(encoder, **{name: value}).fingerprint("documents")
        assert len(changed(facts, other)) == 1, name
    encoder[1].activation_function = "log1p_relu"
    assert changed(facts, hm.teachers.sparse(encoder).fingerprint("documents")) == {"modules"}
    encoder[1].activation_function = "relu"
    encoder.max_seq_length = 7
    assert "max_length" in changed(facts, hm.teachers.sparse(encoder).fingerprint("documents"))
    encoder.max_seq_length = 32
    with torch.no_grad():
        next(encoder.parameters())[5, 3] += 1e-3
    assert changed(facts, hm.teachers.sparse(encoder).fingerprint("documents")) == {"weights"}


def test_the_size_of_a_group_follows_that_of_the_model(teacher, encoder):
    for given in (teacher, hm.teachers.sparse(encoder)):
        assert given.group_bytes == 2**20, "a tiny model"
    count = sum(weight.numel() for weight in encoder.parameters())
    encoder.register_parameter("large", torch.nn.Parameter(torch.empty(40_000_000 - count, device="meta")))
    assert hm.teachers.sparse(encoder).group_bytes == 4 * 10 * 2 * 10**11 // (2 * 40_000_000)


# What is refused


@pytest.mark.parametrize(("options", "kind", "message"), [
    ({"k1": 1}, TypeError, "sparse teacher '.*': unknown option 'k1', expected max_query_terms, max_document_terms, "),
    ({"max_query_terms": 0}, ValueError, "max_query_terms: 0, expected at least 1"),
    ({"max_document_terms": 2.5}, TypeError, "max_document_terms: float 2.5, expected an integer"),
    ({"special_tokens": "no"}, TypeError, "special_tokens: "),
    ({"similarity": "l2"}, ValueError, "similarity: 'l2', expected one of 'cosine', 'dot'"),
    ({"dtype": "int8"}, ValueError, "dtype: 'int8', expected one of"),
    ({"max_length": 2}, ValueError, "max_length: 2, expected at least 3, since 2 tokens are those that"),
    ({"max_length": 99}, ValueError, "max_length: 99, expected at most 32, the positions of"),
    ({"device": "nowhere"}, ValueError, "device: 'nowhere' cannot be used here"),
])  # fmt: skip
def test_wrong_options(tiny, options, kind, message):
    with pytest.raises(kind, match=message):
        hm.teachers.sparse(tiny, **options)


def test_models_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"sparse teacher '.*/gone': no such folder, expected a model folder"):
        hm.teachers.sparse(tmp_path / "gone")
    with pytest.raises(ValueError, match=r"the folder holds no model"):
        hm.teachers.sparse(tmp_path)
    with pytest.raises(TypeError, match="sparse teacher: int, expected a name, a path or a SparseEncoder of"):
        hm.teachers.sparse(3)
    (tmp_path / "bert").mkdir()
    headless = tiny_bert(tmp_path / "bert")
    with pytest.raises(ValueError, match=r"its files lack 'cls\.pred.* expected a masked-language model"):
        hm.teachers.sparse(headless)


@pytest.mark.parametrize(("changes", "message"), [
    ({"pooling_strategy": "sum"}, "1_SpladePooling/config.json: pooling_strategy 'sum', expected 'max'; give the obj"),
    ({"activation_function": "gelu"}, "config.json: activation_function 'gelu', expected 'relu' or 'log1p_relu'"),
])  # fmt: skip
def test_poolings_that_would_give_other_rows(encoder, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        hm.teachers.sparse(saved(encoder, tmp_path, **changes))


@pytest.mark.parametrize(("name", "content", "message"), [
    ("config_sentence_transformers.json", [1], "config_sentence_transformers.json: list, expected an object"),
    ("config_sentence_transformers.json", {"prompts": {"query": 5}}, "prompts malformed, expected an object of texts"),
    ("config_sentence_transformers.json", {"default_prompt_name": ["a"]}, r"default_prompt_name \['a'\], expected one"),
    ("config_sentence_transformers.json", {"default_prompt_name": "x"}, "default_prompt_name 'x', expected one of"),
    ("config_sentence_transformers.json", {"max_active_dims": True}, "max_active_dims True in its .* whole number"),
    ("config_sentence_transformers.json", {"max_active_dims": -3}, "max_active_dims -3 in its configuration"),
    ("sentence_bert_config.json", [1], "sentence_bert_config.json: list, expected an object"),
    ("sentence_bert_config.json", {"max_seq_length": "16"}, "max_seq_length '16' in its configuration, expected"),
    ("sentence_bert_config.json", {"query_length": 6}, "query_length 6 of its sentence-transformers .* expected none"),
    ("sentence_bert_config.json", {"processing_kwargs": {"text": {"max_length": 6}}}, "processing_kwargs {'text'"),
    ("1_SpladePooling/config.json", [1], "1_SpladePooling/config.json: list, expected an object"),
    ("modules.json", [], "modules.json: malformed, expected a list"),
    ("modules.json", [{"type": "x.Transformer", "path": 5}], "modules.json: malformed, expected a list"),
    ("modules.json", [{"type": "x.Transformer", "path": ""}], "Transformer, expected a Transformer and a"),
])  # fmt: skip
def test_a_configuration_of_another_shape_is_one_line(encoder, tmp_path, name, content, message):
    encoder.save_pretrained(str(tmp_path))
    (tmp_path / name).write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message) as caught:
        hm.teachers.sparse(tmp_path)
    assert "\n" not in str(caught.value)


def test_json_without_an_end_is_one_line(encoder, tmp_path):
    encoder.save_pretrained(str(tmp_path))
    (tmp_path / "config_sentence_transformers.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"config_sentence_transformers.json: malformed \(.*\), expected JSON"):
        hm.teachers.sparse(tmp_path)


@pytest.mark.parametrize("load", [hm.teachers.sparse, hm.teachers.load])
def test_tokenizers_that_do_not_fit(tiny, tmp_path, load):
    shutil.copytree(tiny, tmp_path / "more")
    more = transformers.AutoTokenizer.from_pretrained(tmp_path / "more")
    more.add_tokens(["zebra"])
    more.save_pretrained(tmp_path / "more")
    given = load(str(tmp_path / "more"))
    encode = getattr(given, "encode_documents", None) or given.embed_documents
    encode(["a b"])
    with pytest.raises(
        ValueError, match=r"its tokenizer makes token 16 \('zebra'\), expected below 16, the size of the"
    ):
        encode(["a", "zebra"])
    shutil.copytree(tiny, tmp_path / "none")
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        (tmp_path / "none" / name).unlink()
    with pytest.raises(ValueError, match="its tokenizer knows no words, expected the files of one|cannot be loaded"):
        load(str(tmp_path / "none"))


def test_modules_that_would_give_other_rows(tiny, tmp_path):
    without_a_query_model(tiny).save_pretrained(str(tmp_path))
    with pytest.raises(ValueError, match=r"modules.json: module 'Router', expected Transformer and SpladePooling only"):
        hm.teachers.sparse(tmp_path)


def test_wrong_options_of_an_object(encoder):
    with pytest.raises(TypeError, match="sparse teacher: unknown option 'device', expected max_query_terms, .*batch_s"):
        hm.teachers.sparse(encoder, device="cpu")
    with pytest.raises(ValueError, match="batch_size: 0, expected at least 1"):
        hm.teachers.sparse(encoder, batch_size=0)


def test_a_weight_that_is_no_number(tiny, encoder):
    broken = hm.teachers.sparse(tiny, name="broken")
    with torch.no_grad():
        broken._model.get_output_embeddings().bias[7] = torch.nan
        encoder.transformers_model.get_output_embeddings().bias[7] = torch.inf
    with pytest.raises(ValueError, match=r"teacher 'broken': weights: nan in row 0 for term 7, expected a finite"):
        broken.encode_documents(SHORT)
    with pytest.raises(ValueError, match=r"teacher '.*' weights: (nan|inf) in row 0 for term 7, expected"):
        hm.teachers.sparse(encoder).encode_documents(SHORT)
