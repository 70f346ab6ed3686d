"""`DynamicMiner` against its twin, and the life of its index."""

import copy
import pickle
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import hardmine as hm
from tests.oracle import dynamic as slow

EYE = np.eye(4, dtype=np.float32)
LABELS = hm.Positives.from_lists([[0], [1, 3], []])
RULE = hm.Selection(1, ceiling=hm.NoCeiling())
SELECTIONS = [
    hm.Selection(2, ceiling=hm.NoCeiling()),
    hm.Selection(3, ceiling=hm.MarginPos(1.0), seed=5, draw=hm.Uniform()),
    hm.Selection(2, ceiling=hm.NoCeiling(), draw=hm.SimANS(), seed=9, positive_agg="mean"),
    hm.Selection(4, ceiling=hm.Absolute(2.0), on_shortage="fill", draw=hm.TopThen(1, hm.Softmax(2.0))),
    hm.Selection(3, ceiling=hm.NoCeiling(), on_shortage="drop"),
    hm.Selection(2, ceiling=hm.PercPos(0.9), positive_agg="each", draw=hm.Uniform()),
]


class World:
    """A small collection with many ties, and a batch of it."""

    def __init__(self, data):
        rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
        self.count, num_queries = data.draw(st.integers(1, 14)), data.draw(st.integers(1, 6))
        self.documents = rng.integers(-2, 3, (self.count, 3)).astype(np.float32)
        least = data.draw(st.integers(0, 1))
        rows = [rng.permutation(self.count)[: rng.integers(least, 4)].tolist() for _ in range(num_queries)]
        self.positives = hm.Positives.from_lists(rows)
        self.labelled = least == 1
        self.exclude = [rng.integers(0, self.count, rng.integers(0, 4)).tolist() for _ in range(num_queries)]
        if data.draw(st.booleans()):
            self.exclude = [[] for _ in self.exclude]
        self.query_ids = rng.integers(0, num_queries, data.draw(st.integers(0, 6)))
        self.vectors = rng.integers(-2, 3, (self.query_ids.size, 3)).astype(np.float32)
        self.similarity = data.draw(st.sampled_from(["dot", "cosine"]))
        self.k = data.draw(st.integers(1, 8))
        self.given = data.draw(
            st.sampled_from([np.asarray, torch.from_numpy, lambda a: torch.from_numpy(a).bfloat16()])
        )

    def miner(self, selection=None, **options):
        exclude = self.exclude if any(self.exclude) else None
        options = {"k": self.k, "similarity": self.similarity, "exclude": exclude, **options}
        return hm.DynamicMiner(self.given(self.documents), self.positives, selection, **options)

    def batch(self):
        return self.given(self.vectors), torch.from_numpy(self.query_ids)


@given(st.data())
def test_lists_equal_the_twin(data):
    world = World(data)
    found = world.miner().lists(*world.batch())
    wanted = slow.lists(
        world.vectors, world.query_ids, world.documents, world.positives, world.k, world.similarity, world.exclude
    )
    width = max(map(len, wanted), default=0)
    padding = (-1, -np.inf, 0, False, True)
    for row, entries in enumerate(wanted):
        rows = [(*entry, False) for entry in entries] + [padding] * (width - len(entries))
        columns = (found.ids, found.scores, found.ranks, found.relevant, found.mask)
        assert list(zip(*(column[row].tolist() for column in columns), strict=True)) == rows
    assert found.ids.shape == (len(wanted), width)
    assert [column.dtype for column in columns] == ["i8", "f4", "i8", "?", "?"] if wanted else True


@given(st.data())
def test_negatives_equal_the_twin(data):
    world, selection = World(data), data.draw(st.sampled_from(SELECTIONS))
    epoch = data.draw(st.integers(0, 3))
    if not world.labelled and selection.needs_positive:
        return
    found = world.miner(selection).negatives(*world.batch(), epoch=epoch)
    rows, dropped = slow.negatives(
        world.vectors, world.query_ids, world.documents, world.positives, world.k, world.similarity, world.exclude,
        selection, epoch,
    )  # fmt: skip
    assert found.dropped.tolist() == dropped
    assert found.queries.tolist() == [row["query"] for row in rows]
    for number, row in enumerate(rows):
        assert found[number].ids.tolist() == [int(entry[0]) for entry in row["found"]]
        np.testing.assert_array_equal(found[number].scores, np.array([e[1] for e in row["found"]], np.float32))
        query = row["query"]
        assert not set(found[number].ids.tolist()) & {*world.positives[query].tolist(), *world.exclude[query]}


