"""Bad input of what works beside or inside a training step."""

import numpy as np

import hardmine as hm
from tests.bad_input.table import (
    CASES,
    F32,
    LABELS,
    PLAIN,
    RULE,
    WITH_INF,
    WITH_NAN,
    S,
    case,
    count_cases_of,
    exclusion_cases,
    matrix_cases,
    number_cases,
    thread_cases,
)

SQUARE = np.vstack([S, S[:1]])
case("in_batch_mask", "shape", ValueError, "scores: 1 dimensions", lambda: hm.in_batch_mask(S[0]))
case("in_batch_mask", "shape", ValueError, "scores: 4 rows, 3 columns", lambda: hm.in_batch_mask(S.T))
case("in_batch_mask", "dtype", TypeError, "scores: dtype int64", lambda: hm.in_batch_mask(SQUARE.astype(int)))
case("in_batch_mask", "nan", ValueError, "scores: NaN at row 1", lambda: hm.in_batch_mask(np.vstack([WITH_NAN, S[:1]])))
case(
    "in_batch_mask",
    "kind",
    TypeError,
    "ceiling: float, expected a ceiling",
    lambda: hm.in_batch_mask(SQUARE, ceiling=0.9),
)
case(
    "in_batch_mask",
    "parameter",
    ValueError,
    "ceiling: Anchored needs",
    lambda: hm.in_batch_mask(SQUARE, ceiling=hm.Anchored()),
)


def kept(queries=1, fill=False):
    run = hm.Candidates(np.arange(queries + 1), [0] * queries, [0.5] * queries)
    nobody = hm.Positives([0] * (queries + 1), [])
    shortage = {"on_shortage": "fill"} if fill else {}
    return hm.select(run, nobody, hm.Selection(2, ceiling=hm.NoCeiling(), **shortage), num_documents=9)


count_cases_of("ensemble", "seed", lambda v: hm.ensemble([kept()], seed=v))
count_cases_of("ensemble", "epoch", lambda v: hm.ensemble([kept()], epoch=v))
thread_cases("ensemble", lambda **options: hm.ensemble([kept()], scheme="intra_sample", **options))
case("ensemble", "kind", TypeError, "runs: int, expected a sequence", lambda: hm.ensemble(3))
case("ensemble", "kind", TypeError, r"runs\[0\]: int, expected Negatives", lambda: hm.ensemble([3]))
case("ensemble", "shape", ValueError, "runs: 0 of them", lambda: hm.ensemble([]))
case("ensemble", "shape", ValueError, r"runs\[1\]: other \(query", lambda: hm.ensemble([kept(), kept(2)]))
case("ensemble", "shape", ValueError, "query_keys: 1, but query 1", lambda: hm.ensemble([kept(2)], query_keys=[3]))
case("ensemble", "parameter", ValueError, "scheme: 'x', expected", lambda: hm.ensemble([kept()], scheme="x"))
case("ensemble", "parameter", ValueError, "missing, but the scheme", lambda: hm.ensemble([kept()], scheme="joint"))
for value in (0, -1.0, np.nan):
    case("ensemble", "parameter", ValueError, "temperature: ", lambda v=value: hm.ensemble([kept()], temperature=v))
for value in (0, -1):
    case("ensemble", "count", ValueError, "num_negatives: ", lambda v=value: hm.ensemble([kept()], num_negatives=v))
case(
    "ensemble",
    "parameter",
    ValueError,
    "row 0 has documents that were filled in",
    lambda: hm.ensemble([kept(fill=True)]),
)

matrix_cases("spherical_kmeans", "vectors", lambda vectors: hm.spherical_kmeans(vectors, 1), widest="float32")
for target, least, call in (
    ("spherical_kmeans", 1, lambda **o: hm.spherical_kmeans(S, **{"num_clusters": 2, **o})),
    ("OnlineClusters", 2, lambda **o: hm.OnlineClusters(**{"num_clusters": 2, **o})),
):
    count_cases_of(target, "num_clusters", lambda v, c=call: c(num_clusters=v), minimum=least)
    count_cases_of(target, "seed", lambda v, c=call: c(seed=v))
