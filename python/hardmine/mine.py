"""The main job: a collection, a teacher and a rule to training rows."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hardmine import _checks, _native
from hardmine.candidates import REASONS, Candidates, Negatives, Positives
from hardmine.ensemble import ensemble
from hardmine.retrieve import DEFAULT_K, add_anchors, prepare, refuse_anchors, scan, scored_positives
from hardmine.select import select
from hardmine.selection import Selection

if TYPE_CHECKING:
    from hardmine.collection import Collection
    from hardmine.teachers import Teacher


@dataclass(frozen=True, repr=False, eq=False)
class Mined:
    """What `mine` found.

    Attributes
    ----------
    collection : Collection
    negatives : Negatives
        The chosen negatives, with a reason for every candidate that was seen.
    positives : Positives
        The positives with their scores under the teacher.
    candidates : Candidates
        What the negatives were chosen from.
    report : mapping
        JSON-able: counts, score statistics of positives and negatives, how many candidates each rule removed, short
        queries.
    """

    collection: Collection
    negatives: Negatives
    positives: Positives
    candidates: Candidates
    report: Mapping[str, Any]

    def write(
        self,
        path: str | os.PathLike[str],
        format: str = "sentence-transformers:n-tuple",  # noqa: A002
        *,
        scores: bool = False,
        provenance: bool = True,
    ) -> dict[str, int]:
        """Write training rows, whole or not at all.

        Parameters
        ----------
        path : path-like
            The file; ``.jsonl`` or ``.parquet`` by its suffix.
        format : str
            "sentence-transformers:triplet", ":n-tuple", ":labeled-pair" or ":labeled-list". An n-tuple needs all its
            negatives: pairs with fewer are left out and counted; the others keep short lists.
        scores : bool
            Write the teacher's scores as the target (``scores``, or ``score`` in place of ``label``).
        provenance : bool
            Write a side file ``STEM.provenance.SUFFIX`` with ids, scores, ranks and reasons of every (query, positive).

        Returns
        -------
        dict
            ``rows`` written, ``pairs`` mined, ``dropped_pairs`` without a row.

        Raises
        ------
        ValueError
            Unknown format or suffix, or scores asked for that are unknown.
        FileNotFoundError
            The folder does not exist.
        """
        from hardmine import formats

        return formats.write(
            path,
            format,
            collection=self.collection,
            negatives=self.negatives,
            positives=self.positives,
            scores=scores,
            provenance=provenance,
        )

    def summary(self) -> str:
        """The report as readable text."""
        return summarise(self.report)

    def __repr__(self) -> str:
        return f"Mined({self.negatives!r})"


def mine(
    collection: Collection,
    teacher: Teacher | str,
    selection: Selection,
    *,
    k: int | None = None,
    epoch: int = 0,
    num_threads: int | None = None,
    max_memory: int | str | None = None,
    progress: bool = True,
) -> Mined:
    """Mine hard negatives: score, retrieve, select.

    Positive scores are computed directly and give every query its ceiling. Where the rule bounds the score alone, the
    ceiling acts inside the scan, which then finds the best *admissible* documents: no query runs short because its top
    was filtered away. Labelled positives and documents with the same text are never candidates.

    Parameters
    ----------
    collection : Collection
    teacher : Teacher or str
        What `hardmine.teachers.load` or `hardmine.teachers.precomputed` gives, or a name for the former.
    selection : Selection
        Which candidates are admissible, how many negatives, how they are drawn; see also `hardmine.strategies`.
    k : int, optional
        Candidates per query. Default: what the selection needs when it takes the top under a score ceiling, else its
        ``range_max``, else 200.
    epoch : int
        Another epoch gives other draws under the same seed.
    num_threads : int, optional
        Threads; the result does not depend on them.
    max_memory : int or str, optional
        Working memory of the search beyond embeddings and result, in bytes or as "2GB".
    progress : bool
        Show progress on standard error.

    Returns
    -------
    Mined
        ``.negatives``, ``.positives``, ``.candidates``, ``.report`` and ``.write(path, format=...)``.

    Raises
    ------
    TypeError, ValueError
        An argument is wrong, a query has no positive under a rule that needs one, or a row is short under
        ``on_shortage="error"``.

    Examples
    --------
    >>> import hardmine as hm
    >>> collection = hm.Collection.from_pairs(
    ...     ["red apples", "green pears"],
    ...     ["red apples are apples", "green pears are pears"],
    ...     ["red cars", "green leaves", "red and green"],
    ... )
    >>> mined = hm.mine(collection, "bm25", hm.Selection(2, ceiling=hm.PercPos(0.95)), progress=False)
    >>> [[collection.documents["text"][i].as_py() for i in row.ids] for row in mined.negatives]
    [['red cars', 'red and green'], ['green leaves', 'red and green']]
    """
    _check(collection, selection)
    if k is not None:
        k = _checks.integer("k", k, minimum=1)
    scorer = prepare(collection, teacher, max_memory=max_memory, num_threads=num_threads, progress=progress)
    anchored = selection.ceiling.needs_anchor_scores
    if anchored:
        refuse_anchors(scorer)
    positives = scored_positives(collection, scorer)
    ceiling = _scan_ceiling(positives, selection)
    depth = k or _depth(selection, in_scan=ceiling is not None and not anchored)
    candidates = scan(collection, scorer, depth, ceiling=ceiling, exclude_positives=True)
    if anchored:
        candidates = add_anchors(candidates, positives, scorer)
    return finish(collection, candidates, positives, selection, epoch=epoch, num_threads=num_threads)


def finish(
    collection: Collection,
    candidates: Candidates,
    positives: Positives,
    selection: Selection,
    *,
    epoch: int = 0,
    num_threads: int | None = None,
) -> Mined:
    """Select among candidates of a collection and report."""
    negatives = _choose(collection, candidates, positives, selection, epoch, num_threads)
    report = _report(collection, candidates, positives, negatives, selection)
    return Mined(collection, negatives, positives, candidates, MappingProxyType(report))


def finish_several(
    collection: Collection,
    teachers: Sequence[tuple[Candidates, Positives, Selection]],
    *,
    epoch: int = 0,
    num_threads: int | None = None,
    **settings: Any,
) -> Mined:
    """Select under every teacher, combine with `ensemble` and report; candidates and scores are the first teacher's."""
    each = [_choose(collection, *teacher, epoch, num_threads) for teacher in teachers]
    negatives = ensemble(each, epoch=epoch, num_threads=num_threads, **settings)
    candidates, positives, selection = teachers[0]
    report = _report(collection, candidates, positives, negatives, selection)
    report["teacher"] = ", ".join(str(run.metadata.get("teacher")) for run, _, _ in teachers)
    report["selection"] = [rule.to_dict() for _, _, rule in teachers]
    report["ensemble"] = {name: negatives.metadata[name] for name in ("scheme", "num_negatives", "seed", "epoch")}
    assert negatives.sources is not None  # noqa: S101
    report["sources"] = np.bincount(negatives.sources, minlength=len(teachers)).tolist()
    return Mined(collection, negatives, positives, candidates, MappingProxyType(report))


