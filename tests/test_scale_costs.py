"""The formulas of a cluster's costs against a cluster that counts what passes through it."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("bm25s")

import hardmine as hm
from hardmine.cli.main import main
from hardmine.distributed.costs import TASK_SECONDS, TOLD, costs
from hardmine.distributed.spread import Spread
from hardmine.nouns.candidates import Candidates
from hardmine.pipeline import cached
from hardmine.pipeline.scorers import DenseScorer
from tests.texts import random_beir


class Counting:
    """Stands in for Ray: does what is asked at once, in this process, and counts bytes."""

    class exceptions:  # noqa: N801 - Ray's name
        RayError = ObjectLostError = RayTaskError = type("Lost", (Exception,), {})

    def __init__(self):
        self.put_bytes, self.gathered, self.tasks, self.largest = 0, 0, 0, 0

    def put(self, value):
        self.put_bytes += value.nbytes
        self.largest = max(self.largest, value.nbytes)
        return value

    def wait(self, tasks, **_):
        return tasks, []

    def get(self, value):
        return value

    def remote(self, function):  # noqa: ARG002 - merges alone come this way
        return self

    def options(self, **_):
        return SimpleNamespace(remote=self.merged)

    def merged(self, k, *runs):
        return self._seen(hm.merge(runs, k=k))

    def _seen(self, value):
        if isinstance(value, Candidates):
            self.gathered += value.ids.nbytes + value.scores.nbytes
        elif isinstance(value, np.ndarray):
            self.gathered += value.nbytes
        return value


class CountingCluster:
    """As `cluster.Cluster`, of one task at a time."""

    threads, asked = 1, {"CPU": 1.0}

    def __init__(self):
        self.ray = Counting()

    def slots(self):
        return 1

    def object_memory(self):
        return 2**40

    def remote(self, function, **_):
        def start(*arguments):
            self.ray.tasks += 1
            self.ray.gathered += 0 if (reached := arguments[0]) is None else reached.nbytes
            return map(self.ray._seen, function(*arguments))

        return SimpleNamespace(remote=start)


def arrays(num_documents, num_queries=60, dimension=16):
    rng = np.random.default_rng(0)
    queries, documents = (rng.standard_normal((n, dimension), dtype=np.float32) for n in (num_queries, num_documents))
    labels = hm.Positives(np.arange(num_queries + 1), np.arange(num_queries) % num_documents)
    collection = hm.Collection.from_ids(range(num_queries), range(num_documents), labels)
    return collection, hm.teachers.precomputed(queries, documents, similarity="dot")


@pytest.mark.parametrize("num_shards", [1, 2, 4, 8, 17])
@pytest.mark.parametrize("block", [13, 1_000])
@pytest.mark.parametrize("k", [5, 40])
def test_what_passes_is_what_the_formulas_say(num_shards, block, k, monkeypatch):
    """Within 25 %, at a fixed size of a shard (of 30 documents: at k=40 a shard gives all that it has)."""
    monkeypatch.setattr(cached, "FEWEST_QUERIES", block)
    monkeypatch.setattr(cached, "SHARD_BYTES", 0)
    collection, teacher = arrays(30 * num_shards)
    found = costs(hm.plan(collection, teacher, k), num_shards, nodes=1)
    cluster = CountingCluster()
    scorer = DenseScorer(collection, teacher, max_memory=None, num_threads=1, progress=False, kept=None)
    nothing = np.zeros(collection.num_queries + 1, np.int64), np.zeros(0, np.int64)
    spread = Spread(scorer, cluster, num_shards, None, progress=False)
    run = spread.scan(k, ceiling=None, exclude=nothing)
    whole = scorer.scan(k, ceiling=None, exclude=nothing)
    assert run.ids.tobytes() == whole.ids.tobytes()
    assert cluster.ray.tasks == found.num_tasks
    assert cluster.ray.put_bytes == pytest.approx(scorer.documents.nbytes + scorer.queries.nbytes)
    assert found.shard == pytest.approx(30 * 16 * 4, rel=0.01)
    assert found.gathered == pytest.approx(cluster.ray.gathered, rel=0.25)
    assert found.caller == pytest.approx(run.ids.nbytes + run.scores.nbytes, rel=0.25)


def test_costs_scale_as_they_should():
    collection, teacher = arrays(4_000)
    plan = hm.plan(collection, teacher, 10)
    one, four = costs(plan, 8), costs(plan, 8, tasks=4, nodes=4)
    assert one.sent == one.seconds_sending == 0
    # One block of queries: every shard goes to one node, the queries go to all.
    assert four.sent == pytest.approx(4_000 * 64 + 3 * 60 * 64, rel=0.01)
    # Of one task at a time all shards but the first are told what is reached; of four the first four are not.
    told, untold = 1 + 7 * TOLD, 4 + 4 * TOLD
    work = 60 * 500 / plan.pairs_per_second
    assert one.seconds_searching == pytest.approx(told * work + 8 * TASK_SECONDS)
    assert four.seconds_searching == pytest.approx(untold * work / 4 + 2 * TASK_SECONDS)
    assert costs(plan, 16).shard == pytest.approx(one.shard / 2, rel=0.01)
    assert costs(plan, 16).task <= one.task
    with pytest.raises(ValueError, match="num_shards: 0, expected at least 1"):
        costs(plan, 0)


@pytest.mark.parametrize("teacher", ["bm25", "precomputed"])
def test_the_command_prints_the_costs_of_the_users_data(teacher, tmp_path, capsys):
    folder = random_beir(tmp_path / "collection")
    name = teacher
    if teacher == "precomputed":
        for side, rows in (("queries", 40), ("documents", 200)):
            np.save(tmp_path / f"{side}.npy", np.ones((rows, 8), np.float32))
        name = f"precomputed:{tmp_path / 'queries.npy'},{tmp_path / 'documents.npy'}"
    words = ["plan", str(folder), "--teacher", name, "-k", "10"]
    assert main([*words, "--shards", "4", "--tasks", "2", "--nodes", "2"]) == 0
    text = capsys.readouterr().out
    assert "on a cluster" in text
    assert "of 4; 4 tasks, 2 at a time" in text
    assert main([*words, "--shards", "4", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["cluster"]["num_shards"] == 4
    assert found["cluster"]["shard"] > 0
    assert main([*words, "--shards", "0"]) == 2