count_cases_of("spherical_kmeans", "iterations", lambda v: hm.spherical_kmeans(S, 2, iterations=v), minimum=1)
thread_cases("spherical_kmeans", lambda **threads: hm.spherical_kmeans(S, 2, **threads))
case(
    "spherical_kmeans",
    "parameter",
    ValueError,
    "num_clusters: 9, expected at most 3",
    lambda: hm.spherical_kmeans(S, 9),
)
case("spherical_kmeans", "parameter", ValueError, "init: 'best'", lambda: hm.spherical_kmeans(S, 2, init="best"))
case(
    "spherical_kmeans",
    "nan",
    ValueError,
    "vectors: NaN at row 0, column 0",
    lambda: hm.spherical_kmeans(np.full((3, 2), np.nan, np.float32), 2),
)
case(
    "spherical_kmeans",
    "infinite",
    ValueError,
    "vectors: inf at row 0, column 0, expected finite",
    lambda: hm.spherical_kmeans(np.full((3, 2), np.inf, np.float32), 2),
)
case("OnlineClusters", "parameter", ValueError, "num_clusters: 1, expected at least 2", lambda: hm.OnlineClusters(1))
case("OnlineClusters", "parameter", ValueError, "rate: 2, expected at most 1", lambda: hm.OnlineClusters(2, rate=2))
case("OnlineClusters", "parameter", ValueError, "start_cosine: nan", lambda: hm.OnlineClusters(2, start_cosine=np.nan))
case(
    "OnlineClusters",
    "parameter",
    ValueError,
    "clustering has not started",
    lambda: hm.OnlineClusters(2).second_nearest(S),
)
case(
    "OnlineClusters",
    "shape",
    ValueError,
    "batch: 2 samples, expected at least 3",
    lambda: hm.OnlineClusters(3).step(np.eye(2, dtype=np.float32)),
)
case(
    "OnlineClusters",
    "nan",
    ValueError,
    "batch: NaN at row 1",
    lambda: hm.OnlineClusters(2).step(np.diag(F32([1, np.nan]))),
)
case("OnlineClusters", "shape", ValueError, "batch: 1 dimensions", lambda: hm.OnlineClusters(2).step(np.ones(3)))
case(
    "Clusters", "ids", ValueError, "assignments: expected clusters from 0 to 1", lambda: hm.Clusters(np.eye(2), [0, 2])
)
case("Clusters", "dtype", TypeError, "assignments: dtype float64", lambda: hm.Clusters(np.eye(2), [0.5]))
case("Clusters", "shape", ValueError, "centroids: 1 dimensions", lambda: hm.Clusters(np.ones(2), [0]))
case(
    "Clusters",
    "parameter",
    ValueError,
    "second_nearest: 1 cluster",
    lambda: hm.Clusters(np.ones((1, 2)), [0]).second_nearest(S),
)

matrix_cases("triplets", "distances", lambda distances: hm.triplets(distances, [0, 0, 1]))
thread_cases("triplets", lambda **threads: hm.triplets(SQUARE, [0, 0, 1, 1], **threads))
number_cases("triplets", "margin", lambda v: hm.triplets(SQUARE, [0, 0, 1, 1], margin=v), least="at least 0")
case("triplets", "shape", ValueError, r"distances: shape \(3, 4\)", lambda: hm.triplets(S, [0, 0, 1]))
case("triplets", "shape", ValueError, "labels: length 2, expected 4", lambda: hm.triplets(SQUARE, [0, 1]))
case("triplets", "shape", ValueError, r"labels: shape \(2,\), expected \(4,\)", lambda: hm.triplets(SQUARE, ["a", "b"]))
case("triplets", "dtype", TypeError, "labels: dtype float64", lambda: hm.triplets(SQUARE, [0.0, 1.0, 1.0, 2.0]))
case("triplets", "ids", ValueError, "labels: -2, expected at least -1", lambda: hm.triplets(SQUARE, [0, -2, 1, 1]))
case("triplets", "parameter", ValueError, "kind: 'semi'", lambda: hm.triplets(SQUARE, [0, 0, 1, 1], kind="semi"))
case("triplets", "parameter", ValueError, "nan: 'keep'", lambda: hm.triplets(SQUARE, [0, 0, 1, 1], nan="keep"))
case(
    "triplets",
    "nan",
    ValueError,
    "distances: NaN at row 0, column 1",
    lambda: hm.triplets(np.full((3, 3), np.nan, np.float32), [0, 0, 1]),
)


