"""Bad input of rescoring, and of what holds the scores of several teachers."""

import numpy as np

import hardmine as hm
from tests.bad_input.library import candidates
from tests.bad_input.table import F32, INF, LABELS, NAN, case, count_cases_of
from tests.bad_input.texts import collection


def run(**columns):
    return hm.Candidates([0, 1, 2], [1, 0], F32([1, 1]), **columns)


def rescore(scorer=lambda queries, _: [1.0] * len(queries), source=None, **options):
    return hm.rescore(collection(), run() if source is None else source, scorer, progress=False, **options)


class Scorer:
    """With a name and a fingerprint that the cases change."""

    def __init__(self, found=None, **about):
        self.__dict__.update({"name": "ce"} | about)
        self.found = found

    def score_pairs(self, queries, documents, *, progress=False):  # noqa: ARG002
        return [1.0] * len(queries) if self.found is None else self.found(len(queries))


case("rescore", "kind", TypeError, "collection: int, expected a Collection", lambda: hm.rescore(3, run(), Scorer()))
case("rescore", "kind", TypeError, "run: int, expected Candidates", lambda: rescore(source=3))
case("rescore", "kind", TypeError, "scorer: int, expected the name or folder of a cross-encoder", lambda: rescore(3))
case("rescore", "kind", TypeError, "scorer: type, expected the name or folder", lambda: rescore(Scorer))
case("rescore", "kind", TypeError, "scorer: Scorer with score_pairs but no name", lambda: rescore(Scorer(name=None)))
case(
    "rescore",
    "kind",
    TypeError,
    "progress: int 3, expected",
    lambda: hm.rescore(collection(), run(), Scorer(), progress=3),
)
case("rescore", "kind", TypeError, "cache: int 3, expected the path of a folder", lambda: rescore(cache=3))
case("rescore", "parameter", ValueError, "cache_policy: 'x', expected", lambda: rescore(cache_policy="x"))
case("rescore", "parameter", ValueError, "scorer: its name 'first' is that of", lambda: rescore(Scorer(name="first")))
case("rescore", "parameter", FileNotFoundError, "cross-encoder './x': no such folder", lambda: rescore("./x"))
for value, kind in ((True, "bool"), (2.0, "float"), ("2", "str")):
    case("rescore", "count", TypeError, f"k: {kind} .*, expected an integer", lambda v=value: rescore(k=v))
for value in (-1, 2**64):
    case("rescore", "count", ValueError, f"k: {value}, expected at", lambda v=value: rescore(k=v))
count_cases_of("rescore", "scorer 'ce': group_bytes", lambda size: rescore(Scorer(group_bytes=size)), minimum=1)
case(
    "rescore", "shape", ValueError, "run: 3 queries, expected 2", lambda: rescore(source=hm.Candidates([0] * 4, [], []))
)
case(
    "rescore", "ids", ValueError, "run: document 9, expected below 4 as in the collection",
    lambda: rescore(source=hm.Candidates([0, 1, 1], [9], [1.0])),
)  # fmt: skip
case(
    "rescore", "ids", ValueError, "run: its positives are other documents than the collection's",
    lambda: rescore(source=run(positives=hm.Positives.from_lists([[0], [0]]))),
)  # fmt: skip
case("rescore", "kind", ValueError, "collection: holds ids alone, but a scorer reads texts", lambda: hm.rescore(
    hm.Collection.from_ids(["a", "b"], ["x", "y"], [["x"], ["y"]]), run(), Scorer(), progress=False
))  # fmt: skip
WHERE = r"query 0 \('0'\) and document 2 \('positive-2'\)"
for row, value, shown, wanted in (
    ("nan", NAN, "NaN", "expected a number"), ("infinite", -INF, "-inf", "a positive, expected a finite number"),
):  # fmt: skip
    message = f"scorer 'ce': {shown} for {WHERE},.*{wanted}"
    case("rescore", row, ValueError, message, lambda v=value: rescore(Scorer(lambda n: [v] + [1.0] * (n - 1))))
