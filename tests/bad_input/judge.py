"""Bad input of judging; what is wrong with answers of a judge stands in tests/test_judge.py."""

import hardmine as hm
from tests.bad_input.table import case, count_cases_of


def _collection():
    return hm.Collection.from_pairs(["a", "b"], ["c", "d"], ["e"])


def _verdicts(queries, documents, positives):  # noqa: ARG001
    return ["negative"] * len(queries)


def _judge(given=None, judge=_verdicts, **options):
    run = hm.Candidates([0, 1, 2], [0, 0], [0.5, 0.5])
    return hm.judge(_collection(), run if given is None else given, judge, progress=False, **options)


for name, minimum in (("batch_size", 1), ("max_retries", 0), ("seed", 0)):
    count_cases_of("judge", name, lambda value, n=name: _judge(**{n: value}), minimum=minimum)
for name in ("budget", "max_false"):
    case("judge", "count", ValueError, f"{name}: -1, expected at least 0", lambda n=name: _judge(**{n: -1}))
    case("judge", "count", TypeError, f"{name}: float 2.0, expected an integer", lambda n=name: _judge(**{n: 2.0}))
for name in ("policy", "order", "unsure", "on_error", "cache_policy"):
    wanted = f"{name}: 'x', expected one of"
    case("judge", "parameter", ValueError, wanted, lambda n=name: _judge(**{n: "x"}))
    case("judge", "kind", TypeError, f"{name}: int 3, expected one of", lambda n=name: _judge(**{n: 3}))
case("judge", "kind", TypeError, "collection: int, expected a Collection", lambda: hm.judge(3, None, _verdicts))
case("judge", "kind", TypeError, "negatives_or_run: list, expected Negatives", lambda: _judge([[1]]))
case("judge", "kind", TypeError, "judge: str 'gpt', expected a callable", lambda: _judge(judge="gpt"))
case("judge", "kind", TypeError, "sleep: int 3, expected a callable", lambda: _judge(sleep=3))
case("judge", "kind", TypeError, "cache: int 3, expected the path of a folder", lambda: _judge(cache=3))
case("judge", "kind", TypeError, "judge '_verdicts': fingerprint None, by which", lambda: _judge(cache="nowhere"))
case("judge", "shape", ValueError, "run: 1 queries, expected 2", lambda: _judge(hm.Candidates([0, 1], [0], [0.5])))
case(
    "judge",
    "ids",
    ValueError,
    "run: document 7, expected below 3",
    lambda: _judge(hm.Candidates([0, 1, 1], [7], [0.5])),
)
