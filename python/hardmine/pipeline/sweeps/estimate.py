"""The estimated share of false negatives of every setting, from what the trials mine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from hardmine.pipeline.sweeps import bounds
from hardmine.pipeline.sweeps.anchored import with_anchor_scores
from hardmine.pipeline.sweeps.reach import reach_of
from hardmine.pipeline.sweeps.trials import UNIT, Trials, distinct_labels, make_trials
from hardmine.plumbing import ragged
from hardmine.plumbing.float_mode import in_default_mode
from hardmine.primitives.select import select
from hardmine.rules.draws import Weighted

if TYPE_CHECKING:
    from hardmine.nouns.candidates import Candidates
    from hardmine.nouns.collection import Collection
    from hardmine.nouns.positives import Positives
    from hardmine.plumbing.checks import Int64Array
    from hardmine.rules.selection import Selection

KEYS = (
    "exposure", "exposure_low", "exposure_high", "false_negative_rate", "false_negative_low", "false_negative_high",
    "hits", "queries_with_hits", "interval", "no_estimate",
)  # fmt: skip
"""What an estimate adds to a row of the sweep."""

FEW_LABELS = {"min": 6, "mean": 6, "max": 16}
"""Labels of a query, by what p is taken of them, below which fewer intervals hold the truth than they promise.

