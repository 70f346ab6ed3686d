"""What the page is given beside what was mined, a sweep and an audit: its shape is looked at once, here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TEXT, _NUMBER, _WHOLE = (str, "a string"), ((int, float), "a number"), (int, "a whole number")
_LARGEST = 2**63
"""A whole number is smaller than this."""
_PLACE = {"file": _TEXT, "unit": _TEXT, "line": _WHOLE, "field": _TEXT, "shown": _TEXT}
_SHAPES: dict[str, dict[str, Any]] = {
    "sweep": {
        "about": {"teacher": _TEXT, "queries": _WHOLE, "documents": _WHOLE},
        "recommended": {"index": _WHOLE, "why": _TEXT, "criterion": {"hardness": _TEXT}},
        "estimate": {
            **dict.fromkeys(("why_none", "protocol", "caution"), _TEXT),
            **dict.fromkeys(("confidence", "unlabelled_per_positive"), _NUMBER),
            "queries": _WHOLE,
        },
        "rows": [
            {
                "index": _WHOLE,
                "rule": _TEXT,
                "selection": {},
                "kept": _WHOLE,
                **dict.fromkeys(("short_share", "mean_score", "hardness", "eci"), _NUMBER),
                **{f"false_negative_{end}": _NUMBER for end in ("rate", "low", "high")},
            }
        ],
    },
    "audit": {
        "files": [{"name": _TEXT}],
        "findings": [
            {"check": _TEXT, "severity": _TEXT, "what": _TEXT, "count": _WHOLE, "rows": _WHOLE, "examples": [_PLACE]}
        ],
    },
}
"""The fields that the page shows: those of an object, the items of a list, or a type. Each may be missing or None."""
_NEEDED = {"sweep": ("rows", "recommended"), "audit": ("findings",)}
"""Fields without which it is none."""


def as_data(name: str, value: Any) -> Mapping[str, Any] | None:
    """A sweep or an audit as its dictionary: given as one, or as an object that gives one.

    Raises
    ------
    TypeError, ValueError
        It is none; the message names the field.
    """
    found = value.to_dict() if hasattr(value, "to_dict") else value
    if found is None:
        return None
    if not isinstance(found, Mapping):
        raise TypeError(f"{name}: {type(value).__name__}, expected a result with to_dict(), or what that gives")
    for key in _NEEDED[name]:
        if found.get(key) is None:
            raise _wrong(f"{name}[{key!r}]", "missing", f"what to_dict() of a result of hardmine.{name} gives")
    _check(name, found, _SHAPES[name])
    return found


def _check(name: str, value: Any, shape: Any) -> None:
    if value is None:
        return
    if isinstance(shape, dict):
        if not isinstance(value, Mapping):
            raise _wrong(name, type(value).__name__, "an object")
        for key, inner in shape.items():
            _check(f"{name}[{key!r}]", value.get(key), inner)
    elif isinstance(shape, list):
        if not isinstance(value, (list, tuple)):
            raise _wrong(name, type(value).__name__, "a list")
        for at, each in enumerate(value):
            if each is None:
                raise _wrong(f"{name}[{at}]", "None", "an object")
            _check(f"{name}[{at}]", each, shape[0])
    else:
        kind, wanted = shape
        if not isinstance(value, kind) or isinstance(value, bool):
            raise _wrong(name, type(value).__name__, wanted)
        if isinstance(value, int) and abs(value) >= _LARGEST:
            raise _wrong(name, "a number of more than 64 bits", wanted)


def _wrong(name: str, came: str, wanted: str) -> ValueError:
    return ValueError(f"{name}: {came}, expected {wanted}")


def foreign(sweep: Mapping[str, Any], run: Mapping[str, Any]) -> str | None:
    """Why what a sweep found is not said of a run; None where it is of a run of this teacher and this size."""
    about = sweep.get("about") or {}
    for key in ("teacher", "queries", "documents"):
        if about.get(key) is None or run.get(key) is None:
            return f"the {key} of {'the sweep' if about.get(key) is None else 'this run'} are not said"
        if about[key] != run[key]:
            there, here = (f"{each:,}" if isinstance(each, int) else str(each)[:60] for each in (about[key], run[key]))
            return f"its {key}: {there} there, {here} here"
    return None
