"""The embeddings of a collection: those that a search uses, from the same cache."""

import numpy as np
import pytest

import hardmine as hm
from hardmine.store import matrix
from tests.store_job import Toy
from tests.store_runs import collect, counts, make_small, retrieve

pytest.importorskip("pyarrow")


def test_a_row_for_every_text_as_the_teacher_gives_it():
    collection, teacher = collect(), Toy(prompt="query: ")
    queries, documents = hm.embed(collection, teacher, progress=False)
    assert np.array_equal(queries, Toy(prompt="query: ").embed_queries(collection.query_texts))
    assert np.array_equal(documents, Toy().embed_documents(collection.document_texts))
    given = hm.teachers.precomputed(queries, documents)
    run, wanted = (retrieve(collection, each, None) for each in (given, teacher))
    assert np.array_equal(run.ids, wanted.ids)
    assert np.array_equal(run.scores, wanted.scores)


def test_the_cache_is_that_of_a_retrieval(tmp_path, monkeypatch):
    make_small(monkeypatch)
    collection, cache = collect(), tmp_path / "c"
    found = hm.embed(collection, Toy(), cache=cache, progress=False)
    assert counts(cache) == {"queries": (0, 20), "documents": (0, 100)}
    run = retrieve(collection, Toy(), cache)
    assert counts(cache) == {"queries": (20, 0), "documents": (100, 0), "candidates": (0, 20)}
    scores = hm.pair_scores(*found, np.repeat(np.arange(20), np.diff(run.offsets)), run.ids, similarity="cosine")
    assert np.array_equal(scores, run.scores)
    teacher = Toy()
    monkeypatch.setattr(matrix, "IN_MEMORY", 0)
    again = hm.embed(collection, teacher, cache=cache, progress=False)
    assert teacher.seen == {"queries": [], "documents": []}
    for one, other in zip(found, again, strict=True):
        assert np.array_equal(one, other)
        assert isinstance(other, np.memmap)
        assert not one.flags.writeable
        assert not other.flags.writeable
    fresh = Toy()
    hm.embed(collection, fresh, cache=cache, cache_policy="overwrite", progress=False)
    assert len(fresh.seen["documents"]) == 100


def test_ids_alone_have_the_embeddings_that_are_looked_up():
    collection = hm.Collection.from_ids(["q"], ["a", "b"], hm.Positives.from_lists([[0]]))
    arrays = np.eye(1, 3, dtype=np.float32), np.eye(2, 3, dtype=np.float32)
    found = hm.embed(collection, hm.teachers.precomputed(*arrays), progress=False)
    assert all(one is other for one, other in zip(found, arrays, strict=True))


def test_progress_tells_of_both_sides(tmp_path):
    events = []
    hm.embed(collect(), Toy(), cache=tmp_path / "c", progress=events.append)
    assert {event.stage for event in events} == {"embedding queries", "embedding documents"}


class Short(Toy):
    def embed_documents(self, texts, *, progress=False):
        return super().embed_documents(texts, progress=progress)[1:]


class Wrong(Toy):
    def embed_queries(self, texts, *, progress=False):
        return super().embed_queries(texts, progress=progress) * np.float32(np.nan)


@pytest.mark.parametrize(
    ("teacher", "more", "error", "message"),
    [
        ("bm25", {}, ValueError, "teacher 'bm25': has no document embeddings, which embed needs; expected an encoder"),
        (7, {}, TypeError, "teacher: int, expected a name or what hm.teachers.load gives"),
        (Short(), {}, ValueError, "teacher 'toy': 99 embeddings of documents, expected 100"),
        (Wrong(), {"cache": "c"}, ValueError, "teacher 'toy': an embedding holds NaN or infinity, expected finite"),
        (Toy(), {"cache": 7}, TypeError, "cache: int 7, expected the path of a folder"),
        (Toy(), {"cache_policy": "best"}, ValueError, "cache_policy: 'best', expected"),
        (Toy(), {"progress": 1}, TypeError, "progress: int 1, expected True, False or a callable"),
    ],
)
def test_what_cannot_be_embedded_is_refused(tmp_path, monkeypatch, teacher, more, error, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        hm.embed(collect(), teacher, **{"progress": False, **more})


def test_a_collection_is_expected():
    with pytest.raises(TypeError, match="collection: list, expected a Collection"):
        hm.embed([], Toy(), progress=False)


def view(buffer):
    return buffer[:3]


def whole(buffer):
    return buffer


def tensor(buffer):
    return pytest.importorskip("torch").from_numpy(buffer)[:3]


def read_only(buffer):
    found = buffer[:3]
    found.flags.writeable = False
    return found


def spread(buffer):
    return np.broadcast_to(buffer, buffer.shape)


def toggled(buffer):
    buffer.flags.writeable = False
    return buffer


class Like:
    """A matrix of another package."""

    def __init__(self, buffer):
        self.buffer, self.shape, self.dtype, self.ndim = buffer, buffer.shape, buffer.dtype, 2

    def __array__(self, dtype=None, copy=None):
        return np.array(self.buffer, dtype, copy=copy)


@pytest.mark.parametrize(
    "kinds",
    [
        *[(kind, kind) for kind in (view, whole, tensor, read_only, spread, toggled)],
        *[(view, tensor), (tensor, view), (Like, view)],
    ],
)
def test_a_teacher_that_uses_its_buffer_again(kinds):
    """The documents are not to be taken for the queries, in a retrieval either."""

    class Again(Toy):
        buffer = np.zeros((3, 2), np.float32)

        def fill(self, texts, kind):
            self.buffer.flags.writeable = True
            self.buffer[:] = [[len(text), 1.0] for text in texts.to_pylist()]
            return kind(self.buffer)

        def embed_queries(self, texts, *, progress=False):  # noqa: ARG002 - as teachers are called
            return self.fill(texts, kinds[0])

        def embed_documents(self, texts, *, progress=False):  # noqa: ARG002 - as teachers are called
            return self.fill(texts, kinds[1])

    collection = hm.Collection.from_pairs(["a", "bb", "ccc"], ["dddd", "e", "ffffff"])
    queries, documents = (np.asarray(each).copy() for each in hm.embed(collection, Again(), progress=False))
    assert queries.tolist() == [[1, 1], [2, 1], [3, 1]]
    assert documents.tolist() == [[4, 1], [1, 1], [6, 1]]
    given = hm.teachers.precomputed(queries, documents, similarity=Again.similarity)
    runs = [hm.retrieve(collection, each, k=2, progress=False) for each in (Again(), given)]
    assert np.array_equal(runs[0].ids, runs[1].ids)
    assert np.array_equal(runs[0].scores, runs[1].scores)


def test_embeddings_that_are_nobody_elses_are_not_copied():
    """Queries may be as many as documents."""

    class Fresh(Toy):
        def embed_queries(self, texts, *, progress=False):
            found = np.array(super().embed_queries(texts, progress=progress))
            self.address = found.__array_interface__["data"][0]
            return found

    class ReadOnly(Fresh):
        def embed_queries(self, texts, *, progress=False):
            found = super().embed_queries(texts, progress=progress)
            found.flags.writeable = False
            return found

    for teacher in (Fresh(), ReadOnly()):
        queries, _ = hm.embed(collect(), teacher, progress=False)
        assert queries.__array_interface__["data"][0] == teacher.address
