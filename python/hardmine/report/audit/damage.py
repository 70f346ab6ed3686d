"""UTF-8 that was read as Latin-1 or Windows' Western encoding: told by reading it back."""

from __future__ import annotations

import re

_LATE = {letter: at for at in range(0x80, 0xA0) for letter in (bytes([at]).decode("cp1252", "ignore"),) if letter}
_TAILS = f"\u0080-\u00bf{''.join(_LATE)}"
"""What the bytes 0x80 to 0xBF were read as, in either encoding."""
CANDIDATE = f"[\u00c2-\u00f4][{_TAILS}]"
"""Where a damaged letter could begin: to pick out the few texts that are looked at one by one."""

_RUN = re.compile(f"[\u00c0-\u00ff{_TAILS}]+")
_SEQUENCE = re.compile(b"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")

_BEHIND = frozenset(
    "\u201d\u2019\u201c\u2018\u201e\u201a\u2026\u2013\u2014\u00bb\u00ab\u203a\u2039\u00a0\u00ad\u2020\u2021\u2022\u2122"
    "\u20ac\u00a1\u00a2\u00a3\u00a5\u00a7\u00a9\u00aa\u00ae\u00b0\u00b2\u00b3\u00b7\u00b9\u00ba\u00bc\u00bd\u00be\u00bf"
)
"""Signs that stand behind a word that ends in a letter of its own."""
_BETWEEN = frozenset("\u2019\u2026\u2013\u2014\u201d\u00bb\u203a\u00a0\u00ad\u00b7")
"""Those of them with which the next word may begin at once."""
_BEFORE = frozenset("\u201c\u2018\u201e\u201a\u00ab\u2039\u00a1\u00bf")
"""Signs with which the next word may begin."""
_TWO = ("\u00e2\u20ac", "\u00e1\u00ba")
"""Beginnings of three bytes that no word ends in: of signs, and of Vietnamese letters."""
_ALONE = frozenset("\u201d\u2019\u201c\u2018\u201e\u201a\u2026\u2013\u2014\u203a\u2039\u00b2\u00b3\u00b9")
"""Those that may stand behind a letter that is spoken of, such as \u00c3 in quotes."""
_SINGLE = frozenset("\u00c2\u00c3\u00c4\u00c5\u00c6\u00c8")
"""What a damaged letter that comes alone, among those of ASCII, begins with: Latin ones."""


def damaged_at(text: str) -> int:
    """Where a text begins to be UTF-8 that was read as another encoding; -1 where it does not.

    A run of letters and signs beyond ASCII is damage where it reads back as UTF-8: as several letters, as one of three
    or four bytes, or as one of two whose neighbours no language would have. A word that ends in \u00c3 with a quotation
    mark, an ellipsis or the like behind it is none, though it would read back.
    """
    for run in _RUN.finditer(text):
        if _is_damage(run[0], text[run.start() - 1 : run.start()], text[run.end() : run.end() + 1]):
            return run.start()
    return -1


def _is_damage(run: str, before: str, behind: str) -> bool:
    read = bytes(_LATE.get(letter, ord(letter)) for letter in run)
    sequences = list(_SEQUENCE.finditer(read))
    rest = _SEQUENCE.sub(b"", read)
    if not sequences or any(byte >= 0xC0 for byte in rest):
        return False
    try:
        letters = b"".join(each[0] for each in sequences).decode()
    except UnicodeDecodeError:  # too long a form, half a surrogate pair, beyond Unicode
        return False
    if len(sequences) > 1:
        return True
    start, end = sequences[0].span()
    tail = run[start + 1 : end]
    if len(tail) > 1:
        if run[start : start + 2] in _TWO or not _BEHIND.issuperset(tail):
            return True
        return behind.isalpha() and end == len(run) and tail[-1] not in _BETWEEN | _BEFORE
    before, behind = run[start - 1 : start] or before, run[end : end + 1] or behind
    if run[start] not in _SINGLE or "\x80" <= letters <= "\x9f":
        return False
    if before.islower() or (behind.isalpha() and tail not in _BETWEEN):
        return True
    if before.isupper():
        return tail not in _BEHIND
    return start == 0 and tail not in _ALONE
