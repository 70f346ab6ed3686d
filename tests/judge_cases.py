"""What the tests of judging judge, and how they look at what came of it."""

import numpy as np
import pytest

import hardmine as hm
from hardmine.pipeline.judge_calls import OUTCOMES
from tests.judges import Counting, verdict
from tests.texts import random_beir

RULE = hm.Selection(6, ceiling=hm.NoCeiling())


def collection_of(folder):
    """Texts some of which occur twice."""
    return hm.Collection.read(random_beir(folder / "c", num_queries=25, num_documents=80))


def run_of(collection):
    """Candidates with positives and copies of them in the lists, anchor scores, and texts that occur twice."""
    rng = np.random.default_rng(0)
    queries = rng.standard_normal((collection.num_queries, 4), dtype=np.float32)
    documents = rng.standard_normal((collection.num_documents, 4), dtype=np.float32)
    teacher = hm.teachers.precomputed(queries, documents, similarity="dot")
    return hm.retrieve(collection, teacher, k=30, exclude_positives=False, anchors=True, progress=False)


def fixtures():
    """Fixtures of a module: texts, candidates for them, and what a plain rule mines of these."""

    @pytest.fixture(scope="module")
    def collection(tmp_path_factory):
        return collection_of(tmp_path_factory.mktemp("beir"))

    @pytest.fixture(scope="module")
    def run(collection):
        return run_of(collection)

    @pytest.fixture(scope="module")
    def mined(collection, run):
        return hm.Mined.from_run(collection, run, RULE)

    return collection, run, mined


def judged(collection, given, judge=verdict, **options):
    judge = Counting() if judge is verdict else judge
    return hm.judge(collection, given, judge, **{"progress": False, "sleep": never, **options})


def never(seconds):
    raise AssertionError(f"slept {seconds} s")


def names(found):
    return [OUTCOMES[each] for each in found.outcomes]


def pairs_of(collection, given):
    """(query, document, s, p) of what is given, in loops."""
    lists = given.negatives if isinstance(given, hm.Mined) else given
    found = {}
    for row, document, score in zip(lists.row_of_each, lists.ids, lists.scores, strict=True):
        query = int(lists.queries[row]) if isinstance(lists, hm.Negatives) else int(row)
        found.setdefault((query, int(document)), float(score))
    labels = given.positives if isinstance(given, (hm.Mined, hm.Candidates)) else None
    p = []
    for query, _ in found:
        span = slice(*collection.positives.offsets[query : query + 2])
        p.append(max(labels.scores[span], default=np.nan) if labels is not None else np.nan)
        if labels is None:
            rows = lists.queries.tolist()
            p[-1] = lists.positive_scores[rows.index(query)]
    return [(*pair, s, float(own)) for (pair, s), own in zip(found.items(), p, strict=True)]


def select_args(collection):
    return {"document_groups": collection.document_groups}


def same(one, two):
    assert one.outcomes.tolist() == two.outcomes.tolist()
    assert {**one.to_dict(), "calls": None} == {**two.to_dict(), "calls": None}
    assert one.run.ids.tolist() == two.run.ids.tolist()


def poison(texts, *, error=OSError):
    """Trouble with calls that hold one of these documents."""

    def trouble(number, batch, found):  # noqa: ARG001
        for _, document, _ in batch:
            if document in texts:
                raise error(f"cannot read {document[:8]!r}")
        return found

    return trouble
