"""What ceilings and draws share: frozen values that can be written down and read back."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar, TypeVar

import numpy as np

from hardmine.plumbing import checks

_V = TypeVar("_V", bound="Value")

_DIGESTED = 1 << 24
"""Bytes that are digested between two looks for Ctrl-C, which the interpreter takes outside of a call alone."""


def set_field(target: object, name: str, value: Any) -> None:
    """Set a field of a frozen value while it is made."""
    object.__setattr__(target, name, value)


def above_zero(name: str, value: Any) -> float:
    """`value` as a float above 0."""
    result = checks.real(name, value)
    if result <= 0:
        raise ValueError(f"{name}: {result:g}, expected above 0")
    return result


class Value(ABC):  # noqa: B024 - its children are abstract each in their own way
    """A frozen value with a kind name, its parameters as a dictionary, and back."""

    kind: ClassVar[str] = ""

    def to_dict(self) -> dict[str, Any]:
        """Describe the value as JSON-able data: kind and parameters. An array becomes its length and SHA-256."""
        parts = {f.name: getattr(self, f.name) for f in fields(self) if f.init}  # type: ignore[arg-type]
        return {"kind": self.kind, **{name: plain(part) for name, part in parts.items()}}

    @classmethod
    def from_dict(cls: type[_V], data: Mapping[str, Any]) -> _V:
        """The value that `to_dict` described.

        Parameters
        ----------
        data : mapping
            The kind and its parameters; those that are absent take their defaults.

        Raises
        ------
        ValueError
            The kind or a parameter is unknown, or an array is described by its fingerprint alone.
        """
        what = cls.__name__.lower()
        if not isinstance(data, Mapping) or "kind" not in data:
            raise ValueError(f"{what}: {data!r}, expected a mapping with 'kind'")
        kinds = {made.kind: made for made in _subclasses(cls) if made.kind}
        made = kinds.get(data["kind"]) if isinstance(data["kind"], str) else None
        if made is None:
            raise ValueError(f"{what}: unknown kind {data['kind']!r}, expected one of {', '.join(sorted(kinds))}")
        parameters = {name: value for name, value in data.items() if name != "kind"}
        known = [f.name for f in fields(made) if f.init]  # type: ignore[arg-type]
        unknown = sorted(set(parameters) - set(known), key=str)
        if unknown:
            expected = ", ".join(known) or "none"
            raise ValueError(f"{what} {made.kind}: unknown parameter {unknown[0]!r}, expected {expected}")
        for name, value in parameters.items():
            if isinstance(value, Mapping) and "sha256" in value:
                raise ValueError(f"{what} {made.kind}: {name} is a fingerprint here; give the array itself")
        return made._from_parameters(parameters)

    @classmethod
    def _from_parameters(cls: type[_V], parameters: dict[str, Any]) -> _V:
        try:
            return cls(**parameters)
        except TypeError as error:
            raise ValueError(f"{cls.kind}: {error}") from None


def _subclasses(cls: type[_V]) -> list[type[_V]]:
    found = [cls]
    for sub in cls.__subclasses__():
        found += _subclasses(sub)
    return found


def plain(value: Any) -> Any:
    """`value` as JSON-able data; an array becomes its length and SHA-256."""
    if isinstance(value, Value):
        return value.to_dict()
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        import hashlib  # loads OpenSSL, which most processes never need

        digest, octets = hashlib.sha256(), np.ascontiguousarray(value).reshape(-1).view(np.uint8)
        for start in range(0, octets.size, _DIGESTED):
            digest.update(octets[start : start + _DIGESTED].data)
        return {"length": int(value.size), "sha256": digest.hexdigest()}
    return value
