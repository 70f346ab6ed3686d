"""Negatives to a dataset of training rows, and the scores that statistics are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hardmine.formats.mined_pairs import Pairs
from hardmine.nouns.strings import StringTable
from hardmine.plumbing.extras import need
from hardmine.plumbing.ragged import offsets_of, ranges, with_heads

if TYPE_CHECKING:
    import pyarrow as pa

    import hardmine as hm
    from hardmine.compat.sentence_transformers.settings import Settings
    from hardmine.compat.sentence_transformers.texts import Texts
    from hardmine.plumbing.checks import Float32Array, Int64Array

_BYTES = 2**30
"""Text of one column of one chunk at most: half of what Arrow's strings can hold, for one text more."""
_MOST_PAIRS = 65_536


class Mined(NamedTuple):
    """A table of training rows and what was found.

    Attributes
    ----------
    table : pyarrow.Table
        Columns and types of the original's dataset.
    possible : int
        Rows there would be if every query had all its negatives.
    negative_scores, differences : float32 [n], float32 [m]
        Of the negatives in the table, and of every (positive, negative) of a query in it.
    """

    table: pa.Table
    possible: int
    negative_scores: Float32Array
    differences: Float32Array


def rows(
    texts: Texts, negatives: hm.Negatives, labels: hm.Positives, names: tuple[str, str], settings: Settings
) -> Mined:
    """Training rows of the format asked for, grouped by query in the order of first occurrence."""
    pairs = Pairs(negatives, labels)
    wanted = settings.num_negatives
    labeled_pair = settings.output_format == "labeled-pair"
    least = {"n-tuple": wanted, "labeled-pair": 0}.get(settings.output_format, 1)
    kept = pairs.take(pairs.length >= least)
    members = kept.members()
    differences = np.repeat(kept.positive_score, kept.length) - negatives.scores[members]
    return Mined(
        _Cut(texts, negatives, names, settings).table(kept),
        {
            "triplet": len(pairs) * wanted,
            "labeled-pair": len(negatives) * wanted + len(pairs),
        }.get(settings.output_format, len(pairs)),
        negatives.scores if labeled_pair else negatives.scores[members],
        differences,
    )


class _Cut:
    """The four formats as Arrow tables, some pairs at a time."""

    def __init__(self, texts: Texts, negatives: hm.Negatives, names: tuple[str, str], settings: Settings) -> None:
        self._pa = need("pyarrow", what="hardmine.compat", extra="mine")
        self._texts, self._negatives, self._settings = texts, negatives, settings
        self._anchor, self._positive = names

    def table(self, pairs: Pairs) -> pa.Table:
        """Rows of all pairs; a table without rows has its columns and types too."""
        cut = {
            "triplet": self._triplet,
            "n-tuple": self._n_tuple,
            "labeled-pair": self._labeled_pair,
            "labeled-list": self._labeled_list,
        }[self._settings.output_format]
        step = self._pairs_at_a_time()
        starts = range(0, max(len(pairs), 1), step)
        return self._pa.concat_tables([cut(pairs.take(slice(start, start + step))) for start in starts])

    def _pairs_at_a_time(self) -> int:
        """So few that no column of a chunk outgrows Arrow's strings, whatever texts are chosen."""
        longest = max(
            int(np.diff(StringTable.from_strings(texts).offsets).max(initial=1))
            for texts in (self._texts.queries, self._texts.documents)
        )
        most = min(self._settings.num_negatives, len(self._texts.documents))
        per_pair = 1 if self._settings.output_format == "n-tuple" else most + 1
        return max(1, min(_MOST_PAIRS, _BYTES // (longest * per_pair)))

    def _strings(self, texts: pa.LargeStringArray, ids: Int64Array) -> pa.StringArray:
        return texts.take(self._pa.array(ids)).cast(self._pa.string())

    def _anchors(self, queries: Int64Array) -> pa.StringArray:
        return self._strings(self._texts.queries, queries)

    def _documents(self, ids: Int64Array) -> pa.StringArray:
        return self._strings(self._texts.documents, ids)

    def _heads(self, pairs: Pairs) -> dict[str, pa.Array]:
        return {self._anchor: self._anchors(pairs.query), self._positive: self._documents(pairs.positive)}

    def _targets(self, pairs: Pairs, members: Int64Array, lengths: Int64Array) -> pa.Array:
        """Scores, or else labels, of [positive, its negatives ...] per pair, end to end."""
        if self._settings.output_scores:
            values = with_heads(pairs.positive_score, self._negatives.scores[members], lengths)
            return self._pa.array(values.astype(np.float64))
        return self._pa.array(with_heads(np.ones(len(pairs), np.int64), np.zeros(members.size, np.int64), lengths))

    def _lists(self, values: pa.Array, lengths: npt.NDArray[np.int64]) -> pa.ListArray:
        return self._pa.ListArray.from_arrays(self._pa.array(offsets_of(lengths).astype(np.int32)), values)

    def _scores(self, pairs: Pairs, members: Int64Array, lengths: Int64Array) -> dict[str, Any]:
        if not self._settings.output_scores:
            return {}
        return {"scores": self._lists(self._targets(pairs, members, lengths), lengths + 1)}

    def _n_tuple(self, pairs: Pairs) -> pa.Table:
        wanted = self._settings.num_negatives
        members = pairs.start[:, None] + np.arange(wanted)
        columns = self._heads(pairs)
        for number in range(wanted):
            columns[f"negative_{number + 1}"] = self._documents(self._negatives.ids[members[:, number]])
        columns |= self._scores(pairs, members.reshape(-1), np.full(len(pairs), wanted))
        return self._pa.table(columns)

    def _triplet(self, pairs: Pairs) -> pa.Table:
        members = pairs.members()
        each = pairs.take(np.repeat(np.arange(len(pairs)), pairs.length))
        columns = self._heads(each)
        columns["negative"] = self._documents(self._negatives.ids[members])
        columns |= self._scores(each, members, np.ones(len(each), np.int64))
        return self._pa.table(columns)

    def _labeled_list(self, pairs: Pairs) -> pa.Table:
        members = pairs.members()
        documents = self._documents(with_heads(pairs.positive, self._negatives.ids[members], pairs.length))
        columns = {
            self._anchor: self._anchors(pairs.query),
            self._positive: self._lists(documents, pairs.length + 1),
            "scores" if self._settings.output_scores else "labels": self._lists(
                self._targets(pairs, members, pairs.length), pairs.length + 1
            ),
        }
        return self._pa.table(columns)

    def _labeled_pair(self, pairs: Pairs) -> pa.Table:
        """All positives of a query, then its negatives once."""
        tails = np.where(pairs.is_last, pairs.length, 0)
        members = ranges(pairs.start, tails)
        columns = {
            self._anchor: self._anchors(np.repeat(pairs.query, tails + 1)),
            self._positive: self._documents(with_heads(pairs.positive, self._negatives.ids[members], tails)),
            "score" if self._settings.output_scores else "label": self._targets(pairs, members, tails),
        }
        return self._pa.table(columns)