for row, error, message, found in (
    ("shape", ValueError, "length 3, expected 4", lambda _: [1.0, 2.0, 3.0]),
    ("shape", ValueError, "2 dimensions, shape .4, 1., expected 1", lambda n: np.ones((n, 1))),
    ("shape", ValueError, "list of rows that differ in length", lambda _: [[1.0], [1.0, 2.0]]),
    ("shape", ValueError, "0 dimensions", lambda _: 0.5), ("kind", ValueError, "0 dimensions", lambda _: None),
    ("dtype", TypeError, "dtype int64, expected floats", lambda n: [1] * n),
    ("dtype", TypeError, "dtype bool, expected floats", lambda n: [True] * n),
    ("dtype", TypeError, "dtype str32, expected floats", lambda n: ["a"] * n),
):  # fmt: skip
    case("rescore", row, error, f"scorer 'ce': {message}", lambda f=found: rescore(Scorer(f)))
for value in (None, 3, "", {}):
    message = "scorer 'ce': fingerprint .*, by which a cache would know it; expected an attribute"
    case("rescore", "kind", TypeError, message, lambda v=value: rescore(Scorer(fingerprint=v), cache="never-made"))
case(
    "rescore", "parameter", ValueError, "scorer 'ce': fingerprint: Out of range float values", lambda: rescore(
        Scorer(fingerprint=lambda: {"x": NAN}), cache="never-made"
    ),
)  # fmt: skip

case("teachers", "kind", TypeError, "cross-encoder: int, expected a name", lambda: hm.teachers.load_cross_encoder(3))
case(
    "teachers", "kind", TypeError, "cross-encoder 'x': unknown option 'pooling', expected max_length",
    lambda: hm.teachers.load_cross_encoder("x", pooling="cls"),
)  # fmt: skip


# What holds the scores of several teachers


def labels(**columns):
    return hm.Positives(LABELS.offsets, LABELS.ids, **columns)


for target, made in (("Candidates", candidates), ("Positives", labels)):
    count = 1 if target == "Candidates" else 3
    good = F32([1] * count)
    for row, error, message, value in (
        ("kind", TypeError, "teacher_scores: list, expected a mapping", [1]),
        ("kind", TypeError, "teacher_scores: int 3 as the name of a teacher, expected a string", {3: good}),
        ("parameter", ValueError, "teacher_scores: '' as the name of a teacher, expected some text", {"": good}),
        ("shape", ValueError, r"teacher_scores\['a'\]: length 5, expected \d", {"a": F32([1] * 5)}),
        ("shape", ValueError, r"teacher_scores\['a'\]: 2 dimensions", {"a": good[None]}),
        ("dtype", TypeError, r"teacher_scores\['a'\]: dtype int64, expected floats", {"a": good.astype(np.int64)}),
        ("nan", ValueError, r"teacher_scores\['a'\]: NaN at position 0", {"a": good * F32(NAN)}),
    ):  # fmt: skip
        case(target, row, error, message, lambda m=made, v=value: m(teacher_scores=v))
case(
    "Positives", "infinite", ValueError, r"teacher_scores\['a'\]: inf for query 1, expected a finite number",
    lambda: labels(teacher_scores={"a": F32([0, INF, 0])}),
)  # fmt: skip
case(
    "Candidates", "shape", TypeError, "teacher_scores: a column of single candidates, expected columns of whole",
    lambda: hm.Candidates.from_padded([[1]], F32([[1]]), teacher_scores={"a": F32([1])}),
)  # fmt: skip
for rule in (hm.Absolute, hm.MarginPos, hm.PercPos):
    name = rule.__name__
    case(name, "kind", TypeError, "teacher: int 3, expected the name of a teacher", lambda r=rule: r(teacher=3))
    case(name, "parameter", ValueError, "teacher: '', expected the name", lambda r=rule: r(teacher=""))
