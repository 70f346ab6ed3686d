"""An audit: one pass over all rows, a second where queries have several rows, and the repairs."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from hardmine.formats.errors import FormatError
from hardmine.formats.opening import reading
from hardmine.nouns.collection import Collection
from hardmine.nouns.frozen import frozen
from hardmine.plumbing import checks
from hardmine.plumbing.progress import Reporting, reporting
from hardmine.report.audit import faults, repairs, scores, texts, within
from hardmine.report.audit.across import Across, other_positives
from hardmine.report.audit.findings import Findings
from hardmine.report.audit.leakage import Leakage
from hardmine.report.audit.near import Similarity
from hardmine.report.audit.report import AuditReport
from hardmine.report.audit.seen import Keys
from hardmine.report.audit.sources import Source, files_of, sources
from hardmine.report.audit.spread import SPREAD, Spread
from hardmine.report.audit.view import Example, View


def audit(
    rows: Any,
    *,
    format: str | None = None,  # noqa: A002
    against: Collection | str | os.PathLike[str] | None = None,
    near_duplicates: float | None = 0.9,
    hub_share: float = 0.1,
    fix: str | os.PathLike[str] | None = None,
    progress: Reporting = False,
) -> AuditReport:
    """Look for what is wrong with finished training rows, whoever made them.

    Parameters
    ----------
    rows : path-like, Mined, or sequence of these
        Files of any format of rows (docs/formats.md), packed or not, or what `hardmine.mine` gave. Several are one set:
        a row of one may repeat a row of another.
    format : str, optional
        One of the formats of rows, for all files; by default told from the fields of each file's first record.
    against : Collection or path-like, optional
        An evaluation, whose queries and their positives must not be among the rows: compared by text, exact and
        normalised, or by id where rows have no texts. A path is read by `Collection.read`.
    near_duplicates : float or None
        Negatives whose word shingles have at least this Jaccard similarity to those of a positive of their row are
        found too; None leaves out this comparison, the slowest of all. Words are what white space parts: texts in
        Chinese, Japanese or Thai are hardly ever found.
    hub_share : float
        A document that is a negative of at least this share of the rows, and of 20 rows, is found as a hub.
    fix : path-like, optional
        Also write the rows with every repair that is safe, in the format of the files, which must have one in common:
        whole or not at all, and never over a file that is read. What has no single safe repair stays as it is. What
        else rows lose by being written again is said in ``fixed["not_carried"]`` of the report.
    progress : bool or callable
        As in `hardmine.retrieve`; in bytes of the files as they lie on the disk.

    Returns
    -------
    AuditReport

    Raises
    ------
    TypeError, ValueError, OSError, FormatError
        An argument is none of the above, a format is not known, or not a single row of a file can be looked at.

    Notes
    -----
    Records that readers refuse are findings; the audit goes on behind them. Memory holds some thousand rows and, of
    all others, keys of 64 bits: at most 56 bytes a row (72 in formats that spread a row over records, for one file at a
    time), 16 a positive and 16 for each document with an id and a text.
    Equal keys of unequal texts make a false finding among 10,000,000 rows of five documents with a probability of 1 in
    10,000. Findings do not depend on threads.

    Examples
    --------
    >>> from pathlib import Path
    >>> import hardmine as hm
    >>> size = Path("rows.jsonl").write_text('{"query": "what?", "pos": ["one"], "neg": ["one", "two"]}')
    >>> for finding in hm.audit("rows.jsonl", near_duplicates=None).findings:
    ...     print(finding["severity"], finding["check"], finding["count"])
    error positive_in_negatives_text 1
    """
    found = sources(rows, format)
    near, threshold = _near(near_duplicates)
    share = checks.real("hub_share", hub_share, minimum=0, maximum=1)
    progress = reporting(progress)
    target = None if fix is None else repairs.target(Path(fix), found)
    job = _Audit(found, progress, Across(share, [source.name for source in found]))
    evaluation = None if against is None else Leakage(_collection(against))
    job.look(near, threshold, evaluation)
    others = job.compare()
    fixed = None if target is None else job.repair(target, others)
    return AuditReport(
        findings=tuple(frozen(finding) for finding in job.findings.as_data()),
        files=tuple(frozen(file) for file in job.files),
        counts=frozen(job.counts),
        settings=frozen({"near_duplicates": near_duplicates, "hub_share": share}),
        against=None if evaluation is None else frozen(evaluation.to_dict()),
        fixed=None if fixed is None else frozen(fixed),
    )


class _Audit:
    """The passes over all rows, and what they find."""

    def __init__(self, found: Sequence[Source], progress: Reporting, across: Across) -> None:
        self._sources, self._progress, self._across = found, progress, across
        self._has_scores = self._is_scattered = False
        self._left_out: Counter[str] = Counter()
        self.findings = Findings()
        self.files: list[dict[str, Any]] = []
        self.counts = {"rows": 0, "positives": 0, "negatives": 0}

    def look(self, near: Similarity | None, threshold: float, evaluation: Leakage | None) -> None:
        """Go through all rows once."""
        lengths = texts.Lengths()
        with self._stage("auditing"):
            for number, source in enumerate(self._sources):
                file = {"name": source.name, "format": source.format, "rows": 0, "unreadable": 0, "texts": False}
                self.files.append(file)
                parts = Spread(source.format) if source.format in SPREAD else None
                inside, counts = (
                    (self.findings, self._across.lengths) if parts is None else (parts.findings, parts.lengths)
                )
                for view in source.views(number, partial(self._hear, file)):
                    if parts is not None:
                        parts.add(view)
                    within.look(view, inside, near, threshold)
                    texts.look(view, self.findings)
                    scores.look(view, inside)
                    counts.add(view)
                    self._across.add(view, self.findings)
                    lengths.add(view)
                    if evaluation is not None:
                        evaluation.add(view, self.findings)
                    self._count(view, file)
                if parts is not None:
                    parts.end(self.findings, self._across.lengths)
                    self._is_scattered |= parts.is_scattered
                if not file["rows"] and not file["unreadable"]:
                    self.findings.add("no_rows", 1, 0, partial(_whole, source.name))
        self._across.report(self.findings)
        lengths.report(self.findings)
        if evaluation is not None:
            evaluation.report(self.findings)
        self.counts["remembered_bytes"] = self._across.nbytes

    def _hear(self, file: dict[str, Any], error: FormatError, is_last: bool) -> None:  # noqa: FBT001
        if is_last:
            self.findings.add("unreadable_rest", 1, 0, lambda _: faults.example(error))
        else:
            file["unreadable"] += 1
            self._left_out[faults.add(error, self.findings)] += 1

    def _count(self, view: View, file: dict[str, Any]) -> None:
        file["rows"] += view.num_rows
        file["texts"] |= any(bool(side.text.is_known.any()) for side in view.sides)
        self.counts["rows"] += view.num_rows
        self.counts["positives"] += len(view.positives)
        self.counts["negatives"] += len(view.negatives)
        self._has_scores |= any(bool(side.has_score.any()) for side in view.sides)

    def compare(self) -> Keys:
        """Go through all rows again where queries have several; the keys of positives that matter then."""
        others = self._across.positives_of_several_rows(is_scattered=self._is_scattered)
        del self._across  # what it remembers is not needed any more
        if others.size:
            with self._stage("comparing rows of one query"):
                for view in self._again():
                    found = other_positives(view, others)
                    self.findings.documents("other_positive_in_negatives", view, view.negatives, found)
        return others

    def repair(self, target: repairs.Target, others: Keys) -> dict[str, Any]:
        """Go through all rows again and write them."""
        lost = self.findings.examples("unreadable_rest")
        if lost:
            names = ", ".join(place["file"] for place in lost)
            raise ValueError(f"fix: the end of {names} cannot be read, expected whole files")
        silent = [file["name"] for file in self.files if file["rows"] and not file["texts"]]
        with self._stage("repairing"):
            try:
                fixed = target.write(self._again(), others, scores=self._has_scores)
            except ValueError as error:
                if not silent or ": no text of " not in str(error):
                    raise
                files = f"{silent[0]} knows no texts of documents (no file of them lies beside it)"
                raise ValueError(f"fix: {files}, and {target.format} is not written without: {error}") from None
        # What cannot be read is left out by reading, before any repair.
        fixed["repairs"] = dict(sorted((self._left_out + Counter(fixed["repairs"])).items()))
        return fixed

    def _again(self) -> Iterator[View]:
        """The rows again, without a word about what was said before."""
        for number, source in enumerate(self._sources):
            yield from source.views(number, lambda *_: None)

    def _stage(self, what: str) -> AbstractContextManager[None]:
        name, paths = files_of(self._sources)
        if not paths:
            return nullcontext()
        return reading(f"{name} ({what})", paths, self._progress)


def _whole(name: str, _: int) -> Example:
    return {"file": name, "unit": "row", "line": None, "field": None, "shown": "no rows"}


def _near(near_duplicates: Any) -> tuple[Similarity | None, float]:
    if near_duplicates is None:
        return None, 1.0
    threshold = checks.real("near_duplicates", near_duplicates, minimum=0, maximum=1)
    from hardmine.primitives.shingles import similarity

    return similarity, threshold


def _collection(against: Any) -> Collection:
    if isinstance(against, Collection):
        return against
    if not isinstance(against, (str, os.PathLike)):
        raise TypeError(f"against: {type(against).__name__}, expected a Collection or a path")
    return Collection.read(against)
