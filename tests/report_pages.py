"""Pages of the report for tests: small runs with texts that try to be more, and what a parser finds in a page."""

from html.parser import HTMLParser

import numpy as np

import hardmine as hm
from hardmine.report.html import charts

HOSTILE = (
    "<script>window.broken = 1</script>",
    "</script><script>window.broken = 2</script>",
    "\"><img src=x onerror='window.broken = 3'>",
    "</title></style></table></details><h1>gone</h1><!-- ",
    "' onmouseover=window.broken=4 x='",
    "&lt;b&gt; &amp; \u2028 \u202e \x00\x07 ]]>",
    "<svg onload=window.broken=5>",
    "{{7*7}} ${7*7} <a href=https://example.org>out</a>",
)


def without_pictures(monkeypatch):
    """Leave the drawing out, which takes most of the time, where the words are what matters."""
    monkeypatch.setattr(charts, "_svg", lambda *_, **__: "<svg></svg>")


VOID = {"meta", "link", "input", "br", "img", "hr"}


class Found(HTMLParser):
    """The elements of a page as a parser sees them: tags with attributes, and the text of all of them."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.elements, self.stack, self.texts, self.doctype, self.comments = [], [], [], None, []
        self.feed(page)
        self.close()

    def handle_decl(self, decl):
        self.doctype = decl

    def handle_comment(self, data):
        self.comments.append(data)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), tuple(self.stack)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), tuple(self.stack)))

    def handle_endtag(self, tag):
        assert self.stack, f"</{tag}> closes nothing"
        assert self.stack.pop() == tag, tag

    def handle_data(self, data):
        if self.stack and self.stack[-1] not in ("style", "script"):
            self.texts.append(data)

    @property
    def text(self):
        return "".join(self.texts)

    def all(self, tag):
        return [attributes for name, attributes, _ in self.elements if name == tag]


def hostile_collection():
    """A query and a document for each hostile text, which stand in ids, titles and texts."""
    import pyarrow as pa

    n = len(HOSTILE)
    queries = pa.table({"id": [f"q{i}{text}" for i, text in enumerate(HOSTILE)], "text": list(HOSTILE)})
    documents = pa.table(
        {
            "id": [f"d{i}{HOSTILE[i % n]}" for i in range(3 * n)],
            "title": [HOSTILE[(i + 1) % n] for i in range(3 * n)],
            "text": [f"{HOSTILE[i % n]} number {i}" for i in range(3 * n)],
        }
    )
    return hm.Collection(queries, documents, hm.Positives.from_lists([[i] for i in range(n)]))


def mined(collection, *, seed=0, k=10, teacher="made", selection=None, scores=None, positive_scores=None):
    """What a made teacher gives in a collection."""
    rng = np.random.default_rng(seed)
    num_queries, num_documents = collection.num_queries, collection.num_documents
    k = min(k, num_documents)
    ids = np.stack([np.sort(rng.permutation(num_documents)[:k]) for _ in range(num_queries)])
    if scores is None:
        scores = -np.sort(-rng.random((num_queries, k), dtype=np.float32), axis=1)
    labels = collection.positives
    if positive_scores is None:
        positive_scores = rng.random(labels.ids.size, dtype=np.float32) + 0.2
    scored = None if positive_scores is False else labels.with_scores(positive_scores)
    run = hm.Candidates(
        np.arange(num_queries + 1) * k,
        ids.ravel(),
        np.asarray(scores, np.float32).ravel(),
        positives=scored,
        query_ids=collection.query_ids,
        document_ids=collection.document_ids,
        metadata={"teacher": teacher, "k": k},
    )
    selection = selection or hm.Selection(3, ceiling=hm.NoCeiling())
    return hm.Mined.from_run(collection, run, selection)


SWEEP = {
    "about": {"teacher": HOSTILE[6], "queries": 8, "documents": 24},
    "recommended": {"index": 1, "basis": "estimate", "why": HOSTILE[1], "criterion": {"hardness": "mean_score"}},
    "estimate": {"queries": 50, "protocol": "hide-one", "confidence": 0.95, "why_none": None},
    "rows": [
        {
            "index": at, "rule": f"{HOSTILE[at % 8]}={at}", "kept": 10 * at, "short_share": 0.01 * at,
            "mean_score": 0.4 + 0.02 * at, "hardness": 0.7 + 0.01 * at, "eci": 0.5,
            "false_negative_rate": 0.01 * at, "false_negative_low": 0.005 * at, "false_negative_high": 0.02 * at,
            "selection": {"ceiling": {"kind": "none"}} if at == 3 else {},
        }
        for at in range(9)
    ]
    + [{"index": 9, "rule": "anchored", "false_negative_rate": None, "no_estimate": HOSTILE[2]}],
    "unfit": [],
}  # fmt: skip

AUDIT = {
    "worst": "error",
    "files": [{"name": HOSTILE[3]}],
    "findings": [
        {
            "check": HOSTILE[4], "severity": "error", "what": HOSTILE[5], "count": 12345, "rows": 7, "repair": None,
            "examples": [
                {"file": HOSTILE[0], "unit": "line", "line": 3, "field": HOSTILE[1], "shown": HOSTILE[2]},
                {"file": "a", "unit": "row", "line": None, "field": None, "shown": "b"},
            ],
        }
    ],
}  # fmt: skip