def bank(vectors=2):
    found = hm.MemoryBank(4, 4)
    found.push(S[:vectors], np.arange(vectors))
    return found


matrix_cases("MemoryBank", "vectors", lambda vectors: hm.MemoryBank(4, 4).push(vectors), widest="float32")
matrix_cases("MemoryBank", "queries", lambda queries: bank().hardest(queries, 1), widest="float32")
count_cases_of("MemoryBank", "size", lambda v: hm.MemoryBank(v, 4), minimum=1)
count_cases_of("MemoryBank", "h", lambda v: hm.MemoryBank(4, v), minimum=1)
count_cases_of("MemoryBank", "k", lambda v: bank().hardest(S, v))
thread_cases("MemoryBank", lambda **threads: bank().hardest(S, 1, **threads))
case("MemoryBank", "parameter", ValueError, "similarity: 'l2'", lambda: hm.MemoryBank(4, 4, similarity="l2"))
case("MemoryBank", "parameter", ValueError, "the bank is empty", lambda: hm.MemoryBank(4, 4).hardest(S, 1))
case("MemoryBank", "shape", ValueError, "vectors: dimension 4, expected 3", lambda: hm.MemoryBank(4, 3).push(S))
case("MemoryBank", "shape", ValueError, "keys: length 2, expected 3", lambda: bank().push(S, [1, 2]))
case("MemoryBank", "dtype", TypeError, "keys: strings, expected integers", lambda: bank().push(S, ["a", "b", "c"]))
case("MemoryBank", "ids", ValueError, "keys: -2, expected at least -1", lambda: bank().push(S, [1, -2, 3]))
case("MemoryBank", "nan", ValueError, "vectors: NaN at row 1, column 2", lambda: bank().push(WITH_NAN))
case(
    "MemoryBank",
    "infinite",
    ValueError,
    "vectors: inf at row 0, column 0",
    lambda: bank().push(np.full((1, 4), np.inf, np.float32)),
)
case("MemoryBank", "kind", ValueError, "state: no 'keys'", lambda: bank().load_state_dict({}))


def miner(selection=PLAIN, documents=S, **options):
    return hm.DynamicMiner(documents, LABELS, selection, **options)


matrix_cases("DynamicMiner", "documents", lambda documents: miner(documents=documents), widest="float32")
matrix_cases("DynamicMiner", "documents", lambda documents: miner().refresh(documents), widest="float32")
for call in (
    lambda vectors, ids=(0, 1, 2): miner().lists(vectors, ids),
    lambda vectors, ids=(0, 1, 2): miner().negatives(vectors, ids),
    lambda vectors, ids=(0, 1, 2): miner().dns(vectors, ids, num_samples=1),
):
    matrix_cases("DynamicMiner", "query_vectors", call, widest="float32")
    wanted = "query_vectors: dimension 3, expected 4"
    case("DynamicMiner", "shape", ValueError, wanted, lambda c=call: c(S[:, :3]))
    case("DynamicMiner", "shape", ValueError, "query_ids: length 2, expected 3", lambda c=call: c(S, [0, 1]))
    case("DynamicMiner", "shape", ValueError, "query_ids: 2 dimensions", lambda c=call: c(S, [[0, 1, 2]]))
    case("DynamicMiner", "dtype", TypeError, "query_ids: dtype float64", lambda c=call: c(S, [0.0, 1.0, 2.0]))
    case(
        "DynamicMiner", "ids", ValueError, "query_ids: 3 at position 1, expected 0 to 2", lambda c=call: c(S, [0, 3, 1])
    )
    case("DynamicMiner", "ids", ValueError, "query_ids: -1 at position 0, expected 0", lambda c=call: c(S, [-1, 0, 1]))
    case("DynamicMiner", "nan", ValueError, "query_vectors: NaN at row 1, column 2", lambda c=call: c(WITH_NAN))
    case("DynamicMiner", "infinite", ValueError, "query_vectors: inf at row 1, column 2", lambda c=call: c(WITH_INF))
