"""Negatives of several teachers, each under its own positive scores and ceiling, into one set per row."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

import hardmine._native as _native
from hardmine.nouns.lists import REASONS, added, take_rows
from hardmine.nouns.negatives import Negatives
from hardmine.plumbing import checks, ragged
from hardmine.plumbing.float_mode import in_default_mode
from hardmine.plumbing.threads import thread_count
from hardmine.primitives.draw import draw_as, draw_from_lists
from hardmine.primitives.runs import MOST_SOURCES, several

__all__ = ["SCHEMES", "ensemble"]

SCHEMES = ("cross_sample", "intra_sample", "intra_sample_no_dedup", "joint")
"""How `ensemble` makes one set of negatives of several teachers'."""

_KEY_OF_POSITIVE = np.uint64(0x9E3779B97F4A7C15)


def ensemble(
    runs: Iterable[Negatives],
    *,
    scheme: str = "cross_sample",
    num_negatives: int | None = None,
    temperature: float = 1.0,
    seed: int = 0,
    epoch: int = 0,
    query_keys: npt.ArrayLike | None = None,
    num_threads: int | None = None,
) -> Negatives:
    """Combine what several teachers found for the same rows.

    Scores of different teachers do not compare, nor do their thresholds: select under each teacher first, with its own
    positive scores and ceiling, then combine here.

    Parameters
    ----------
    runs : iterable of Negatives
        One per teacher, over the same (query, positive) rows in the same order; none with documents that
        ``on_shortage="fill"`` drew.
    scheme : {"cross_sample", "intra_sample", "intra_sample_no_dedup", "joint"}
        - "cross_sample": every row picks one teacher at random, which gives all its negatives.
        - "intra_sample": the teachers take turns; each gives its next negative that is not in the row yet.
        - "intra_sample_no_dedup": the same, but a document that several teachers chose stays as often, and so weighs
          more in the denominator of a softmax.
        - "joint" (R2anker-style): `num_negatives` drawn without replacement from the mean of the teachers'
          distributions, each a softmax of its scores over its list. Select long lists (say 100) before.
    num_negatives : int, optional
        Negatives per row. Default: one per teacher under "intra_sample" and "intra_sample_no_dedup", all under
        "cross_sample"; "joint" needs a number.
    temperature : float
        Of the softmax under "joint", above 0; infinity gives the uniform draw over the lists, in which a document of m
        lists counts m times.
    seed, epoch : int
        Name the random choices of "cross_sample" and "joint"; the others make none.
    query_keys : 64-bit integers [num_queries], optional
        Stable noise keys, as in `select`: with them the choices do not depend on order or sharding.
    num_threads : int, optional
        Threads; the result does not depend on them.

    Returns
    -------
    Negatives
        `sources` has the teacher of each negative (under "joint" the one that gave it the largest share, the first
        among equals), and score and rank are that teacher's. `positive_scores` is the chosen teacher's under
        "cross_sample" and NaN otherwise. `reasons` are the chosen teacher's, or the sums over the teachers, where what
        a teacher kept and the ensemble did not take counts as not drawn.

    Raises
    ------
    TypeError, ValueError
        No runs; not Negatives; other rows than in the first; filled documents; a setting out of range.

    Notes
    -----
    The first three schemes are those of NV-Retriever (arXiv 2407.15831, section 3). "joint" follows the idea of R2anker
    (arXiv 2206.08063) to draw from the joint distribution of several retrievers; the paper's full text was not
    available, so the mixture is ours.

    Examples
    --------
    >>> import hardmine as hm
    >>> positives = hm.Positives([0, 1], [1], [0.95])
    >>> best = hm.Selection(2, ceiling=hm.PercPos(0.95))
    >>> one = hm.select(hm.Candidates([0, 3], [7, 5, 9], [0.9, 0.6, 0.3]), positives, best)
    >>> other = hm.select(hm.Candidates([0, 3], [7, 4, 5], [0.8, 0.7, 0.2]), positives, best)
    >>> both = hm.ensemble([one, other], scheme="intra_sample")
    >>> both[0].ids.tolist(), both.sources.tolist()
    ([7, 4], [0, 1])
    """
    given = _runs(runs)
    scheme, wanted, temperature, seed, epoch = settings(scheme, num_negatives, temperature, seed, epoch)
    keys = _row_keys(given[0], query_keys)
    about = {"scheme": scheme, "seed": seed, "epoch": epoch, "num_negatives": wanted}
    if scheme == "cross_sample":
        teachers = _teachers(len(given), keys, seed, epoch, num_threads)
        pool = _Pool(given, [np.flatnonzero(teachers == number) for number in range(len(given))], num_threads)
        return pool.negatives(pool.in_order(wanted), about, teachers=teachers)
    pool = _Pool(given)
    if scheme == "joint":
        assert wanted is not None  # noqa: S101
        positions = pool.drawn(wanted, temperature, keys, seed, epoch, num_threads)
        # What is saved is JSON, which has no word for infinity.
        return pool.negatives(positions, {**about, "temperature": None if math.isinf(temperature) else temperature})
    about["num_negatives"] = wanted = wanted or len(given)
    positions = pool.in_turn(wanted, num_threads) if scheme == "intra_sample" else pool.interleaved(wanted)
    return pool.negatives(positions, about)


