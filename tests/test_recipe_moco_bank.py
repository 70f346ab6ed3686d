"""Which entries of the bank each arm takes."""

import numpy as np
import torch

import hardmine as hm
from examples.recipes import moco_bank

BANK = np.asarray([[1, 0], [0.9, 0.4], [0.6, 0.8], [0, 1], [-1, 0]], np.float32)


def taken(monkeypatch, arm, *, ceiling=None, step=0, key=7):
    monkeypatch.setattr(moco_bank, "COUNT", 2)
    bank = hm.MemoryBank(8, 2)
    bank.push(BANK, [7, 8, 9, 10, 11])
    view = torch.tensor([[1.0, 0.0]])
    ceilings = None if ceiling is None else np.asarray([ceiling], np.float32)
    mask = moco_bank.left_out(bank, view, np.asarray([key]), arm, ceilings, step)
    assert mask.shape == (1, 5)
    return torch.nonzero(~mask[0]).flatten().tolist()


def test_the_hardest_are_the_nearest_but_for_the_own_document(monkeypatch):
    assert taken(monkeypatch, "hardest") == [1, 2]
    assert taken(monkeypatch, "hardest unfiltered", key=6) == [0, 1]


def test_nothing_above_the_ceiling_is_taken(monkeypatch):
    assert taken(monkeypatch, "hardest", ceiling=0.7) == [2, 3]
    assert taken(monkeypatch, "all", ceiling=0.7) == [2, 3, 4]


def test_all_is_all_and_random_is_as_many_as_the_hardest(monkeypatch):
    assert taken(monkeypatch, "all") == [1, 2, 3, 4]
    drawn = [taken(monkeypatch, "random", ceiling=0.7, step=step) for step in range(40)]
    assert {len(each) for each in drawn} == {2}
    assert {n for each in drawn for n in each} == {2, 3, 4}
