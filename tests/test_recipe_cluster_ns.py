"""The masks that ClusterNS's is compared with: as many in every row, and of what may be masked alone."""

import numpy as np

from examples.recipes.cluster_ns import BATCH, alternatives, caught
from examples.recipes.worlds import Part, Side, positives


def test_the_other_masks_hold_as_many_of_what_is_free():
    rng = np.random.default_rng(0)
    scores, same, free = rng.random((8, 8)), rng.random((8, 8)) < 0.4, rng.random((8, 8)) < 0.7
    masks = alternatives(scores, same, free, [0, 0])
    counts = (same & free).sum(1)
    for name, mask in masks.items():
        assert mask.sum(1).tolist() == counts.tolist(), name
        assert not (mask & ~free).any(), name
    for row, count in enumerate(counts):
        hardest = np.where(free[row], scores[row], -1).argsort()[::-1][:count]
        assert set(np.flatnonzero(masks["hardest"][row])) == set(hardest)
    other = alternatives(scores, same, free, [0, 1])
    assert (other["random"] != masks["random"]).any()


def test_the_share_is_of_the_false_negatives_alone():
    """Queries 0 and 1 have one intent, documents 0 and 1; the rest of the batch has others."""
    nothing = Side([""] * BATCH, np.zeros((BATCH, 1), np.int64), np.zeros((BATCH, 1), np.float32))
    part = Part(nothing, nothing, positives([[0, 1], [0, 1], *([n] for n in range(2, BATCH))]))
    rows, free = np.arange(BATCH), ~np.eye(BATCH, dtype=bool)
    one, none = np.zeros((2, BATCH, BATCH), bool)
    one[0, [1, 5]] = True  # a false negative and a true one
    assert caught(part, [(rows, rows, free, {"one": one, "none": none})]) == {"one": 0.5, "none": 0.0}
    free[0, 1] = False  # masked by its text already: no false negative
    assert caught(part, [(rows, rows, free, {"one": one})]) == {"one": 0.0}


def test_clusters_that_never_start_mask_nothing():
    assert set(caught(None, []).values()) == {0.0}
