"""Search over embeddings that are given, and over made ones with outlier dimensions: time against faiss, and survivors.

    python benches/embedded.py [NAME=QUERIES.npy,DOCUMENTS.npy ...] [--k 100] [--rounds 3]

Survivors are the documents that products of codes could not discard, per query and document wanted; rescored are those
whose score was computed in float64. Both of the first scan; few queries need a second one.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

import hardmine as hm
from hardmine.primitives.search import codes

Float32 = npt.NDArray[np.float32]


class Counting:
    """A scan whose counts are kept when it ends."""

    native = codes._native
    totals = np.zeros(2, np.int64)
    bytes_per_query = native.SearchScan.bytes_per_query
    settling_bytes = native.SearchScan.settling_bytes

    def __init__(self, *arguments: Any) -> None:
        self.scan = Counting.native.SearchScan(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.scan, name)

    def adopt(self, queries: npt.NDArray[np.int64], other: Counting) -> None:
        """Count before the second scan's states take the place of the first's."""
        Counting.totals += self.scan.counts()
        self.scan.adopt(queries, other.scan)
        Counting.totals -= self.scan.counts()

    def finish(self, *arguments: Any) -> Any:
        """Count, and end."""
        Counting.totals += self.scan.counts()
        return self.scan.finish(*arguments)


class Module:
    """The native module with another scan."""

    SearchScan = Counting

    def __getattr__(self, name: str) -> Any:
        return getattr(Counting.native, name)


def outlier_dimensions(count: int, seed: int) -> Float32:
    """Rows as large language models make them: a few dimensions outweigh all others, and all rows point one way."""
    shape = np.random.default_rng(0)
    topics = shape.standard_normal((500, 1024), dtype=np.float32)
    mean = shape.standard_normal(1024, dtype=np.float32)
    scale = np.ones(1024, np.float32)
    scale[shape.choice(1024, 6, replace=False)] = 25
    noise = np.random.default_rng([1, seed])
    rows = topics[noise.integers(500, size=count)] + noise.standard_normal((count, 1024), dtype=np.float32)
    rows = (rows + 2 * mean) * scale
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="*", metavar="NAME=QUERIES.npy,DOCUMENTS.npy")
    parser.add_argument("--k", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print("| embeddings | queries x documents x dimension | hardmine | faiss | ratio | survivors / k | rescored / k |")
    print("|---|---|---|---|---|---|---|")
    for text in options.sets:
        name, _, files = text.partition("=")
        queries, documents = (np.load(path) for path in files.split(","))
        report(name, queries, documents, options)
    report("made, outlier dimensions", outlier_dimensions(2_000, 1), outlier_dimensions(50_000, 2), options)
    return 0


def report(name: str, queries: Float32, documents: Float32, options: argparse.Namespace) -> None:
    """One row of the table."""
    k = options.k

    def ours() -> Any:
        return hm.search(queries, documents, k)

    def theirs() -> Any:
        index = faiss.IndexFlatIP(documents.shape[1])
        index.add(documents)
        return index.search(queries, k)

    found, (scores, _) = ours(), theirs()
    np.testing.assert_allclose(found.scores.reshape(scores.shape), scores, rtol=0, atol=1e-5)
    runs: dict[Callable[[], Any], list[float]] = {ours: [], theirs: []}
    for _ in range(options.rounds):
        for run, seconds in runs.items():
            started = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - started)
    mine, peer = (statistics.median(seconds) for seconds in runs.values())
    survivors, rescored = counted(ours) / (len(queries) * k)
    size = f"{len(queries):,} x {len(documents):,} x {documents.shape[1]}"
    print(
        f"| {name} | {size} | {1e3 * mine:.0f} ms | {1e3 * peer:.0f} ms | {peer / mine:.1f}x "
        f"| {survivors:.2f} | {rescored:.2f} |",
        flush=True,
    )


def counted(run: Callable[[], Any]) -> npt.NDArray[np.int64]:
    """Documents that survived and that were rescored in a call."""
    codes._native = Module()  # type: ignore[assignment]
    Counting.totals[:] = 0
    try:
        run()
    finally:
        codes._native = Counting.native
    return Counting.totals.copy()


if __name__ == "__main__":
    sys.exit(main())
