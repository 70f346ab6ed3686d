"""Small collections for the tests, made on the spot."""

import gzip
import json

import numpy as np


def write_jsonl(path, rows):
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode(), mtime=0))
    else:
        path.write_text(text, encoding="utf-8")
    return path


def write_beir(folder, corpus, queries, **splits):
    """A BEIR folder: corpus of (id, title, text), queries of (id, text), splits of (query, document, score)."""
    (folder / "qrels").mkdir(parents=True)
    write_jsonl(folder / "corpus.jsonl", [{"_id": i, "title": t, "text": x} for i, t, x in corpus])
    write_jsonl(folder / "queries.jsonl", [{"_id": i, "text": x} for i, x in queries])
    for name, rows in splits.items():
        lines = ["query-id\tcorpus-id\tscore", *("\t".join(map(str, row)) for row in rows)]
        (folder / "qrels" / f"{name}.tsv").write_text("\n".join(lines) + "\n")
    return folder


def random_texts(count, seed, *, words=40, length=12):
    rng = np.random.default_rng(seed)
    names = [f"w{i}" for i in range(words)]
    weights = 1 / np.arange(1, words + 1)
    return [" ".join(rng.choice(names, size=rng.integers(1, length), p=weights / weights.sum())) for _ in range(count)]


def random_beir(folder, *, num_queries=40, num_documents=200, seed=0):
    """Random words; some documents copy another in other letters, some queries have several positives."""
    rng = np.random.default_rng(seed)
    texts = random_texts(num_documents, seed)
    for copy in range(0, num_documents, 10):
        texts[copy + 5] = "  " + texts[copy].upper() + " "
    corpus = [(f"d{i}", "" if i % 3 else f"title {i % 7}", text) for i, text in enumerate(texts)]
    queries = [(f"q{i}", text) for i, text in enumerate(random_texts(num_queries, seed + 1))]
    labels = [
        (f"q{i}", f"d{d}", 1)
        for i in range(num_queries)
        for d in rng.choice(num_documents, size=rng.integers(1, 4), replace=False)
    ]
    return write_beir(folder, corpus, queries, train=labels)
