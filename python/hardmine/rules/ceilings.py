"""Upper bounds on the score of a negative, as frozen values. They say *what*; the kernels do the work."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar

from hardmine.plumbing import checks, ragged
from hardmine.rules.values import Value, set_field

__all__ = ["Absolute", "AllOf", "Anchored", "Ceiling", "MarginPos", "NoCeiling", "PercPos"]


class Ceiling(Value):
    """An upper bound on the score of a negative, from the score p of the query's positive. Combine with ``&``."""

    def __and__(self, other: Ceiling) -> Ceiling:
        return joined((self, other)) if isinstance(other, Ceiling) else NotImplemented

    def _parts(self) -> tuple[Ceiling, ...]:
        return (self,)

    @abstractmethod
    def _native(self) -> list[tuple[str, float, float]]:
        """Terms for the native module, of what names no teacher: name and two parameters each."""

    def _of_teachers(self) -> dict[str, Ceiling]:
        """By the name of a teacher, the rule on its scores: what names one, joined, as it is without the name."""
        return {}

    @property
    def teachers(self) -> tuple[str, ...]:
        """Names of the teachers that the rule names; the scores that lists are ordered by need no name."""
        return tuple(self._of_teachers())

    @property
    def needs_positive(self) -> bool:
        """Whether the rule needs the score of the query's positive."""
        return True

    @property
    def needs_anchor_scores(self) -> bool:
        """Whether the rule needs ``Candidates.anchor_scores``."""
        return False


def joined(ceilings: Iterable[Ceiling]) -> Ceiling:
    """All of some ceilings, as ``&`` joins them: flat, `NoCeiling` left out, one alone as it is."""
    parts = tuple(part for each in ceilings for part in each._parts())
    if not parts:
        return NoCeiling()
    return parts[0] if len(parts) == 1 else AllOf(parts)


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


class _OnScores(Ceiling):
    """A rule on the score alone, which may name the teacher whose scores are meant."""

    teacher: str | None

    def _check_teacher(self) -> None:
        if self.teacher is not None and not isinstance(self.teacher, str):
            raise TypeError(f"teacher: {type(self.teacher).__name__} {self.teacher!r}, expected the name of a teacher")
        if self.teacher == "":
            raise ValueError("teacher: '', expected the name of a teacher")

    @abstractmethod
    def _terms(self) -> list[tuple[str, float, float]]:
        """The rule for the native module, whosever scores are meant."""

    def _native(self) -> list[tuple[str, float, float]]:
        return self._terms() if self.teacher is None else []

    def _of_teachers(self) -> dict[str, Ceiling]:
        return {} if self.teacher is None else {self.teacher: replace(self, teacher=None)}  # type: ignore[type-var]

    def to_dict(self) -> dict[str, Any]:
        """Describe the value as JSON-able data: kind and parameters, the teacher where the rule names one."""
        found = super().to_dict()
        return found if self.teacher is not None else {name: part for name, part in found.items() if name != "teacher"}

    def __repr__(self) -> str:
        parameters = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        shown = [f"{name}={value!r}" for name, value in parameters.items() if name != "teacher" or value is not None]
        return f"{type(self).__name__}({', '.join(shown)})"


@dataclass(frozen=True, repr=False)
class Absolute(_OnScores):
    """TopK-Abs: a candidate is admissible when ``s <= t`` (NV-Retriever, arXiv 2407.15831, section on TopK-Abs).

    Parameters
    ----------
    t : float
        The bound, on the teacher's own scale; 0.7 suits cosine scores.
    teacher : str, optional
        Whose scores are meant, as `rescore` keeps them in ``teacher_scores``; without it those that lists are ordered
        by.
    """

    kind: ClassVar[str] = "abs"
    t: float = 0.7
    teacher: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        set_field(self, "t", checks.real("t", self.t))
        self._check_teacher()

    def _terms(self) -> list[tuple[str, float, float]]:
        return [("abs", self.t, 0.0)]

    @property
    def needs_positive(self) -> bool:
        """Whether the score of the query's positive is needed."""
        return False


