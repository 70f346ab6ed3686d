"""BM25 as a teacher, on an index that bm25s builds.

S. Robertson, H. Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009; in Lucene's form
(C. Kamphuis et al., Which BM25 Do You Mean?, 2020).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from hardmine.plumbing import checks
from hardmine.plumbing.extras import need
from hardmine.plumbing.float_mode import in_default_mode
from hardmine.plumbing.progress import Progress, Reporting
from hardmine.teachers.protocol import strings

WORD = r"[^\W_]+"
"""Runs of letters and digits: snake_case counts as its words."""

_CHUNK = 16_384
_SMALLEST = float(np.nextafter(np.float32(0), np.float32(1)))
_PAIR_BUDGET = 4_000_000
_TILE_BUDGET = 250_000  # cells and postings of a tile that stay in the second-level cache


class BM25:
    """A lexical teacher: lower-case words, Lucene's BM25.

    Parameters
    ----------
    k1, b : float
        Saturation of term counts, and how far document length matters.
    stopwords : iterable of str
        Words that are passed over; none by default.
    token_pattern : str or re.Pattern
        Regular expression of a word.

    Notes
    -----
    The score of a document is the sum over the words of the query (a word that comes twice counts twice) of float32
    weights, added in float64 in the order of the query and rounded once to float32: scores do not depend on tiles
    or threads. A document that shares no word with the query is not a candidate.
    """

    name = "bm25"
    similarity = "bm25"
    floor: float | None = _SMALLEST

    def __init__(
        self,
        *,
        k1: float = 1.5,
        b: float = 0.75,
        stopwords: Iterable[str] = (),
        token_pattern: str | re.Pattern[str] = WORD,
    ) -> None:
        self.k1 = checks.real("k1", k1, minimum=0)
        self.b = checks.real("b", b, minimum=0, maximum=1)
        if isinstance(stopwords, str):
            raise TypeError(f"stopwords: str {stopwords!r}, expected several words")
        self.stopwords = frozenset(word.lower() for word in stopwords)
        try:
            self._pattern = re.compile(token_pattern)
        except re.error as error:
            raise ValueError(f"token_pattern: {token_pattern!r} ({error}), expected a regular expression") from None
        need("bm25s", what="teacher 'bm25'", extra="mine")

    def words(self, text: str) -> list[str]:
        """The words of a text, in order."""
        words = self._pattern.findall(text.lower())
        return [word for word in words if word not in self.stopwords] if self.stopwords else words

    def index(self, documents: Sequence[str], *, progress: Reporting = False) -> BM25Index:
        """Index the documents, row by row."""
        return BM25Index(self, documents, progress=progress)

    def fingerprint(self, _what: str) -> dict[str, Any]:
        """All that scores depend on besides the texts; see `LexicalTeacher`."""
        return {
            "teacher": self.name,
            "class": f"{type(self).__module__}.{type(self).__qualname__}",
            "k1": self.k1,
            "b": self.b,
            "stopwords": sorted(self.stopwords),
            "token_pattern": self._pattern.pattern,
            "token_flags": int(self._pattern.flags),
            "bm25s": need("bm25s", what="teacher 'bm25'", extra="mine").__version__,
        }

    def __repr__(self) -> str:
        return f"BM25(k1={self.k1:g}, b={self.b:g})"


class BM25Index:
    """Weights of every (word, document), by word: what `BM25.index` gives."""

    def __init__(self, teacher: BM25, documents: Sequence[str], *, progress: Reporting) -> None:
        self._teacher = teacher
        self.num_documents = len(documents)
        self._vocabulary: dict[str, int] = {}
        rows: list[list[int]] = []
        with Progress("indexing documents", len(documents), progress) as bar:
            for start in range(0, len(documents), _CHUNK):
                some = [teacher.words(text) for text in strings(documents[start : start + _CHUNK])]
                vocabulary = self._vocabulary
                rows += [[vocabulary.setdefault(word, len(vocabulary)) for word in words] for words in some]
                bar.update(len(some))
        with Progress("weighing words", len(self._vocabulary), progress) as bar:
            self._weigh(rows)
            bar.update(len(self._vocabulary))

    @in_default_mode
    def _weigh(self, rows: list[list[int]]) -> None:
        self._weights = np.empty(0, dtype=np.float32)
        self._documents = np.empty(0, dtype=np.int64)
        self._starts = np.zeros(len(self._vocabulary) + 1, dtype=np.int64)
        if not self._vocabulary:
            return
        bm25s = need("bm25s", what="teacher 'bm25'", extra="mine")
        model = bm25s.BM25(k1=self._teacher.k1, b=self._teacher.b, method="lucene", backend="numpy")
        model.index((rows, dict(self._vocabulary)), create_empty_token=False, show_progress=False)
        self._weights = model.scores["data"]
        self._documents = model.scores["indices"].astype(np.int64)
        self._starts = model.scores["indptr"].astype(np.int64)

    @in_default_mode
    def scores(self, queries: Sequence[str]) -> npt.NDArray[np.float32]:
        """Score of every document for each query, float32 [num_queries, num_documents]."""
        words, counts = self._lookup(queries)
        result = np.empty((len(queries), self.num_documents), dtype=np.float32)
        word_ends = np.cumsum(counts)
        cost = np.concatenate([[0], np.cumsum(self._starts[words + 1] - self._starts[words])])[word_ends]
        cost += np.arange(1, len(queries) + 1) * self.num_documents
        first = 0
        while first < len(queries):
            before = cost[first - 1] if first else 0
            end = max(first + 1, int(np.searchsorted(cost, before + _TILE_BUDGET, side="right")))
            some = words[(word_ends[first - 1] if first else 0) : word_ends[end - 1]]
            result[first:end] = self._tile(some, counts[first:end])
            first = end
        return result

    def _tile(self, words: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        row = np.repeat(np.arange(counts.size, dtype=np.int64), counts)
        lengths = self._starts[words + 1] - self._starts[words]
        positions = _ranges(self._starts[words], lengths)
        cells = np.repeat(row * self.num_documents, lengths) + self._documents[positions]
        # bincount adds in float64, one posting after the other: query order, whatever the tile.
        found: npt.NDArray[Any] = np.bincount(
            cells, self._weights[positions], minlength=counts.size * self.num_documents
        )
        return found.reshape(counts.size, self.num_documents)

    @in_default_mode
    def pair_scores(
        self, queries: Sequence[str], query_ids: npt.NDArray[np.int64], document_ids: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """Score of each pair (query_ids[i], document_ids[i]), float32 [n]: the same bits as in `scores`."""
        words, counts = self._lookup(queries)
        starts = np.cumsum(counts) - counts
        result = np.zeros(len(query_ids), dtype=np.float32)
        step = max(1, _PAIR_BUDGET // max(int(counts.max(initial=0)), 1))
        for first in range(0, len(query_ids), step):
            some = slice(first, first + step)
            lengths = counts[query_ids[some]]
            word = words[_ranges(starts[query_ids[some]], lengths)]
            pair = np.repeat(np.arange(lengths.size, dtype=np.int64), lengths)
            weights = self._weight_of(word, document_ids[some][pair])
            result[some] = np.bincount(pair, weights, minlength=lengths.size)
        return result

    def _weight_of(self, words: npt.NDArray[np.int64], documents: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Weight of each (word, document), 0 where the document lacks the word: postings rise by document."""
        if not self._weights.size:
            return np.zeros(words.size, dtype=np.float32)
        # One sorted key per posting, so that all look-ups are one binary search.
        if not hasattr(self, "_keys"):
            owner = np.repeat(np.arange(self._starts.size - 1, dtype=np.int64), np.diff(self._starts))
            self._keys = owner * self.num_documents + self._documents
        wanted = words * self.num_documents + documents
        at = np.minimum(np.searchsorted(self._keys, wanted), self._keys.size - 1)
        return np.where(self._keys[at] == wanted, self._weights[at], np.float32(0))

    def _lookup(self, queries: Sequence[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        vocabulary = self._vocabulary
        found = [[vocabulary[w] for w in self._teacher.words(text) if w in vocabulary] for text in strings(queries)]
        counts = np.array([len(words) for words in found], dtype=np.int64)
        return np.fromiter(chain.from_iterable(found), dtype=np.int64, count=int(counts.sum())), counts


def _ranges(starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    ends = np.cumsum(lengths)
    found: npt.NDArray[np.int64] = np.arange(int(lengths.sum()), dtype=np.int64)
    found += np.repeat(starts - (ends - lengths), lengths)
    return found
