"""Candidate lists of shards of one corpus into those of the whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import hardmine._native as _native
from hardmine.nouns.candidates import Candidates
from hardmine.nouns.lists import REASONS, added
from hardmine.nouns.strings import StringTable
from hardmine.plumbing import checks
from hardmine.plumbing.threads import thread_count
from hardmine.primitives.runs import several_lists

__all__ = ["merge"]

_ALL = 2**63 - 1


def merge(
    runs: Iterable[Candidates],
    *,
    k: int | None = None,
    document_offsets: Sequence[int] | None = None,
    num_threads: int | None = None,
) -> Candidates:
    """Merge the lists of several shards of one corpus into what one search over the whole corpus gives.

    Every shard is searched for the same queries, by `search`, `topk`, `retrieve` or elsewhere, each with the same k,
    limits and teacher. Scores must compare; for lists of different teachers there is `fuse`.

    Parameters
    ----------
    runs : iterable of Candidates
        One per shard, with the same queries in the same order. No document may be in two shards.
    k : int, optional
        Candidates kept per query: at most the ``metadata["k"]`` of every run that has one, since what a shard cut off
        cannot come back. By default the least of these, or all candidates where no run has one.
    document_offsets : sequence of int, one per run, optional
        Added to the ids of each run, whose documents count from 0 then. By default ids are those of the corpus.
    num_threads : int, optional
        Threads; the result does not depend on them.

    Returns
    -------
    Candidates
        Best first, equal scores by the lower id of the corpus, which also settles ties that a run made elsewhere holds
        in another order.

        - ``reasons`` are added up per query and name; a run without them removed nothing.
        - ``ranks`` are set where a ceiling removed documents: a document's position behind all that the ceiling removed
          in all shards.
        - ``sources`` and ``anchor_scores`` are kept where every run that has candidates has them. (Anchor scores of
          shards are centred by the mean of the shard: add them after the merge to get those of the corpus.)
        - ``query_ids`` of the runs that have them must be equal. So must ``document_ids`` without `document_offsets`;
          with them every run or none has ``document_ids``, which are put one behind the other, as the offsets must say.
        - ``metadata`` holds what all runs agree on, k, and the sum of ``num_documents`` where every run has it.

    Raises
    ------
    TypeError, ValueError
        No runs; not Candidates; another number of queries or other names; a document in two shards, which the message
        names with its query; a k beyond what the shards kept; ranks that do not follow from
        ``reasons["above_ceiling"]``, or that int32 cannot hold; counts whose sum int64 cannot hold.

    Notes
    -----
    The same bytes as one `search`, or one `topk` of float32, float16 or bfloat16 scores, over the whole corpus, for any
    cut into shards and any number of threads. `topk` of a float64 matrix ranks by float64, but runs hold float32:
    documents whose scores are equal in float32 are merged by their ids, whatever their float64 scores said.

    Examples
    --------
    >>> import hardmine as hm
    >>> left = hm.Candidates([0, 2], [0, 1], [0.9, 0.5])
    >>> right = hm.Candidates([0, 2], [1, 0], [0.9, 0.7])
    >>> hm.merge([left, right], k=3, document_offsets=[0, 2])[0].ids.tolist()
    [0, 3, 2]
    """
    given = several_lists(runs)
    depth = _depth(given, k)
    starts = _starts(document_offsets, len(given))
    shards: list[_native.MergeShard] = [_shard(run, start) for run, start in zip(given, starts, strict=True)]
    found = _native.merge(shards, _ALL if depth is None else depth, thread_count(num_threads))
    document_ids = _shared(given, "document_ids") if document_offsets is None else _joined(given, starts)
    columns = {
        **found,
        "query_ids": _shared(given, "query_ids"),
        "document_ids": document_ids,
        "reasons": _reasons(given),
        "metadata": _metadata(given, depth),
    }
    _refuse_unnamed(found["ids"], document_ids)
    return Candidates._trusted(columns)


def _depth(runs: list[Candidates], k: Any) -> int | None:
    """Candidates to keep: no more than each shard was asked for."""
    stated = [run.metadata.get("k") for run in runs]
    known = {number: depth for number, depth in enumerate(stated) if type(depth) is int and 0 <= depth < 2**63}
    if k is None:
        return min(known.values(), default=None)
    depth = checks.integer("k", k)
    for number, kept in known.items():
        if depth > kept:
            raise ValueError(f"k: {depth}, expected at most {kept}, which runs[{number}] was searched with")
    return depth


def _starts(document_offsets: Any, count: int) -> list[int]:
    if document_offsets is None:
        return [0] * count
    starts = checks.int64_vector("document_offsets", document_offsets, length=count)
    if starts.min(initial=0) < 0:
        raise ValueError(f"document_offsets: {int(starts.min())}, expected at least 0")
    numbers: list[int] = starts.tolist()
    return numbers


def _shard(run: Candidates, first_document: int) -> _native.MergeShard:
    return {
        "lists": (run.offsets, run.ids),
        "scores": run.scores,
        "first_document": first_document,
        "ranks": run.ranks,
        "above_ceiling": None if run.reasons is None else run.reasons.get("above_ceiling"),
        "sources": run.sources,
        "anchor_scores": run.anchor_scores,
    }


def _shared(runs: list[Candidates], name: str) -> StringTable | None:
    """The names that runs carry; those without are taken to speak of the same things."""
    tables = [(number, getattr(run, name)) for number, run in enumerate(runs) if getattr(run, name) is not None]
    for number, table in tables[1:]:
        if table != tables[0][1]:
            raise ValueError(f"runs[{number}]: other {name} than runs[{tables[0][0]}], expected those of one corpus")
    return tables[0][1] if tables else None


def _joined(runs: list[Candidates], starts: list[int]) -> StringTable | None:
    """The names of the documents of all shards, in the order of their offsets."""
    tables = [run.document_ids for run in runs]
    if all(table is None for table in tables):
        return None
    data, ends, expected, size = [], [np.zeros(1, dtype=np.int64)], 0, 0
    for number in sorted(range(len(runs)), key=lambda number: (starts[number], len(tables[number] or ()))):
        table = tables[number]
        if table is None:
            raise ValueError(f"runs[{number}]: no document_ids, expected them in every run or in none")
        if starts[number] != expected:
            raise ValueError(
                f"document_offsets: {starts[number]} for runs[{number}], expected {expected}, behind the document_ids"
                " of the shards before it"
            )
        expected += len(table)
        ends.append(table.offsets[1:] + size)
        data.append(table.data)
        size += table.data.size
    return StringTable(np.concatenate(ends), np.concatenate(data))


def _reasons(runs: list[Candidates]) -> dict[str, npt.NDArray[np.int64]] | None:
    """The counts of all shards, where any says something."""
    if all(run.reasons is None for run in runs):
        return None
    total = {}
    for name in REASONS:
        counts = [run.reasons[name] for run in runs if run.reasons is not None and name in run.reasons]
        if any(count.any() for count in counts):
            total[name] = added(name, counts)
    return total


def _metadata(runs: list[Candidates], depth: int | None) -> dict[str, Any]:
    first, *others = (run.metadata for run in runs)
    about: dict[str, Any] = {}
    for name, value in first.items():
        values = [other.get(name) for other in others]
        if name == "num_documents" and all(type(count) is int for count in (value, *values)):
            about[name] = sum((value, *values))
        elif name == "k" and depth is not None:
            about[name] = depth
        elif all(name in other and other[name] == value for other in others):
            about[name] = value
    return about if depth is None else {**about, "k": depth}


def _refuse_unnamed(ids: npt.NDArray[np.int64], names: StringTable | None) -> None:
    if names is not None and ids.max(initial=-1) >= len(names):
        raise ValueError(f"document_ids: {len(names)} names, but id {int(ids.max())} occurs")
