"""Bad input of sparse rows and of their search."""

import numpy as np

import hardmine as hm
from hardmine.teachers.bm25 import BM25
from tests.bad_input.table import F32, S, case, count_cases_of, limit_cases, thread_cases

ROWS = hm.SparseRows([0, 2, 3, 5], [0, 2, 1, 0, 3], F32([1, 2, 3, 4, 5]), 4)
DOCUMENTS = hm.SparseRows([0, 1, 2, 3, 4], [0, 1, 2, 3], F32([1, 2, 3, 4]), 4)


TWO = F32([1, 2])
BAD = np.array([0, 1]), np.array([3]), F32([np.nan])


def rows(offsets=(0, 2), terms=(0, 3), weights=TWO, num_terms=None):
    return hm.SparseRows(np.array(offsets), np.array(terms), weights, num_terms)


case("SparseRows", "nan", ValueError, "weights: nan in row 0 for term 3", lambda: rows(weights=F32([1, np.nan])))
case("SparseRows", "infinite", ValueError, "weights: -inf in row 0 for term 0", lambda: rows(weights=F32([-np.inf, 1])))
case("SparseRows", "dtype", TypeError, "weights: dtype float64, expected", lambda: rows(weights=np.ones(2)))
case("SparseRows", "dtype", TypeError, "weights: dtype int64", lambda: rows(weights=np.ones(2, int)))
case("SparseRows", "dtype", TypeError, "terms: dtype float64", lambda: rows(terms=[0.5, 1]))
case("SparseRows", "shape", ValueError, "weights: 2 dimensions", lambda: rows(weights=np.ones((1, 2), F32)))
case("SparseRows", "shape", ValueError, "terms: length 1, expected 2", lambda: rows(terms=[1]))
case("SparseRows", "ids", ValueError, "terms: -1 in row 0, expected at least 0", lambda: rows(terms=[-1, 1]))
case("SparseRows", "ids", ValueError, "terms: 2147483648 in row 0", lambda: rows(terms=[0, 2**31]))
case("SparseRows", "ids", ValueError, "terms: 3 in row 0, .*, below 3", lambda: rows(num_terms=3))
case("SparseRows", "ids", ValueError, "terms: 3 occurs twice in row 0", lambda: rows(terms=[3, 3]))
case("SparseRows", "ids", ValueError, "offsets: expected to start at 0", lambda: rows(offsets=[0, 1]))
case("SparseRows", "count", TypeError, "num_terms: float 4.0, expected", lambda: rows(num_terms=4.0))
case("SparseRows", "kind", TypeError, "rows: ndarray, expected SparseRows", lambda: hm.SparseRows.of(S))
case("SparseRows", "kind", TypeError, "rows: tuple, expected", lambda: hm.SparseRows.of((1, 2, 3)))
case(
    "SparseRows",
    "ids",
    ValueError,
    "rows: 2 in row 0, expected at least 0, below 2",
    lambda: hm.SparseRows.from_columns([0, 1], [2], F32([1]), 2),
)
case(
    "SparseRows",
    "dtype",
    TypeError,
    "weights: dtype float32 in the other byte order",
    lambda: rows(weights=np.ones(2, ">f4")),
)
case(
    "SparseRows",
    "dtype",
    TypeError,
    "weights: dtype float16, expected float32",
    lambda: hm.SparseRows.from_columns([0, 1], [0], np.ones(1, np.float16), 2),
)
case("SparseRows", "kind", TypeError, r"parts\[0\]: ndarray", lambda: hm.SparseRows.concatenate([S]))
case(
    "SparseRows",
    "ids",
    ValueError,
    r"parts\[0\]: term 9, expected below 4, which another part names",
    lambda: hm.SparseRows.concatenate([rows(terms=[1, 9]), ROWS]),
)
case("SparseIndex", "kind", TypeError, r"indices\[0\]: SparseRows, expected", lambda: hm.SparseIndex.merge([ROWS]))
case("teachers", "kind", TypeError, "texts: one string, 'abc', expected several", lambda: BM25().index("abc"))
case("teachers", "kind", TypeError, "texts: NoneType among them", lambda: BM25().index(["a"]).queries(["a", None]))
case("teachers", "kind", TypeError, "stopwords: 1, expected words", lambda: BM25(stopwords=[1]))
case("teachers", "kind", TypeError, "stopwords: NoneType, expected several", lambda: BM25(stopwords=None))
case("teachers", "kind", TypeError, "method: int 1, expected one of 'lucene'", lambda: BM25(method=1))
case("teachers", "kind", TypeError, "delta: str '1', expected a number", lambda: BM25(method="bm25+", delta="1"))
case("teachers", "kind", TypeError, "token_pattern: bytes, expected", lambda: BM25(token_pattern=b"x"))
case("SparseRows", "shape", ValueError, "parts: none", lambda: hm.SparseRows.concatenate([]))
case(
    "SparseRows",
    "shape",
    ValueError,
    r"parts: of \[4, 5\] terms",
    lambda: hm.SparseRows.concatenate([ROWS, rows(num_terms=5)]),
)
case(
    "SparseRows",
    "dtype",
    TypeError,
    r"parts\[1\]: float16, expected float32",
    lambda: hm.SparseRows.concatenate([ROWS, rows(weights=np.ones(2, np.float16))]),
)

count_cases_of("SparseIndex", "k", lambda k: hm.SparseIndex(DOCUMENTS).search(ROWS, k))
limit_cases("SparseIndex", lambda **limits: hm.SparseIndex(DOCUMENTS).search(ROWS, 2, **limits))
thread_cases("SparseIndex", lambda **threads: hm.SparseIndex(DOCUMENTS).search(ROWS, 2, **threads))
case("SparseIndex", "kind", TypeError, "documents: ndarray, expected SparseRows", lambda: hm.search(ROWS, S, 2))
case("SparseIndex", "kind", TypeError, "queries: ndarray, expected SparseRows", lambda: hm.search(S, DOCUMENTS, 2))
case("SparseIndex", "nan", ValueError, "queries weights: nan in row 0", lambda: hm.search(BAD, DOCUMENTS, 2))
case(
    "SparseIndex",
    "shape",
    ValueError,
    "queries: 5 terms, expected 4",
    lambda: hm.search(rows(num_terms=5), DOCUMENTS, 2),
)
case(
    "SparseIndex",
    "parameter",
    ValueError,
    "similarity: 'cosine', expected 'dot' for sparse rows",
    lambda: hm.search(ROWS, DOCUMENTS, 2, similarity="cosine"),
)
case(
    "SparseIndex",
    "parameter",
    ValueError,
    "device: 'cuda', expected None for sparse rows",
    lambda: hm.search(ROWS, DOCUMENTS, 2, device="cuda"),
)
case(
    "SparseIndex",
    "parameter",
    ValueError,
    "max_memory: 1 bytes, expected at least",
    lambda: hm.search(ROWS, DOCUMENTS, 2, max_memory=1),
)


def pairs(q, d):
    return hm.pair_scores(ROWS, DOCUMENTS, q, d)


case("SparseIndex", "ids", ValueError, "document_ids: id 4 of row 0 is outside 0..4", lambda: pairs([0], [4]))
case("SparseIndex", "ids", ValueError, "query_ids: id -1 of row 1 is outside", lambda: pairs([0, -1], [0, 0]))
case("SparseIndex", "shape", ValueError, "document_ids: length 1, expected 2", lambda: pairs([0, 1], [0]))
