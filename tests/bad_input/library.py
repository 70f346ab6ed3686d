"""Bad input of what turns scores, embeddings and texts into negatives."""

import numpy as np

import hardmine as hm
from tests.bad_input.table import (
    CASES,
    F32,
    INF,
    LABELS,
    NAN,
    PLAIN,
    POSITIVES,
    RULE,
    RUN,
    WITH_INF,
    WITH_NAN,
    S,
    case,
    count_cases_of,
    exclusion_cases,
    limit_cases,
    matrix_cases,
    number_cases,
    seed_cases,
    thread_cases,
    vast,
)

# --- scores to candidates -------------------------------------------------------------------------------------------

matrix_cases("topk", "scores", lambda scores: hm.topk(scores, 2))
count_cases_of("topk", "k", lambda k: hm.topk(S, k))
limit_cases("topk", lambda **limits: hm.topk(S, 2, **limits))
thread_cases("topk", lambda **threads: hm.topk(S, 2, **threads))
case("topk", "nan", ValueError, "scores: NaN at row 1, column 2", lambda: hm.topk(WITH_NAN, 2))
case("topk", "parameter", ValueError, "nan: 'x', expected one of 'raise', 'drop'", lambda: hm.topk(S, 2, nan="x"))
case("topk", "memory", MemoryError, "could not allocate", lambda: hm.topk(vast(2**45, 4), 1))
case("topk", "memory", MemoryError, "could not allocate", lambda: hm.topk(vast(2**40, 0), 1))


def accumulate(tile=S, **place):
    best = hm.TopKAccumulator(3, 2)
    best.update(tile, **place)
    return best


def merged(**other):
    return accumulate().merge(hm.TopKAccumulator(**{"num_queries": 3, "k": 2, **other}))


matrix_cases("TopKAccumulator", "scores_tile", lambda tile: accumulate(tile))
count_cases_of("TopKAccumulator", "k", lambda k: hm.TopKAccumulator(3, k))
count_cases_of("TopKAccumulator", "num_queries", lambda n: hm.TopKAccumulator(n, 3))
count_cases_of("TopKAccumulator", "first_query", lambda n: accumulate(first_query=n))
count_cases_of("TopKAccumulator", "first_document", lambda n: accumulate(first_document=n))
limit_cases("TopKAccumulator", lambda **limits: hm.TopKAccumulator(3, 2, **limits).update(S))
CASES[:] = [c for c in CASES if not (c.target == "TopKAccumulator" and "outside 0..4" in c.pattern)]  # any id may come
case("TopKAccumulator", "nan", ValueError, "scores: NaN at row 1, column 2", lambda: accumulate(WITH_NAN))
case("TopKAccumulator", "shape", ValueError, "first_query: 1 with a tile of 3", lambda: accumulate(first_query=1))
case(
    "TopKAccumulator",
    "ids",
    ValueError,
    "first_document: .* expected ids",
    lambda: accumulate(first_document=2**63 - 2),
)
case("TopKAccumulator", "memory", MemoryError, "could not allocate", lambda: hm.TopKAccumulator(2**50, 1).finish())
case(
    "TopKAccumulator",
    "dtype",
    TypeError,
    "scores_tile: dtype float16, expected float32",
    lambda: accumulate().update(S.astype("f2")),
)
case("TopKAccumulator", "kind", TypeError, "other: int, expected TopKAccumulator", lambda: accumulate().merge(3))
case("TopKAccumulator", "parameter", ValueError, "other: k 3, expected 2", lambda: merged(k=3))
case("TopKAccumulator", "parameter", ValueError, "other: another ceiling", lambda: merged(ceiling=1.0))
case("TopKAccumulator", "parameter", ValueError, "nan: 'x'", lambda: hm.TopKAccumulator(3, 2, nan="x"))

# --- the nouns ------------------------------------------------------------------------------------------------------

FALLING = "offsets: expected to start at 0, never fall and end at 1"


