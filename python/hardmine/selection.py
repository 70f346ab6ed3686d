"""What to keep and how to choose: ceilings, draws and the `Selection` that holds them.

Frozen value objects. They say *what*, never *how*: the kernels behind `select` and `mine_scores` do the work.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from hardmine import _checks

__all__ = [
    "Absolute", "AllOf", "Anchored", "Ceiling", "Draw", "Laplace", "MarginPos", "NoCeiling", "PercPos", "Popularity",
    "RankPower", "Selection", "SimANS", "Softmax", "Top", "TopThen", "Uniform", "Weighted",
]  # fmt: skip

_V = TypeVar("_V", bound="_Value")


def _set(target: object, name: str, value: Any) -> None:
    object.__setattr__(target, name, value)


def _above_zero(name: str, value: Any) -> float:
    result = _checks.real(name, value)
    if result <= 0:
        raise ValueError(f"{name}: {result:g}, expected above 0")
    return result


class _Value:
    """A frozen value with a kind name, its parameters as a dictionary, and back."""

    kind: ClassVar[str] = ""

    def to_dict(self) -> dict[str, Any]:
        """Describe the value as JSON-able data: kind and parameters. An array becomes its length and SHA-256."""
        parts = {f.name: getattr(self, f.name) for f in fields(self) if f.init}  # type: ignore[arg-type]
        return {"kind": self.kind, **{name: _plain(part) for name, part in parts.items()}}

    @classmethod
    def from_dict(cls: type[_V], data: Mapping[str, Any]) -> _V:
        """The value that `to_dict` described.

        Raises
        ------
        ValueError
            The kind or a parameter is unknown, or an array is described by its fingerprint alone.
        """
        what = cls.__name__.lower()
        if not isinstance(data, Mapping) or "kind" not in data:
            raise ValueError(f"{what}: {data!r}, expected a mapping with 'kind'")
        kinds = {made.kind: made for made in _subclasses(cls) if made.kind}
        made = kinds.get(data["kind"])
        if made is None:
            raise ValueError(f"{what}: unknown kind {data['kind']!r}, expected one of {', '.join(sorted(kinds))}")
        parameters = {name: value for name, value in data.items() if name != "kind"}
        known = [f.name for f in fields(made) if f.init]  # type: ignore[arg-type]
        unknown = sorted(set(parameters) - set(known))
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


def _plain(value: Any) -> Any:
    if isinstance(value, _Value):
        return value.to_dict()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return {"length": int(value.size), "sha256": hashlib.sha256(value.tobytes()).hexdigest()}
    return value


# ---------------------------------------------------------------------------------------------------- ceilings


class Ceiling(_Value):
    """An upper bound on the score of a negative, from the score p of the query's positive. Combine with ``&``."""

    def __and__(self, other: Ceiling) -> Ceiling:
        if not isinstance(other, Ceiling):
            return NotImplemented
        parts = (*self._parts(), *other._parts())
        if not parts:
            return NoCeiling()
        return parts[0] if len(parts) == 1 else AllOf(parts)

    def _parts(self) -> tuple[Ceiling, ...]:
        return (self,)

    def _native(self) -> list[tuple[str, float, float]]:
        """Terms for the native module: name and two parameters each."""
        raise NotImplementedError

    @property
    def needs_positive(self) -> bool:
        """Whether the rule needs the score of the query's positive."""
        return True

    @property
    def needs_anchor_scores(self) -> bool:
        """Whether the rule needs ``Candidates.anchor_scores``."""
        return False


@dataclass(frozen=True)
class NoCeiling(Ceiling):
    """No upper bound: the hardest candidates whatever their score ("naive top k")."""

    kind: ClassVar[str] = "none"

    def _parts(self) -> tuple[Ceiling, ...]:
        return ()

    def _native(self) -> list[tuple[str, float, float]]:
        return []

    @property
    def needs_positive(self) -> bool:
        """Whether the score of the query's positive is needed."""
        return False


@dataclass(frozen=True)
class Absolute(Ceiling):
    """TopK-Abs: a candidate is admissible when ``s <= t`` (NV-Retriever, arXiv 2407.15831, section on TopK-Abs).

    Parameters
    ----------
    t : float
        The bound, on the teacher's own scale; 0.7 suits cosine scores.
    """

    kind: ClassVar[str] = "abs"
    t: float = 0.7

    def __post_init__(self) -> None:
        _set(self, "t", _checks.real("t", self.t))

    def _native(self) -> list[tuple[str, float, float]]:
        return [("abs", self.t, 0.0)]

    @property
    def needs_positive(self) -> bool:
        """Whether the score of the query's positive is needed."""
        return False


