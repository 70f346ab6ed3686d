"""Objects that never change, and that are the same after every journey."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn, TypeVar

import numpy as np

_F = TypeVar("_F", bound="Frozen")


class FrozenDict(dict[str, Any]):
    """A dictionary that never changes. `json.dumps` takes it, which takes no proxy of a mapping."""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("this mapping is frozen: make a dict() of it to change it")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return FrozenDict, (dict(self),)


def frozen(value: Any) -> Any:
    """JSON-able data that never change: mappings at every depth become `FrozenDict`, lists stay."""
    if isinstance(value, Mapping):
        return FrozenDict({name: frozen(part) for name, part in value.items()})
    return value


class Frozen:
    """An object of a few columns that never change: it pickles, copies and crosses processes as it is."""

    __slots__ = ()

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be deleted")

    def _set(self, name: str, value: Any) -> None:
        """Set a column while the object is made: a view that cannot be written through."""
        if isinstance(value, dict):
            value = FrozenDict({key: _locked(each) for key, each in value.items()})
        object.__setattr__(self, name, _locked(value))

    @classmethod
    def _columns(cls) -> tuple[str, ...]:
        return tuple(name for part in reversed(cls.__mro__) for name in getattr(part, "__slots__", ()))

    @classmethod
    def _trusted(cls: type[_F], columns: Mapping[str, Any]) -> _F:
        """Build from columns that have been checked before: a column that is not given is absent."""
        self = cls.__new__(cls)
        for name in cls._columns():
            self._set(name, columns.get(name))
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        # With pickle protocol 5 the arrays go out of band where the caller asks for it.
        return _again, (type(self), {name: getattr(self, name) for name in self._columns()})


def _again(cls: type[_F], columns: dict[str, Any]) -> _F:
    return cls._trusted(columns)


def _locked(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.flags.writeable:
        value = value.view()
        value.flags.writeable = False
    return value
