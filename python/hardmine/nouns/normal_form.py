"""The form in which texts are compared for duplicates."""

from __future__ import annotations

import unicodedata


def normalised(text: str) -> str:
    """`text` as it is compared for duplicates: NFKC, case folded, white space collapsed."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