@given(st.data())
def test_dns_equals_the_twin(data):
    world, samples = World(data), data.draw(st.integers(1, 9))
    wanted, seed, epoch = data.draw(st.integers(1, samples)), data.draw(st.integers(0, 9)), data.draw(st.integers(0, 3))
    found = world.miner(seed=seed).dns(*world.batch(), num_samples=samples, num_negatives=wanted, epoch=epoch)
    expected = slow.dns(
        world.vectors, world.query_ids, world.documents, world.positives, world.similarity, world.exclude, samples,
        wanted, seed, epoch,
    )  # fmt: skip
    assert found.dtype == np.int64
    assert found.tolist() == expected.tolist()


def corpus(seed=0, queries=40, documents=500, dimension=24):
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((queries + documents, dimension)).astype(np.float32)
    labels = hm.Positives.from_lists([rng.permutation(documents)[: 1 + i % 3].tolist() for i in range(queries)])
    return vectors[:queries], vectors[queries:], labels


def everything(miner, vectors, ids, epoch=1):
    lists, chosen = miner.lists(vectors, ids), miner.negatives(vectors, ids, epoch=epoch)
    drawn = miner.dns(vectors, ids, num_samples=20, num_negatives=3, epoch=epoch)
    return [lists.ids, lists.scores, chosen.padded()[0], drawn]


def test_neither_batch_nor_threads_change_a_query():
    vectors, documents, labels = corpus()
    rule = hm.Selection(5, ceiling=hm.NoCeiling(), draw=hm.SimANS(a=0.01), seed=3)
    ids = np.random.default_rng(1).permutation(40)
    whole = everything(hm.DynamicMiner(documents, labels, rule, k=30, num_threads=4), vectors[ids], ids)
    one = hm.DynamicMiner(documents, labels, rule, k=30, num_threads=1)
    for row, query in enumerate(ids):
        for all_rows, alone in zip(whole, everything(one, vectors[query : query + 1], [query]), strict=True):
            assert all_rows[row, : alone.shape[1]].tolist() == alone[0].tolist()
    again = everything(one, vectors[ids], ids, epoch=2)
    assert whole[0].tolist() == again[0].tolist()
    for drawn, other in zip(whole[2:], again[2:], strict=True):
        assert (drawn != other).mean() > 0.5


def test_adore_trains_the_queries():
    vectors, documents, labels = corpus()
    miner = hm.DynamicMiner(documents, labels, k=20)
    encoder = torch.nn.Linear(24, 24)
    torch.nn.init.eye_(encoder.weight)
    ids, table = torch.arange(40), torch.from_numpy(documents)
    optimiser = torch.optim.Adam(encoder.parameters(), lr=0.02)
    losses = []
    for _ in range(25):
        queries = encoder(torch.from_numpy(vectors))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = miner.lists(queries, ids).torch()
        assert found.mask.any()  # lists of several lengths: the padding is tried
        scores = (queries[:, None] * table[found.ids]).sum(-1)
        torch.testing.assert_close(scores[~found.mask].detach(), found.scores[~found.mask], rtol=1e-4, atol=1e-4)
        loss = hm.losses.adore(scores, found.relevant, mask=found.mask, ranks=found.ranks, metric_cut=200)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]


def test_the_gradient_is_that_of_the_entries_alone():
    vectors, documents, labels = corpus(queries=3, documents=30)
    found = hm.DynamicMiner(documents, labels, k=4).lists(vectors, [0, 1, 2]).torch()
    scores = found.scores.masked_fill(found.mask, 7.0).requires_grad_()
    hm.losses.adore(scores, found.relevant, mask=found.mask, ranks=found.ranks).backward()
    assert (scores.grad[found.mask] == 0).all()
    total = 0.0
    for row in range(3):
        kept = ~found.mask[row]
        one = scores.detach()[row, kept][None].requires_grad_()
        hm.losses.adore(one, found.relevant[row, kept][None]).backward()
        total += float((one.grad[0] / 3 - scores.grad[row, kept]).abs().max())
    assert total < 1e-6


def test_documents_on_a_device_are_scored_by_the_rows_that_are_named():
    vectors, documents, _ = corpus()
    index = hm.ExactIndex(documents)
    rows, ids = np.array([0, 3, 3, 1]), np.array([7, 2, 7, 499])
    plain = index._pair_scores((vectors, "f32"), rows, ids, 1)
    index._tensor = torch.from_numpy(documents)
    assert index._pair_scores((vectors, "f32"), rows, ids, 1).tolist() == plain.tolist()
    assert plain.tolist() == hm.pair_scores(vectors, documents, rows, ids).tolist()


