"""Bad input of exact search."""

import numpy as np

import hardmine as hm
from tests.bad_input.table import (
    F32,
    WITH_INF,
    WITH_NAN,
    S,
    case,
    count_cases_of,
    limit_cases,
    matrix_cases,
    thread_cases,
    vast,
)

matrix_cases("search", "queries", lambda queries: hm.search(queries, S, 2), widest="float32")
matrix_cases("search", "documents", lambda documents: hm.search(S, documents, 2), widest="float32")
count_cases_of("search", "k", lambda k: hm.search(S, S, k))
limit_cases("search", lambda **limits: hm.search(S, np.vstack([S, S[:1]]), 2, **limits))
thread_cases("search", lambda **threads: hm.search(S, S, 2, **threads))
case(
    "search",
    "dtype",
    TypeError,
    "queries: dtype float64, expected .* convert",
    lambda: hm.search(S.astype(float), S, 2),
)
case("search", "nan", ValueError, "documents: NaN at row 1, column 2", lambda: hm.search(S, WITH_NAN, 2))
case("search", "infinite", ValueError, "queries: inf at row 1, column 2", lambda: hm.search(WITH_INF, S, 2))
case("search", "shape", ValueError, "queries: dimension 4, expected 2", lambda: hm.search(S, S[:, :2], 2))
case(
    "search", "parameter", ValueError, "similarity: 'l2', expected one of", lambda: hm.search(S, S, 2, similarity="l2")
)
case(
    "search",
    "parameter",
    ValueError,
    "max_memory: '1x', expected a number",
    lambda: hm.search(S, S, 2, max_memory="1x"),
)
case(
    "search",
    "parameter",
    ValueError,
    "max_memory: 1 bytes, expected at least",
    lambda: hm.search(S, S, 2, max_memory=1),
)
case(
    "search", "parameter", ValueError, "max_memory: .* at most", lambda: hm.search(S, S, 2, max_memory="9" * 400 + "G")
)
case("search", "parameter", TypeError, "progress: int, expected None", lambda: hm.search(S, S, 2, progress=3))
case("search", "memory", MemoryError, "could not allocate", lambda: hm.search(vast(2**50, 0), np.zeros((1, 0), F32), 2))

matrix_cases("ExactIndex", "documents", lambda documents: hm.ExactIndex(documents), widest="float32")
matrix_cases("ExactIndex", "queries", lambda queries: hm.ExactIndex(S).search(queries, 2), widest="float32")
count_cases_of("ExactIndex", "k", lambda k: hm.ExactIndex(S).search(S, k))
limit_cases("ExactIndex", lambda **limits: hm.ExactIndex(np.vstack([S, S[:1]])).search(S, 2, **limits))
case("ExactIndex", "nan", ValueError, "documents: NaN at row 1, column 2", lambda: hm.ExactIndex(WITH_NAN))
case("ExactIndex", "infinite", ValueError, "documents: inf at row 1, column 2", lambda: hm.ExactIndex(WITH_INF))
case("ExactIndex", "parameter", TypeError, "similarity: int 3", lambda: hm.ExactIndex(S, similarity=3))
case("ExactIndex", "memory", MemoryError, "could not allocate", lambda: hm.ExactIndex(vast(2**50, 0)))


def pairs(first=(0,), second=(0,), queries=S, documents=S):
    return hm.pair_scores(queries, documents, first, second)


def search_plan(**options):
    return hm.search_plan(**{"num_queries": 5, "num_documents": 9, "dimension": 4, "k": 2} | options)


matrix_cases("pair_scores", "queries", lambda queries: pairs(queries=queries), widest="float32")
matrix_cases("pair_scores", "documents", lambda documents: pairs(documents=documents), widest="float32")
case("pair_scores", "nan", ValueError, "documents: NaN at row 1, column 2", lambda: pairs([0], [1], documents=WITH_NAN))
case(
    "pair_scores", "infinite", ValueError, "queries: inf at row 1, column 2", lambda: pairs([1], [0], queries=WITH_INF)
)
case("pair_scores", "ids", ValueError, "query_ids: id 3 of row 0 is outside 0..3", lambda: pairs([3], [0]))
case("pair_scores", "ids", ValueError, "document_ids: id -1 of row 0 is outside 0..3", lambda: pairs([0], [-1]))
case("pair_scores", "shape", ValueError, "document_ids: length 1, expected 2", lambda: pairs([0, 1], [1]))
case("pair_scores", "dtype", TypeError, "query_ids: dtype float64, expected integers", lambda: pairs([0.0], [0]))
case("pair_scores", "parameter", ValueError, "similarity: ''", lambda: hm.pair_scores(S, S, [], [], similarity=""))
case("pair_scores", "memory", MemoryError, "allocate", lambda: pairs(np.broadcast_to(np.int32(0), 2**50), [0]))

for count in ("num_queries", "num_documents", "dimension", "k"):
    count_cases_of("search_plan", count, lambda v, count=count: search_plan(**{count: v}))
thread_cases("search_plan", lambda **threads: search_plan(**threads))
case(
    "search_plan",
    "parameter",
    ValueError,
    "num_documents: 4294967296, expected fewer",
    lambda: search_plan(num_documents=2**32),
)
case("search_plan", "parameter", ValueError, "similarity: 'l2'", lambda: search_plan(similarity="l2"))
case("search_plan", "parameter", ValueError, "dtype: 'int8', expected one of", lambda: search_plan(dtype="int8"))
case(
    "search_plan",
    "parameter",
    ValueError,
    "max_memory: 10 bytes, expected at least",
    lambda: search_plan(max_memory=10),
)
case("search_plan", "kind", TypeError, "max_memory: ", lambda: search_plan(max_memory=[]))
