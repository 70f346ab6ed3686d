"""Laws by which negatives are drawn from the admissible candidates, as frozen values. The kernels do the work."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from hardmine.plumbing import checks
from hardmine.rules.values import Value, above_zero, set_field

__all__ = [
    "Draw", "Laplace", "Popularity", "RankPower", "SimANS", "Softmax", "Top", "TopThen", "Uniform", "Weighted",
]  # fmt: skip

_Law: TypeAlias = tuple[int, str, float, float, npt.NDArray[np.float64] | None]


class Draw(Value):
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

    @abstractmethod
    def _native(self) -> _Law:
        """For the native module: how many come first for certain, and the law of the others."""


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
        set_field(self, "temperature", above_zero("temperature", self.temperature))

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
        set_field(self, "a", checks.real("a", self.a, minimum=0.0))
        set_field(self, "b", checks.real("b", self.b))

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
        set_field(self, "tau", checks.real("tau", self.tau, minimum=0.0))

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
        set_field(self, "alpha", checks.real("alpha", self.alpha, minimum=0.0))

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
        set_field(self, "counts", counts)
        set_field(self, "alpha", checks.real("alpha", self.alpha))

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
        set_field(self, "log_weights", weights)

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
        set_field(self, "n_top", checks.integer("n_top", self.n_top))
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
