"""`cache=` on retrieve and mine: what is shared, what is computed again, what is refused, and always the same bytes."""

import re

import numpy as np
import pytest

import hardmine as hm
from hardmine.pipeline import cached
from hardmine.plumbing import container
from hardmine.store import matrix
from hardmine.store.shards import ShardError
from hardmine.teachers.bm25 import BM25
from tests.store_job import Toy, shards_in
from tests.store_runs import QUERIES, TEXTS, collect, counts, make_small, retrieve, saved

pytest.importorskip("pyarrow")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Several shards of everything."""
    make_small(monkeypatch)


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
        (hm.teachers.load("bm25", method="atire"), collect()),
        (hm.teachers.load("bm25", method="bm25+"), collect()),
        (hm.teachers.load("bm25", method="bm25l"), collect()),
        (hm.teachers.load("bm25", method="bm25l", delta=1), collect()),
        (hm.teachers.load("bm25", stopwords=["w1"]), collect()),
        (hm.teachers.load("bm25", token_pattern=r"\S+"), collect()),
        (hm.teachers.load("bm25", token_pattern=re.compile(r"\S+", re.ASCII)), collect()),
        (Stemmed(), collect()),
        ("bm25", collect(documents=[*TEXTS, "one more"])),
        ("bm25", collect(documents=TEXTS[::-1])),
    ):
        retrieve(collection, teacher, cache)
        assert counts(cache)["candidates"] == (0, 20)


def test_the_fingerprint_of_lucenes_form_names_no_form():
    """Caches of it were made before there were others."""
    told = hm.teachers.load("bm25", method="lucene").fingerprint("documents")
    assert told == hm.teachers.load("bm25").fingerprint("documents")
    assert not {"method", "delta"} & set(told)


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
