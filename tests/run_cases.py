"""What the tests of runs share: a collection, a run of it, and every file that it can be written to."""

import numpy as np
from hypothesis import strategies as st

import hardmine as hm

COLLECTION = hm.Collection.from_ids(["q1", "q2", "q3"], ["d1", "d2", "d3", "d4"], [["d2"], ["d1"], ["d4"]])
RUN = hm.Candidates(
    [0, 3, 3, 5], [1, 0, 2, 3, 0], np.float32([0.75, 0.5, 0.5, 3e30, -1.25]),
    query_ids=COLLECTION.query_ids, document_ids=COLLECTION.document_ids, metadata={"teacher": "my engine"},
)  # fmt: skip
FILES = [
    ("trec-run", "run.trec"), ("trec-run", "run.run.gz"), ("trec-run", "run.txt.zst"), ("msmarco", "run.tsv"),
    ("tevatron", "run.tsv"), ("hardmine", "run.hm"), ("parquet", "run.parquet"), ("arrow", "run.arrow"),
    ("npz", "run.npz"), ("npy", "arrays"), ("npy", "arrays.npz"), ("faiss", "index"), ("pylate", "kd.parquet"),
    ("pylate", "kd.jsonl.gz"), ("pylate", "kd.arrow"),
]  # fmt: skip


def table(run):
    names, documents = list(run.query_ids), list(run.document_ids)
    return {
        names[i]: [(documents[d], float(s)) for d, s in zip(*run[i], strict=True)]
        for i in range(len(run))
        if run[i].ids.size
    }


names = st.text(alphabet="abc1é-", min_size=1, max_size=2)
triples = st.lists(
    st.tuples(names, names, st.floats(width=32, allow_nan=False)), min_size=1, max_size=30, unique_by=lambda t: t[:2]
)