def candidates(ids=(1,), scores=(0.5,), offsets=(0, 1), **columns):
    return hm.Candidates(list(offsets), list(ids), list(scores), **columns)


for offsets in ([0, 2], [1, 1], [0, 2, 1], [], [0, 2**63 - 1, -(2**63), 1]):
    case("Candidates", "ids", ValueError, FALLING, lambda o=offsets: hm.Candidates(np.array(o, np.int64), [1], [0.5]))
    case("Positives", "ids", ValueError, FALLING, lambda o=offsets: hm.Positives(np.array(o, np.int64), [1]))
case(
    "Candidates",
    "ids",
    ValueError,
    "offsets: 18446744073709551615, expected at most",
    lambda: hm.Candidates(np.array([0, 2**64 - 1], np.uint64), [1], [0.5]),
)
case("Candidates", "ids", ValueError, "ids: -1, expected at least 0", lambda: candidates([-1]))
case(
    "Candidates",
    "ids",
    ValueError,
    "ids: 4 occurs twice for query 1",
    lambda: candidates([4, 4, 4], [1.0] * 3, (0, 1, 3)),
)
far = 2**62
case(
    "Candidates",
    "ids",
    ValueError,
    f"ids: {far} occurs twice for query 1",
    lambda: candidates([1, far, far], [1.0] * 3, (0, 1, 3)),
)
case("Candidates", "nan", ValueError, "scores: NaN at position 0", lambda: candidates(scores=[NAN]))
case(
    "Candidates",
    "parameter",
    ValueError,
    "scores: they rise inside query 0 at position 1",
    lambda: candidates([1, 2], [0.1, 0.2], (0, 2)),
)
case("Candidates", "shape", ValueError, "scores: length 2, expected 1", lambda: candidates(scores=[0.5, 0.5]))
case("Candidates", "shape", ValueError, r"ranks: shape \(2,\), expected \(1,\)", lambda: candidates(ranks=[1, 2]))
case("Candidates", "shape", ValueError, "ids: list of rows that differ", lambda: candidates([[1], [1, 2]]))
case("Candidates", "dtype", TypeError, "ids: dtype float64, expected integers", lambda: candidates([1.0]))
case("Candidates", "dtype", TypeError, "scores: dtype int64, expected floats", lambda: candidates(scores=[1]))
case("Candidates", "dtype", TypeError, "ranks: dtype float64, expected int32", lambda: candidates(ranks=[1.5]))
case("Candidates", "count", ValueError, f"ranks: {2**40} at position 0", lambda: candidates(ranks=[2**40]))
case("Candidates", "count", ValueError, "sources: 70000 at position 0", lambda: candidates(sources=[70000]))
case("Candidates", "count", TypeError, "row: float 0.5, expected an integer", lambda: candidates()[0.5])
case("Candidates", "count", IndexError, "row 3 of 1", lambda: candidates()[3])
case("Candidates", "ids", ValueError, "reasons.'nan'.: -1", lambda: candidates(reasons={"nan": [-1]}))
case("Candidates", "parameter", ValueError, "reasons: unknown 'x'", lambda: candidates(reasons={"x": [1]}))
case("Candidates", "parameter", ValueError, r"query_ids: 2 names, expected 1", lambda: candidates(query_ids=["a", "b"]))
case("Candidates", "parameter", ValueError, r"document_ids: 1 names, but id 1", lambda: candidates(document_ids=["a"]))
case("Candidates", "parameter", ValueError, r"query_ids\[0\]: .* UTF-8", lambda: candidates(query_ids=["\ud800"]))
case("Candidates", "kind", TypeError, r"query_ids\[0\]: int, expected a string", lambda: candidates(query_ids=[3]))
case("Candidates", "kind", TypeError, "query_ids: str, expected an iterable", lambda: candidates(query_ids="a"))
case("Candidates", "kind", TypeError, "reasons: list, expected a mapping", lambda: candidates(reasons=[1]))
case("Candidates", "kind", TypeError, "metadata: int, expected a mapping", lambda: candidates(metadata=3))

