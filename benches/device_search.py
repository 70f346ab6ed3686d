"""Exact search on a GPU against torch matmul + topk there: 1,000 x 10,000,000 x 768 by default, in a few minutes.

    python benches/device_search.py [--device cuda] [--queries 1000] [--documents 10000000] [--dimension 768] [-k 100]
                                    [--dtype bfloat16] [--host] [--repeat 5]

The embeddings are made on the device and stay there, or on the host with `--host`, in which case only their codes are
on the device. torch takes them in their own dtype and a million documents at a time, so its scores are those of that
dtype and what it returns is not exact: the share of the exact documents that it found is printed. `--device cpu` with
small numbers tries the script out. Nothing is printed as a figure before the result was checked against float64 sums.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

import hardmine as hm
import hardmine._native as _native
from hardmine.plumbing import arrays
from hardmine.plumbing.threads import thread_count
from hardmine.primitives.limits import Limits
from hardmine.primitives.search import device, device_codes, tiles
from hardmine.primitives.search.device_documents import Documents, checked

AT_ONCE = 2**20
"""Documents that torch scores at a time."""
CHECKED = 8
"""Queries whose result is compared with float64 sums of all products."""


def embeddings(topics: torch.Tensor, count: int, dtype: torch.dtype, generator: torch.Generator) -> torch.Tensor:
    """Unit vectors around some thousand topics, as encoders give them."""
    found = torch.empty((count, topics.shape[1]), dtype=dtype, device=topics.device)
    for start in range(0, count, 2**18):
        size = min(2**18, count - start)
        which = torch.randint(len(topics), (size,), generator=generator, device=topics.device)
        noise = torch.randn((size, topics.shape[1]), generator=generator, device=topics.device)
        found[start : start + size] = torch.nn.functional.normalize(topics[which] + noise, dim=1)
    return found


def rows_of(tensor: torch.Tensor, threads: int) -> tiles.Rows:
    """On the host, with their norms."""
    array, kind = arrays.matrix("embeddings", tensor.cpu())
    return tiles.Rows(array, kind, _native.row_norms("queries", (array, kind), threads))


def torch_topk(queries: torch.Tensor, documents: torch.Tensor, k: int) -> torch.Tensor:
    """The peer: products in the dtype of the embeddings, k best of each million, k best of those."""
    scores, ids = [], []
    for start in range(0, len(documents), AT_ONCE):
        part = documents[start : start + AT_ONCE].to(queries.device)
        best = (queries @ part.T).topk(min(k, len(part)), dim=1)
        scores.append(best.values)
        ids.append(best.indices + start)
    best = torch.cat(scores, dim=1).topk(k, dim=1)
    return torch.cat(ids, dim=1).gather(1, best.indices)


def products(left: torch.Tensor, right: list[torch.Tensor], multiply: Callable[..., torch.Tensor]) -> None:
    """Products alone: what the card can do."""
    for part in right:
        multiply(left, part)


def check(found: hm.Candidates, queries: torch.Tensor, documents: torch.Tensor, k: int) -> None:
    """The scores are the k best of float64 sums; their last bit may hang on the order of a sum."""
    wide = queries[:CHECKED].double()
    best = torch.empty((len(wide), 0), dtype=torch.float64, device=queries.device)
    for start in range(0, len(documents), 2**16):
        scores = wide @ documents[start : start + 2**16].to(queries.device).double().T
        best = torch.cat([best, scores], dim=1).topk(min(k, best.shape[1] + scores.shape[1]), dim=1).values
    scores = found.scores[: len(wide) * k].reshape(len(wide), k)
    np.testing.assert_allclose(scores, best.cpu().numpy(), rtol=2e-7, atol=1e-12)


def timed(target: torch.device, repeat: int, call: Callable[[], object]) -> float:
    """Median of the seconds that a call takes, after one that does not count."""
    seconds = []
    for _ in range(repeat + 1):
        started = time.perf_counter()
        call()
        if target.type == "cuda":
            torch.cuda.synchronize(target)
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds[1:]))


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--documents", type=int, default=10_000_000)
    parser.add_argument("--dimension", type=int, default=768)
    parser.add_argument("-k", type=int, default=100)
    parser.add_argument("--dtype", choices=["bfloat16", "float16", "float32"], default="bfloat16")
    parser.add_argument("--host", action="store_true", help="embeddings of documents lie on the host")
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    target, threads, k = checked(options.device), thread_count(None), options.k
    dtype = getattr(torch, options.dtype)
    generator = torch.Generator(target).manual_seed(0)
    topics = torch.randn((2000, options.dimension), generator=generator, device=target)
    queries = embeddings(topics, options.queries, dtype, generator)
    documents = embeddings(topics, options.documents, dtype, generator)
    if options.host:
        documents = documents.cpu()
    name = torch.cuda.get_device_name(target) if target.type == "cuda" else "cpu"
    print(
        f"{name}, torch {torch.__version__}, {options.queries:,} x {options.documents:,} x {options.dimension}, k = {k}"
    )
    print(f"{options.dtype}, documents on the {'host' if options.host else 'device'}, {threads} threads", flush=True)

    rows, limits = rows_of(queries, threads), Limits()
    coded = Documents(rows_of(documents, threads) if options.host else documents, "dot", target, threads, keep=True)

    def search() -> hm.Candidates:
        found = device.scan(rows, coded, k, limits, tiles.DEFAULT_MEMORY, threads)
        return hm.Candidates._from_native(found)

    if target.type == "cuda":
        torch.cuda.reset_peak_memory_stats(target)
        before = torch.cuda.memory_allocated(target)
    started = time.perf_counter()
    found = search()
    first = time.perf_counter() - started
    check(found, queries, documents, k)
    ours = timed(target, options.repeat, search)
    if target.type == "cuda":
        peak = torch.cuda.max_memory_allocated(target) - before
        print(f"device memory beyond the embeddings at its peak: {peak / 1e9:.2f} GB")
    theirs = timed(target, options.repeat, lambda: torch_topk(queries, documents, k))
    ids = torch_topk(queries, documents, k).cpu().numpy()
    exact = found.ids.reshape(len(ids), k)
    recall = np.mean([np.isin(a, b).mean() for a, b in zip(ids, exact, strict=True)])

    left = coded.encode_queries(rows, queries).codes
    pieces = [piece.codes.values.view(-1, left.shape[1]) for piece in coded.pieces()]
    bytes_alone = timed(target, options.repeat, lambda: products(left, pieces, device_codes.product))
    whole = [] if options.host else list(documents.split(AT_ONCE))
    floats_alone = timed(target, options.repeat, lambda: products(queries, whole, lambda a, b: a @ b.T))

    work = 2e-12 * options.queries * options.documents * options.dimension
    lines = [
        ("hardmine, first search (makes the codes)", first),
        ("hardmine", ours),
        (f"torch matmul + topk ({recall:.4f} of the exact documents)", theirs),
        ("int8 products alone", bytes_alone),
        *([] if options.host else [(f"{options.dtype} products alone", floats_alone)]),
    ]
    print(f"\n{'':<58}{'seconds':>9}{'TFLOP/s':>9}{'ratio':>7}")
    for label, seconds in lines:
        print(f"{label:<58}{seconds:>9.4f}{work / seconds:>9.1f}{seconds / ours:>7.2f}")


if __name__ == "__main__":
    main()
