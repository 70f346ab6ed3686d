"""The batches that triplets are mined in."""

import numpy as np
import pytest

from examples.recipes import triplets
from examples.recipes.worlds import Part, Side, positives

INTENTS, ASKED, TOLD = 5, 3, 6


def test_a_batch_has_as_many_texts_of_each_of_its_intents():
    """Queries n and documents n are of intent n % INTENTS."""
    sides = (
        Side([str(n) for n in range(count)], np.ones((count, 4), np.int64), np.zeros((count, 2)))
        for count in (INTENTS * ASKED, INTENTS * TOLD)
    )
    queries = np.arange(INTENTS * ASKED) % INTENTS
    part = Part(*sides, positives([np.arange(intent, INTENTS * TOLD, INTENTS) for intent in queries]), clusters=queries)
    rows, labels = triplets.batch(part, 3, np.random.default_rng(0))
    assert np.array_equal(rows % INTENTS, labels)
    assert np.unique(rows).size == 3 * triplets.TEXTS
    assert set(np.bincount(labels)) <= {0, triplets.TEXTS}


def test_the_share_of_runs_with_an_alarm():
    sounded = np.asarray([True, False, True, True])
    assert triplets.share(sounded, np.asarray([True, True, True, False])) == pytest.approx(2 / 3)
    assert triplets.share(sounded, np.zeros(4, bool)) == 0
