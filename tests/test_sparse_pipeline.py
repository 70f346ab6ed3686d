"""Sparse teachers through retrieval, mining, the cache, plans and the command line."""

import hashlib
import json

import numpy as np
import pytest

import hardmine as hm
from hardmine.cli.main import main
from hardmine.pipeline import cached, cached_sparse
from hardmine.store.shards import ShardError
from tests.store_runs import QUERIES, TEXTS, collect, counts, make_small, retrieve, saved

pytest.importorskip("pyarrow")
TERMS = 50


class Words:
    """Weighs the words of a text by their digests, and, as real models do in the last bits, by what shares a batch."""

    name, similarity = "words", "dot"

    def __init__(self, *, terms=TERMS, signed=False):
        self.terms, self.signed = terms, signed
        self.seen = {"queries": [], "documents": []}

    def fingerprint(self, what):
        return {"words": self.terms, "signed": self.signed, "side": what}

    def encode_queries(self, texts, *, progress=False):  # noqa: ARG002
        return self.encode("queries", texts)

    def encode_documents(self, texts, *, progress=False):  # noqa: ARG002
        return self.encode("documents", texts)

    def encode(self, what, texts):
        texts = texts.to_pylist()
        self.seen[what] += texts
        batch = np.float32(number("".join(texts)) % 97 * 1e-6)
        rows = []
        for text in texts:
            row = {}
            for word in text.split()[1:]:
                code = number(word)
                row[code % self.terms] = np.float32(code % 7 + 1 + batch) * (-1 if self.signed and code % 3 == 0 else 1)
            rows.append(row)
        terms = [term for row in rows for term in row]
        weights = np.array([weight for row in rows for weight in row.values()], dtype=np.float32)
        offsets = np.cumsum([0] + [len(row) for row in rows])
        return hm.SparseRows(offsets, np.array(terms, dtype=np.int64), weights, self.terms)


def number(text):
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest(), "little")


def matrix(rows):
    found = np.zeros((len(rows), TERMS))
    for row in range(len(rows)):
        found[row, rows[row].terms] = rows[row].weights
    return found


@pytest.fixture
def small(monkeypatch):
    """Several shards of everything."""
    make_small(monkeypatch)


@pytest.mark.parametrize("signed", [False, True])
def test_candidates_by_hand(signed):
    collection, teacher = collect(), Words(signed=signed)
    queries = matrix(teacher.encode("queries", collection.query_texts))
    documents = matrix(teacher.encode("documents", collection.document_texts))
    scores = (queries @ documents.T).astype(np.float32)
    shares = (queries != 0) @ (documents != 0).T.astype(np.int64) > 0
    found = retrieve(collection, teacher, None, k=7)
    positives = collection.positives
    for query in range(collection.num_queries):
        left_out = set(positives[query].tolist())
        can_be = [d for d in range(len(TEXTS)) if shares[query, d] and d not in left_out]
        best = sorted(can_be, key=lambda d, query=query: (-scores[query, d], d))[:7]
        assert found[query].ids.tolist() == best
        np.testing.assert_allclose(found[query].scores, scores[query, best], rtol=1e-6)
    rows = np.repeat(np.arange(len(positives)), np.diff(positives.offsets))
    np.testing.assert_allclose(found.positives.scores, scores[rows, positives.ids], rtol=1e-6)
    assert {name: found.metadata[name] for name in ("teacher", "similarity", "k")} == {
        "teacher": "words", "similarity": "dot", "k": 7
    }  # fmt: skip
    assert found.reasons["positive"].sum() == positives.ids.size


