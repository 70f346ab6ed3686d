"""What to keep and how to choose: the `Selection`, a frozen value that holds a ceiling, a window and a draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from hardmine.plumbing import checks
from hardmine.rules.ceilings import Ceiling, PercPos
from hardmine.rules.draws import Draw, Top
from hardmine.rules.values import above_zero, plain, set_field

__all__ = ["Selection"]

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
    near_duplicates : float, optional
        Above 0, at most 1. Documents whose texts resemble each other that much (`near_duplicate_groups`) are
        near-duplicates: one of a positive is no negative, and no two negatives of a row are of each other. The second
        is passed over, and the next takes its place.
    near_cosine : float, optional
        Likewise documents whose embeddings have this cosine or more, above 0, at most 1. Equality counts.

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
    near_duplicates: float | None = field(default=None, kw_only=True)
    near_cosine: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        set_field(self, "num_negatives", checks.integer("num_negatives", self.num_negatives, minimum=1))
        if not isinstance(self.ceiling, Ceiling):
            raise TypeError(f"ceiling: {type(self.ceiling).__name__}, expected a ceiling such as PercPos(0.95)")
        if self.floor is not None:
            set_field(self, "floor", checks.real("floor", self.floor))
        set_field(self, "range_min", checks.integer("range_min", self.range_min))
        if self.range_max is not None:
            set_field(self, "range_max", checks.integer("range_max", self.range_max))
            if self.range_max <= self.range_min:
                raise ValueError(f"range_max: {self.range_max}, expected above range_min ({self.range_min})")
        checks.choice("range_on", self.range_on, ("raw", "filtered"))
        if not isinstance(self.draw, Draw):
            raise TypeError(f"draw: {type(self.draw).__name__}, expected a draw such as Top()")
        checks.choice("positive_agg", self.positive_agg, _AGGREGATES)
        checks.choice("on_shortage", self.on_shortage, _SHORTAGES)
        set_field(self, "seed", checks.integer("seed", self.seed, maximum=2**64 - 1))
        for name in ("near_duplicates", "near_cosine"):
            bound = getattr(self, name)
            if bound is not None:
                set_field(self, name, checks.real(name, above_zero(name, bound), maximum=1.0))

    @property
    def needs_positive(self) -> bool:
        """Whether the ceiling or the draw needs the score of the query's positive."""
        return self.ceiling.needs_positive or self.draw.needs_positive

    @property
    def tells_apart(self) -> bool:
        """Whether near-duplicates are kept out: what a list holds may then be passed over."""
        return self.near_duplicates is not None or self.near_cosine is not None

    def replace(self, **changes: Any) -> Selection:
        """Copy with some parameters changed.

        Parameters
        ----------
        **changes
            Any parameter of the constructor.

        Returns
        -------
        Selection

        Raises
        ------
        TypeError, ValueError
            As in the constructor.
        """
        known = {f.name: getattr(self, f.name) for f in fields(self)}
        unknown = sorted(set(changes) - set(known))
        if unknown:
            raise TypeError(f"{unknown[0]}: not a parameter of Selection; expected one of {', '.join(known)}")
        return Selection(**{**known, **changes})

    def to_dict(self) -> dict[str, Any]:
        """Describe the selection as JSON-able data."""
        return {f.name: plain(getattr(self, f.name)) for f in fields(self)}

    def _described(self) -> dict[str, Any]:
        """`to_dict`, made once: nothing in a selection changes, and loaders select batch after batch."""
        known: dict[str, Any] | None = self.__dict__.get("_description")
        if known is None:
            known = self.to_dict()
            set_field(self, "_description", known)
        return {name: dict(part) if isinstance(part, dict) else part for name, part in known.items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Selection:
        """The selection that `to_dict` described.

        Parameters
        ----------
        data : mapping
            Absent parameters take their defaults.

        Returns
        -------
        Selection

        Raises
        ------
        TypeError, ValueError
            A parameter is unknown or wrong.
        """
        if not isinstance(data, Mapping):
            raise TypeError(f"selection: {type(data).__name__}, expected a mapping")
        parameters = dict(data)
        unknown = sorted(set(parameters) - {f.name for f in fields(cls)}, key=str)
        if unknown:
            known = ", ".join(f.name for f in fields(cls))
            raise ValueError(f"selection: unknown parameter {unknown[0]!r}, expected {known}")
        for name, kind in (("ceiling", Ceiling), ("draw", Draw)):
            if name in parameters:
                parameters[name] = kind.from_dict(parameters[name])
        return cls(**parameters)
