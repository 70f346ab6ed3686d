"""A file of records, read line by line: whatever is wrong with it is one line that names the file and the place."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benches.quality.study import plan
from benches.quality.study.plan import ARMS, GRIDS, STEPS
from benches.quality.study.splits import LEAKS
from examples.recipes.shared import TUNING_SEED


class UnreadableError(ValueError):
    """A file is none of records, or of data that no training can be made of."""


class Key(NamedTuple):
    """Which training: `setting` is the number of one that is tried, on the dev part with one seed; "test" is judged."""

    world: str
    student: str
    arm: str
    stage: str
    setting: int
    seed: int


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1e9


def _share(value: Any) -> bool:
    return _number(value) and value <= 1


def _count(value: Any) -> bool:
    return isinstance(value, int) and _number(value)


def _table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, list) and row for row in value)


def _counts(value: Any) -> bool:
    return _table(value) and all(_count(each) for row in value for each in row)


def _sizes(value: Any) -> bool:
    """Of each kind of queries; none is without any."""
    return _counts(value) and len({len(row) for row in value}) == 1 and all(map(any, value))


def _parts(value: Any) -> bool:
    sizes = value.values() if isinstance(value, dict) else ()
    return len(sizes) == 3 and all(
        isinstance(each, list) and len(each) == 2 and all(map(_count, each)) for each in sizes
    )


FIELDS: dict[str, dict[str, Callable[[Any], bool]]] = {
    "dev": {"dev": _share, "seconds": _number},
    "test": {"test": _share, "seconds": _number, "sums": _counts},
    "world": {"parts": _parts, "sizes": _sizes, "teacher": _share},
    "split": dict.fromkeys(LEAKS, _count),
}
"""What a record of each stage holds beside its key."""


def read(path: Path, *, of_plan: bool) -> dict[Key, dict[str, Any]]:
    """All records of a file by key, each checked; with `of_plan`, setting and seed must be those of the plan.

    The last line of a file that is no archive may be cut: a run that was killed leaves one, and it is not there.
    """
    found: dict[Key, dict[str, Any]] = {}
    places: dict[Key, int] = {}
    for number, record in _lines(path):
        try:
            key = _key(record)
            _fields(record, key)
            if of_plan and key.arm:
                _planned(record, key)
            if found.get(key, record) != record:
                raise UnreadableError(f"is of the same training as line {places[key]}, with other figures")
        except UnreadableError as error:
            raise UnreadableError(f"{path}, line {number}: {error}") from None
        found[key] = record
        places[key] = number
    for key, record in found.items():
        if key.stage == "test":
            try:
                _whole(record, found.get(Key(key.world, "", "", "world", 0, 0)))
            except UnreadableError as error:
                raise UnreadableError(f"{path}, line {places[key]}: {error}") from None
    return found


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    packed = path.suffix == ".gz"
    number = 0
    try:
        with gzip.open(path) if packed else path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    if packed:
                        raise UnreadableError(f"{path}, line {number}: is cut short")
                    return
                record = json.loads(line)
                if not isinstance(record, dict):
                    raise UnreadableError(f"{path}, line {number}: is no JSON object")
                yield number, record
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UnreadableError(f"{path}: is no whole gzip file ({error})") from None
    except UnreadableError:
        raise
    except (ValueError, RecursionError):  # text that is no UTF-8, no JSON, or a number of thousands of digits
        raise UnreadableError(f"{path}, line {number}: is no JSON") from None


def _key(record: dict[str, Any]) -> Key:
    for name in Key._fields:
        if name not in record:
            raise UnreadableError(f"{name}: is not there")
    key = Key(*(record[name] for name in Key._fields))
    trained = key.stage in ("dev", "test")
    known: dict[str, Any] = {
        "stage": FIELDS,
        "world": STEPS,
        "student": GRIDS if trained else ("",),
        "arm": ARMS if trained else ("",),
    }
    for name, names in known.items():
        if not isinstance(record[name], str) or record[name] not in names:
            raise UnreadableError(f"{name}: {record[name]!r} is not one of the study")
    for name in ("setting", "seed"):
        if not _count(record[name]):
            raise UnreadableError(f"{name}: {record[name]!r}, expected a number from 0 on")
    if key.stage == "dev" and key.seed != TUNING_SEED:
        raise UnreadableError(f"seed: {key.seed}, expected {TUNING_SEED}, with which settings are tried")
    return key


def _fields(record: dict[str, Any], key: Key) -> None:
    drawn = {"false": _share} if key.arm and ARMS[key.arm].rule is not None else {}
    for name, fits in {**FIELDS[key.stage], **drawn}.items():
        if name not in record:
            raise UnreadableError(f"{name}: is not there")
        if not fits(record[name]):
            raise UnreadableError(f"{name}: is not what a record of stage {key.stage} holds")


def _planned(record: dict[str, Any], key: Key) -> None:
    tried = plan.settings(ARMS[key.arm], key.world, key.student)
    if key.setting >= len(tried):
        raise UnreadableError(f"setting: {key.setting}, expected less than {len(tried)}, as many as the plan tries")
    if key.stage == "test" and key.seed not in plan.SEEDS:
        raise UnreadableError(f"seed: {key.seed}, expected one of {plan.SEEDS[0]} to {plan.SEEDS[-1]}")
    expected, stated = tried[key.setting].stated(), record.get("stated")
    if stated != expected:
        raise UnreadableError(f"setting {key.setting} of {key.arm} was {stated}; in the plan it is {expected}")


def _whole(record: dict[str, Any], world: dict[str, Any] | None) -> None:
    """What was judged has a sum for every cluster of its world, and none that its queries could not reach."""
    if world is None:
        raise UnreadableError(f"what was judged of {record['world']} is not described")
    lengths, expected = ([len(row) for row in each] for each in (record["sums"], world["sizes"]))
    if lengths != expected:
        raise UnreadableError(f"sums: {lengths} clusters, expected {expected}")
    for row, sizes in zip(record["sums"], world["sizes"], strict=True):
        if any(total > 10_000 * size for total, size in zip(row, sizes, strict=True)):
            raise UnreadableError("sums: more than 10,000 for a query")
