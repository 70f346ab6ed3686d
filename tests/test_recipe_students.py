"""The students' training step and their judge, against what they say of themselves."""

import math

import numpy as np
import pytest
import torch

import hardmine as hm
from examples.recipes import students
from examples.recipes.worlds import Part, Side


class Pieces(torch.nn.Module):
    """Texts of one piece each, a vector of its own for every piece; remembers what it was asked for."""

    def __init__(self, count=64, dimension=16):
        super().__init__()
        self.table = torch.nn.Embedding(count, dimension)
        torch.nn.init.normal_(self.table.weight, generator=torch.Generator().manual_seed(0))
        self.asked = []

    inputs = staticmethod(students.Bag.inputs)

    def forward(self, tokens):
        self.asked.append(tokens[:, 0].tolist())
        return torch.nn.functional.normalize(self.table(tokens[:, 0]), dim=1)


def side(pieces):
    tokens = np.zeros((len(pieces), 4), np.int64)
    tokens[:, 0] = pieces
    rng = np.random.default_rng(1)
    return Side([f"piece {piece}" for piece in pieces], tokens, rng.normal(size=(len(pieces), 5)).astype(np.float32))


# Pieces 40 to 45 are queries, 1 to 20 documents; the last document repeats the third, piece 3.
DOCUMENTS = [*range(1, 21), 3]
LABELS = [[0, 1], [2], [20], [5], [6, 7], [8]]
NEGATIVES = np.array([[1, 10, -1], [20, 11, 12], [-1, -1, -1], [2, 13, 10], [14, 7, 15], [0, 8, 16]])


def part():
    return Part(side(range(40, 46)), side(DOCUMENTS), hm.Positives.from_lists(LABELS))


@pytest.fixture
def seen(monkeypatch):
    """What the losses were given, by name."""
    calls = {"info_nce": [], "listwise_kl": []}

    def spy(name, loss):
        def called(*arguments, **settings):
            calls[name].append((arguments, settings))
            return loss(*arguments, **settings)

        return called

    for name in calls:
        monkeypatch.setattr(hm.losses, name, spy(name, getattr(hm.losses, name)))
    return calls


def step(how, draw=lambda _: NEGATIVES):
    model, given = Pieces(), part()
    students.train(model, given, draw, how, 0)
    queries, documents = model.asked[:2]
    return given, queries, documents


def test_every_query_of_a_batch_sees_all_documents_of_it_once(seen):
    _, queries, documents = step(students.Training(steps=1, batch=6))
    (scores,), settings = seen["info_nce"][0]
    assert sorted(queries) == list(range(40, 46))
    own = settings["positive_columns"].tolist()
    shown = {documents[column] for column in own}
    drawn = {DOCUMENTS[negative] for negative in NEGATIVES[NEGATIVES >= 0]}
    assert sorted(documents) == sorted(shown | drawn)  # as a list: none is there twice, piece 3 neither
    assert scores.shape == (6, len(documents))


def test_labelled_documents_are_no_negatives_and_one_of_them_is_the_positive(seen):
    _, queries, documents = step(students.Training(steps=1, batch=6))
    settings = seen["info_nce"][0][1]
    for row, query in enumerate(queries):
        labelled = {DOCUMENTS[label] for label in LABELS[query - 40]}
        own = int(settings["positive_columns"][row])
        assert documents[own] in labelled
        masked = {documents[column] for column in torch.nonzero(settings["mask"][row])[:, 0].tolist()}
        assert masked == labelled & set(documents) - {documents[own]}
    # Queries 1 and 2 are labelled with the two documents of one text, which are one column.
    rows = [queries.index(query) for query in (41, 42)]
    assert len({int(settings["positive_columns"][row]) for row in rows}) == 1


def test_rows_without_negatives_and_no_draw_leave_the_positives():
    _, _, documents = step(students.Training(steps=1, batch=6), draw=lambda _: np.full((6, 2), -1))
    assert len(documents) == 5  # of six queries, two share one
    _, _, alone = step(students.Training(steps=1, batch=6), draw=None)
    assert alone == documents
    _, _, more = step(students.Training(steps=1, batch=6, random=5), draw=None)
    assert set(more) > set(alone)


