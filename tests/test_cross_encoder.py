"""Cross-encoders: held to sentence-transformers, what their configuration says, and what they cannot be."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

import hardmine as hm
from hardmine.teachers import pairs
from tests.models import tiny_bert

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
sentence_transformers = pytest.importorskip("sentence_transformers")


def made(tmp_path_factory, name, **options):
    folder = tmp_path_factory.mktemp(name)
    return str(tiny_bert(folder, **options))


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    return made(tmp_path_factory, "one", labels=1)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    return made(tmp_path_factory, "two", labels=2)


CE = {"model_type": "CrossEncoder"}
MODULES = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.base.modules.transformer.Transformer"}]


def texts(count=80, seed=0):
    """Some empty, some longer than the model takes, in pairs whose longer half is either."""
    rng = np.random.default_rng(seed)
    return tuple(
        [" ".join(rng.choice(list("abcdefgh"), rng.integers(0, most))) for _ in range(count)] for most in (30, 60)
    )


def load(model, **options):
    return hm.teachers.load_cross_encoder(model, device="cpu", **options)


def theirs(model, **options):
    return sentence_transformers.CrossEncoder(model, device="cpu", **options)


@pytest.mark.parametrize("max_length", [None, 12])
def test_scores_are_those_of_sentence_transformers(one, max_length):
    queries, documents = texts()
    expected = theirs(one, max_length=max_length).predict(list(zip(queries, documents, strict=True)))
    ours = load(one, activation="sigmoid", max_length=max_length)
    found = ours.score_pairs(queries, documents)
    assert found.dtype == np.float32
    assert expected.std() > 0.05
    np.testing.assert_allclose(found, expected, atol=2e-6)
    logits = load(one, max_length=max_length).score_pairs(queries, documents)
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), expected, atol=2e-6)


def test_two_labels_are_the_log_odds_of_the_last(two):
    queries, documents = texts()
    logits = theirs(two).predict(list(zip(queries, documents, strict=True)))
    scorer = load(two)
    assert scorer.similarity == "log-odds"
    np.testing.assert_allclose(scorer.score_pairs(queries, documents), logits[:, 1] - logits[:, 0], atol=5e-6)
    object_of_theirs = pairs.pair_scorer(theirs(two, activation_fn=torch.nn.Softmax(dim=1)))
    np.testing.assert_allclose(object_of_theirs.score_pairs(queries, documents), logits[:, 1] - logits[:, 0], atol=5e-6)
    with pytest.raises(
        ValueError, match="activation: 'sigmoid', expected none: the score of two labels is the log-odds"
    ):
        load(two, activation="sigmoid")


def test_batches_and_order_change_last_bits_alone(one):
    queries, documents = texts(40)
    whole = load(one).score_pairs(queries, documents)
    order = np.random.default_rng(1).permutation(len(queries))
    few = load(one, batch_tokens=40).score_pairs([queries[i] for i in order], [documents[i] for i in order])
    np.testing.assert_allclose(few, whole[order], atol=1e-5)
    assert whole.tobytes() == load(one).score_pairs(queries, documents).tobytes()


def test_windows_do_not_show(one, monkeypatch):
    queries, documents = texts(20)
    whole = load(one, batch_tokens=1).score_pairs(queries, documents)
    monkeypatch.setattr("hardmine.teachers.cross_encoder.WINDOW", 7)
    assert load(one, batch_tokens=1).score_pairs(queries, documents).tobytes() == whole.tobytes()


@pytest.mark.parametrize(("file", "content", "meaning"), [
    ("config.json", {"sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Sigmoid"}}, "sigmoid"),
    ("config.json", {"sbert_ce_default_activation_function": "torch.nn.modules.activation.Sigmoid"}, "sigmoid"),
    ("config.json", {}, "logit"),
])  # fmt: skip
def test_the_activation_is_what_the_configuration_says(one, tmp_path, file, content, meaning):
    model = tmp_path / "model"
    shutil.copytree(one, model)
    known = json.loads((model / file).read_text()) if (model / file).exists() else {}
    (model / file).write_text(json.dumps(known | content))
    assert load(model).similarity == meaning
    other = "logit" if meaning == "sigmoid" else "sigmoid"
    assert load(model, activation=other).similarity == other
    if content:
        queries, documents = texts(10)
        expected = theirs(str(model)).predict(list(zip(queries, documents, strict=True)))
        np.testing.assert_allclose(load(model).score_pairs(queries, documents), expected, atol=5e-6)


@pytest.mark.parametrize(("activation", "meaning"), [("Sigmoid", "sigmoid"), ("Identity", "logit")])
def test_what_sentence_transformers_saves_is_read(one, tmp_path, activation, meaning):
    saved = theirs(one, max_length=10, activation_fn=getattr(torch.nn, activation)())
    saved.save_pretrained(str(tmp_path / "saved"))
    ours = load(tmp_path / "saved")
    queries, documents = texts(20)
    expected = saved.predict(list(zip(queries, documents, strict=True)))
    assert (ours.name, ours.similarity, ours.max_length) == ("saved", meaning, 10)
    np.testing.assert_allclose(ours.score_pairs(queries, documents), expected, atol=5e-6)


ABOUT = "config_sentence_transformers.json"


@pytest.mark.parametrize(("file", "content", "message"), [
    ("modules.json", [{"type": "x.Transformer"}, {"type": "x.LogitScore"}], "module 'x.LogitScore', expected one Tr"),
    ("modules.json", [3], "modules.json: malformed, expected a list of objects with path and type"),
    (ABOUT, CE | {"default_prompt_name": "query"}, "the prompt 'query' before every pair"),
    (ABOUT, CE | {"activation_fn": "mine.Tanh"}, "activation 'mine.Tanh', expected torch's"),
    (ABOUT, CE | {"activation_fn": "torch.nn.Tanh"}, "activation 'torch.nn.Tanh', expected"),
])  # fmt: skip
def test_what_is_not_supported_is_refused(one, tmp_path, file, content, message):
    model = tmp_path / "model"
    shutil.copytree(one, model)
    (model / ABOUT).write_text(json.dumps(CE))
    (model / "modules.json").write_text(json.dumps(MODULES))
    (model / file).write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        load(model)


def test_models_that_are_none(one, tmp_path_factory, tmp_path):
    with pytest.raises(
        ValueError, match=r"cross-encoder .*: its files lack 'classifier.bias' and 1 more, expected a seq"
    ):
        load(made(tmp_path_factory, "encoder"))
    with pytest.raises(ValueError, match="cross-encoder .*: 3 labels, expected one .a score. or two"):
        load(made(tmp_path_factory, "three", labels=3))
    with pytest.raises(ValueError, match="scorer: a CrossEncoder with 3 labels, expected one"):
        pairs.pair_scorer(theirs(made(tmp_path_factory, "three", labels=3)))
    with pytest.raises(FileNotFoundError, match="cross-encoder './none': no such folder, expected a model folder or a"):
        load("./none")
    with pytest.raises(ValueError, match="cross-encoder .*: the folder holds no model"):
        load(tmp_path)
    with pytest.raises(TypeError, match="cross-encoder .*: unknown option 'pooling', expected max_length, activation"):
        load(one, pooling="cls")
    with pytest.raises(TypeError, match="cross-encoder: int, expected a name or a path"):
        load(3)
    with pytest.raises(ValueError, match="activation: 'tanh', expected one of 'logit', 'sigmoid'"):
        load(one, activation="tanh")
    with pytest.raises(ValueError, match="max_length: 0, expected at least 1"):
        load(one, max_length=0)
    with pytest.raises(ValueError, match="documents: 1 texts, expected 2 as queries"):
        load(one).score_pairs(["a", "b"], ["c"])


def test_in_bfloat16_the_head_stays_in_float32(one):
    queries, documents = texts()
    full, half = load(one), load(one, dtype="bfloat16")
    exact, found = full.score_pairs(queries, documents), half.score_pairs(queries, documents)
    assert 0 < abs(found - exact).max() < exact.std()
    as_narrow = torch.from_numpy(found).bfloat16().float().numpy()
    assert (as_narrow != found).mean() > 0.9  # a head in bfloat16 would give numbers of eight bits
    assert half._model.classifier.weight.dtype == torch.float32
    assert half._model.bert.pooler.dense.weight.dtype == torch.bfloat16
    assert "bfloat16 on cpu" in repr(half)


@pytest.mark.parametrize("strict", [False, True])
def test_a_decoder_finds_its_last_token_whatever_the_batch(tmp_path, monkeypatch, strict):
    """Padding on the left or the right, no padding token in the configuration; strict: as older versions, whose model
    takes no types of tokens, though a plain tokeniser gives them.
    """
    whole = transformers.LlamaForSequenceClassification.forward
    if strict:
        monkeypatch.setattr(
            transformers.LlamaForSequenceClassification,
            "forward",
            lambda self, input_ids=None, attention_mask=None: whole(
                self, input_ids=input_ids, attention_mask=attention_mask
            ),
        )
    words = ["<unk>", "<eos>", *"abcdefgh"]
    backend = __import__("tokenizers").Tokenizer(
        __import__("tokenizers").models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>")
    )
    backend.pre_tokenizer = __import__("tokenizers").pre_tokenizers.Whitespace()
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="<eos>", unk_token="<unk>",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )  # fmt: skip
    assert "token_type_ids" in fast("a", "b")
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=64, num_labels=1, initializer_range=0.5,
    )  # fmt: skip
    queries, documents = texts(12)
    queries, documents = [q or "a" for q in queries], [d or "b" for d in documents]
    found = []
    for side in ("left", "right"):
        fast.padding_side = side
        fast.save_pretrained(tmp_path / side)
        torch.manual_seed(0)
        transformers.LlamaForSequenceClassification(config).save_pretrained(tmp_path / side)
        alone = load(tmp_path / side, batch_tokens=1, max_length=40).score_pairs(queries, documents)
        found += [alone, load(tmp_path / side, max_length=40).score_pairs(queries, documents)]
    assert found[0].std() > 0.05
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], atol=1e-4)


# What a cache knows a model by


def test_a_fingerprint_changes_with_all_that_scores_depend_on(one, two, tmp_path):
    known = load(one)
    prints = [json.dumps(scorer.fingerprint(), sort_keys=True) for scorer in (
        known, load(two), load(one, activation="sigmoid"), load(one, max_length=9), load(one, dtype="bfloat16"),
        load(one, batch_tokens=77),
    )]  # fmt: skip
    assert len(set(prints)) == len(prints)
    shutil.copytree(one, tmp_path / "copy")
    assert load(tmp_path / "copy", name="another").fingerprint() == known.fingerprint()
    known.score_pairs(*texts(5))
    assert json.dumps(known.fingerprint(), sort_keys=True) == prints[0]
    with torch.no_grad():
        next(known._model.classifier.parameters()).add_(1e-6)
    assert json.dumps(known.fingerprint(), sort_keys=True) != prints[0]
    others = [pairs.pair_scorer(model).fingerprint() for model in (
        theirs(one), theirs(two), theirs(one, activation_fn=torch.nn.Identity()), theirs(one, max_length=9),
    )]  # fmt: skip
    spelled = {json.dumps(each, sort_keys=True) for each in others}
    assert len(spelled) == 4
    assert json.dumps(pairs.pair_scorer(theirs(one)).fingerprint(), sort_keys=True) in spelled


def test_rescoring_by_name_and_by_their_object(one, tmp_path):
    pytest.importorskip("pyarrow")
    collection = hm.Collection.from_pairs(["a b", "c d"], ["b a", "d c"], ["a c", "e f", "g h"])
    run = hm.Candidates([0, 3, 6], [2, 3, 4, 2, 3, 4], np.ones(6, np.float32))
    by_name = hm.rescore(collection, run, one, cache=tmp_path / "cache", progress=False)
    by_object = hm.rescore(collection, run, theirs(one, activation_fn=torch.nn.Identity()), progress=False)
    assert by_name.metadata["teacher"] == by_object.metadata["teacher"] == load(one).name
    assert (by_name.metadata["similarity"], by_name.metadata["dtype"]) == ("logit", "float32")
    assert by_object.metadata["similarity"] == "identity"
    assert by_name.ids.tolist() == by_object.ids.tolist()
    np.testing.assert_allclose(by_name.scores, by_object.scores, atol=5e-6)
    np.testing.assert_allclose(by_name.positives.scores, by_object.positives.scores, atol=5e-6)


def test_lengths_that_the_model_cannot_take_are_refused(one):
    for length, message in ((33, "expected at most 32, the positions of "), (4, "expected at least 5, since 3 tokens")):
        with pytest.raises(ValueError, match=f"max_length: {length}, {message}"):
            load(one, max_length=length)
    long = "a b c d e f g h " * 9
    assert np.isfinite(load(one, max_length=32).score_pairs([long], [long])).all()
    short = load(one, max_length=5)
    assert short.score_pairs([long], [long]) == short.score_pairs(["a"], ["a"])


@pytest.mark.parametrize("length", [None, 1000])
def test_a_stated_length_beyond_the_positions_is_capped(one, tmp_path, length):
    folder = tmp_path / "model"
    shutil.copytree(one, folder)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config["model_max_length"] = length or 10**30
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": length}))
    assert load(str(folder)).max_length == 32


def test_positions_that_begin_behind_the_padding():
    from hardmine.teachers._transformer import _positions

    config = transformers.RobertaConfig(
        vocab_size=9, hidden_size=4, num_hidden_layers=1, num_attention_heads=1, intermediate_size=4,
        max_position_embeddings=34, pad_token_id=1,
    )  # fmt: skip
    assert _positions(torch, transformers.RobertaModel(config)) == 32
    assert _positions(torch, torch.nn.Linear(2, 2)) > 10**9


@pytest.mark.parametrize("name", ["foo", "cuda:99", "meta"])
def test_devices_that_are_not_there(one, name):
    with pytest.raises(ValueError, match=f"^device: '{name}' cannot be used here \\(") as caught:
        hm.teachers.load_cross_encoder(one, device=name)
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=f"^device: '{name}' cannot be used here"):
        hm.teachers.load(one, device=name)


def test_the_lengths_of_encoders(tmp_path):
    folder = str(tiny_bert(tmp_path))
    for length, message in ((33, "expected at most 32"), (2, "expected at least 3, since 2 tokens")):
        with pytest.raises(ValueError, match=f"max_length: {length}, {message}"):
            hm.teachers.load(folder, max_length=length)
