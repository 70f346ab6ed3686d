"""The form in which texts are compared for duplicates: one text, and whole columns of them."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

from hardmine.nouns.arrow import flat
from hardmine.plumbing.extras import need

if TYPE_CHECKING:
    import pyarrow as pa

_UNCOLLAPSED = r"^[\t-\r\x1c-\x20]|[\t-\r\x1c-\x20]{2}|[\t-\r\x1c-\x1f]|[\t-\r\x1c-\x20]$"
"""White space of ASCII (what `str.split` takes for it) that is more than a blank between two words."""


def normalised(text: str) -> str:
    """`text` as it is compared for duplicates: NFKC, case folded, white space collapsed."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def normalised_all(texts: Any) -> pa.LargeStringArray:
    """`normalised` of every text; null stays null.

    Parameters
    ----------
    texts : pyarrow array of strings

    Notes
    -----
    Texts of ASCII whose white space is in order need their capitals made small and nothing else, which Arrow does; the
    others are looked at one by one.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from hardmine.nouns.normal_form import normalised_all
    >>> normalised_all(pa.array(["Two  Words", "STRASSE", "Straße", None])).to_pylist()
    ['two words', 'strasse', 'strasse', None]
    """
    pa = need("pyarrow", what="comparing texts", extra="mine")
    compute = need("pyarrow.compute", what="comparing texts", extra="mine")
    strings = flat(texts).cast(pa.large_string())
    is_plain = compute.string_is_ascii(strings)
    is_plain = compute.and_(is_plain, compute.invert(compute.match_substring_regex(strings, _UNCOLLAPSED)))
    small = compute.ascii_lower(strings)
    others = compute.fill_null(compute.invert(is_plain), False)  # noqa: FBT003
    if not compute.any(others).as_py():
        return small
    made = pa.array([normalised(text) for text in strings.filter(others).to_pylist()], pa.large_string())
    return flat(compute.replace_with_mask(small, others, made))
