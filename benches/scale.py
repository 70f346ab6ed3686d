"""A search on a cluster of this machine against one process, and against the formulas of `docs/scale.md`.

    python benches/scale.py [--rounds 5] [--queries 10000] [--documents 400000]

Prints three tables: Ray at four shards over one process, which searches all documents at once, or the same shards one
after the other, told what those before them reach or not; the time of 1, 2, 4 and 8 shards of a fixed size against what
the formulas say from the rates of this machine; and the memory of every process. Outputs are compared first. Rounds are
interleaved, medians are shown; starting Ray is not counted.
"""

import argparse
import dataclasses
import os
import statistics
import threading
import time
from pathlib import Path

import numpy as np
import ray

import hardmine as hm
from hardmine.distributed import costs as formulas
from hardmine.distributed.bounds import Bounds, heads
from hardmine.distributed.costs import costs
from hardmine.distributed.cuts import cut, within
from hardmine.primitives.search.index import search_reaching

DIMENSION, K = 384, 100
TASK = {"num_cpus": 2}
MEMORY = "256MB"


def case(num_queries, num_documents):
    """A collection of ids and random embeddings."""
    rng = np.random.default_rng(0)
    rows = [rng.standard_normal((count, DIMENSION), dtype=np.float32) for count in (num_queries, num_documents)]
    labels = hm.Positives(np.arange(num_queries + 1), np.arange(num_queries))
    collection = hm.Collection.from_ids(range(num_queries), range(num_documents), labels)
    return collection, hm.teachers.precomputed(*rows, similarity="dot")


def timed(function):
    begun = time.perf_counter()
    found = function()
    return time.perf_counter() - begun, found


def near(given, num_shards=None):
    if num_shards is None:
        return hm.retrieve(*given, K, max_memory=MEMORY, num_threads=2, progress=False)
    return hm.distributed.retrieve(
        *given, K, max_memory=MEMORY, num_threads=2, num_shards=num_shards, resources=TASK, progress=False
    )


def in_parts(given, *, told):
    """The same four shards, searched by this process one after the other, and merged: no Ray."""
    queries, documents = given[1].embed_queries(given[0].query_ids), given[1].embed_documents(given[0].document_ids)
    labels = given[0].positives
    runs, bounds = [], Bounds()
    for start, stop in cut(len(documents), 4):
        exclude = within((labels.offsets, labels.ids), start, stop)
        about = {"exclude": exclude, "max_memory": MEMORY, "num_threads": 2}
        reached = bounds.reached() if told else None
        runs.append(search_reaching(queries, documents[start:stop], K, reached, **about))
        bounds.add(heads(runs[-1], K))
    return hm.merge(runs, document_offsets=[start for start, _ in cut(len(documents), 4)])


def same(one, other):
    return one.ids.tobytes() == other.ids.tobytes() and one.scores.tobytes() == other.scores.tobytes()


def overhead(rounds, num_queries, num_documents):
    given = case(num_queries, num_documents)
    runs = {
        "one process": lambda: near(given),
        "one process, 4 shards": lambda: in_parts(given, told=False),
        "the same, told": lambda: in_parts(given, told=True),
        "Ray, 1 shard": lambda: near(given, 1),
        "Ray, 4 shards": lambda: near(given, 4),
    }
    results = [run() for run in runs.values()]
    assert all(same(found, results[0]) for found in results), "outputs differ"
    times = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            times[name].append(timed(run)[0])
    print(
        f"{num_queries:,} queries x {num_documents:,} documents x {DIMENSION}, k = {K}; over one process that searches"
    )
    print(f"  {'':<24}{'median':>10}{'all at once':>14}{'4 shards':>12}")
    for name, found in times.items():
        ratios = [
            statistics.median(a / b for a, b in zip(found, times[base], strict=True))
            for base in ("one process", "one process, 4 shards")
        ]
        print(f"  {name:<24}{statistics.median(found):8.2f} s{ratios[0]:14.2f}{ratios[1]:12.2f}")


