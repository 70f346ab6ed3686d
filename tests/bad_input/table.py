"""The table of bad input, and what every function that takes the same sort of thing must refuse."""

from typing import NamedTuple

import numpy as np

import hardmine as hm

ROWS = {
    "nan": "NaN scores, weights or embeddings",
    "infinite": "infinities where nothing can be computed with them",
    "count": "k, n and the like: negative, bool, float, beyond 64 bits",
    "shape": "0-d, 1-d, 3-d, ragged, lengths that differ",
    "dtype": "byte-swapped, int, bool, complex, object, string",
    "ids": "out of range, negative, duplicated; offsets that fall",
    "parameter": "margins, temperatures and other numbers: NaN, negative, infinite; unknown names",
    "memory": "more than memory: MemoryError instead of an abort",
    "kind": "an object of another kind altogether",
}
"""Rows of the table that a refusal answers; strides and sizes of 0 are accepted: see the tests of each function."""

F32 = np.float32
S = np.arange(12, dtype=F32).reshape(3, 4)
NAN, INF = float("nan"), float("inf")
LABELS = hm.Positives.from_lists([[0], [1], [2]])
POSITIVES = LABELS.with_scores(F32([1, 2, 3]))
RUN = hm.topk(S, 3)
RULE = hm.Selection(2)
PLAIN = hm.Selection(2, ceiling=hm.NoCeiling())
WITH_NAN = np.where(np.arange(12).reshape(3, 4) == 6, F32(np.nan), S)
WITH_INF = np.where(np.arange(12).reshape(3, 4) == 6, F32(np.inf), S)


def vast(*shape):
    """An array without memory behind it."""
    return np.broadcast_to(F32(1), shape)


class Case(NamedTuple):
    target: str
    row: str
    call: object
    error: type
    pattern: str


CASES: list[Case] = []


def case(target, row, error, pattern, call):
    CASES.append(Case(target, row, call, error, pattern))


def matrix_cases(target, argument, call, *, widest="float64"):
    """What every function that takes a matrix must refuse."""
    accepted = "float16, bfloat16, float32" + (", float64" if widest == "float64" else "$")
    floats = f"{argument}: dtype {{}}, expected one of {accepted}"
    for dtype in ("int64", "bool", "complex128", "object", "longdouble"):
        case(target, "dtype", TypeError, floats.format(np.dtype(dtype).name), lambda d=dtype: call(S.astype(d)))
    case(target, "dtype", TypeError, floats.format(r"str\d+"), lambda: call(np.array([["a"]])))
    case(target, "dtype", TypeError, "float32 with swapped byte order, expected", lambda: call(S.astype(">f4")))
    case(target, "dtype", TypeError, f"{argument}: a masked array", lambda: call(np.ma.masked_array(S, S > 5)))
    for shape in ((), (3,), (1, 2, 3)):
        wanted = rf"{argument}: {len(shape)} dimensions, shape .*, expected 2"
        case(target, "shape", ValueError, wanted, lambda s=shape: call(np.zeros(s, F32)))
    case(target, "shape", ValueError, f"{argument}: list of rows that differ", lambda: call([[1.0], [1.0, 2.0]]))
    for value, kind in ((None, "NoneType"), (object(), "object"), ("abc", "str")):
        case(target, "kind", TypeError, f"{argument}: {kind}, expected an array", lambda v=value: call(v))


def count_cases_of(target, argument, call, *, minimum=0):
    """What every number of things must refuse."""
    for value, kind in ((True, "bool"), (np.True_, "bool"), (2.0, "float"), ("2", "str"), (None, "NoneType")):
        case(target, "count", TypeError, f"{argument}: {kind} .*, expected an integer", lambda v=value: call(v))
    for value in (minimum - 1, np.int8(-1)):
        wanted = f"{argument}: {int(value)}, expected at least {minimum}"
        case(target, "count", ValueError, wanted, lambda v=value: call(v))
    case(target, "count", ValueError, f"{argument}: {2**64}, expected at most", lambda: call(2**64))