`benches/quality/sweep_check.py --made`: of the 95 % intervals of the default grid 50 % held under "min" and 47 % under
"max" where queries have 2 labels; 67 and 48 % of 3, 88 and 68 % of 4, 91 and 75 % of 6, 89 and 81 % of 12. Under "mean"
it is 90 % and more.
"""

_KINDS = {
    (False, False): "bootstrap",
    (True, False): "upper bound",
    (False, True): "lower bound",
    (True, True): "both bounds",
}
"""What an interval is by whether hits, and whether misses, are in too few queries."""


@dataclass
class Estimator:
    """Trials of a run, and what each setting did with them."""

    protocol: str
    unlabelled_per_positive: float
    confidence: float
    num_bootstrap: int
    min_queries: int
    trials_per_query: int
    seed: int
    num_threads: int | None
    trials: Trials | None = None
    num_labels: int = 0
    why_none: str | None = None
    _hits: list[Int64Array] = field(default_factory=list)
    _sizes: list[Int64Array] = field(default_factory=list)
    _pending: list[tuple[dict[str, Any], int]] = field(default_factory=list)
    _aggregates: set[str] = field(default_factory=set)

    def prepare(
        self, collection: Collection, run: Candidates, positives: Positives, embeddings: Any, *, anchored: bool
    ) -> None:
        """Make the trials, or say why there are none."""
        if positives.scores is None:
            self.why_none = "the run holds no scores of the positives"
            return
        reach = reach_of(run, positives)
        if isinstance(reach, str):
            self.why_none = reach
            return
        groups = collection.document_groups
        never = _never(collection)
        labels = distinct_labels(positives, groups, never, run.teacher_scores or ())
        self.num_labels = labels.ids.size
        trials = make_trials(
            run,
            labels,
            groups,
            reach=reach,
            never=never,
            protocol=self.protocol,
            trials_per_query=self.trials_per_query,
            seed=self.seed,
            num_threads=self.num_threads,
        )
        if trials.num_able < self.min_queries:
            self.why_none = (
                f"cannot tell: {trials.num_able:,} queries with several positives, expected at least {self.min_queries}"
            )
            return
        if anchored and embeddings is not None:
            trials = trials._replace(candidates=with_anchor_scores(trials, embeddings, num_threads=self.num_threads))
        self.trials = trials

    def look_at(self, row: dict[str, Any], selection: Selection, **near: Any) -> None:
        """Let the trials mine under a setting; `finish` fills its row.

        `near` are the arguments of `select` that keep near-duplicates out.
        """
        row.update(dict.fromkeys(KEYS))
        row["no_estimate"] = self.why_none or self._why_not(selection)
        if row["no_estimate"] is not None:
            return
        trials = self.trials
        assert trials is not None  # noqa: S101
        try:
            mined = select(
                trials.candidates,
                trials.positives,
                selection,
                query_keys=trials.queries,
                num_threads=self.num_threads,
                **near,
            )
        except ValueError as error:
            row["no_estimate"] = str(error)
            return
        hits = trials.hits(mined.offsets, mined.ids)
        if self.protocol == "hide-one":
            hits, sizes = hits * trials.weights, trials.weights
        else:
            sizes = mined.lengths
        self._pending.append((row, len(self._hits)))
        self._aggregates.add(selection.positive_agg if selection.needs_positive else "min")
        self._hits.append(self._per_query(hits))
        self._sizes.append(self._per_query(sizes))

    def _why_not(self, selection: Selection) -> str | None:
        has_anchors = self.trials is not None and self.trials.candidates.anchor_scores is not None
        if selection.ceiling.needs_anchor_scores and not has_anchors:
            return "anchor scores depend on which positives are known: give document_embeddings"
        if self.trials is not None:
            lists = self.trials.candidates
            known = {lists.metadata.get("teacher"), *(lists.teacher_scores or ())}
            unknown = next((name for name in selection.ceiling.teachers if name not in known), None)
            if unknown is not None:
                return f"the run has no scores of the positives under {unknown!r}, by which hidden ones are judged"
        if isinstance(selection.draw, Weighted):
            return "its weights are aligned with the run, not with lists in which positives are hidden"
        return "one row for each pair has no hidden positive of its own" if selection.positive_agg == "each" else None

    def _ratio(self) -> float:
        """Hidden documents that were tried to those that the share is about."""
        assert self.trials is not None  # noqa: S101
        if self.protocol == "keep-one":
            return 1.0
        unlabelled = self.unlabelled_per_positive * self.num_labels
        return len(self.trials.candidates) / unlabelled if unlabelled else 0.0

    def _per_query(self, values: Int64Array) -> Int64Array:
        assert self.trials is not None  # noqa: S101
        # Integers below 2**53: exact as the float64 that bincount adds.
        return np.bincount(self.trials.cluster, weights=values, minlength=self.trials.num_queries).astype(np.int64)

    @in_default_mode
    def finish(self) -> None:
        """Shares and intervals of all settings, in their rows."""
        if not self._pending:
            return
        hits, sizes = np.stack(self._hits, axis=1), np.stack(self._sizes, axis=1)
        low, high = bounds.bootstrap(
            hits,
            sizes,
            num_bootstrap=self.num_bootstrap,
            confidence=self.confidence,
            seed=self.seed,
            num_threads=self.num_threads,
        )
        shares = hits.sum(axis=0) / np.maximum(sizes.sum(axis=0), 1)
        with_hits, with_misses = (hits > 0).sum(axis=0), (hits < sizes).sum(axis=0)
        for row, column in self._pending:
            if not sizes[:, column].sum() or not row["kept"]:
                row["no_estimate"] = "nothing is mined"
                continue
            row["hits"] = int(hits[:, column].sum()) / (UNIT if self.protocol == "hide-one" else 1)
            row["queries_with_hits"] = int(with_hits[column])
            share = float(shares[column])
            is_rare, is_common = (count[column] < bounds.FEWEST_HITS for count in (with_hits, with_misses))
            row["interval"] = _KINDS[is_rare, is_common]
            ends = min(share, float(low[column])), max(share, float(high[column]))
            if is_rare or is_common:
                count = bounds.effective_number(sizes[:, column])
                ends = (
                    1 - bounds.wilson(1 - share, count, self.confidence) if is_common else 0.0,
                    bounds.wilson(share, count, self.confidence) if is_rare else 1.0,
                )
            self._fill(row, share, *ends)

    def _fill(self, row: dict[str, Any], share: float, low: float, high: float) -> None:
        low, high = bounds.widened(low, share, high, self._ratio())
        found = {"": share, "_low": low, "_high": high}
        if self.protocol == "hide-one":
            row.update({f"exposure{end}": value for end, value in found.items()})
            factor = self.unlabelled_per_positive * self.num_labels / row["kept"]
            found = {end: min(1.0, factor * value) for end, value in found.items()}
        names = {"": "false_negative_rate", "_low": "false_negative_low", "_high": "false_negative_high"}
        row.update({names[end]: value for end, value in found.items()})

    @property
    def caution(self) -> str | None:
        """Why the intervals promise too much, in words; None where nothing is known to be wrong with them."""
        if self.trials is None or self.protocol != "hide-one":
            return None
        few = max((FEW_LABELS[each] for each in self._aggregates), default=0)
        if self.trials.labels_around >= few:
            return None
        return (
            f"Caution: a hidden label is one of only {self.trials.labels_around:.1f} of its query on average. With "
            f"fewer than {few}, fewer intervals hold the truth than they promise: a ceiling's rate tends to be "
            "too high under positive_agg 'min' and too low under 'max', and too low wherever relevant documents fill "
            "the places."
        )

    def about(self) -> dict[str, Any]:
        """What the estimate rests on."""
        trials = self.trials
        return {
            "protocol": self.protocol,
            "queries_with_several_positives": None if trials is None else trials.num_able,
            "queries": None if trials is None else trials.num_queries,
            "labels_per_query": None if trials is None else trials.labels_around,
            "trials_per_query": self.trials_per_query,
            "trials": None if trials is None else len(trials.candidates),
            "is_sample": trials is not None and trials.num_queries < trials.num_able,
            "unlabelled_per_positive": self.unlabelled_per_positive if self.protocol == "hide-one" else None,
            "confidence": self.confidence,
            "num_bootstrap": self.num_bootstrap,
            "seed": self.seed,
            "why_none": self.why_none,
            "caution": self.caution,
        }


def _never(collection: Collection) -> Int64Array:
    """Documents that are no candidates of a query: sorted keys, query times the number of documents plus document."""
    if not collection.ignore_identical_ids:
        return np.empty(0, dtype=np.int64)
    offsets, ids = collection.identical_ids()
    return np.sort(ragged.rows_of(offsets) * collection.num_documents + ids)