count_cases_of("DynamicMiner", "k", lambda v: miner(k=v), minimum=1)
count_cases_of("DynamicMiner", "seed", lambda v: miner(seed=v))
count_cases_of("DynamicMiner", "refresh_every", lambda v: miner(refresh_every=1.5 if v is None else v), minimum=1)
CASES[:] = [c for c in CASES if "refresh_every: NoneType" not in c.pattern]
count_cases_of("DynamicMiner", "epoch", lambda v: miner().negatives(S, [0, 1, 2], epoch=v))
count_cases_of("DynamicMiner", "epoch", lambda v: miner().dns(S, [0, 1, 2], num_samples=1, epoch=v))
count_cases_of("DynamicMiner", "num_samples", lambda v: miner().dns(S, [0, 1, 2], num_samples=v), minimum=1)
count_cases_of(
    "DynamicMiner",
    "num_negatives",
    lambda v: miner().dns(S, [0, 1, 2], num_samples=2, num_negatives=v),
    minimum=1,
)
count_cases_of("DynamicMiner", "step", lambda v: miner().due(v))
number_cases("DynamicMiner", "timeout", lambda v: miner().wait(v), least="at least 0")
thread_cases("DynamicMiner", lambda **threads: miner(**threads))
exclusion_cases("DynamicMiner", lambda rows: miner(exclude=rows), 3)
case("DynamicMiner", "ids", ValueError, "positives: id 2 of query 2, expected below 2", lambda: miner(documents=S[:2]))
case("DynamicMiner", "nan", ValueError, "documents: NaN at row 1, column 2", lambda: miner(documents=WITH_NAN))
case("DynamicMiner", "infinite", ValueError, "documents: inf at row 1, column 2", lambda: miner(documents=WITH_INF))
case("DynamicMiner", "shape", ValueError, "documents: 2, expected 3 as before", lambda: miner().refresh(S[:2]))
case(
    "DynamicMiner", "parameter", ValueError, "num_negatives: 3, expected at most 2",
    lambda: miner().dns(S, [0, 1, 2], num_samples=2, num_negatives=3),
)  # fmt: skip
case("DynamicMiner", "parameter", ValueError, "similarity: 'l2'", lambda: miner(similarity="l2"))
case(
    "DynamicMiner", "parameter", ValueError, "selection: None, but negatives needs one",
    lambda: miner(None).negatives(S, [0, 1, 2]),
)  # fmt: skip
case(
    "DynamicMiner", "parameter", ValueError, "selection: its draw Weighted",
    lambda: miner(hm.Selection(2, draw=hm.TopThen(1, hm.Weighted(F32([0]))))),
)  # fmt: skip
case(
    "DynamicMiner", "parameter", ValueError, "selection: its ceiling Anchored",
    lambda: miner(hm.Selection(2, ceiling=hm.Anchored() & hm.Absolute(1.0))),
)  # fmt: skip
case(
    "DynamicMiner", "parameter", ValueError, "query_ids: query 1 has no positive",
    lambda: hm.DynamicMiner(S, hm.Positives.from_lists([[0], []]), RULE).negatives(S[:2], [0, 1]),
)  # fmt: skip
case("DynamicMiner", "kind", TypeError, "selection: int, expected Selection", lambda: miner(3))
case("DynamicMiner", "kind", TypeError, "positives: list, expected Positives", lambda: hm.DynamicMiner(S, [[0]]))
case("DynamicMiner", "kind", TypeError, "encode: ndarray, expected a callable", lambda: miner().refresh_async(S))
