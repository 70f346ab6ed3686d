"""Sparse search against its peers, in turns: the worlds of P-sparse, and real corpora under BM25.

    python benches/sparse_search.py [WORLD ...] [--queries 2000] [--peers NAME ...] [--rounds 3] [--pause]

A world is one of P-sparse ("natural", "content", "stop words", "splade"), "docstrings" (functions of the packages that
are installed, each asked for by the first line of its docstring) or a folder in BEIR's layout. Scores are compared with
those of exact peers first. Every round runs every contender once, one after the other; the slow ones answer the first
queries only. Figures are medians over rounds, by the clock and in processor time. --pause stops before the timing until
it gets SIGCONT, so that other work can be stopped for it.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import test_bench_sparse as bench

import hardmine as hm
from hardmine.formats.docstrings import read_collection

EXACT = ("bm25s numba", "scipy product + topk")
MOST_QUERIES = {"tantivy, 1 thread": 400, "scipy product + topk": 200}


def world_of(name: str) -> bench.World:
    """The world of a name or folder."""
    if name in bench.WORLDS:
        return bench.WORLDS[name]()
    folder = sysconfig.get_path("purelib")
    collection = read_collection(Path(folder)) if name == "docstrings" else hm.Collection.read(name)
    queries, documents = collection.query_texts.to_pylist(), collection.document_texts.to_pylist()
    teacher, words = hm.teachers.load("bm25"), {}
    numbers = [[words.setdefault(word, len(words)) for word in teacher.words(text)] for text in documents]
    asked = [[words[word] for word in teacher.words(text) if word in words] for text in queries]
    asked = [row for row in asked if row][: bench.NUM_QUERIES]
    label = f"{Path(name).name}: {len(documents):,} documents, {np.mean([len(row) for row in asked]):.0f} words a query"
    return bench.weighed(label, numbers, asked, len(words))


def contenders(world: bench.World, names: list[str]) -> Iterator[tuple[str, object]]:
    """Name and search of every contender that is installed and can serve the world."""
    for name in names:
        try:
            yield name, bench.PEERS[name](world)
        except BaseException as problem:  # what pytest skips by is no Exception
            if type(problem).__name__ != "Skipped":
                raise
            print(f"{name}: {problem}", flush=True)


def timed(search: object, count: int) -> tuple[float, float]:
    """Seconds a query: by the clock, of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    search(count)
    return (time.perf_counter() - clock) / count, (time.process_time() - processor) / count


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("worlds", nargs="*", default=list(bench.WORLDS))
    parser.add_argument("--queries", type=int, default=2000)
    parser.add_argument("--peers", nargs="*", default=list(bench.PEERS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--k", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pause", action="store_true")
    options = parser.parse_args()
    bench.NUM_QUERIES, bench.K, bench.THREADS = options.queries, options.k, options.threads
    prepared = []
    for name in options.worlds:
        world = world_of(name)
        started = time.process_time()
        index = hm.SparseIndex(world.documents, num_threads=options.threads)
        size = f"{index.nbytes / 1e6:.0f} MB for {world.documents.terms.size:,} weights"
        print(f"{world.name}: index in {time.process_time() - started:.2f} s of the processor, {size}", flush=True)
        del index
        some = list(contenders(world, options.peers))
        for peer, search in some:
            if peer in EXACT:
                bench.check(world, peer, search(20))
        prepared.append((world, some))
    if options.pause:
        print("ready", flush=True)
        os.kill(os.getpid(), signal.SIGSTOP)
    for world, some in prepared:
        count = len(world.queries)
        times: dict[str, list[tuple[float, float]]] = {peer: [] for peer, _ in some}
        for _ in range(options.rounds):
            for peer, search in some:
                times[peer].append(timed(search, min(count, MOST_QUERIES.get(peer, count))))
        medians = {
            peer: np.array([statistics.median(side) for side in zip(*all_, strict=True)])
            for peer, all_ in times.items()
        }
        ours = medians["hardmine"]
        print(f"{world.name}, {count:,} queries, k = {options.k}, {options.threads} threads")
        for peer, found in medians.items():
            clock, processor = found * 1e6
            by = " (x{:.2f}, x{:.2f})".format(*(found / ours)) if peer != "hardmine" else ""
            print(f"  {peer}: {clock:.0f} us a query, {processor:.0f} us of the processor{by}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
