"""Whether what an evaluation asks, or the answers to it, is among the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hardmine.formats.arrow import compute, pa
from hardmine.formats.chunks import Side
from hardmine.nouns.arrow import flat
from hardmine.nouns.normal_form import normalised_all
from hardmine.report.audit.findings import Findings
from hardmine.report.audit.seen import Keys, among, mixed
from hardmine.report.audit.view import ID, Documents, View, keys_of

if TYPE_CHECKING:
    from hardmine.nouns.collection import Collection

_Bools = npt.NDArray[np.bool_]
_Int64 = npt.NDArray[np.int64]


class Leakage:
    """The queries of an evaluation and the documents that answer them, and which of them were met.

    Parameters
    ----------
    against : Collection
    """

    def __init__(self, against: Collection) -> None:
        labels = against.positives
        answers = np.unique(labels.ids)
        self.source = str(against.source)
        self._queries = _Texts(against.queries["id"], *([against.query_texts] if against.has_texts else []))
        texts = (
            _spellings(against.documents.take(answers), against.document_texts.take(answers))
            if against.has_texts
            else []
        )
        self._answers = _Texts(against.documents["id"].take(answers), *texts)
        self._answer_of_each = np.searchsorted(answers, labels.ids)
        self._query_of_each = labels.query_of_each

    def add(self, view: View, findings: Findings) -> None:
        """Look at a chunk of rows."""
        self._met_queries(view, findings)
        found = [self._met(view, side, is_positive=side is view.positives) for side in view.sides]
        findings.documents("leaked_positive", view, view.positives, found[0])
        findings.documents("evaluation_positive_in_negatives", view, view.negatives, found[1])

    def _met(self, view: View, side: Documents, *, is_positive: bool) -> _Bools:
        """Which documents are answers, with their titles or without."""
        spellings = [(side.keys, side.exact)]
        held = Side(view.chunk, side.name)
        if held.knows("titles"):
            bare = held.values("texts")
            spellings.append((keys_of(normalised_all(bare))[:-1], keys_of(bare)[:-1]))
        found = np.zeros(len(side), bool)
        for keys, exact in spellings:
            here = among(keys, self._answers.ordered) & (keys != 0)
            if is_positive and here.any():
                self._answers.meet(keys, exact)
            found |= here
        return found

    def _met_queries(self, view: View, findings: Findings) -> None:
        exact = np.where(view.query.is_known, view.query.exact, view.query_id_keys)
        findings.queries("leaked_query", view, self._queries.meet(view.query_keys, exact))

    def report(self, findings: Findings) -> None:
        """Add how much of the evaluation was met to what was found."""
        queries, answers = self._queries, self._answers
        of_queries = np.zeros(queries.met.size, bool)
        of_queries[self._query_of_each[answers.met[self._answer_of_each]]] = True
        findings.describe("leaked_query", **_told("queries", queries))
        findings.describe(
            "leaked_positive", **_told("positives", answers), queries_of_these=int(of_queries.sum()),
            evaluation_queries=int(queries.met.size),
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """What the evaluation holds."""
        return {
            "source": self.source, "queries": int(self._queries.met.size), "positives": int(self._answers.met.size)
        }  # fmt: skip


def _spellings(documents: Any, texts: Any) -> list[Any]:
    """Texts as they may stand in rows: behind their titles, with a blank or a full stop between, and without."""
    if "title" not in documents.column_names:
        return [texts]
    titles, bare = (flat(documents[name]) for name in ("title", "text"))
    dotted = compute.binary_join_element_wise(titles, bare, pa.scalar(". ", pa.large_string()))
    return [texts, bare, compute.if_else(compute.equal(titles, ""), bare, dotted)]


def _told(what: str, texts: _Texts) -> dict[str, int]:
    return {
        f"evaluation_{what}": int(texts.met.size),
        f"evaluation_{what}_found": int(texts.met.sum()),
        "by_exact_text": int(texts.met_exactly.sum()),
    }


class _Texts:
    """Texts of the evaluation by their keys, however they are spelled; by ids too, for rows that have nothing else."""

    def __init__(self, ids: Any, *spellings: Any) -> None:
        names = mixed(keys_of(ids)[:-1], ID)
        numbers = np.arange(names.size)
        self.met, self.met_exactly = np.zeros(names.size, bool), np.zeros(names.size, bool)
        keys, exact = [names], [names]
        for texts in spellings:
            keys.append(keys_of(normalised_all(texts))[:-1])
            exact.append(keys_of(texts)[:-1])
        self.ordered, self._numbers = _sorted(np.concatenate(keys), np.concatenate([numbers] * len(keys)))
        self._exact, self._exact_numbers = _sorted(np.concatenate(exact), np.concatenate([numbers] * len(exact)))

    def meet(self, keys: Keys, exact: Keys) -> _Bools:
        """Which of some keys are of texts of the evaluation; these are met."""
        found: _Bools = among(keys, self.ordered) & (keys != 0)
        if found.any():
            self.met[self._numbers[among(self.ordered, np.unique(keys[found]))]] = True
            self.met_exactly[self._exact_numbers[among(self._exact, np.unique(exact[found]))]] = True
        return found


def _sorted(keys: Keys, numbers: _Int64) -> tuple[Keys, _Int64]:
    order = np.argsort(keys, kind="stable")
    return keys[order], numbers[order]
