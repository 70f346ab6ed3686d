"""Batch samplers and streams: every item once, the same plan on every rank, the draws of the dataset itself."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hardmine as hm
from tests import negatives as made

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

NO_DUPLICATES, SAME_CLUSTER = hm.data.NoDuplicatesBatchSampler, hm.data.SameClusterBatchSampler


def dataset_of(labels, groups=None):
    """A query for each list of labelled documents out of ten."""
    count = len(labels)
    texts = [f"q{i}" for i in range(count)], [f"d{i}" for i in range(10)]
    run = hm.Candidates(np.arange(count + 1), np.full(count, 9), np.zeros(count))
    rule = hm.Selection(1, ceiling=hm.NoCeiling())
    return hm.data.NegativeDataset(texts, run, rule, positives=hm.Positives.from_lists(labels), document_groups=groups)


@st.composite
def labelled(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    labels = [sorted(set(rng.integers(0, 9, rng.integers(1, 4)).tolist())) for _ in range(draw(st.integers(1, 40)))]
    groups = rng.integers(0, 6, 10) if draw(st.booleans()) else None
    return dataset_of(labels, groups)


@given(labelled(), st.integers(1, 7), st.integers(0, 3), st.booleans())
def test_no_batch_shows_a_text_twice_and_no_item_is_lost(dataset, size, epoch, drop_last):
    sampler = NO_DUPLICATES(dataset, size, seed=4, drop_last=drop_last)
    sampler.set_epoch(epoch)
    queries, _, groups = dataset.shown(epoch)
    batches = list(sampler)
    assert len(batches) == len(sampler)
    for batch in batches:
        assert len(batch) == size if drop_last else 1 <= len(batch) <= size
        assert len(set(queries[batch])) == len(set(groups[batch])) == len(batch)
    taken = [item for batch in batches for item in batch]
    assert len(set(taken)) == len(taken)
    if not drop_last:
        assert sorted(taken) == list(range(len(dataset)))


def test_pairs_of_one_query_do_not_meet_and_full_batches_come_first():
    dataset = made.dataset(which_positive="each")
    sampler = NO_DUPLICATES(dataset, 8)
    queries = dataset.shown()[0]
    assert np.bincount(queries).max() > 1
    sizes = [len(batch) for batch in sampler]
    assert sizes.count(8) >= len(dataset) // 8 - 3, "only the end may be short"
    assert all(len(set(queries[batch])) == len(batch) for batch in sampler)


@given(st.lists(st.integers(-1, 3), min_size=1, max_size=60), st.integers(1, 7), st.integers(0, 3), st.booleans())
def test_whole_batches_of_a_cluster_and_leftovers_together(clusters, size, epoch, drop_last):
    dataset = dataset_of([[i % 9] for i in range(len(clusters))])
    sampler = SAME_CLUSTER(dataset, size, np.array(clusters), seed=2, drop_last=drop_last)
    sampler.set_epoch(epoch)
    batches = list(sampler)
    taken = [item for batch in batches for item in batch]
    assert len(set(taken)) == len(taken)
    pure = [{clusters[item] for item in batch} for batch in batches if len(batch) == size]
    whole = sum(clusters.count(name) // size for name in range(4))
    assert sum(len(names) == 1 and -1 not in names for names in pure) >= whole
    if not drop_last:
        assert sorted(taken) == list(range(len(clusters)))
        assert sum(len(batch) < size for batch in batches) <= 1


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize(
    "make", [NO_DUPLICATES, lambda *a, **o: SAME_CLUSTER(*a, np.arange(made.NUM_QUERIES) % 3, **o)]
)
def test_ranks_take_equal_shares_of_one_plan(make, drop_last):
    dataset = made.dataset()
    whole = list(make(dataset, 4, seed=1, drop_last=drop_last))
    shares = [list(make(dataset, 4, seed=1, drop_last=drop_last, num_replicas=3, rank=rank)) for rank in range(3)]
    assert len({len(share) for share in shares}) == 1
    together = [batch for step in zip(*shares, strict=True) for batch in step]
    if drop_last:
        assert together == whole[: len(whole) - len(whole) % 3]
    else:
        assert together[: len(whole)] == whole
        assert together[len(whole) :] == whole[: len(together) - len(whole)]


def test_another_epoch_is_another_plan_and_a_pickle_the_same_one():
    dataset = made.dataset()
    sampler = NO_DUPLICATES(dataset, 4, seed=1)
    first = list(sampler)
    assert list(sampler) == first
    assert list(pickle.loads(pickle.dumps(sampler))) == first
    sampler.set_epoch(1)
    assert list(sampler) != first
    assert list(NO_DUPLICATES(dataset, 4, seed=2)) != first
    sampler.set_epoch(0)
    assert list(sampler) == first


def test_a_loader_takes_the_plan():
    dataset = made.dataset()
    sampler = SAME_CLUSTER(dataset, 4, ["ab"[i % 2] for i in range(made.NUM_QUERIES)])
    loader = torch.utils.data.DataLoader(dataset, batch_sampler=sampler, collate_fn=made.collator())
    assert [batch["query_ids"].tolist() for batch in loader] == [
        dataset.shown()[0][batch].tolist() for batch in sampler
    ]


# Streams


def rows(items):
    return sorted((item["query_id"], item["positive_id"], item["negative_ids"].tolist()) for item in items)


@pytest.mark.parametrize("batch_size", [None, 3, 300])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("replicas", [1, 3])
def test_a_stream_gives_every_item_once_as_the_dataset_does(batch_size, shuffle, replicas):
    dataset = made.dataset()
    for epoch in (0, 1):
        dataset.set_epoch(epoch)
        streams = [
            hm.data.StreamingNegativeDataset(
                dataset, batch_size=batch_size, shuffle=shuffle, num_replicas=replicas, rank=rank
            )
            for rank in range(replicas)
        ]
        passes = [list(stream) for stream in streams]
        assert [len(found) for found in passes] == [len(stream) for stream in streams]
        items = [item for found in passes for part in found for item in ([part] if batch_size is None else part)]
        assert rows(items) == rows(dataset[i] for i in range(len(dataset)))


def test_orders_are_a_function_of_seed_and_epoch():
    dataset = made.dataset()

    def order(epoch, **options):
        stream = hm.data.StreamingNegativeDataset(dataset, **options)
        stream.set_epoch(epoch)
        return [item["query_id"] for item in stream]

    assert order(0) == order(1) == sorted(order(0))
    assert order(0, shuffle=True) == order(0, shuffle=True)
    assert len({tuple(order(epoch, shuffle=True, seed=seed)) for epoch in (0, 1) for seed in (0, 1)}) == 4


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_share_a_stream(workers, tmp_path):
    made.dataset().save(tmp_path / "set.hm")
    dataset = hm.data.NegativeDataset.load(tmp_path / "set.hm")
    stream = hm.data.StreamingNegativeDataset(dataset, batch_size=4, shuffle=True)
    loader = torch.utils.data.DataLoader(stream, batch_size=None, num_workers=workers, collate_fn=made.collator())
    for epoch in (0, 1):
        stream.set_epoch(epoch)
        found = [query for batch in loader for query in batch["query_ids"].tolist()]
        assert sorted(found) == dataset.shown()[0].tolist()


@pytest.mark.parametrize("batch_size", [None, 4])
def test_a_stream_resumes_where_it_was(batch_size):
    dataset = made.dataset()
    stream = hm.data.StreamingNegativeDataset(dataset, batch_size=batch_size, shuffle=True)
    stream.set_epoch(2)
    whole = [rows([part] if batch_size is None else part) for part in stream]
    running = iter(stream)
    for _ in range(3):
        next(running)
    state = stream.state_dict()
    other = hm.data.StreamingNegativeDataset(made.dataset(), batch_size=batch_size, shuffle=True)
    other.load_state_dict(state)
    assert [rows([part] if batch_size is None else part) for part in other] == whole[3:]
    assert [rows([part] if batch_size is None else part) for part in other] == whole
    other.load_state_dict(state)
    other.set_epoch(3)
    assert len(list(other)) == len(whole), "another epoch starts at its beginning"


@pytest.mark.parametrize("batch_size", [None, 4])
def test_a_state_between_epochs_resumes_with_the_whole_next_one(batch_size):
    def fresh():
        return hm.data.StreamingNegativeDataset(made.dataset(), batch_size=batch_size, shuffle=True)

    stream, other = fresh(), fresh()
    total = sum(1 if batch_size is None else len(part) for part in stream)
    finished = stream.state_dict()
    assert finished == {"epoch": 0, "done": total}
    stream.set_epoch(1)
    between = stream.state_dict()
    assert between == {"epoch": 1, "done": 0}
    whole = [rows([part] if batch_size is None else part) for part in stream]
    for state in (between, finished):
        other.load_state_dict(state)
        assert other.state_dict() == state, "a state that was loaded and not used yet"
        other.set_epoch(1)
        assert other.state_dict() == between
        assert [rows([part] if batch_size is None else part) for part in other] == whole
        assert other.state_dict() == {"epoch": 1, "done": total}


def test_a_state_outlives_the_set_epoch_of_the_loop_that_resumes():
    stream = hm.data.StreamingNegativeDataset(made.dataset())
    stream.load_state_dict({"epoch": 2, "done": 3})
    stream.set_epoch(2)
    assert stream.state_dict() == {"epoch": 2, "done": 3}
    assert len(list(stream)) == len(stream) - 3
    stream.set_epoch(2)
    assert stream.state_dict() == {"epoch": 2, "done": 0}, "the same epoch once more"
    assert len(list(stream)) == len(stream)


def test_the_copy_of_a_worker_counts_the_new_epoch_alone():
    """It learns of the epoch from the dataset, whose number is shared; nobody calls its set_epoch."""
    stream = hm.data.StreamingNegativeDataset(made.dataset())
    running = iter(stream)
    next(running)
    stream.dataset.set_epoch(5)
    assert stream.state_dict() == {"epoch": 5, "done": 0}
    next(running)
    assert stream.state_dict() == {"epoch": 5, "done": 0}, "an item of the pass before"
    next(iter(stream))
    assert stream.state_dict() == {"epoch": 5, "done": 1}


# Bad calls

MAKERS = {
    "no duplicates": NO_DUPLICATES,
    "same cluster": lambda dataset, size, **options: SAME_CLUSTER(dataset, size, [0] * made.NUM_QUERIES, **options),
    "stream": lambda dataset, size, **options: hm.data.StreamingNegativeDataset(dataset, batch_size=size, **options),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_bad_parameters_are_named(make):
    dataset = made.dataset()
    with pytest.raises(TypeError, match="dataset: list, expected a NegativeDataset"):
        make([1], 4)
    with pytest.raises(ValueError, match="batch_size: 0, expected at least 1"):
        make(dataset, 0)
    with pytest.raises(ValueError, match="seed: -1, expected at least 0"):
        make(dataset, 4, seed=-1)
    with pytest.raises(ValueError, match="rank: 2, expected at most 1"):
        make(dataset, 4, num_replicas=2, rank=2)
    with pytest.raises(ValueError, match="num_replicas: 0, expected at least 1"):
        make(dataset, 4, num_replicas=0)
    with pytest.raises(ValueError, match="epoch: -1, expected at least 0"):
        make(dataset, 4).set_epoch(-1)
    with pytest.raises(TypeError, match="(drop_last|shuffle): int 1, expected True or False"):
        make(dataset, 4, **{"shuffle" if make is MAKERS["stream"] else "drop_last": 1})


def test_bad_clusters_and_states_are_named():
    dataset = made.dataset()
    with pytest.raises(ValueError, match=f"clusters: length 2, expected {made.NUM_QUERIES}"):
        SAME_CLUSTER(dataset, 4, [0, 1])
    with pytest.raises(ValueError, match="clusters: -2, expected at least -1"):
        SAME_CLUSTER(dataset, 4, [-2] * made.NUM_QUERIES)
    stream = hm.data.StreamingNegativeDataset(dataset)
    with pytest.raises(ValueError, match="state: no 'done'"):
        stream.load_state_dict({"epoch": 1})
    with pytest.raises(TypeError, match="state: NoneType, expected the mapping that state_dict gives"):
        stream.load_state_dict(None)
    with pytest.raises(ValueError, match=f"done: {len(stream) + 1}, expected at most {len(stream)}"):
        stream.load_state_dict({"epoch": 1, "done": len(stream) + 1})
    with pytest.raises(ValueError, match="epoch: -1, expected at least 0"):
        dataset.shown(-1)