def test_a_ceiling_in_the_scan_and_rows(tmp_path):
    mined = hm.mine(collect(), Words(), hm.strategies.top_k_perc_pos(2), progress=False)
    run, labels = mined.candidates, mined.candidates.positives
    lowest = np.minimum.reduceat(labels.scores, labels.offsets[:-1])
    assert run.ids.size
    assert (run.scores <= (np.float32(0.95) * lowest)[run.row_of_each] * (1 + 1e-6)).all()
    assert mined.write(tmp_path / "rows.jsonl")["rows"]
    with pytest.raises(ValueError, match="teacher 'words': has no document embeddings, which near_cosine needs"):
        hm.mine(collect(), Words(), hm.Selection(1, near_cosine=0.9), progress=False)


def test_a_run_goes_on_to_a_scorer_and_into_fusions():
    run = retrieve(collect(), Words(), None)
    rescored = hm.rescore(collect(), run, lambda _, texts: [float(len(t)) for t in texts], progress=False)
    assert sorted(rescored.teacher_scores) == ["words"]
    assert np.array_equal(np.sort(rescored.teacher_scores["words"]), np.sort(run.scores))
    fused = hm.fuse([run, hm.retrieve(collect(), "bm25", 10, progress=False)])
    assert set(fused.sources.tolist()) == {0, 1}


# The cache


@pytest.mark.usefixtures("small")
def test_everything_is_kept(tmp_path):
    teacher = Words()
    expected = saved(retrieve(collect(), teacher, tmp_path / "c"), tmp_path / "a")
    assert counts(tmp_path / "c") == {"queries": (0, 20), "documents": (0, 100), "candidates": (0, 20)}
    again = Words()
    assert saved(retrieve(collect(), again, tmp_path / "c"), tmp_path / "b") == expected
    assert again.seen == {"queries": [], "documents": []}
    assert counts(tmp_path / "c")["candidates"] == (20, 0)
    assert len(list((tmp_path / "c" / cached_sparse.KIND).rglob("*.shard"))) > 4
    more = Words()
    retrieve(collect([*QUERIES, "q new one"], [*TEXTS, "d another"]), more, tmp_path / "c")
    assert more.seen == {"queries": ["q new one"], "documents": ["d another"]}
    other = Words(signed=True)
    retrieve(collect(), other, tmp_path / "c")
    assert len(other.seen["documents"]) == 100


@pytest.mark.usefixtures("small")
def test_a_run_that_stopped_goes_on_with_the_same_bytes(tmp_path):
    expected = saved(retrieve(collect(), Words(), tmp_path / "calm"), tmp_path / "a")

    class Stopped(Words):
        def encode(self, what, texts):
            if what == "documents" and len(self.seen["documents"]) > 40:
                raise KeyboardInterrupt
            return super().encode(what, texts)

    with pytest.raises(KeyboardInterrupt):
        retrieve(collect(), Stopped(), tmp_path / "shaken")
    teacher = Words()
    assert saved(retrieve(collect(), teacher, tmp_path / "shaken"), tmp_path / "b") == expected
    assert teacher.seen["queries"] == []
    assert len(teacher.seen["documents"]) == 52, "three groups of 16 were there"


@pytest.mark.usefixtures("small")
def test_candidates_are_known_by_weights(tmp_path):
    """Another teacher of the same weights shares candidates; a weight or a term that differs does not."""
    retrieve(collect(), Words(), tmp_path / "c")

    def renamed(change=None):
        class Renamed(Words):
            def fingerprint(self, what):
                return {"renamed": what, "change": str(change)}

            def encode(self, what, texts):
                found = super().encode(what, texts)
                return found if change is None or what != change[0] else change[1](found)

        return Renamed()

    retrieve(collect(), renamed(), tmp_path / "c")
    assert counts(tmp_path / "c")["candidates"] == (20, 0)

    def heavier(rows):
        return hm.SparseRows(rows.offsets, rows.terms, rows.weights * np.float32(2), rows.num_terms)

    def other_terms(rows):
        return hm.SparseRows(rows.offsets, TERMS - 1 - rows.terms, rows.weights, rows.num_terms)

    for what in ("queries", "documents"):
        for change in (heavier, other_terms):
            retrieve(collect(), renamed((what, change)), tmp_path / "c")
            assert counts(tmp_path / "c")["candidates"][1] >= 19, (what, change.__name__)