def test_refresh_swaps_at_once_and_refuses_what_does_not_fit():
    miner = hm.DynamicMiner(EYE, LABELS, RULE, k=1)
    assert miner.lists(EYE[:1], [0]).ids.tolist() == [[0]]
    miner.refresh(EYE[::-1])
    assert (miner.version, miner.lists(EYE[:1], [0]).ids.tolist()) == (1, [[3, 0]])
    for wrong, message in (
        (EYE[:3], "documents: 3, expected 4 as before"),
        (EYE[:, :3], "documents: dimension 3, expected 4 as before"),
        (hm.ExactIndex(EYE, similarity="cosine"), "documents: similarity 'cosine', expected 'dot' as before"),
        (EYE * np.float32(np.nan), "documents: NaN at row 0, column 0"),
    ):
        with pytest.raises(ValueError, match=message):
            miner.refresh(wrong)
    assert (miner.version, miner.lists(EYE[:1], [0]).ids.tolist()) == (1, [[3, 0]])


def test_a_refresh_in_the_background_lands_at_poll_or_wait():
    miner, gate = hm.DynamicMiner(EYE, LABELS, RULE, k=1), threading.Event()
    assert not miner.poll()
    assert not miner.wait()

    def encode():
        assert threading.current_thread().daemon
        gate.wait(60)
        return torch.from_numpy(EYE[::-1].copy())

    miner.refresh_async(encode)
    assert not miner.poll()
    assert not miner.wait(0.01)
    for second in (lambda: miner.refresh_async(encode), lambda: miner.refresh(EYE)):
        with pytest.raises(RuntimeError, match=r"refresh: another one runs.*wait\(\) first"):
            second()
    for copied in (pickle.dumps, copy.copy):
        with pytest.raises(RuntimeError, match="cannot be copied or pickled while a refresh"):
            copied(miner)
    gate.set()
    miner._job.thread.join()
    assert (miner.version, miner.lists(EYE[:1], [0]).ids.tolist()) == (0, [[0]])  # not before poll
    with pytest.raises(RuntimeError, match="refresh: another one runs, or has ended"):
        miner.refresh_async(encode)
    assert miner.poll()
    assert not miner.poll()
    assert (miner.version, miner.lists(EYE[:1], [0]).ids.tolist()) == (1, [[3, 0]])
    miner.refresh_async(lambda: hm.ExactIndex(EYE))
    assert miner.wait(60)
    assert (miner.version, miner.lists(EYE[:1], [0]).ids.tolist()) == (2, [[0]])


CALLS = {
    "poll": lambda miner: miner.poll(),
    "wait": lambda miner: miner.wait(),
    "lists": lambda miner: miner.lists(EYE[:1], [0]),
    "negatives": lambda miner: miner.negatives(EYE[:1], [0]),
    "dns": lambda miner: miner.dns(EYE[:1], [0], num_samples=1),
    "refresh": lambda miner: miner.refresh(EYE),
    "refresh_async": lambda miner: miner.refresh_async(lambda: EYE),
}


@pytest.mark.parametrize("name", CALLS)
def test_what_encode_raises_comes_out_once(name):
    miner = hm.DynamicMiner(EYE, LABELS, RULE, k=1)
    before = miner.index

    def encode():
        raise KeyError("gone\nfor good")

    for work, kind in ((encode, KeyError), (lambda: EYE[:2], ValueError), (lambda: sys.exit(3), SystemExit)):
        miner.refresh_async(work)
        miner._job.thread.join()
        with pytest.raises(RuntimeError, match="the old index stays in use") as caught:
            CALLS[name](miner)
        assert isinstance(caught.value.__cause__, kind)
        assert kind.__name__ in str(caught.value)
        assert "\n" not in str(caught.value)
        assert (miner.index is before, miner.version) == (True, 0)
        assert not miner.poll()
    CALLS[name](miner)  # nothing is left of it
    miner.wait()


def test_the_interpreter_ends_with_a_refresh_under_way():
    code = (
        "import time, numpy as np, hardmine as hm\n"
        "miner = hm.DynamicMiner(np.eye(2, dtype=np.float32), hm.Positives.from_lists([[0]]))\n"
        "miner.refresh_async(lambda: time.sleep(600))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_due_counts_steps():
    miner = hm.DynamicMiner(EYE, LABELS, refresh_every=3)
    assert [step for step in range(10) if miner.due(step)] == [3, 6, 9]
    assert not any(hm.DynamicMiner(EYE, LABELS).due(step) for step in range(10))


def test_a_miner_can_be_pickled():
    miner = hm.DynamicMiner(EYE, LABELS, RULE, k=2, exclude=[[1], [], []], seed=4)
    miner.refresh(EYE)
    other = pickle.loads(pickle.dumps(miner))
    assert repr(other) == repr(miner) == "DynamicMiner(4 documents, 3 queries, k=2, dot, version 1)"
    for mine, its in zip(everything(miner, EYE[:2], [0, 1]), everything(other, EYE[:2], [0, 1]), strict=True):
        assert mine.tolist() == its.tolist()