@dataclass(frozen=True, repr=False)
class MarginPos(_OnScores):
    """TopK-MarginPos: a candidate is admissible when ``s <= p - m`` (NV-Retriever, arXiv 2407.15831).

    Parameters
    ----------
    m : float
        Margin below the positive's score. A margin below 0 lets a candidate lie so much above the positive: in the
        batch, Qwen3-Embedding (arXiv 2506.05176) masks ``s > p + 0.1``, which is ``MarginPos(-0.1)``.
    teacher : str, optional
        Whose scores are meant, as `rescore` keeps them in ``teacher_scores``; without it those that lists are ordered
        by.
    """

    kind: ClassVar[str] = "margin-pos"
    m: float = 0.05
    teacher: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        set_field(self, "m", checks.real("m", self.m))
        self._check_teacher()

    def _terms(self) -> list[tuple[str, float, float]]:
        return [("margin-pos", self.m, 0.0)]


@dataclass(frozen=True, repr=False)
class PercPos(_OnScores):
    """TopK-PercPos: a candidate is admissible when ``s <= p - |p| (1 - f)`` (NV-Retriever, arXiv 2407.15831).

    For a positive p this is the paper's ``f * p``. For a negative p the bound lies below p, where ``f * p`` would lie
    above it and let false negatives through.

    Parameters
    ----------
    f : float
        Fraction of the positive's score, at least 0. The paper's best is 0.95; 0.85 to 0.90 is safer, 0.98 harder.
    teacher : str, optional
        Whose scores are meant, as `rescore` keeps them in ``teacher_scores``; without it those that lists are ordered
        by.
    """

    kind: ClassVar[str] = "perc-pos"
    f: float = 0.95
    teacher: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        set_field(self, "f", checks.real("f", self.f, minimum=0.0))
        self._check_teacher()

    def _terms(self) -> list[tuple[str, float, float]]:
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
        set_field(self, "f", checks.real("f", self.f, minimum=0.0))
        set_field(self, "weight", checks.real("weight", self.weight, minimum=0.0))

    def _native(self) -> list[tuple[str, float, float]]:
        return [("anchored", self.f, self.weight)]

    @property
    def needs_anchor_scores(self) -> bool:
        """Whether ``Candidates.anchor_scores`` are needed."""
        return True


@dataclass(frozen=True)
class AllOf(Ceiling):
    """Several ceilings at once: all must hold. What ``a & b`` makes.

    Parameters
    ----------
    ceilings : sequence of Ceiling
    """

    kind: ClassVar[str] = "all-of"
    ceilings: tuple[Ceiling, ...] = ()

    def __post_init__(self) -> None:
        ragged.sized("ceilings", self.ceilings)
        for part in self.ceilings:
            if not isinstance(part, Ceiling):
                raise TypeError(f"ceilings: {type(part).__name__}, expected ceilings")
        set_field(self, "ceilings", tuple(self.ceilings))

    def _parts(self) -> tuple[Ceiling, ...]:
        return tuple(inner for part in self.ceilings for inner in part._parts())

    def _native(self) -> list[tuple[str, float, float]]:
        return [term for part in self.ceilings for term in part._native()]

    def _of_teachers(self) -> dict[str, Ceiling]:
        found: dict[str, Ceiling] = {}
        for part in self.ceilings:
            for name, rule in part._of_teachers().items():
                found[name] = found.get(name, NoCeiling()) & rule
        return found

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
        parts = parameters.get("ceilings", ())
        ragged.sized("ceilings", parts)
        return cls(tuple(Ceiling.from_dict(part) for part in parts))

    def __repr__(self) -> str:
        return " & ".join(map(repr, self.ceilings)) or "AllOf()"