@dataclass(frozen=True)
class MarginPos(Ceiling):
    """TopK-MarginPos: a candidate is admissible when ``s <= p - m`` (NV-Retriever, arXiv 2407.15831).

    Parameters
    ----------
    m : float
        Margin below the positive's score, at least 0.
    """

    kind: ClassVar[str] = "margin-pos"
    m: float = 0.05

    def __post_init__(self) -> None:
        _set(self, "m", _checks.real("m", self.m, minimum=0.0))

    def _native(self) -> list[tuple[str, float, float]]:
        return [("margin-pos", self.m, 0.0)]


@dataclass(frozen=True)
class PercPos(Ceiling):
    """TopK-PercPos: a candidate is admissible when ``s <= p - |p| (1 - f)`` (NV-Retriever, arXiv 2407.15831).

    For a positive p this is the paper's ``f * p``. For a negative p the bound lies below p, where ``f * p`` would lie
    above it and let false negatives through.

    Parameters
    ----------
    f : float
        Fraction of the positive's score, at least 0. The paper's best is 0.95; 0.85 to 0.90 is safer, 0.98 harder.
    """

    kind: ClassVar[str] = "perc-pos"
    f: float = 0.95

    def __post_init__(self) -> None:
        _set(self, "f", _checks.real("f", self.f, minimum=0.0))

    def _native(self) -> list[tuple[str, float, float]]:
        return [("perc-pos", self.f, 0.0)]


@dataclass(frozen=True)
class Anchored(Ceiling):
    """A candidate is admissible when ``s + weight * c <= p + (f - 1) |p|``; c looks at the document side.

    c is the largest cosine, after subtracting the corpus mean embedding, between the candidate and a positive of its
    query (`anchor_scores` adds it). A false negative resembles the positive itself, a true hard negative resembles
    the query. hardmine's own rule: on judged collections it halves the false negatives of `PercPos` at equal
    hardness; f lives on another scale than PercPos' f.

    Parameters
    ----------
    f : float
        Fraction of the positive's score, at least 0.
    weight : float
        Weight of the document side, at least 0.
    """

    kind: ClassVar[str] = "anchored"
    f: float = 1.1
    weight: float = 1.0

    def __post_init__(self) -> None:
        _set(self, "f", _checks.real("f", self.f, minimum=0.0))
        _set(self, "weight", _checks.real("weight", self.weight, minimum=0.0))

    def _native(self) -> list[tuple[str, float, float]]:
        return [("anchored", self.f, self.weight)]

    @property
    def needs_anchor_scores(self) -> bool:
        """Whether ``Candidates.anchor_scores`` are needed."""
        return True


@dataclass(frozen=True)
class AllOf(Ceiling):
    """Several ceilings at once: all must hold. What ``a & b`` makes."""

    kind: ClassVar[str] = "all-of"
    ceilings: tuple[Ceiling, ...] = ()

    def __post_init__(self) -> None:
        for part in self.ceilings:
            if not isinstance(part, Ceiling):
                raise TypeError(f"ceilings: {type(part).__name__}, expected ceilings")
        _set(self, "ceilings", tuple(self.ceilings))

    def _parts(self) -> tuple[Ceiling, ...]:
        return tuple(inner for part in self.ceilings for inner in part._parts())

    def _native(self) -> list[tuple[str, float, float]]:
        return [term for part in self.ceilings for term in part._native()]

    @property
    def needs_positive(self) -> bool:
        """Whether the score of the query's positive is needed."""
        return any(part.needs_positive for part in self.ceilings)

    @property
    def needs_anchor_scores(self) -> bool:
        """Whether ``Candidates.anchor_scores`` are needed."""
        return any(part.needs_anchor_scores for part in self.ceilings)

    @classmethod
    def _from_parameters(cls, parameters: dict[str, Any]) -> AllOf:
        return cls(tuple(Ceiling.from_dict(part) for part in parameters.get("ceilings", ())))

    def __repr__(self) -> str:
        return " & ".join(map(repr, self.ceilings)) or "AllOf()"


# ------------------------------------------------------------------------------------------------------- draws


_Law: TypeAlias = tuple[int, str, float, float, npt.NDArray[np.float64] | None]


