"""`hm.plan`: sizes are those of the run that follows, times are rates times counts, the cache is only looked at."""

import dataclasses
import json

import numpy as np
import pytest

import hardmine as hm
from hardmine.cli.main import main
from hardmine.store import matrix
from tests.store_job import Toy, shards_in
from tests.texts import random_beir

pytest.importorskip("pyarrow")


@pytest.fixture(scope="module")
def beir(tmp_path_factory):
    return random_beir(tmp_path_factory.mktemp("beir") / "c")


@pytest.fixture(scope="module")
def collection(beir):
    return hm.Collection.read(beir)


def size(cache):
    return sum(path.stat().st_size for path in cache.rglob("*.shard"))


def test_a_plan_of_embeddings_before_and_after_the_run(collection, tmp_path):
    cache = tmp_path / "c"
    found = hm.plan(collection, Toy(), k=20, cache=cache)
    assert not cache.exists(), "looking makes nothing"
    assert (found.num_queries, found.num_documents, found.k) == (40, 200, 20)
    assert (found.dimension, found.dtype, found.similarity) == (8, "float32", "cosine")
    assert (found.queries_to_embed, found.documents_to_embed) == (40, 196)  # of which 4 come twice
    assert (found.queries_cached, found.documents_cached, found.candidates_cached) == (0, 0, None)
    assert found.embeddings == 240 * 8 * 4
    assert found.search == hm.search_plan(40, 200, 8, 20, similarity="cosine")
    assert found.peak == found.embeddings + found.working + found.result
    run = hm.retrieve(collection, Toy(), 20, cache=cache, progress=False)
    assert found.result >= run.offsets.nbytes + run.ids.nbytes + run.scores.nbytes
    assert size(cache) <= found.cache_growth
    before = shards_in(cache)
    teacher = Toy()
    after = hm.plan(collection, teacher, k=20, cache=cache)
    assert (after.queries_to_embed, after.documents_to_embed, after.cache_growth) == (0, 0, 0)
    assert (after.queries_cached, after.documents_cached, after.candidates_cached) == (40, 200, 40)
    assert (after.seconds_embedding, after.seconds_searching, after.seconds) == (0, 0, 0)
    assert shards_in(cache) == before
    assert teacher.seen["queries"] == []
    other = hm.plan(collection, Toy(), k=21, cache=cache)
    assert (other.documents_cached, other.candidates_cached) == (200, 0)
    assert other.seconds_searching > 0


def test_times_are_counts_over_measured_rates(collection, monkeypatch):
    from hardmine.pipeline import samples

    clock = iter(range(10_000))
    monkeypatch.setattr(samples.time, "perf_counter", lambda: float(next(clock)))
    found = hm.plan(collection, Toy(), k=20)
    assert found.texts_per_second == 8.0, "eight texts in one tick of this clock"
    assert found.seconds_embedding == 240 / 8
    assert found.pairs_per_second == 40 * 200
    assert found.seconds_searching == 1
    assert found.seconds == 31
    lexical = hm.plan(collection, "bm25", k=20)
    assert (lexical.texts_per_second, lexical.seconds_embedding) == (200, 1)
    assert (lexical.pairs_per_second, lexical.seconds_searching) == (8_000, 1)


def test_the_sample_is_spread_over_what_is_to_do(collection):
    from hardmine.pipeline import samples

    some = samples.spread(collection.document_texts, 10).to_pylist()
    assert some == collection.document_texts.to_pylist()[::20]
    teacher = Toy()
    samples.embedded(teacher.embed_documents, collection.document_texts[:3])
    assert set(teacher.seen["documents"]) == set(collection.document_texts[:3].to_pylist())


