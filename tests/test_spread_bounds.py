"""What shards of a spread search tell each other: bounds that hold, the bytes of one search, and less to move."""

import numpy as np
import pytest

pytest.importorskip("pyarrow")

import hardmine as hm
from hardmine.distributed.bounds import HEADS, Bounds, heads, ranks
from hardmine.distributed.spread import Spread
from hardmine.nouns.candidates import Candidates
from hardmine.pipeline import cached
from hardmine.pipeline.scorers import DenseScorer
from tests.test_scale_costs import CountingCluster, arrays

COUNTS = ("above_ceiling", "below_floor", "nan", "excluded")


def test_ranks_are_parts_of_k_rounded_up():
    assert ranks(0).tolist() == []
    assert ranks(3).tolist() == [1, 2, 3]
    assert ranks(100).tolist() == [13, 25, 38, 50, 63, 75, 88, 100]
    for k in range(1, 300):
        assert ranks(k)[-1] == k
        assert len(set(ranks(k).tolist())) == min(k, HEADS)


def test_heads_are_scores_at_ranks():
    run = Candidates([0, 3, 3, 4], [5, 1, 2, 0], np.array([0.9, 0.5, 0.25, 0.5], np.float32))
    none = -np.inf
    np.testing.assert_array_equal(heads(run, 2), np.array([[0.9, 0.5], [none, none], [0.5, none]], np.float32))
    assert heads(run, 0).shape == (3, 0)
    assert heads(Candidates([0, 0], [], []), 2).tolist() == [[none, none]]


@pytest.mark.parametrize("k", [1, 2, 7, 8, 9, 100, 250])
def test_what_is_reached_is_reached_by_k_documents(k):
    """Of shards of any size, with many ties; one tells its k-th score itself, and several more than any of them."""
    rng = np.random.default_rng(k)
    for levels in (3, 10**6):
        bounds, seen, own = Bounds(), np.empty((5, 0), np.float32), []
        assert bounds.reached() is None
        for number in range(9):
            size = k if number == 4 else int(rng.integers(0, 2 * k + 1))
            scores = rng.integers(-levels, levels, (5, size)).astype(np.float32) / levels
            found = Candidates.from_padded(np.tile(np.arange(size), (5, 1)), np.sort(scores, axis=1)[:, ::-1])
            bounds.add(heads(found, k))
            seen = np.concatenate([seen, scores], axis=1)
            own.append(np.sort(scores, axis=1)[:, -k] if size >= k else np.full(5, -np.inf))
            reached = bounds.reached()
            assert ((seen >= reached[:, None]).sum(axis=1)[reached > -np.inf] >= k).all()
            assert (reached >= np.max(own, axis=0)).all()
        assert (reached > -np.inf).all()


class Slots(CountingCluster):
    """Several tasks at a time: what is started later knows of fewer."""

    def __init__(self, count):
        super().__init__()
        self._count = count

    def slots(self):
        return self._count


@pytest.mark.parametrize("slots", [1, 3, 40])
@pytest.mark.parametrize("order", ["any", "rising", "falling"])
def test_a_search_in_shards_is_one_search(order, slots, monkeypatch):
    """With the best documents in the first shards, in the last, or anywhere; under ceilings and exclusions; any k."""
    monkeypatch.setattr(cached, "FEWEST_QUERIES", 13)
    monkeypatch.setattr(cached, "SHARD_BYTES", 0)
    collection, teacher = arrays(1_200)
    queries, documents = teacher.embed_queries(collection.query_ids), teacher.embed_documents(collection.document_ids)
    if order != "any":
        documents = documents[np.argsort((documents @ queries[0]) * (1 if order == "rising" else -1))]
        teacher = hm.teachers.precomputed(queries, np.round(documents, 1), similarity="dot")
    scorer = DenseScorer(collection, teacher, max_memory=None, num_threads=1, progress=False, kept=None)
    exclude = np.arange(0, 5 * 61, 5), np.random.default_rng(0).integers(0, 1_200, 300)
    nothing = np.zeros(61, np.int64), np.zeros(0, np.int64)
    for k, ceiling, left_out in ((0, None, nothing), (5, None, nothing), (40, 3.0, exclude), (1_300, 1.0, nothing)):
        ceiling = None if ceiling is None else np.full(60, ceiling, np.float32)
        cluster = Slots(slots)
        spread = Spread(scorer, cluster, 11, None, progress=False)
        run = spread.scan(k, ceiling=ceiling, exclude=left_out)
        whole = scorer.scan(k, ceiling=ceiling, exclude=left_out)
        assert [run.offsets.tobytes(), run.ids.tobytes(), run.scores.tobytes()] == [
            whole.offsets.tobytes(), whole.ids.tobytes(), whole.scores.tobytes()
        ]  # fmt: skip
        for name in COUNTS:
            counts = [(one.reasons or {}).get(name, np.zeros(60, np.int64)) for one in (run, whole)]
            np.testing.assert_array_equal(*counts)


def test_later_shards_give_less():
    collection, teacher = arrays(1_200)
    scorer = DenseScorer(collection, teacher, max_memory=None, num_threads=1, progress=False, kept=None)
    nothing = np.zeros(61, np.int64), np.zeros(0, np.int64)
    moved = []
    for slots in (1, 40):  # one after the other, or all at a time
        cluster = Slots(slots)
        Spread(scorer, cluster, 12, None, progress=False).scan(40, ceiling=None, exclude=nothing)
        moved.append(cluster.ray.gathered)
    assert moved[0] < 0.6 * moved[1]
