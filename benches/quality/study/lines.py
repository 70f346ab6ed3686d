"""A file of records, read line by line: whatever is wrong with it is one line that names the file and the place."""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benches.quality.study.plan import ARMS, GRIDS, STEPS, settings
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
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, list) and row for row in value)


def _counts(value: Any) -> bool:
    return _table(value) and all(_count(each) for row in value for each in row)


def _parts(value: Any) -> bool:
    sizes = value.values() if isinstance(value, dict) else ()
    return len(sizes) == 3 and all(
        isinstance(each, list) and len(each) == 2 and all(map(_count, each)) for each in sizes
    )


FIELDS: dict[str, dict[str, Callable[[Any], bool]]] = {
    "dev": {"dev": _number, "seconds": _number},
    "test": {"test": _number, "seconds": _number, "sums": _counts},
    "world": {"parts": _parts, "sizes": _counts, "teacher": _number},
    "split": dict.fromkeys(LEAKS, _count),
}
"""What a record of each stage holds beside its key."""


def read(path: Path, *, of_plan: bool) -> dict[Key, dict[str, Any]]:
    """All records of a file by key, each checked; with `of_plan`, a stated setting must be the plan's.

    A record that states no setting is taken for one of the plan. The last line of a file that is no archive may be cut:
    a run that was killed leaves one, and it is not there.
    """
    found: dict[Key, dict[str, Any]] = {}
    places = {}
    for number, record in _lines(path):
        try:
            key = _key(record)
            _fields(record, key)
            if of_plan and key.arm:
                _planned(record, key)
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
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
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
    drawn = {"false": _number} if key.arm and ARMS[key.arm].rule is not None else {}
    for name, fits in {**FIELDS[key.stage], **drawn}.items():
        if name not in record:
            raise UnreadableError(f"{name}: is not there")
        if not fits(record[name]):
            raise UnreadableError(f"{name}: is not what a record of stage {key.stage} holds")


def _planned(record: dict[str, Any], key: Key) -> None:
    plan = settings(ARMS[key.arm], key.world, key.student)
    if key.setting >= len(plan):
        raise UnreadableError(f"setting: {key.setting}, expected less than {len(plan)}, as many as the plan tries")
    expected = plan[key.setting].stated()
    stated = record.get("stated", expected)
    if stated != expected:
        raise UnreadableError(f"setting {key.setting} of {key.arm} was {stated}; in the plan it is {expected}")


def _whole(record: dict[str, Any], world: dict[str, Any] | None) -> None:
    """What was judged has a sum for every cluster of its world."""
    if world is None:
        raise UnreadableError(f"what was judged of {record['world']} is not described")
    lengths, expected = ([len(row) for row in each] for each in (record["sums"], world["sizes"]))
    if lengths != expected:
        raise UnreadableError(f"sums: {lengths} clusters, expected {expected}")
