"""Asking a judge: what a store holds is not asked again, what fails is asked again, and what was said is kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hardmine.nouns.strings import StringTable
from hardmine.plumbing.progress import Progress, Reporting
from hardmine.store.rows import Rows
from hardmine.teachers.judge import VERDICTS, JudgeError, checked, named

OUTCOMES = (*VERDICTS, "failed", "known", "not_judged")
"""What can become of a pair: a verdict, no verdict because the judge failed, labelled already, beyond the budget."""
NEGATIVE, POSITIVE, UNSURE, FAILED, KNOWN, NOT_JUDGED = range(len(OUTCOMES))

SHARD_SECONDS = 5.0
"""Verdicts are written once so much time has passed: what a killed run has to ask again at most, beside its batch."""
FIRST_DELAY, LONGEST_DELAY = 0.5, 60.0
"""Seconds before the first and before any further try, at most; each time twice as long, less up to a half."""
MOST_IN_A_ROW = 32
"""Items that fail one after the other, all tries and all, before a run ends whatever it was told: nobody is there."""
_LONGEST = 200

_Int64 = npt.NDArray[np.int64]


class Texts(NamedTuple):
    """The three texts of every item: tables of texts, and which of them each item has; -1 for an empty one."""

    queries: tuple[StringTable, _Int64]
    documents: tuple[StringTable, _Int64]
    positives: tuple[StringTable, _Int64]

    def of(self, items: _Int64) -> tuple[list[str], list[str], list[str]]:
        """The texts of some items."""
        queries, documents, positives = (_taken(table, rows[items]) for table, rows in self)
        return queries, documents, positives


def _taken(table: StringTable, rows: _Int64) -> list[str]:
    found = iter(table.take(rows[rows >= 0]))
    return [next(found) if row >= 0 else "" for row in rows.tolist()]


class Manner(NamedTuple):
    """How a judge is asked."""

    batch_size: int
    max_retries: int
    on_error: str
    sleep: Callable[[float], object]
    seed: int
    progress: Reporting


class Answers(NamedTuple):
    """What was said of every item.

    Attributes
    ----------
    outcomes : int8 [items]
        A verdict, or "failed", as places in `OUTCOMES`.
    reused, calls, faults : int
        Items that the store held, calls of the judge, and how often a call raised or an item came back as an exception.
    """

    outcomes: npt.NDArray[np.int8]
    reused: int
    calls: int
    faults: int


def ask(judge: Any, texts: Texts, rows: Rows | None, manner: Manner, describe: Callable[[int], str]) -> Answers:
    """Ask for a verdict on every item, in their order.

    Parameters
    ----------
    judge : Judge
    texts : Texts
    rows : Rows, optional
        What a store holds of the items, by their order; what is found is added.
    manner : Manner
    describe : callable
        What to call an item in a message.

    Raises
    ------
    TypeError, ValueError
        The judge gave something that is no verdict.
    JudgeError
        An item failed and ``on_error="raise"``, or too many did in a row. What was judged before is in the store.
    """
    count = texts.queries[1].size
    asking = _Asking(judge, texts, rows, manner, describe)
    missing = np.arange(count) if rows is None else rows.missing
    with Progress("judging items", missing.size, manner.progress) as bar:
        try:
            for start in range(0, missing.size, manner.batch_size):
                batch = missing[start : start + manner.batch_size]
                asking.batch(batch)
                asking.keep(SHARD_SECONDS)
                bar.update(batch.size)
        finally:  # after Ctrl-C and errors too: what was paid for is kept
            asking.keep(0.0)
    return asking.answers(count - missing.size)


class _Asking:
    def __init__(
        self, judge: Any, texts: Texts, rows: Rows | None, manner: Manner, describe: Callable[[int], str]
    ) -> None:
        self._judge, self._texts, self._rows, self._manner = judge, texts, rows, manner
        self._name, self._describe = named(judge), describe
        count = texts.queries[1].size
        self._outcomes = np.full(count, NOT_JUDGED, np.int8)
        self._is_kept = np.zeros(count, bool)
        self._calls = self._faults = self._in_a_row = 0
        self._kept_at = time.monotonic()
        self._random = np.random.default_rng(manner.seed)
        if rows is not None and rows.num_held:
            held = rows.held
            self._outcomes[held], self._is_kept[held] = rows.at("verdict", held), True

    def answers(self, reused: int) -> Answers:
        return Answers(self._outcomes, reused, self._calls, self._faults)

    def keep(self, seconds: float) -> None:
        """Write the verdicts that are not in the store, where so much time has passed since the last ones were."""
        if self._rows is None or time.monotonic() - self._kept_at < seconds:
            return
        fresh = np.flatnonzero((self._outcomes < FAILED) & ~self._is_kept)
        if fresh.size:
            self._rows.add(fresh, {"row.verdict": self._outcomes[fresh]})
            self._is_kept[fresh] = True
        self._kept_at = time.monotonic()

    def batch(self, items: _Int64) -> None:
        """Ask for some items together, again for what fails, and for what a raised error hit one by one."""
        errors: dict[int, Exception] = {}
        hit = self._try([items], errors)
        if hit.size > 1:
            self._try(list(hit[:, None]), errors)
        self._judge_failures(items, errors)

    def _try(self, groups: list[_Int64], errors: dict[int, Exception]) -> _Int64:
        """Ask for each group until it has its verdicts or the tries are used up; items that a raised error hit."""
        raised: list[_Int64] = []
        for attempt in range(self._manner.max_retries + 1):
            if attempt:
                self._wait(attempt)
            left, raised = [], []
            for group in groups:
                failed, is_raised = self._call(group, errors)
                if failed.size:
                    left.append(failed)
                    raised += [failed] if is_raised else []
            groups = left
            if not groups:
                break
        return np.concatenate(raised) if raised else np.empty(0, np.int64)

    def _call(self, items: _Int64, errors: dict[int, Exception]) -> tuple[_Int64, bool]:
        """Ask once; items that are worth asking for again, and whether the whole call failed."""
        self._calls += 1
        try:
            found = self._judge(*self._texts.of(items))
        except Exception as error:
            if isinstance(error, JudgeError) and not error.retry:
                raise
            self._faults += 1
            errors.update(dict.fromkeys(items.tolist(), error))
            return items, True
        again = []
        for item, verdict in zip(items.tolist(), checked(self._name, found, items.size), strict=True):
            if isinstance(verdict, str):
                self._outcomes[item] = VERDICTS.index(verdict)
                errors.pop(item, None)
                continue
            self._faults += 1
            errors[item] = verdict
            if not isinstance(verdict, JudgeError) or verdict.retry:
                again.append(item)
        return np.array(again, np.int64), False

    def _wait(self, attempt: int) -> None:
        longest = min(FIRST_DELAY * 2.0 ** (attempt - 1), LONGEST_DELAY)
        self._manner.sleep(longest * float(self._random.uniform(0.5, 1.0)))

    def _judge_failures(self, items: _Int64, errors: dict[int, Exception]) -> None:
        """Count what failed in the end, or stop because of it."""
        for item in items.tolist():
            error = errors.get(item)
            if error is None:
                self._in_a_row = 0
                continue
            self._outcomes[item] = FAILED
            self._in_a_row += 1
            if self._manner.on_error == "raise" or self._in_a_row >= MOST_IN_A_ROW:
                tries = self._manner.max_retries + 1
                several = f"{self._in_a_row} items in a row, the last of them " if self._in_a_row > 1 else ""
                why = f"{type(error).__name__}: {' '.join(str(error).split())}"[:_LONGEST]
                raise JudgeError(
                    f"judge {self._name!r}: {several}{self._describe(item)} failed after up to {tries} tries "
                    f"({why}); what was judged before is kept where there is a cache"
                ) from error
