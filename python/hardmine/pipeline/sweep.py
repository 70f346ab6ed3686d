"""A run under many rules: what each keeps and removes, how hard and how false it is, and which to take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hardmine.nouns.lists import VERSION
from hardmine.pipeline.mined import refuse_unfit
from hardmine.pipeline.near import near_groups
from hardmine.pipeline.scorers import expect_collection
from hardmine.pipeline.sweeps.advice import mark_frontier, recommend
from hardmine.pipeline.sweeps.estimate import Estimator
from hardmine.pipeline.sweeps.grid import settings
from hardmine.pipeline.sweeps.measures import Second, measures
from hardmine.pipeline.sweeps.result import Sweep
from hardmine.pipeline.sweeps.trials import MOST_TRIALS_PER_QUERY, PROTOCOLS
from hardmine.plumbing import arrays, checks
from hardmine.plumbing.progress import Progress, Reporting, reporting
from hardmine.plumbing.threads import thread_count
from hardmine.primitives.anchors import anchor_scores
from hardmine.primitives.select import select

if TYPE_CHECKING:
    from hardmine.nouns.candidates import Candidates
    from hardmine.nouns.collection import Collection
    from hardmine.nouns.negatives import Negatives
    from hardmine.nouns.positives import Positives
    from hardmine.rules.ceilings import Ceiling
    from hardmine.rules.selection import Selection


FEWEST_RESAMPLES = 100
"""Below so many the ends of an interval are those of a handful of draws."""


def sweep(
    collection: Collection,
    run: Candidates,
    grid: Sequence[Selection | Ceiling | str] | None = None,
    *,
    num_negatives: int = 4,
    positive_agg: str = "min",
    second: Candidates | None = None,
    document_embeddings: Any = None,
    protocol: str = "hide-one",
    unlabelled_per_positive: float = 1.0,
    max_false_negatives: float = 0.05,
    max_short: float = 0.05,
    trials_per_query: int = 16,
    min_queries: int = 30,
    confidence: float = 0.95,
    num_bootstrap: int = 1000,
    seed: int = 0,
    num_threads: int | None = None,
    progress: Reporting = True,
) -> Sweep:
    """Try many settings on a stored run: which rule and margin to take, and why.

    Every setting selects from the whole run. Beside what it keeps and removes and how hard that is, the share of false
    negatives among it is estimated from the labels alone: a query with several positives loses one, or all but one, of
    its labels in a trial, and the hidden documents stand among the candidates at the place that their scores give them.

    Parameters
    ----------
    collection : Collection
    run : Candidates
        What `hardmine.retrieve` found in it without a ceiling, fresh or stored. A run without scores of positives
        serves settings that need none, and gives no estimate.
    grid : sequence of Selection, ceiling or str, optional
        Settings. A text is a rule such as ``"perc-pos=0.95"`` or ``"abs=0.7 & perc-pos=0.9"``, which may be followed by
        ``range-min=``, ``range-max=`` and ``draw=``. Default: 41 settings (29 for a run without `anchor_scores`): the
        top and four shifts, `Absolute`, `MarginPos`, `PercPos` and `Anchored`; bounds that are scores are multiples of
        the median size of a positive's score where scores are no cosines. Short rows are counted as they are, whatever
        a Selection makes of them (``on_shortage``).
    num_negatives : int
        Negatives per row of settings that are no Selection.
    positive_agg : {"min", "mean", "max", "each"}
        The positive score of a query with several positives, for settings that are no Selection.
    second : Candidates, optional
        A run of another teacher on the same collection, to compare with; retrieved without a ceiling.
    document_embeddings : floats [num_documents, h], optional
        Those that anchor scores are made of: which positives are known changes from trial to trial, and anchor scores
        with it. Without them settings under `Anchored` have no estimate; with them the run needs no anchor scores.
        Settings with ``near_cosine`` need them too.
    protocol : {"hide-one", "keep-one"}
        "hide-one", the default, hides one label in a trial and keeps the others, as in mining with all labels: the
        share of hidden documents that come back as negatives (``exposure``) is that of unlabelled ones, and
        `unlabelled_per_positive` makes a rate of it. "keep-one" keeps one label and hides the others: the rate is the
        share of hidden documents among what is mined, as if each query had been given one label.
    unlabelled_per_positive : float
        How many unlabelled relevant documents there are for each labelled one: an assumption, which no label can test.
        The rate under "hide-one" is in proportion to it, up to 1; exposures do not depend on it, the widths of their
        intervals do.
    max_false_negatives : float
        Share of false negatives that a recommended setting must stay below, upper end of its interval included.
    max_short : float
        Share of rows with fewer negatives than asked for that a recommended setting may leave.
    trials_per_query : int
        Labels of a query that have their turn, at most 16; chosen by `seed` where it has more.
    min_queries : int
        Queries with several positives below which there is no estimate: the data cannot tell.
    confidence : float
        Of the intervals, between 0 and 1.
    num_bootstrap : int
        Resamples of the queries, at least 100.
    seed : int
        Of the trials, the bootstrap, and the draws of settings that are no Selection.
    num_threads : int, optional
        Threads; the result does not depend on them.
    progress : bool or callable
        As in `hardmine.retrieve`; settings are counted.

    Returns
    -------
    Sweep
        ``.rows``, ``.recommended``, ``.selection`` to mine with, ``.summary()``.

    Raises
    ------
    TypeError, ValueError
        An argument is wrong, a run is of another collection, or was retrieved under a ceiling. A setting that cannot
        serve is no error: it is named in ``unfit``.

    Notes
    -----
    *Recommended* is the hardest setting, by mean score, among those that leave at most `max_short` of the rows short
    and whose rate is at most `max_false_negatives` at the upper end of its interval. Where none is, the one with the
    lowest upper end; where there is no estimate, ``perc-pos=0.95`` if it is among the settings and leaves at most
    `max_short` of the rows short; else none. ``why`` says which of these it was.

    *Interval*: whole queries are drawn with replacement, percentiles of the share; then widened by
    ``sqrt(1 + tried / unlabelled)``, because which documents are unlabelled is chance too. A setting with hits in fewer
    than ten queries gets 0 and Wilson's upper bound, for as many trials as there are queries; one with misses in fewer
    than ten Wilson's lower bound and 1.

    *The estimate speaks for queries with several positives*; those with one are taken to be like them. It supposes that
    it is chance which of the relevant documents carry a label, and even then it errs where queries have few: a trial
    has one label less to take p from than mining has, and one unlabelled document more. Rates of ceilings come out too
    high under ``positive_agg="min"``, too low under "max"; where relevant documents fill the places, too low. With
    fewer than six labels of a query on average (16 under "max") ``estimate["caution"]`` and the reasons of the
    recommendation say so.
    Where annotators labelled what some system ranked first, unlabelled documents rank lower than labelled ones, which
    makes the estimate too high.

    *A rescored run* holds what its first teacher found: a hidden label stands in it only where that teacher's score of
    it, in ``positives.teacher_scores``, would have brought it there.

    At most 20,000 queries and 20 million candidates are tried: beyond that, a sample by `seed`.

    Examples
    --------
    >>> import hardmine as hm
    >>> collection = hm.Collection.from_pairs(
    ...     ["red apples", "green pears"],
    ...     ["red apples are apples", "green pears are pears"],
    ...     ["red cars", "green leaves", "red and green"],
    ... )
    >>> run = hm.retrieve(collection, "bm25", progress=False)
    >>> found = hm.sweep(collection, run, ["naive", "perc-pos=0.95"], num_negatives=1, progress=False)
    >>> [(row["rule"], row["kept"], row["short"]) for row in found.rows]
    [('naive', 2, 0), ('perc-pos=0.95', 2, 0)]
    >>> found.estimate["why_none"]
    'cannot tell: 0 queries with several positives, expected at least 30'
    >>> found.selection.ceiling
    PercPos(f=0.95)
    """
    expect_collection(collection)
    num_negatives = checks.integer("num_negatives", num_negatives, minimum=1)
    seed = checks.integer("seed", seed, maximum=2**64 - 1)
    max_false_negatives = checks.real("max_false_negatives", max_false_negatives, minimum=0.0, maximum=1.0)
    max_short = checks.real("max_short", max_short, minimum=0.0, maximum=1.0)
    estimator = Estimator(
        protocol=checks.choice("protocol", protocol, PROTOCOLS),
        unlabelled_per_positive=checks.real("unlabelled_per_positive", unlabelled_per_positive, minimum=0.0),
        confidence=_inside("confidence", confidence),
        num_bootstrap=checks.integer("num_bootstrap", num_bootstrap, minimum=FEWEST_RESAMPLES),
        trials_per_query=checks.integer("trials_per_query", trials_per_query, minimum=1, maximum=MOST_TRIALS_PER_QUERY),
        min_queries=checks.integer("min_queries", min_queries, minimum=1),
        seed=seed,
        num_threads=num_threads,
    )
    progress = reporting(progress)
    thread_count(num_threads)
    checks.choice("positive_agg", positive_agg, ("min", "mean", "max", "each"))
    positives = collection.positives_under(run, scores=False)
    _refuse_bounded("run", run)
    wanted = settings(grid, num_negatives, positive_agg, seed, run, positives)
    anchored = any(selection.ceiling.needs_anchor_scores for _, selection in wanted)
    if document_embeddings is not None:
        rows_there = arrays.matrix("document_embeddings", document_embeddings)[0].shape[0]
        if rows_there != collection.num_documents:
            wanted_rows = f"{collection.num_documents} (one per document)"
            raise ValueError(f"document_embeddings: {rows_there} rows, expected {wanted_rows}")
    if anchored and document_embeddings is not None:
        run = anchor_scores(run, positives, document_embeddings, num_threads=num_threads)
    other = None
    if second is not None:
        positives_of_second = _positives_of_second(collection, second)
        _refuse_bounded("second", second)
        other = Second(second, positives_of_second, collection.num_documents)
    left_out: dict[str, Any] = {
        "document_groups": collection.document_groups,
        "exclude": collection.identical_ids() if collection.ignore_identical_ids else None,
    }
    rows: list[dict[str, Any]] = []
    unfit: list[dict[str, str]] = []
    with Progress("trying settings", len(wanted), progress) as bar:
        estimator.prepare(collection, run, positives, document_embeddings, anchored=anchored)
        for rule, selection in wanted:
            try:
                refuse_unfit(collection, selection)
                # A short row stays short, so that it can be counted.
                tried = selection.replace(on_shortage="keep")
                near: dict[str, Any] = {
                    "near_groups": near_groups(collection, selection, num_threads),
                    "document_embeddings": None if selection.near_cosine is None else document_embeddings,
                }
                negatives = select(run, positives, tried, num_threads=num_threads, **left_out, **near)
            except ValueError as error:
                unfit.append({"rule": rule, "reason": str(error)})
            else:
                row = {"index": len(rows), "rule": rule, "selection": selection.to_dict(), **measures(negatives)}
                row["second"] = None if other is None else other.agreement(negatives)
                estimator.look_at(row, tried, **near)
                rows.append(row)
                if left_out and not _removes(negatives, run):
                    left_out = {}
            bar.update(1)
        estimator.finish()
    mark_frontier(rows)
    advice = recommend(
        rows,
        max_false_negatives=max_false_negatives,
        max_short=max_short,
        why_none=estimator.why_none,
        caution=estimator.caution,
    )
    return Sweep(
        rows=rows,
        unfit=unfit,
        recommended=advice,
        estimate=estimator.about(),
        about={
            "queries": collection.num_queries,
            "documents": collection.num_documents,
            "positives": int(collection.positives.ids.size),
            "teacher": run.metadata.get("teacher"),
            "second_teacher": None if second is None else second.metadata.get("teacher"),
            "num_negatives": num_negatives,
            "version": VERSION,
        },
    )


def _positives_of_second(collection: Collection, second: Candidates) -> Positives:
    """The positives under the second teacher; what is wrong with its run is said of the second one."""
    try:
        return collection.positives_under(second, scores=False)
    except (TypeError, ValueError) as error:
        raise type(error)(f"second: {str(error).removeprefix('run: ')}") from None


def _removes(negatives: Negatives, run: Candidates) -> bool:
    """Whether a list holds what is left out by text or by id: where none does, no other setting need look again."""
    before = run.reasons or {}
    names = ("excluded", "duplicate_text")
    return any(int(negatives.reasons[name].sum()) != int(np.sum(before.get(name, 0))) for name in names)


def _inside(name: str, value: Any) -> float:
    """A number between 0 and 1, neither of them."""
    found = checks.real(name, value, minimum=0.0, maximum=1.0)
    if found in (0.0, 1.0):
        raise ValueError(f"{name}: {found:g}, expected between 0 and 1")
    return found


def _refuse_bounded(name: str, run: Candidates) -> None:
    """Lists that were cut off above say nothing of the settings above the cut."""
    count = (run.reasons or {}).get("above_ceiling")
    if count is not None and count.any():
        query = int(count.argmax())
        raise ValueError(
            f"{name}: retrieved under a ceiling, which removed {int(count[query])} documents of query {query}; "
            "expected a run of hardmine retrieve without one"
        )