class Draw(_Value):
    """How n of the admissible candidates are chosen: each has a log-weight, n distinct ones are drawn.

    Drawing is the n largest of log-weight + Gumbel noise, which is exactly sequential sampling without replacement.
    The noise is a function of (seed, epoch, query key, document key) alone.
    """

    @property
    def needs_positive(self) -> bool:
        """Whether the weights need the score of the query's positive."""
        return False

    @property
    def is_top(self) -> bool:
        """Whether the choice is the first n, without noise."""
        return False

    def _native(self) -> _Law:
        """For the native module: how many come first for certain, and the law of the others."""
        raise NotImplementedError


@dataclass(frozen=True)
class Top(Draw):
    """The first n of the ranking, no noise."""

    kind: ClassVar[str] = "top"

    @property
    def is_top(self) -> bool:
        """Whether the choice is the first n, without noise."""
        return True

    def _native(self) -> _Law:
        return (0, self.kind, 0.0, 0.0, None)


@dataclass(frozen=True)
class Uniform(Draw):
    """Every admissible candidate with equal probability: log-weight 0."""

    kind: ClassVar[str] = "uniform"

    def _native(self) -> _Law:
        return (0, self.kind, 0.0, 0.0, None)


@dataclass(frozen=True)
class Softmax(Draw):
    """Log-weight ``s / temperature``: NV-Retriever's sampled top-k (arXiv 2407.15831; temperature not stated there).

    Parameters
    ----------
    temperature : float
        Above 0; small values sharpen. Raw inner products of size 100 need a temperature of that order.
    """

    kind: ClassVar[str] = "softmax"
    temperature: float = 1.0

    def __post_init__(self) -> None:
        _set(self, "temperature", _above_zero("temperature", self.temperature))

    def _native(self) -> _Law:
        return (0, self.kind, self.temperature, 0.0, None)


@dataclass(frozen=True)
class SimANS(Draw):
    """Log-weight ``-a (s - p - b)^2``: ambiguous negatives near the positive's score (SimANS, arXiv 2210.11773).

    The paper's sign of b: the weight peaks at ``p + b`` (the authors' code peaks at ``p - b``). Its a = 0.5 is meant
    for raw inner products in the tens. On cosine scores differences are of order 0.1, so a must grow by two orders of
    magnitude or more to have an effect: a = 0.5 there is nearly uniform.

    Parameters
    ----------
    a : float
        Sharpness, at least 0.
    b : float
        Shift of the peak from the positive's score.
    """

    kind: ClassVar[str] = "sim-ans"
    a: float = 0.5
    b: float = 0.0

    def __post_init__(self) -> None:
        _set(self, "a", _checks.real("a", self.a, minimum=0.0))
        _set(self, "b", _checks.real("b", self.b))

    def _native(self) -> _Law:
        return (0, self.kind, self.a, self.b, None)

    @property
    def needs_positive(self) -> bool:
        """Whether the score of the query's positive is needed."""
        return True


@dataclass(frozen=True)
class Laplace(Draw):
    """Log-weight ``-tau |s - p|``: the form of SimANS' own MS MARCO passage code (tau = 3).

    Parameters
    ----------
    tau : float
        Sharpness, at least 0.
    """

    kind: ClassVar[str] = "laplace"
    tau: float = 3.0

    def __post_init__(self) -> None:
        _set(self, "tau", _checks.real("tau", self.tau, minimum=0.0))

    def _native(self) -> _Law:
        return (0, self.kind, self.tau, 0.0, None)

    @property
    def needs_positive(self) -> bool:
        """Whether the score of the query's positive is needed."""
        return True


@dataclass(frozen=True)
class RankPower(Draw):
    """Log-weight ``-alpha log(rank)``, rank 1-based after known positives and exclusions, before score filters.

    Parameters
    ----------
    alpha : float
        At least 0; 0 is uniform.
    """

    kind: ClassVar[str] = "rank-power"
    alpha: float = 1.0

    def __post_init__(self) -> None:
        _set(self, "alpha", _checks.real("alpha", self.alpha, minimum=0.0))

    def _native(self) -> _Law:
        return (0, self.kind, self.alpha, 0.0, None)


