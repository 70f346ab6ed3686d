"""Values of a record, checked: lists of texts, ids and numbers, each error with the place inside the record."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from typing import Any

from hardmine.formats.rows import Row, kind, shorten

Names = Sequence[str]


def value_of(row: Row, names: Names, wanted: str, *, needed: bool) -> tuple[str, Any]:
    """What stands under the first of `names` that is there, and that name; None for null or nothing if not needed."""
    name = row.find(names)
    value = None if name is None else row.fields[name]
    if value is None and needed:
        if name is not None:
            raise row.error(name, "null", wanted)
        found = ", ".join(row.fields) or "no fields"
        others = f" (or {', '.join(names[1:])})" if len(names) > 1 else ""
        raise row.error(names[0], f"missing; found {shorten(found)}", f"{wanted} under this name{others}")
    return name or names[0], value


def list_of(row: Row, names: Names, items: str, *, needed: bool, single: bool = False) -> tuple[str, list[Any] | None]:
    """A list, and its name; `single` lets one item stand for a list of it, which else is a mistake that costs a run."""
    wanted = f"a list of {items}"
    name, value = value_of(row, names, wanted, needed=needed)
    if single and isinstance(value, (str, dict)):
        value = [value]
    if value is not None and not isinstance(value, list):
        raise row.error(name, f"{kind(value)} ({shorten(value)})", wanted)
    if needed and not value:
        raise row.error(name, "empty", f"at least one of {items}")
    return name, value


def spelled(row: Row, name: str) -> Row:
    """The record with a list in place of a text that spells one, as tables that went through csv have them."""
    value = row.fields.get(name)
    if not isinstance(value, str):
        return row
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        try:
            found = ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            found = None
    if not isinstance(found, list):
        raise row.error(name, f"a string ({shorten(value)})", "a list, or a text that spells one")
    return row._replace(fields=row.fields | {name: found})


def texts(row: Row, name: str, values: list[Any]) -> list[str]:
    """Strings of a list."""
    return [row.string(f"{name}[{place}]", value) for place, value in enumerate(values)]


def identifier(row: Row, name: str, value: Any) -> str:
    """An id: a string, or an integer that is read as its digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise row.error(name, f"{kind(value)} ({shorten(value)})", "a string or an integer")
    return row.string(name, value)


def identifiers(row: Row, name: str, values: list[Any]) -> list[str]:
    """Ids of a list."""
    return [identifier(row, f"{name}[{place}]", value) for place, value in enumerate(values)]


def number(row: Row, name: str, value: Any) -> float | None:
    """A number; null is one that nobody knows."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise row.error(name, f"{kind(value)} ({shorten(value)})", "a number")
    try:
        return float(value)
    except OverflowError:
        raise row.error(name, f"{shorten(value)}", "a number that 64 bits can hold") from None


def numbers(row: Row, name: str, count: int, of: str) -> list[float | None] | None:
    """Numbers of a list that has one for each item of another; None where there is no such list."""
    name, values = list_of(row, (name,), "numbers", needed=False)
    if values is None:
        return None
    if len(values) != count:
        raise row.error(name, f"{len(values)} numbers", f"{count}, one for each of {of}")
    return [number(row, f"{name}[{place}]", value) for place, value in enumerate(values)]


def object_of(row: Row, name: str, value: Any) -> Row:
    """An object inside a record, as a record of its own whose errors name the way to it."""
    if not isinstance(value, dict):
        raise row.error(name, f"{kind(value)} ({shorten(value)})", "an object")
    return _Inner(row.path, row.number, value, row.unit, name)


class _Inner(Row):
    """A record inside a record."""

    way: str

    def __new__(cls, path: Any, number: int, fields: dict[str, Any], unit: str, way: str) -> _Inner:
        made = super().__new__(cls, path, number, fields, unit)
        made.way = way
        return made

    def error(self, field: str | None, came: str, wanted: str) -> Any:
        return super().error(self.way if field is None else f"{self.way}.{field}", came, wanted)