def test_equal_texts_count_once_and_headers_count(tmp_path, monkeypatch):
    from hardmine.pipeline import cached

    monkeypatch.setattr(cached, "GROUP_TEXTS", 4)  # shards of hardly anything but headers
    monkeypatch.setattr(cached, "SHARD_SECONDS", 0.0)
    monkeypatch.setattr(cached, "FIRST_QUERIES", 2)
    monkeypatch.setattr(cached, "FEWEST_QUERIES", 2)
    texts = [f"text {i % 30}" for i in range(90)]
    twice = hm.Collection.from_pairs(["q", "r", "s"] * 5, texts[:15], texts)
    for teacher in (Toy, lambda: hm.teachers.load("bm25", stopwords=[f'"{i}"\u00e4' for i in range(200)])):
        cache = tmp_path / teacher().name
        found = hm.plan(twice, teacher(), 2, cache=cache)
        hm.retrieve(twice, teacher(), 2, cache=cache, progress=False)
        assert size(cache) <= found.cache_growth
        if teacher is Toy:
            assert (found.queries_to_embed, found.documents_to_embed) == (3, 30)
        assert hm.plan(twice, teacher(), 2, cache=cache).cache_growth == 0


@pytest.mark.parametrize("teacher", [Toy, lambda: "bm25"])
def test_candidates_of_equal_queries_are_counted_as_they_are_held(tmp_path, teacher):
    import pyarrow as pa

    queries = pa.table({"id": list("abcd"), "text": ["words alike"] * 4})
    documents = pa.table({"id": [f"d{i}" for i in range(9)], "text": [f"words {i}" for i in range(9)]})
    four = hm.Collection(queries, documents, hm.Positives([0, 1, 2, 3, 4], [1] * 4))
    cache = tmp_path / "c"
    found = hm.plan(four, teacher(), 2, cache=cache)
    assert not found.candidates_cached  # None where the embeddings that candidates are known by are not there
    assert found.seconds_searching > 0
    hm.retrieve(four, teacher(), 2, cache=cache, progress=False)
    assert hm.plan(four, teacher(), 2, cache=cache).candidates_cached == 4


def test_a_fingerprint_is_asked_for_by_a_cache_alone(collection, tmp_path):
    class Asked(Toy):
        def fingerprint(self, what):
            asked.append(what)
            return super().fingerprint(what)

    asked = []
    hm.plan(collection, Asked(), k=20)
    assert asked == []
    hm.plan(collection, Asked(), k=20, cache=tmp_path / "c")
    assert sorted(asked) == ["documents", "queries"]


def test_a_plan_without_a_cache_holds_all_in_memory(collection, monkeypatch, tmp_path):
    monkeypatch.setattr(matrix, "IN_MEMORY", 0)
    monkeypatch.setattr("hardmine.pipeline.foresee.IN_MEMORY", 0)
    plain = hm.plan(collection, Toy(), k=20)
    assert (plain.mapped, plain.disk_scratch, plain.cache_growth, plain.disk_free) == (0, 0, 0, None)
    kept = hm.plan(collection, Toy(), k=20, cache=tmp_path / "c")
    assert kept.mapped == kept.disk_scratch == kept.embeddings
    assert kept.peak == kept.working + kept.result
    assert kept.disk_free > 0
    assert "mapped from disk" in kept.summary()


def test_max_memory_is_that_of_the_search(collection):
    wide, narrow = (hm.plan(collection, Toy(), k=20, max_memory=size).search for size in ("1GB", "200kB"))
    assert narrow.working <= 200_000 < wide.working
    free, tight = (hm.plan(collection, "bm25", k=20, max_memory=size).working for size in ("1GB", "600kB"))
    assert tight <= 600_000 < free < 10**9
    assert hm.plan(collection, "bm25", k=20, max_memory=free).working == free
    assert hm.plan(collection, "bm25", k=20, max_memory=free - 1).working < free
    with pytest.raises(ValueError, match="max_memory: 10 bytes, expected at least"):
        hm.plan(collection, Toy(), k=20, max_memory=10)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_plan_of_arrays(collection, tmp_path, dtype):
    rng = np.random.default_rng(0)
    teacher = hm.teachers.precomputed(*(rng.standard_normal((n, 6)).astype(dtype) for n in (40, 200)))
    assert hm.plan(collection, teacher, k=20).texts_per_second is None, "rows that are looked up take no time"
    found = hm.plan(collection, teacher, k=20, cache=tmp_path / "c")
    assert (found.queries_to_embed, found.documents_to_embed, found.texts_per_second) == (0, 0, None)
    assert (found.dimension, found.dtype) == (6, np.dtype(dtype).name)
    assert found.embeddings == 240 * 6 * np.dtype(dtype).itemsize
    hm.retrieve(collection, teacher, 20, cache=tmp_path / "c", progress=False)
    assert hm.plan(collection, teacher, k=20, cache=tmp_path / "c").candidates_cached == 40