def spoilt(change):
    class Spoilt(Words):
        def encode(self, what, texts):
            found = super().encode(what, texts)
            return change(found) if what == "documents" else found

    return Spoilt()


def with_weight(rows, value):
    weights = rows.weights.copy()
    weights[3] = value
    return rows.offsets, rows.terms, weights


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("cache", [False, True])
@pytest.mark.parametrize(("change", "kind", "message"), [
    (lambda rows: rows.take(np.arange(len(rows) - 1)), ValueError, "teacher 'words': .* rows, expected "),
    (lambda rows: with_weight(rows, np.nan), ValueError, "teacher 'words' weights: nan in row . for term"),
    (lambda _: np.eye(3, dtype=np.float32), TypeError, "teacher 'words': ndarray, expected SparseRows, a SciPy"),
    (lambda _: None, TypeError, "teacher 'words': NoneType, expected SparseRows"),
    (lambda rows: hm.SparseRows(rows.offsets, rows.terms, rows.weights, 51), ValueError, "51 terms|50 terms"),
])  # fmt: skip
def test_wrong_rows(cache, change, kind, message, tmp_path):
    with pytest.raises(kind, match=message):
        retrieve(collect(), spoilt(change), tmp_path / "c" if cache else None)


@pytest.mark.usefixtures("small")
def test_wrong_rows_are_never_kept(tmp_path):
    with pytest.raises(ValueError, match="nan"):
        retrieve(collect(), spoilt(lambda rows: with_weight(rows, np.nan)), tmp_path / "c")
    retrieve(collect(), Words(), tmp_path / "c")
    assert counts(tmp_path / "c")["documents"] == (0, 100)


@pytest.mark.usefixtures("small")
def test_vocabularies_that_differ(tmp_path):
    def of_another(rows):
        return hm.SparseRows(rows.offsets, rows.terms, rows.weights, None if len(rows) < 16 else TERMS)

    with pytest.raises(ValueError, match="rows of an open vocabulary, expected 50 terms as for the texts before"):
        retrieve(collect(), spoilt(of_another), tmp_path / "c")
    retrieve(collect(), Words(), tmp_path / "d")
    grown = Words(terms=60)
    grown.fingerprint = Words().fingerprint
    with pytest.raises(ShardError, match=r"rows of 50 terms and of 60 terms, expected one .* \(does the fingerprint"):
        retrieve(collect(documents=[*TEXTS, "new w1"]), grown, tmp_path / "d")


@pytest.mark.usefixtures("small")
def test_formats_that_a_teacher_may_give(tmp_path, monkeypatch):
    """An open vocabulary, float16, buffers that are used again: the same candidates with a cache and without."""

    def halves(rows):
        return rows.offsets, rows.terms, rows.weights.round().astype(np.float16)

    class Open(Words):
        def encode(self, what, texts):
            return halves(super().encode(what, texts))

    plain = retrieve(collect(), Open(), None)
    for run in (retrieve(collect(), Open(), tmp_path / "c"), retrieve(collect(), Open(), tmp_path / "c")):
        assert np.array_equal(run.ids, plain.ids)
        assert np.array_equal(run.scores, plain.scores)

    class Buffered(Words):
        weights = np.empty(10_000, np.float32)

        def encode(self, what, texts):
            found = super().encode(what, texts)
            self.weights[: found.weights.size] = found.weights
            return hm.SparseRows(found.offsets, found.terms, self.weights[: found.weights.size], TERMS)

    monkeypatch.setattr(cached, "SHARD_SECONDS", 1e9)  # all groups in one shard
    expected = saved(retrieve(collect(), Words(), tmp_path / "d"), tmp_path / "a")
    assert saved(retrieve(collect(), Buffered(), tmp_path / "e"), tmp_path / "b") == expected
    honest, buffered = retrieve(collect(), Words(), None), retrieve(collect(), Buffered(), None)
    assert np.array_equal(buffered.ids, honest.ids)
    assert np.array_equal(buffered.scores, honest.scores)


