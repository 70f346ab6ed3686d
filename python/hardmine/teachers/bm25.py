"""BM25 as a teacher, on an index that bm25s builds.

S. Robertson, H. Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009; in Lucene's form or another one
(C. Kamphuis et al., Which BM25 Do You Mean?, 2020), as bm25s has them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from hardmine.nouns.sparse import SparseRows
from hardmine.plumbing import checks
from hardmine.plumbing.extras import need
from hardmine.plumbing.float_mode import in_default_mode
from hardmine.plumbing.progress import Progress, Reporting
from hardmine.teachers.protocol import strings

WORD = r"[^\W_]+"
"""Runs of letters and digits: snake_case counts as its words."""

METHODS = ("lucene", "robertson", "atire", "bm25l", "bm25+")
"""Forms of BM25, by the names of bm25s."""

SHIFTED = ("bm25l", "bm25+")
"""Those that give a document something for a word that it lacks, and have a delta."""

_DELTA = 0.5
_LEAST_K1, _MOST_K1 = 1e-6, 1e6
_MOST_DELTA = 100
_CHUNK = 16_384


class BM25:
    """A lexical teacher: lower-case words, BM25.

    Parameters
    ----------
    method : "lucene" | "robertson" | "atire" | "bm25l" | "bm25+"
        Which BM25, by the names of bm25s.
    k1, b : float
        Saturation of term counts, and how far document length matters. "bm25l" and "bm25+" want `k1` at
        least 1e-6.
    delta : float, optional
        What "bm25l" and "bm25+" add to counts and to their saturated form, at most 100; 0.5 by default. The others have
        none.
    stopwords : iterable of str
        Words that are passed over; none by default.
    token_pattern : str or re.Pattern
        Regular expression of a word.

    Notes
    -----
    bm25s weighs the words of the documents. The score of a document is the sum over the words of the query (a word that
    comes twice counts twice) of these weights as float32, added in float64 in the order in which the words first occur
    in the corpus, and rounded once: see `hardmine.SparseIndex`, which finds the best. A document that shares no word
    with the query is not a candidate.

    Under "bm25l" and "bm25+" bm25s gives every document a constant for each word of the query, also where the document
    lacks it. The constant is no part of the score here: a document that shares no word scores 0, the order is the same,
    and ceilings act on what the document's own words add. `BM25Index.nonoccurrence` has it, so that
    ``index.queries(texts).to_scipy() @ index.nonoccurrence`` is what bm25s' scores are higher by.

    Under "robertson" a word that half of the documents or more have weighs 0, under "atire" one that all have: a
    document that shares no other is not a candidate either.
    """

    name = "bm25"
    similarity = "bm25"
    floor: float | None = None

    def __init__(
        self,
        *,
        method: str = "lucene",
        k1: float = 1.5,
        b: float = 0.75,
        delta: float | None = None,
        stopwords: Iterable[str] = (),
        token_pattern: str | re.Pattern[str] = WORD,
    ) -> None:
        self.method = checks.choice("method", method, METHODS)
        self.k1 = checks.real("k1", k1, minimum=0, maximum=_MOST_K1)
        self.b = checks.real("b", b, minimum=0, maximum=1)
        self.delta = self._checked_delta(delta)
        if isinstance(stopwords, str):
            raise TypeError(f"stopwords: str {stopwords!r}, expected several words")
        self.stopwords = frozenset(_words(stopwords))
        if not isinstance(token_pattern, (str, re.Pattern)) or not isinstance(
            getattr(token_pattern, "pattern", token_pattern), str
        ):
            raise TypeError(f"token_pattern: {type(token_pattern).__name__}, expected a regular expression of texts")
        try:
            self._pattern = re.compile(token_pattern)
        except re.error as error:
            raise ValueError(f"token_pattern: {token_pattern!r} ({error}), expected a regular expression") from None
        need("bm25s", what="teacher 'bm25'", extra="mine")

    def _checked_delta(self, delta: Any) -> float | None:
        if self.method not in SHIFTED:
            if delta is not None:
                raise ValueError(f"delta: {delta!r} with method {self.method!r}, which has none, expected None")
            return None
        if self.k1 < _LEAST_K1:  # at 0 it is 0 / 0 for a word that a document lacks, and little above it all rounding
            raise ValueError(f"k1: {self.k1:g} with method {self.method!r}, expected at least {_LEAST_K1:g}")
        # A weight is a difference of two numbers that grow alike with delta: far above, it drowns in their rounding.
        return _DELTA if delta is None else checks.real("delta", delta, minimum=0, maximum=_MOST_DELTA)

    def words(self, text: str) -> list[str]:
        """The words of a text, in order."""
        words = self._pattern.findall(text.lower())
        return [word for word in words if word not in self.stopwords] if self.stopwords else words

    def index(self, documents: Sequence[str], *, progress: Reporting = False) -> BM25Index:
        """Index the documents, row by row."""
        return BM25Index(self, documents, progress=progress)

    def fingerprint(self, _what: str) -> dict[str, Any]:
        """All that scores depend on besides the texts; see `LexicalTeacher`."""
        # Lucene's form came first: its caches know it by k1 and b alone.
        form = {} if self.method == "lucene" else {"method": self.method, "delta": self.delta}
        return {
            "teacher": self.name,
            "class": f"{type(self).__module__}.{type(self).__qualname__}",
            **form,
            "k1": self.k1,
            "b": self.b,
            "stopwords": sorted(self.stopwords),
            "token_pattern": self._pattern.pattern,
            "token_flags": int(self._pattern.flags),
            "bm25s": need("bm25s", what="teacher 'bm25'", extra="mine").__version__,
        }

    def __repr__(self) -> str:
        method = "" if self.method == "lucene" else f"method={self.method!r}, "
        delta = "" if self.delta is None else f", delta={self.delta:g}"
        return f"BM25({method}k1={self.k1:g}, b={self.b:g}{delta})"


def _words(stopwords: Any) -> Iterator[str]:
    if not isinstance(stopwords, Iterable):
        raise TypeError(f"stopwords: {type(stopwords).__name__}, expected several words")
    for word in stopwords:
        if not isinstance(word, str):
            raise TypeError(f"stopwords: {word!r}, expected words")
        yield word.lower()


class BM25Index:
    """Weights of every (word, document): what `BM25.index` gives.

    Attributes
    ----------
    documents : SparseRows
        BM25 weights, one row a document, one term a word.
    nonoccurrence : float64 [num_terms], or None
        What bm25s gives every document for each word of a query, and the weights of `documents` lack; None where the
        method gives nothing for words that a document lacks.
    """

    documents: SparseRows
    nonoccurrence: npt.NDArray[np.float64] | None = None

    def __init__(self, teacher: BM25, documents: Sequence[str], *, progress: Reporting) -> None:
        self._teacher = teacher
        self._vocabulary: dict[str, int] = {}
        rows: list[list[int]] = []
        with Progress("indexing documents", len(documents), progress) as bar:
            for start in range(0, len(documents), _CHUNK):
                some = [teacher.words(text) for text in strings(documents[start : start + _CHUNK])]
                vocabulary = self._vocabulary
                rows += [[vocabulary.setdefault(word, len(vocabulary)) for word in words] for words in some]
                bar.update(len(some))
        with Progress("weighing words", len(self._vocabulary), progress) as bar:
            self.documents = self._weighed(rows)
            bar.update(len(self._vocabulary))

    @in_default_mode
    def _weighed(self, rows: list[list[int]]) -> SparseRows:
        if not self._vocabulary:
            nothing = np.empty(0, dtype=np.int32)
            return SparseRows(np.zeros(len(rows) + 1, dtype=np.int64), nothing, nothing.astype(np.float32), 0)
        bm25s = need("bm25s", what="teacher 'bm25'", extra="mine")
        teacher = self._teacher
        given: dict[str, Any] = {"k1": teacher.k1, "b": teacher.b, "method": teacher.method, "backend": "numpy"}
        if teacher.delta is not None:
            # bm25s takes the constant out of each weight: in float32 the difference would be off by several roundings.
            given.update(delta=teacher.delta, dtype="float64")
        model = bm25s.BM25(**given)
        model.index((rows, dict(self._vocabulary)), create_empty_token=False, show_progress=False)
        self.nonoccurrence = model.nonoccurrence_array
        found = model.scores
        weights = found["data"].astype(np.float32, copy=False)
        return SparseRows.from_columns(found["indptr"], found["indices"], weights, len(rows))

    def queries(self, texts: Sequence[str]) -> SparseRows:
        """Counts of the words of queries that documents have: a word that comes twice counts twice."""
        vocabulary = self._vocabulary
        found = [[vocabulary[w] for w in self._teacher.words(text) if w in vocabulary] for text in strings(texts)]
        lengths = np.array([len(words) for words in found], dtype=np.int64)
        words = np.fromiter(chain.from_iterable(found), dtype=np.int64, count=int(lengths.sum()))
        size = max(len(vocabulary), 1)
        keys, counts = np.unique(np.repeat(np.arange(lengths.size), lengths) * size + words, return_counts=True)
        offsets = np.searchsorted(keys, np.arange(lengths.size + 1) * size)
        return SparseRows(offsets, keys % size, counts.astype(np.float32), len(vocabulary))