def test_a_plan_of_bm25(collection, tmp_path):
    cache = tmp_path / "c"
    found = hm.plan(collection, "bm25", k=20, cache=cache)
    assert (found.dimension, found.search, found.embeddings, found.candidates_cached) == (0, None, 0, 0)
    assert 1_000 < found.index < 10**7
    hm.retrieve(collection, "bm25", 20, cache=cache, progress=False)
    after = hm.plan(collection, "bm25", k=20, cache=cache)
    assert (after.candidates_cached, after.seconds_searching, after.cache_growth) == (40, 0, 0)


def test_a_plan_is_frozen_data(collection):
    found = hm.plan(collection, "bm25", k=20)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.k = 3
    about = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert about["num_documents"] == 200
    assert about["peak"] == found.peak
    assert about.keys() >= {field.name for field in dataclasses.fields(found)}
    assert repr(found).startswith("Plan(40 queries, 200 documents, k=20, bm25: ")
    embedded = hm.plan(collection, Toy(), k=20)
    assert json.loads(json.dumps(embedded.to_dict()))["search"]["engine"] == embedded.search.engine


def test_the_text_says_what_is_measured(collection, tmp_path):
    text = hm.plan(collection, Toy(), k=20, cache=tmp_path / "c").summary()
    for line in (
        "40 queries x 200 documents, k = 20; teacher toy (cosine)",
        "embeddings of 8 float32 numbers (measured); 0 texts in the cache, 40 queries and 196 documents to embed",
    ):
        assert line in text.splitlines()
    rows = [line for line in text.splitlines() if line.startswith("  ")]
    assert len(rows) > 8
    assert all("measured" in row or "computed" in row for row in rows), rows


@pytest.mark.parametrize("seconds", [0.04, 59, 61, 3_599, 3_601, 100_000])
def test_durations_are_readable(seconds):
    from hardmine.pipeline.plan import shown_duration

    shown = {0.04: "0.0 s", 59: "59.0 s", 61: "1 min", 3_599: "1 h 0 min", 3_601: "1 h 0 min", 100_000: "27 h 47 min"}
    assert shown_duration(seconds) == shown[seconds]


def test_nothing_to_plan(tmp_path):
    import pyarrow as pa

    none = pa.table({"id": pa.array([], pa.string()), "text": pa.array([], pa.string())})
    nothing = hm.Collection(none, none, hm.Positives([0], []))
    for teacher in ("bm25", Toy()):
        found = hm.plan(nothing, teacher, cache=tmp_path / "c")
        assert (found.seconds, found.result, found.cache_growth) == (0, 8, 0)
        assert found.summary()


def test_the_command(beir, tmp_path, capsys):
    here = ["plan", str(beir), "--teacher", "bm25", "-k", "20", "--cache", str(tmp_path / "c")]
    assert main(here) == 0
    assert "40 queries x 200 documents, k = 20; teacher bm25 (bm25)" in capsys.readouterr().out
    assert main([*here, "--json", "--max-memory", "600kB"]) == 0
    about = json.loads(capsys.readouterr().out)
    assert 0 < about["working"] <= 600_000 < hm.plan(hm.Collection.read(beir), "bm25", k=20).working
    assert about["candidates_cached"] == 0
    assert main([*here[:-1], str(beir)]) == 2
    assert "holds other files" in capsys.readouterr().err
