"""A second opinion on mined negatives: who judges, in which order, at what cost, and what becomes of the false ones."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hardmine.nouns.candidates import Candidates
from hardmine.nouns.frozen import frozen
from hardmine.nouns.negatives import Negatives
from hardmine.pipeline.cached import checked_cache, checked_policy, known_by
from hardmine.pipeline.judge_calls import (
    FAILED,
    KNOWN,
    NOT_JUDGED,
    OUTCOMES,
    POSITIVE,
    UNSURE,
    Manner,
    ask,
)  # fmt: skip
from hardmine.pipeline.judge_items import Items, items_of, keys_of
from hardmine.pipeline.judge_pairs import Pairs, coded, listed, pairs_of
from hardmine.pipeline.judge_policies import POLICIES, Changed, apply
from hardmine.pipeline.judged import Judged
from hardmine.pipeline.mined import Mined
from hardmine.pipeline.scorers import expect_collection
from hardmine.pipeline.suspicion import suspicion
from hardmine.plumbing import checks
from hardmine.plumbing.progress import Reporting, reporting, say
from hardmine.store.manifest import opened
from hardmine.teachers.judge import named

if TYPE_CHECKING:
    from hardmine.nouns.collection import Collection
    from hardmine.teachers.judge import Judge

ORDERS = ("suspicious", "listed")
UNSURE_WAYS = ("keep", "remove")
ON_ERROR = ("raise", "unsure")
BATCH_SIZE = 64
MAX_FALSE = 7
MAX_RETRIES = 5

_Bools = npt.NDArray[np.bool_]


def judge(
    collection: Collection,
    negatives_or_run: Negatives | Candidates | Mined,
    judge: Judge | Callable[..., Any],
    *,
    policy: str = "remove",
    max_false: int | None = MAX_FALSE,
    budget: int | None = None,
    order: str = "suspicious",
    unsure: str = "keep",
    cache: str | os.PathLike[str] | None = None,
    cache_policy: str = "refuse",
    batch_size: int = BATCH_SIZE,
    max_retries: int = MAX_RETRIES,
    on_error: str = "raise",
    sleep: Callable[[float], object] = time.sleep,
    seed: int = 0,
    progress: Reporting = True,
) -> Judged:
    """Ask a judge which mined negatives answer their queries after all, and take them out, relabel or flag them.

    Parameters
    ----------
    collection : Collection
        The texts, and the labels.
    negatives_or_run : Negatives, Candidates or Mined
        Whose (query, document) pairs are judged, each once. A `Mined` is the best thing to give: it knows the scores
        of positives, and its rows can be written afterwards.
    judge : Judge
        Any callable ``judge(queries, documents, positives)`` on three lists of texts that gives "negative", "positive"
        or "unsure" for each item; see `hardmine.teachers.Judge`. Of several positives of a query it sees the one with
        the best score (the lowest index among equals, and where scores are not known); an empty text for none.
    policy : {"remove", "relabel", "flag"}
        What becomes of a document that is judged positive. "remove" takes it out of the negatives or the run. "relabel"
        makes it a positive of its query besides. "flag" leaves everything as it is, see `Judged.flags`.
    max_false : int or None
        A query with more texts judged positive is dropped as a whole: its labels are no good (RLHN). None drops none.
    budget : int or None
        Distinct items to ask about, those of the cache counted too; None for all. The result depends on it alone, not
        on what the cache holds: with the cache and a larger budget it goes on.
    order : {"suspicious", "listed"}
        Who comes first. "suspicious": by falling `Judged.suspicion`, then query, then document. "listed": query by
        query in the order of its list.
    unsure : {"keep", "remove"}
        Whether documents stay of which the judge is unsure; no policy relabels them.
    cache : path-like, optional
        Folder that keeps verdicts, under a digest of the three texts, in a folder for each judge: what was killed goes
        on, and no verdict is paid for twice. The judge needs a ``fingerprint``.
    cache_policy : {"refuse", "reuse", "overwrite"}
        As in `retrieve`.
    batch_size : int
        Items of one call.
    max_retries : int
        How often a call is repeated that raises, or what of it failed; after that, items that a raised error hit are
        asked for one by one, each as often.
    on_error : {"raise", "unsure"}
        What becomes of an item that fails to the end: the run stops, or the item is unsure and counted as "failed".
        32 such items in a row stop it anyway. An item that failed is not in the cache.
    sleep : callable
        Waits before a call is repeated: given the seconds, 0.5, then twice as many each time, at most 60, each less up
        to a half at random.
    seed : int
        Of that random part, which no result depends on.
    progress : bool or callable
        As in `retrieve`.

    Returns
    -------
    Judged

    Raises
    ------
    TypeError, ValueError
        An argument is wrong, something was mined in another collection, or the judge gave something that is no verdict
        (its index is in the message); nothing is asked again then.
    JudgeError
        A RuntimeError: an item failed to the end under ``on_error="raise"``, or too many did. What was judged is kept.

    Notes
    -----
    Nobody is asked of labelled positives and of documents with the text of one (`Collection.document_groups`): "known".
    Documents of a query with the same text share one verdict, and items with the same three texts are judged once.

    A document whose score is no finite number (one that filled a shortage) is removed and not relabelled where the
    labels have scores. A removed candidate counts as "excluded" among the reasons, a relabelled one as "positive", and
    one with the text of a relabelled one, which leaves and is no positive itself, as "duplicate_text"; each row's
    counts still add up. Rows that become short stay short: choose again with ``exclude=judged.exclude`` to fill them.

    The three ways to use the verdicts and the rule of more than 7 are those of RLHN (arXiv 2505.16967).

    Examples
    --------
    >>> import hardmine as hm
    >>> collection = hm.Collection.from_pairs(["red apples"], ["apples are red"], ["red cars", "my red apples"])
    >>> mined = hm.mine(collection, "bm25", hm.Selection(2, ceiling=hm.NoCeiling()), progress=False)
    >>> def holds_all(queries, documents, positives):
    ...     return ["positive" if {*q.split()} <= {*d.split()} else "negative" for q, d in zip(queries, documents)]
    >>> judged = hm.judge(collection, mined, holds_all, policy="relabel", progress=False)
    >>> judged
    Judged(2 pairs: 1 negative, 1 positive)
    >>> judged.negatives.ids.tolist(), judged.collection.positives[0].tolist()
    ([0], [2, 1])
    """
    expect_collection(collection)
    checks.choice("policy", policy, POLICIES)
    max_false = None if max_false is None else checks.integer("max_false", max_false)
    budget = None if budget is None else checks.integer("budget", budget)
    checks.choice("order", order, ORDERS)
    checks.choice("unsure", unsure, UNSURE_WAYS)
    manner = Manner(
        checks.integer("batch_size", batch_size, minimum=1),
        checks.integer("max_retries", max_retries),
        checks.choice("on_error", on_error, ON_ERROR),
        _callable("sleep", sleep),
        checks.integer("seed", seed),
        reporting(progress),
    )
    _callable("judge", judge)
    folder, kept_how = checked_cache(cache), checked_policy(cache_policy)
    facts = {} if folder is None else _facts_of(judge)
    if not collection.has_texts and getattr(judge, "needs_texts", True):
        raise ValueError(f"judge {named(judge)!r}: reads texts, but the collection holds ids alone")
    given = listed(collection, negatives_or_run)
    pairs = pairs_of(collection, given)
    suspicious = suspicion(pairs.signals)
    items = items_of(collection, pairs, suspicious if order == "suspicious" else None, budget)
    with nullcontext() if folder is None else opened(folder, kept_how, say) as store:
        rows = None
        if store is not None and items.texts.queries[1].size:
            rows = store.rows("verdicts", "verdicts", facts, keys_of(items.texts))
        before = _malformed(judge)
        answers = ask(judge, items.texts, rows, manner, lambda item: _described(collection, pairs, items, item))
    outcomes = np.full(pairs.queries.size, NOT_JUDGED, np.int8)
    asked = items.of_each >= 0
    outcomes[asked] = answers.outcomes[items.of_each[asked]]
    outcomes[pairs.is_known] = KNOWN
    flagged = (outcomes == POSITIVE) | ((unsure == "remove") & ((outcomes == UNSURE) | (outcomes == FAILED)))
    dropped = _dropped(collection, pairs, outcomes, max_false)
    report: dict[str, Any] = {
        "judge": named(judge),
        "policy": policy,
        "max_false": max_false,
        "budget": budget,
        "order": order,
        "unsure": unsure,
        "pairs": int(pairs.queries.size),
        "counts": dict(zip(OUTCOMES, np.bincount(outcomes, minlength=len(OUTCOMES)).tolist(), strict=True)),
        "asked": int(items.texts.queries[1].size),
        "dropped_queries": int(dropped.sum()),
    }
    changed = Changed(collection, given.negatives, given.run, given.mined, 0, 0)
    if policy != "flag":
        changed = apply(collection, given, pairs, flagged, outcomes, dropped, report)
    report |= {"removed": changed.removed, "relabelled": changed.relabelled}
    report["calls"] = {
        "reused": answers.reused,
        "calls": answers.calls,
        "faults": answers.faults,
        "malformed": _malformed(judge) - before,
    }
    return Judged(
        collection=changed.collection,
        negatives=changed.negatives,
        run=changed.run,
        mined=changed.mined,
        queries=pairs.queries,
        documents=pairs.documents,
        positives=pairs.positives,
        suspicion=suspicious,
        outcomes=outcomes,
        flagged=flagged,
        flags=flagged[pairs.of_each],
        dropped=np.flatnonzero(dropped),
        report=frozen(report),
    )


def _facts_of(judge: Any) -> dict[str, Any]:
    """What a store knows a judge's verdicts by."""
    given = getattr(judge, "fingerprint", None)
    return {"judge": known_by(f"judge {named(judge)!r}", given() if callable(given) else given)}


def _malformed(judge: Any) -> int:
    """Answers so far that a judge could not read, if it counts them."""
    count = getattr(judge, "malformed", 0)
    return count if isinstance(count, int) else 0


def _described(collection: Collection, pairs: Pairs, items: Items, item: int) -> str:
    pair = int(items.first[item])
    query, document = int(pairs.queries[pair]), int(pairs.documents[pair])
    return f"(query {collection.query_ids[query]!r}, document {collection.document_ids[document]!r})"


def _dropped(collection: Collection, pairs: Pairs, outcomes: npt.NDArray[np.int8], max_false: int | None) -> _Bools:
    """Queries with more texts judged positive than there may be."""
    if max_false is None:
        return np.zeros(collection.num_queries, bool)
    found = outcomes == POSITIVE
    queries, documents = pairs.queries[found], pairs.documents[found]
    groups = coded(queries, collection.document_groups[documents], collection.num_documents)
    query_of_text = np.unique(groups) // max(collection.num_documents, 1)
    return np.bincount(query_of_text, minlength=collection.num_queries) > max_false


def _callable(name: str, value: Any) -> Any:
    if not callable(value):
        raise TypeError(f"{name}: {type(value).__name__} {value!r}, expected a callable")
    return value