def _choose(
    collection: Collection,
    candidates: Candidates,
    positives: Positives,
    selection: Selection,
    epoch: int,
    num_threads: int | None,
) -> Negatives:
    _check(collection, selection)
    return select(
        candidates,
        positives,
        selection,
        epoch=epoch,
        document_groups=collection.document_groups,
        exclude=collection.identical_ids() if collection.ignore_identical_ids else None,
        num_documents=collection.num_documents,
        num_threads=num_threads,
    )


def _check(collection: Any, selection: Any) -> None:
    from hardmine.collection import Collection

    if not isinstance(collection, Collection):
        raise TypeError(f"collection: {type(collection).__name__}, expected a Collection")
    if not isinstance(selection, Selection):
        raise TypeError(f"selection: {type(selection).__name__}, expected a Selection (or a recipe of hm.strategies)")
    lacking = np.diff(collection.positives.offsets) == 0
    if selection.needs_positive and lacking.any():
        query = int(lacking.argmax())
        raise ValueError(f"collection: query {query} has no positive, expected one under a rule that needs its score")


def _scan_ceiling(positives: Positives, selection: Selection) -> npt.NDArray[np.float32] | None:
    """Bound on the score alone per query, None where the rule sets none or the scan must not use it."""
    rules = selection.ceiling._native()
    # Pairs of one query have ceilings of their own. Documents that fill a shortage are drawn from what is not listed,
    # so what a rule rejects has to be listed.
    if not rules or selection.positive_agg == "each" or selection.on_shortage == "fill":
        return None
    assert positives.scores is not None  # noqa: S101
    threads = _checks.num_threads(None)
    bounds = _native.ceilings(rules, positives.offsets, positives.scores, selection.positive_agg, threads)
    return None if np.isposinf(bounds).all() else bounds


