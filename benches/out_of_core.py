"""Search a corpus larger than memory, from its file: time and peak memory of a process of its own (P7).

    python benches/out_of_core.py --folder DIR [--documents 1000000 3000000 10000000] [--max-memory 6GB]

The corpus is a float32 .npy file of unit vectors around 500 topics, made once in DIR (15 GB for ten million documents
of 384 dimensions) and memory-mapped. Each size is searched by a child that reports its time, and the peaks of what it
holds itself (anonymous memory) and of all that is resident, pages of the file included, which the system takes back.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap

DIMENSION = 384
PIECE = 100_000


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="where the corpus lies or is made")
    parser.add_argument("--documents", type=int, nargs="*", default=[1_000_000, 3_000_000, 10_000_000])
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--k", type=int, default=100)
    parser.add_argument("--max-memory", default="6GB")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(search(options, options.child)))
        return 0
    make(options.folder, max(options.documents), options.queries)
    print("| documents | seconds | us a document | own memory, peak | resident, peak |")
    print("|---|---|---|---|---|")
    for count in options.documents:
        run = subprocess.run([sys.executable, *sys.argv, "--child", str(count)], check=True, stdout=subprocess.PIPE)
        told = json.loads(run.stdout)
        each = 1e6 * told["seconds"] / count
        sizes = [f"{told[name] / 2**30:.2f} GiB" for name in ("own", "resident")]
        print(f"| {count:,} | {told['seconds']:.1f} | {each:.2f} | {' | '.join(sizes)} |", flush=True)
    return 0


def make(folder: Path, documents: int, queries: int) -> None:
    """Write the corpus and the queries, unless they are there."""
    topics = np.random.default_rng(0).standard_normal((500, DIMENSION), dtype=np.float32)
    for name, count, seed in (("documents", documents, 1), ("queries", queries, 2)):
        path = folder / f"{name}.npy"
        if path.exists() and len(np.load(path, mmap_mode="r")) >= count:
            continue
        rows = open_memmap(path, "w+", np.float32, (count, DIMENSION))
        for start in range(0, count, PIECE):
            stop = min(start + PIECE, count)
            noise = np.random.default_rng([seed, start])
            made = noise.standard_normal((stop - start, DIMENSION), dtype=np.float32)
            made += topics[noise.integers(len(topics), size=stop - start)]
            made /= np.linalg.norm(made, axis=1, keepdims=True)
            rows[start:stop] = made
        rows.flush()


def search(options: argparse.Namespace, documents: int) -> dict[str, float]:
    """Time and memory of one search, in this process."""
    import hardmine as hm

    corpus = np.load(options.folder / "documents.npy", mmap_mode="r")[:documents]
    queries = np.load(options.folder / "queries.npy")[: options.queries]
    hm.search(queries[:1], corpus[:1000], 1)
    own, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            own[0] = max(own[0], anonymous())

    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.perf_counter()
    found = hm.search(queries, corpus, options.k, max_memory=options.max_memory)
    seconds = time.perf_counter() - started
    done.set()
    watcher.join()
    # A few of the answers against every score in float64, so that a wrong run is no figure.
    for query in range(0, len(queries), max(len(queries) // 3, 1)):
        scores = np.concatenate(
            [
                corpus[at : at + PIECE].astype(np.float64) @ queries[query].astype(np.float64)
                for at in range(0, documents, PIECE)
            ]
        ).astype(np.float32)
        best = np.lexsort((np.arange(documents), -scores))[: options.k]
        np.testing.assert_allclose(found[query].scores, scores[best], rtol=0, atol=2e-7)  # another order of adding
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": seconds, "own": own[0], "resident": peak}


def anonymous() -> int:
    """Bytes of this process that are no pages of a file (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    sys.exit(main())