def _frozen_floats(name: str, value: Any) -> npt.NDArray[np.float64]:
    array = np.asarray(value)
    if array.ndim != 1:
        raise ValueError(f"{name}: {array.ndim} dimensions, shape {array.shape}, expected 1")
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{name}: dtype {array.dtype.name}, expected numbers")
    array = np.array(array, dtype=np.float64, order="C")
    array.flags.writeable = False
    return array


class _WithArray(Draw):
    """Equality of draws that hold an array."""

    def _identity(self) -> tuple[Any, ...]:
        parts = (getattr(self, f.name) for f in fields(self))  # type: ignore[arg-type]
        return tuple(part.tobytes() if isinstance(part, np.ndarray) else part for part in parts)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash((self.kind, self._identity()))


@dataclass(frozen=True, eq=False, repr=False)
class Popularity(_WithArray):
    """Log-weight ``alpha log(count)`` of the document; a document of count 0 is never drawn.

    Parameters
    ----------
    counts : numbers [num_documents]
        How often each document occurs; finite, at least 0.
    alpha : float
        0.75 is word2vec's damping.
    """

    kind: ClassVar[str] = "popularity"
    counts: Any
    alpha: float = 0.75

    def __post_init__(self) -> None:
        counts = _frozen_floats("counts", self.counts)
        wrong = ~(np.isfinite(counts) & (counts >= 0))
        if wrong.any():
            at = int(wrong.argmax())
            raise ValueError(f"counts: {counts[at]:g} at position {at}, expected a finite number, at least 0")
        _set(self, "counts", counts)
        _set(self, "alpha", _checks.real("alpha", self.alpha))

    def _native(self) -> _Law:
        return (0, self.kind, self.alpha, 0.0, self.counts)

    def __repr__(self) -> str:
        return f"Popularity(counts=<{self.counts.size} documents>, alpha={self.alpha})"


@dataclass(frozen=True, eq=False, repr=False)
class Weighted(_WithArray):
    """The given log-weights, aligned with ``Candidates.ids``. -inf is never drawn.

    Parameters
    ----------
    log_weights : float [n]
        One per candidate, row after row; no NaN, no +inf.
    """

    kind: ClassVar[str] = "weighted"
    log_weights: Any

    def __post_init__(self) -> None:
        weights = _frozen_floats("log_weights", self.log_weights)
        wrong = np.isnan(weights) | (weights == math.inf)
        if wrong.any():
            at = int(wrong.argmax())
            raise ValueError(f"log_weights: {weights[at]} at position {at}, expected a finite number or -inf")
        _set(self, "log_weights", weights)

    def _native(self) -> _Law:
        return (0, self.kind, 0.0, 0.0, self.log_weights)

    def __repr__(self) -> str:
        return f"Weighted(log_weights=<{self.log_weights.size} candidates>)"


@dataclass(frozen=True)
class TopThen(Draw):
    """The first `n_top` candidates for certain, the others by `draw` from the rest.

    Parameters
    ----------
    n_top : int
        At least 0.
    draw : Draw
        How the remaining ``num_negatives - n_top`` are chosen.
    """

    kind: ClassVar[str] = "top-then"
    n_top: int = 1
    draw: Draw = field(default_factory=Uniform)

    def __post_init__(self) -> None:
        _set(self, "n_top", _checks.integer("n_top", self.n_top))
        if not isinstance(self.draw, Draw):
            raise TypeError(f"draw: {type(self.draw).__name__}, expected a draw such as Uniform()")

    def _native(self) -> _Law:
        inner, *law = self.draw._native()
        return (min(self.n_top + inner, 2**62), *law)  # type: ignore[return-value]

    @property
    def needs_positive(self) -> bool:
        """Whether the score of the query's positive is needed."""
        return self.draw.needs_positive

    @property
    def is_top(self) -> bool:
        """Whether the choice is the first n, without noise."""
        return self.draw.is_top

    @classmethod
    def _from_parameters(cls, parameters: dict[str, Any]) -> TopThen:
        if "draw" in parameters:
            parameters = {**parameters, "draw": Draw.from_dict(parameters["draw"])}
        return super()._from_parameters(parameters)


# --------------------------------------------------------------------------------------------------- selection

_AGGREGATES = ("min", "mean", "max", "each")
_SHORTAGES = ("keep", "drop", "error", "fill")