lists = hm.Positives.from_lists
case("Positives", "ids", ValueError, "ids: -1 for query 1, expected at least 0", lambda: lists([[0], [-1]]))
case("Positives", "ids", ValueError, "ids: 3 occurs twice for query 1", lambda: lists([[3], [3, 3]]))
case("Positives", "nan", ValueError, "scores: nan for query 1", lambda: LABELS.with_scores(F32([0, NAN, 0])))
case("Positives", "infinite", ValueError, "scores: inf for query 0", lambda: lists([[1]], [[INF]]))
case("Positives", "infinite", ValueError, "scores: inf for query 0", lambda: lists([[1]], [[1e39]]))
case("Positives", "shape", ValueError, "scores: length 2, expected 3", lambda: LABELS.with_scores(F32([0, 0])))
case("Positives", "shape", ValueError, "scores: their rows differ in length", lambda: lists([[1]], [[0.5, 0.5]]))
case("Positives", "dtype", TypeError, r"positives\[0\]: dtype float64", lambda: lists([[1.5]]))
case("Positives", "dtype", TypeError, r"scores\[0\]: str 'x', expected a number", lambda: lists([[1]], [["x"]]))
case("Positives", "count", TypeError, "row: bool True, expected an integer", lambda: LABELS[True])
case("Positives", "count", IndexError, "row 3 of 3", lambda: LABELS[3])
for value, kind in ((3, "int"), (None, "NoneType"), ({0: [1]}, "dict")):
    case("Positives", "kind", TypeError, f"positives: {kind}, expected a sequence", lambda v=value: lists(v))
case("Positives", "kind", TypeError, r"positives\[1\]: int, expected a sequence", lambda: lists([[1], 2]))

case("Negatives", "kind", TypeError, "ids: missing; expected the columns", lambda: hm.Negatives())
table = hm.StringTable
U8 = np.zeros(1, np.uint8)
case(
    "StringTable",
    "ids",
    ValueError,
    "offsets: expected to start at 0, never fall and end at 1",
    lambda: table(np.array([0, 2, 1]), U8),
)
case(
    "StringTable",
    "ids",
    ValueError,
    "offsets: expected to start at 0, never fall and end at 1",
    lambda: table(np.array([0, 2]), U8),
)
case("StringTable", "dtype", TypeError, "offsets: dtype float64", lambda: table(np.array([0.0, 1.0]), U8))
case("StringTable", "dtype", TypeError, "data: expected a uint8 vector", lambda: table(np.array([0, 1]), [1]))
case("StringTable", "shape", ValueError, "offsets: 2 dimensions", lambda: table(np.array([[0, 1]]), U8))
case("StringTable", "count", TypeError, "row: str 'a'", lambda: table.from_strings(["a"])["a"])
case("StringTable", "kind", TypeError, r"strings\[0\]: int, expected a string", lambda: table.from_strings([1]))
case("StringTable", "kind", TypeError, "strings: str, expected an iterable", lambda: table.from_strings("ab"))
case("StringTable", "parameter", ValueError, r"strings\[0\]: .* UTF-8", lambda: table.from_strings(["\ud800"]))

# --- rules and draws ------------------------------------------------------------------------------------------------

