"""STAR's batch and ADORE's weights, as their code has them."""

import numpy as np
import pytest
import torch

import hardmine as hm
from examples.recipes import star_adore
from examples.recipes.students import Bag, embed
from examples.recipes.worlds import Part, Side, positives


@pytest.fixture(scope="module")
def part():
    """Six queries; document 0 is labelled for the first two of them."""
    tokens = np.random.default_rng(0).integers(1, 99, (14, 5))
    sides = (
        Side([f"text {n}" for n in range(len(each))], each, np.zeros((len(each), 2))) for each in np.split(tokens, [6])
    )
    return Part(*sides, positives([[0], [0], [2], [3], [4], [5, 6]]))


def test_labelled_documents_of_any_query_are_known(part):
    labels = part.labels.take(np.asarray([1, 5, 2]))
    assert star_adore.known(labels, np.asarray([0, 2, 6]), 8).tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0]]


@pytest.mark.parametrize(("kind", "columns"), [("hard", 12), ("random", 12), ("in-batch", 6)])
def test_a_batch_shares_its_documents_and_leaves_out_what_is_labelled(part, kind, columns, monkeypatch):
    seen = []

    def rank_net(positive, scores, *, mask):
        seen.append((positive, scores, mask))
        return scores.mean()

    monkeypatch.setattr(hm.losses, "rank_net", rank_net)
    monkeypatch.setattr(star_adore, "BATCH", 6)
    list(star_adore.star(Bag(0, 8), part, kind, 3, steps=2, seed=0))
    for positive, scores, mask in seen:
        assert scores.shape == mask.shape == (6, columns)
        assert torch.equal(positive, scores.diagonal())
        # Each query's own, and document 0 of the first two for the other one of them.
        assert mask[:, :6].sum() == 6 + 2
        assert kind != "hard" or not mask[:, 6:][np.eye(6, dtype=bool)].any()


def test_labelled_documents_take_no_place_among_the_hard_ones(part):
    found = star_adore.retrieved(Bag(0, 8), part, 8)
    assert found.lengths.tolist() == [7, 7, 7, 7, 7, 6]
    assert not part.relevant(found.padded()[0], np.arange(6)).any()


def test_a_positive_that_was_not_found_weighs_nothing_itself(part, monkeypatch):
    """Then only the place of the other document counts: 1 / its rank."""
    monkeypatch.setattr(star_adore, "BATCH", 12)
    model, frozen = Bag(0, 8), embed(Bag(1, 8), part.documents)
    loss = next(star_adore.adore(model, part, frozen, 1, 1, steps=1, seed=0))
    scores = embed(model, part.queries) @ frozen.T
    expected = []
    for query, labels in enumerate(part.labels):
        best = int(scores[query].argmax())
        if best in labels:
            # Nothing irrelevant was found: no pair.
            continue
        gaps = star_adore.SCALE * (scores[query, best] - scores[query, labels])
        expected.append(np.log1p(np.exp(gaps)).mean())
    assert 0 < len(expected) < 6
    assert loss.item() == pytest.approx(np.mean(expected), rel=1e-4)


def test_lists_are_searched_anew_when_they_should_be(part, monkeypatch):
    searched = []
    monkeypatch.setattr(star_adore, "embed", lambda *_: searched.append(0) or np.eye(6, 8, dtype=np.float32))
    frozen = np.eye(8, dtype=np.float32)
    for every, times in ((1, 0), (2, 3), (9, 1)):
        searched.clear()
        list(star_adore.adore(Bag(0, 8), part, frozen, every, 2, steps=5, seed=0))
        assert len(searched) == times
