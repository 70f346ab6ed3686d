"""Laws by which negatives are drawn from the admissible candidates, as frozen values. The kernels do the work."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, TypedDict

import numpy as np
import numpy.typing as npt

from hardmine.plumbing import checks
from hardmine.plumbing.float_mode import in_default_mode
from hardmine.rules.values import Value, above_zero, set_field

__all__ = [
    "Among", "Draw", "Laplace", "Popularity", "RankPower", "SimANS", "Softmax", "Stratified", "Top", "TopThen",
    "Uniform", "Weighted",
]  # fmt: skip

_ALL = 2**62

# A log-weight beyond float64 would be infinite, and its candidate drawn never or always. Within these no scores of
# float32 lead there, no ranks and no counts.
_LEAST_TEMPERATURE = 2e-270
_MOST_A, _MOST_B = 1e229, 1e39
_MOST_TAU = 1e269
_MOST_ALPHA = 1e305


class _Law(TypedDict):
    """What the native module is told of a draw."""

    top: int
    """So many come first for certain."""
    pool: int | None
    """The others are drawn from so many that follow; None for all."""
    name: str
    a: float
    b: float
    array: npt.NDArray[np.float64] | None


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
        """For the native module."""

    def _law(self, a: float = 0.0, b: float = 0.0, array: npt.NDArray[np.float64] | None = None) -> _Law:
        return {"top": 0, "pool": None, "name": self.kind, "a": a, "b": b, "array": array}


@dataclass(frozen=True)
class Top(Draw):
    """The first n of the ranking, no noise."""

    kind: ClassVar[str] = "top"

    @property
    def is_top(self) -> bool:
        """Whether the choice is the first n, without noise."""
        return True

    def _native(self) -> _Law:
        return self._law()


@dataclass(frozen=True)
class Uniform(Draw):
    """Every admissible candidate with equal probability: log-weight 0."""

    kind: ClassVar[str] = "uniform"

    def _native(self) -> _Law:
        return self._law()


@dataclass(frozen=True)
class Softmax(Draw):
    """Log-weight ``s / temperature``: NV-Retriever's sampled top-k (arXiv 2407.15831; temperature not stated there).

    Parameters
    ----------
    temperature : float
        At least 2e-270, below which log-weights overflow; small values sharpen. Raw inner products of size 100 need a
        temperature of that order.
    """

    kind: ClassVar[str] = "softmax"
    temperature: float = 1.0

    def __post_init__(self) -> None:
        above_zero("temperature", self.temperature)
        set_field(self, "temperature", checks.real("temperature", self.temperature, minimum=_LEAST_TEMPERATURE))

    def _native(self) -> _Law:
        return self._law(self.temperature)


@dataclass(frozen=True)
class SimANS(Draw):
    """Log-weight ``-a (s - p - b)^2``: ambiguous negatives near the positive's score (SimANS, arXiv 2210.11773).

    The paper's sign of b: the weight peaks at ``p + b`` (the authors' code peaks at ``p - b``). Its a = 0.5 is meant
    for raw inner products in the tens. On cosine scores differences are of order 0.1, so a must grow by two orders of
    magnitude or more to have an effect: a = 0.5 there is nearly uniform.

    Parameters
    ----------
    a : float
        Sharpness, from 0 to 1e229, beyond which log-weights overflow.
    b : float
        Shift of the peak from the positive's score, at most 1e39 either way.
    """

    kind: ClassVar[str] = "sim-ans"
    a: float = 0.5
    b: float = 0.0

    def __post_init__(self) -> None:
        set_field(self, "a", checks.real("a", self.a, minimum=0.0, maximum=_MOST_A))
        set_field(self, "b", checks.real("b", self.b, minimum=-_MOST_B, maximum=_MOST_B))

    def _native(self) -> _Law:
        return self._law(self.a, self.b)

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
        Sharpness, from 0 to 1e269, beyond which log-weights overflow.
    """

    kind: ClassVar[str] = "laplace"
    tau: float = 3.0

    def __post_init__(self) -> None:
        set_field(self, "tau", checks.real("tau", self.tau, minimum=0.0, maximum=_MOST_TAU))

    def _native(self) -> _Law:
        return self._law(self.tau)

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
        From 0, which is uniform, to 1e305, beyond which log-weights overflow.
    """

    kind: ClassVar[str] = "rank-power"
    alpha: float = 1.0

    def __post_init__(self) -> None:
        set_field(self, "alpha", checks.real("alpha", self.alpha, minimum=0.0, maximum=_MOST_ALPHA))

    def _native(self) -> _Law:
        return self._law(self.alpha)


@in_default_mode
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
        0.75 is word2vec's damping; at most 1e305 either way.
    """

    kind: ClassVar[str] = "popularity"
    counts: Any
    alpha: float = 0.75

    @in_default_mode
    def __post_init__(self) -> None:
        counts = _frozen_floats("counts", self.counts)
        wrong = ~(np.isfinite(counts) & (counts >= 0))
        if wrong.any():
            at = int(wrong.argmax())
            raise ValueError(f"counts: {counts[at]:g} at position {at}, expected a finite number, at least 0")
        set_field(self, "counts", counts)
        set_field(self, "alpha", checks.real("alpha", self.alpha, minimum=-_MOST_ALPHA, maximum=_MOST_ALPHA))

    def _native(self) -> _Law:
        return self._law(self.alpha, array=self.counts)

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
        return self._law(array=self.log_weights)

    def __repr__(self) -> str:
        return f"Weighted(log_weights=<{self.log_weights.size} candidates>)"