number_cases("Absolute", "t", hm.Absolute)
number_cases("MarginPos", "m", hm.MarginPos)
number_cases("PercPos", "f", hm.PercPos, least="at least 0")
number_cases("Anchored", "f", hm.Anchored, least="at least 0")
number_cases("Anchored", "weight", lambda w: hm.Anchored(1.1, w), least="at least 0")
number_cases("Softmax", "temperature", hm.Softmax, least="above 0")
case("Softmax", "parameter", ValueError, "temperature: 0, expected above 0", lambda: hm.Softmax(0.0))
number_cases("SimANS", "a", hm.SimANS, least="at least 0")
number_cases("SimANS", "b", lambda b: hm.SimANS(0.5, b))
number_cases("Laplace", "tau", hm.Laplace, least="at least 0")
number_cases("RankPower", "alpha", hm.RankPower, least="at least 0")
number_cases("Popularity", "alpha", lambda a: hm.Popularity([1, 2], a))
for at, name in ((NAN, "nan"), (INF, "inf"), (-1.0, "-1")):
    row = {"nan": "nan", "inf": "infinite"}.get(name, "parameter")
    case("Popularity", row, ValueError, f"counts: {name} at position 1", lambda a=at: hm.Popularity([1.0, a]))
case("Popularity", "dtype", TypeError, "counts: dtype object", lambda: hm.Popularity([object()]))
case("Popularity", "shape", ValueError, "counts: 0 dimensions", lambda: hm.Popularity(3))
case("Weighted", "nan", ValueError, "log_weights: nan at position 1", lambda: hm.Weighted([0.0, NAN]))
case("Weighted", "infinite", ValueError, "log_weights: inf at position 1", lambda: hm.Weighted([0.0, INF]))
case("Weighted", "dtype", TypeError, "log_weights: dtype bool", lambda: hm.Weighted([True]))
case("Weighted", "shape", ValueError, "log_weights: 2 dimensions", lambda: hm.Weighted([[0.0]]))
count_cases_of("TopThen", "n_top", hm.TopThen)
case("TopThen", "kind", TypeError, "draw: int, expected a draw", lambda: hm.TopThen(1, 3))
count_cases_of("Among", "pool", hm.Among)
case("Among", "kind", TypeError, "draw: int, expected a draw", lambda: hm.Among(1, 3))
count_cases_of("Stratified", "bins", hm.Stratified, minimum=1)
case("Stratified", "parameter", ValueError, "by: 'size', expected one of", lambda: hm.Stratified(2, "size"))
case("Stratified", "kind", TypeError, "by: int 3, expected one of", lambda: hm.Stratified(2, 3))
case("AllOf", "kind", TypeError, "ceilings: int, expected a sequence", lambda: hm.AllOf(3))
case("AllOf", "kind", TypeError, "ceilings: int, expected ceilings", lambda: hm.AllOf((3,)))
case("AllOf", "kind", TypeError, "unsupported operand", lambda: hm.PercPos() & 3)

case("parse_ceiling", "kind", TypeError, "ceiling: float 0.7, expected text", lambda: hm.parse_ceiling(0.7))
case(
    "parse_ceiling",
    "parameter",
    ValueError,
    "ceiling: unknown 'best', expected one of",
    lambda: hm.parse_ceiling("best"),
)
case(
    "parse_ceiling",
    "count",
    ValueError,
    "ceiling abs=1,2: 2 numbers, expected 0 to 1",
    lambda: hm.parse_ceiling("abs=1,2"),
)
case("parse_ceiling", "nan", ValueError, "ceiling perc-pos=nan", lambda: hm.parse_ceiling("perc-pos=nan"))
case("parse_draw", "kind", TypeError, "draw: NoneType None, expected text", lambda: hm.parse_draw(None))
case("parse_draw", "parameter", ValueError, "draw: unknown 'dice', expected one of", lambda: hm.parse_draw("dice"))
case("parse_draw", "count", ValueError, "draw top=1: 1 numbers, expected 0", lambda: hm.parse_draw("top=1"))
case("parse_draw", "nan", ValueError, "draw softmax=nan", lambda: hm.parse_draw("softmax=nan"))
case("spell", "kind", TypeError, "value: str 'top', expected a ceiling or a draw", lambda: hm.spell("top"))
case(
    "spell",
    "parameter",
    ValueError,
    "value: TopThen.*which alone have a spelling",
    lambda: hm.spell(hm.TopThen(1, hm.Top())),
)

