"""Groups of equal texts, the slow way."""

import unicodedata


def groups(texts):
    """Number of the first document with the same normalised text, per document, renumbered in order of appearance."""
    plain = [" ".join(unicodedata.normalize("NFKC", text).casefold().split()) for text in texts]
    seen = []
    for text in plain:
        if text not in seen:
            seen.append(text)
    return [seen.index(text) for text in plain]
