"""The loss of the example that fine-tunes: the teacher's scores against the slow twins, and when they weigh."""

import argparse

import numpy as np
import pytest

import hardmine as hm
from tests.fine_tune_cases import a_world
from tests.models import tiny_bert
from tests.oracle import losses as oracle

pytest.importorskip("sentence_transformers")

import torch

from examples.teacher_scores import TEMPERATURE, WEIGHT, ArmLoss, Taught, weight

ROWS = np.array([[0, 4, 2, 9], [3, 1, 2, 4], [1, 2, 7, 5], [5, 8, 6, 9]])
"""Query, positive, negatives: 2, 4 and 9 come twice, 2 and 4 as a positive of another row too."""
LABELS = hm.Positives.from_lists([[4, 7], [2], [], [1, 5, 8], [], [8]])
"""Query 0 answers 7 too, which is a negative of query 1; query 3 answers 5 and 8."""


@pytest.fixture
def batch():
    """Embeddings of the columns, float64 with gradients, and a teacher."""
    rng = np.random.default_rng(1)
    columns = [torch.tensor(rng.normal(size=(4, 6)), requires_grad=True) for _ in range(4)]
    # A text that comes twice has one embedding: which of its places is looked at is not said.
    with torch.no_grad():
        for document in (2, 4, 9):
            first, *others = [(row, at) for at in (1, 2, 3) for row in range(4) if ROWS[row, at] == document]
            for row, at in others:
                columns[at][row] = columns[first[1]][first[0]]
    sides = (rng.normal(size=(count, 3)).astype(np.float32) for count in (6, 10))
    return columns, Taught("made", *sides, LABELS)


def expected(columns, taught, shown, weight):
    """The loss in loops, of so many columns of documents."""
    ours = [each.detach().numpy() for each in columns]
    every = [(ROWS[row, at], ours[at][row]) for at in range(1, shown + 1) for row in range(4)]
    scores = np.array([[oracle.cosine(ours[0][row], vector) for _, vector in every] for row in range(4)])
    once = dict(every)
    student, teacher, mask = (np.zeros((4, len(once))) for _ in range(3))
    for row in range(4):
        query, positive = ROWS[row, :2]
        for place, (document, vector) in enumerate(once.items()):
            student[row, place] = oracle.cosine(ours[0][row], vector)
            teacher[row, place] = oracle.cosine(taught.queries[query], taught.documents[document])
            mask[row, place] = document in LABELS[query] and document != positive
    assert mask.any()
    divergence = oracle.listwise_kl(student, teacher, t=0.05, teacher_t=TEMPERATURE, mask=mask.astype(bool))
    return oracle.info_nce(scores, t=0.05), oracle.info_nce(scores, t=0.05) + weight * divergence


@pytest.mark.parametrize("mined", [True, False])
def test_the_loss_is_that_of_the_twin(batch, mined):
    columns, taught = batch
    seen = columns if mined else columns[:2]
    plain, both = expected(columns, taught, len(seen) - 1, 2.0)
    model = torch.nn.Identity()
    without = ArmLoss(model, mined=mined).compute_loss_from_embeddings(seen, torch.tensor(ROWS))
    loss = ArmLoss(model, mined=mined, taught=taught, weight=2.0).compute_loss_from_embeddings(seen, torch.tensor(ROWS))
    assert without.item() == pytest.approx(plain, rel=1e-6)
    assert loss.item() == pytest.approx(both, rel=1e-5)
    assert both > plain + 0.1
    loss.backward()
    assert all(bool(each.grad.any()) for each in seen)


def test_an_arm_without_negatives_reads_anchors_and_positives_alone(batch):
    columns, taught = batch
    read = []

    class Model(torch.nn.Module):
        def forward(self, features):
            read.append(features["at"])
            return {"sentence_embedding": columns[features["at"]]}

    features, labels = [{"at": at} for at in range(4)], torch.tensor(ROWS)
    for mined in (False, True):
        loss = ArmLoss(Model(), mined=mined, taught=taught)
        found = loss(features, labels)
        seen = columns if mined else columns[:2]
        assert found.item() == pytest.approx(loss.compute_loss_from_embeddings(seen, labels).item())
    assert sorted(read) == [0, 0, 1, 1, 2, 3]


def test_a_student_that_scores_as_its_teacher_has_nothing_to_learn_from_it(batch):
    _, taught = batch
    queries, documents = (torch.tensor(side) for side in (taught.queries, taught.documents))
    same = [queries[ROWS[:, 0]], *(documents[ROWS[:, at]] for at in (1, 2, 3))]
    plain, both = (
        ArmLoss(torch.nn.Identity(), taught=which).compute_loss_from_embeddings(same, torch.tensor(ROWS))
        for which in (None, taught)
    )
    assert both.item() == pytest.approx(plain.item(), abs=1e-5)


# What a teacher says, and whether it weighs


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return tiny_bert(tmp_path_factory.mktemp("encoder"))


def test_texts_are_embedded_once_and_kept(tmp_path, encoder, monkeypatch):
    collection = hm.Collection.read(a_world(tmp_path / "world"))
    teacher = hm.teachers.load(str(encoder), name="tiny")
    taught = Taught.by(teacher, collection)
    wanted = hm.retrieve(collection, teacher, 5, progress=False)
    found = hm.retrieve(collection, taught.teacher(), 5, progress=False)
    assert (found.ids == wanted.ids).all()
    assert (found.scores == wanted.scores).all()
    assert found.metadata["teacher"] == "tiny"
    queries, documents = np.array([3, 0]), np.array([7, 1, 39])
    scores = taught.scores(queries, documents).numpy()
    pairs = hm.pair_scores(
        taught.queries, taught.documents, np.repeat(queries, 3), np.tile(documents, 2), similarity="cosine"
    )
    assert scores.ravel() == pytest.approx(pairs, abs=1e-6)

    kept = Taught.by(teacher, collection, tmp_path / "cache")

    def refused(*_, **__):
        raise AssertionError("embedded again")

    for name in ("embed_queries", "embed_documents"):
        monkeypatch.setattr(type(teacher), name, refused)
    again = Taught.by(teacher, collection, tmp_path / "cache")
    for one, other in zip(again[1:3], kept[1:3], strict=True):
        assert (one == other).all()
    assert kept.documents == pytest.approx(taught.documents, abs=1e-6)


@pytest.mark.parametrize(
    ("given", "student", "kind", "weighs"),
    [
        (None, "random", "cosine", WEIGHT),
        (None, "minilm", "cosine", 0.0),
        (None, "random", "dot", 0.0),
        (None, "random", "bm25", 0.0),
        (2.0, "minilm", "cosine", 2.0),
        (0.0, "random", "cosine", 0.0),
        (0.0, "random", "bm25", 0.0),
    ],
)
def test_weight(given, student, kind, weighs):
    assert weight(argparse.Namespace(scores=given, student=student, teacher="it"), a_teacher(kind)) == weighs


@pytest.mark.parametrize(("kind", "has"), [("dot", "compares by dot"), ("bm25", "has no embeddings")])
def test_a_teacher_without_scores_that_fit_is_refused(kind, has):
    options = argparse.Namespace(scores=0.5, student="random", teacher="it")
    message = f"--scores 0.5: the teacher it {has}, expected an encoder that compares by cosine, or --scores 0"
    with pytest.raises(ValueError, match=message):
        weight(options, a_teacher(kind))


def a_teacher(kind):
    one = np.ones((1, 2), np.float32)
    return "bm25" if kind == "bm25" else hm.teachers.precomputed(one, one, similarity=kind)