count_cases_of("Selection", "num_negatives", hm.Selection, minimum=1)
count_cases_of("Selection", "range_min", lambda v: hm.Selection(2, range_min=v))
count_cases_of("Selection", "seed", lambda v: hm.Selection(2, seed=v))
number_cases("Selection", "floor", lambda v: hm.Selection(2, floor=v))
case(
    "Selection",
    "parameter",
    ValueError,
    "range_max: 2, expected above range_min",
    lambda: hm.Selection(2, range_min=2, range_max=2),
)
for name in ("range_on", "positive_agg", "on_shortage"):
    case(
        "Selection",
        "parameter",
        ValueError,
        f"{name}: 'x', expected one of",
        lambda n=name: hm.Selection(2, **{n: "x"}),
    )
    case("Selection", "kind", TypeError, f"{name}: int 3, expected one of", lambda n=name: hm.Selection(2, **{n: 3}))
case("Selection", "kind", TypeError, "ceiling: float, expected a ceiling", lambda: hm.Selection(2, ceiling=0.95))
case("Selection", "kind", TypeError, "draw: str, expected a draw", lambda: hm.Selection(2, draw="top"))
case("Selection", "kind", TypeError, "selection: int, expected a mapping", lambda: hm.Selection.from_dict(3))
case(
    "Selection",
    "parameter",
    ValueError,
    "ceiling: unknown kind",
    lambda: hm.Selection.from_dict({"ceiling": {"kind": [1]}}),
)
case(
    "Selection",
    "parameter",
    ValueError,
    "selection: unknown parameter 3",
    lambda: hm.Selection.from_dict({3: 4, "x": 1}),
)
case(
    "Selection",
    "kind",
    TypeError,
    "ceilings: int, expected",
    lambda: hm.Selection.from_dict({"ceiling": {"kind": "all-of", "ceilings": 3}}),
)
case(
    "strategies", "count", ValueError, "num_negatives: 0, expected at least 1", lambda: hm.strategies.top_k_perc_pos(0)
)
case("strategies", "parameter", ValueError, "f: nan", lambda: hm.strategies.top_k_perc_pos(2, NAN))

# --- candidates to negatives ----------------------------------------------------------------------------------------


def select(run=RUN, positives=POSITIVES, rule=PLAIN, **options):
    return hm.select(run, positives, rule, **options)


def mine_scores(scores=S, positives=POSITIVES, rule=RULE, **options):
    return hm.mine_scores(scores, positives, rule, **options)


for target, call in (("select", select), ("mine_scores", mine_scores)):
    case(target, "kind", TypeError, "positives: list, expected Positives", lambda c=call: c(positives=[[0]]))
    case(target, "kind", TypeError, "selection: int, expected Selection", lambda c=call: c(rule=3))
    case(target, "shape", ValueError, "positives: 1 queries, expected 3", lambda c=call: c(positives=lists([[0]])))
    case(
        target,
        "parameter",
        ValueError,
        "query 1 has no positive|positives: .*query 1",
        lambda c=call: c(positives=lists([[0], [], [2]], [[1.0], [], [2.0]]), rule=RULE),
    )
    case(target, "shape", ValueError, "query_keys: shape", lambda c=call: c(query_keys=[1]))
    case(target, "dtype", TypeError, "query_keys: dtype float64", lambda c=call: c(query_keys=[0.5, 1, 2]))
    case(target, "shape", ValueError, "document_keys: shape", lambda c=call: c(document_keys=3))
    case(target, "dtype", TypeError, "document_groups: dtype", lambda c=call: c(document_groups=["a"] * 4))
    case(target, "shape", ValueError, "document_groups: 2 dimensions", lambda c=call: c(document_groups=[[1]]))
    count_cases_of(target, "epoch", lambda v, c=call: c(epoch=v))
    thread_cases(target, call)
    exclusion_cases(target, lambda rows, c=call: c(exclude=rows), 4 if target == "mine_scores" else None)