@dataclass(frozen=True)
class Selection:
    """Which candidates become negatives, and how many.

    Parameters
    ----------
    num_negatives : int
        Negatives per row, at least 1.
    ceiling : Ceiling
        Upper bound on a negative's score; combine several with ``&``. Equality keeps.
    floor : float, optional
        Lower bound on a negative's score. Equality keeps.
    range_min, range_max : int, int or None
        Half-open window [range_min, range_max), 0-based, on the ranking after known positives and exclusions are
        removed and before score filters (``range_min=10`` is NV-Retriever's "shifted by 10").
    range_on : {"raw", "filtered"}
        "filtered" counts the survivors of the score filters instead (as sentence-transformers does).
    draw : Draw
        How the negatives are chosen among the admissible candidates of the window.
    positive_agg : {"min", "mean", "max", "each"}
        The positive score of a query with several positives; "each" makes one row per (query, positive) pair.
    on_shortage : {"keep", "drop", "error", "fill"}
        What to do with a row of fewer than `num_negatives`: keep it short, leave it out and count it, raise
        ValueError, or add random documents, flagged.
    seed : int
        0 to 2**64 - 1; used by every draw but `Top`.

    Raises
    ------
    TypeError, ValueError
        A parameter is wrong; the message names it.

    Examples
    --------
    >>> import hardmine as hm
    >>> rule = hm.Selection(4, ceiling=hm.PercPos(0.95) & hm.Absolute(0.8), draw=hm.TopThen(1, hm.Uniform()))
    >>> rule.ceiling
    PercPos(f=0.95) & Absolute(t=0.8)
    >>> hm.Selection.from_dict(rule.to_dict()) == rule
    True
    """

    num_negatives: int = 4
    ceiling: Ceiling = field(default_factory=PercPos, kw_only=True)
    floor: float | None = field(default=None, kw_only=True)
    range_min: int = field(default=0, kw_only=True)
    range_max: int | None = field(default=None, kw_only=True)
    range_on: str = field(default="raw", kw_only=True)
    draw: Draw = field(default_factory=Top, kw_only=True)
    positive_agg: str = field(default="min", kw_only=True)
    on_shortage: str = field(default="keep", kw_only=True)
    seed: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        _set(self, "num_negatives", _checks.integer("num_negatives", self.num_negatives, minimum=1))
        if not isinstance(self.ceiling, Ceiling):
            raise TypeError(f"ceiling: {type(self.ceiling).__name__}, expected a ceiling such as PercPos(0.95)")
        if self.floor is not None:
            _set(self, "floor", _checks.real("floor", self.floor))
        _set(self, "range_min", _checks.integer("range_min", self.range_min))
        if self.range_max is not None:
            _set(self, "range_max", _checks.integer("range_max", self.range_max))
            if self.range_max <= self.range_min:
                raise ValueError(f"range_max: {self.range_max}, expected above range_min ({self.range_min})")
        _checks.choice("range_on", self.range_on, ("raw", "filtered"))
        if not isinstance(self.draw, Draw):
            raise TypeError(f"draw: {type(self.draw).__name__}, expected a draw such as Top()")
        _checks.choice("positive_agg", self.positive_agg, _AGGREGATES)
        _checks.choice("on_shortage", self.on_shortage, _SHORTAGES)
        _set(self, "seed", _checks.integer("seed", self.seed, maximum=2**64 - 1))

    @property
    def needs_positive(self) -> bool:
        """Whether the ceiling or the draw needs the score of the query's positive."""
        return self.ceiling.needs_positive or self.draw.needs_positive

    def replace(self, **changes: Any) -> Selection:
        """Copy with some parameters changed."""
        known = {f.name: getattr(self, f.name) for f in fields(self)}
        unknown = sorted(set(changes) - set(known))
        if unknown:
            raise TypeError(f"{unknown[0]}: not a parameter of Selection; expected one of {', '.join(known)}")
        return Selection(**{**known, **changes})

    def to_dict(self) -> dict[str, Any]:
        """Describe the selection as JSON-able data."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Selection:
        """The selection that `to_dict` described; absent parameters take their defaults.

        Raises
        ------
        TypeError, ValueError
            A parameter is unknown or wrong.
        """
        parameters = dict(data)
        unknown = sorted(set(parameters) - {f.name for f in fields(cls)})
        if unknown:
            known = ", ".join(f.name for f in fields(cls))
            raise ValueError(f"selection: unknown parameter {unknown[0]!r}, expected {known}")
        for name, kind in (("ceiling", Ceiling), ("draw", Draw)):
            if name in parameters:
                parameters[name] = kind.from_dict(parameters[name])
        return cls(**parameters)
