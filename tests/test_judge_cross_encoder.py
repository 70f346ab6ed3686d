"""A cross-encoder with two thresholds as the judge."""

import numpy as np
import pytest

from hardmine.teachers import CrossEncoderJudge
from tests.judge_cases import fixtures

pytest.importorskip("pyarrow")

collection, run, mined = fixtures()


class Scorer:
    name, fingerprint = "lengths", "length of the document, version 1"

    def __init__(self):
        self.pairs = []

    def score_pairs(self, queries, documents, *, progress=False):  # noqa: ARG002
        self.pairs += zip(queries, documents, strict=True)
        return np.float32([float(document) for document in documents])


@pytest.mark.parametrize(
    ("relative", "positive", "documents", "expected"),
    [
        (False, "9", "0.4 0.5 0.6 0.75 0.8", "negative unsure unsure unsure positive"),
        # t stands for p - |p| (1 - t): 5 and 7.5 of 10, and -15 and -12.5 of -10.
        (True, "10", "4.9 5 7.5 7.6", "negative unsure unsure positive"),
        (True, "-10", "-15.1 -15 -12.5 -12.4", "negative unsure unsure positive"),
        (True, "", "-99 0 99", "unsure unsure unsure"),
    ],
)
def test_two_thresholds(relative, positive, documents, expected):
    scorer = Scorer()
    judge = CrossEncoderJudge(scorer, negative_below=0.5, positive_above=0.75, relative=relative)
    documents = documents.split()
    assert judge(["q"] * len(documents), documents, [positive] * len(documents)) == expected.split()
    assert scorer.pairs.count(("q", positive)) <= 1
    assert judge.name == "lengths"
    assert judge.fingerprint == {
        "scorer": Scorer.fingerprint, "negative_below": 0.5, "positive_above": 0.75, "relative": relative
    }  # fmt: skip


def test_a_callable_scores_too_and_bad_scores_are_named():
    judge = CrossEncoderJudge(lambda queries, documents: [0.1, 0.9], negative_below=0.5, positive_above=0.5)  # noqa: ARG005
    assert judge(["q"] * 2, ["a", "b"], ["c"] * 2) == ["negative", "positive"]
    assert judge.fingerprint is None
    for scores, error, message in (
        ([0.5, np.nan], ValueError, "scorer '<lambda>': NaN for item 1, expected a number"),
        ([0.5], ValueError, "scorer '<lambda>': length 1, expected 2"),
        (["a", "b"], TypeError, "scorer '<lambda>': dtype str32, expected floats"),
    ):
        wrong = CrossEncoderJudge(lambda queries, documents, s=scores: s, negative_below=0, positive_above=1)  # noqa: ARG005
        with pytest.raises(error, match=message):
            wrong(["q"] * 2, ["a", "b"], ["c"] * 2)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"negative_below": 0.6, "positive_above": 0.5}, ValueError, "positive_above: 0.5, expected at least neg"),
        ({"negative_below": np.nan, "positive_above": 1}, ValueError, "negative_below: nan, expected a finite number"),
        ({"negative_below": 0, "positive_above": "1"}, TypeError, "positive_above: str '1', expected a number"),
        ({"negative_below": 0, "positive_above": 1, "relative": 1}, TypeError, "relative: int 1, expected True or"),
        ({"scorer": 3, "negative_below": 0, "positive_above": 1}, TypeError, "scorer: int, expected the name"),
    ],
)  # fmt: skip
def test_bad_thresholds(arguments, error, message):
    with pytest.raises(error, match=message):
        CrossEncoderJudge(**{"scorer": Scorer(), **arguments})


def test_a_positive_is_scored_once_in_all_batches():
    scorer = Scorer()
    judge = CrossEncoderJudge(scorer, negative_below=0.5, positive_above=0.75, relative=True)
    first = judge(["q", "q"], ["4", "8"], ["10", "10"])
    second = judge(["q", "r"], ["6", "6"], ["10", "10"])
    assert (first, second) == (["negative", "positive"], ["unsure", "unsure"])
    assert [scorer.pairs.count((query, "10")) for query in "qr"] == [1, 1]