# What a plan says


@pytest.mark.usefixtures("small")
def test_a_plan(tmp_path):
    collection = collect()
    rows = Words().encode("documents", collection.document_texts)
    before = hm.plan(collection, Words(), 10, cache=tmp_path / "c")
    assert (before.dimension, before.search, before.documents_to_embed, before.queries_to_embed) == (0, None, 100, 20)
    assert before.terms == pytest.approx(rows.terms.size / len(rows))
    assert before.embeddings > 8 * rows.terms.size
    assert before.candidates_cached is None
    assert not (tmp_path / "c").exists()
    assert "sparse rows of" in before.summary()
    retrieve(collection, Words(), tmp_path / "c")
    size = sum(path.stat().st_size for path in (tmp_path / "c").rglob("*.shard"))
    assert size / 2 < before.cache_growth < 8 * size
    after = hm.plan(collection, Words(), 10, cache=tmp_path / "c")
    assert (after.documents_to_embed, after.documents_cached, after.candidates_cached) == (0, 100, 20)
    assert (after.seconds_embedding, after.cache_growth, after.terms) == (0, 0, before.terms)
    assert json.loads(json.dumps(after.to_dict()))["terms"] == before.terms


# The command line, and a real model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    pytest.importorskip("transformers")
    from tests.models import tiny_bert

    return tiny_bert(tmp_path_factory.mktemp("tiny"), masked=True)


@pytest.fixture
def beir(tmp_path):
    from tests.texts import random_beir

    return random_beir(tmp_path / "beir", num_queries=8, num_documents=30)


def test_the_command_line(folder, beir, tmp_path, capsys):
    model = ["--teacher", f"sparse:{folder}", "--quiet"]
    cache = ["--cache", str(tmp_path / "c")]
    options = ["--max-query-terms", "6", "--max-document-terms", "9", "--no-special-tokens", "--query-prompt", "query "]
    target = ["--output", str(tmp_path / "run.hm"), "-k", "5"]
    assert main(["retrieve", str(beir), *model, *options, *cache, *target]) == 0
    run = hm.Candidates.load(tmp_path / "run.hm")
    teacher = hm.teachers.sparse(
        folder, max_query_terms=6, max_document_terms=9, special_tokens=False, query_prompt="query "
    )
    expected = hm.retrieve(hm.Collection.read(beir), teacher, 5, progress=False)
    assert np.array_equal(run.ids, expected.ids)
    assert run.ids.size
    assert main(["plan", str(beir), *model[:2], *options, "--cache", str(tmp_path / "c"), "-k", "5"]) == 0
    assert "candidates of 8 queries in the cache" in capsys.readouterr().out
    rows = ["--output", str(tmp_path / "rows.jsonl"), "--num-negatives", "1", "--rule", "naive"]
    assert main(["mine", str(beir), *model, *rows]) == 0


@pytest.mark.parametrize(("given", "message"), [
    (["--teacher", "sparse:"], "--teacher sparse: expected the folder or name of a model behind it"),
    (["--teacher", "sparse:./gone"], "sparse teacher './gone': no such folder, expected a model folder or a model nam"),
    (["--teacher", "bm25", "--max-query-terms", "3"], "teacher 'bm25': unknown option 'max_query_terms', expected m"),
    (["--teacher", "sparse:./gone", "--pooling", "cls"], "sparse teacher './gone': unknown option 'pooling', expected"),
])  # fmt: skip
def test_one_line_of_what_is_wrong(given, message, beir, tmp_path, capsys):
    assert main(["retrieve", str(beir), *given, "--quiet", "--output", str(tmp_path / "run.hm")]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert not (tmp_path / "run.hm").exists()
