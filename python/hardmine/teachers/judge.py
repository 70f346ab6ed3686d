"""Judges: who says whether a document that was mined as a negative is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from reprlib import repr  # noqa: A004 - a verdict may be any text, and a message is a line
from typing import Any, Protocol

import numpy as np

from hardmine.plumbing import checks
from hardmine.teachers.pairs import pair_scorer, scores_of

VERDICTS = ("negative", "positive", "unsure")
"""What a judge may say of a document."""
_MOST_KEPT = 100_000
"""Scores of positives that a judge remembers at most, with the two texts of each."""


class Judge(Protocol):
    """Says of documents whether they answer their queries: any callable with these three arguments is one.

    Attributes
    ----------
    name : str, optional
        What reports call it; without one, the name of the function or of the class.
    fingerprint : str, mapping, or method, optional
        What a cache knows its verdicts by: a string, or JSON-able facts, that change whenever a verdict on the same
        three texts may; or a method without arguments that returns one. Only ``cache=`` asks for it.
    needs_texts : bool, optional
        False for a judge that reads no texts: of a collection of ids alone it is given the ids in their place. Absent
        means True.
    """

    def __call__(
        self, queries: Sequence[str], documents: Sequence[str], positives: Sequence[str], /
    ) -> Sequence[str | Exception]:
        """Verdicts on a batch.

        Parameters
        ----------
        queries, documents : sequence of str
            Item i asks whether ``documents[i]`` answers ``queries[i]``.
        positives : sequence of str
            A document that is known to answer the query; empty where none is known.

        Returns
        -------
        sequence of str
            One of `VERDICTS` for each item. An exception in the place of a verdict (an instance, not raised) says that
            this item failed and that the others stand. A verdict should depend on the three texts of its item alone.
        """
        ...


class JudgeError(RuntimeError):
    """A judge could not answer.

    Parameters
    ----------
    message : str
        What went wrong.
    retry : bool
        Whether asking again may help. A judge that returns this error for an item with False is not asked again for
        it; one that raises it with False ends the run, since no other item would fare better.

    Examples
    --------
    >>> from hardmine.teachers import JudgeError
    >>> JudgeError("the document is longer than the model takes", retry=False).retry
    False
    """

    def __init__(self, message: str, *, retry: bool = True) -> None:
        super().__init__(message)
        self.retry = checks.boolean("retry", retry)


class CrossEncoderJudge:
    """Judges by the score of a cross-encoder and two thresholds.

    Parameters
    ----------
    scorer : str, path-like, PairScorer, CrossEncoder of sentence-transformers, or callable
        What scores pairs, as `hardmine.rescore` takes it; no NaN.
    negative_below : float
        A document that scores less is "negative".
    positive_above : float
        A document that scores more is "positive"; at least `negative_below`. What lies between, and equality with
        either, is "unsure".
    relative : bool
        Whether the two are shares of the positive's own score p under the same scorer, as `hardmine.PercPos` takes
        them: t stands for p - abs(p) (1 - t). An item without a positive is "unsure".

    Raises
    ------
    TypeError, ValueError
        A threshold is no finite number, or the lower is above the upper; when it judges, scores that are no numbers,
        too few or too many, or NaN.

    Notes
    -----
    Known by the fingerprint of its scorer, where that has one, and the thresholds.

    Examples
    --------
    >>> import hardmine as hm
    >>> def overlap(queries, documents):
    ...     return [len({*q.split()} & {*d.split()}) / len(q.split()) for q, d in zip(queries, documents)]
    >>> judge = hm.teachers.CrossEncoderJudge(overlap, negative_below=0.4, positive_above=0.8)
    >>> judge(["red apples"] * 3, ["red cars", "blue cars", "big red apples"], ["apples are red"] * 3)
    ['unsure', 'negative', 'positive']
    """

    def __init__(self, scorer: Any, *, negative_below: float, positive_above: float, relative: bool = False) -> None:
        self.negative_below = checks.real("negative_below", negative_below)
        self.positive_above = checks.real("positive_above", positive_above)
        self.relative = checks.boolean("relative", relative)
        if self.positive_above < self.negative_below:
            raise ValueError(
                f"positive_above: {self.positive_above:g}, expected at least negative_below ({self.negative_below:g})"
            )
        self.scorer = pair_scorer(scorer)
        self._own: dict[tuple[str, str], float] = {}

    @property
    def name(self) -> str:
        """The name of the scorer."""
        return self.scorer.name

    @property
    def fingerprint(self) -> dict[str, Any] | None:
        """What a cache knows the verdicts by; None where the scorer says nothing."""
        given = getattr(self.scorer, "fingerprint", None)
        given = given() if callable(given) else given
        if given is None:
            return None
        thresholds = {"negative_below": self.negative_below, "positive_above": self.positive_above}
        return {"scorer": given, **thresholds, "relative": self.relative}

    def __call__(self, queries: Sequence[str], documents: Sequence[str], positives: Sequence[str], /) -> list[str]:
        """Verdicts on a batch; see `Judge`."""
        scores = self._scores(queries, documents)
        lower, upper = np.full(len(scores), self.negative_below), np.full(len(scores), self.positive_above)
        if self.relative:
            known = np.array([bool(text) for text in positives], dtype=bool)
            own = self._own_scores([(q, p) for q, p in zip(queries, positives, strict=True) if p])
            p = np.array([own.get(pair, 0.0) for pair in zip(queries, positives, strict=True)], dtype=np.float64)
            lower = np.where(known, p - np.abs(p) * (1 - lower), -np.inf)
            upper = np.where(known, p - np.abs(p) * (1 - upper), np.inf)
        sure = (scores > upper).astype(int) - (scores < lower)
        return [("unsure", "positive", "negative")[each] for each in sure.tolist()]

    def _own_scores(self, pairs: list[tuple[str, str]]) -> dict[tuple[str, str], float]:
        """Scores of positives: one stands beside every document of its query, in this batch and in others."""
        new = [pair for pair in dict.fromkeys(pairs) if pair not in self._own]
        if len(self._own) + len(new) > _MOST_KEPT:
            self._own, new = {}, list(dict.fromkeys(pairs))
        if new:
            self._own.update(zip(new, self._scores(*map(list, zip(*new, strict=True))).tolist(), strict=True))
        return self._own

    def _scores(self, queries: Sequence[str], documents: Sequence[str]) -> Any:
        found = self.scorer.score_pairs(list(queries), list(documents), progress=False)
        whose = f"scorer {self.scorer.name!r}"
        return scores_of(whose, found, len(queries), lambda at: f"item {at}").astype(np.float64)

    def __repr__(self) -> str:
        relative = ", relative=True" if self.relative else ""
        return (
            f"CrossEncoderJudge({self.name!r}, negative_below={self.negative_below:g}, "
            f"positive_above={self.positive_above:g}{relative})"
        )


def named(value: Any) -> str:
    """What to call a judge or a scorer: by its name, else by that of the function or class."""
    name = getattr(value, "name", None) or getattr(value, "__name__", None)
    return name if isinstance(name, str) else type(value).__name__


def checked(name: str, found: Any, count: int) -> list[str | Exception]:
    """What a judge gave for a batch, if it is one verdict, or exception, for each item.

    Raises
    ------
    TypeError, ValueError
        It is something else: a mistake in the judge, which asking again would not mend.
    """
    label = f"judge {name!r}"
    if isinstance(found, (str, bytes, Mapping)) or not hasattr(found, "__len__") or not hasattr(found, "__getitem__"):
        raise TypeError(f"{label}: {type(found).__name__}, expected a sequence with a verdict for each item")
    if len(found) != count:
        raise ValueError(f"{label}: {len(found)} verdicts, expected {count}")
    verdicts = list(found)
    for index, verdict in enumerate(verdicts):
        if not isinstance(verdict, (str, Exception)):
            raise TypeError(f"{label}: item {index}: {type(verdict).__name__} {repr(verdict)}, expected {_spelt()}")
        if isinstance(verdict, str) and verdict not in VERDICTS:
            raise ValueError(f"{label}: item {index}: {repr(verdict)}, expected {_spelt()}")
    return verdicts


def _spelt() -> str:
    return ", ".join(map(repr, VERDICTS[:-1])) + f" or {VERDICTS[-1]!r}"
