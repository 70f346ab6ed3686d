"""What mining gives: negatives, what they were chosen from, a report, and training rows."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hardmine.nouns.candidates import Candidates
from hardmine.nouns.frozen import frozen
from hardmine.nouns.identity import identity
from hardmine.nouns.negatives import Negatives
from hardmine.nouns.positives import Positives
from hardmine.pipeline.near import near_groups, refuse_unknown, refuse_without_embeddings
from hardmine.pipeline.scorers import expect_collection
from hardmine.plumbing.progress import Progress, Reporting
from hardmine.primitives.ensemble import ensemble
from hardmine.primitives.ensemble import settings as ensemble_settings
from hardmine.primitives.select import select
from hardmine.report.facts import facts
from hardmine.report.text import summarise
from hardmine.rules.draws import Popularity
from hardmine.rules.selection import Selection

if TYPE_CHECKING:
    import datasets

    from hardmine.nouns.collection import Collection


@dataclass(frozen=True, repr=False, eq=False)
class Mined:
    """What `mine` found, or `from_run` chose from what an earlier retrieval found.

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
        A dictionary that never changes, of JSON's types at every depth: counts, score statistics of positives and
        negatives, how many candidates each rule removed, short queries. A statistic that is no finite number, because
        scores are infinite, is None.
    """

    collection: Collection
    negatives: Negatives
    positives: Positives
    candidates: Candidates
    report: Mapping[str, Any]

    @classmethod
    def from_run(
        cls,
        collection: Collection,
        run: Candidates,
        selection: Selection,
        *,
        positives: Positives | None = None,
        document_embeddings: Any = None,
        epoch: int = 0,
        num_threads: int | None = None,
        progress: Reporting = False,
    ) -> Mined:
        """Choose from a stored run: another rule, another seed, another epoch, and no teacher.

        Parameters
        ----------
        collection : Collection
            The one that the run was made from; ids and counts that contradict it are refused.
        run : Candidates
            What `hardmine.retrieve` found, the ``candidates`` of an earlier `mine`, or a run made elsewhere
            (`Candidates.read` with this collection).
        selection : Selection
        positives : Positives, optional
            The collection's positives with their scores; by default those that the run holds. A run made elsewhere may
            hold none: then only rules serve that need no score of a positive.
        document_embeddings : float16 | bfloat16 | float32 [num_documents, dimension], optional
            Needed by ``selection.near_cosine`` alone, as in `select`.
        epoch, num_threads : int
            As in `mine`.
        progress : bool or callable
            As in `retrieve`.

        Raises
        ------
        TypeError, ValueError
            The run is of another collection or holds no positive scores, or what `select` raises.

        Examples
        --------
        >>> import hardmine as hm
        >>> collection = hm.Collection.from_pairs(["red apples"], ["apples are red"], ["red cars", "green apples"])
        >>> run = hm.retrieve(collection, "bm25", progress=False)
        >>> hm.Mined.from_run(collection, run, hm.strategies.naive_top_k(1)).negatives
        Negatives(1 rows, 1 negatives, 0 short)
        """
        refuse_unfit(collection, selection)
        refuse_without_embeddings([selection], document_embeddings)
        collection._refuse_foreign(run)
        if positives is None:
            positives = collection.positives_under(run, scores=selection.needs_positive)
        scored = positives
        with Progress("selecting negatives for queries", len(run), progress) as bar:
            negatives = _choose(collection, run, scored, selection, epoch, num_threads, document_embeddings)
            bar.update(len(run))
        report = facts(collection, run, scored, negatives, selection.to_dict())
        return cls(collection, negatives, scored, run, frozen(report))

    @classmethod
    def from_runs(
        cls,
        collection: Collection,
        runs: Sequence[tuple[Candidates, Selection]],
        *,
        scheme: str = "cross_sample",
        num_negatives: int | None = None,
        temperature: float = 1.0,
        seed: int = 0,
        epoch: int = 0,
        document_embeddings: Any = None,
        num_threads: int | None = None,
        progress: Reporting = False,
    ) -> Mined:
        """Choose from the stored runs of several teachers, each under its own rule, and combine.

        Parameters
        ----------
        collection : Collection
            The one that all runs were made from.
        runs : sequence of (Candidates, Selection)
            One pair per teacher. Candidates, positives and the statistics of the result are the first teacher's.
        scheme, num_negatives, temperature, seed : str, int, float, int
            As in `hardmine.ensemble`.
        epoch, num_threads : int
            As in `mine`.
        document_embeddings : float16 | bfloat16 | float32 [num_documents, dimension], optional
            As in `from_run`. What two teachers chose apart is combined as it is: near-duplicates are kept out of the
            negatives of each, not of their union.
        progress : bool or callable
            As in `retrieve`.

        Raises
        ------
        TypeError, ValueError
            As in `from_run` and `hardmine.ensemble`.
        """
        runs = _pairs(runs)
        ensemble_settings(scheme, num_negatives, temperature, seed, epoch)
        for _, rule in runs:
            refuse_unfit(collection, rule)
        refuse_without_embeddings([rule for _, rule in runs], document_embeddings)
        scored = [collection.positives_under(run, scores=rule.needs_positive) for run, rule in runs]
        each = []
        with Progress("selecting negatives for queries", sum(len(run) for run, _ in runs), progress) as bar:
            for (run, rule), positives in zip(runs, scored, strict=True):
                each.append(_choose(collection, run, positives, rule, epoch, num_threads, document_embeddings))
                bar.update(len(run))
        negatives = ensemble(
            each,
            scheme=scheme,
            num_negatives=num_negatives,
            temperature=temperature,
            seed=seed,
            epoch=epoch,
            num_threads=num_threads,
        )
        report = facts(collection, runs[0][0], scored[0], negatives, [rule.to_dict() for _, rule in runs])
        report["teacher"] = ", ".join(str(run.metadata.get("teacher")) for run, _ in runs)
        report["ensemble"] = {name: negatives.metadata[name] for name in ("scheme", "num_negatives", "seed", "epoch")}
        assert negatives.sources is not None  # noqa: S101
        report["sources"] = np.bincount(negatives.sources, minlength=len(runs)).tolist()
        return cls(collection, negatives, scored[0], runs[0][0], frozen(report))

    def write(
        self,
        path: str | os.PathLike[str],
        format: str = "sentence-transformers:n-tuple",  # noqa: A002
        *,
        scores: bool = False,
        provenance: bool = True,
        progress: Reporting = False,
    ) -> dict[str, int]:
        """Write training rows and their side file, both whole or neither.

        Parameters
        ----------
        path : path-like
            The file; its suffix says the layout (``.jsonl``, ``.parquet``, ``.csv``, ``.tsv``, ``.json``: each format
            has its own), and ``.gz`` or ``.zst`` behind it packs all but parquet.
        format : str
            One of `hardmine.formats.WRITE`; the page of formats in the documentation says what each holds. Of the
            shapes of sentence-transformers, an n-tuple needs all its negatives: pairs with fewer are left out and
            counted; the others keep short lists. Formats with a list of negatives leave pairs without any out, because
            their trainers draw from the list.
        scores : bool
            Write the teacher's scores where the format has them (for sentence-transformers the target: ``scores``, or
            ``score`` in place of ``label``). An infinite score is null in JSON, which has no word for it, and as it is
            in the other layouts; in the side file too.
        provenance : bool
            Write a side file ``STEM.provenance.SUFFIX`` with ids, scores, ranks and reasons of every (query, positive).
            Without it, one that an earlier write left there is removed: it is about other rows.
        progress : bool or callable
            As in `hardmine.retrieve`; rows of the file and of the side file are counted.

        Returns
        -------
        dict
            ``rows`` written, ``pairs`` mined, ``dropped_pairs`` without a row.

        Raises
        ------
        ValueError
            Unknown format or suffix, or scores asked for that are unknown or for which the format has no place.
        OSError
            The folder does not exist, a folder stands in the place of a file, or the disk is full: the message names
            the file, and what was there before is there still.
        """
        from hardmine.formats.access import write  # costs an import that most processes never need

        return write(
            path,
            format,
            collection=self.collection,
            negatives=self.negatives,
            positives=self.positives,
            scores=scores,
            provenance=provenance,
            progress=progress,
        )

    def to_dataset(
        self,
        format: str = "sentence-transformers:n-tuple",  # noqa: A002
        *,
        scores: bool = False,
    ) -> datasets.Dataset | datasets.DatasetDict:
        """Training rows as a dataset of the package ``datasets``, in memory, without a file.

        Parameters
        ----------
        format : str
            As in `write`.
        scores : bool
            As in `write`.

        Returns
        -------
        datasets.Dataset
            The columns of the format. For one of several tables (rows of ids and what belongs to them) a
            ``datasets.DatasetDict`` of them: "train" holds the rows.

        Raises
        ------
        ModuleNotFoundError
            The package ``datasets`` is not installed.
        ValueError
            As in `write`.
        """
        from hardmine.formats.access import to_dataset  # costs an import that most processes never need

        return to_dataset(
            format,
            collection=self.collection,
            negatives=self.negatives,
            positives=self.positives,
            scores=scores,
        )

    def report_html(
        self,
        path: str | os.PathLike[str],
        *,
        sweep: Any = None,
        audit: Any = None,
        examples: int = 200,
        title: str = "Mined hard negatives",
    ) -> None:
        """Write the report as one page that a browser opens: pictures, what stands out, and doubtful rows to look at.

        The page asks for nothing from anywhere, is smaller than 1.5 MB whatever its input, reads in light and dark and
        without a script, and is the same for the same input, byte for byte.

        Parameters
        ----------
        path : path-like
            The file, ``report.html``.
        sweep : Sweep or mapping, optional
            What `hardmine.sweep` found, or its ``to_dict()``: the trade-off curve and the recommended setting; for a
            run of the same teacher and size the estimate for the rule that mined, too.
        audit : AuditReport or mapping, optional
            What `hardmine.audit` found, or its ``to_dict()``.
        examples : int
            Rows to show at most: the most suspicious, some that are short, some taken evenly from all. Fewer are shown,
            and texts are cut shorter, where they would not fit.
        title : str
            Heading of the page.

        Raises
        ------
        ModuleNotFoundError
            Altair or vl-convert is not installed; the message names the command.
        TypeError, ValueError
            `sweep` or `audit` is something else, `title` is no string, or `examples` is below 0.
        OSError
            The file cannot be written; what was there before is there still.
        """
        from hardmine.report.html.given import as_data
        from hardmine.report.html.of_mined import of_mined  # costs imports that most processes never need
        from hardmine.report.html.page import check_page, write_page

        if not isinstance(title, str):
            raise TypeError(f"title: {type(title).__name__}, expected a string")
        examples = check_page(path, examples=examples)
        given = {"sweep": as_data("sweep", sweep), "audit": as_data("audit", audit)}
        parts = self.collection, self.negatives, self.positives, self.candidates
        material = of_mined(*parts, examples=examples, teacher=str(self.report["teacher"]))
        write_page(path, material, title=title, **given)

    def _repr_html_(self) -> str:
        """The report as a notebook shows it."""
        from hardmine.report.html.short import short_form

        return short_form(self.report)

    def summary(self) -> str:
        """The report as readable text."""
        return summarise(self.report)

    def __repr__(self) -> str:
        return f"Mined({self.negatives!r})"


def _pairs(runs: Any) -> list[tuple[Candidates, Selection]]:
    if isinstance(runs, (str, bytes)) or not isinstance(runs, Sequence):
        raise TypeError(f"runs: {type(runs).__name__}, expected a sequence of pairs (Candidates, Selection)")
    for number, pair in enumerate(runs):
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError(f"runs[{number}]: {type(pair).__name__}, expected a pair (Candidates, Selection)")
    if not runs:
        raise ValueError("runs: none, expected at least one")
    return [(run, rule) for run, rule in runs]


def _choose(
    collection: Collection,
    candidates: Candidates,
    positives: Positives,
    selection: Selection,
    epoch: int,
    num_threads: int | None,
    document_embeddings: Any,
) -> Negatives:
    found = select(
        candidates,
        positives,
        selection,
        epoch=epoch,
        document_groups=collection.document_groups,
        near_groups=near_groups(collection, selection, num_threads),
        document_embeddings=document_embeddings,
        exclude=collection.identical_ids() if collection.ignore_identical_ids else None,
        num_documents=collection.num_documents,
        num_threads=num_threads,
    )
    columns = {name: getattr(found, name) for name in found._columns()}
    return Negatives(**columns | {"metadata": {**found.metadata, "collection": identity(collection)}})


def refuse_unfit(collection: Any, selection: Any) -> None:
    """Raise where the two cannot go together, before any work is done."""
    expect_collection(collection)
    if not isinstance(selection, Selection):
        raise TypeError(f"selection: {type(selection).__name__}, expected a Selection (or a recipe of hm.strategies)")
    refuse_unknown(collection, selection)
    law = selection.draw._native()
    if law["name"] == Popularity.kind and law["array"] is not None and law["array"].size != collection.num_documents:
        raise ValueError(
            f"counts: length {law['array'].size}, expected {collection.num_documents} (the number of documents)"
        )
    lacking = np.diff(collection.positives.offsets) == 0
    if selection.needs_positive and lacking.any():
        query = int(lacking.argmax())
        raise ValueError(f"collection: query {query} has no positive, expected one under a rule that needs its score")