def test_negatives_are_drawn_once_for_every_pass():
    drawn = []

    def draw(epoch):
        drawn.append(epoch)
        return NEGATIVES

    students.train(Pieces(), part(), draw, students.Training(steps=7, batch=3), 0)
    assert drawn == [0, 1, 2, 3]


def test_the_teachers_scores_of_the_batch_are_those_of_its_documents(seen):
    given, queries, documents = step(students.Training(steps=1, batch=6, kl=0.5))
    (_, taught), settings = seen["listwise_kl"][0]
    rows = [query - 40 for query in queries]
    columns = [DOCUMENTS.index(document) for document in documents]
    expected = given.queries.vectors[rows] @ given.documents.vectors[columns].T
    np.testing.assert_allclose(taught.numpy(), expected, rtol=1e-5)
    assert settings["mask"] is seen["info_nce"][0][1]["mask"]


def test_documents_above_a_share_of_the_positives_score_are_left_out_of_the_contrast_and_stay_in_the_divergence(seen):
    given, queries, documents = step(students.Training(steps=1, batch=6, kl=0.5, mask=0.5))
    rows = [query - 40 for query in queries]
    columns = [DOCUMENTS.index(document) for document in documents]
    taught = given.queries.vectors[rows] @ given.documents.vectors[columns].T
    (_,), settings = seen["info_nce"][0]
    own = settings["positive_columns"].numpy()
    positive = taught[np.arange(len(rows)), own]
    expected = taught > (positive - 0.5 * np.abs(positive))[:, None]
    expected[np.arange(len(rows)), own] = False
    known = seen["listwise_kl"][0][1]["mask"].numpy()
    assert (settings["mask"].numpy() == (expected | known)).all()
    assert (expected & ~known).any()
    assert not settings["mask"].numpy()[np.arange(len(rows)), own].any()


def test_training_lowers_the_loss_and_finds_the_labels():
    model, given = Pieces(), part()
    before = students.judge(model, given).mean()
    losses = students.train(model, given, None, students.Training(steps=60, batch=6, rate=0.05), 0)
    assert losses[-1] < 0.5 * losses[0]
    assert students.judge(model, given).mean() > before


def test_a_bag_is_a_unit_vector_that_padding_and_order_do_not_change():
    bag = students.Bag(0, dimension=8)
    with torch.no_grad():
        bag.table.weight[7, -1] = 2.0
        short, padded, turned, empty, other = bag(
            torch.tensor([[5, 7, 9, 0, 0], [5, 7, 9, 0, 0], [9, 5, 7, 0, 0], [0, 0, 0, 0, 0], [5, 9, 0, 0, 0]])
        )
        alone = bag(torch.tensor([[5, 7, 9]]))[0]
    torch.testing.assert_close(short, alone)
    torch.testing.assert_close(short, padded)
    torch.testing.assert_close(short, turned)
    assert float(short.norm()) == pytest.approx(1)
    assert not empty.any()
    assert not torch.allclose(short, other, atol=0.1)


def test_ndcg_is_that_of_a_slow_oracle():
    rng = np.random.default_rng(0)
    queries, documents = (rng.normal(size=(count, 6)).astype(np.float32) for count in (9, 40))
    truth = [sorted(rng.choice(40, size, replace=False).tolist()) for size in (1, 2, 3, 9, 10, 11, 25, 1, 4)]
    given = Part(side(range(9)), side(range(40)), hm.Positives.from_lists(truth))
    expected = []
    for query, relevant in zip(queries, truth, strict=True):
        order = np.argsort(-(documents @ query), kind="stable")[:10]
        gained = sum(1 / math.log2(place + 2) for place, document in enumerate(order) if document in relevant)
        expected.append(gained / sum(1 / math.log2(place + 2) for place in range(min(10, len(relevant)))))
    assert len({round(each, 6) for each in expected}) > 5
    np.testing.assert_allclose(students.ndcg(queries, documents, given), expected, rtol=1e-6)
