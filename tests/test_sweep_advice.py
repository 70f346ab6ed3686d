"""Which setting a sweep recommends, and why."""

import numpy as np
import pytest

import hardmine as hm
from hardmine.pipeline.sweeps.advice import mark_frontier, recommend
from tests.sweep_cases import sweep, world_of


@pytest.fixture(scope="module")
def world():
    return world_of()


def row(index, score, rate=None, high=None, short=0.0, rule="naive", kept=10):
    return {
        "index": index, "rule": rule, "kept": kept, "short_share": short, "mean_score": score,
        "false_negative_rate": rate, "false_negative_high": high,
    }  # fmt: skip


LIMITS = {"max_false_negatives": 0.05, "max_short": 0.1}


def test_the_hardest_of_the_safe_is_recommended():
    rows = [row(0, 0.9, 0.04, 0.3), row(1, 0.6, 0.01, 0.05), row(2, 0.7, 0.01, 0.04), row(3, 0.8, 0.0, 0.01, short=0.2)]
    advice = recommend(rows, why_none=None, **LIMITS)
    assert (advice["index"], advice["basis"]) == (2, "estimate")
    assert "1 other leaves more of them short" in advice["why"]
    more = recommend([*rows, row(4, 0.9, short=0.2), row(5, None), row(6, 0.1, kept=0)], why_none=None, **LIMITS)
    assert "2 others leave more of them short" in more["why"]
    assert advice["criterion"] == {**LIMITS, "hardness": "mean_score"}
    assert recommend(rows, why_none=None, max_false_negatives=0.03, max_short=0.2)["index"] == 3
    assert recommend([row(0, 0.5, 0.0, 0.04), row(1, 0.5, 0.0, 0.02)], why_none=None, **LIMITS)["index"] == 1


def test_where_none_is_safe_the_lowest_bound_is_recommended():
    advice = recommend([row(0, 0.9, 0.2, 0.3), row(1, 0.6, 0.1, 0.15)], why_none=None, **LIMITS)
    assert (advice["index"], advice["basis"]) == (1, "lowest upper bound")
    assert "at most 10.0% of the rows short, none is surely below 5.0% false negatives" in advice["why"]
    assert "has a lower one" not in advice["why"]
    short = row(2, 0.8, 0.06, 0.09, short=0.3, rule="perc-pos=0.9")
    advice = recommend([row(0, 0.9, 0.2, 0.3), row(1, 0.6, 0.1, 0.15), short], why_none=None, **LIMITS)
    assert advice["index"] == 1
    assert "perc-pos=0.9 has a lower one (9.0%, estimate 6.0%) but leaves 30.0% short" in advice["why"]


def test_where_the_data_cannot_tell_the_default_is_recommended():
    rows = [row(0, 0.9), row(1, 0.6, rule="perc-pos=0.95 positive-agg=mean")]
    advice = recommend(rows, why_none="cannot tell: few", **LIMITS)
    assert (advice["index"], advice["basis"]) == (1, "default")
    assert "cannot tell: few" in advice["why"]
    assert recommend(rows[:1], why_none="x", **LIMITS)["index"] is None
    assert "is not among those that serve" in recommend(rows[:1], why_none="x", **LIMITS)["why"]


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([], "No setting serves this run"),
        ([row(0, 0.9, 0.0, 0.0, short=0.11)], "Every setting that keeps a negative leaves more than 10.0% of the rows"),
        ([row(0, None, 0.0, 0.0), row(1, 0.5, short=0.5)], "keeps a negative whose score is infinite"),
        ([row(0, None, kept=0, short=1.0)], "No setting keeps a single negative"),
        (
            [row(0, 0.9), row(1, 0.6, rule="perc-pos=0.95", short=0.4)],
            "(NV-Retriever), but it leaves 40.0% of the rows short here, more than the 10.0% that are allowed",
        ),
    ],
)
def test_where_none_is_recommended_it_says_why(rows, why):
    advice = recommend(rows, why_none=None, **LIMITS)
    assert (advice["index"], advice["basis"]) == (None, "none")
    assert why in advice["why"]


def test_infinite_scores_are_said_to_be_infinite(world):
    collection, run, documents = world
    scores = run.scores.copy()
    scores[run.offsets[:-1]] = np.inf
    found = sweep((collection, run.replace(scores=scores), documents), ["naive", "naive range-max=5"])
    assert found.recommended["index"] is None
    assert "a negative whose score is infinite" in found.recommended["why"]
    assert (
        sweep((collection, run.replace(positives=None), None), ["perc-pos=0.9"])
        .recommended["why"]
        .startswith("No setting serves this run")
    )


def test_the_frontier():
    rows = [row(0, 0.9, 0.2), row(1, 0.8, 0.2), row(2, 0.7, 0.1), row(3, 0.7, 0.1), row(4, 0.95), row(5, 0.5, 0.1)]
    mark_frontier(rows)
    assert [each["on_frontier"] for each in rows] == [True, False, True, True, None, False]


def test_too_few_queries_cannot_tell(world):
    found = sweep(world, ["naive", "perc-pos=0.95"], min_queries=1000, max_short=1.0)
    several = sum(len(set(found_groups)) > 1 for found_groups in _groups(world[0]))
    assert found.estimate["why_none"] == (
        f"cannot tell: {several} queries with several positives, expected at least 1000"
    )
    assert found.rows[0]["no_estimate"] == found.estimate["why_none"]
    assert (found.recommended["index"], found.recommended["basis"]) == (1, "default")
    assert found.selection == hm.Selection(3)


def _groups(collection):
    return [collection.document_groups[collection.positives[q]].tolist() for q in range(collection.num_queries)]
