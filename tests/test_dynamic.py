"""`DynamicMiner` against its slow twin; refreshing, at once and on a thread."""

import threading

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import hardmine as hm
from tests.oracle import dynamic as oracle


@st.composite
def worlds(draw):
    """Whole numbers, so that ties abound and every order of sums is exact."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    num_documents, num_queries = draw(st.integers(1, 12)), draw(st.integers(1, 5))
    documents = rng.integers(-2, 3, (num_documents, 3)).astype(np.float32)

    def rows(most):
        return [
            sorted(set(rng.integers(0, num_documents, rng.integers(0, most + 1)).tolist())) for _ in range(num_queries)
        ]

    positives, exclude = rows(3), rows(2) if draw(st.booleans()) else None
    queries = rng.integers(0, num_queries, draw(st.integers(0, 6)))
    vectors = rng.integers(-2, 3, (queries.size, 3)).astype(np.float32)
    return documents, positives, exclude, queries, vectors, draw(st.integers(1, 14))


@given(worlds())
def test_lists_equal_the_twin(world):
    documents, positives, exclude, queries, vectors, k = world
    miner = hm.DynamicMiner(documents, hm.Positives.from_lists(positives), k=k, exclude=exclude)
    found = miner.lists(torch.from_numpy(vectors), torch.from_numpy(queries))
    banned = [[]] * len(positives) if exclude is None else exclude
    expected = oracle.lists(vectors, queries, documents, positives, banned, k)
    assert len(found) == len(queries)
    for row, entries in enumerate(expected):
        kept = ~found.padding[row]
        columns = (found.ids, found.scores, found.ranks, found.relevant)
        assert list(zip(*(column[row][kept].tolist() for column in columns), strict=True)) == entries
        # Padding stands at the end of what was retrieved, or at the end of what was appended.
        assert (found.ids[row][~kept] == -1).all()
        assert np.isneginf(found.scores[row][~kept]).all()
        assert not found.relevant[row][~kept].any()


@given(worlds(), st.integers(0, 3))
def test_negatives_are_what_select_gives_and_do_not_depend_on_the_batch(world, epoch):
    documents, positives, exclude, queries, vectors, k = world
    rule = hm.Selection(2, ceiling=hm.Absolute(3.0), draw=hm.Uniform(), seed=5)
    miner = hm.DynamicMiner(documents, hm.Positives.from_lists(positives), rule, k=k, exclude=exclude)
    found = miner.negatives(vectors, queries, epoch=epoch)
    banned = [[]] * len(positives) if exclude is None else exclude
    for row, query in enumerate(queries):
        order, scores = oracle.ranking(vectors[row], documents, banned[query])
        fine = {d for d in order[:k] if d not in positives[query] and scores[d] <= 3.0}
        assert set(found[row].ids) <= fine
        assert len(found[row].ids) == min(2, len(fine))
        alone = miner.negatives(vectors[row : row + 1], queries[row : row + 1], epoch=epoch)
        assert alone[0].ids.tolist() == found[row].ids.tolist()


@given(worlds(), st.integers(1, 6))
def test_dns_takes_the_hardest_of_a_sample_that_knows_no_positive(world, samples):
    documents, positives, exclude, queries, vectors, k = world
    miner = hm.DynamicMiner(documents, hm.Positives.from_lists(positives), k=k, exclude=exclude, seed=3)
    n = min(2, samples)
    sample = miner.dns(vectors, queries, num_samples=samples, num_negatives=samples, epoch=1)
    found = miner.dns(vectors, queries, num_samples=samples, num_negatives=n, epoch=1)
    for row, query in enumerate(queries):
        drawn = [d for d in sample[row].tolist() if d >= 0]
        never = {*positives[query], *([] if exclude is None else exclude[query])}
        assert not never & set(drawn)
        assert len(set(drawn)) == len(drawn) == min(samples, len(documents) - len(never))
        best = oracle.hardest(vectors[row], drawn, documents, n)
        assert found[row].tolist() == best + [-1] * (n - len(best))


def miner_of(**options):
    documents = np.arange(12, dtype=np.float32).reshape(4, 3)
    return hm.DynamicMiner(documents, hm.Positives.from_lists([[0], [3]]), **options)


def test_fresh_draws_every_epoch_and_an_index_of_any_dtype():
    rng = np.random.default_rng(0)
    documents = torch.from_numpy(rng.normal(size=(50, 8)).astype(np.float32)).bfloat16()
    rule = hm.Selection(3, ceiling=hm.NoCeiling(), draw=hm.Uniform())
    miner = hm.DynamicMiner(
        hm.ExactIndex(documents, similarity="cosine"), hm.Positives.from_lists([[0]] * 5), rule, k=20
    )
    vectors = rng.normal(size=(5, 8)).astype(np.float16)
    draws = [miner.negatives(vectors, np.arange(5), epoch=epoch).ids.tolist() for epoch in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
    lists = miner.lists(vectors, np.arange(5))
    exact = hm.pair_scores(vectors, documents, np.arange(5), lists.ids[:, 0], similarity="cosine")
    assert lists.scores[:, 0].tolist() == exact.tolist()


def test_lists_feed_the_loss():
    miner = miner_of(k=2)
    vectors = torch.randn(2, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    lists = miner.lists(vectors, [0, 1]).torch()
    documents = torch.arange(12.0).reshape(4, 3)
    scores = torch.einsum("bh,bkh->bk", vectors, documents[lists.ids.clamp(min=0)])
    loss = hm.losses.adore(scores, lists.relevant, mask=lists.padding, ranks=lists.ranks)
    (gradient,) = torch.autograd.grad(loss, vectors)
    assert torch.isfinite(gradient).all()
    assert gradient.abs().sum() > 0


def test_refresh_and_when():
    miner = miner_of(k=1, refresh_every=3)
    assert [step for step in range(8) if miner.due(step)] == [3, 6]
    before = miner.lists(np.ones((1, 3), np.float32), [0]).ids[0, 0]
    miner.refresh(-np.arange(12, dtype=np.float32).reshape(4, 3))
    assert (before, miner.lists(np.ones((1, 3), np.float32), [0]).ids[0, 0], miner.version) == (3, 0, 1)
    assert not miner_of().due(3)


def test_refresh_beside_the_training():
    miner, go = miner_of(k=1), threading.Event()
    query = np.ones((1, 3), np.float32)

    def encode():
        assert go.wait(30)
        return -np.arange(12, dtype=np.float32).reshape(4, 3)

    miner.refresh_async(encode)
    assert not miner.poll()
    assert miner.lists(query, [0]).ids[0, 0] == 3
    with pytest.raises(RuntimeError, match="refresh_async: a refresh is under way"):
        miner.refresh_async(encode)
    go.set()
    assert miner.wait()
    assert (miner.lists(query, [0]).ids[0, 0], miner.version) == (0, 1)
    assert not miner.poll()
    assert not miner.wait()


@pytest.mark.parametrize("say", ["poll", "wait", "lists"])
def test_a_failed_refresh_is_said_once_and_the_old_documents_stay(say):
    miner = miner_of(k=1)

    def encode():
        raise ValueError("no memory on the device")

    query = np.ones((1, 3), np.float32)
    calls = {"poll": miner.poll, "wait": miner.wait, "lists": lambda: miner.lists(query, [0])}
    miner.refresh_async(encode)
    miner._job.thread.join()
    with pytest.raises(RuntimeError, match="refresh: ValueError: no memory on the device; the old") as caught:
        calls[say]()
    assert isinstance(caught.value.__cause__, ValueError)
    assert (miner.lists(query, [0]).ids[0, 0], miner.version) == (3, 0)
    miner.refresh_async(lambda: np.zeros((2, 3), np.float32))
    with pytest.raises(RuntimeError, match=r"documents: shape \(2, 3\), expected \(4, 3\)"):
        miner.wait()
    assert miner.version == 0