def number_cases(target, argument, call, *, least=None, infinite=False):
    """What every real parameter must refuse."""
    case(target, "parameter", ValueError, f"{argument}: (nan|NaN)", lambda: call(NAN))
    case(target, "parameter", ValueError, f"{argument}: beyond the range of float64", lambda: call(10**400))
    if not infinite:
        case(target, "parameter", ValueError, f"{argument}: inf, expected a finite number", lambda: call(INF))
    if least is not None:
        case(target, "parameter", ValueError, f"{argument}: -1, expected {least}", lambda: call(-1.0))
    for value, kind in ((True, "bool"), ("1", "str"), (1j, "complex")):
        case(target, "kind", TypeError, f"{argument}: {kind} .*, expected a number", lambda v=value: call(v))


def limit_cases(target, call):
    """Ceiling, floor and exclusions for three queries over four documents."""
    for name in ("ceiling", "floor"):
        case(target, "parameter", ValueError, f"{name}: nan, expected", lambda n=name: call(**{n: NAN}))
        vector = F32([0, NAN, 0])
        case(target, "parameter", ValueError, f"{name}: NaN for query 1", lambda n=name, v=vector: call(**{n: v}))
        case(target, "shape", ValueError, f"{name}: length 2, expected 3", lambda n=name: call(**{n: F32([0, 0])}))
        case(target, "dtype", TypeError, f"{name}: dtype int64", lambda n=name: call(**{n: np.array([0, 0, 0])}))
    exclusion_cases(target, lambda rows: call(exclude=rows), 4)


def exclusion_cases(target, call, items):
    def offsets(*values):
        return np.array(values), np.array([0, 1, 2])

    case(target, "ids", ValueError, "exclude: id -1 of row 0 is outside", lambda: call([[-1], [], []]))
    if items is not None:
        wanted = f"exclude: id {items} of row 1 is outside 0..{items}"
        case(target, "ids", ValueError, wanted, lambda: call([[], [items], []]))
    case(target, "ids", ValueError, "exclude: offsets fall from 2 to 1 at row 1", lambda: call(offsets(0, 2, 1, 3)))
    case(target, "ids", ValueError, "exclude: offsets start at 1", lambda: call(offsets(1, 2, 3, 3)))
    case(target, "ids", ValueError, "exclude: offsets end at 4, expected 3", lambda: call(offsets(0, 2, 3, 4)))
    case(target, "shape", ValueError, "exclude: offsets have length 3", lambda: call(offsets(0, 2, 3)))
    case(target, "shape", ValueError, "exclude: 2 rows, expected 3", lambda: call([[], []]))
    case(target, "dtype", TypeError, r"exclude\[0\]: dtype float64", lambda: call([[1.5], [], []]))
    for value, kind in (([1, 2, 3], "int"), ([{1}, [], []], "set"), (["a", "b", "c"], "str")):
        wanted = rf"exclude\[0\]: {kind}, expected a sequence"
        case(target, "kind", TypeError, wanted, lambda v=value: call(v))
    case(target, "kind", TypeError, "exclude: int, expected a pair", lambda: call(3))


def seed_cases(target, call):
    """Seed, epoch and keys of three rows."""
    count_cases_of(target, "seed", lambda v: call(seed=v))
    count_cases_of(target, "epoch", lambda v: call(seed=0, epoch=v))
    case(target, "shape", ValueError, r"row_keys: shape \(1,\), expected \(3,\)", lambda: call(seed=0, row_keys=[1]))
    case(target, "dtype", TypeError, "row_keys: dtype float64", lambda: call(seed=0, row_keys=[0.5, 1, 2]))


def thread_cases(target, call):
    count_cases_of(target, "num_threads", lambda v: call(num_threads=1 if v is None else v), minimum=1)
    CASES[:] = [c for c in CASES if not (c.target == target and "num_threads: NoneType" in c.pattern)]
