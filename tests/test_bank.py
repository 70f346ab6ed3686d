"""`MemoryBank` against a list of the last vectors."""

import copy
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import hardmine as hm
from tests.at_once import at_once


class Twin:
    """All that was ever pushed; slot i holds the last one pushed at a place i modulo the size."""

    def __init__(self, size):
        self.size, self.pushed = size, []

    def slots(self):
        found = {}
        for place, pair in enumerate(self.pushed):
            found[place % self.size] = pair
        return [found[slot] for slot in sorted(found)]

    def hardest(self, query, k, key, ceiling):
        scored = [
            (-float(query @ vector), slot) for slot, (vector, own) in enumerate(self.slots()) if own != key or key == -1
        ]
        return [slot for score, slot in sorted(scored) if -score <= ceiling][:k]


@given(st.data())
def test_equals_the_twin(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    size = data.draw(st.integers(1, 9))
    bank, twin = hm.MemoryBank(size, 3, similarity="dot"), Twin(size)
    for _ in range(data.draw(st.integers(1, 4))):
        count = data.draw(st.integers(0, 12))
        vectors = rng.integers(-2, 3, (count, 3)).astype(data.draw(st.sampled_from([np.float16, np.float32])))
        keys = rng.integers(-1, 4, count) if data.draw(st.booleans()) else None
        bank.push(torch.from_numpy(vectors) if data.draw(st.booleans()) else vectors, keys)
        own = [-1] * count if keys is None else keys.tolist()
        twin.pushed += list(zip(vectors.astype(np.float32), own, strict=True))
    held = twin.slots()
    assert len(bank) == len(held)
    assert bank.vectors.tolist() == [vector.tolist() for vector, _ in held]
    assert bank.keys.tolist() == [key for _, key in held]
    if not held:
        return
    queries = rng.integers(-2, 3, (4, 3)).astype(np.float32)
    query_keys, k = rng.integers(-1, 4, 4), data.draw(st.integers(1, 6))
    ceiling = rng.integers(-3, 9, 4).astype(np.float32) if data.draw(st.booleans()) else None
    found = bank.hardest(torch.from_numpy(queries), k, keys=query_keys, ceiling=ceiling)
    for row in range(4):
        top = np.inf if ceiling is None else ceiling[row]
        assert found[row].ids.tolist() == twin.hardest(queries[row], k, query_keys[row], top)

    copy = hm.MemoryBank(size, 3, similarity="dot")
    copy.load_state_dict(bank.state_dict())
    for one in (bank, copy):
        one.push(queries, query_keys)
    assert copy.vectors.tolist() == bank.vectors.tolist()
    assert copy.keys.tolist() == bank.keys.tolist()


def test_cosine_is_the_default():
    bank = hm.MemoryBank(4, 2)
    bank.push(np.array([[9.0, 9.0], [0.0, 0.1]], np.float32))
    assert bank.hardest(np.array([[0.0, 2.0]], np.float32), 1).ids.tolist() == [1]


def test_what_was_pushed_is_copied_and_views_are_read_only():
    bank, batch = hm.MemoryBank(4, 2), np.ones((1, 2), np.float32)
    bank.push(batch, [3])
    batch[:] = 7
    assert bank.vectors.tolist() == [[1.0, 1.0]]
    with pytest.raises(ValueError, match="read-only"):
        bank.vectors[0, 0] = 2
    state = bank.state_dict()
    bank.push(batch, [4])
    assert state["keys"].tolist() == [3]


def test_a_push_that_is_refused_changes_nothing():
    bank = hm.MemoryBank(4, 2)
    ones = np.ones((1, 3), np.float32)
    bank.push(ones[:, :2], [3])
    for vectors, keys in ((ones[:, :2] * np.nan, [1]), (ones, [1]), (ones[:, :2], [1, 2])):
        with pytest.raises(ValueError, match="vectors|keys"):
            bank.push(vectors, keys)
    with pytest.raises(ValueError, match=r"vectors: shape \(1, 2\), expected \(2, 2\)"):
        bank.load_state_dict({**bank.state_dict(), "pushed": 2})
    assert (len(bank), bank.keys.tolist()) == (1, [3])


def test_threads_share_a_bank():
    """Every vector says which push it is of, and so does its key: what comes out is of whole pushes."""
    bank, pushes, width = hm.MemoryBank(1_000, 8, similarity="dot"), 1_500, 7

    def push(number):
        for _ in range(pushes):
            bank.push(np.full((width, 8), number + 1, np.float32), keys=np.full(width, number))

    def look():
        while len(bank) < bank.size:
            pass
        for at in range(200):
            state = pickle.loads(pickle.dumps(bank)).state_dict() if at % 10 == 0 else bank.state_dict()
            assert (state["vectors"] == (state["keys"] + 1)[:, None]).all()
            assert state["pushed"] % width == 0
            bank.load_state_dict(bank.state_dict() if at % 2 else state)
            found = bank.hardest(np.ones((1, 8), np.float32), 3, keys=[at % 3])
            assert set(found.scores.tolist()) <= {8.0, 16.0, 24.0}

    at_once(*(lambda number=number: push(number) for number in range(3)))
    assert bank.state_dict()["pushed"] == 3 * pushes * width
    at_once(*(lambda number=number: push(number) for number in range(3)), look)
    assert (bank.vectors == (bank.keys + 1)[:, None]).all()


@pytest.mark.parametrize("travel", [lambda bank: pickle.loads(pickle.dumps(bank)), copy.deepcopy, copy.copy])
def test_a_bank_travels_and_goes_on_alone(travel):
    bank = hm.MemoryBank(3, 2)
    bank.push(np.eye(2, dtype=np.float32), [5, 6])
    there = travel(bank)
    there.push(np.ones((1, 2), np.float32), [7])
    assert (bank.keys.tolist(), there.keys.tolist()) == ([5, 6], [5, 6, 7])
    assert there.hardest(np.ones((1, 2), np.float32), 1).ids.tolist() == [2]