@dataclass(frozen=True)
class Stratified(Draw):
    """Equal shares from `bins` bins of equal width over the range of the admissible, uniformly within a bin.

    Negatives of every hardness instead of those of one (stratified sampling over the teacher's score range,
    arXiv 2604.04734).

    Parameters
    ----------
    bins : int
        Number of bins, at least 1. More bins than negatives are fine.
    by : {"score", "rank"}
        What is divided: the range from the lowest to the highest score of the query's admissible candidates inside the
        window, or the range of their ranks. Ranks count before score filters, as everywhere.

    Notes
    -----
    Bins are numbered from the hardest candidate down. A bin holds its upper bound and not its lower one; the last holds
    both. Equal scores share a bin, and where all are equal there is one. Scores must be finite under ``by="score"``:
    with an infinite one among the admissible, `select` raises ValueError, which names the query.

    Shares are dealt in rounds: in each round every bin that has candidates left gives one more, so that what a small or
    empty bin lacks comes from all others alike. The last round may need fewer than that; the bins that give then are
    chosen at random, every set of them alike, so that over epochs and queries the shares are equal in the mean.
    Within a bin every candidate is equally likely, by the same noise as `Uniform`, which ``Stratified(1)`` equals.

    Examples
    --------
    >>> import hardmine as hm
    >>> run = hm.Candidates([0, 6], range(6), [1.0, 0.95, 0.9, 0.85, 0.8, 0.0])
    >>> rule = hm.Selection(2, ceiling=hm.NoCeiling(), draw=hm.Stratified(2))
    >>> int(hm.select(run, hm.Positives.from_lists([[9]]), rule)[0].ids[1])
    5
    """

    kind: ClassVar[str] = "stratified"
    bins: int = 4
    by: str = "score"

    def __post_init__(self) -> None:
        set_field(self, "bins", checks.integer("bins", self.bins, minimum=1, maximum=2**31 - 1))
        checks.choice("by", self.by, ("score", "rank"))

    def _native(self) -> _Law:
        return {**self._law(self.bins), "name": f"{self.kind}-{self.by}"}


class Wrapping(Draw):
    """A draw that sets bounds to another."""

    draw: Draw

    @abstractmethod
    def _around(self, draw: Draw) -> Draw:
        """The same bounds around another draw."""

    @property
    def needs_positive(self) -> bool:
        """Whether the score of the query's positive is needed."""
        return self.draw.needs_positive

    @property
    def is_top(self) -> bool:
        """Whether the choice is the first n, without noise."""
        return self.draw.is_top

    @classmethod
    def _from_parameters(cls, parameters: dict[str, Any]) -> Wrapping:
        if "draw" in parameters:
            parameters = {**parameters, "draw": Draw.from_dict(parameters["draw"])}
        return super()._from_parameters(parameters)


def _inner(draw: Any) -> None:
    if not isinstance(draw, Draw):
        raise TypeError(f"draw: {type(draw).__name__}, expected a draw such as Uniform()")


@dataclass(frozen=True)
class TopThen(Wrapping):
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
        _inner(self.draw)

    def _native(self) -> _Law:
        law = self.draw._native()
        return {**law, "top": min(self.n_top + law["top"], _ALL)}

    def _around(self, draw: Draw) -> TopThen:
        return TopThen(self.n_top, draw)


@dataclass(frozen=True)
class Among(Wrapping):
    """The first `pool` admissible candidates alone take part in `draw`: a pool that every epoch draws from afresh.

    ``Selection(range_on="filtered", range_max=pool)`` does the same where the window has no other use.

    Parameters
    ----------
    pool : int
        At least 0.
    draw : Draw
        How the negatives are chosen from the pool.

    Examples
    --------
    >>> import hardmine as hm
    >>> run = hm.Candidates([0, 4], range(4), [0.9, 0.8, 0.7, 0.6])
    >>> rule = hm.Selection(3, ceiling=hm.Absolute(0.85), draw=hm.Among(2, hm.Uniform()))
    >>> hm.select(run, hm.Positives.from_lists([[9]]), rule)[0].ids.tolist()
    [1, 2]
    """

    kind: ClassVar[str] = "among"
    pool: int
    draw: Draw = field(default_factory=Uniform)

    def __post_init__(self) -> None:
        set_field(self, "pool", checks.integer("pool", self.pool, maximum=_ALL))
        _inner(self.draw)

    def _native(self) -> _Law:
        law = self.draw._native()
        if law["name"] == Top.kind:  # all of the pool comes for certain, and nothing is left to draw from
            return {**law, "top": self.pool, "pool": 0, "name": Uniform.kind}
        top = min(law["top"], self.pool)
        rest = self.pool - top
        return {**law, "top": top, "pool": rest if law["pool"] is None else min(rest, law["pool"])}

    def _around(self, draw: Draw) -> Among:
        return Among(self.pool, draw)