def settings(
    scheme: Any, num_negatives: Any, temperature: Any, seed: Any, epoch: Any
) -> tuple[str, int | None, float, int, int]:
    """What `ensemble` is told, checked: also for whoever has work to do before."""
    scheme = checks.choice("scheme", scheme, SCHEMES)
    wanted = None if num_negatives is None else checks.integer("num_negatives", num_negatives, minimum=1)
    temperature = checks.real("temperature", temperature, minimum=0.0, finite=False)
    if temperature == 0:
        raise ValueError("temperature: 0, expected a number above 0")
    seed = checks.integer("seed", seed, maximum=2**64 - 1)
    epoch = checks.integer("epoch", epoch)
    if scheme == "joint" and wanted is None:
        raise ValueError("num_negatives: missing, but the scheme 'joint' draws that many")
    return scheme, wanted, temperature, seed, epoch


class _Pool:
    """The negatives of all teachers in one table: row, teacher and place in the teacher's list of each.

    With `rows`, of each teacher those of its rows alone.
    """

    def __init__(
        self, runs: list[Negatives], rows: list[npt.NDArray[np.int64]] | None = None, num_threads: int | None = None
    ) -> None:
        self.runs = runs
        parts = [
            _Entries(np.arange(len(run)), run.offsets, run.ids, run.scores, run.ranks)
            if rows is None
            else _entries(run, rows[number], num_threads)
            for number, run in enumerate(runs)
        ]
        lengths = [np.diff(part.offsets) for part in parts]
        self.rows = np.concatenate([np.repeat(part.rows, length) for part, length in zip(parts, lengths, strict=True)])
        self.teachers = np.repeat(np.arange(len(runs)), [part.ids.size for part in parts])
        self.places = np.concatenate([ragged.ranges(np.zeros_like(length), length) for length in lengths])
        self.ids = np.concatenate([part.ids for part in parts])
        self.scores = np.concatenate([part.scores for part in parts])
        self.ranks = np.concatenate([part.ranks for part in parts])

    def in_order(self, wanted: int | None) -> npt.NDArray[np.int64]:
        """Positions of the first `wanted` of every list, row by row, for rows that have one list each."""
        positions = np.flatnonzero(self.places < (2**63 - 1 if wanted is None else wanted))
        return positions[np.argsort(self.rows[positions], kind="stable")]

    def interleaved(self, wanted: int) -> npt.NDArray[np.int64]:
        """Positions of the first of each list in turn, then the second, up to `wanted` per row."""
        order = np.lexsort((self.teachers, self.places, self.rows))
        return self._first(order, wanted)

    def in_turn(self, wanted: int, num_threads: int | None) -> npt.NDArray[np.int64]:
        """The same, where a document already taken gives way to the next of its list."""
        # fuse() wants scores that fall; a list's own order is what counts here.
        columns: list[_native.FuseRun] = []
        for number, run in enumerate(self.runs):
            falling = -self.places[self.teachers == number].astype(np.float32)
            columns.append({"lists": (run.offsets, run.ids), "scores": falling, "weight": 1.0})
        threads = thread_count(num_threads)
        found = _native.fuse(columns, "round_robin", 60.0, 1, wanted, threads)
        rows = np.repeat(np.arange(found["offsets"].size - 1), np.diff(found["offsets"]))
        return self._find(rows, found["sources"].astype(np.int64), found["ids"])

    @in_default_mode
    def drawn(
        self,
        wanted: int,
        temperature: float,
        keys: npt.NDArray[np.uint64],
        seed: int,
        epoch: int,
        num_threads: int | None,
    ) -> npt.NDArray[np.int64]:
        """Positions of draws without replacement from the mixture of the teachers' softmaxes."""
        if not self.ids.size:
            return np.empty(0, np.int64)
        shares = self._shares(temperature)
        # Within a row's document: the largest share first, then the first teacher.
        order = np.lexsort((self.teachers, -shares, self.ids, self.rows))
        rows, ids = self.rows[order], self.ids[order]
        starts = np.flatnonzero(np.r_[True, (rows[1:] != rows[:-1]) | (ids[1:] != ids[:-1])])
        weights = np.log(np.add.reduceat(shares[order], starts))
        rows, ids, best = rows[starts], ids[starts], order[starts]
        falling = np.lexsort((ids, -weights, rows))
        num_rows = len(self.runs[0])
        offsets = np.searchsorted(rows, np.arange(num_rows + 1))
        drawn = draw_from_lists(
            "joint", offsets, ids[falling], wanted, seed=seed, epoch=epoch, log_weights=weights[falling],
            row_keys=keys, num_threads=num_threads,
        )  # fmt: skip
        return best[falling[drawn["positions"]]]

    def _shares(self, temperature: float) -> npt.NDArray[np.float64]:
        """Probability of each entry under its teacher's softmax over its list; the same for all at infinity."""
        if temperature == math.inf:
            return np.ones(self.ids.size)
        shares = np.empty(self.ids.size)
        for number, run in enumerate(self.runs):
            scores = run.scores.astype(np.float64) / temperature
            row_of_each, starts = run.row_of_each, run.offsets[:-1][run.lengths > 0]
            lists = np.cumsum(run.lengths > 0)[row_of_each] - 1
            if scores.size:
                scores = np.exp(scores - np.maximum.reduceat(scores, starts)[lists])
                scores /= np.add.reduceat(scores, starts)[lists]
            shares[self.teachers == number] = scores
        return np.maximum(shares, np.finfo(np.float64).tiny)  # what underflowed can still be drawn

    def _first(self, order: npt.NDArray[np.int64], wanted: int) -> npt.NDArray[np.int64]:
        rows = self.rows[order]
        return order[np.arange(order.size) - np.searchsorted(rows, rows) < wanted]

    def _codes(self, rows: Any, teachers: Any, ids: Any) -> npt.NDArray[np.int64]:
        """(row, teacher, document) as one number that sorts alike."""
        known = np.unique(self.ids)
        codes: npt.NDArray[np.int64] = (rows * len(self.runs) + teachers) * known.size + np.searchsorted(known, ids)
        return codes

    def _find(self, rows: Any, teachers: Any, ids: Any) -> npt.NDArray[np.int64]:
        codes = self._codes(self.rows, self.teachers, self.ids)
        order = np.argsort(codes)
        return order[np.searchsorted(codes[order], self._codes(rows, teachers, ids))]

    def negatives(
        self,
        positions: npt.NDArray[np.int64],
        about: dict[str, Any],
        *,
        teachers: npt.NDArray[np.int64] | None = None,
    ) -> Negatives:
        """The entries at `positions`, which come row by row, with the counts of the teachers asked."""
        first = self.runs[0]
        num_rows = len(first)
        counts = {name: [run.reasons[name] for run in self.runs] for name in REASONS}
        if teachers is None:
            total = {name: added(name, of_runs) for name, of_runs in counts.items()}
            scores = np.full(num_rows, np.nan, np.float32)
        else:
            total = {name: _one_of(of_runs, teachers) for name, of_runs in counts.items()}
            scores = _one_of([run.positive_scores for run in self.runs], teachers)
        taken = np.bincount(self.rows[positions], minlength=num_rows)
        total["not_drawn"] = total["not_drawn"] + (total["kept"] - taken)
        total["kept"] = taken
        wanted = about["num_negatives"] or max(int(run.metadata["num_negatives"]) for run in self.runs)
        return Negatives(
            offsets=np.r_[0, np.cumsum(taken)],
            ids=self.ids[positions],
            scores=self.scores[positions],
            ranks=self.ranks[positions],
            sources=self.teachers[positions].astype(np.int16),
            filled=np.zeros(positions.size, np.bool_),
            queries=first.queries,
            positives=first.positives,
            positive_scores=scores,
            reasons=total,
            dropped=first.dropped,
            metadata={
                **about,
                "num_negatives": wanted,
                "runs": [dict(run.metadata) for run in self.runs],
            },
        )