CASES[:] = [c for c in CASES if not (c.target == "select" and "id -1" in c.pattern)]
case("select", "ids", ValueError, "exclude: id -1 of row 0", lambda: select(exclude=[[-1], [], []]))
case("select", "kind", TypeError, "candidates: ndarray, expected Candidates", lambda: select(S))
case("select", "ids", ValueError, "candidates: id 3 of row 0 is outside 0..1", lambda: select(num_documents=1))
case(
    "select",
    "ids",
    ValueError,
    "candidates: ranks of query 0 do not rise",
    lambda: hm.select(candidates(ranks=[0]), lists([[0]]), PLAIN),
)
case(
    "select",
    "shape",
    ValueError,
    "log_weights: length 1, expected 9",
    lambda: select(rule=hm.Selection(2, ceiling=hm.NoCeiling(), draw=hm.Weighted([0.0]))),
)
case("select", "parameter", ValueError, "positives: no scores", lambda: select(positives=LABELS, rule=RULE))
for bound, lacking in (("near_duplicates", "near_groups"), ("near_cosine", "document_embeddings")):
    case(
        "select", "parameter", ValueError, f"{lacking}: missing", lambda b=bound: select(rule=PLAIN.replace(**{b: 0.9}))
    )
    number_cases("Selection", bound, lambda v, b=bound: hm.Selection(**{b: v}), least="above 0")
case("select", "dtype", TypeError, "near_groups: dtype float64", lambda: select(near_groups=[0.5, 1, 2, 3]))
case("select", "ids", ValueError, "near_groups: -1 at position 0", lambda: select(near_groups=[-1, 1, 2, 3]))
case("select", "parameter", ValueError, "num_documents: missing", lambda: select(rule=RULE.replace(on_shortage="fill")))
case("select", "count", TypeError, "num_documents: bool", lambda: select(num_documents=True))
case(
    "select",
    "memory",
    MemoryError,
    "could not allocate",
    lambda: select(rule=hm.Selection(2**40, on_shortage="fill"), num_documents=2**42),
)
matrix_cases("mine_scores", "scores", lambda scores: mine_scores(scores))
count_cases_of("mine_scores", "k", lambda k: mine_scores(k=2.0 if k is None else k))
CASES[:] = [c for c in CASES if not (c.target == "mine_scores" and c.pattern.startswith("k: NoneType"))]
case("mine_scores", "nan", ValueError, "scores: NaN at row 1, column 2", lambda: mine_scores(WITH_NAN))
case(
    "mine_scores",
    "infinite",
    ValueError,
    "scores: inf for query 1",
    lambda: mine_scores(WITH_INF, lists([[0], [2], [1]])),
)
case(
    "mine_scores",
    "ids",
    ValueError,
    "positives: id 4 of row 0 is outside 0..4",
    lambda: mine_scores(positives=lists([[4], [0], [0]])),
)
case(
    "mine_scores",
    "parameter",
    ValueError,
    "on_shortage: 'fill' has nothing",
    lambda: mine_scores(rule=RULE.replace(on_shortage="fill")),
)

matrix_cases("anchor_scores", "document_embeddings", lambda e: hm.anchor_scores(RUN, LABELS, e))
case(
    "anchor_scores",
    "nan",
    ValueError,
    "document_embeddings: NaN at row 1, column 2",
    lambda: hm.anchor_scores(RUN, LABELS, np.vstack([WITH_NAN, S])),
)
case(
    "anchor_scores",
    "infinite",
    ValueError,
    "document_embeddings: inf at row 1, column 2",
    lambda: hm.anchor_scores(RUN, LABELS, np.vstack([WITH_INF, S])),
)
case(
    "anchor_scores",
    "ids",
    ValueError,
    "candidates: id 3 of row 0 is outside 0..2",
    lambda: hm.anchor_scores(RUN, LABELS, S[:2]),
)
case(
    "anchor_scores",
    "shape",
    ValueError,
    "positives: 1 queries, expected 3",
    lambda: hm.anchor_scores(RUN, lists([[0]]), S),
)
case(
    "anchor_scores",
    "kind",
    TypeError,
    "candidates: list, expected Candidates",
    lambda: hm.anchor_scores([1], LABELS, S),
)
case(
    "anchor_scores", "memory", MemoryError, "could not allocate", lambda: hm.anchor_scores(RUN, LABELS, vast(4, 2**45))
)