def _depth(selection: Selection, *, in_scan: bool) -> int:
    """Candidates that the selection needs."""
    needed = min(selection.range_min + selection.num_negatives, 2**62)
    no_rule = not selection.ceiling._native()
    if selection.draw.is_top and (in_scan or no_rule):
        return needed
    return max(needed, selection.range_max or DEFAULT_K)


def _statistics(scores: npt.NDArray[np.float32]) -> dict[str, float | int] | None:
    """Mean, spread and quartiles of the known scores."""
    known = scores[~np.isnan(scores)].astype(np.float64)
    if not known.size:
        return None
    low, quarter, median, three_quarters, high = np.percentile(known, [0, 25, 50, 75, 100]).tolist()
    return {
        "count": int(known.size),
        "mean": float(known.mean()),
        "std": float(known.std()),
        "min": low,
        "25%": quarter,
        "median": median,
        "75%": three_quarters,
        "max": high,
    }


def _report(
    collection: Collection,
    candidates: Candidates,
    positives: Positives,
    negatives: Negatives,
    selection: Selection,
) -> dict[str, Any]:
    rule = {**selection.to_dict()}
    return {
        "queries": collection.num_queries,
        "documents": collection.num_documents,
        "positives": int(positives.ids.size),
        "teacher": candidates.metadata.get("teacher"),
        "candidates_per_query": candidates.metadata.get("k"),
        "selection": rule,
        "rows": len(negatives),
        "negatives": int(negatives.ids.size),
        "filled": int(negatives.filled.sum()),
        "short": negatives.num_short,
        "dropped": int(negatives.dropped.size),
        "scores": {
            "positives": _statistics(positives.scores if positives.scores is not None else np.empty(0, np.float32)),
            "negatives": _statistics(negatives.scores),
        },
        "reasons": {name: int(negatives.reasons[name].sum()) for name in REASONS},
        "collection": dict(collection.counts),
    }


_REASON_TEXTS = {
    "positive": "labelled positives",
    "excluded": "excluded by id",
    "duplicate_text": "same text as a positive",
    "outside_window": "outside the window",
    "above_ceiling": "above the ceiling",
    "below_floor": "below the floor",
    "nan": "without a score (NaN)",
    "not_drawn": "admissible, not drawn",
    "kept": "kept as negatives",
}


def summarise(report: Mapping[str, Any]) -> str:
    """A report as readable text."""
    lines = [
        f"{report['queries']:,} queries, {report['positives']:,} positives, {report['documents']:,} documents; "
        f"teacher {report['teacher']}",
        f"{report['negatives']:,} negatives in {report['rows']:,} rows; {report['short']:,} short"
        + (f", {report['dropped']:,} dropped" if report["dropped"] else "")
        + (f", {report['filled']:,} filled at random" if report["filled"] else "")
        + (f"; by teacher: {', '.join(f'{count:,}' for count in report['sources'])}" if "sources" in report else ""),
        "",
        f"{'scores':<12}" + "".join(f"{name:>10}" for name in ("mean", "std", "min", "25%", "median", "75%", "max")),
    ]
    for name, found in report["scores"].items():
        if found:
            values = "".join(f"{found[key]:>10.4g}" for key in ("mean", "std", "min", "25%", "median", "75%", "max"))
            lines.append(f"{name:<12}{values}")
    lines += ["", "what became of the candidates seen"]
    lines += [f"  {_REASON_TEXTS[name]:<38}{count:>14,}" for name, count in report["reasons"].items() if count]
    return "\n".join(lines)
