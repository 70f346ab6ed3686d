"""Bad input of sweeps; what is wrong with a grid or a run stands in tests/test_sweep.py."""

import hardmine as hm
from tests.bad_input.table import NAN, case, count_cases_of, number_cases, thread_cases


def _collection():
    return hm.Collection.from_pairs(["a", "b"], ["c", "d"], ["e"])


def _sweep(run=None, grid=("naive",), **options):
    run = hm.Candidates([0, 1, 2], [0, 0], [0.5, 0.5]) if run is None else run
    return hm.sweep(_collection(), run, list(grid), progress=False, **options)


for name, minimum in (
    ("num_negatives", 1), ("seed", 0), ("min_queries", 1), ("trials_per_query", 1), ("num_bootstrap", 100),
):  # fmt: skip
    count_cases_of("sweep", name, lambda value, n=name: _sweep(**{n: value}), minimum=minimum)
for name in ("unlabelled_per_positive", "max_false_negatives", "max_short"):
    number_cases("sweep", name, lambda value, n=name: _sweep(**{n: value}), least="at least 0")
case(
    "sweep",
    "parameter",
    ValueError,
    "max_false_negatives: 1.5, expected at most 1",
    lambda: _sweep(max_false_negatives=1.5),
)
for value in (0, 1, 1.0):
    wanted = f"confidence: {value:g}, expected between 0 and 1"
    case("sweep", "parameter", ValueError, wanted, lambda v=value: _sweep(confidence=v))
case("sweep", "parameter", ValueError, "confidence: (nan|NaN)", lambda: _sweep(confidence=NAN))
for name in ("positive_agg", "protocol"):
    case("sweep", "parameter", ValueError, f"{name}: 'x', expected one of", lambda n=name: _sweep(**{n: "x"}))
    case("sweep", "kind", TypeError, f"{name}: int 3, expected one of", lambda n=name: _sweep(**{n: 3}))
case("sweep", "kind", TypeError, "collection: int, expected a Collection", lambda: hm.sweep(3, None))
case("sweep", "kind", TypeError, "run: str, expected Candidates", lambda: _sweep("run.hm"))
case("sweep", "kind", TypeError, "second: int, expected Candidates", lambda: _sweep(second=3))
case("sweep", "shape", ValueError, "run: 1 queries, expected 2", lambda: _sweep(hm.Candidates([0, 1], [0], [0.5])))
case(
    "sweep",
    "ids",
    ValueError,
    "run: document 7, expected below 3",
    lambda: _sweep(hm.Candidates([0, 1, 1], [7], [0.5])),
)
thread_cases("sweep", lambda **threads: _sweep(**threads))