class _Entries(NamedTuple):
    """Rows of one teacher: entry i of row ``rows[r]`` stands at ``offsets[r] + i``."""

    rows: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]
    ranks: npt.NDArray[np.int32]


def _entries(run: Negatives, rows: npt.NDArray[np.int64], num_threads: int | None) -> _Entries:
    offsets, columns = take_rows(run.offsets, [run.ids, run.scores, run.ranks], rows, num_threads)
    return _Entries(rows, offsets, *columns)


def _one_of(columns: list[npt.NDArray[Any]], teachers: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """Of every row what the column of its teacher says."""
    chosen = np.empty(teachers.size, columns[0].dtype)
    for number, column in enumerate(columns):
        rows = np.flatnonzero(teachers == number)
        chosen[rows] = column[rows]
    return chosen


def _teachers(
    count: int, keys: npt.NDArray[np.uint64], seed: int, epoch: int, num_threads: int | None
) -> npt.NDArray[np.int64]:
    """One teacher for every row, all alike."""
    even = np.zeros((keys.size, count), np.float32)
    chosen = draw_as("cross_sample", even, 1, seed=seed, epoch=epoch, row_keys=keys, num_threads=num_threads)
    return chosen[:, 0]


def _row_keys(first: Negatives, query_keys: Any) -> npt.NDArray[np.uint64]:
    """A noise key per row: pairs of one query are rows of their own, and choose for themselves."""
    queries = first.queries.view(np.uint64)
    if query_keys is not None:
        array = np.asarray(query_keys)
        keys = checks.keys("query_keys", query_keys, array.shape[0] if array.ndim == 1 else -1)
        assert keys is not None  # noqa: S101
        if first.queries.size and int(first.queries.max()) >= keys.size:
            raise ValueError(f"query_keys: {keys.size}, but query {int(first.queries.max())} occurs")
        queries = keys[first.queries]
    return queries ^ ((first.positives + 1).view(np.uint64) * _KEY_OF_POSITIVE)


def _runs(runs: Any) -> list[Negatives]:
    given = several(runs, Negatives, most=MOST_SOURCES)
    first = given[0]
    for number, run in enumerate(given):
        if not np.array_equal(run.queries, first.queries) or not np.array_equal(run.positives, first.positives):
            raise ValueError(
                f"runs[{number}]: other (query, positive) rows than runs[0], expected the same "
                "(select every one with the same positive_agg, and without on_shortage='drop')"
            )
        if run.filled.any():
            row = int(run.row_of_each[run.filled.argmax()])
            raise ValueError(f"runs[{number}]: row {row} has documents that were filled in, expected a teacher's own")
    return given
