"""Sparse search against its peers, in turns: the worlds of P-sparse, and real corpora under BM25.

    python benches/sparse_search.py [WORLD ...] [--queries 2000] [--peers NAME ...] [--levels NAME ...] [--rounds 3]

A world is one of P-sparse ("natural", "content", "stop words", "splade"), "docstrings" (functions of the packages that
are installed, each asked for by the first line of its docstring) or a folder in BEIR's layout. Scores are compared with
those of exact peers first. Every round runs every contender once, one after the other; the slow ones answer the first
queries only. Figures are medians over rounds, by the clock and in processor time, and how far the resident memory
of the process rose in the first round, lists of results included. --levels adds hardmine at these levels of instruction
sets, each in a process of its own. --pause stops before the timing until it gets SIGCONT, so that other work can be
stopped for it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import sysconfig
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import test_bench_sparse as bench

import hardmine as hm
from hardmine.formats.docstrings import read_collection

MOST_QUERIES = {"tantivy, 1 thread": 400, "scipy product + topk": 200, "bmp, 1 thread": 200}


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


def serve(pipe: object, world: bench.World, k: int, threads: int) -> None:
    """Search for the first so many queries whenever a number comes; give back seconds of the processor."""
    index = hm.SparseIndex(world.documents, num_threads=threads)
    with suppress(EOFError):  # whoever asks has ended
        while True:
            queries = world.queries.take(np.arange(pipe.recv()))
            started = time.process_time()
            index.search(queries, k, num_threads=threads)
            pipe.send(time.process_time() - started)


class AtLevel:
    """hardmine at a level of instruction sets, which a process chooses once."""

    def __init__(self, level: str, world: bench.World) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        job = (theirs, world._replace(words=None), bench.K, bench.THREADS)
        before = os.environ.get("HARDMINE_ISA")
        os.environ["HARDMINE_ISA"] = level
        try:
            spawn.Process(target=serve, args=job, daemon=True).start()
        finally:
            del os.environ["HARDMINE_ISA"]
            if before is not None:
                os.environ["HARDMINE_ISA"] = before
        theirs.close()
        self(1)  # the index is made now

    def __call__(self, count: int) -> None:
        self._pipe.send(count)
        self.processor = self._pipe.recv()


def resident(which: str) -> int:
    """Bytes of this process in memory: VmRSS, or VmHWM, the most since `timed` began."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(next(line for line in status.splitlines() if line.startswith(which)).split()[1])


def timed(search: object, count: int) -> tuple[float, float, float]:
    """Seconds a query by the clock and of the processor, and by how many bytes the resident memory rose."""
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew
    before, clock, processor = resident("VmRSS"), time.perf_counter(), time.process_time()
    search(count)
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    spent = search.processor if isinstance(search, AtLevel) else processor
    return clock / count, spent / count, resident("VmHWM") - before


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("worlds", nargs="*", default=list(bench.WORLDS))
    parser.add_argument("--queries", type=int, default=2000)
    parser.add_argument("--peers", nargs="*", default=list(bench.PEERS))
    parser.add_argument("--levels", nargs="*", default=[])
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
            if peer in bench.EXACT:
                bench.check(world, peer, search(20))
            if peer in bench.APPROXIMATE:
                found = bench.recall(world, search(min(options.queries, 200)))
                print(f"{peer}: recall {found:.3f} of {options.k}", flush=True)
        some += [(f"hardmine at {level}", AtLevel(level, world)) for level in options.levels]
        prepared.append((world, some))
    if options.pause:
        print("ready", flush=True)
        os.kill(os.getpid(), signal.SIGSTOP)
    for world, some in prepared:
        count = len(world.queries)
        times: dict[str, list[tuple[float, float, float]]] = {peer: [] for peer, _ in some}
        for _ in range(options.rounds):
            for peer, search in some:
                times[peer].append(timed(search, min(count, MOST_QUERIES.get(peer, count))))
        medians = {peer: np.median(np.array(all_)[:, :2], axis=0) for peer, all_ in times.items()}
        print(f"{world.name}, {count:,} queries, k = {options.k}, {options.threads} threads")
        for peer, found in medians.items():
            clock, processor = found * 1e6
            by = " (x{:.2f}, x{:.2f})".format(*(found / medians["hardmine"])) if peer != "hardmine" else ""
            rise = "" if "hardmine at" in peer else f", {times[peer][0][2] / 1e6:.0f} MB"
            print(f"  {peer}: {clock:.0f} us a query, {processor:.0f} us of the processor{rise}{by}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
