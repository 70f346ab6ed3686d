"""BM25 in the forms that bm25s has, word by word."""

import math
import re
from collections import Counter

IDF = {
    "lucene": lambda n, df: math.log(1 + (n - df + 0.5) / (df + 0.5)),
    "robertson": lambda n, df: math.log(max((n - df + 0.5) / (df + 0.5), 1)),
    "atire": lambda n, df: math.log(n / df),
    "bm25l": lambda n, df: math.log((n + 1) / (df + 0.5)),
    "bm25+": lambda n, df: math.log((n + 1) / df),
}


def words(text):
    return re.findall(r"[^\W_]+", text.lower())


def saturated(method, frequency, length, k1, b, delta):
    """What a count is worth in a document of so many mean lengths."""
    norm = 1 - b + b * length
    if method in ("lucene", "robertson"):
        return frequency / (frequency + k1 * norm)
    if method == "bm25l":
        return (k1 + 1) * (frequency / norm + delta) / (k1 + frequency / norm + delta)
    return (k1 + 1) * frequency / (frequency + k1 * norm) + (delta if method == "bm25+" else 0)


def scores(queries, documents, k1=1.5, b=0.75, method="lucene", delta=0.5):
    """Score of every (query, document) as nested lists of floats: what a document gets for the words that it has, above
    what any document gets for a word that it lacks (`constants`)."""
    counts = [Counter(words(text)) for text in documents]
    lengths = [sum(count.values()) for count in counts]
    mean = sum(lengths) / len(lengths)
    containing = Counter(word for count in counts for word in count)

    def weight(word, document):
        frequency = counts[document][word]
        if not frequency:
            return 0.0
        worth = saturated(method, frequency, lengths[document] / mean, k1, b, delta)
        return IDF[method](len(documents), containing[word]) * (worth - saturated(method, 0, 1, k1, b, delta))

    return [[sum(weight(word, d) for word in words(query)) for d in range(len(documents))] for query in queries]


def constants(queries, documents, k1=1.5, b=0.75, method="lucene", delta=0.5):
    """What every document gets for the words of each query, those that it lacks too."""
    containing = Counter(word for text in documents for word in set(words(text)))
    worth = saturated(method, 0, 1, k1, b, delta)
    return [
        sum(IDF[method](len(documents), containing[word]) * worth for word in words(query) if containing[word])
        for query in queries
    ]
