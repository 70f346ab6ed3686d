"""Runs of abstracts, and what the filters of the ASL recipe drop of them, by hand."""

import numpy as np
import torch

from examples.recipes import excerpts
from examples.recipes.students import Bag

SIZES = np.array([40, 12, 3, 64, 1, 30, 25, 50])
# Piece 100 k + j is the j-th of abstract k, from 1 on.
TOKENS = np.where(np.arange(64) < SIZES[:, None], 100 * np.arange(1, 9)[:, None] + np.arange(64), 0)


def rising_by_one(pieces):
    return bool((np.diff(pieces) == 1).all())


def test_a_copy_is_a_run_of_a_run_and_may_be_filled_up_with_another_abstract():
    rng, seen = np.random.default_rng(0), {"filled": 0, "bare": 0}
    for _ in range(20):
        originals, copies = (side.numpy() for side in excerpts.views(TOKENS, rng))
        for row, size in enumerate(SIZES):
            original, copy = (side[row][side[row] > 0] for side in (originals, copies))
            assert np.isin(original, TOKENS[row]).all()
            assert rising_by_one(original)
            assert size / 2 <= original.size <= size
            own = copy[np.isin(copy, TOKENS[row])]
            assert (copy[: own.size] == own).all()
            assert np.isin(own, original).all()
            assert rising_by_one(own)
            assert own.size >= original.size / 2
            rest = copy[own.size :]
            if rest.size:
                assert copy.size == original.size
                assert np.isin(rest, TOKENS[row - 1]).all()
            seen["filled" if rest.size else "bare"] += 1
    assert min(seen.values()) > 40


def test_queries_of_the_first_half_are_copies_and_their_references_originals():
    found = excerpts.pairs(Bag(0, dimension=16), TOKENS)
    originals, copies = excerpts.views(TOKENS, np.random.default_rng(excerpts.SEED))
    pieces = [(side > 0).sum(1).tolist() for side in (originals, copies)]
    queries, references = (side[:, 0].tolist() for side in found.pieces)
    assert queries == pieces[1][:4] + pieces[0][4:]
    assert references == pieces[0][:4] + pieces[1][4:]
    assert found.right.nonzero().tolist() == [[n, n] for n in range(4)]
    lengths = [side.norm(dim=1) for side in found.vectors]
    torch.testing.assert_close(
        found.cosines, found.vectors[0] @ found.vectors[1].T / lengths[0][:, None] / lengths[1][None]
    )


def test_what_the_filters_keep_and_what_is_found_wrongly():
    right = torch.tensor([[True, False], [False, False]])
    cosines = torch.tensor([[0.7, 0.9], [0.2, 0.8]])
    # Query 0 is shorter than both references, query 1 longer than reference 1; by pieces they are all alike.
    vectors = [torch.tensor([[1.0], [3.0]]), torch.tensor([[3.5], [2.0]])]
    found = excerpts.Pairs(cosines, right, vectors, [torch.ones(2, 1), torch.ones(2, 1)])
    assert found.kept("none", 0.5).all()
    assert found.kept("pieces", 1.0).all()
    assert not found.kept("pieces", 0.9).any()
    for arm in ("plain", "taught"):
        kept = found.kept(arm, 1.0)
        assert kept.tolist() == [[True, True], [True, False]]
    every = torch.ones_like(right)
    threshold = found.threshold(every)
    assert threshold == cosines[0, 0]
    assert found.wrong(every & (cosines >= threshold)).tolist() == [1, 1]
    assert found.wrong(kept & (cosines >= threshold)).tolist() == [1, 0]
    assert found.threshold(~right) == -1.0
