"""Bad input of what holds texts and mines them, and of lists that are put together."""

from functools import cache

import hardmine as hm
from tests.bad_input.library import candidates, lists
from tests.bad_input.table import (
    F32,
    NAN,
    RULE,
    RUN,
    S,
    case,
    count_cases_of,
    number_cases,
    thread_cases,
    vast,
)


@cache
def collection():
    return hm.Collection.from_pairs(["red apples", "green pears"], ["red fruit", "green fruit"], ["blue", "cars"])


from_pairs = hm.Collection.from_pairs
case("Collection", "kind", TypeError, "queries: int, expected a pyarrow.Table", lambda: hm.Collection(1, 2, 3))
case("Collection", "kind", TypeError, r"queries\[0\]: int, expected a string", lambda: from_pairs([3], ["b"]))
case("Collection", "kind", TypeError, r"positives\[0\]: int, expected an iterable", lambda: from_pairs(["a"], [3]))
case("Collection", "kind", TypeError, "queries: NoneType, expected an iterable", lambda: from_pairs(None, ["b"]))
case("Collection", "kind", TypeError, "corpus: int, expected an iterable", lambda: from_pairs(["a"], ["b"], 3))
case("Collection", "shape", ValueError, "positives: 1 rows, expected 2", lambda: from_pairs(["a", "b"], ["c"]))
case("Collection", "shape", ValueError, "queries: none, expected at least one", lambda: from_pairs([], []))
case("Collection", "parameter", ValueError, r"queries\[0\]: .* UTF-8", lambda: from_pairs(["\ud800"], ["b"]))
case("Collection", "parameter", ValueError, "format: 'x', expected one of", lambda: hm.Collection.read("x", "x"))
case(
    "Collection", "parameter", FileNotFoundError, "no such file or folder", lambda: hm.Collection.read("/nowhere.jsonl")
)
case(
    "Collection",
    "ids",
    ValueError,
    "positives: document 9, expected below 4",
    lambda: hm.Collection(collection().queries, collection().documents, lists([[9], [0]])),
)
case(
    "formats", "parameter", ValueError, "format: 'x', expected one of", lambda: hm.formats.check_output("a.jsonl", "x")
)
case(
    "formats",
    "parameter",
    ValueError,
    "suffix '.txt', expected .jsonl, .parquet, .csv or .tsv",
    lambda: hm.formats.check_output("a.txt", "sentence-transformers:triplet"),
)


def retrieve(teacher="bm25", **options):
    return hm.retrieve(collection(), teacher, progress=False, **options)


def mine(teacher="bm25", rule=RULE, **options):
    return hm.mine(collection(), teacher, rule, progress=False, **options)


case("retrieve", "kind", TypeError, "collection: int, expected a Collection", lambda: hm.retrieve(3, "bm25"))
case("retrieve", "kind", TypeError, "teacher: int, expected a name", lambda: retrieve(3))
count_cases_of("retrieve", "k", lambda k: retrieve(k=k))
case(
    "retrieve",
    "nan",
    ValueError,
    "queries: NaN at row 0",
    lambda: retrieve(hm.teachers.precomputed(vast(2, 2) * F32(NAN), vast(4, 2))),
)
case("retrieve", "parameter", ValueError, "ceiling: nan", lambda: retrieve(ceiling=NAN))
case("retrieve", "shape", ValueError, "ceiling: length 1, expected 2", lambda: retrieve(ceiling=F32([1])))
case("retrieve", "kind", TypeError, "cache: int 3, expected the path of a folder", lambda: retrieve(cache=3))
case("retrieve", "parameter", ValueError, "cache_policy: 'x', expected", lambda: retrieve(cache_policy="x"))


def embed(teacher=None, **options):
    teacher = teacher or hm.teachers.precomputed(vast(2, 2), vast(4, 2))
    return hm.embed(collection(), teacher, progress=False, **options)


case("embed", "kind", TypeError, "collection: int, expected a Collection", lambda: hm.embed(3, "bm25"))
case("embed", "kind", TypeError, "teacher: int, expected a name", lambda: embed(3))
case("embed", "kind", TypeError, "cache: int 3, expected the path of a folder", lambda: embed(cache=3))
case("embed", "parameter", ValueError, "cache_policy: 'x', expected", lambda: embed(cache_policy="x"))
case("embed", "parameter", ValueError, "teacher 'bm25': has no document embeddings", lambda: embed("bm25"))
case(
    "embed",
    "shape",
    ValueError,
    "document embeddings: 3 rows, expected 4",
    lambda: embed(hm.teachers.precomputed(vast(2, 2), vast(3, 2))),
)


def audited(**options):
    return hm.audit(mine(), **options)