# --- draws ----------------------------------------------------------------------------------------------------------

matrix_cases("draw", "log_weights", lambda weights: hm.draw(weights, 2, seed=0))
count_cases_of("draw", "n", lambda n: hm.draw(S, n, seed=0))
seed_cases("draw", lambda **seed: hm.draw(S, 2, **seed))
thread_cases("draw", lambda **threads: hm.draw(S, 2, seed=0, **threads))
case("draw", "nan", ValueError, "log_weights: NaN at row 1, column 2", lambda: hm.draw(WITH_NAN, 2, seed=0))
case("draw", "infinite", ValueError, "log_weights: inf at row 1, column 2", lambda: hm.draw(WITH_INF, 2, seed=0))
case("draw", "shape", ValueError, "column_keys: shape", lambda: hm.draw(S, 2, seed=0, column_keys=[1]))
case("draw", "parameter", TypeError, "replace: int 1, expected True or False", lambda: hm.draw(S, 2, seed=0, replace=1))
case(
    "draw",
    "shape",
    ValueError,
    "log_weights: 4294967296 in a row, .* at most",
    lambda: hm.draw(vast(1, 2**32), 0, seed=0),
)
for rows, columns, n in ((3, 4, 2**62), (2**50, 2, 2)):
    case(
        "draw",
        "memory",
        MemoryError,
        "could not allocate",
        lambda r=rows, c=columns, n=n: hm.draw(vast(r, c), n, seed=0),
    )

uniform = hm.sample_uniform
weighted = hm.AliasTable([1.0, 2.0, 0.0, 1.0, 1.0]).sample
for target, call in (("sample_uniform", lambda r, n, **o: uniform(r, n, 5, **o)), ("AliasTable", weighted)):
    count_cases_of(target, "num_rows", lambda v, c=call: c(v, 2, seed=0))
    count_cases_of(target, "n", lambda v, c=call: c(3, v, seed=0))
    seed_cases(target, lambda c=call, **seed: c(3, 2, **seed))
    thread_cases(target, lambda c=call, **threads: c(3, 2, seed=0, **threads))
    exclusion_cases(target, lambda rows, c=call: c(3, 2, exclude=rows, seed=0), 5)
    case(target, "parameter", TypeError, "replace: str 'yes'", lambda c=call: c(3, 2, seed=0, replace="yes"))
    for rows, n in ((2**40, 2**40), (3, 2**50), (2**50, 3)):
        case(target, "memory", MemoryError, "could not allocate", lambda r=rows, n=n, c=call: c(r, n, seed=0))
count_cases_of("sample_uniform", "num_items", lambda v: uniform(3, 2, v, seed=0))
for at, name in ((NAN, "NaN"), (INF, "inf"), (-1.0, "-1")):
    row = {"NaN": "nan", "inf": "infinite"}.get(name, "parameter")
    case("AliasTable", row, ValueError, f"(?i)weights: {name} at index 1", lambda a=at: hm.AliasTable([1.0, a]))
case("AliasTable", "parameter", ValueError, "weights: none of 2 is above 0", lambda: hm.AliasTable([0, 0]))
case("AliasTable", "dtype", TypeError, "weights: dtype object", lambda: hm.AliasTable([object()]))
case("AliasTable", "shape", ValueError, "weights: 2 dimensions", lambda: hm.AliasTable([[1.0]]))
