"""Training rows for the tests of formats: a small collection with odd texts, random rows, and what a format keeps."""

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

import hardmine as hm
from hardmine.formats.chunks import SCHEMA
from hardmine.nouns.positives import Positives

ODD = 'ñ "quoted", \\ and\ttab\r\nnew line \u2028 🦦'
DOCUMENTS = [
    ("10", "Otters", "live in rivers"), ("11", "", ODD), ("12", "Ravens", ""), ("13", "", "a dog"),
    ("14", "Title, too", "a\tcat"), ("15", "", "a mouse"),
]  # fmt: skip


def mined(*, titles=True):
    """Three queries (two positives, one, one with a single negative), two negatives each wanted."""
    ids, names, texts = (list(column) for column in zip(*DOCUMENTS, strict=True))
    collection = hm.Collection(
        pa.table({"id": ["1", "2", "3"], "text": ["which otter?", f"what {ODD}", "who"]}),
        pa.table({"id": ids, "title": names if titles else [""] * len(ids), "text": texts}),
        Positives([0, 2, 3, 4], [0, 3, 4, 5], [0.9, 0.75, 0.8, 0.7]),
    )
    run = hm.Candidates([0, 3, 5, 6], [1, 2, 4, 1, 2, 1], np.float32([0.8, 0.7, 0.6, 0.5, 0.4, 0.1]),
                        metadata={"teacher": "hand"})  # fmt: skip
    rule = hm.Selection(2, ceiling=hm.PercPos(0.95))
    return hm.Mined.from_run(collection, run, rule, positives=collection.positives)


def row(query_id, query, positives, negatives, *, titles=True):
    """A row as chunks have it; documents as (id, title, text, score)."""
    found = {"query_id": query_id, "query": query}
    for side, documents in (("positive", positives), ("negative", negatives)):
        parts = [list(part) for part in zip(*documents, strict=True)] or [[], [], [], []]
        found |= {
            f"{side}_ids": parts[0],
            f"{side}_titles": parts[1] if titles else None,
            f"{side}s": parts[2],
            f"{side}_scores": parts[3],
        }
    return found


def chunk(rows):
    """Rows as one chunk."""
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def joined(found, side):
    """Texts with their titles in front."""
    titles = found[f"{side}_titles"] or [""] * len(found[f"{side}s"])
    return [f"{title} {text}" if title else text for title, text in zip(titles, found[f"{side}s"], strict=True)]


KEEPS = {
    "flag-embedding": "scores",
    "tevatron": "query_id ids titles scores",
    "dpr": "ids titles+ scores",
    "ms-swift": "each",
    "llama-index": "",
    "tevatron-ids": "query_id ids",
    "automodel .json": "query_id ids scores",
    "automodel .jsonl": "",
    "pylate": "query_id ids scores each always",
    "ids": "query_id ids scores each bare zero",
    "msmarco-hard-negatives": "query_id ids bare",
    "gpl": "query_id ids bare",
    "colbert": "query_id ids each bare",
    "arctic": "query_id ids bare",
    "sentence-transformers:triplet": "scores each",
    "sentence-transformers:n-tuple": "scores each",
    "sentence-transformers:labeled-pair": "zero",
    "sentence-transformers:labeled-list": "scores each zero",
}
"""What survives in each format: of "query_id", "ids", "titles" ("titles+": empty ones too), "scores"; "each": one row
per positive; "bare": no texts; "zero": rows without a negative stay; "always": scores are not asked for."""


def kept(key, rows, *, scores):
    """What should be read back of rows that were written."""
    keeps = KEEPS[key].split()
    scores = (scores and "scores" in keeps) or "always" in keeps
    titled = any(row[f"{side}_titles"] is not None for row in rows for side in ("positive", "negative"))
    result = []
    for found in rows:
        if not found["positives"] or (not found["negatives"] and "zero" not in keeps):
            continue
        each = range(len(found["positives"])) if "each" in keeps else [None]
        for at in each:
            chosen = slice(None) if at is None else slice(at, at + 1)
            made = {"query_id": found["query_id"] if "query_id" in keeps else None,
                    "query": None if "bare" in keeps else found["query"]}  # fmt: skip
            for side in ("positive", "negative"):
                take = (lambda values, chosen=chosen: values[chosen]) if side == "positive" else list
                has_titles = "titles+" in keeps or ("titles" in keeps and titled)
                texts = found[f"{side}s"] if has_titles else joined(found, side)
                titles = found[f"{side}_titles"] or [""] * len(texts)
                empty = not take(texts)
                made[f"{side}_ids"] = take(found[f"{side}_ids"]) if "ids" in keeps else None
                made[f"{side}_titles"] = take(titles) if has_titles and not empty else None
                made[f"{side}s"] = None if "bare" in keeps else take(texts)
                made[f"{side}_scores"] = (
                    take(found[f"{side}_scores"])
                    if scores and not (empty and "ids" in keeps and "each" not in keeps)
                    else None
                )
            result.append(made)
    return result


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=9) | st.sampled_from(
    [ODD, "", " ", '"', "\n", "\r", "a,b", "[1]", "null", "🦦"]
)
scores = st.floats(-9, 9, width=32).map(lambda value: float(np.float32(value)))


@st.composite
def random_rows(draw, *, negatives=(0, 3), numbers=False):
    """Rows of distinct queries over one set of documents."""
    titles = draw(st.booleans())

    def whole(document):
        return " ".join(filter(None, document)) if titles else document[1]

    found = draw(st.lists(st.tuples(texts, texts), min_size=3, max_size=6, unique_by=whole))
    documents = [
        (str(number) if numbers else f"d {number}", title if titles else "", text)
        for number, (title, text) in enumerate(found)
    ]
    pick = st.sampled_from(documents).flatmap(lambda document: scores.map(lambda score: (*document, score)))
    rows = []
    for number in range(draw(st.integers(0, 4))):
        positives = draw(st.lists(pick, min_size=1, max_size=3, unique_by=lambda document: document[0]))
        others = draw(
            st.lists(pick, min_size=negatives[0], max_size=negatives[1], unique_by=lambda document: document[0])
        )
        rows.append(row(str(number), f"{number} {draw(texts)}", positives, others, titles=titles))
    return rows
