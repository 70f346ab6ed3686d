"""Labelled positives, and their scores under a teacher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hardmine.nouns import teacher_scores as teachers
from hardmine.nouns.frozen import Frozen
from hardmine.nouns.lists import refuse_repeats, row_span, take_rows
from hardmine.plumbing import checks, ragged
from hardmine.plumbing.float_mode import in_default_mode


class Positives(Frozen):
    """Labelled positives per query, ragged (CSR).

    Parameters
    ----------
    offsets : int64 [num_queries + 1]
    ids : int64 [n]
        Document indices, at least 0, no id twice in one query.
    scores : float32 [n], optional
        Score of each positive under the teacher that scored the candidates; finite.
    teacher_scores : mapping of str to float32 [n], optional
        Their scores under further teachers, by their names, as those of `Candidates`; finite. Absent where empty.

    Raises
    ------
    TypeError, ValueError
        A dtype, an offset, an id or a score is wrong; the message names the argument and the query.

    Examples
    --------
    >>> import hardmine as hm
    >>> positives = hm.Positives.from_lists([[3], [1, 7]])
    >>> len(positives), positives[1].tolist()
    (2, [1, 7])
    """

    __slots__ = ("ids", "offsets", "scores", "teacher_scores")
    offsets: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32] | None
    teacher_scores: Mapping[str, npt.NDArray[np.float32]] | None

    def __init__(
        self,
        offsets: npt.ArrayLike,
        ids: npt.ArrayLike,
        scores: npt.ArrayLike | None = None,
        *,
        teacher_scores: Mapping[str, npt.ArrayLike] | None = None,
    ) -> None:
        id_array = checks.int64_vector("ids", ids)
        offset_array = checks.int64_vector("offsets", offsets)
        ragged.check_offsets(offset_array, id_array.size)
        if id_array.size and int(id_array.min()) < 0:
            at = int(id_array.argmin())
            query = int(np.searchsorted(offset_array, at, side="right")) - 1
            raise ValueError(f"ids: {int(id_array[at])} for query {query}, expected at least 0")
        refuse_repeats(offset_array, id_array)
        score_array = None
        if scores is not None:
            score_array = checks.float32_vector("scores", scores, length=id_array.size)
            _refuse_infinite("scores", score_array, offset_array)
        others = teachers.checked(teacher_scores, id_array.size)
        for name, column in (others or {}).items():
            _refuse_infinite(f"teacher_scores[{name!r}]", column, offset_array)
        for name, value in (
            ("offsets", offset_array), ("ids", id_array), ("scores", score_array), ("teacher_scores", others),
        ):  # fmt: skip
            self._set(name, value)

    @classmethod
    @in_default_mode
    def from_lists(cls, rows: Sequence[Sequence[int]], scores: Sequence[Sequence[float]] | None = None) -> Positives:
        """Build from lists.

        Parameters
        ----------
        rows : sequence of sequences of int
            Document indices of each query.
        scores : sequence of sequences of float, optional
            Their scores, in the same shape.

        Returns
        -------
        Positives

        Raises
        ------
        TypeError, ValueError
            The two differ in shape, or what the constructor raises.
        """
        offsets, ids = ragged.lists_to_csr("positives", rows)
        if scores is None:
            return cls(offsets, ids)
        ragged.sized("scores", scores)
        for index, row in enumerate(scores):
            ragged.sized(f"scores[{index}]", row)
        if [len(row) for row in scores] != [len(row) for row in rows]:
            raise ValueError("scores: their rows differ in length from the ids'")
        flat = [
            s if isinstance(s, (float, np.floating)) else checks.real(f"scores[{i}]", s)
            for i, row in enumerate(scores)
            for s in row
        ]
        return cls(offsets, ids, np.array(flat, dtype=np.float64))

    @classmethod
    def _checked(cls, offsets: Any, ids: Any, scores: Any = None) -> Positives:
        """Build from arrays that have been checked before."""
        return cls._trusted({"offsets": offsets, "ids": ids, "scores": scores})

    def take(self, rows: npt.ArrayLike) -> Positives:
        """The positives of some queries, in the order asked for.

        Parameters
        ----------
        rows : integers [n]
            Query numbers, at least 0; a query may occur several times.

        Returns
        -------
        Positives

        Raises
        ------
        ValueError
            A row is out of range.
        """
        names = ["ids"] if self.scores is None else ["ids", "scores"]
        wanted = checks.int64_vector("rows", rows)
        offsets, taken = take_rows(self.offsets, [getattr(self, name) for name in names], wanted)
        others = teachers.taken(self.teacher_scores, self.offsets, wanted, 1)
        return Positives._trusted(
            {"offsets": offsets, **dict(zip(names, taken, strict=True)), "teacher_scores": others}
        )

    def with_scores(self, scores: npt.ArrayLike) -> Positives:
        """These positives with scores, beside what they have of further teachers.

        Parameters
        ----------
        scores : floats [n]
            One for each (query, positive), in their order; finite.

        Returns
        -------
        Positives

        Raises
        ------
        TypeError, ValueError
            Another length or dtype, NaN or infinities.
        """
        return Positives(self.offsets, self.ids, scores, teacher_scores=self.teacher_scores)

    def __len__(self) -> int:
        return int(self.offsets.size - 1)

    def __getitem__(self, row: int) -> npt.NDArray[np.int64]:
        return self.ids[row_span(self.offsets, row)]

    @property
    def query_of_each(self) -> npt.NDArray[np.int64]:
        """Query of every (query, positive) pair, int64 [n]."""
        return ragged.rows_of(self.offsets)

    def has_labels_of(self, other: Positives) -> bool:
        """Whether the other has the same documents for the same queries; scores are not looked at.

        Parameters
        ----------
        other : Positives
        """
        return _same(self.offsets, other.offsets) and _same(self.ids, other.ids)

    def __repr__(self) -> str:
        scored = ", scored" if self.scores is not None else ""
        scored += "".join(f", scores of {name}" for name in self.teacher_scores or ())
        return f"Positives({len(self)} queries, {self.ids.size} positives{scored})"


def _refuse_infinite(name: str, scores: npt.NDArray[np.float32], offsets: npt.NDArray[np.int64]) -> None:
    if not np.isfinite(scores).all():
        at = int((~np.isfinite(scores)).argmax())
        query = int(np.searchsorted(offsets, at, side="right")) - 1
        raise ValueError(f"{name}: {scores[at]} for query {query}, expected a finite number")


def _same(a: Any, b: Any) -> bool:
    return a is b or (a is not None and b is not None and np.array_equal(a, b))
