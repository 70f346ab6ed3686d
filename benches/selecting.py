"""Selection by the process that called a cluster, against selection by its tasks, where the candidates lie.

    python benches/selecting.py [--rounds 7] [--queries 100000] [--depth 200]

The candidates of blocks of queries are in the object store, as merges leave them. Times of a round, interleaved: the
way of all candidates to the process that called, which keeps them in any case; its selection of all queries; and a task
for each block that selects where the block lies, and what these give, put together. Outputs are compared first.
"""

import argparse
import statistics
import time

import numpy as np
import ray

import hardmine as hm
from hardmine.distributed.cuts import cut
from hardmine.distributed.spread import joined
from hardmine.pipeline.cached import most_queries

RULES = {
    "top under PercPos": hm.Selection(4, ceiling=hm.PercPos(0.95)),
    "softmax under PercPos": hm.Selection(4, ceiling=hm.PercPos(0.95), draw=hm.Softmax(0.1), seed=1),
}
COLUMNS = ("ids", "scores", "ranks", "queries", "positives", "positive_scores")


@ray.remote(num_cpus=1)
def selected(run, positives, rule, first):
    """The negatives of a block of queries."""
    keys = np.arange(first, first + len(run))
    return hm.select(run, positives.take(keys), rule, query_keys=keys, num_threads=1)


def timed(function):
    begun = time.perf_counter()
    found = function()
    return time.perf_counter() - begun, found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--queries", type=int, default=100_000)
    parser.add_argument("--depth", type=int, default=200)
    given = parser.parse_args()
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    rng = np.random.default_rng(0)
    scores = -np.sort(-rng.random((given.queries, given.depth), dtype=np.float32))
    ids = (rng.integers(10**6, size=(given.queries, 1)) + np.arange(given.depth) * 7919) % 10**6
    run = hm.Candidates.from_padded(ids, scores)
    labels = hm.Positives(np.arange(given.queries + 1), ids[:, 3].copy(), scores[:, 3].copy())
    spans = cut(given.queries, max(1, -(-given.queries // most_queries(given.depth))))
    blocks = [ray.put(run.take(np.arange(*span))) for span in spans]
    positives = ray.put(labels)

    def home():
        return joined([ray.get(block) for block in blocks])

    def by_tasks(rule):
        tasks = [selected.remote(block, positives, rule, span[0]) for block, span in zip(blocks, spans, strict=True)]
        parts = ray.get(tasks)
        columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS}
        columns["queries"] = np.concatenate([part.queries + span[0] for part, span in zip(parts, spans, strict=True)])
        return columns

    found = home()
    for name, rule in RULES.items():
        one, many = hm.select(found, labels, rule, num_threads=2), by_tasks(rule)
        assert all(getattr(one, column).tobytes() == many[column].tobytes() for column in COLUMNS), "outputs differ"
        times = {"way": [], "here": [], "tasks": []}
        for _ in range(given.rounds):
            times["way"].append(timed(home)[0])
            times["here"].append(timed(lambda rule=rule: hm.select(found, labels, rule, num_threads=2))[0])
            times["tasks"].append(timed(lambda rule=rule: by_tasks(rule))[0])
        ratio = statistics.median(a / b for a, b in zip(times["tasks"], times["here"], strict=True))
        way, here, tasks = (statistics.median(seconds) for seconds in times.values())
        print(
            f"{name}: {given.queries:,} queries x {given.depth}: to the process that called {way:.3f} s, selected "
            f"there {here:.3f} s, by tasks in {len(spans)} blocks {tasks:.3f} s (tasks / there {ratio:.2f})"
        )


if __name__ == "__main__":
    main()
