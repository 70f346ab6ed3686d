"""Lucene's BM25, word by word."""

import math
import re
from collections import Counter


def words(text):
    return re.findall(r"[^\W_]+", text.lower())


def scores(queries, documents, k1=1.5, b=0.75):
    """Score of every (query, document), as nested lists of floats."""
    counts = [Counter(words(text)) for text in documents]
    lengths = [sum(count.values()) for count in counts]
    mean = sum(lengths) / len(lengths)
    containing = Counter(word for count in counts for word in count)

    def weight(word, document):
        frequency = counts[document][word]
        if not frequency:
            return 0.0
        idf = math.log(1 + (len(documents) - containing[word] + 0.5) / (containing[word] + 0.5))
        return idf * frequency / (frequency + k1 * (1 - b + b * lengths[document] / mean))

    return [[sum(weight(word, d) for word in words(query)) for d in range(len(documents))] for query in queries]
