"""The drop-in's search under a ceiling gives what its deep search and filter give, prints included."""

import contextlib
import io

import numpy as np
import pytest
from datasets import Dataset
from sentence_transformers import util
from sentence_transformers.util import mine_hard_negatives as original

from hardmine.compat.sentence_transformers import admissible, choose, mine_hard_negatives, scores

NUM_DOCUMENTS = 900


class Lookup:
    """Stands for a model: a text is the number of its vector."""

    device = "cpu"
    similarity, similarity_pairwise = staticmethod(util.cos_sim), staticmethod(util.pairwise_cos_sim)

    def __init__(self, queries, documents):
        self._sides = {"q": queries, "d": documents}

    def encode_document(self, texts, **_):
        return np.stack([self._sides[text[0]][int(text[1:])] for text in texts])

    encode_query = encode_document

    def get_embedding_dimension(self):
        return self._sides["d"].shape[1]


def world(seed, *, crowds, ties=True):
    """Rows, a model and a corpus; `crowds` says in turn how many documents lie beside each query."""
    rng = np.random.default_rng(seed)
    documents = rng.standard_normal((NUM_DOCUMENTS, 32)).astype(np.float32)
    documents[30:54:3] = documents[:24:3] + 0.1 * rng.standard_normal((8, 32))  # of every third query a second positive
    if ties:
        documents[200:260] = documents[:60]  # equal scores, other texts
    queries = np.empty((24, 32), np.float32)
    for number in range(len(queries)):
        queries[number] = documents[number] + 0.5 * rng.standard_normal(32)
        above = crowds[number % len(crowds)]
        near = rng.permutation(np.arange(300, NUM_DOCUMENTS))[:above]
        documents[near] = queries[number] + 0.05 * rng.standard_normal((above, 32))
    documents /= np.linalg.norm(documents, axis=1, keepdims=True)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    positives = [(number, number) for number in range(24)] + [(number, number + 30) for number in range(0, 24, 3)]
    rows = Dataset.from_dict({"query": [f"q{q}" for q, _ in positives], "answer": [f"d{d}" for _, d in positives]})
    return rows, Lookup(queries, documents), [f"d{number}" for number in range(NUM_DOCUMENTS)]


def outcome(function, rows, model, corpus, **settings):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
        mined = function(rows, model, corpus=corpus, output_scores=True, **settings)
    return {name: list(mined[name]) for name in mined.column_names}, printed.getvalue()


@pytest.fixture
def depths(monkeypatch):
    """How deep each search went, of how many queries and documents."""
    found, search = [], scores.search

    def recorded(model, embeddings, depth, *arguments, **limits):
        found.append((depth, len(embeddings.queries), len(embeddings.documents)))
        return search(model, embeddings, depth, *arguments, **limits)

    monkeypatch.setattr(scores, "search", recorded)
    return found


FILTERS = [
    {"relative_margin": 0.05}, {"relative_margin": -0.2}, {"relative_margin": 1.5}, {"absolute_margin": 0.1},
    {"absolute_margin": -0.05}, {"max_score": 0.8}, {"max_score": 0.1}, {"max_score": True}, {"max_score": np.nan},
    {"absolute_margin": np.inf},
]  # fmt: skip
WINDOWS = [
    {"num_negatives": 2},
    {"num_negatives": 3, "range_min": 4},
    {"num_negatives": 1, "range_min": 2, "range_max": 9},
]


@pytest.mark.parametrize("crowds", [(0, 3, 7, 60), (60, 40, 0)], ids=str)
@pytest.mark.parametrize("number", range(len(FILTERS)))
def test_as_a_deep_search_and_a_filter(number, crowds, monkeypatch):
    rule, window = FILTERS[number], WINDOWS[number % len(WINDOWS)]
    settings = {**rule, **window, "output_format": ("triplet", "labeled-list")[number % 2]}
    given = world(number, crowds=crowds)
    found = outcome(mine_hard_negatives, *given, **settings)
    with monkeypatch.context() as patch:
        patch.setattr(admissible, "is_enough", lambda *_, **__: False)
        assert outcome(mine_hard_negatives, *given, **settings) == found
    assert found[0]["scores"] or rule in [{"relative_margin": 1.5}, {"max_score": 0.1}, {"absolute_margin": np.inf}]


def test_as_the_original():
    rows, model, corpus = world(1, crowds=(0, 3, 7, 60), ties=False)  # the original breaks them in its own way
    settings = {"relative_margin": 0.05, "num_negatives": 2, "output_format": "n-tuple"}
    (expected, printed), (found, said) = (
        outcome(function, rows, model, corpus, **settings) for function in (original, mine_hard_negatives)
    )
    expected_scores, found_scores = expected.pop("scores"), found.pop("scores")
    assert found == expected
    np.testing.assert_allclose(found_scores, expected_scores, atol=2e-6)
    skipped = [[line for line in each.splitlines() if line.startswith("Skipped")] for each in (printed, said)]
    assert skipped[0] == skipped[1] != []


def test_who_is_searched_how_deep(depths):
    rows, model, corpus = world(0, crowds=(0, 0, 0, 0, 0, 60))
    outcome(mine_hard_negatives, rows, model, corpus, relative_margin=0.05, num_negatives=2)
    pilot, shallow, deep = depths
    assert pilot[1:] == (24, -(-NUM_DOCUMENTS // 16))
    assert shallow == (2, 24, NUM_DOCUMENTS)
    assert deep == (24, 4, NUM_DOCUMENTS)  # ten times two, two positives at most, twice
    depths.clear()
    rows, model, corpus = world(0, crowds=(60,))
    outcome(mine_hard_negatives, rows, model, corpus, relative_margin=0.05, num_negatives=2)
    assert [depth for depth, *_ in depths] == [1, 24]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"min_score": 0.1},
        {"relative_margin": 0.05, "max_score": 0.9},
        {"relative_margin": 0.05, "sampling_strategy": "random"},
        {"relative_margin": 0.05, "include_positives": True},
    ],
    ids=str,
)
def test_what_needs_all_candidates_is_searched_deep_alone(settings, depths):
    rows, model, corpus = world(0, crowds=(0,))
    outcome(mine_hard_negatives, rows, model, corpus, num_negatives=2, **settings)
    assert len(depths) == 1


def test_the_highest_score_that_passes():
    rng = np.random.default_rng(0)
    positive = np.float32([0, -0.0, 1, -1, 1e-45, 3e38, *rng.standard_normal(300)])
    for rule in ("absolute_margin", "relative_margin", "max_score"):
        for value in np.float32([0, 0.05, -0.05, 1, 2, -3, 1e8, 1e-9, 3e38, np.inf, -np.inf, np.nan]):
            highest = admissible._highest_that_passes(rule, value, positive)
            assert not np.isnan(highest).any()
            with np.errstate(all="ignore"):
                assert not choose.fails(rule, value, highest, positive).any()
                above = np.nextafter(highest, np.float32(np.inf))
                assert choose.fails(rule, value, above, positive)[highest < np.inf].all()


def test_a_broken_embedding_is_named():
    rows, model, corpus = world(0, crowds=(0,))
    model._sides["d"][5, 3] = np.nan
    with pytest.raises(ValueError, match=r"model: nan in the embedding of documents\[5\].*'d5'"):
        outcome(mine_hard_negatives, rows, model, corpus, relative_margin=0.05)