case("audit", "kind", TypeError, "rows: int, expected paths or Mined", lambda: hm.audit(3))
case("audit", "kind", TypeError, "against: int, expected a Collection or a path", lambda: audited(against=3))
case("audit", "kind", TypeError, "progress: int 3, expected True, False", lambda: audited(progress=3))
case("audit", "kind", TypeError, "rows: bytes, expected paths or Mined", lambda: hm.audit(b"rows.jsonl"))
case("audit", "parameter", ValueError, "rows: none, expected at least one path", lambda: hm.audit([]))
case("audit", "parameter", ValueError, "format: 'beir', expected one of", lambda: audited(format="beir"))
case("audit", "parameter", ValueError, "near_duplicates: nan, expected", lambda: audited(near_duplicates=NAN))
case("audit", "parameter", ValueError, "hub_share: 2, expected at most 1", lambda: audited(hub_share=2))
case("audit", "parameter", ValueError, "fix: rows that are no file, expected files", lambda: audited(fix="a.jsonl"))
case("plan", "kind", TypeError, "collection: int, expected a Collection", lambda: hm.plan(3, "bm25"))
case("plan", "kind", TypeError, "teacher: int, expected a name", lambda: hm.plan(collection(), 3))
case("plan", "kind", TypeError, "cache: int 3, expected the path", lambda: hm.plan(collection(), "bm25", cache=3))
case("plan", "parameter", ValueError, "max_memory: 'x'", lambda: hm.plan(collection(), "bm25", max_memory="x"))
count_cases_of("plan", "k", lambda k: hm.plan(collection(), "bm25", k))
case("mine", "kind", TypeError, "collection: int, expected a Collection", lambda: hm.mine(3, "bm25", RULE))
case("mine", "kind", TypeError, "selection: float, expected a Selection", lambda: mine(rule=0.95))
case("mine", "count", TypeError, "k: bool True", lambda: mine(k=True))
case("mine", "count", ValueError, "k: 0, expected at least 1", lambda: mine(k=0))
case("mine", "count", ValueError, "epoch: -1", lambda: mine(epoch=-1))
case("teachers", "shape", ValueError, "documents: 1 dimensions", lambda: hm.teachers.precomputed(S, S[0]))
case("teachers", "kind", TypeError, "queries: int, expected an array", lambda: hm.teachers.precomputed(3, S))
case(
    "teachers",
    "parameter",
    ValueError,
    "similarity: 'l2', expected",
    lambda: hm.teachers.precomputed(S, S, similarity="l2"),
)


def near_duplicate_groups(texts=("a", "b"), threshold=0.9, **options):
    return hm.near_duplicate_groups(texts, threshold, **options)


number_cases("near_duplicate_groups", "threshold", lambda t: near_duplicate_groups(threshold=t), least="above 0")
for setting, least in (("size", 1), ("num_permutations", 1), ("seed", 0)):
    count_cases_of(
        "near_duplicate_groups", setting, lambda v, s=setting: near_duplicate_groups(**{s: v}), minimum=least
    )
thread_cases("near_duplicate_groups", lambda **threads: near_duplicate_groups(**threads))
case(
    "near_duplicate_groups",
    "parameter",
    ValueError,
    "threshold: 2, expected at most 1",
    lambda: near_duplicate_groups(threshold=2),
)
case(
    "near_duplicate_groups",
    "kind",
    TypeError,
    "texts: str, expected an iterable of strings",
    lambda: near_duplicate_groups("a"),
)
case(
    "near_duplicate_groups",
    "kind",
    TypeError,
    r"texts\[1\]: int, expected a string",
    lambda: near_duplicate_groups(["a", 1]),
)

case("fuse", "kind", TypeError, "runs: int, expected a sequence", lambda: hm.fuse(3))
case("fuse", "kind", TypeError, r"runs\[1\]: int, expected Candidates", lambda: hm.fuse([RUN, 3]))
case("fuse", "shape", ValueError, r"runs\[1\]: 1 queries, expected 3", lambda: hm.fuse([RUN, candidates()]))
case("fuse", "shape", ValueError, "runs: 0 of them", lambda: hm.fuse([]))
case("fuse", "parameter", ValueError, "method: 'x', expected one of", lambda: hm.fuse([RUN], method="x"))
case("fuse", "parameter", ValueError, "weights: 2, expected 1", lambda: hm.fuse([RUN], weights=[1.0, 1.0]))
for value in (-1, 2**64):
    case("fuse", "count", ValueError, "k: ", lambda v=value: hm.fuse([RUN], k=v))
case("fuse", "count", TypeError, "k: bool", lambda: hm.fuse([RUN], k=True))

case("merge", "kind", TypeError, "runs: int, expected a sequence", lambda: hm.merge(3))
case("merge", "kind", TypeError, r"runs\[1\]: int, expected Candidates", lambda: hm.merge([RUN, 3]))
case("merge", "shape", ValueError, r"runs\[1\]: 1 queries, expected 3", lambda: hm.merge([RUN, candidates()]))
case("merge", "shape", ValueError, "runs: none, expected", lambda: hm.merge([]))
case("merge", "ids", ValueError, r"runs: document \d+ of query \d+ is in runs\[0\]", lambda: hm.merge([RUN, RUN]))
case("merge", "ids", ValueError, "document_offsets: -1, expected", lambda: hm.merge([RUN], document_offsets=[-1]))
case(
    "merge",
    "shape",
    ValueError,
    "document_offsets: length 2, expected 1",
    lambda: hm.merge([RUN], document_offsets=[0, 9]),
)
case("merge", "dtype", TypeError, "document_offsets: dtype float64", lambda: hm.merge([RUN], document_offsets=[0.0]))
for value in (True, 2.0, "2"):
    case("merge", "count", TypeError, "k: .*, expected an integer", lambda v=value: hm.merge([RUN], k=v))
for value in (-1, 2**64):
    case("merge", "count", ValueError, f"k: {value}, expected", lambda v=value: hm.merge([RUN], k=v))
case(
    "merge",
    "parameter",
    ValueError,
    "k: 6, expected at most 5",
    lambda: hm.merge([RUN.replace(metadata={"k": 5})], k=6),
)
