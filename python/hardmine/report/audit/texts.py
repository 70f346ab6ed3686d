"""What is wrong with texts themselves: empty, cut up, damaged, far too long."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from hardmine.formats.arrow import compute
from hardmine.report.audit.damage import CANDIDATE, damaged_at
from hardmine.report.audit.findings import EXAMPLES, Findings
from hardmine.report.audit.view import Documents, Example, Texts, View
from hardmine.report.audit.within import blank, form_lengths

_Bools = npt.NDArray[np.bool_]
_Int64 = npt.NDArray[np.int64]

DAMAGE = {
    "mojibake": CANDIDATE,
    "replacement_character": "\ufffd",
    "control_character": "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u0080-\u009f]",
}
"""Patterns of texts that may be damaged; of mojibake, of those that are looked at more closely."""
_WORDS = "[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]"
"""Characters of Chinese, Japanese and Korean, of which one may be a word."""
_CUT = 3
"""Documents of a side that are single characters, from which a text was cut up."""

_FARTHER = 5
"""An outlier is so many doublings longer than the median text of its kind,"""
_LONG = 1_024
"""and so many characters long at least."""
_STEPS = 4
"""Lengths are counted in steps of the fourth part of a doubling."""


def look(view: View, findings: Findings) -> None:
    """Find empty texts, single characters and damage."""
    empty = blank(view)
    findings.queries("empty_query", view, view.query.where(empty))
    findings.documents("empty_positive", view, view.positives, view.positives.text.where(empty))
    is_cut = np.zeros(view.num_rows, bool)
    single = (form_lengths(view) == 1)[view.unique.folded[:-1]]
    is_letter = single & ~_is_word(view)
    for side in view.sides:
        is_cut |= _all_single(side, side.text.where(is_letter))
    findings.rows("text_in_characters", view, is_cut)
    flags = [side.text.where(single) & ~is_cut[side.rows] for side in view.sides]
    findings.anywhere("one_character_text", view, flags, view.query.where(single))
    for name, damaged in _damage(view).items():
        if damaged.any():
            flags = [side.text.where(damaged) for side in view.sides]
            findings.anywhere(name, view, flags, view.query.where(damaged), partial(_start, name))


def _start(name: str, text: str) -> int:
    """Where a text begins to be damaged; -1 where it does not."""
    if name == "mojibake":
        return damaged_at(text)
    found = re.search(DAMAGE[name], text)
    return -1 if found is None else found.start()


def _is_word(view: View) -> _Bools:
    """Which of the different texts of a chunk hold a character that may be a word."""
    found = compute.match_substring_regex(view.unique.forms, _WORDS).to_numpy(zero_copy_only=False)
    flags: _Bools = found[view.unique.folded[:-1]]
    return flags


def _all_single(side: Documents, flags: _Bools) -> _Bools:
    """Rows with some documents that are all single characters."""
    found: _Bools = (side.lengths >= _CUT) & (np.bincount(side.rows, flags, side.lengths.size) == side.lengths)
    return found


def _damage(view: View) -> dict[str, _Bools]:
    """Which of the different texts of a chunk are damaged, by check."""
    texts = view.unique.texts
    plain = compute.string_is_ascii(texts)
    others = np.flatnonzero(~plain.to_numpy(zero_copy_only=False))
    found = {}
    for name, pattern in DAMAGE.items():
        flags = np.zeros(len(texts), bool)
        at = others if name != "control_character" else np.arange(len(texts))
        some = texts if at.size == len(texts) else texts.take(at)
        flags[at] = compute.match_substring_regex(some, pattern).to_numpy(zero_copy_only=False)
        if name == "mojibake":
            at = np.flatnonzero(flags)
            flags[at] = [damaged_at(text) >= 0 for text in texts.take(at).to_pylist()]
        found[name] = flags
    return found


class Lengths:
    """How long texts are: counts by length, and the longest few, of queries, positives and negatives."""

    def __init__(self) -> None:
        self._counts = {name: np.zeros(64 * _STEPS, np.int64) for name in ("query", "positive", "negative")}
        self._rows = {name: counts.copy() for name, counts in self._counts.items()}  # rows, by the longest of each
        self._longest: dict[str, list[tuple[int, Example]]] = {name: [] for name in self._counts}

    def add(self, view: View) -> None:
        """Count the texts of a chunk."""
        lengths = compute.utf8_length(view.unique.texts).to_numpy(zero_copy_only=False).astype(np.int64)
        lengths = np.append(lengths, 0)
        self._add("query", lengths, view.query, np.arange(view.num_rows), view.query_place)
        for side in view.sides:
            self._add(side.name, lengths, side.text, side.rows, partial(view.document_place, side))

    def _add(self, name: str, lengths: _Int64, texts: Texts, rows: _Int64, place: Any) -> None:
        found = np.where(texts.is_known, lengths[texts.codes], 0)
        most = np.zeros(int(rows.max(initial=-1)) + 1, np.int64)
        np.maximum.at(most, rows, found)
        self._rows[name] += np.bincount(_step(most[most > 0]), minlength=64 * _STEPS)
        known = found[found > 0]
        self._counts[name] += np.bincount(_step(known), minlength=64 * _STEPS)
        longest = self._longest[name]
        least = longest[-1][0] if len(longest) == EXAMPLES else _LONG - 1
        at = np.flatnonzero(found > least)
        if at.size:
            at = at[np.argsort(-found[at], kind="stable")][:EXAMPLES]
            longest += [(int(found[number]), place(int(number))) for number in at.tolist()]
            longest.sort(key=lambda each: -each[0])
            del longest[EXAMPLES:]

    def report(self, findings: Findings) -> None:
        """Find the texts that are far longer than the median of their kind."""
        for name, counts in self._counts.items():
            total = int(counts.sum())
            if not total:
                continue
            median = int(np.searchsorted(np.cumsum(counts), (total + 1) // 2))
            first = max(median + _STEPS * _FARTHER, int(_step(np.array([_LONG]))[0]))
            examples = [
                {**example, "shown": f"{length:,} characters: {example['shown']}"}
                for length, example in self._longest[name]
                if _step(np.array([length]))[0] >= first
            ]
            count = int(counts[first:].sum())
            rows = int(self._rows[name][first:].sum())
            findings.add("length_outlier", count, rows, examples.__getitem__)


def _step(lengths: _Int64) -> _Int64:
    mantissa, exponent = np.frexp(lengths.astype(np.float64))
    found: _Int64 = exponent.astype(np.int64) * _STEPS + ((mantissa - 0.5) * 2 * _STEPS).astype(np.int64)
    return found
