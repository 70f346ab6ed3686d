"""What judging gives: a verdict for each pair, counts that add up, and what is left after the policy."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hardmine.nouns.candidates import Candidates
from hardmine.nouns.negatives import Negatives
from hardmine.pipeline.judge_calls import OUTCOMES
from hardmine.pipeline.judge_pairs import coded
from hardmine.pipeline.mined import Mined
from hardmine.plumbing import ragged
from hardmine.plumbing.files import atomic_write

if TYPE_CHECKING:
    import pyarrow as pa

    from hardmine.nouns.collection import Collection

LAYOUTS = (".jsonl", ".parquet", ".csv", ".tsv")
"""Suffixes of the files that `Judged.write` writes."""
_ROWS = 16_384

_Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, repr=False, eq=False)
class Judged:
    """What `judge` found out.

    The arrays have an entry for each (query, document) pair of what was given, by rising query and in the order of its
    list; a pair that stands in several rows is there once.

    Attributes
    ----------
    collection : Collection
        The one given; under ``policy="relabel"`` one with the documents judged positive among its positives.
    negatives : Negatives or None
        What is left of the negatives, where negatives or a `Mined` were given.
    run : Candidates or None
        What is left of the candidates, where a run was given.
    mined : Mined or None
        What is left of it, to be written as training rows, where a `Mined` was given.
    queries, documents : int64 [n]
        The pairs.
    positives : int64 [n]
        The positive that the judge saw; -1 where the query has none.
    suspicion : float64 [n]
        How suspicious a pair was, in [0, 1).
    outcomes : int8 [n]
        What became of each pair, as a place in `hardmine.pipeline.judge_calls.OUTCOMES`: "negative", "positive",
        "unsure", "failed", "known", "not_judged".
    flagged : bool [n]
        Whether each pair was judged positive (or, with ``unsure="remove"``, was unsure or failed), itself or by the
        same text.
    flags : bool [given]
        The same for each document of what was given, in the order of its ``ids``.
    dropped : int64 [m]
        Queries with more than ``max_false`` texts judged positive: out of `negatives` and without candidates in `run`,
        but under ``policy="flag"``.
    report : mapping
        JSON-able facts: ``judge``, ``policy``, ``counts`` of pairs by outcome, which add up to ``pairs``, ``asked``
        (distinct items of three texts within the budget), ``removed``, ``relabelled``, ``dropped_queries``, and, under
        ``calls``, what the same judging may do otherwise next time: ``reused`` items of the cache, ``calls`` of the
        judge, ``faults``, and ``malformed``, the answers that a judge that counts them (``ChatJudge``) could not read.
    """

    collection: Collection
    negatives: Negatives | None
    run: Candidates | None
    mined: Mined | None
    queries: _Int64
    documents: _Int64
    positives: _Int64
    suspicion: npt.NDArray[np.float64]
    outcomes: npt.NDArray[np.int8]
    flagged: npt.NDArray[np.bool_]
    flags: npt.NDArray[np.bool_]
    dropped: _Int64
    report: Mapping[str, Any]

    @property
    def exclude(self) -> tuple[_Int64, _Int64]:
        """Documents that are no negatives of each query, (offsets [num_queries + 1], ids): whatever the policy was.

        For `hardmine.select` and its ``exclude``. They are the flagged ones with all documents that have their texts,
        and all pairs of dropped queries.
        """
        groups, count = self.collection.document_groups, self.collection.num_documents
        of_group, starts = np.argsort(groups, kind="stable"), ragged.offsets_of(np.bincount(groups))
        flagged = np.unique(coded(self.queries[self.flagged], groups[self.documents[self.flagged]], count))
        query, group = np.divmod(flagged, max(count, 1))
        lengths = np.diff(starts)[group]
        is_dropped = np.isin(self.queries, self.dropped)
        documents = np.concatenate([of_group[ragged.ranges(starts[group], lengths)], self.documents[is_dropped]])
        codes = np.unique(
            coded(np.concatenate([np.repeat(query, lengths), self.queries[is_dropped]]), documents, count)
        )
        query, documents = np.divmod(codes, max(count, 1))
        return ragged.offsets_of(np.bincount(query, minlength=self.collection.num_queries)), documents

    def to_arrow(self) -> pa.Table:
        """One row per pair: ``query_id``, ``document_id``, ``positive_id``, ``suspicion``, ``outcome``, ``flagged``.

        ``positive_id`` is null where the query has no positive.
        """
        import pyarrow as pa

        ids = self.collection.documents["id"].combine_chunks()
        return pa.table(
            {
                "query_id": self.collection.queries["id"].combine_chunks().take(pa.array(self.queries)),
                "document_id": ids.take(pa.array(self.documents)),
                "positive_id": ids.take(pa.array(self.positives, mask=self.positives < 0)),
                "suspicion": pa.array(self.suspicion),
                "outcome": pa.array(OUTCOMES).take(pa.array(self.outcomes)),
                "flagged": pa.array(self.flagged),
            }
        )

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the table of `to_arrow`, whole or not at all.

        Parameters
        ----------
        path : path-like
            .jsonl, .parquet, .csv or .tsv; ``.gz`` or ``.zst`` behind it packs all but parquet.

        Raises
        ------
        ValueError
            Another suffix.
        OSError
            The file cannot be written; what was there before is there still.
        """
        from hardmine.formats.layouts import check_layout, sink  # needs an extra, which judging may do without

        target, table = Path(path), self.to_arrow()
        check_layout(target, LAYOUTS)
        with atomic_write(target) as file, sink(file, target) as put:
            for start in range(0, table.num_rows, _ROWS):
                put(table.slice(start, _ROWS))

    def to_dict(self) -> dict[str, Any]:
        """The report as data of JSON's types."""
        return {name: dict(value) if isinstance(value, Mapping) else value for name, value in self.report.items()}

    def summary(self) -> str:
        """The report as readable text."""
        report = self.report
        counts, calls = report["counts"], report["calls"]
        judged = sum(counts[name] for name in ("negative", "positive", "unsure"))
        share = f" ({counts['positive'] / judged:.1%} of the judged)" if judged else ""
        lines = {
            "judge": report["judge"],
            "pairs": f"{report['pairs']:,}",
            "negative": f"{counts['negative']:,}",
            "positive": f"{counts['positive']:,}{share}",
            "unsure": f"{counts['unsure']:,}",
            "failed": f"{counts['failed']:,}",
            "known": f"{counts['known']:,} (labelled, or the text of a labelled document)",
            "not judged": f"{counts['not_judged']:,} (beyond the budget)",
            "asked": f"{report['asked']:,} items: {calls['reused']:,} of the cache, {calls['calls']:,} calls, "
            f"{calls['faults']:,} faults, {calls['malformed']:,} malformed answers",
            "policy": f"{report['policy']}: {report['removed']:,} removed, {report['relabelled']:,} relabelled, "
            f"{report['dropped_queries']:,} queries dropped",
        }
        return "\n".join(f"{name:<12}{text}" for name, text in lines.items())

    def __repr__(self) -> str:
        counts = self.report["counts"]
        said = ", ".join(f"{counts[name]} {name.replace('_', ' ')}" for name in OUTCOMES if counts[name])
        return f"Judged({self.report['pairs']} pairs: {said or 'none'})"