def scaling(rounds, num_queries, size):
    """Shards of a fixed size; the search's rate is that of the same shard searched by one process in the same round."""
    print(f"\nshards of {size:,} documents: seconds measured, and by the formulas")
    cases = {shards: case(num_queries, shards * size) for shards in (1, 2, 4, 8)}
    found = {shards: [] for shards in cases}
    wanted = {shards: [] for shards in cases}
    plans = {shards: hm.plan(*given, K, max_memory=MEMORY, num_threads=2) for shards, given in cases.items()}
    for _ in range(rounds):
        seconds, _ = timed(lambda: near(cases[1]))
        constants()
        for shards, given in cases.items():
            found[shards].append(timed(lambda shards=shards, given=given: near(given, shards))[0])
            plan = dataclasses.replace(plans[shards], pairs_per_second=num_queries * size / seconds)
            said = costs(plan, shards, max_memory=MEMORY, num_threads=2)
            wanted[shards].append(said.seconds)
    for shards in cases:
        ratio = statistics.median(a / b for a, b in zip(found[shards], wanted[shards], strict=True))
        print(
            f"  {shards} shards {statistics.median(found[shards]):8.2f} s {statistics.median(wanted[shards]):8.2f} s"
            f"   measured / formula {ratio:5.2f}"
        )


def constants():
    """Rates of this machine at this moment, in the place of those of the page."""
    block = np.ones((25_000, DIMENSION), np.float32)
    seconds, reference = timed(lambda: ray.put(block))
    del reference
    formulas.PUT_BYTES = block.nbytes / seconds
    run = hm.Candidates.from_padded(np.tile(np.arange(K), (2_000, 1)), np.zeros((2_000, K), np.float32))
    runs = [run.replace(ids=run.ids + K * number) for number in range(4)]
    seconds, _ = timed(lambda: hm.merge(runs, num_threads=1))
    formulas.MERGED_CANDIDATES = 4 * run.ids.size / seconds


class Memory(threading.Thread):
    """The most private memory that the driver, and a process of a task, holds while something runs."""

    def __init__(self):
        super().__init__(daemon=True)
        self.ended, self.most = threading.Event(), {}

    def run(self):
        while not self.ended.wait(0.03):
            for place in Path("/proc").iterdir():
                if place.name.isdecimal():
                    self._look(place)

    def _look(self, place):
        try:
            name = (place / "cmdline").read_bytes().split(b"\0")[0].decode()
            if not name.startswith("ray::") and int(place.name) != self.driver:
                return
            lines = (place / "smaps_rollup").read_text().splitlines()
        except (OSError, ValueError):
            return
        size = 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Anonymous:"))
        key = (int(place.name), "driver" if int(place.name) == self.driver else name.split("(")[0])
        low, high = self.most.get(key, (size, 0))
        self.most[key] = min(low, size), max(high, size)

    def of(self, function):
        self.driver = os.getpid()
        self.start()
        function()
        self.ended.set()
        self.join()
        return self.most


def memory(num_queries, num_documents):
    given = case(num_queries, num_documents)
    near(given, 4)
    said = costs(hm.plan(*given, K, max_memory=MEMORY, num_threads=2), 4, max_memory=MEMORY, num_threads=2)
    print(f"\nprivate memory while 4 shards of {num_documents // 4:,} documents are searched, and what it grew by;")
    print(f"formulas: task {mb(said.task)} beyond libraries, caller {mb(said.caller)} beyond embeddings")
    for (number, name), (low, high) in sorted(Memory().of(lambda: near(given, 4)).items()):
        print(f"  {name:<24}{number:>8}{mb(high):>10}{mb(high - low):>10}")


def mb(size):
    return f"{size / 1e6:.0f} MB"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=("overhead", "scaling", "memory"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--documents", type=int, default=400_000)
    options = parser.parse_args()
    begun = time.perf_counter()
    ray.init(
        "local",
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=8_000_000_000,  # what spills to the disk is another measurement
        log_to_driver=False,
        logging_level="ERROR",
    )
    print(f"Ray started in {time.perf_counter() - begun:.1f} s\n")
    if options.only in (None, "overhead"):
        overhead(options.rounds, options.queries, options.documents)
    if options.only in (None, "scaling"):
        scaling(options.rounds, options.queries, options.documents // 8)
    if options.only in (None, "memory"):
        memory(options.queries, options.documents)
    ray.shutdown()


if __name__ == "__main__":
    main()
