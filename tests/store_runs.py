"""What the tests of `cache=` share: texts, a collection, small shards, counts."""

import json

import hardmine as hm
from hardmine.pipeline import cached
from tests.texts import random_texts

TEXTS = [f"{i} {text}" for i, text in enumerate(random_texts(100, 0))]
QUERIES = [f"q{i} {text}" for i, text in enumerate(random_texts(20, 1))]


def make_small(monkeypatch):
    """Several shards of everything."""
    monkeypatch.setattr(cached, "GROUP_TEXTS", 16)
    monkeypatch.setattr(cached, "SHARD_SECONDS", 0.0)
    monkeypatch.setattr(cached, "FIRST_QUERIES", 6)
    monkeypatch.setattr(cached, "FEWEST_QUERIES", 6)


def collect(queries=QUERIES, documents=TEXTS):
    return hm.Collection.from_pairs(queries, [documents[i % len(documents)] for i in range(len(queries))], documents)


def retrieve(collection, teacher, cache, k=10, **more):
    return hm.retrieve(collection, teacher, k, cache=cache, progress=False, **more)


def counts(cache):
    """By stage: rows reused, rows computed."""
    report = json.loads((cache / "last-run.json").read_text())
    return {stage.split()[-1]: (each["rows_reused"], each["rows_computed"]) for stage, each in report.items()}


def saved(run, path):
    run.save(path)
    return path.read_bytes()
